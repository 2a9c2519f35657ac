//! State and alarms.

use crate::bms::bits::{Bit, apply_word, l1, l2};
use crate::model::{AlarmName::*, Reading};

const OPEN: Bit = Bit::Undocumented;

/// Register 156, bit 0 first. Being full or empty is no fault.
#[rustfmt::skip]
pub(crate) const ALARMS: [[Bit; 8]; 4] = [
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(LowVoltage), l2(HighVoltage),
     l2(LowVoltage), l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(HighDischargeCurrent)],
    [l2(ShortCircuit), l2(HighChargeTemperature), l2(LowChargeTemperature), l2(HighTemperature),
     l2(LowTemperature), l2(HighMosTemperature), l1(LowSoc), Bit::State],
    [Bit::State, l2(CellHighVoltage), l2(CellLowVoltage), OPEN, OPEN, OPEN, OPEN, OPEN],
    // Front end, memory; voltage, temperature, current measurement; discharge, charge FET.
    [OPEN, l2(BmsInternal), l2(BmsInternal), l2(SensorFault),
     l2(SensorFault), l2(SensorFault), l2(DischargeFetFault), l2(ChargeFetFault)],
];

const DISCHARGE_ON: u32 = 1;
const CHARGE_ON: u32 = 1 << 1;
const CHARGE_PROTECTED: u32 = 1 << 28;
const DISCHARGE_PROTECTED: u32 = 1 << 29;

/// 152 and 156. A FET is known if both bits of it agree: sources use one or the other.
pub(super) fn alarms(state: u32, alarms: u32, into: &mut Reading) {
    into.alarms = Some(Vec::new());
    apply_word("alarm", alarms.to_le_bytes(), &ALARMS, into);
    let fet = |on: u32, protected: u32| Some(state & on != 0).filter(|is_on| *is_on != (state & protected != 0));
    into.fets.charge = fet(CHARGE_ON, CHARGE_PROTECTED);
    into.fets.discharge = fet(DISCHARGE_ON, DISCHARGE_PROTECTED);
}

/// Whether the board charges (`true`) or discharges; `None` if neither.
pub(super) fn direction(state: u32) -> Option<bool> {
    match (state >> 26) & 3 {
        1 => Some(true),
        2 => Some(false),
        _ => None,
    }
}
