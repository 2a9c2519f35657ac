//! ANT ("ANT BMS", BLE and TB models since 2021): `7E A1 … AA 55` frames, 19200 8N1.
//!
//! ```text
//! request  7E A1 func     addr addr len       crc crc AA 55    func 01 status, 02 registers (22, 23 and 51 would write; never sent)
//! reply    7E A1 func+10h addr addr len data… crc crc … AA 55  behind the CRC of registers stand 6 to 12 bytes of unknown meaning
//! check    Modbus CRC from A1 to the end of the data, low byte first, as all values
//! status   level, state, sensors T, cells C, protections[8], warnings[8], reserved[8], C × mV, T × °C, MOS °C, balancer °C,
//!          V/100, A/10, SoC, SoH, discharge FET, charge FET, balancer, type, capacity µAh, remaining µAh, …
//! ```
//! Sources: the vendor's app as described in NotANewNick/antbms-gui (PROTOCOL.md, realtime.py) and PrintNow/antbms-web, and
//! independently syssi/esphome-ant-bms (components/ant_bms), patman15/aiobmsble and Merve-Sa/ANT-BMS-ESP32-C3-UART-Comm. Where
//! they contradict each other the recordings in `tests/vectors/ant` decide:
//! - Current: positive discharges. `22s-discharging` and `-later`, 39 s apart, lose 0.0236 Ah at +2.1 A.
//! - FETs: first discharge, then charge. `8s-full` and `14s-full` have code 2 (voltage) in the second and a cell too high. The
//!   warnings tell both again (bits 23 and 24); a FET whose two bits contradict each other is unknown.
//! - State 4 is discharging, not 3: both packs of 22 cells, and warning bit 19.
//!
//! Boards until 2020 have another protocol (requests DB DB, 5A 5A; replies AA 55 AA FF) and are not read.

pub(crate) mod bits;

use super::alarm_bits::apply;
use super::asking::Asking;
use super::bytes::{Reader, crc16_modbus, set_bits, show_cells, skip_to, text, unless};
use super::{Asked, DecodeError, Driver, Framing, Line, Progress, Protocol, Request, Sharing};
use crate::model::{Chemistry, Reading};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use bits::{PROTECTIONS, WARNINGS};
use std::borrow::Cow;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "ant",
    label: "ANT",
    boards: "ANT BMS since 2021 with a serial socket (7E A1 protocol)",
    lines: &[Line { baud: 19200 }],
    lines_only: false,
    addresses: &[],
    gap: Duration::from_millis(10),
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    new: |_| Box::new(Ant::default()),
};

const STATUS: Request = read("status", &[0x7E, 0xA1, 0x01, 0x00, 0x00, 0xBE, 0x18, 0x55, 0xAA, 0x55], true);
const MODEL: Request = read("model", &[0x7E, 0xA1, 0x02, 0x6C, 0x02, 0x20, 0x58, 0xC4, 0xAA, 0x55], false);
const VOLTAGES: Request = read("voltage settings", &[0x7E, 0xA1, 0x02, 0x00, 0x00, 0x34, 0x99, 0xB6, 0xAA, 0x55], false);
const CURRENTS: Request = read("current settings", &[0x7E, 0xA1, 0x02, 0x68, 0x00, 0x20, 0x18, 0x65, 0xAA, 0x55], false);

const fn read(what: &'static str, bytes: &'static [u8], required: bool) -> Request {
    Request { what, bytes: Cow::Borrowed(bytes), timeout: Duration::from_millis(500), required }
}

/// Most bytes seen between the CRC of registers and the end mark are 12.
const MAX_TRAILER: usize = 16;

/// Decoder state: how long what does not change was asked for.
#[derive(Debug, Default)]
struct Ant {
    model: Asking,
    voltages: Asking,
    currents: Asking,
}

