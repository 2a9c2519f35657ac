//! Replies 42 and 92: the measured values, and the limits at present.

use crate::base::units::{AmpHours, Amps, Celsius, Volts};
use crate::bms::DecodeError;
use crate::bms::ascii_pack::{NO_SENSOR, UNFIT, cells, head, sensors, soc_of};
use crate::bms::bytes::{Reader, unless};
use crate::model::{OpenValue, PYLONTECH_CAPACITY, PYLONTECH_CURRENT, Reading};

/// Cells of the packs with this protocol.
const CELLS: [u8; 3] = [8, 15, 16];
/// Cells of a Pylontech pack whose capacity has two bytes.
const OWN_CELLS: u8 = 15;
/// In mAh a pack of 50 Ah that has aged; in 10 mAh more than any pack of 15 cells has.
const SURELY_MAH: u16 = 35_000;
const MAX_PACKS: usize = 16;

pub(super) fn values(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    pack(r, into)?;
    if r.left() == 0 { Ok(()) } else { Err(UNFIT) }
}

/// INFO of each pack in a reply to a request for all (FF).
pub(super) fn packs(info: &[u8]) -> Vec<Vec<u8>> {
    let Some((head, mut rest)) = info.split_at_checked(2) else { return Vec::new() };
    let mut packs = Vec::new();
    while !rest.is_empty() && packs.len() < MAX_PACKS {
        let mut r = Reader::new(rest);
        if pack(&mut r, &mut Reading::default()).is_err() {
            return Vec::new();
        }
        let Some((one, behind)) = rest.split_at_checked(rest.len().saturating_sub(r.left())) else { return Vec::new() };
        packs.push([head, one].concat());
        rest = behind;
    }
    if packs.len() > 1 && rest.is_empty() { packs } else { Vec::new() }
}

fn pack(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    cells(r, into)?;
    let count = into.cell_count.filter(|count| CELLS.contains(count)).ok_or(UNFIT)?;
    // The first sensor is that of the board.
    let fitted = sensors(r)?.into_iter().skip(1).filter_map(|raw| unless(&NO_SENSOR, raw));
    into.temperatures.sensors = Some(fitted.map(Celsius::deci_kelvin).collect());
    let current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::milli);
    let remaining = r.u16_be("remaining capacity")?;
    let words = r.u8("word count")?;
    let total = r.u16_be("total capacity")?;
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    let (remaining, total, known) = match words {
        2 => (u32::from(remaining), u32::from(total), count == OWN_CELLS && (SURELY_MAH..0xFFFF).contains(&total)),
        4 => (u24(r)?, u24(r)?, true),
        _ => return Err(UNFIT),
    };
    let sent = |raw: u32| unless(&[0xFFFF, 0x00FF_FFFF], raw);
    let raw = (sent(remaining), sent(total).filter(|total| *total > 0));
    let (remaining, total) = (raw.0.map(AmpHours::milli), raw.1.map(AmpHours::milli));
    // Their ratio does not depend on the unit, and no current is none in any.
    into.soc = soc_of(remaining, total);
    into.remaining = remaining.filter(|_| known);
    into.capacity = total.filter(|_| known);
    into.full_charge = into.capacity;
    into.current = current.filter(|raw| known || *raw == 0).map(Amps::deci);
    if !known {
        let coarse = OpenValue::Charge(raw.0.map(AmpHours::centi), raw.1.map(AmpHours::centi));
        let charges = [OpenValue::Charge(remaining, total), coarse];
        into.leave_open(&PYLONTECH_CAPACITY, charges);
    }
    if let (None, Some(raw)) = (into.current, current) {
        into.leave_open(&PYLONTECH_CURRENT, [OpenValue::Current(Amps::deci(raw)), OpenValue::Current(Amps::centi(raw))]);
    }
    Ok(())
}

fn u24(r: &mut Reader<'_>) -> Result<u32, DecodeError> {
    Ok(u32::from(r.u8("capacity")?) << 16 | u32::from(r.u16_be("capacity")?))
}

/// What the master asks for at present.
pub(super) fn limits(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    r.skip(1, "pack number")?;
    into.settings.voltage_limit = unless(&[0, 0xFFFF], r.u16_be("charge voltage")?).map(Volts::milli);
    r.skip(2, "discharge voltage")?;
    let amps = |raw: i16| unless(&[i16::MIN, i16::MAX], raw).map(|raw| Amps::deci(raw).abs());
    let (charge, discharge) = (amps(r.i16_be("charge current")?), amps(r.i16_be("discharge current")?));
    let status = r.u8("status")?;
    if r.left() > 0 {
        return Err(UNFIT);
    }
    into.settings.charge_limit = if status & 0x80 == 0 { Some(Amps::ZERO) } else { charge };
    into.settings.discharge_limit = if status & 0x40 == 0 { Some(Amps::ZERO) } else { discharge };
    if status & 0x30 != 0 {
        into.note("the BMS asks to be charged");
    }
    if status & 0x08 != 0 {
        into.note("the BMS asks for a full charge");
    }
    Ok(())
}
