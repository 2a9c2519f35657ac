//! Values written by clients, in any of the types and wrappings that they send.

use crate::base::printable::{MAX_NAME, printable};
use zbus::Variant;

/// Maximum current accepted as a member's share, A.
const HIGHEST_SHARE: f64 = 10_000.0;

/// The value inside nested variants, which some clients send.
pub(in crate::dbus) fn innermost<'a>(value: &'a Variant<'a>) -> &'a Variant<'a> {
    let mut value = value;
    while let Variant::Variant(inner) = value {
        value = inner;
    }
    value
}

/// A plausible custom name.
pub(in crate::dbus) fn name_in<'a>(value: &'a Variant<'_>) -> Option<&'a str> {
    let Variant::Str(name) = value else { return None };
    let name = name.as_str();
    (printable(name, MAX_NAME) == name).then_some(name)
}

/// A plausible current.
pub(in crate::dbus) fn share_in(value: &Variant<'_>) -> Option<f64> {
    let Variant::F64(amps) = *value else { return None };
    (0.0..=HIGHEST_SHARE).contains(&amps).then_some(amps)
}

/// 0 or 1 in any of the types sent by clients.
pub(in crate::dbus) fn switch_in(value: &Variant<'_>) -> Option<bool> {
    match number_in(value) {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    }
}

/// A whole number in any of the types sent by clients.
pub(in crate::dbus) fn number_in(value: &Variant<'_>) -> Option<i32> {
    let number = match *value {
        Variant::Bool(flag) => i64::from(flag),
        Variant::U8(n) => i64::from(n),
        Variant::I16(n) => i64::from(n),
        Variant::U16(n) => i64::from(n),
        Variant::I32(n) => i64::from(n),
        Variant::U32(n) => i64::from(n),
        Variant::I64(n) => n,
        Variant::U64(n) => i64::try_from(n).ok()?,
        _ => return None,
    };
    i32::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_understood_in_any_type_and_wrapping() {
        let wrapped = Variant::Variant(Box::new(Variant::U8(1)));
        assert_eq!(switch_in(innermost(&wrapped)), Some(true));
        assert_eq!(switch_in(&Variant::U64(u64::MAX)), None);
        assert_eq!(switch_in(&Variant::F64(1.0)), None);
        assert_eq!(name_in(&Variant::from("x".repeat(64))), Some("x".repeat(64).as_str()));
        for bad in ["x".repeat(65), "a\nb".to_owned(), "a\u{1b}[2J".to_owned(), "a\u{202e}b".to_owned()] {
            assert_eq!(name_in(&Variant::from(bad)), None);
        }
    }
}
