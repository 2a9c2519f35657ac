//! Status words of reply 42.

use crate::bms::DecodeError;
use crate::bms::bits::{Bit, apply_word, l1, l2};
use crate::bms::bytes::Reader;
use crate::model::{AlarmName::*, DAREN_FETS, OpenValue, Reading};

const U: Bit = Bit::Undocumented;

/// Words of voltage, current, temperature and other alarms, low byte first.
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 8] = [
    // Protections, then warnings.
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(HighVoltage), l2(LowVoltage),
     l1(CellHighVoltage), l1(CellLowVoltage), l1(HighVoltage), l1(LowVoltage)],
    [l1(CellImbalance), U, U, U, U, U, l2(CellImbalance), Bit::Note("the BMS is going to sleep")],
    // Charging, discharging; protections (two levels of discharge), then warnings.
    [Bit::State, Bit::State, l2(HighChargeCurrent), l2(ShortCircuit),
     l2(HighDischargeCurrent), l2(HighDischargeCurrent), l1(HighChargeCurrent), l1(HighDischargeCurrent)],
    [U; 8],
    // Charge, discharge, environment, MOSFETs: too hot, too cold; protections, then warnings.
    [l2(HighChargeTemperature), l2(LowChargeTemperature), l2(HighTemperature), l2(LowTemperature),
     l2(HighTemperature), l2(LowTemperature), l2(HighMosTemperature), l2(LowTemperature)],
    [l1(HighChargeTemperature), l1(LowChargeTemperature), l1(HighTemperature), l1(LowTemperature),
     l1(HighTemperature), l1(LowTemperature), l1(HighMosTemperature), l1(LowTemperature)],
    // Difference, charge FET, memory card, front end, memory; lamp and buzzer are enabled; the last is shown at a low SoC.
    [l1(CellImbalance), l2(ChargeFetFault), Bit::Note("the BMS reports a fault of its memory card"), l2(BmsInternal),
     Bit::Note("the BMS reports a fault of its memory"), Bit::State, Bit::State, Bit::Note("the BMS reports a low battery")],
    // MOSFETs, limiter, sampling, cell, sensor, charge and discharge FET.
    [l2(HighMosTemperature), l1(HighMosTemperature), Bit::Note("the BMS reports a fault of its current limiter"), l2(BmsInternal),
     l2(BmsInternal), l2(SensorFault), l2(ChargeFetFault), l2(DischargeFetFault)],
];
const WHAT: [&str; 4] = ["voltage status", "current status", "temperature status", "alarm status"];

/// Decodes the four words of alarms and that of the FETs.
pub(super) fn status(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.alarms = Some(Vec::new());
    let (tables, _) = BITS.as_chunks::<2>();
    for (table, what) in tables.iter().zip(WHAT) {
        apply_word(what, r.u16_be("status")?.to_le_bytes(), table, into);
    }
    let fets = r.u16_be("FET status")?;
    // The document says discharge and charge, dbus-serialbattery the reverse, and no recording decides: known if both are equal.
    let (first, second) = (fets & 1 != 0, fets & 2 != 0);
    let both = (first == second).then_some(first);
    (into.fets.charge, into.fets.discharge) = (both, both);
    if both.is_none() {
        into.leave_open(&DAREN_FETS, [OpenValue::Fets(first, second), OpenValue::Fets(second, first)]);
    }
    if fets & 0x0C != 0 {
        into.raise(BmsInternal, crate::model::Level::Alarm);
        into.note("the BMS reports a damaged FET");
    }
    Ok(())
}
