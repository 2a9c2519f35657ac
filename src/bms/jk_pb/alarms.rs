//! Bits of the alarm word in a live frame.

use crate::bms::bits::{Bit, l1, l2};
use crate::model::AlarmName::*;

/// Alarm word, low byte first. Bits 24 and up: names of the manufacturer's app according to syssi/esphome-jk-bms (jk_bms_ble.cpp).
#[rustfmt::skip]
pub(crate) const ALARMS: [[Bit; 8]; 4] = [
    // Resistance of a balance wire; bit 2: the cell count is not the configured one; bit 3: current sensor.
    [l1(SensorFault), l2(HighMosTemperature), l2(BmsInternal), l2(SensorFault),
     l2(CellHighVoltage), l2(HighVoltage), l2(HighChargeCurrent), l2(ShortCircuit)],
    // Bit 2: the auxiliary processor does not reply; bit 7: discharging.
    [l2(HighChargeTemperature), l2(LowChargeTemperature), l2(BmsInternal), l2(CellLowVoltage),
     l2(LowVoltage), l2(HighDischargeCurrent), l2(ShortCircuit), l2(HighTemperature)],
    // Bit 4: the discharge FET does not switch on; bit 7: communication between parallel boards.
    [l2(ChargeFetFault), l2(DischargeFetFault), Bit::Note("GPS disconnected"),
     Bit::Note("the BMS still has its default password: change it in the app"),
     l2(DischargeFetFault), l2(HighTemperature), l2(SensorFault), l2(Communication)],
    // Short-circuit protection cannot be released; second and third level; discharging.
    [l2(ShortCircuit), l2(HighDischargeCurrent), l2(HighDischargeCurrent), l2(LowTemperature),
     Bit::Note("locked by GPS or remotely"), Bit::Undocumented, Bit::Undocumented, Bit::Undocumented],
];
