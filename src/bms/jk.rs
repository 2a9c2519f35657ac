//! JK (Jikong) classic: `4E 57` frames on the UART/GPS port or its RS485 adapter, 115200 8N1.
//!
//! ```text
//! frame    4E 57 | length 2 | terminal 4 | command | source | kind | registers… | record 4 | 68 | 00 00 | sum 2
//! length   all bytes behind the header, itself and the sum included
//! command  03 read one register, 06 read all (02 writes: `commands.rs`; 05 tells the password: never sent)
//! kind     0 request, 1 reply
//! request  the id of one register, 00 for all; a reply has pairs of id and value, the width of a value is fixed per id
//! sum      all bytes from 4E to 68, modulo 65536
//! ```
//! All numbers are big endian. 4E 57 ("NW") occurs inside version texts: only the length tells where a frame ends. C0, the last
//! register, decides how the current is coded. B2 is the password in clear text: it is passed over here and overwritten in recordings.
//! Source: the protocol description in syssi/esphome-jk-bms (docs) and the recordings in `tests/vectors/jk`.

mod commands;
mod registers;

use super::bytes::{skip_to, sum16, text, u16s_be};
use super::orders::Orders;
use super::redaction::overwrite;
use super::{Asked, DecodeError, Driver, Framing, Line, Progress, Protocol, Request, Sharing};
use crate::model::{AlarmName, Chemistry, Command, Level, Reading};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts};
use registers::{CELL_COUNT, CELLS, Registers, passwords};
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "jk",
    label: "JK (Jikong), UART",
    boards: "JK / Jikong B1A, B2A, BD4A, BD6A series (UART/GPS port or its RS485 adapter), hardware up to V11",
    lines: &[Line { baud: 115_200 }],
    lines_only: false,
    addresses: &[],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    new: |_| Box::new(Jk),
};

const VOLTAGE: Request = read(
    "pack voltage",
    &[0x4E, 0x57, 0, 0x13, 0, 0, 0, 0, READ_ONE, 3, 0, 0x83, 0, 0, 0, 0, 0x68, 0, 0, 0x01, 0xA9],
    Duration::from_millis(200),
);
const ALL: Request = read(
    "all registers",
    &[0x4E, 0x57, 0, 0x13, 0, 0, 0, 0, READ_ALL, 3, 0, 0, 0, 0, 0, 0, 0x68, 0, 0, 0x01, 0x29],
    Duration::from_millis(500),
);

const READ_ONE: u8 = 0x03;
const TELL_PASSWORD: u8 = 0x05;
const READ_ALL: u8 = 0x06;

const fn read(what: &'static str, bytes: &'static [u8], timeout: Duration) -> Request {
    Request { what, bytes: Cow::Borrowed(bytes), timeout, required: true }
}

/// Lengths that occur: a frame without registers has 18, a dump of 32 cells 337.
const LENGTHS: RangeInclusive<usize> = 18..=0x180;
/// Bytes before the registers, and behind them.
const HEAD: usize = 11;
const TAIL: usize = 9;

/// The decoder has no state: every reply stands for itself.
#[derive(Debug)]
struct Jk;

impl Protocol for Jk {
    fn identify(&self) -> Request {
        VOLTAGE
    }

    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        vec![ALL]
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        let Some((&[first, second, high, low], _)) = buf.split_first_chunk::<4>() else {
            return if matches!(buf, [] | [0x4E] | [0x4E, 0x57, ..]) { Framing::Incomplete } else { skip_to(0x4E, buf) };
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if (first, second) != (0x4E, 0x57) || !LENGTHS.contains(&length) {
            return skip_to(0x4E, buf);
        }
        let end = length.saturating_add(2);
        match buf.get(..end) {
            None => Framing::Incomplete,
            Some(frame) if !is_sound(frame) => skip_to(0x4E, buf),
            // An echoed request has the shape of a reply, but for its kind.
            Some(frame) if frame.get(10) != Some(&1) => Framing::Skip(end),
            Some(_) => Framing::Frame(0..end),
        }
    }

    fn whole(&self, buf: &[u8]) -> usize {
        let Some(&[0x4E, 0x57, high, low]) = buf.first_chunk() else { return 0 };
        let end = usize::from(u16::from_be_bytes([high, low])).saturating_add(2);
        if buf.get(..end).is_some_and(is_sound) { end } else { 0 }
    }

    fn encode(&self, command: Command, _: &Reading, _: Option<u64>, _: bool) -> Option<Orders> {
        commands::encode(command)
    }

