//! Meaning of the registers.

use super::MAX_CELLS;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{Reader, unless};
use crate::model::Reading;

const OTHER_BOARD: DecodeError =
    DecodeError::Layout { what: "registers of another device, or of a board with more than ten cells" };
/// Fewest cells that the configuration can say.
const MIN_CELLS: u8 = 3;
/// 3 V of three cells, and ten at 5 V.
const PACK_MV: std::ops::RangeInclusive<u16> = 3000..=50_000;
const MAX_CELL_MV: u16 = 5000;
const MAX_CAPACITY_MAH: u32 = 2_000_000;
/// Sum of the cells from the pack voltage, as a fraction of it; both are measured separately.
const MOST_APART: f64 = 0.03;

/// 17: the lowest three bits are the cells above three.
pub(super) fn number_of_cells(data: &[u8]) -> Result<u8, DecodeError> {
    let mut r = Reader::new(data);
    r.skip(1, "configuration")?;
    let cells = (r.u8("number of cells")? & 7).saturating_add(MIN_CELLS);
    if cells <= MAX_CELLS { Ok(cells) } else { Err(OTHER_BOARD) }
}

/// 01 to 0A, in order: what is shown is always a prefix, `count` of them are all.
pub(super) fn cell(number: u8, count: Option<u8>, data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let raw = Reader::new(data).u16_be("cell")?;
    if raw > MAX_CELL_MV {
        return Err(OTHER_BOARD);
    }
    let volts = Volts::milli(raw);
    let place = usize::from(number).saturating_sub(1);
    into.cells.truncate(place);
    if into.cells.len() == place {
        into.cells.push(volts);
    } else {
        // A list cannot begin in the middle.
        into.note(format!("cell {number}: {volts}; those before it are unknown"));
    }
    let is_whole = count.is_some_and(|count| into.cells.len() >= usize::from(count));
    into.cells_complete = (!is_whole).then_some(false);
    if is_whole { compare(into) } else { Ok(()) }
}

/// The cells and the pack. A broken sense wire, with which the sum means nothing, is shown.
fn compare(into: &Reading) -> Result<(), DecodeError> {
    let Some(voltage) = into.voltage.filter(|_| into.cells.iter().all(|cell| cell.get() >= 1.0)) else { return Ok(()) };
    let sum: f64 = into.cells.iter().map(|cell| cell.get()).sum();
    if (sum - voltage.get()).abs() > MOST_APART * voltage.get() { Err(OTHER_BOARD) } else { Ok(()) }
}

/// 0B.
pub(super) fn voltage(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let raw = Reader::new(data).u16_be("voltage")?;
    if raw != 0 && !PACK_MV.contains(&raw) {
        return Err(OTHER_BOARD);
    }
    into.voltage = Some(Volts::milli(raw));
    Ok(())
}

/// 10.
pub(super) fn current(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let raw = unless(&[i32::MIN, i32::MAX], Reader::new(data).u32_be("current")?.cast_signed());
    into.current = raw.map(Amps::milli);
    Ok(())
}

/// 11, with which a board is identified: any other four bytes are hardly ever a capacity.
pub(super) fn capacity(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let raw = Reader::new(data).u32_be("capacity")?;
    if raw == 0 || raw > MAX_CAPACITY_MAH {
        return Err(OTHER_BOARD);
    }
    into.capacity = Some(AmpHours::milli(raw));
    Ok(())
}

/// 12.
pub(super) fn remaining(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let raw = unless(&[u32::MAX], Reader::new(data).u32_be("remaining charge")?);
    into.remaining = raw.map(AmpHours::milli);
    Ok(())
}

/// 13.
pub(super) fn soc(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let raw = unless(&[0xFFFF], Reader::new(data).u16_be("SoC")?);
    if raw.is_some_and(|raw| raw > 100) {
        return Err(OTHER_BOARD);
    }
    into.soc = raw.map(|raw| Percent::new(f64::from(raw)));
    Ok(())
}

/// 0C and 0D, the first and the second sensor: 0 is none, as it cannot be as cold.
pub(super) fn temperature(is_first: bool, data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let raw = unless(&[0, 0xFFFF], Reader::new(data).u16_be("temperature")?);
    let sensors = into.temperatures.sensors.get_or_insert_default();
    sensors.truncate(usize::from(!is_first));
    sensors.extend(raw.map(Celsius::deci_kelvin));
    Ok(())
}
