//! Meaning of the data.

use super::alarms::{ALARMS, FAULTS};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bits::apply_word;
use crate::bms::bytes::{Reader, show_balancing, show_cells, text, u16s_be, unless};
use crate::model::{ProductionDate, Reading};

const MAX_CELLS: u16 = 32;
const MAX_SENSORS: u16 = 16;
/// Bytes of the settings.
const SETTINGS: usize = 208;
const OTHER_BOARD: DecodeError = DecodeError::Layout { what: "values of another board" };

/// Function 78, 1000. The currents of a master are those of all packs together, and left out once it has told its own; the voltage
/// is that of each pack.
pub(super) fn values(r: &mut Reader<'_>, has_own_limits: bool, into: &mut Reading) -> Result<(), DecodeError> {
    into.voltage = unless(&[0xFFFF], r.u16_be("voltage")?).map(Volts::centi);
    r.skip(2, "unknown")?;
    let current = unless(&[0, u32::MAX], r.u32_be("current")?);
    into.current = current.map(|raw| Amps::centi(f64::from(raw) - 300_000.0));
    into.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(Percent::centi);
    if into.soc.is_some_and(|soc| soc.get() > 100.0) {
        return Err(OTHER_BOARD);
    }
    let mut charge = |field| r.u16_be(field).map(|raw| unless(&[0xFFFF], raw).map(AmpHours::centi));
    into.remaining = charge("remaining")?;
    into.full_charge = charge("full")?.filter(|full| full.get() > 0.0);
    into.design = charge("rated")?.filter(|rated| rated.get() > 0.0);
    into.capacity = into.design;
    into.temperatures.mos = celsius(r.u16_be("MOSFET temperature")?);
    into.temperatures.environment = celsius(r.u16_be("environment temperature")?);
    r.skip(2, "operation")?;
    into.soh = unless(&[0, 0xFFFF], r.u16_be("SoH")?).map(|raw| Percent::new(f64::from(raw)));
    into.alarms = Some(Vec::new());
    apply_word("fault", r.u32_be("faults")?.to_le_bytes(), &FAULTS, into);
    apply_word("alarm", r.u32_be("alarms")?.to_le_bytes(), &ALARMS, into);
    let fets = r.u16_be("FETs")?;
    into.fets.discharge = Some(fets & 1 != 0);
    into.fets.charge = Some(fets & 2 != 0);
    r.skip(2, "link")?;
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    r.skip(20, "extremes")?;
    let limits =
        [r.u16_be("highest voltage")?, r.u16_be("charge limit")?, r.u16_be("lowest voltage")?, r.u16_be("discharge limit")?];
    into.settings.voltage_limit = limits.first().and_then(|raw| unless(&[0, 0xFFFF], *raw)).map(Volts::deci);
    if !has_own_limits {
        let [_, charge, _, discharge] = limits.map(|raw| unless(&[0xFFFF], raw).map(Amps::deci));
        (into.settings.charge_limit, into.settings.discharge_limit) = (charge, discharge);
    }
    cells(r, into)?;
    let sensors = count(r, MAX_SENSORS, "number of sensors")?;
    into.temperatures.sensors = Some(u16s_be(r.bytes(sensors.saturating_mul(2), "temperatures")?).filter_map(celsius).collect());
    r.skip(2, "unknown")?;
    let balancing = r.u16_be("balancing")?;
    show_balancing(u32::from(balancing), into);
    // Through the master the first number is missing.
    into.device.sw_version = match (r.u8("firmware")?, r.u8("firmware")?) {
        (0, 0) => None,
        (0, minor) => Some(minor.to_string()),
        (major, minor) => Some(format!("{major}.{minor}")),
    };
    // The same on all packs of an owner, so it is no serial number.
    into.device.model = text(r.bytes(30, "text")?);
    Ok(())
}

