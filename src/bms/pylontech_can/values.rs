//! Meaning of the frames.

use super::alarms;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{text, unless};
use crate::bms::can::{Record, signed_word, word};
use crate::model::Reading;

/// The battery's own limits.
pub(super) const LIMITS: u16 = 0x351;
/// State of charge and of health.
pub(super) const CHARGE: u16 = 0x355;
/// Voltage, current, temperature.
pub(super) const MEASURED: u16 = 0x356;
/// Alarms in pairs of bits.
pub(super) const ALARMS: u16 = 0x35A;

/// What others than a battery are, whose frames have the same ids.
const DALY: &str = "the frames for inverters of a Daly board (Lithium Valley), which `bms = [\"daly\"]` reads";
const OWN_OUTPUT: &str = "this driver's own output to an inverter";

/// What an i16 of -32768 and a u16 of 65535 mean.
const NONE_SIGNED: i16 = i16::MIN;
const NONE: u16 = u16::MAX;
/// Highest difference between a state of charge and its finer value, %.
const FINER_WITHIN: f64 = 1.0;

/// Lowest voltage of a battery that does not tell it, as a part of its charge voltage.
const LOWEST: f64 = 0.6;

/// Shows the values of the last frames; `frame` returns that of an id.
pub(super) fn show(frame: &impl Fn(u16) -> Option<Record>, into: &mut Reading) {
    into.without_cells = true;
    if let Some(record) = frame(LIMITS) {
        limits(record.data(), into);
    }
    if let Some(record) = frame(CHARGE) {
        charge(record.data(), into);
    }
    if let Some(record) = frame(MEASURED) {
        measured(record.data(), into);
    }
    into.alarms = None;
    if let Some(record) = frame(0x359) {
        alarms::bits(record.data(), into);
    }
    if let Some(record) = frame(ALARMS) {
        alarms::pairs(record.data(), into);
    }
    if let Some(requests) = frame(0x35C).and_then(|record| record.data().first().copied()) {
        (into.fets.charge, into.fets.discharge) = (Some(requests & 0x80 != 0), Some(requests & 0x40 != 0));
        if requests & 0x30 != 0 {
            into.note("the battery asks to be charged now");
        }
        if requests & 0x08 != 0 {
            into.note("the battery asks for a full charge");
        }
    }
    if let Some(record) = frame(0x373) {
        extremes(record.data(), into);
    }
    if let Some(record) = frame(0x354) {
        into.capacity = capacity(record.data(), 0);
        into.remaining = unless(&[NONE], word(record.data(), 1).unwrap_or(NONE)).map(|raw| AmpHours::new(f64::from(raw)));
    }
    if let Some(record) = frame(0x379) {
        into.capacity = capacity(record.data(), 0).or(into.capacity);
    }
    let name = |id: u16| frame(id).and_then(|record| printable(record.data()));
    let names: Vec<String> = [0x35E, 0x370, 0x371].into_iter().filter_map(name).collect();
    if !names.is_empty() {
        into.device.model = Some(names.join(" "));
    }
    if let Some(first) = name(0x380) {
        into.device.serial_number = Some(first + &name(0x381).unwrap_or_default());
    }
}

/// Refuses frames of others that have the ids of a battery.
pub(super) fn refuse(frame: &impl Fn(u16) -> Option<Record>) -> Result<(), DecodeError> {
    let name = |id: u16| frame(id).and_then(|record| printable(record.data())).unwrap_or_default();
    let (maker, names) = (name(0x35E), (name(0x370), name(0x371)));
    if maker == "LVaiiey" || (names.0 == "Lithium" && names.1 == "Valley") {
        return Err(DecodeError::Layout { what: DALY });
    }
    if maker == "dbus-bms" {
        return Err(DecodeError::Layout { what: OWN_OUTPUT });
    }
    Ok(())
}

/// A limit that is not given is unknown; a charge current below zero allows none. Some senders write the discharge current as negative.
fn limits(bytes: &[u8], into: &mut Reading) {
    let amps = |index| unless(&[NONE_SIGNED], signed_word(bytes, index).unwrap_or(NONE_SIGNED)).map(Amps::deci);
    let settings = &mut into.settings;
    settings.voltage_limit = unless(&[NONE], word(bytes, 0).unwrap_or(NONE)).map(Volts::deci);
    settings.charge_limit = amps(1).map(|limit| limit.max(Amps::ZERO));
    settings.discharge_limit = amps(2).map(Amps::abs);
    settings.pack_uvp = unless(&[0, NONE], word(bytes, 3).unwrap_or(NONE)).map(Volts::deci);
}

fn charge(bytes: &[u8], into: &mut Reading) {
    let percent = |raw: Option<u16>| raw.filter(|raw| *raw <= 100).map(|raw| Percent::new(f64::from(raw)));
    (into.soc, into.soh) = (percent(word(bytes, 0)), percent(word(bytes, 1)));
    // Other makers have something else in these bytes.
    let finer = word(bytes, 2).map(Percent::centi).filter(|finer| finer.get() > 0.0);
    if let (Some(soc), Some(finer)) = (into.soc, finer)
        && (soc.get() - finer.get()).abs() <= FINER_WITHIN
    {
        into.soc = Some(finer);
    }
}

fn measured(bytes: &[u8], into: &mut Reading) {
    let value = |index| unless(&[NONE_SIGNED], signed_word(bytes, index).unwrap_or(NONE_SIGNED));
    into.voltage = value(0).filter(|raw| *raw > 0).map(|raw| pack_voltage(raw, into));
    into.current = value(1).map(Amps::deci);
    into.power = None;
    into.temperatures.sensors = Some(value(2).map(Celsius::deci).into_iter().collect());
}

/// Usually in 0.01 V; in 0.1 V if only that agrees with the voltages of 351.
fn pack_voltage(raw: i16, known: &Reading) -> Volts {
    let [usual, coarse] = [Volts::centi(raw), Volts::deci(raw)];
    let Some(high) = known.settings.voltage_limit.map(Volts::get) else { return usual };
    let low = known.settings.pack_uvp.map_or(high * LOWEST, Volts::get);
    let fits = |volts: Volts| (low * 0.8..=high * 1.1).contains(&volts.get());
    if fits(coarse) && usual.get() < low * 0.5 { coarse } else { usual }
}

/// The temperatures of 373 are those of cells, so they replace that of 356.
fn extremes(bytes: &[u8], into: &mut Reading) {
    let cell = |index| unless(&[0, NONE], word(bytes, index).unwrap_or(NONE)).map(Volts::milli);
    let (lowest, highest) = (cell(0), cell(1));
    if lowest.zip(highest).is_none_or(|(lowest, highest)| lowest <= highest) {
        (into.lowest_cell, into.highest_cell) = (lowest, highest);
    }
    let heat = |index| unless(&[0, NONE], word(bytes, index).unwrap_or(NONE)).map(|raw| Celsius::new(f64::from(raw) - 273.0));
    if let (Some(coldest), Some(hottest)) = (heat(2), heat(3)) {
        into.temperatures.sensors = Some(vec![coldest, hottest]);
    }
}

fn capacity(bytes: &[u8], index: usize) -> Option<AmpHours> {
    unless(&[0, NONE], word(bytes, index)?).map(|raw| AmpHours::new(f64::from(raw)))
}

/// A text of printable characters, without what fills it up.
fn printable(bytes: &[u8]) -> Option<String> {
    let mut written = bytes.iter().take_while(|byte| **byte != 0);
    written.all(|byte| (0x20..0x7F).contains(byte)).then(|| text(bytes)).flatten()
}
