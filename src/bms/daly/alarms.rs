//! Failure bits of Daly boards, the same in command 98 and in the Modbus registers 3A to 3D.
//!
//! Most failures have two levels: a warning, and the protection acting. Source: Daly "UART/485 communications protocol" V1.2 and
//! syssi/esphome-daly-bms:docs/dalyModbusProtocol.xlsx, which agree.

use crate::bms::bits::{Bit, apply, l1, l2};
use crate::model::{AlarmName::*, Reading};

const RESERVED: Bit = Bit::Note("reserved failure bit set (meaning not documented)");

/// One row per byte, bit 0 first.
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 7] = [
    [l1(CellHighVoltage), l2(CellHighVoltage), l1(CellLowVoltage), l2(CellLowVoltage),
     l1(HighVoltage), l2(HighVoltage), l1(LowVoltage), l2(LowVoltage)],
    [l1(HighChargeTemperature), l2(HighChargeTemperature), l1(LowChargeTemperature), l2(LowChargeTemperature),
     l1(HighTemperature), l2(HighTemperature), l1(LowTemperature), l2(LowTemperature)],
    [l1(HighChargeCurrent), l2(HighChargeCurrent), l1(HighDischargeCurrent), l2(HighDischargeCurrent),
     Bit::Note("SoC high"), Bit::Note("SoC high"), l1(LowSoc), l2(LowSoc)],
    // Sensors that differ too much: one of them is wrong, or part of the pack is much hotter than the rest.
    [l1(CellImbalance), l2(CellImbalance), l1(SensorFault), l2(SensorFault), RESERVED, RESERVED, RESERVED, RESERVED],
    // MOSFETs of charge and discharge: hot, sensor broken, stuck, open.
    [l2(HighMosTemperature), l2(HighMosTemperature), l2(SensorFault), l2(SensorFault),
     l2(ChargeFetFault), l2(DischargeFetFault), l2(ChargeFetFault), l2(DischargeFetFault)],
    // Front end, cell sampling, temperature sensor, EEPROM, clock, precharge, vehicle, internal communication.
    [l2(BmsInternal), l2(BmsInternal), l2(SensorFault), l2(BmsInternal),
     l1(BmsInternal), l2(Contactor), l1(Communication), l2(Communication)],
    // Current module, pack voltage module, short circuit, cells too low to be charged.
    [l2(BmsInternal), l2(BmsInternal), l2(ShortCircuit), l2(CellLowVoltage),
     Bit::Note("FETs switched off by GPS or app"), RESERVED, RESERVED, RESERVED],
];

/// Raises the alarms in the failure bytes d0 to d6; the fault code d7 is information.
pub(in crate::bms) fn failures(data: &[u8], into: &mut Reading) {
    into.alarms = Some(Vec::new());
    apply(data, &BITS, into);
    if let Some(code) = data.get(7).filter(|code| **code != 0) {
        into.note(format!("fault code {code}"));
    }
}
