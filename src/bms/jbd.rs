//! LLT / JBD ("Xiaoxiang", Overkill Solar): `DD … 77` frames, 9600 8N1.
//!
//! ```text
//! request  DD A5 reg 00            chkH chkL 77     (5A instead of A5 writes: `commands.rs`)
//! reply    DD reg status len data… chkH chkL 77     status 00 fine, anything else a refusal with len 0
//! check    0x10000 - sum(reply: status, len, data), high byte first; the register is not in the sum
//! ```
//! 77 and DD occur inside replies: only the length tells where one ends. Registers: 03 basic information, 04 cell voltages,
//! 05 model. Values are big endian. Source: Jiabaida "Communication Protocol" V4 and the recordings in `tests/vectors/jbd`.

mod commands;

use super::bytes::{Reader, set_bits, skip_to, sum16, text, u16s_be};
use super::orders::Orders;
use super::{Asked, DecodeError, Driver, Framing, Line, Progress, Protocol, Request, Sharing};
use crate::model::{AlarmName, Command, Level, Reading};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts};
use std::borrow::Cow;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "jbd",
    label: "LLT / JBD",
    boards: "JBD / LLT Power / Xiaoxiang smart BMS (SP, AP, DP, UP and L series), Overkill Solar, and batteries built with them",
    lines: &[Line { baud: 9600 }],
    lines_only: false,
    addresses: &[],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    new: |_| Box::new(Jbd::default()),
};

const BASIC: Request = read("basic information", &[0xDD, 0xA5, 0x03, 0x00, 0xFF, 0xFD, 0x77], true);
const CELLS: Request = read("cell voltages", &[0xDD, 0xA5, 0x04, 0x00, 0xFF, 0xFC, 0x77], true);
const MODEL: Request = read("model", &[0xDD, 0xA5, 0x05, 0x00, 0xFF, 0xFB, 0x77], false);

const fn read(what: &'static str, bytes: &'static [u8], required: bool) -> Request {
    Request { what, bytes: Cow::Borrowed(bytes), timeout: Duration::from_millis(500), required }
}

/// Longest data seen is 64 (32 cells); a larger length is a false start.
const MAX_DATA: usize = 0x80;

/// Decoder state: only how often the model was asked for.
#[derive(Debug, Default)]
struct Jbd {
    model_asked: u8,
}

impl Protocol for Jbd {
    fn identify(&self) -> Request {
        BASIC
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![BASIC, CELLS];
        if known.model.is_none() && self.model_asked < 3 {
            self.model_asked = self.model_asked.saturating_add(1);
            plan.push(MODEL);
        }
        plan
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        let Some((&[start, second, third, len], body)) = buf.split_first_chunk::<4>() else {
            return if matches!(buf, [] | [0xDD, ..]) { Framing::Incomplete } else { skip_to(0xDD, buf) };
        };
        // In an echoed request the length stands at the same place, behind A5 or 5A and the register.
        let (len, echo) = (usize::from(len), matches!(second, 0xA5 | 0x5A));
        if start != 0xDD || len > MAX_DATA || (!echo && third != 0 && len != 0) {
            return skip_to(0xDD, buf);
        }
        let Some(tail) = body.get(len..).and_then(|tail| tail.first_chunk::<3>()) else { return Framing::Incomplete };
        let [high, low, last] = *tail;
        let sum = sum16(buf.get(2..len.saturating_add(4)).unwrap_or_default());
        let right = last == 0x77 && sum.wrapping_add(u16::from_be_bytes([high, low])) == 0;
        let end = len.saturating_add(7);
        match (right, echo) {
            (true, false) => Framing::Frame(0..end),
            (true, true) => Framing::Skip(end),
            (false, _) => skip_to(0xDD, buf),
        }
    }

    fn decode(&mut self, asked: Asked<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let mut r = Reader::new(frame);
        r.skip(1, "start")?;
        let register = r.u8("register")?;
        if let Asked::Request(request) = asked
            && request.bytes.get(2) != Some(&register)
        {
            return Err(DecodeError::Foreign { what: "another register" });
        }
        let status = r.u8("status")?;
        if status != 0 {
            return Err(DecodeError::Refused { code: status });
        }
        let len = usize::from(r.u8("length")?);
        let data = r.bytes(len, "data")?;
        match register {
            0x03 => basic(&mut Reader::new(data), into)?,
            0x04 => into.cells = u16s_be(data).map(Volts::milli).collect(),
            0x05 => into.model = text(data),
            _ => {} // acknowledges and registers that carry nothing for a reading
        }
        Ok(Progress::Done)
    }

    fn encode(&self, command: Command, known: &Reading, _: Option<u64>, first_try: bool) -> Option<Orders> {
        commands::encode(command, known, first_try)
    }

