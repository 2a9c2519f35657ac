//! Bits of the protection word in the basic information (register 03).

use crate::bms::bits::{Bit, l2};
use crate::model::AlarmName::*;

/// The bit for a software switch instead of a protection.
pub(super) const LOCKED: u16 = 0x1000;

/// Protection word, low byte first. A set bit means that the protection has acted; the end of the board's maximum charge time
/// (syssi/esphome-jbd-bms: "charge timeout close") is not a fault.
#[rustfmt::skip]
pub(crate) const PROTECTIONS: [[Bit; 8]; 2] = [
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(HighVoltage), l2(LowVoltage),
     l2(HighChargeTemperature), l2(LowChargeTemperature), l2(HighTemperature), l2(LowTemperature)],
    [l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(ShortCircuit), l2(BmsInternal),
     Bit::Note("FETs locked by software"), Bit::Note("charging has ended by its time limit"), Bit::Undocumented, Bit::Undocumented],
];
