//! Registers 9 to 12: warnings, protections, faults with the states of the FETs, balancing.

use crate::bms::bits::{Bit, apply_word, l1, l2};
use crate::bms::bytes::show_balancing;
use crate::bms::modbus::Registers;
use crate::model::{AlarmName::*, Reading};

const OPEN: Bit = Bit::Undocumented;
const STATE: Bit = Bit::State;

/// Low byte first, bit 0 first.
#[rustfmt::skip]
const WARNINGS: [[Bit; 8]; 2] = [
    [l1(CellHighVoltage), l1(CellLowVoltage), l1(HighVoltage), l1(LowVoltage),
     l1(HighChargeCurrent), l1(HighDischargeCurrent), OPEN, OPEN],
    // Charge, discharge, environment, MOSFETs.
    [l1(HighChargeTemperature), l1(HighTemperature), l1(LowChargeTemperature), l1(LowTemperature),
     l1(HighTemperature), l1(LowTemperature), l1(HighMosTemperature), l1(LowSoc)],
];
/// Bit 7 is a charger with too much voltage; bit 15, fully charged, is a state.
#[rustfmt::skip]
pub(crate) const PROTECTIONS: [[Bit; 8]; 2] = [
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(HighVoltage), l2(LowVoltage),
     l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(ShortCircuit), l2(HighVoltage)],
    [l2(HighChargeTemperature), l2(HighTemperature), l2(LowChargeTemperature), l2(LowTemperature),
     l2(HighMosTemperature), l2(HighTemperature), l2(LowTemperature), STATE],
];
/// FETs, sensor, cell, front end; then charging, discharging, both FETs, limiter, polarity, heater.
#[rustfmt::skip]
pub(crate) const FAULTS: [[Bit; 8]; 2] = [
    [l2(ChargeFetFault), l2(DischargeFetFault), l2(SensorFault), OPEN, l2(BmsInternal), l2(BmsInternal), OPEN, OPEN],
    [STATE, STATE, STATE, STATE, Bit::Note("the BMS limits the charge current"), OPEN,
     Bit::Note("the charger is connected the wrong way round"), Bit::State],
];

pub(super) fn alarms(registers: &Registers<'_>, into: &mut Reading) {
    let words = [9, 10, 11, 12].map(|register| registers.u16(register));
    let [Some(warnings), Some(protections), Some(status), Some(balancing)] = words else { return };
    into.alarms = Some(Vec::new());
    apply_word("warning", warnings.to_le_bytes(), &WARNINGS, into);
    apply_word("protection", protections.to_le_bytes(), &PROTECTIONS, into);
    apply_word("status", status.to_le_bytes(), &FAULTS, into);
    into.fets.charge = Some(status & 0x0400 != 0);
    into.fets.discharge = Some(status & 0x0800 != 0);
    into.heating = Some(status & 0x8000 != 0);
    show_balancing(u32::from(balancing), into);
}
