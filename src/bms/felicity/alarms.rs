//! 1302: what is allowed, and the faults.

use super::Felicity;
use crate::bms::DecodeError;
use crate::bms::bits::{Bit, apply_word, l2};
use crate::bms::modbus::Registers;
use crate::model::{AlarmName::*, Reading};

const OPEN: Bit = Bit::Undocumented;

/// Low byte first, bit 0 first: cells and currents, temperature of the board, temperatures of the cells.
#[rustfmt::skip]
pub(crate) const FAULTS: [[Bit; 8]; 2] = [
    [OPEN, OPEN, l2(CellHighVoltage), l2(CellLowVoltage),
     l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(HighMosTemperature), OPEN],
    [l2(HighChargeTemperature), l2(LowChargeTemperature), OPEN, OPEN, OPEN, OPEN, OPEN, OPEN],
];

pub(super) fn status(_: &mut Felicity, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let (Some(status), Some(faults)) = (registers.u16(0x1302), registers.u16(0x1304)) else { return Ok(()) };
    into.alarms = Some(Vec::new());
    apply_word("fault", faults.to_le_bytes(), &FAULTS, into);
    into.fets.charge = Some(status & 1 != 0);
    into.fets.discharge = Some(status & 4 != 0);
    Ok(())
}
