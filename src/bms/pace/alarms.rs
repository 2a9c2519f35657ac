//! Reply 44: alarms, FETs and balancing.

use crate::bms::DecodeError;
use crate::bms::ascii_pack::{UNFIT, alarm_codes, head, pack_codes};
use crate::bms::bits::{Bit, apply, l1, l2};
use crate::bms::bytes::{Reader, show_balancing};
use crate::model::{AlarmName::*, Reading};

const RESERVED: Bit = Bit::Note("reserved status bit set");

/// One row per status byte, bit 0 first. "Fully charged" is bit 7 of the second: a state (nkinnan/esphome-pace-bms#30).
#[rustfmt::skip]
pub(crate) const BITS: [[Bit; 8]; 9] = [
    // Protections. The last one is a charger with too much voltage.
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(HighVoltage), l2(LowVoltage),
     l2(HighChargeCurrent), l2(HighDischargeCurrent), l2(ShortCircuit), l2(HighVoltage)],
    // Charge, discharge, MOSFETs, environment.
    [l2(HighChargeTemperature), l2(HighTemperature), l2(LowChargeTemperature), l2(LowTemperature),
     l2(HighMosTemperature), l2(HighTemperature), l2(LowTemperature), Bit::State],
    // Limiter, charge FET, discharge FET, indicator, reversed, mains, reserved, heater.
    [Bit::Note("the BMS limits the charge current"), Bit::State, Bit::State, Bit::State,
     Bit::Note("the pack is connected the wrong way round"), Bit::State, Bit::State, Bit::State],
    // Buzzer, lamps and switches of the limiter.
    [Bit::State; 8],
    // The communication bit is reserved in some documents.
    [l2(ChargeFetFault), l2(DischargeFetFault), l2(SensorFault), Bit::Note("fault status: communication"),
     l2(BmsInternal), l2(BmsInternal), Bit::Note("fault status: current limiter"), Bit::Note("fault status: heater")],
    // Balancing: cells 1 to 8, 9 to 16.
    [Bit::State; 8],
    [Bit::State; 8],
    // Warnings.
    [l1(CellHighVoltage), l1(CellLowVoltage), l1(HighVoltage), l1(LowVoltage),
     l1(HighChargeCurrent), l1(HighDischargeCurrent), RESERVED, RESERVED],
    [l1(HighChargeTemperature), l1(HighTemperature), l1(LowChargeTemperature), l1(LowTemperature),
     l1(HighTemperature), l1(LowTemperature), l1(HighMosTemperature), l1(LowSoc)],
];

/// Bytes behind the status: 0 and 1 were seen.
const MAX_REST: usize = 5;

pub(super) fn alarms(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    alarm_codes(r, into)?;
    pack_codes(r, into)?;
    let status = r.bytes(BITS.len(), "status")?;
    let &[_, _, indication, _, _, low, high, _, _] = status else { return Err(UNFIT) };
    if r.left() > MAX_REST {
        return Err(UNFIT);
    }
    apply(status, &BITS, into);
    into.fets.charge = Some(indication & 2 != 0);
    into.fets.discharge = Some(indication & 4 != 0);
    into.heating = Some(indication & 0x80 != 0);
    let balancing = u32::from(u16::from_le_bytes([low, high]));
    show_balancing(balancing, into);
    Ok(())
}
