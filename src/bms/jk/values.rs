//! Meaning of the registers.

use super::alarms::ALARMS;
use super::registers::{CELL_COUNT, CELLS, Registers};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bits::apply_word;
use crate::bms::bytes::{show_cells, text, u16s_be, unless};
use crate::model::{Chemistry, ProductionDate, Reading};

pub(super) fn measured(registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let cells = cells(registers)?;
    into.cell_count = u8::try_from(cells.len()).ok().filter(|count| *count > 0);
    show_cells(cells.into_iter(), into);
    let version = registers.u8(0xC0).unwrap_or(0);
    into.current = registers.u16(0x84).and_then(reported).and_then(|raw| current(version, raw));
    if version > 1 {
        into.note(format!("protocol version {version}: the coding of the current is not documented"));
    }
    into.soc = registers.u8(0x85).and_then(|raw| unless(&[0xFF], raw)).map(|percent| Percent::new(f64::from(percent)));
    into.temperatures.mos = registers.u16(0x80).and_then(temperature);
    // If one sensor is outside of the valid range none is used: the numbers of the others would shift.
    into.temperatures.sensors = [0x81, 0x82].into_iter().map(|id| registers.u16(id).and_then(temperature)).collect();
    into.cycles = registers.u16(0x87).and_then(reported).map(u32::from);
    // Old firmware leaves it 0, whatever the cycles.
    let throughput = registers.u32(0x89).and_then(|raw| unless(&[0, u32::MAX], raw));
    into.throughput = throughput.map(|ah| AmpHours::new(f64::from(ah)));
    if let Some(bits) = registers.u16(0x8B) {
        into.alarms = Some(Vec::new());
        apply_word("alarm", bits.to_le_bytes(), &ALARMS, into);
    }
    // 8C contains the state of the FETs; AB and AC only contain the owner's switches.
    let state = registers.u16(0x8C).and_then(reported);
    into.fets.charge = state.map(|bits| bits & 1 != 0);
    into.fets.discharge = state.map(|bits| bits & 2 != 0);
    into.balancing.active = state.map(|bits| bits & 4 != 0);
    let switch = |id| registers.u8(id).and_then(|raw| unless(&[0xFF], raw)).map(|on| on != 0);
    (into.fets.charge_switch, into.fets.discharge_switch) = (switch(0xAB), switch(0xAC));
    into.balancing.allowed = switch(0x9D);
    if into.fets.charge == Some(false) && into.fets.charge_switch == Some(false) {
        into.note("charging switched off in the BMS's settings");
    }
    if into.fets.discharge == Some(false) && into.fets.discharge_switch == Some(false) {
        into.note("discharging switched off in the BMS's settings");
    }
    Ok(())
}

/// The cells are numbered from 1 without a gap, as many as the BMS reports; a block of another length is corrupted.
fn cells(registers: &Registers<'_>) -> Result<Vec<Option<Volts>>, DecodeError> {
    let block = registers.get(CELLS).unwrap_or_default();
    let (cells, rest) = block.as_chunks::<3>();
    let counted = cells.iter().zip(1..=u8::MAX).all(|(&[number, ..], expected)| number == expected);
    let stated = registers.u16(CELL_COUNT).map(usize::from).is_none_or(|count| count == cells.len());
    if !rest.is_empty() || !counted || !stated {
        return Err(DecodeError::Short { field: "cell voltages" });
    }
    Ok(cells.iter().flat_map(|[_, millivolts @ ..]| u16s_be(millivolts)).map(|raw| reported(raw).map(Volts::milli)).collect())
}

/// Current in 0.01 A, encoded by protocol version.
fn current(version: u8, raw: u16) -> Option<Amps> {
    match version {
        0 => Some(Amps::centi(10_000.0 - f64::from(raw))),
        1 if raw & 0x8000 != 0 => Some(Amps::centi(raw & 0x7FFF)),
        1 => Some(Amps::centi(0.0 - f64::from(raw))),
        _ => None,
    }
}

/// Up to 99 in °C, from 100 on degrees below zero: 100 is what the app shows as -0 °C (owners' tests with ice; the board's document
/// differs), 101 is -1 °C and 140 the coldest; anything above is invalid.
fn temperature(raw: u16) -> Option<Celsius> {
    match raw {
        0..=99 => Some(Celsius::new(f64::from(raw))),
        100..=140 => Some(Celsius::new(100.0 - f64::from(raw))),
        _ => None,
    }
}

/// A setting that is not reported.
const NO_SETTING: [u16; 2] = [0, 0xFFFF];

/// FFFF is not a valid register value.
pub(super) fn reported(raw: u16) -> Option<u16> {
    unless(&[0xFFFF], raw)
}

pub(super) fn settings(registers: &Registers<'_>, into: &mut Reading) {
    let capacity = |id| registers.u32(id).and_then(|raw| unless(&[0, u32::MAX], raw)).map(|ah| AmpHours::new(f64::from(ah)));
    into.capacity = capacity(0xAA);
    into.design = into.capacity;
    into.full_charge = capacity(0xB9);
    let setting = |id| registers.u16(id).and_then(|raw| unless(&NO_SETTING, raw));
    let amps = |id| setting(id).map(|amps| Amps::new(f64::from(amps)));
    into.settings.pack_ovp = setting(0x8E).map(Volts::centi);
    into.settings.pack_uvp = setting(0x8F).map(Volts::centi);
    into.settings.cell_ovp = setting(0x90).map(Volts::milli);
    into.settings.cell_uvp = setting(0x93).map(Volts::milli);
    into.settings.discharge_ocp = amps(0x97);
    into.settings.charge_ocp = amps(0x99);
    into.settings.chemistry = match registers.u8(0xAF) {
        Some(0) => Some(Chemistry::Lfp),
        Some(1) => Some(Chemistry::Nmc),
        Some(2) => Some(Chemistry::Lto),
        _ => None,
    };
}

pub(super) fn names(registers: &Registers<'_>, into: &mut Reading) {
    into.device.sw_version = registers.text(0xB7);
    // Year and month: 2307.
    into.device.production_date = registers.text(0xB5).map(ProductionDate::year_month);
    // BA is twelve characters of the owner followed by the model, or one long number of the manufacturer.
    let maker = registers.get(0xBA).unwrap_or_default();
    into.label = label(maker);
    let (own, model) = maker.split_at_checked(12).unwrap_or_default();
    into.device.model = text(model).filter(|model| model.starts_with("JK"));
    let number = text(if into.device.model.is_some() { own } else { maker });
    into.device.serial_number = number.filter(chosen).or_else(|| registers.text(0xB4).filter(chosen));
}

/// The rest of register BA without the factory's text, which every board has.
fn label(maker: &[u8]) -> Option<String> {
    let text: String = maker.iter().map(|byte| if matches!(byte, 0x20..=0x7E) { char::from(*byte) } else { ' ' }).collect();
    let own = text.replace("Input Userda", "");
    Some(own.trim().to_owned()).filter(|own| !own.is_empty())
}

/// Not the factory defaults `Input Us` and `Input Userda`, which every board has.
#[allow(clippy::ptr_arg, reason = "the form that Option::filter wants")]
fn chosen(text: &String) -> bool {
    !text.starts_with("Input Us")
}