    fn tidy(&self) -> Option<Orders> {
        Some(commands::tidy())
    }
}

fn basic(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.voltage = Some(Volts::centi(r.u16_be("pack voltage")?));
    into.current = Some(Amps::centi(r.i16_be("current")?));
    into.remaining = Some(AmpHours::centi(r.u16_be("remaining capacity")?));
    into.capacity = Some(AmpHours::centi(r.u16_be("nominal capacity")?)).filter(|capacity| capacity.get() > 0.0);
    into.cycles = Some(u32::from(r.u16_be("cycles")?));
    into.production_date = date(r.u16_be("production date")?);
    let balancing = u32::from(r.u16_be("balancing 1-16")?) | (u32::from(r.u16_be("balancing 17-32")?) << 16);
    into.balancing = Some(balancing != 0);
    into.balancing_cells = Some(set_bits(balancing));
    let protection = r.u16_be("protection")?;
    protections(protection, into);
    let version = r.u8("software version")?;
    into.sw_version = Some(format!("{}.{}", version >> 4, version & 0x0F));
    into.soc = Some(Percent::new(f64::from(r.u8("SoC")?)));
    let fets = r.u8("FET state")?;
    into.charge_fet = Some(fets & 1 != 0);
    into.discharge_fet = Some(fets & 2 != 0);
    // One bit says that a switch holds a FET off. A FET that is off without it is held by a protection, if one has acted; where
    // both may be, or neither, nobody knows.
    let (locked, protected) = (protection & LOCKED != 0, protection & !LOCKED != 0);
    let switch = |on: bool| if on || (protected && !locked) { Some(true) } else { (locked && !protected).then_some(false) };
    into.charge_switch = switch(fets & 1 != 0);
    into.discharge_switch = switch(fets & 2 != 0);
    into.cell_count = Some(r.u8("cell count")?).filter(|count| *count > 0);
    let sensors = usize::from(r.u8("sensor count")?);
    // A board may announce more sensors than it sends: then none of them is trusted.
    if let Ok(sensors) = r.bytes(sensors.saturating_mul(2), "temperatures") {
        into.temperatures = Some(u16s_be(sensors).map(Celsius::deci_kelvin).collect());
        if r.left() >= 9 {
            newer_firmware(r, into)?;
        }
    }
    Ok(())
}

/// Nine more bytes of firmware since about 2022 (data lengths 22h and 26h).
fn newer_firmware(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.humidity = Some(Percent::new(f64::from(r.u8("humidity")?)));
    let alarm_status = r.u16_be("alarm status")?;
    if alarm_status != 0 {
        // No document names these bits and no recording has one set.
        into.note(format!("alarm status {alarm_status:04x} (meaning not documented)"));
    }
    into.full_charge = Some(AmpHours::centi(r.u16_be("full charge capacity")?)).filter(|capacity| capacity.get() > 0.0);
    r.skip(2, "remaining capacity again")?;
    into.balance_current = Some(Amps::milli(r.u16_be("balance current")?));
    Ok(())
}

/// The bit that no protection sets, but a switch.
const LOCKED: u16 = 0x1000;

/// Protection word, bit 0 first. All of them mean that the protection has acted.
pub(crate) const PROTECTIONS: [AlarmName; 12] = [
    AlarmName::CellHighVoltage,
    AlarmName::CellLowVoltage,
    AlarmName::HighVoltage,
    AlarmName::LowVoltage,
    AlarmName::HighChargeTemperature,
    AlarmName::LowChargeTemperature,
    AlarmName::HighTemperature,
    AlarmName::LowTemperature,
    AlarmName::HighChargeCurrent,
    AlarmName::HighDischargeCurrent,
    AlarmName::ShortCircuit,
    AlarmName::BmsInternal,
];

fn protections(word: u16, into: &mut Reading) {
    into.alarms = Some(Vec::new());
    let acted = PROTECTIONS.into_iter().enumerate().filter(|(bit, _)| (word >> bit) & 1 == 1);
    acted.for_each(|(_, name)| into.raise(name, Level::Alarm));
    if word & LOCKED != 0 {
        into.note("FETs locked by software");
    }
    if word & 0xE000 != 0 {
        into.note(format!("protection bits {:04x} (meaning not documented)", word & 0xE000));
    }
}

/// Year since 2000 in 7 bits, month in 4, day in 5.
fn date(packed: u16) -> Option<String> {
    let (year, month, day) = (packed >> 9, (packed >> 5) & 15, packed & 31);
    (matches!(month, 1..=12) && day > 0).then(|| format!("20{year:02}-{month:02}-{day:02}"))
}
