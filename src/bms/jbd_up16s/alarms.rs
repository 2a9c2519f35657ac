//! Fault bits (the protection has acted) and alarm bits (warnings). Source: mr-manuel/venus-os_dbus-serialbattery issues 461 and 478.

use crate::bms::bits::{Bit, l1, l2};
use crate::model::AlarmName::*;

const OPEN: Bit = Bit::Undocumented;
const SENSORS_DIFFER: Bit = Bit::Note("the temperatures differ too much");

/// Lowest byte first, bit 0 first.
#[rustfmt::skip]
pub(crate) const FAULTS: [[Bit; 8]; 4] = [
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(HighVoltage), l2(LowVoltage),
     l2(HighChargeCurrent), l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(HighDischargeCurrent)],
    // Charge, discharge, MOSFETs, environment; difference of the cells.
    [l2(HighChargeTemperature), l2(LowChargeTemperature), l2(HighTemperature), l2(LowTemperature),
     l2(HighMosTemperature), l2(HighTemperature), l2(LowTemperature), l2(CellImbalance)],
    [SENSORS_DIFFER, l2(LowSoc), l2(ShortCircuit), l2(BmsInternal),
     l2(SensorFault), l2(ChargeFetFault), l2(DischargeFetFault), l2(BmsInternal)],
    // Aerosol in the pack, full (a state), front end, polarity reversed.
    [l2(BmsInternal), Bit::State, l2(BmsInternal), l2(BmsInternal), OPEN, OPEN, OPEN, OPEN],
];

/// As [`FAULTS`].
#[rustfmt::skip]
pub(crate) const ALARMS: [[Bit; 8]; 4] = [
    [l1(CellHighVoltage), l1(CellLowVoltage), l1(HighVoltage), l1(LowVoltage),
     l1(HighChargeCurrent), l1(HighDischargeCurrent), l1(HighChargeTemperature), l1(LowChargeTemperature)],
    [l1(HighTemperature), l1(LowTemperature), l1(HighMosTemperature), l1(HighTemperature),
     l1(LowTemperature), l1(CellImbalance), SENSORS_DIFFER, l1(LowSoc)],
    // EEPROM, clock, full (a state).
    [l1(BmsInternal), l1(BmsInternal), Bit::State, OPEN, OPEN, OPEN, OPEN, OPEN],
    [OPEN; 8],
];
