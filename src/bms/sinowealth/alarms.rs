//! FETs and protections.

use crate::bms::DecodeError;
use crate::bms::bits::{Bit, apply_word, l2};
use crate::bms::bytes::Reader;
use crate::model::{AlarmName::*, Reading};

const OPEN: Bit = Bit::Undocumented;

/// Register 16, low byte first, bit 0 first: voltages and currents (OV UV OC OCD), temperatures and front end
/// (OTC OTD UTC UTD AFE_OV AFE_SC CTO). OC stands beside OCD, so it is the one for charging.
pub(crate) const PROTECTIONS: [[Bit; 8]; 2] = [
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(HighChargeCurrent), l2(HighDischargeCurrent), OPEN, OPEN, OPEN, OPEN],
    [
        l2(HighChargeTemperature),
        l2(HighTemperature),
        l2(LowChargeTemperature),
        l2(LowTemperature),
        l2(HighVoltage),
        l2(ShortCircuit),
        Bit::Note("charge stopped by its time limit"),
        OPEN,
    ],
];

pub(super) fn protections(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let word = Reader::new(data).u16_be("protections")?;
    into.alarms = Some(Vec::new());
    apply_word("protection", word.to_le_bytes(), &PROTECTIONS, into);
    Ok(())
}

/// Register 15: bit 0 charge, bit 1 discharge FET.
pub(super) fn fets(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let state = Reader::new(data).u16_be("FETs")?;
    into.fets.charge = Some(state & 1 != 0);
    into.fets.discharge = Some(state & 2 != 0);
    Ok(())
}