    fn redact(&self, buf: &mut [u8]) -> bool {
        if !matches!(buf, [0x4E, 0x57, 0 | 1, ..]) {
            return false;
        }
        let sound = is_sound(buf);
        let end = if sound { buf.len().saturating_sub(TAIL) } else { buf.len().min(*LENGTHS.end()) };
        let tells_password = buf.get(8) == Some(&TELL_PASSWORD);
        let body = buf.get_mut(HEAD..end).unwrap_or_default();
        match tells_password {
            true => overwrite(body, sound),
            false => passwords(body, sound).into_iter().for_each(|place| overwrite(body.get_mut(place).unwrap_or_default(), sound)),
        }
        if sound && let Some((summed, [_, _, check @ ..])) = buf.split_last_chunk_mut::<4>() {
            *check = sum16(summed).to_be_bytes();
        }
        true
    }

    fn decode(&mut self, asked: Asked<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let command = frame.get(8).copied();
        if !matches!(command, Some(READ_ONE | READ_ALL)) {
            return Err(DecodeError::Foreign { what: "the answer to a write or a password" });
        }
        let body = frame.get(HEAD..frame.len().saturating_sub(TAIL)).unwrap_or_default();
        let registers = Registers::walk(body)?;
        let dump = registers.get(CELLS).is_some();
        if let Asked::Request(request) = asked {
            let one = request.bytes.get(8) == Some(&READ_ONE);
            let answered = match request.bytes.get(HEAD) {
                Some(id) if one => command == Some(READ_ONE) && registers.get(*id).is_some(),
                // Boards that answer "read all" with command 03 exist.
                _ => dump,
            };
            if !answered {
                return Err(DecodeError::Foreign { what: "other registers" });
            }
        }
        into.voltage = registers.u16(0x83).map(Volts::centi).or(into.voltage);
        if dump {
            measured(&registers, into)?;
            settings(&registers, into);
            names(&registers, into);
        }
        Ok(Progress::Done)
    }
}

/// Whether a frame ends as it must.
fn is_sound(frame: &[u8]) -> bool {
    let Some((summed, &[0, 0, high, low])) = frame.split_last_chunk() else { return false };
    LENGTHS.contains(&frame.len().saturating_sub(2))
        && summed.ends_with(&[0x68])
        && sum16(summed) == u16::from_be_bytes([high, low])
}

fn measured(registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.cells = cells(registers)?;
    into.cell_count = u8::try_from(into.cells.len()).ok().filter(|count| *count > 0);
    let version = registers.u8(0xC0).unwrap_or(0);
    into.current = registers.u16(0x84).and_then(|raw| current(version, raw));
    if version > 1 {
        into.note(format!("protocol version {version}: the coding of the current is not documented"));
    }
    into.soc = registers.u8(0x85).map(|percent| Percent::new(f64::from(percent)));
    into.mos_temperature = registers.u16(0x80).and_then(temperature);
    // One sensor outside the coding and none is trusted: the numbers of the others would shift.
    into.temperatures = [0x81, 0x82].into_iter().map(|id| registers.u16(id).and_then(temperature)).collect();
    into.cycles = registers.u16(0x87).map(u32::from);
    if let Some(bits) = registers.u16(0x8B) {
        alarms(bits, into);
    }
    // What the FETs do stands in 8C; AB and AC only say what the owner allows.
    let state = registers.u16(0x8C);
    into.charge_fet = state.map(|bits| bits & 1 != 0);
    into.discharge_fet = state.map(|bits| bits & 2 != 0);
    into.balancing = state.map(|bits| bits & 4 != 0);
    let switch = |id| registers.u8(id).map(|on| on != 0);
    (into.charge_switch, into.discharge_switch) = (switch(0xAB), switch(0xAC));
    into.balance_allowed = switch(0x9D);
    if into.charge_fet == Some(false) && into.charge_switch == Some(false) {
        into.note("charging switched off in the BMS's settings");
    }
    if into.discharge_fet == Some(false) && into.discharge_switch == Some(false) {
        into.note("discharging switched off in the BMS's settings");
    }
    Ok(())
}

/// The cells run from 1 without a gap, as many as the BMS says; a block of another length has run into its neighbours.
fn cells(registers: &Registers<'_>) -> Result<Vec<Volts>, DecodeError> {
    let block = registers.get(CELLS).unwrap_or_default();
    let (cells, rest) = block.as_chunks::<3>();
    let counted = cells.iter().zip(1..=u8::MAX).all(|(&[number, ..], expected)| number == expected);
    let stated = registers.u16(CELL_COUNT).map(usize::from).is_none_or(|count| count == cells.len());
    if !rest.is_empty() || !counted || !stated {
        return Err(DecodeError::Short { field: "cell voltages" });
    }
    Ok(cells.iter().flat_map(|[_, millivolts @ ..]| u16s_be(millivolts)).map(Volts::milli).collect())
}

