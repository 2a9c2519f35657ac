//! Meaning of the registers.

use super::{ALARMS, CELLS, MODEL, Renogy, STATE};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{show_cells, unless};
use crate::bms::modbus::{Read, Registers};
use crate::model::{OpenValue, RENOGY_CURRENT, Reading};

const MAX_CELLS: u16 = 16;
const OTHER_BOARD: DecodeError = DecodeError::Layout { what: "registers of another device" };

/// The block in a reply without a known request, as far as length and content show. Alarms and two texts have the same length: a
/// model begins with RB, and no text with 0, as alarms do while cells 9 to 12 have none.
pub(super) fn unasked(frame: &[u8]) -> Option<Read> {
    let fits = |read: &Read| {
        read.registers(frame).is_ok_and(|registers| match read.first {
            0x1402 => registers.data.starts_with(b"RB"),
            0x13EC => registers.data.first() == Some(&0),
            _ => true,
        })
    };
    [STATE, CELLS, MODEL, ALARMS].into_iter().find(fits)
}

/// Unit of the current, as a number of amperes: by the model alone.
fn unit(model: &str) -> Option<f64> {
    let (_, behind) = model.strip_prefix("RBT")?.split_once("LFP")?;
    // `RBT100LFP12-BT`: protocol V1.7. Names of the Pro series, which counts in 0.1 A, are not known.
    behind.starts_with(|c: char| c.is_ascii_digit()).then_some(0.01)
}

/// 13B2.
pub(super) fn state(_: &mut Renogy, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let charge = |register| registers.u32_high_first(register).and_then(|raw| unless(&[u32::MAX], raw));
    let (remaining, full) = (charge(0x13B4), charge(0x13B6).and_then(|raw| unless(&[0], raw)));
    if remaining.zip(full).is_some_and(|(remaining, full)| f64::from(remaining) > 1.2 * f64::from(full)) {
        return Err(OTHER_BOARD);
    }
    into.voltage = registers.u16(0x13B3).and_then(|raw| unless(&[0xFFFF], raw)).map(Volts::deci);
    let current = registers.i16(0x13B2).and_then(|raw| unless(&[i16::MIN, i16::MAX], raw));
    let of = |unit: f64| current.map(|raw| Amps::new(f64::from(raw) * unit).rounded(2));
    match into.device.model.as_deref().map(unit) {
        Some(Some(unit)) => into.current = of(unit),
        Some(None) => {
            if let (Some(fine), Some(coarse)) = (of(0.01), of(0.1)) {
                into.leave_open(&RENOGY_CURRENT, [OpenValue::Current(fine), OpenValue::Current(coarse)]);
            }
        }
        None => {}
    }
    into.remaining = remaining.map(AmpHours::milli);
    into.capacity = full.map(AmpHours::milli);
    into.soc = remaining
        .zip(full)
        .map(|(remaining, full)| Percent::new((100.0 * f64::from(remaining) / f64::from(full)).min(100.0)).rounded(1));
    into.cycles = registers.u16(0x13B8).and_then(|raw| unless(&[0xFFFF], raw)).map(u32::from);
    Ok(())
}

/// 1388: cells in steps of 0.1 V.
pub(super) fn cells(_: &mut Renogy, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let count = |register| registers.u16(register).filter(|count| *count <= MAX_CELLS).ok_or(OTHER_BOARD);
    let (cells, sensors) = (count(0x1388)?, count(0x1399)?);
    into.cell_count = u8::try_from(cells).ok().filter(|count| *count > 0);
    let cells = (0x1389..0x1399u16).take(usize::from(cells)).map(|register| registers.u16(register));
    show_cells(cells.map(|cell| cell.and_then(|raw| unless(&[0xFFFF], raw)).map(Volts::deci)), into);
    let sensors = (0x139A..0x13AAu16).take(usize::from(sensors)).filter_map(|register| registers.i16(register));
    into.temperatures.sensors = Some(sensors.filter_map(|raw| unless(&[i16::MIN, i16::MAX, -1], raw)).map(Celsius::deci).collect());
    Ok(())
}

/// 13F6.
pub(super) fn serial(_: &mut Renogy, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.device.serial_number = registers.text(0x13F6, 8);
    Ok(())
}

/// 1402. Serial number and alarms have the same length.
pub(super) fn model(_: &mut Renogy, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let model = registers.text(0x1402, 8).filter(|model| model.starts_with(|c: char| c.is_ascii_alphabetic()));
    into.device.model = Some(model.ok_or(DecodeError::Foreign { what: "no model" })?);
    Ok(())
}

/// 140A.
pub(super) fn firmware(_: &mut Renogy, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.device.sw_version = registers.text(0x140A, 2);
    Ok(())
}
