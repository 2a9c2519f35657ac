//! Group 06: status bits, with the states of the FETs and the heater.
//!
//! Source: GHswitt/esphome-basen; the alarms of the fourth byte also slim-bean/powermon, of whose names bit 5 is. Recordings contain
//! "charging" and "discharging" only.

use crate::bms::DecodeError;
use crate::bms::bits::{Bit, apply_word, l1, l2};
use crate::model::{AlarmName::*, Level, Reading};

const OPEN: Bit = Bit::Undocumented;
const LOCKED: Bit = Bit::Note("the battery is locked");
const BY_HAND: Bit = Bit::Note("a FET was switched by hand");

/// One row per byte, bit 0 first.
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 10] = [
    // A sense wire, measurement of voltages.
    [OPEN, OPEN, OPEN, l2(CellLowVoltage), l2(SensorFault), l2(ChargeFetFault), l2(DischargeFetFault), l2(BmsInternal)],
    // Sensor not connected, converter, polarity reversed, "hot failure"; communication, serial number, second protection.
    [l2(SensorFault), l2(BmsInternal), l2(BmsInternal), l2(HighTemperature),
     LOCKED, l1(Communication), Bit::Note("the serial number is not valid"), l2(BmsInternal)],
    // Discharge; charge FET off, discharge FET off, communication inside the board.
    [l2(HighTemperature), l2(LowTemperature), OPEN, OPEN, Bit::State, Bit::State, l1(BmsInternal), OPEN],
    // Charging, discharging; an over-current of either direction.
    [Bit::State, Bit::State, l2(ShortCircuit), l2(HighDischargeCurrent),
     l2(HighVoltage), l2(LowVoltage), l2(HighChargeTemperature), l2(LowChargeTemperature)],
    // Environment.
    [l2(LowTemperature), l2(HighTemperature), OPEN, OPEN, l2(LowSoc), OPEN, OPEN, OPEN],
    // Heater on; MOSFETs; too cold to begin to charge.
    [BY_HAND, BY_HAND, BY_HAND, BY_HAND, Bit::State, l2(HighMosTemperature), l2(LowTemperature), l2(LowChargeTemperature)],
    [OPEN; 8],
    // Waiting to be charged again; aerosol in the pack; sensor short-circuited.
    [l1(LowSoc), Bit::Note("vibration"), Bit::State, l2(BmsInternal),
     Bit::Note("the state of health is low"), l2(SensorFault), Bit::Note("the temperatures differ too much"), LOCKED],
    // Environment, MOSFETs; discharge.
    [l1(HighTemperature), l1(LowTemperature), l1(HighMosTemperature), l1(LowSoc),
     l1(CellImbalance), l1(HighTemperature), l1(LowTemperature), OPEN],
    [l1(CellHighVoltage), l1(CellLowVoltage), l1(HighVoltage), l1(LowVoltage),
     l1(HighChargeCurrent), l1(HighDischargeCurrent), l1(HighChargeTemperature), l1(LowChargeTemperature)],
];

pub(super) fn status(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let Ok(bytes) = <[u8; 10]>::try_from(data) else {
        return Err(DecodeError::Layout { what: "a status of another board" });
    };
    into.alarms = Some(Vec::new());
    apply_word("status", bytes, &BITS, into);
    let [_, _, fets, acting, _, heater, .., warnings] = bytes;
    // Which direction it was, only the warning tells.
    if acting & 8 != 0 && warnings & 0x20 == 0 {
        into.raise(HighChargeCurrent, Level::Alarm);
    }
    into.fets.charge = Some(fets & 0x10 == 0);
    into.fets.discharge = Some(fets & 0x20 == 0);
    into.heating = Some(heater & 0x10 != 0);
    Ok(())
}
