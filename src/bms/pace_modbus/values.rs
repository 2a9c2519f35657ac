//! Meaning of the registers.

use super::{Map, PaceModbus, alarms};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{show_cells, unless};
use crate::bms::modbus::Registers;
use crate::model::Reading;
use std::ops::Range;

/// Cells of the published map; Gobel's has the number of cells in the first of these registers.
const CELLS: Range<u16> = 15..31;
/// Most cells and sensors in Gobel's map. No cell shows so few millivolts as this number.
const MAX_CELLS: u16 = 32;
const MAX_SENSORS: u16 = 10;
/// Voltages of a cell that is connected, mV.
const CONNECTED: Range<u16> = 500..5000;
/// Largest difference between the cells and the pack voltage, as a fraction of it.
const MOST_APART: f64 = 0.03;
const OTHER_BOARD: DecodeError = DecodeError::Layout { what: "values of another board (EG4 LL, or a meter)" };

/// 0000: everything measured. Until cells were seen, they must fit the voltage.
pub(super) fn values(board: &mut PaceModbus, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let get = |register| unless(&[0xFFFF], registers.u16(register)?);
    let percent = |register| get(register).map(|raw| Percent::new(f64::from(raw)));
    let charge = |register| get(register).map(AmpHours::centi);
    into.voltage = get(1).map(Volts::centi);
    (into.soc, into.soh) = (percent(2), percent(3));
    into.remaining = charge(4);
    // Full, as on the boards with the ASCII protocol.
    into.capacity = charge(5).filter(|full| full.get() > 0.0);
    into.design = charge(6).filter(|design| design.get() > 0.0);
    if [into.soc, into.soh].iter().flatten().any(|percent| percent.get() > 100.0) {
        return Err(OTHER_BOARD);
    }
    into.soh = into.soh.filter(|soh| soh.get() > 0.0);
    into.full_charge = into.capacity;
    into.current = registers.i16(0).and_then(|raw| unless(&[i16::MIN, i16::MAX], raw)).map(Amps::centi);
    into.cycles = get(7).map(u32::from);
    let count = registers.u16(CELLS.start).filter(|count| (1..=MAX_CELLS).contains(count));
    let (map, cells) = match count {
        Some(count) => (Map::Gobel, CELLS.start.saturating_add(1)..CELLS.start.saturating_add(1).saturating_add(count)),
        None => (Map::Published, CELLS),
    };
    let mut cells: Vec<Option<u16>> = cells.map(get).collect();
    if board.cells == 0 && !fits(&cells, into.voltage) {
        return Err(OTHER_BOARD);
    }
    if map == Map::Published {
        let shown = cells.iter().rposition(|cell| !matches!(cell, None | Some(0))).map_or(0, |last| last.saturating_add(1));
        board.cells = shown.max(board.cells);
        cells.truncate(board.cells);
        published(registers, into);
    } else {
        board.cells = cells.len();
        into.cell_count = count.and_then(|count| u8::try_from(count).ok());
        gobel(registers, into);
    }
    show_cells(cells.into_iter().map(|cell| cell.map(Volts::milli)), into);
    board.map = Some(map);
    Ok(())
}

/// All cells that are connected have the voltage of one, and together with those that are not, that of the pack.
fn fits(cells: &[Option<u16>], voltage: Option<Volts>) -> bool {
    let shown: Vec<u16> = cells.iter().flatten().copied().filter(|cell| *cell != 0).collect();
    let Some(voltage) = voltage.filter(|_| !shown.is_empty() && shown.iter().all(|cell| CONNECTED.contains(cell))) else {
        return false;
    };
    let sum: f64 = shown.iter().map(|cell| f64::from(*cell) / 1000.0).sum();
    let mean = sum / shown.len() as f64;
    let missing = ((voltage.get() - sum) / mean).round();
    let places = cells.len().saturating_sub(shown.len()) as f64;
    (0.0..=places).contains(&missing) && (sum + missing * mean - voltage.get()).abs() <= MOST_APART * voltage.get()
}

fn celsius(registers: &Registers<'_>, register: u16) -> Option<Celsius> {
    registers.i16(register).and_then(|raw| unless(&[i16::MIN, i16::MAX, -1], raw)).map(Celsius::deci)
}

/// The registers from 8 on: alarms, FETs, balancing, temperatures.
fn published(registers: &Registers<'_>, into: &mut Reading) {
    into.temperatures.sensors = Some((31..35).filter_map(|register| celsius(registers, register)).collect());
    into.temperatures.mos = celsius(registers, 35);
    into.temperatures.environment = celsius(registers, 36);
    alarms::alarms(registers, into);
}

/// The same for boards of Gobel. What their alarm bits mean is not known.
fn gobel(registers: &Registers<'_>, into: &mut Reading) {
    let problems = [8, 9, 10].map(|register| registers.u16(register).unwrap_or(0));
    if problems != [0; 3] {
        let [a, b, c] = problems;
        into.note(format!("alarm bits {a:04x} {b:04x} {c:04x} (meaning not known: send a recording)"));
    }
    // One source tells which bit is which; without doubt it is only where both are equal.
    let both = registers.u16(14).map(|fets| fets >> 14).and_then(|fets| match fets {
        0 => Some(false),
        3 => Some(true),
        _ => None,
    });
    (into.fets.charge, into.fets.discharge) = (both, both);
    // In the longer reply only, which every reading but the first one has.
    into.temperatures.mos = celsius(registers, 57);
    let sensors = registers.u16(46).map(|sensors| sensors & 0xFF).filter(|sensors| *sensors <= MAX_SENSORS);
    into.awaited.temperatures = sensors.is_none();
    into.temperatures.sensors =
        sensors.map(|sensors| (47..).take(usize::from(sensors)).filter_map(|at| celsius(registers, at)).collect());
}

/// 003C: protections.
pub(super) fn settings(_: &mut PaceModbus, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let get = |register| unless(&[0, 0xFFFF], registers.u16(register)?);
    let settings = &mut into.settings;
    settings.pack_ovp = get(61).map(Volts::milli);
    settings.cell_ovp = get(65).map(Volts::milli);
    settings.pack_uvp = get(69).map(Volts::milli);
    settings.cell_uvp = get(73).map(Volts::milli);
    settings.charge_ocp = get(77).map(|amps| Amps::new(f64::from(amps)));
    settings.discharge_ocp = get(80).map(|amps| Amps::new(f64::from(amps)));
    Ok(())
}

/// 0096. The third text is the pack's serial number, which may be a date or empty.
pub(super) fn texts(_: &mut PaceModbus, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.device.model = Some(registers.text(0x96, 10).ok_or(DecodeError::Foreign { what: "no text" })?);
    into.device.serial_number = registers.text(0xA0, 10);
    Ok(())
}
