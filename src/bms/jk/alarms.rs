//! Bits of the alarm word, register 8B.

use crate::bms::bits::{Bit, l1, l2};
use crate::model::AlarmName::*;

/// Alarm word 8B, low byte first.
#[rustfmt::skip]
pub(crate) const ALARMS: [[Bit; 8]; 2] = [
    // Bit 4: at the battery.
    [l1(LowSoc), l2(HighMosTemperature), l2(HighVoltage), l2(LowVoltage),
     l2(HighTemperature), l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(CellImbalance)],
    // Bit 0: in the box; bits 4 and 5: "309_A protection", "309_B protection".
    [l2(HighTemperature), l2(LowTemperature), l2(CellHighVoltage), l2(CellLowVoltage),
     l2(BmsInternal), l2(BmsInternal), Bit::Undocumented, Bit::Undocumented],
];
