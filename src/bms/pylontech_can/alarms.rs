//! Alarms and warnings: bits in 359 (Pylontech), pairs of bits in 35A (Victron, SMA).

use crate::bms::bits::{self, Bit, apply, l1, l2};
use crate::model::AlarmName::{self, *};
use crate::model::{Level, Reading};

use Bit::Undocumented as NONE;

/// Bytes 0 and 1 of 359.
#[rustfmt::skip]
const PROTECTIONS: [[Bit; 8]; 2] = [
    [NONE, l2(HighVoltage), l2(LowVoltage), l2(HighTemperature), l2(LowTemperature), NONE, NONE, l2(HighDischargeCurrent)],
    [l2(HighChargeCurrent), NONE, NONE, l2(BmsInternal), NONE, NONE, NONE, NONE],
];

/// Bytes 2 and 3 of 359.
#[rustfmt::skip]
const WARNINGS: [[Bit; 8]; 2] = [
    [NONE, l1(HighVoltage), l1(LowVoltage), l1(HighTemperature), l1(LowTemperature), NONE, NONE, l1(HighDischargeCurrent)],
    [l1(HighChargeCurrent), NONE, NONE, l1(BmsInternal), NONE, NONE, NONE, NONE],
];

/// The pairs of 35A, from the lowest bits of the first byte on; the first one is a general alarm, the last three are not a battery's.
const PAIRS: [AlarmName; 13] = [
    BmsInternal,
    HighVoltage,
    LowVoltage,
    HighTemperature,
    LowTemperature,
    HighChargeTemperature,
    LowChargeTemperature,
    HighDischargeCurrent,
    HighChargeCurrent,
    Contactor,
    ShortCircuit,
    BmsInternal,
    CellImbalance,
];

/// The content of 359.
pub(super) fn bits(bytes: &[u8], into: &mut Reading) {
    into.alarms.get_or_insert_default();
    apply(bytes.get(..2).unwrap_or(bytes), &PROTECTIONS, into);
    apply(bytes.get(2..).unwrap_or_default(), &WARNINGS, into);
}

/// Whether a protection of 359 tells of this alarm.
pub(crate) fn is_told(alarm: AlarmName) -> bool {
    bits::with_bit(alarm, &[&PROTECTIONS]).is_some()
}

/// The protections of 359 for `alarms`, for simulated boards.
pub(crate) fn bytes_of(alarms: &[AlarmName]) -> Vec<u8> {
    bits::bytes_of(alarms, &PROTECTIONS, None)
}

/// The content of 35A. A pair of 1 is raised, of 2 cleared, of 0 or 3 not used.
pub(super) fn pairs(bytes: &[u8], into: &mut Reading) {
    into.alarms.get_or_insert_default();
    for (word, level) in bytes.chunks(4).zip([Level::Alarm, Level::Warning]) {
        let pairs = word.iter().flat_map(|byte| [0u32, 2, 4, 6].map(|shift| byte >> shift & 3));
        for (_, name) in pairs.zip(PAIRS).filter(|(pair, _)| *pair == 1) {
            into.raise(name, level);
        }
    }
}
