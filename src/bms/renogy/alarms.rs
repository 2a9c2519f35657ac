//! Registers 13EC to 13F3: two bits for each cell (13EC) and sensor (13EE), ten for the rest, and the state words, as the document
//! V1.7 has them.

use super::Renogy;
use crate::bms::DecodeError;
use crate::bms::bits::{Bit, apply_word, l1, l2};
use crate::bms::modbus::Registers;
use crate::model::{
    AlarmName::{self, *},
    Level, Reading,
};

const OPEN: Bit = Bit::Undocumented;
const STATE: Bit = Bit::State;

/// 13F0 and 13F1, the lowest byte first: below and above for board, environment and heater; currents.
#[rustfmt::skip]
const OTHER: [[Bit; 8]; 4] = [
    [OPEN; 8],
    [OPEN; 8],
    [OPEN, OPEN, OPEN, l1(HighDischargeCurrent), OPEN, l1(HighChargeCurrent), OPEN, OPEN],
    [OPEN, OPEN, OPEN, OPEN, l1(LowTemperature), l1(HighTemperature), l1(LowTemperature), l1(HighMosTemperature)],
];
/// 13F2: bits 1 and 2 are the FETs, bit 3 tells that the board feeds itself from the battery.
#[rustfmt::skip]
pub(crate) const PROTECTIONS: [[Bit; 8]; 2] = [
    [l2(ShortCircuit), STATE, STATE, STATE, l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(HighVoltage), l2(CellLowVoltage)],
    [l2(CellHighVoltage), l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(LowTemperature),
     l2(HighTemperature), l2(LowChargeTemperature), l2(HighChargeTemperature), l2(LowVoltage)],
];

/// Bits 1 to 3 of 13F2.
const STATES: u16 = 0x000E;

pub(super) fn alarms(_: &mut Renogy, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    if registers.data.iter().all(|byte| matches!(byte, 0x20..=0x7E)) {
        return Err(DecodeError::Foreign { what: "a text" });
    }
    let word = |register| registers.u16(register).ok_or(DecodeError::Short { field: "alarms" });
    let pair = |register| registers.u32_high_first(register).ok_or(DecodeError::Short { field: "alarms" });
    let (cells, sensors, other, state) = (pair(0x13EC)?, pair(0x13EE)?, pair(0x13F0)?, word(0x13F2)?);
    into.alarms = Some(Vec::new());
    codes(cells, CellLowVoltage, CellHighVoltage, into);
    codes(sensors, LowTemperature, HighTemperature, into);
    apply_word("alarm", other.to_le_bytes(), &OTHER, into);
    apply_word("state", state.to_le_bytes(), &PROTECTIONS, into);
    // A recorded battery in use has all of them 0, so 0 says nothing.
    let fets = (state & STATES != 0).then_some(state);
    into.fets.charge = fets.map(|state| state & 2 != 0);
    into.fets.discharge = fets.map(|state| state & 4 != 0);
    Ok(())
}

/// Two bits each: 1 below, 2 above, 3 anything else.
fn codes(word: u32, low: AlarmName, high: AlarmName, into: &mut Reading) {
    let code = |wanted: u32| (0..16u32).any(|place| (word >> place.saturating_mul(2)) & 3 == wanted);
    for (wanted, name) in [(1, low), (2, high), (3, BmsInternal)] {
        if code(wanted) {
            into.raise(name, Level::Warning);
        }
    }
}
