//! Registers 25 to 28: state, warnings, protections, errors. The board does not tell the states of its FETs.

use crate::bms::bits::{Bit, apply_word, l1, l2};
use crate::bms::modbus::Registers;
use crate::model::{AlarmName::*, Reading};

const OPEN: Bit = Bit::Undocumented;
const EMPTY: Bit = Bit::Note("low capacity (also set on recorded full batteries)");

/// Low byte first, bit 0 first; the document has the same order for both registers.
const WARNINGS: [[Bit; 8]; 2] = [
    [
        l1(HighVoltage),
        l1(CellHighVoltage),
        l1(LowVoltage),
        l1(CellLowVoltage),
        l1(HighChargeCurrent),
        l1(HighDischargeCurrent),
        l1(HighTemperature),
        l1(HighMosTemperature),
    ],
    [l1(HighChargeTemperature), l1(HighTemperature), l1(LowChargeTemperature), l1(LowTemperature), EMPTY, OPEN, OPEN, OPEN],
];
pub(crate) const PROTECTIONS: [[Bit; 8]; 2] = [
    [
        l2(HighVoltage),
        l2(CellHighVoltage),
        l2(LowVoltage),
        l2(CellLowVoltage),
        l2(HighChargeCurrent),
        l2(HighDischargeCurrent),
        l2(HighTemperature),
        l2(HighMosTemperature),
    ],
    [
        l2(HighChargeTemperature),
        l2(HighTemperature),
        l2(LowChargeTemperature),
        l2(LowTemperature),
        EMPTY,
        l2(ShortCircuit),
        OPEN,
        OPEN,
    ],
];
/// Measurement of voltage, temperature, current; cells unbalanced.
pub(crate) const ERRORS: [[Bit; 8]; 2] =
    [[l2(BmsInternal), l2(SensorFault), l2(BmsInternal), OPEN, l2(CellImbalance), OPEN, OPEN, OPEN], [OPEN; 8]];

pub(super) fn alarms(registers: &Registers<'_>, into: &mut Reading) {
    let words = [26, 27, 28].map(|register| registers.u16(register));
    let [Some(warnings), Some(protections), Some(errors)] = words else { return };
    into.alarms = Some(Vec::new());
    apply_word("warning", warnings.to_le_bytes(), &WARNINGS, into);
    apply_word("protection", protections.to_le_bytes(), &PROTECTIONS, into);
    apply_word("error", errors.to_le_bytes(), &ERRORS, into);
}
