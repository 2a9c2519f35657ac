//! Numbers on CAN: 16 bits, little-endian, saturating. In Rust a cast from float to integer saturates, and NaN becomes 0.

use super::Frame;

/// Float noise ignored when rounding down or up, in steps of the wire.
const NOISE: f64 = 1e-6;

/// An unsigned measured value, rounded to the nearest step.
pub(crate) fn unsigned(value: f64, steps_per_unit: f64) -> [u8; 2] {
    ((value * steps_per_unit).round() as u16).to_le_bytes()
}

/// A signed measured value, rounded to the nearest step. −32768 is SMA's "invalid" and never used as a value.
pub(crate) fn signed(value: f64, steps_per_unit: f64) -> [u8; 2] {
    ((value * steps_per_unit).round() as i16).max(-i16::MAX).to_le_bytes()
}

/// A voltage that must not be exceeded: rounded down.
pub(crate) fn at_most_unsigned(value: f64, steps_per_unit: f64) -> [u8; 2] {
    ((value * steps_per_unit + NOISE).floor() as u16).to_le_bytes()
}

/// A current that must not be exceeded: rounded down, never below 0, in the range of a signed number.
pub(crate) fn at_most_current(value: f64, steps_per_unit: f64) -> [u8; 2] {
    ((value * steps_per_unit + NOISE).floor() as i16).max(0).to_le_bytes()
}

/// A minimum voltage: rounded up.
pub(crate) fn at_least_unsigned(value: f64, steps_per_unit: f64) -> [u8; 2] {
    ((value * steps_per_unit - NOISE).ceil() as u16).to_le_bytes()
}

/// State of charge in whole per cent, 0 to 100: rounded down, so that 100 means full, but 0 only for 0: some inverters shut down at 0.
pub(crate) fn whole_percent(value: f64) -> [u8; 2] {
    let whole = (value + NOISE).floor().clamp(0.0, 100.0);
    let whole = if whole == 0.0 && value > 0.0 { 1.0 } else { whole };
    (whole as u16).to_le_bytes()
}

/// Text of 8 bytes: printable ASCII, cut or padded with `fill`.
pub(crate) fn text(text: &str, fill: u8) -> [u8; 8] {
    let mut bytes = [fill; 8];
    let printable = text.bytes().map(|byte| if (0x20..0x7F).contains(&byte) { byte } else { b'?' });
    bytes.iter_mut().zip(printable).for_each(|(to, from)| *to = from);
    bytes
}

/// The same frame with 8 bytes, filled up with zeros: some inverters take no others.
pub(crate) fn padded(frame: &Frame) -> Frame {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(frame.bytes()).for_each(|(to, from)| *to = *from);
    Frame::new(frame.id(), &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_saturate_and_round_to_the_safe_side() {
        assert_eq!(unsigned(70_000.0, 1.0), [0xFF, 0xFF]);
        assert_eq!(unsigned(-1.0, 1.0), [0, 0]);
        assert_eq!(unsigned(f64::NAN, 1.0), [0, 0]);
        assert_eq!(signed(-1e9, 10.0), [0x01, 0x80]);
        assert_eq!(at_most_current(-376.0, 10.0), [0, 0]);
        assert_eq!(at_most_current(1e9, 10.0), [0xFF, 0x7F]);
        assert_eq!(at_most_unsigned(55.29, 10.0), 552u16.to_le_bytes());
        assert_eq!(at_most_unsigned(55.2, 10.0), 552u16.to_le_bytes());
        assert_eq!(at_least_unsigned(46.41, 10.0), 465u16.to_le_bytes());
        assert_eq!(at_least_unsigned(46.4, 10.0), 464u16.to_le_bytes());
    }

    #[test]
    fn a_charge_is_full_at_100_and_empty_at_0_only() {
        for (percent, sent) in [(0.0, 0), (0.2, 1), (75.36, 75), (99.9, 99), (100.0, 100), (250.0, 100), (-3.0, 0), (29.0, 29)] {
            assert_eq!(whole_percent(percent), u16::to_le_bytes(sent), "{percent}");
        }
    }
}
