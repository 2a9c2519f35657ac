//! Reply 44: alarms, FETs and balancing. The codes of the cells stay 00 on boards that report a high cell in the status.

use crate::bms::DecodeError;
use crate::bms::ascii_pack::{UNFIT, alarm_codes, code, head};
use crate::bms::bits::{Bit, apply, l1, l2};
use crate::bms::bytes::{Reader, show_balancing};
use crate::bms::seplos::alarms::{CURRENTS, SWITCHES, TEMPERATURES, VOLTAGES};
use crate::model::{AlarmName::*, Reading};

const R: Bit = Bit::Note("reserved status bit set");

/// One row per status byte, bit 0 first; balancing follows in four bytes, and one is reserved.
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 8] = [
    // Cell difference, charge FET, discharge FET.
    [R, R, R, R, l1(CellImbalance), l2(ChargeFetFault), l2(DischargeFetFault), R],
    VOLTAGES,
    // Environment, MOSFETs, fire.
    [l1(HighTemperature), l2(HighTemperature), l1(LowTemperature), l2(LowTemperature), l2(HighMosTemperature), l2(HighTemperature), R, R],
    TEMPERATURES,
    CURRENTS,
    [l1(LowSoc), R, R, R, R, R, R, R],
    SWITCHES,
    // Discharging, charging, standby.
    [Bit::State; 8],
];
/// The number before the status, which does not count the last bytes.
const NUMBER: u8 = 9;
const STATUS: usize = 13;

pub(super) fn alarms(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    alarm_codes(r, into)?;
    code(r, "environment code", LowTemperature, HighTemperature, into)?;
    code(r, "MOSFET code", LowTemperature, HighMosTemperature, into)?;
    code(r, "current code", HighDischargeCurrent, HighChargeCurrent, into)?;
    code(r, "voltage code", LowVoltage, HighVoltage, into)?;
    if r.u8("number of status bytes")? != NUMBER || r.left() != STATUS {
        return Err(UNFIT);
    }
    let status = r.bytes(BITS.len(), "status")?;
    let &[_, _, _, _, _, _, fets, _] = status else { return Err(UNFIT) };
    apply(status, &BITS, into);
    into.fets.discharge = Some(fets & 1 != 0);
    into.fets.charge = Some(fets & 2 != 0);
    into.heating = Some(fets & 8 != 0);
    let balancing = r.u32_be("balancing")?;
    show_balancing(balancing, into);
    Ok(())
}
