//! Reply 44: alarms and FETs, from the document only.

use crate::bms::DecodeError;
use crate::bms::ascii_pack::{UNFIT, alarm_codes, head, pack_codes};
use crate::bms::bits::{Bit, apply, l2};
use crate::bms::bytes::Reader;
use crate::model::{AlarmName::*, Reading};

const R: Bit = Bit::Note("reserved status bit set");
/// A cell above 4.2 V or below 1 V: one bit per cell.
const CELLS: [Bit; 8] = [l2(BmsInternal); 8];

/// One row per status byte, bit 0 first.
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 5] = [
    [l2(HighVoltage), l2(CellLowVoltage), l2(HighChargeCurrent), R,
     l2(HighDischargeCurrent), l2(HighTemperature), l2(HighChargeTemperature), l2(LowVoltage)],
    // Precharge, charge FET, discharge FET, uses its own power.
    [Bit::State; 8],
    // Buzzer, full, heater, discharging, charging.
    [Bit::State, Bit::State, Bit::State, Bit::State, Bit::State, Bit::State, Bit::State, Bit::State],
    CELLS,
    CELLS,
];

pub(super) fn alarms(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    alarm_codes(r, into)?;
    pack_codes(r, into)?;
    let status = r.bytes(BITS.len(), "status")?;
    let &[_, fets, states, _, _] = status else { return Err(UNFIT) };
    if r.left() > 0 {
        return Err(UNFIT);
    }
    apply(status, &BITS, into);
    into.fets.charge = Some(fets & 2 != 0);
    into.fets.discharge = Some(fets & 4 != 0);
    into.heating = Some(states & 0x20 != 0);
    Ok(())
}