impl Protocol for Ant {
    fn identify(&self) -> Request {
        STATUS
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![STATUS];
        if known.model.is_none() && self.model.is_due_briefly() {
            plan.push(MODEL);
        }
        let settings = &known.settings;
        if settings.cell_ovp.is_none() && self.voltages.is_due() {
            plan.push(VOLTAGES);
        }
        if settings.charge_ocp.is_none() && self.currents.is_due() {
            plan.push(CURRENTS);
        }
        plan
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        let Some((&[start, second, function, low, high, len], body)) = buf.split_first_chunk::<6>() else {
            return if is_start(buf) { Framing::Incomplete } else { skip_to(0x7E, buf) };
        };
        // An echoed request states the length that it wants and has no data.
        let echo = matches!(function, 0x01 | 0x02);
        let status = function == 0x11 && (low, high) == (0, 0);
        if start != 0x7E || second != 0xA1 || !(echo || status || function == 0x12) {
            return skip_to(0x7E, buf);
        }
        let data = if echo { 0 } else { usize::from(len) };
        let Some((crc, tail)) = body.get(data..).and_then(<[u8]>::split_first_chunk::<2>) else { return Framing::Incomplete };
        let summed = buf.get(1..data.saturating_add(6)).unwrap_or_default();
        if crc16_modbus(summed) != u16::from_le_bytes(*crc) {
            return skip_to(0x7E, buf);
        }
        let trailer = if function == 0x12 { MAX_TRAILER } else { 0 };
        let tail = tail.get(..trailer.saturating_add(2)).unwrap_or(tail);
        let Some(end) = (0..tail.len()).find(|at| tail.get(*at..).is_some_and(|rest| rest.starts_with(&[0xAA, 0x55]))) else {
            let whole = tail.len() < trailer.saturating_add(2);
            return if whole { Framing::Incomplete } else { skip_to(0x7E, buf) };
        };
        let end = data.saturating_add(end).saturating_add(10);
        if echo { Framing::Skip(end) } else { Framing::Frame(0..end) }
    }

    fn is_weak(&self) -> bool {
        false
    }

    fn decode(&mut self, asked: Asked<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let mut r = Reader::new(frame);
        r.skip(2, "start")?;
        let (function, register) = (r.u8("function")?, r.u16_le("address")?);
        let [low, high] = register.to_le_bytes();
        if let Asked::Request(request) = asked
            && request.bytes.get(2..5) != Some(&[function ^ 0x10, low, high])
        {
            return Err(DecodeError::Foreign { what: "another function or register" });
        }
        let len = usize::from(r.u8("length")?);
        let r = &mut Reader::new(r.bytes(len, "data")?);
        match (function, register) {
            (0x11, _) => {
                status(r, into)?;
                self.model.heard();
                self.voltages.heard();
                self.currents.heard();
            }
            (0x12, 0x026C) => {
                into.model = text(r.bytes(16, "model")?);
                into.sw_version = text(r.bytes(16, "version")?);
            }
            (0x12, 0x0000) => {
                voltages(r, into)?;
                self.voltages.answered();
            }
            (0x12, 0x0068) => {
                currents(r, into)?;
                self.currents.answered();
            }
            _ => {} // registers that carry nothing for a reading
        }
        let settings = &into.settings;
        into.awaited.settings = (settings.cell_ovp.is_none() && self.voltages.is_awaited())
            || (settings.charge_ocp.is_none() && self.currents.is_awaited());
        Ok(Progress::Done)
    }
}

/// The first bytes of a frame, as far as they are there.
fn is_start(buf: &[u8]) -> bool {
    matches!(buf, [] | [0x7E] | [0x7E, 0xA1, ..])
}

