//! Encoding shared by several simulated boards.

/// `value` in units of 1/`scale`, limited to unsigned 16 bits.
pub(super) fn word(value: f64, scale: f64) -> u16 {
    (value * scale).round() as u16
}

/// As [`word`], signed.
pub(super) fn signed_word(value: f64, scale: f64) -> u16 {
    ((value * scale).round() as i16).cast_unsigned()
}

/// As [`word`], high byte first.
pub(super) fn scaled(value: f64, scale: f64) -> [u8; 2] {
    word(value, scale).to_be_bytes()
}

/// As [`signed_word`], high byte first.
pub(super) fn signed(value: f64, scale: f64) -> [u8; 2] {
    signed_word(value, scale).to_be_bytes()
}

/// Flags as bits, the first one lowest, limited to 32 bits.
pub(super) fn bits(flags: impl IntoIterator<Item = bool>) -> u32 {
    flags.into_iter().zip(0..32u32).fold(0, |word, (flag, bit)| word | u32::from(flag) << bit)
}