/// Function 45. Only fills in what the other values do not have, except for the pack's own limits; returns whether it has them.
pub(super) fn own(r: &mut Reader<'_>, into: &mut Reading) -> Result<bool, DecodeError> {
    let whole = r.left();
    if !matches!(whole, 85 | 116) {
        return Err(DecodeError::Foreign { what: "own values of another board" });
    }
    let mut found = Reading::default();
    cells(r, &mut found)?;
    r.skip(4, "highest and lowest cell")?;
    found.voltage = unless(&[0xFFFF], r.u16_be("voltage")?).map(Volts::centi);
    let current = r.u32_be("current")?.cast_signed();
    found.current = unless(&[i32::MIN, i32::MAX], current).map(Amps::centi);
    r.skip(4, "temperatures")?;
    found.full_charge = unless(&[0, 0xFFFF], r.u16_be("full")?).map(AmpHours::centi);
    found.remaining = unless(&[0xFFFF], r.u16_be("remaining")?).map(AmpHours::centi);
    found.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    found.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    found.soh = unless(&[0, 0xFFFF], r.u16_be("SoH")?).map(|raw| Percent::new(f64::from(raw)));
    if into.cells.is_empty() {
        (into.cells, into.cells_complete) = (found.cells, found.cells_complete);
    }
    into.cell_count = into.cell_count.or(found.cell_count);
    into.voltage = into.voltage.or(found.voltage);
    into.current = into.current.or(found.current);
    into.full_charge = into.full_charge.or(found.full_charge);
    into.capacity = into.capacity.or(into.full_charge);
    into.remaining = into.remaining.or(found.remaining);
    into.cycles = into.cycles.or(found.cycles);
    into.soc = into.soc.or(found.soc);
    into.soh = into.soh.or(found.soh);
    let limits_at = 96usize.saturating_sub(whole.saturating_sub(r.left()));
    if whole != 116 {
        return Ok(false);
    }
    r.skip(limits_at, "texts")?;
    into.settings.charge_limit = unless(&[0xFFFF], r.u16_be("charge limit")?).map(Amps::deci);
    into.settings.discharge_limit = unless(&[0xFFFF], r.u16_be("discharge limit")?).map(Amps::deci);
    Ok(true)
}

/// Function 78, 1800: a warning and a protection each of cell high and low, pack high and low, charge and discharge current, with release
/// and delay. The order is that of the faults.
pub(super) fn settings(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    if r.left() != SETTINGS {
        return Err(DecodeError::Foreign { what: "settings of another board" });
    }
    let words: Vec<u16> = u16s_be(r.bytes(SETTINGS, "settings")?).collect();
    let get = |place: usize| words.get(place).and_then(|raw| unless(&[0, 0xFFFF], *raw));
    let settings = &mut into.settings;
    settings.cell_ovp = get(3).map(Volts::milli);
    settings.cell_uvp = get(9).map(Volts::milli);
    settings.pack_ovp = get(15).map(Volts::centi);
    settings.pack_uvp = get(21).map(Volts::centi);
    settings.charge_ocp = get(27).map(Amps::deci);
    settings.discharge_ocp = get(37).map(Amps::deci);
    Ok(())
}

/// Function 78, 1C00.
pub(super) fn texts(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    r.skip(16, "settings")?;
    into.device.serial_number = text(r.bytes(30, "board")?);
    into.device.hw_version = into.device.serial_number.as_ref().and_then(|board| board.get(..8)).map(str::to_owned);
    r.skip(6, "date of the board")?;
    into.device.model = text(r.bytes(30, "text")?).or_else(|| into.device.model.take());
    let [year, month, day] = [r.u16_be("year")?, r.u16_be("month")?, r.u16_be("day")?];
    let is_date = matches!((year, month, day), (2000..=2099, 1..=12, 1..=31));
    into.device.production_date = is_date.then(|| ProductionDate::Day(format!("{year}-{month:02}-{day:02}")));
    Ok(())
}

fn cells(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let cells = count(r, MAX_CELLS, "number of cells")?;
    into.cell_count = u8::try_from(cells).ok().filter(|cells| *cells > 0);
    show_cells(u16s_be(r.bytes(cells.saturating_mul(2), "cells")?).map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
    Ok(())
}

fn count(r: &mut Reader<'_>, most: u16, field: &'static str) -> Result<usize, DecodeError> {
    Some(r.u16_be(field)?).filter(|count| *count <= most).map(usize::from).ok_or(OTHER_BOARD)
}

/// Tenths of a degree, 500 is 0 °C.
fn celsius(raw: u16) -> Option<Celsius> {
    unless(&[0, 0xFFFF], raw).map(|raw| Celsius::deci(f64::from(raw) - 500.0))
}
