//! Alarms: pairs of bits in 7F4, from the lowest of the first byte on. 1 is serious, 2 important, 3 general.

use crate::model::AlarmName::{self, *};
use crate::model::{Level, Reading};

/// What a pair means.
enum Pair {
    /// An alarm.
    Raise(AlarmName),
    /// A fault of the BMS, with a note that says which.
    Fault(&'static str),
    /// A note.
    Note(&'static str),
}

/// The pairs in their order.
const PAIRS: [Pair; 15] = [
    Pair::Raise(CellHighVoltage),
    Pair::Raise(CellLowVoltage),
    Pair::Raise(HighVoltage),
    Pair::Raise(LowVoltage),
    Pair::Raise(CellImbalance),
    Pair::Raise(HighDischargeCurrent),
    Pair::Raise(HighChargeCurrent),
    Pair::Raise(HighTemperature),
    Pair::Raise(LowTemperature),
    Pair::Note("the temperatures differ too much"),
    Pair::Raise(LowSoc),
    Pair::Fault("the insulation is damaged"),
    Pair::Fault("the interlock is open"),
    Pair::Note("another device does not communicate with the BMS"),
    Pair::Raise(Communication),
];

/// The content of 7F4. Nothing tells which levels switch off: only the lowest one is a warning.
pub(super) fn show(bytes: &[u8], into: &mut Reading) {
    let pairs = bytes.iter().flat_map(|byte| [0u32, 2, 4, 6].map(|shift| byte >> shift & 3));
    for (level, pair) in pairs.zip(&PAIRS).filter(|(level, _)| *level != 0) {
        let level = if level == 3 { Level::Warning } else { Level::Alarm };
        match pair {
            Pair::Raise(name) => into.raise(*name, level),
            Pair::Fault(text) => {
                into.raise(BmsInternal, level);
                into.note(*text);
            }
            Pair::Note(text) => into.note(*text),
        }
    }
}

/// The bytes for `alarms`, all serious, for simulated boards.
pub(crate) fn bytes_of(alarms: &[AlarmName]) -> [u8; 8] {
    let has = |pair: &Pair| matches!(pair, Pair::Raise(name) if alarms.contains(name));
    let mut bytes = [0; 8];
    for (byte, pairs) in bytes.iter_mut().zip(PAIRS.chunks(4)) {
        *byte = [0u32, 2, 4, 6].into_iter().zip(pairs).filter(|(_, pair)| has(pair)).fold(0, |byte, (shift, _)| byte | 1 << shift);
    }
    bytes
}

/// Whether a pair of bits tells of this alarm.
pub(crate) fn is_told(alarm: AlarmName) -> bool {
    PAIRS.iter().any(|pair| matches!(pair, Pair::Raise(name) if *name == alarm))
}
