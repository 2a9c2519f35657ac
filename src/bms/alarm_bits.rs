//! Failure bits of protocols that list them byte by byte, as a table of what each bit means.

use crate::model::{AlarmName, Level, Reading};

/// What a bit means.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bit {
    /// Something is wrong.
    Raise(AlarmName, Level),
    /// Information, or a bit that no document explains.
    Note(&'static str),
    /// A state that is shown elsewhere or nowhere.
    State,
}

/// The first level: a warning.
pub(super) const fn l1(name: AlarmName) -> Bit {
    Bit::Raise(name, Level::Warning)
}

/// The second level: the protection has acted, or something is broken.
pub(super) const fn l2(name: AlarmName) -> Bit {
    Bit::Raise(name, Level::Alarm)
}

/// Raises and notes what the bits of `bytes` mean; `table` has one row per byte, bit 0 first.
pub(super) fn apply(bytes: &[u8], table: &[[Bit; 8]], into: &mut Reading) {
    for (byte, row) in bytes.iter().zip(table) {
        for (_, meaning) in (0..8u32).zip(row).filter(|(bit, _)| (byte >> bit) & 1 == 1) {
            match *meaning {
                Bit::Raise(name, level) => into.raise(name, level),
                Bit::Note(text) => into.note(text),
                Bit::State => {}
            }
        }
    }
}

/// The bytes that say `alarms`, for simulated boards: the second level where there is one. A name that the table does not
/// have becomes an internal failure.
pub(crate) fn bytes_of(alarms: &[AlarmName], table: &[[Bit; 8]]) -> Vec<u8> {
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
    for (_, byte, bit) in alarms.iter().filter_map(|name| place(*name).or_else(|| place(AlarmName::BmsInternal))) {
        if let Some(byte) = bytes.get_mut(byte) {
            *byte |= 1 << bit;
        }
    }
    bytes
}
