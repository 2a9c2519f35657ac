//! The event bytes, which also contain the FET states. Source: the tables TB02 to TB16 of the manufacturer's document.

use super::SeplosV3;
use crate::bms::DecodeError;
use crate::bms::bits::{Bit, apply_word, l1, l2};
use crate::bms::bytes::show_balancing;
use crate::bms::modbus::Bits;
use crate::model::{AlarmName::*, Reading};

const OPEN: Bit = Bit::Undocumented;
const STATE: Bit = Bit::State;

/// One row per byte, bit 0 first.
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 10] = [
    // Discharging, charging, floating, full, standby, off.
    [STATE, STATE, STATE, STATE, STATE, STATE, OPEN, OPEN],
    [l1(CellHighVoltage), l2(CellHighVoltage), l1(CellLowVoltage), l2(CellLowVoltage),
     l1(HighVoltage), l2(HighVoltage), l1(LowVoltage), l2(LowVoltage)],
    // Charge, discharge.
    [l1(HighChargeTemperature), l2(HighChargeTemperature), l1(LowChargeTemperature), l2(LowChargeTemperature),
     l1(HighTemperature), l2(HighTemperature), l1(LowTemperature), l2(LowTemperature)],
    // Environment, MOSFETs; bit 6: the heater runs.
    [l1(HighTemperature), l2(HighTemperature), l1(LowTemperature), l2(LowTemperature),
     l1(HighMosTemperature), l2(HighMosTemperature), STATE, OPEN],
    [l1(HighChargeCurrent), l2(HighChargeCurrent), l2(HighChargeCurrent),
     l1(HighDischargeCurrent), l2(HighDischargeCurrent), l2(HighDischargeCurrent), l2(ShortCircuit), OPEN],
    // The protections stay until the board is restarted.
    [l2(ShortCircuit), OPEN, l2(HighChargeCurrent), l2(HighDischargeCurrent), OPEN, OPEN, OPEN, OPEN],
    [OPEN, OPEN, l1(LowSoc), l2(LowSoc), l1(CellImbalance), OPEN, OPEN, OPEN],
    // Discharge FET, charge FET, current limiter, heater; bit 6 is set on a recorded faultless board.
    [STATE, STATE, Bit::Note("the BMS limits the current"), STATE, STATE, STATE, STATE, STATE],
    [l1(LowSoc), STATE, STATE, STATE, STATE, l2(LowSoc),
     Bit::Note("the BMS limits the current"), Bit::Note("the BMS limits the current")],
    // Sensor, front end, FETs, difference of the cells, sense wire, key, aerosol in the pack.
    [l2(SensorFault), l2(BmsInternal), l2(ChargeFetFault), l2(DischargeFetFault),
     l2(CellImbalance), l2(BmsInternal), Bit::Note("the BMS's key does not work"), l2(BmsInternal)],
];

/// 2200: of all packs, if there are several.
pub(super) fn events(_: &mut SeplosV3, bits: &Bits<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    events_from(0x2200, bits, into)
}

/// Ten event bytes from this bit on.
fn events_from(first: u16, bits: &Bits<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let mut bytes = [0; 10];
    for (byte, number) in bytes.iter_mut().zip(0u16..) {
        *byte = bits.byte(first.saturating_add(number.saturating_mul(8))).ok_or(DecodeError::Short { field: "events" })?;
    }
    into.alarms = Some(Vec::new());
    apply_word("event", bytes, &BITS, into);
    let [.., fets, _, _] = bytes;
    into.fets.discharge = Some(fets & 1 != 0);
    into.fets.charge = Some(fets & 2 != 0);
    into.heating = Some(fets & 8 != 0);
    Ok(())
}

/// 1200: cells and sensors with an alarm, the cells being balanced, and the events of this pack.
pub(super) fn pack_events(board: &mut SeplosV3, bits: &Bits<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    events_from(0x1240, bits, into)?;
    board.has_pack_events = true;
    let [low, high] = [0x1230, 0x1238].map(|at| bits.byte(at).unwrap_or(0));
    let balancing = u16::from_le_bytes([low, high]);
    show_balancing(u32::from(balancing), into);
    Ok(())
}
