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

use super::alarm_bits::{Bit, apply, l1, l2};
use super::bytes::{Reader, crc16_modbus, set_bits, skip_to, text};
use super::{Asked, DecodeError, Driver, Framing, Line, Progress, Protocol, Request, Sharing};
use crate::model::{AlarmName, Chemistry, Reading};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
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

/// A board that does not answer an optional request so often is not asked for it again.
const TRIES: u8 = 3;

/// Decoder state: only how often what does not change was asked for.
#[derive(Debug, Default)]
struct Ant {
    model_asked: u8,
    settings_asked: u8,
}

impl Protocol for Ant {
    fn identify(&self) -> Request {
        STATUS
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![STATUS];
        if known.model.is_none() && self.model_asked < TRIES {
            self.model_asked = self.model_asked.saturating_add(1);
            plan.push(MODEL);
        }
        let settings = &known.settings;
        if (settings.cell_ovp.is_none() || settings.charge_ocp.is_none()) && self.settings_asked < TRIES {
            self.settings_asked = self.settings_asked.saturating_add(1);
            plan.extend([VOLTAGES, CURRENTS]);
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
            (0x11, _) => status(r, into)?,
            (0x12, 0x026C) => {
                into.model = text(r.bytes(16, "model")?);
                into.sw_version = text(r.bytes(16, "version")?);
            }
            (0x12, 0x0000) => voltages(r, into)?,
            (0x12, 0x0068) => currents(r, into)?,
            _ => {} // registers that carry nothing for a reading
        }
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
    into.cells = (0..cells).map(|_| r.u16_le("cell voltages").map(Volts::milli)).collect::<Result<_, _>>()?;
    let temperatures = (0..sensors).map(|_| temperature(r, "temperatures")).collect::<Result<Vec<_>, _>>()?;
    into.temperatures = Some(temperatures.into_iter().flatten().collect());
    into.mos_temperature = temperature(r, "MOS temperature")?;
    r.skip(2, "balancer temperature")?;
    into.voltage = Some(Volts::centi(r.u16_le("pack voltage")?));
    into.current = Some(Amps::deci(towards(state, f64::from(r.i16_le("current")?))));
    into.soc = Some(Percent::new(f64::from(r.u16_le("SoC")?)));
    into.soh = Some(Percent::new(f64::from(r.u16_le("SoH")?))).filter(|soh| soh.get() > 0.0);
    let (discharge, charge) = (r.u8("discharge FET")? == 1, r.u8("charge FET")? == 1);
    let [_, _, charge_again, discharge_again, ..] = warnings else { return Err(DecodeError::Short { field: "warnings" }) };
    into.charge_fet = Some(charge).filter(|on| *on == (charge_again & 0x80 != 0));
    into.discharge_fet = Some(discharge).filter(|on| *on == (discharge_again & 0x01 != 0));
    let balancer = r.u8("balancer")?;
    r.skip(1, "board type")?;
    into.capacity = Some(micro(r.u32_le("capacity")?)).filter(|capacity| capacity.get() > 0.0);
    into.remaining = Some(micro(r.u32_le("remaining capacity")?));
    r.skip(4, "throughput")?;
    into.power = Some(Watts::new(towards(state, f64::from(r.i32_le("power")?))));
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

/// Whole degrees; -40 is a sensor that is not fitted.
fn temperature(r: &mut Reader<'_>, field: &'static str) -> Result<Option<Celsius>, DecodeError> {
    Ok(Some(Celsius::new(f64::from(r.i16_le(field)?))).filter(|celsius| celsius.get() > -40.0))
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

/// Protections against wrong voltages, first level. 0 switches one off.
fn voltages(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let mut next = |before: usize, field: &'static str| {
        r.skip(before, field)?;
        Ok(Some(r.u16_le(field)?).filter(|raw| *raw > 0))
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
    let amps = |raw: u16| Some(Amps::deci(raw)).filter(|limit| limit.get() > 0.0);
    (into.settings.charge_ocp, into.settings.discharge_ocp) = (amps(charge), amps(discharge));
    Ok(())
}

const UNNAMED: Bit = Bit::Note("a protection is set that no document names");
const BY_HAND: Bit = Bit::Note("FETs switched off by hand");

/// Protections as the app names them, bit 0 first.
pub(crate) const PROTECTIONS: [[Bit; 8]; 8] = [
    [
        Bit::Note("the cell type is not set"),
        l2(AlarmName::CellHighVoltage),
        l2(AlarmName::CellHighVoltage),
        l2(AlarmName::HighVoltage),
        l2(AlarmName::CellLowVoltage),
        l2(AlarmName::CellLowVoltage),
        l2(AlarmName::LowVoltage),
        l2(AlarmName::CellImbalance),
    ],
    [
        l2(AlarmName::HighChargeTemperature),
        l2(AlarmName::HighTemperature),
        l2(AlarmName::HighMosTemperature),
        l2(AlarmName::LowChargeTemperature),
        l2(AlarmName::LowTemperature),
        l2(AlarmName::HighChargeCurrent),
        l2(AlarmName::HighDischargeCurrent),
        l2(AlarmName::HighDischargeCurrent),
    ],
    [l2(AlarmName::ShortCircuit), BY_HAND, BY_HAND, BY_HAND, BY_HAND, BY_HAND, BY_HAND, BY_HAND],
    [
        BY_HAND,
        l2(AlarmName::SensorFault), // a sense wire is open
        l2(AlarmName::SensorFault), // current measurement
        l2(AlarmName::DischargeFetFault),
        l2(AlarmName::ChargeFetFault),
        l2(AlarmName::BmsInternal),
        l2(AlarmName::Contactor), // precharge
        Bit::State,               // starting
    ],
    [
        l2(AlarmName::BmsInternal),
        l2(AlarmName::BmsInternal),
        Bit::State, // a charger is connected
        UNNAMED,
        UNNAMED,
        UNNAMED,
        UNNAMED,
        l2(AlarmName::Contactor), // precharge of the relay
    ],
    [
        l2(AlarmName::Contactor), // welded relay
        l2(AlarmName::DischargeFetFault),
        l2(AlarmName::ChargeFetFault),
        l2(AlarmName::BmsInternal),
        UNNAMED,
        UNNAMED,
        UNNAMED,
        UNNAMED,
    ],
    [UNNAMED; 8],
    [UNNAMED; 8],
];

/// Warnings; from bit 16 on most are states.
const WARNINGS: [[Bit; 8]; 4] = [
    [
        l1(AlarmName::CellHighVoltage),
        l1(AlarmName::HighVoltage),
        l1(AlarmName::CellLowVoltage),
        l1(AlarmName::LowVoltage),
        l1(AlarmName::CellImbalance),
        l1(AlarmName::HighChargeTemperature),
        l1(AlarmName::HighTemperature),
        l1(AlarmName::LowChargeTemperature),
    ],
    [
        l1(AlarmName::LowTemperature),
        l1(AlarmName::HighMosTemperature),
        l1(AlarmName::HighChargeCurrent),
        l1(AlarmName::HighDischargeCurrent),
        l1(AlarmName::LowSoc),
        l1(AlarmName::LowSoc),
        Bit::Note("the board doubts a cell's voltage"),
        Bit::Note("the board counts other cells than it is set to"),
    ],
    [Bit::State; 8],
    [Bit::State; 8],
];
