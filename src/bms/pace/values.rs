//! Reply 42: the measured values; replies D1 to DB: the protection settings.

use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::ascii_pack::{MAX_FLAG, NO_SENSOR, UNFIT, cells, head, sensors, soc_of};
use crate::bms::bytes::{Reader, unless};
use crate::model::Reading;

/// Sensors of a 16S board: four at the cells, then MOSFETs and environment. Boards with fewer have sensors at the cells only.
const CELL_SENSORS: usize = 4;
const ALL_SENSORS: usize = 6;

/// Bytes behind the design capacity: at most 14 were seen.
const MAX_REST: usize = 20;
/// Lengths whose first byte certainly is the SoC, and the place of the SoH in the longer ones.
const RESTS_WITH_SOC: [usize; 3] = [1, 10, 14];
const SOH: usize = 9;
/// In a rest of another length, the first byte is the SoC if it is this near to the charge, %.
const NEAR: f64 = 5.0;

pub(super) fn values(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    cells(r, into)?;
    temperatures(&sensors(r)?, into);
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::milli);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    r.skip(1, "user number")?;
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("full capacity")?).map(AmpHours::centi);
    into.full_charge = into.capacity;
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    into.design = unless(&[0, 0xFFFF], r.u16_be("design capacity")?).map(AmpHours::centi);
    let rest = r.bytes(r.left(), "state of charge")?;
    if rest.len() > MAX_REST {
        return Err(UNFIT);
    }
    let computed = soc_of(into.remaining, into.capacity);
    let is_soc = |soc: &u8| {
        let near = computed.is_some_and(|computed| (computed.get() - f64::from(*soc)).abs() <= NEAR);
        *soc <= 100 && (near || RESTS_WITH_SOC.contains(&rest.len()))
    };
    into.soc = rest.first().copied().filter(is_soc).map(|soc| Percent::new(f64::from(soc))).or(computed);
    let soh = rest.get(SOH).copied().filter(|soh| (1..=100).contains(soh));
    into.soh = soh.map(|soh| Percent::new(f64::from(soh)));
    Ok(())
}

fn temperatures(raw: &[u16], into: &mut Reading) {
    let celsius = |raw: u16| unless(&NO_SENSOR, raw).map(|raw| Celsius::deci(f64::from(raw) - 2730.0));
    let cells = if raw.len() == ALL_SENSORS { CELL_SENSORS } else { raw.len() };
    into.temperatures.sensors = Some(raw.iter().take(cells).filter_map(|raw| celsius(*raw)).collect());
    into.temperatures.mos = raw.get(cells).and_then(|raw| celsius(*raw));
    into.temperatures.environment = raw.get(cells.saturating_add(1)).and_then(|raw| celsius(*raw));
}

/// Largest voltage of a cell, mV; the smallest packs have more.
const MOST_OF_CELL: u16 = 5000;
/// Beyond any protection of these boards, A.
const MOST_AMPS: u16 = 2000;

pub(super) fn cell_ovp(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    into.settings.cell_ovp = voltage(info, true, true)?;
    Ok(())
}

pub(super) fn cell_uvp(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    into.settings.cell_uvp = voltage(info, true, false)?;
    Ok(())
}

pub(super) fn pack_ovp(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    into.settings.pack_ovp = voltage(info, false, true)?;
    Ok(())
}

pub(super) fn pack_uvp(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    into.settings.pack_uvp = voltage(info, false, false)?;
    Ok(())
}

pub(super) fn charge_ocp(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    into.settings.charge_ocp = current(info, true)?;
    Ok(())
}

pub(super) fn discharge_ocp(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    into.settings.discharge_ocp = current(info, false)?;
    Ok(())
}

/// Four settings have this form and none names itself: it must be that of a cell or not, and released below or above its value.
fn voltage(info: &[u8], of_cell: bool, is_high: bool) -> Result<Option<Volts>, DecodeError> {
    let r = &mut Reader::new(info);
    let flag = r.u8("flag")?;
    let warning = r.u16_be("warning")?;
    let protection = unless(&[0, 0xFFFF], r.u16_be("protection")?);
    let release = r.u16_be("release")?;
    r.skip(1, "delay")?;
    let value = protection.unwrap_or(warning);
    let fits =
        [value, release].iter().all(|raw| (*raw <= MOST_OF_CELL) == of_cell) && value != release && (value > release) == is_high;
    if r.left() > 0 || flag > MAX_FLAG || !fits {
        return Err(UNFIT);
    }
    Ok(protection.map(Volts::milli))
}

/// As [`voltage`], for both directions of the current.
fn current(info: &[u8], charges: bool) -> Result<Option<Amps>, DecodeError> {
    let r = &mut Reader::new(info);
    let flag = r.u8("flag")?;
    let warning = r.i16_be("warning")?;
    let protection = unless(&[0, i16::MIN, i16::MAX], r.i16_be("protection")?);
    r.skip(1, "delay")?;
    let fits = |raw: i16| (raw > 0) == charges && raw.unsigned_abs() <= MOST_AMPS;
    if r.left() > 0 || flag > MAX_FLAG || !fits(warning) || !protection.is_none_or(fits) {
        return Err(UNFIT);
    }
    Ok(protection.map(|raw| Amps::new(f64::from(raw)).abs()))
}
