//! Meaning of the registers.

use super::{BANK, CELLS, EVENTS, PACK, PACK_EVENTS, SeplosV3, TEXTS};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{show_cells, unless};
use crate::bms::modbus::{Function, Read, Registers};
use crate::model::Reading;

const MAX_CELLS: u16 = 16;
/// Cell sensors; four more registers behind them are reserved and always show 0 °C.
const MAX_SENSORS: usize = 4;
/// Highest plausible cell voltage, mV.
const MAX_CELL: u16 = 5000;

/// The block in a reply without a known request, as far as length and content show.
pub(super) fn unasked(frame: &[u8]) -> Option<Read> {
    let newer = Read { count: 0x12, ..PACK };
    let fits = |read: &Read| match read.function {
        Function::Coils => read.bits(frame).is_ok(),
        _ => read.registers(frame).is_ok_and(|registers| match read.first {
            // Both have the same length: the second register is a cell, or the high word of the voltage.
            0x1100 => registers.u16(0x1101) != Some(0),
            0x2000 => registers.u16(0x2001) == Some(0),
            _ => true,
        }),
    };
    [PACK, newer, CELLS, BANK, TEXTS, PACK_EVENTS, EVENTS].into_iter().find(fits)
}

fn word(registers: &Registers<'_>, register: u16) -> Option<u16> {
    unless(&[0xFFFF], registers.u16(register)?)
}

/// 1000: one pack. The cells' extremes tell this block from those of other families.
pub(super) fn pack(_: &mut SeplosV3, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let get = |register| word(registers, register);
    let [mean, highest, lowest] = [0x1008, 0x100A, 0x100B].map(|register| get(register).unwrap_or(0));
    let in_order = lowest <= mean && mean <= highest && highest <= MAX_CELL;
    if !in_order || get(0x1005).is_some_and(|soc| soc > 1000) {
        return Err(DecodeError::Layout { what: "registers of another board at 1000" });
    }
    into.voltage = get(0x1000).map(Volts::centi);
    into.current = registers.i16(0x1001).and_then(|raw| unless(&[i16::MIN, i16::MAX], raw)).map(Amps::centi);
    into.remaining = get(0x1002).map(AmpHours::centi);
    into.capacity = get(0x1003).and_then(|raw| unless(&[0], raw)).map(AmpHours::centi);
    into.throughput = get(0x1004).map(|raw| AmpHours::new(10.0 * f64::from(raw)));
    into.soc = get(0x1005).map(Percent::deci);
    into.soh = get(0x1006).and_then(|raw| unless(&[0], raw)).map(Percent::deci);
    into.cycles = get(0x1007).map(u32::from);
    into.settings.discharge_limit = get(0x100F).map(|amps| Amps::new(f64::from(amps)));
    into.settings.charge_limit = get(0x1010).map(|amps| Amps::new(f64::from(amps)));
    Ok(())
}

/// 1100: cells and temperatures. The number of cells is in the settings; without them the last ones that have never shown a voltage do
/// not count.
pub(super) fn cells(board: &mut SeplosV3, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let all: Vec<Option<u16>> = (0x1100..0x1100 + MAX_CELLS).map(|register| registers.u16(register)).collect();
    let used = all.iter().rposition(|cell| !matches!(cell, None | Some(0))).map_or(0, |last| last.saturating_add(1));
    board.shown = board.shown.max(used);
    let count = board.cells.unwrap_or(board.shown);
    into.cell_count = u8::try_from(count).ok().filter(|count| *count > 0);
    show_cells(all.into_iter().take(count).map(|cell| cell.and_then(|raw| unless(&[0xFFFF], raw)).map(Volts::milli)), into);
    let sensors = (0x1110..0x1114).take(board.sensors.unwrap_or(MAX_SENSORS));
    into.temperatures.sensors = Some(sensors.filter_map(|register| celsius(registers, register)).collect());
    into.temperatures.environment = celsius(registers, 0x1118);
    into.temperatures.mos = celsius(registers, 0x1119);
    Ok(())
}

/// Tenths of a kelvin, 2731.5 is 0 °C.
fn celsius(registers: &Registers<'_>, register: u16) -> Option<Celsius> {
    let raw = unless(&[0, 0xFFFF], registers.u16(register)?)?;
    Some(Celsius::new((f64::from(raw) - 2731.5) / 10.0))
}

/// 1300: protections, numbers of cells and sensors.
pub(super) fn settings(board: &mut SeplosV3, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let get = |register| unless(&[0], word(registers, register)?);
    let cells = get(0x1301).filter(|count| *count <= MAX_CELLS);
    board.cells = cells.map(usize::from).or(board.cells);
    into.cell_count = cells.and_then(|count| u8::try_from(count).ok()).or(into.cell_count);
    board.sensors = registers.u16(0x1300).map(usize::from).filter(|sensors| (1..=MAX_SENSORS).contains(sensors));
    let settings = &mut into.settings;
    settings.pack_ovp = get(0x1305).map(Volts::centi);
    settings.pack_uvp = get(0x1309).map(Volts::centi);
    settings.cell_ovp = get(0x130D).map(Volts::milli);
    settings.cell_uvp = get(0x1311).map(Volts::milli);
    // Discharge is negative here.
    let amps = |register| registers.i16(register).and_then(|raw| unless(&[0, -1], raw)).map(|raw| Amps::new(f64::from(raw)).abs());
    settings.charge_ocp = amps(0x1317);
    settings.discharge_ocp = amps(0x131D);
    Ok(())
}

/// 1700.
pub(super) fn texts(_: &mut SeplosV3, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.device.model = registers.text(0x170A, 10);
    into.device.sw_version = registers.text(0x1714, 1);
    into.device.serial_number = registers.text(0x1715, 15);
    Ok(())
}

/// 2000: the sum of all packs.
pub(super) fn bank(_: &mut SeplosV3, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let get = |register| unless(&[u32::MAX], registers.u32_low_first(register)?);
    into.voltage = get(0x2000).map(Volts::centi);
    into.current = get(0x2002).map(|raw| Amps::deci(raw.cast_signed()));
    into.remaining = get(0x2004).map(AmpHours::centi);
    into.capacity = get(0x2006).and_then(|raw| unless(&[0], raw)).map(AmpHours::centi);
    into.full_charge = into.capacity;
    into.throughput = get(0x2008).map(|raw| AmpHours::new(10.0 * f64::from(raw)));
    into.design = get(0x200A).and_then(|raw| unless(&[0], raw)).map(AmpHours::centi);
    into.settings.discharge_limit = get(0x2010).map(Amps::deci);
    into.settings.charge_limit = get(0x2012).map(Amps::deci);
    into.cycles = word(registers, 0x2017).map(u32::from);
    into.soc = word(registers, 0x2018).map(Percent::deci);
    into.soh = word(registers, 0x2019).map(Percent::deci);
    Ok(())
}
