//! What the frames of several simulated boards are made of.

/// `value` in units of 1/`scale`, high byte first, as far as 16 bits without a sign hold it.
pub(super) fn scaled(value: f64, scale: f64) -> [u8; 2] {
    ((value * scale).round() as u16).to_be_bytes()
}

/// Flags as bits, the first one lowest, as far as 32 bits hold them.
pub(super) fn bits(flags: impl IntoIterator<Item = bool>) -> u32 {
    flags.into_iter().zip(0..32u32).fold(0, |word, (flag, bit)| word | u32::from(flag) << bit)
}
