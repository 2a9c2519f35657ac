//! Meaning of the registers.

use super::Felicity;
use crate::base::units::{Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{show_cells, unless};
use crate::bms::modbus::Registers;
use crate::model::Reading;

const OTHER_BOARD: DecodeError = DecodeError::Layout { what: "registers of another device" };
const NOT_FITTED: u16 = 0x7FFF;
/// Of the pack voltage; both are measured separately.
const MOST_APART: f64 = 0.03;

/// 1306.
pub(super) fn pack(_: &mut Felicity, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.voltage = registers.u16(0x1306).and_then(|raw| unless(&[0xFFFF, NOT_FITTED], raw)).map(Volts::centi);
    let current = registers.i16(0x1307).and_then(|raw| unless(&[i16::MIN, i16::MAX], raw));
    into.current = current.map(|raw| Amps::deci(-f64::from(raw)));
    compare(into)
}

/// The cells and the pack, as soon as both are known. A broken sense wire, with which the sum means nothing, is shown.
fn compare(into: &Reading) -> Result<(), DecodeError> {
    let is_whole = into.cells_complete.is_none() && into.cells.iter().all(|cell| cell.get() >= 1.0);
    let Some(voltage) = into.voltage.filter(|_| is_whole && !into.cells.is_empty()) else { return Ok(()) };
    let sum: f64 = into.cells.iter().map(|cell| cell.get()).sum();
    if (sum - voltage.get()).abs() > MOST_APART * voltage.get() { Err(OTHER_BOARD) } else { Ok(()) }
}

/// 130B.
pub(super) fn soc(_: &mut Felicity, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let raw = registers.u16(0x130B).and_then(|raw| unless(&[0xFFFF, NOT_FITTED], raw));
    if raw.is_some_and(|raw| raw > 100) {
        return Err(OTHER_BOARD);
    }
    into.soc = raw.map(|raw| Percent::new(f64::from(raw)));
    Ok(())
}

/// 130A.
pub(super) fn board(_: &mut Felicity, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.temperatures.mos = celsius(registers, 0x130A);
    Ok(())
}

/// 131C: the currents only; of the voltages it is not known whether they are wishes or protections.
pub(super) fn limits(_: &mut Felicity, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let amps = |register| registers.u16(register).and_then(|raw| unless(&[0xFFFF, NOT_FITTED], raw)).map(Amps::deci);
    into.settings.charge_limit = amps(0x131E);
    into.settings.discharge_limit = amps(0x131F);
    Ok(())
}

/// 132A: as many cells as show a voltage.
pub(super) fn cells(_: &mut Felicity, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let raws: Vec<u16> = (0x132A..0x133A).filter_map(|register| registers.u16(register)).collect();
    let fitted = |raw: &u16| unless(&[NOT_FITTED, 0xFFFF], *raw);
    let count = raws.iter().rposition(|raw| fitted(raw).is_some()).map_or(0, |last| last.saturating_add(1));
    let cells: Vec<Option<Volts>> = raws.iter().take(count).map(|raw| fitted(raw).map(Volts::milli)).collect();
    let shows_any = cells.iter().flatten().any(|cell| cell.get() >= 0.5);
    if !shows_any || cells.iter().flatten().any(|cell| cell.get() > 5.0) {
        return Err(OTHER_BOARD);
    }
    into.cell_count = u8::try_from(count).ok();
    show_cells(cells.into_iter(), into);
    compare(into)
}

/// 1339; the first register is the last cell.
pub(super) fn sensors(_: &mut Felicity, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.temperatures.sensors = Some((0x133A..0x133D).filter_map(|register| celsius(registers, register)).collect());
    Ok(())
}

fn celsius(registers: &Registers<'_>, register: u16) -> Option<Celsius> {
    registers.i16(register).and_then(|raw| unless(&[i16::MAX, i16::MIN, -1], raw)).map(|raw| Celsius::new(f64::from(raw)))
}

/// F804: five words, each written as a decimal number.
pub(super) fn serial(_: &mut Felicity, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let words: Vec<u16> = (0xF804..0xF809).filter_map(|register| registers.u16(register)).collect();
    let is_told = words.iter().any(|word| !matches!(word, 0 | 0xFFFF | &NOT_FITTED));
    into.device.serial_number = is_told.then(|| words.iter().map(u16::to_string).collect());
    Ok(())
}

/// F80B.
pub(super) fn firmware(_: &mut Felicity, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.device.sw_version = registers.u16(0xF80B).and_then(|raw| unless(&[0, 0xFFFF, NOT_FITTED], raw)).map(|raw| raw.to_string());
    Ok(())
}