fn status(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    r.skip(1, "permission level")?;
    let state = r.u8("state")?;
    let sensors = r.u8("sensor count")?;
    let cells = r.u8("cell count")?;
    if !matches!(cells, 1..=32) {
        return Err(DecodeError::Foreign { what: "a number of cells that no board has" });
    }
    into.cell_count = Some(cells);
    let (protections, warnings) = (r.bytes(8, "protections")?, r.bytes(8, "warnings")?);
    into.alarms = Some(Vec::new());
    apply(protections, &PROTECTIONS, into);
    apply(warnings, &WARNINGS, into);
    r.skip(8, "reserved")?;
    let cells = (0..cells).map(|_| r.u16_le("cell voltages")).collect::<Result<Vec<_>, _>>()?;
    show_cells(cells.into_iter().map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
    let temperatures = (0..sensors).map(|_| temperature(r, "temperatures")).collect::<Result<Vec<_>, _>>()?;
    into.temperatures = Some(temperatures.into_iter().flatten().collect());
    into.mos_temperature = temperature(r, "MOS temperature")?;
    r.skip(2, "balancer temperature")?;
    into.voltage = unless(&[0xFFFF], r.u16_le("pack voltage")?).map(Volts::centi);
    let current = unless(&[i16::MIN, i16::MAX], r.i16_le("current")?);
    into.current = current.map(|raw| Amps::deci(towards(state, f64::from(raw))));
    into.soc = unless(&[0xFFFF], r.u16_le("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    into.soh = unless(&[0, 0xFFFF], r.u16_le("SoH")?).map(|raw| Percent::new(f64::from(raw)));
    let (discharge, charge) = (r.u8("discharge FET")? == 1, r.u8("charge FET")? == 1);
    let [_, _, charge_again, discharge_again, ..] = warnings else { return Err(DecodeError::Short { field: "warnings" }) };
    into.charge_fet = Some(charge).filter(|on| *on == (charge_again & 0x80 != 0));
    into.discharge_fet = Some(discharge).filter(|on| *on == (discharge_again & 0x01 != 0));
    let balancer = r.u8("balancer")?;
    r.skip(1, "board type")?;
    into.capacity = unless(&[0, u32::MAX], r.u32_le("capacity")?).map(micro);
    into.remaining = unless(&[u32::MAX], r.u32_le("remaining capacity")?).map(micro);
    r.skip(4, "throughput")?;
    let power = unless(&[i32::MIN, i32::MAX], r.i32_le("power")?);
    into.power = power.map(|raw| Watts::new(towards(state, f64::from(raw))));
    r.skip(4, "run time")?;
    let balancing = set_bits(r.u32_le("balanced cells")?);
    into.balancing = Some(!balancing.is_empty() || matches!(balancer, 1 | 2 | 4 | 5));
    into.balancing_cells = Some(balancing);
    r.skip(20, "extremes and drive voltages")?;
    into.settings.chemistry = chemistry(r.u16_le("chemistry")?);
    Ok(())
}

/// Positive charges. The board counts the other way round; where it says what it is doing, that decides.
fn towards(state: u8, raw: f64) -> f64 {
    match state {
        2 => raw.abs(),
        4 => 0.0 - raw.abs(),
        _ => 0.0 - raw,
    }
}

/// Whole degrees; -40 and less is a sensor that is not fitted.
fn temperature(r: &mut Reader<'_>, field: &'static str) -> Result<Option<Celsius>, DecodeError> {
    let raw = unless(&[i16::MAX], r.i16_le(field)?);
    Ok(raw.filter(|raw| *raw > -40).map(|raw| Celsius::new(f64::from(raw))))
}

fn micro(raw: u32) -> AmpHours {
    AmpHours::new(f64::from(raw) / 1_000_000.0)
}

fn chemistry(code: u16) -> Option<Chemistry> {
    match code {
        0xFAF1 => Some(Chemistry::Nmc),
        0xFAF2 => Some(Chemistry::Lfp),
        0xFAF3 => Some(Chemistry::Lto),
        _ => None, // FAF4 is "custom"
    }
}

/// A setting that the board does not tell (FFFF: without its password it fills whole blocks with that), or that is switched off (0).
const NO_SETTING: [u16; 2] = [0, 0xFFFF];

/// Protections against wrong voltages, first level.
fn voltages(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let mut next = |before: usize, field: &'static str| {
        r.skip(before, field)?;
        Ok(unless(&NO_SETTING, r.u16_le(field)?))
    };
    let settings = &mut into.settings;
    settings.cell_ovp = next(0, "cell over-voltage protection")?.map(Volts::milli);
    settings.pack_ovp = next(6, "pack over-voltage protection")?.map(Volts::deci);
    settings.cell_uvp = next(2, "cell under-voltage protection")?.map(Volts::milli);
    settings.pack_uvp = next(6, "pack under-voltage protection")?.map(Volts::deci);
    Ok(())
}

fn currents(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let charge = r.u16_le("charge over-current protection")?;
    r.skip(2, "delay")?;
    let discharge = r.u16_le("discharge over-current protection")?;
    let amps = |raw: u16| unless(&NO_SETTING, raw).map(Amps::deci);
    (into.settings.charge_ocp, into.settings.discharge_ocp) = (amps(charge), amps(discharge));
    Ok(())
}
