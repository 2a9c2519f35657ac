//! Meaning of the data.

use super::alarms;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{Reader, show_cells, text, u16s_be, unless};
use crate::model::Reading;

const OTHER_BOARD: DecodeError = DecodeError::Layout { what: "values of another board" };
/// From this group on the values have four bytes.
const FIRST_WIDE: u8 = 0x0B;
/// The last group with a known width.
const LAST: u8 = 0x10;
const MAX_CELLS: usize = 24;
/// Highest bits of a cell: balancing or an alarm; the sources differ.
const FLAGS: u16 = 0xC000;
/// Boards cut the sum of the cells off to 10 mV; one that measures the pack gets this fraction of it.
const MOST_APART: f64 = 0.005;
/// Zero of the current, which the other end of its range mirrors.
const ZERO_CURRENT: u16 = 30_000;

/// Function 01.
pub(super) fn values(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(data);
    let cells: Vec<u16> = u16s_be(group(r, 1)?).collect();
    if cells.is_empty() || cells.len() > MAX_CELLS {
        return Err(OTHER_BOARD);
    }
    let current = Some(single(r, 2)?).filter(|raw| *raw <= 2 * ZERO_CURRENT);
    into.current = current.map(|raw| Amps::centi(f64::from(ZERO_CURRENT) - f64::from(raw)));
    into.soc = unless(&[0xFFFF], single(r, 3)?).map(Percent::centi);
    if into.soc.is_some_and(|soc| soc.get() > 100.0) {
        return Err(OTHER_BOARD);
    }
    into.capacity = unless(&[0, 0xFFFF], single(r, 4)?).map(AmpHours::centi);
    temperatures(group(r, 5)?, into);
    alarms::status(group(r, 6)?, into)?;
    into.cycles = unless(&[0xFFFF], single(r, 7)?).map(u32::from);
    into.voltage = unless(&[0xFFFF], single(r, 8)?).map(Volts::centi);
    into.soh = unless(&[0, 0xFFFF], single(r, 9)?).map(Percent::centi);
    for number in 0x0A..=LAST {
        if r.left() > 0 {
            group(r, number)?;
        }
    }
    show(&cells, into)
}

/// The data of the next group, which must have this number.
fn group<'a>(r: &mut Reader<'a>, number: u8) -> Result<&'a [u8], DecodeError> {
    if r.u8("group")? != number {
        return Err(OTHER_BOARD);
    }
    let width = if number < FIRST_WIDE { 2 } else { 4 };
    let count = usize::from(r.u8("count")?);
    r.bytes(count.saturating_mul(width), "group")
}

fn single(r: &mut Reader<'_>, number: u8) -> Result<u16, DecodeError> {
    match group(r, number)? {
        &[high, low] => Ok(u16::from_be_bytes([high, low])),
        _ => Err(OTHER_BOARD),
    }
}

/// Cells with a sum that is not the pack voltage belong to a damaged answer. A broken sense wire, with which the sum means nothing,
/// is shown.
fn show(cells: &[u16], into: &mut Reading) -> Result<(), DecodeError> {
    into.cell_count = u8::try_from(cells.len()).ok();
    show_cells(cells.iter().map(|raw| unless(&[0xFFFF], *raw).map(|raw| Volts::milli(raw & !FLAGS))), into);
    if cells.iter().any(|raw| raw & FLAGS != 0 && *raw != 0xFFFF) {
        into.note("flags on cells (balancing or an alarm: the sources differ)");
    }
    let Some(voltage) = into.voltage.filter(|_| into.cells.iter().all(|cell| cell.get() >= 1.0)) else { return Ok(()) };
    let sum: f64 = into.cells.iter().map(|cell| cell.get()).sum();
    let is_whole = into.cells.len() == cells.len();
    if is_whole && (sum - voltage.get()).abs() > MOST_APART * sum.max(voltage.get()) { Err(OTHER_BOARD) } else { Ok(()) }
}

/// Place 20 is the environment. Boards mark the MOSFETs, the last of the others, with 40 or 80.
fn temperatures(data: &[u8], into: &mut Reading) {
    let (environment, mut sensors): (Vec<[u8; 2]>, Vec<[u8; 2]>) =
        data.as_chunks().0.iter().partition(|[place, _]| place & 0x20 != 0);
    let celsius = |[_, raw]: [u8; 2]| unless(&[0, 0xFF], raw).map(|raw| Celsius::new(f64::from(raw) - 50.0));
    into.temperatures.environment = environment.first().copied().and_then(celsius);
    let mosfets = sensors.pop_if(|[place, _]| *place & 0xC0 != 0);
    into.temperatures.mos = mosfets.and_then(celsius);
    into.temperatures.sensors = Some(sensors.into_iter().filter_map(celsius).collect());
}

/// Function 33, such as `QT-YS00-16SV100A-V3.40`.
pub(super) fn model(data: &[u8], into: &mut Reading) {
    into.device.model = text(data);
    let version = into.device.model.as_ref().and_then(|model| model.rsplit_once("-V")).map(|(_, version)| version.to_owned());
    into.device.sw_version = version.filter(|version| version.starts_with(|first: char| first.is_ascii_digit()));
}

/// Function 42. Boards without a number on the label send other bytes, the same on each.
pub(super) fn serial(data: &[u8]) -> Option<String> {
    let is_text = data.len() >= 8 && data.iter().all(u8::is_ascii_graphic);
    text(data).filter(|_| is_text)
}

/// Number of the protections, which tells them from the limits of the warnings.
const SETTINGS: usize = 51;

/// Function 43 E0: start, delay, end of each protection; only whole and plausible ones are taken.
pub(super) fn settings(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let entries = data.as_chunks::<4>();
    let is_whole = entries.0.len() == SETTINGS && entries.1.is_empty();
    let in_order = (0u8..).zip(entries.0).all(|(number, [it, size, ..])| (*it, *size) == (number, 2));
    if !is_whole || !in_order {
        return Err(DecodeError::Foreign { what: "settings without protections" });
    }
    let raw = |number: usize| entries.0.get(number).map_or(0, |[.., high, low]| u16::from_be_bytes([*high, *low]));
    let [cell_high, cell_high_end, cell_low, cell_low_end] = [raw(0), raw(2), raw(3), raw(5)].map(Volts::milli);
    let [pack_high, pack_low] = [raw(6), raw(9)].map(Volts::centi);
    let ordered = cell_low < cell_low_end && cell_low_end < cell_high_end && cell_high_end < cell_high;
    let cells = into.cell_count.map_or_else(|| (pack_high.get() / cell_high.get()).round(), f64::from);
    let fits = |pack: Volts, cell: Volts| (pack.get() / (cells * cell.get()) - 1.0).abs() < 0.15;
    if !(ordered && fits(pack_high, cell_high) && fits(pack_low, cell_low)) {
        return Err(OTHER_BOARD);
    }
    let settings = &mut into.settings;
    (settings.cell_ovp, settings.cell_uvp) = (Some(cell_high), Some(cell_low));
    (settings.pack_ovp, settings.pack_uvp) = (Some(pack_high), Some(pack_low));
    let amps = |number| unless(&[0, 0xFFFF], raw(number)).map(Amps::centi);
    (settings.charge_ocp, settings.discharge_ocp) = (amps(14), amps(16));
    Ok(())
}
