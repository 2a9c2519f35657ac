//! Failure bits as a table of meanings: one row per byte, bit 0 first.

use crate::model::{AlarmName, Level, Reading};

/// Meaning of a bit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bit {
    /// A warning or alarm.
    Raise(AlarmName, Level),
    /// Information, or an undocumented bit.
    Note(&'static str),
    /// A state that is shown elsewhere or nowhere.
    State,
    /// Undocumented: see [`apply_word`].
    Undocumented,
}

/// The first level: a warning.
pub(super) const fn l1(name: AlarmName) -> Bit {
    Bit::Raise(name, Level::Warning)
}

/// The second level: the protection has acted, or something is broken.
pub(super) const fn l2(name: AlarmName) -> Bit {
    Bit::Raise(name, Level::Alarm)
}

/// Raises alarms and adds notes for the set bits of `bytes`; `table` has one row per byte, bit 0 first.
pub(super) fn apply(bytes: &[u8], table: &[[Bit; 8]], into: &mut Reading) {
    for (byte, row) in bytes.iter().zip(table) {
        for (_, meaning) in (0..8u32).zip(row).filter(|(bit, _)| (byte >> bit) & 1 == 1) {
            match *meaning {
                Bit::Raise(name, level) => into.raise(name, level),
                Bit::Note(text) => into.note(text),
                Bit::State | Bit::Undocumented => {}
            }
        }
    }
}

/// As [`apply`] for the bytes of one word, low byte first; undocumented bits become a note with their number, after the name
/// `what`.
pub(super) fn apply_word<const N: usize>(what: &str, bytes: [u8; N], table: &[[Bit; 8]; N], into: &mut Reading) {
    apply(&bytes, table, into);
    let undocumented = bytes.iter().zip(table).map(|(byte, row)| {
        let bits = (0..8u32).zip(row).filter(|(_, meaning)| matches!(meaning, Bit::Undocumented));
        bits.fold(0u8, |mask, (bit, _)| mask | 1 << bit) & byte
    });
    let undocumented: Vec<u8> = undocumented.rev().collect();
    if undocumented.iter().any(|byte| *byte != 0) {
        let digits: String = undocumented.iter().map(|byte| format!("{byte:02x}")).collect();
        into.note(format!("{what} bits {digits} (meaning not documented)"));
    }
}

/// `alarm`, if one of `tables` has a bit for it: what a simulated board shows of it.
pub(crate) fn with_bit(alarm: AlarmName, tables: &[&[[Bit; 8]]]) -> Option<AlarmName> {
    let has_it = |meaning: &Bit| matches!(meaning, Bit::Raise(name, _) if *name == alarm);
    tables.iter().copied().flatten().flatten().any(has_it).then_some(alarm)
}

/// The bytes for `alarms`, for simulated boards: at the second level if there is one. A name that is missing in the table becomes
/// `otherwise`, if the table has that.
pub(crate) fn bytes_of(alarms: &[AlarmName], table: &[[Bit; 8]], otherwise: Option<AlarmName>) -> Vec<u8> {
    let place = |name: AlarmName| {
        let bits =
            table.iter().enumerate().flat_map(|(byte, row)| (0..8u32).zip(row).map(move |(bit, meaning)| (byte, bit, meaning)));
        let named = bits.filter_map(|(byte, bit, meaning)| match meaning {
            Bit::Raise(known, level) if *known == name => Some((*level, byte, bit)),
            _ => None,
        });
        named.max_by_key(|(level, byte, _)| (*level, usize::MAX.saturating_sub(*byte)))
    };
    let mut bytes = vec![0; table.len()];
    for (_, byte, bit) in alarms.iter().filter_map(|name| place(*name).or_else(|| place(otherwise?))) {
        if let Some(byte) = bytes.get_mut(byte) {
            *byte |= 1 << bit;
        }
    }
    bytes
}