/// Hundredths of an ampere, coded by protocol version.
fn current(version: u8, raw: u16) -> Option<Amps> {
    match version {
        0 => Some(Amps::centi(10_000.0 - f64::from(raw))),
        1 if raw & 0x8000 != 0 => Some(Amps::centi(raw & 0x7FFF)),
        1 => Some(Amps::centi(0.0 - f64::from(raw))),
        _ => None,
    }
}

/// Up to 99 it is °C, from 100 on degrees below zero: 100 is what the app shows as -0 °C (owners' tests with ice, the board's document
/// says otherwise), 101 is -1 °C and 140 the coldest; anything above is no temperature.
fn temperature(raw: u16) -> Option<Celsius> {
    match raw {
        0..=99 => Some(Celsius::new(f64::from(raw))),
        100..=140 => Some(Celsius::new(100.0 - f64::from(raw))),
        _ => None,
    }
}

/// Alarm word 8B, bit 0 first.
pub(crate) const ALARMS: [(AlarmName, Level); 14] = [
    (AlarmName::LowSoc, Level::Warning),
    (AlarmName::HighMosTemperature, Level::Alarm),
    (AlarmName::HighVoltage, Level::Alarm),
    (AlarmName::LowVoltage, Level::Alarm),
    (AlarmName::HighTemperature, Level::Alarm), // at the battery
    (AlarmName::HighChargeCurrent, Level::Alarm),
    (AlarmName::HighDischargeCurrent, Level::Alarm),
    (AlarmName::CellImbalance, Level::Alarm),
    (AlarmName::HighTemperature, Level::Alarm), // in the box
    (AlarmName::LowTemperature, Level::Alarm),
    (AlarmName::CellHighVoltage, Level::Alarm),
    (AlarmName::CellLowVoltage, Level::Alarm),
    (AlarmName::BmsInternal, Level::Alarm), // "309_A protection"
    (AlarmName::BmsInternal, Level::Alarm), // "309_B protection"
];

fn alarms(bits: u16, into: &mut Reading) {
    into.alarms = Some(Vec::new());
    let active = ALARMS.into_iter().enumerate().filter(|(bit, _)| (bits >> bit) & 1 == 1);
    active.for_each(|(_, (name, level))| into.raise(name, level));
    if bits & 0xC000 != 0 {
        into.note(format!("alarm bits {:04x} (meaning not documented)", bits & 0xC000));
    }
}

fn settings(registers: &Registers<'_>, into: &mut Reading) {
    let capacity = |id| registers.u32(id).map(|ah| AmpHours::new(f64::from(ah))).filter(|capacity| capacity.get() > 0.0);
    into.capacity = capacity(0xAA);
    into.full_charge = capacity(0xB9);
    let amps = |id| registers.u16(id).map(|amps| Amps::new(f64::from(amps)));
    into.settings.pack_ovp = registers.u16(0x8E).map(Volts::centi);
    into.settings.pack_uvp = registers.u16(0x8F).map(Volts::centi);
    into.settings.cell_ovp = registers.u16(0x90).map(Volts::milli);
    into.settings.cell_uvp = registers.u16(0x93).map(Volts::milli);
    into.settings.discharge_ocp = amps(0x97);
    into.settings.charge_ocp = amps(0x99);
    into.settings.chemistry = match registers.u8(0xAF) {
        Some(0) => Some(Chemistry::Lfp),
        Some(1) => Some(Chemistry::Nmc),
        Some(2) => Some(Chemistry::Lto),
        _ => None,
    };
}

fn names(registers: &Registers<'_>, into: &mut Reading) {
    into.sw_version = registers.text(0xB7);
    // Year and month as the BMS writes them: 2307.
    into.production_date = registers.text(0xB5);
    // BA is twelve characters of the owner's and the model, or one long number of the manufacturer's.
    let maker = registers.get(0xBA).unwrap_or_default();
    into.label = label(maker);
    let (own, model) = maker.split_at_checked(12).unwrap_or_default();
    into.model = text(model).filter(|model| model.starts_with("JK"));
    let number = text(if into.model.is_some() { own } else { maker });
    into.serial_number = number.filter(chosen).or_else(|| registers.text(0xB4).filter(chosen));
}

/// What is left of register BA without the factory's text, which every board has.
fn label(maker: &[u8]) -> Option<String> {
    let text: String = maker.iter().map(|byte| if matches!(byte, 0x20..=0x7E) { char::from(*byte) } else { ' ' }).collect();
    let own = text.replace("Input Userda", "");
    Some(own.trim().to_owned()).filter(|own| !own.is_empty())
}

/// Not the factory's `Input Us` and `Input Userda`, which every board has.
#[allow(clippy::ptr_arg, reason = "the form that Option::filter wants")]
fn chosen(text: &String) -> bool {
    !text.starts_with("Input Us")
}
