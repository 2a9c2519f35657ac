//! LLT / JBD ("Xiaoxiang", Overkill Solar): `DD … 77` frames, 9600 8N1.
//!
//! ```text
//! request  DD A5 reg 00            chkH chkL 77     (5A instead of A5 writes: `commands.rs`)
//! reply    DD reg status len data… chkH chkL 77     status 00 fine, anything else a refusal with len 0
//! check    0x10000 - sum(reply: status, len, data), high byte first; the register is not in the sum
//! older    DD A5 status len data… chkH chkL 77     firmware of 2017 does not say which register it answers
//! ```
//! 77 and DD occur inside replies: only the length tells where one ends. Registers: 03 basic information, 04 cell voltages,
//! 05 model. Values are big endian. Source: Jiabaida "Communication Protocol" V4 and the recordings in `tests/vectors/jbd`; the
//! older frames are those of simat/BatteryMonitor.

mod commands;

use super::asking::Asking;
use super::bytes::{Reader, set_bits, show_cells, skip_to, sum16, text, u16s_be, unless};
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

/// In place of the register in frames of firmware of 2017; the same byte says "read" in a request.
const READ: u8 = 0xA5;

/// A sensor that is not fitted: 0 K, or more than any sensor can say.
const NO_SENSOR: [u16; 2] = [0, 0xFFFF];

/// Decoder state: how long the model was asked for, and whether a reading had temperatures.
#[derive(Debug, Default)]
struct Jbd {
    model: Asking,
    temperatures_known: bool,
}

impl Protocol for Jbd {
    fn identify(&self) -> Request {
        BASIC
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        self.temperatures_known |= known.temperatures.is_some();
        let mut plan = vec![BASIC, CELLS];
        if known.model.is_none() && self.model.is_due_briefly() {
            plan.push(MODEL);
        }
        plan
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        let Some((&[start, second, third, len], body)) = buf.split_first_chunk::<4>() else {
            return if matches!(buf, [] | [0xDD, ..]) { Framing::Incomplete } else { skip_to(0xDD, buf) };
        };
        // In an echoed request the length stands at the same place, behind A5 or 5A and the register. Register 00 is never read:
        // there it is the status of an older reply.
        let older = second == READ && third == 0 && len > 0;
        let (len, echo) = (usize::from(len), matches!(second, READ | 0x5A) && !older);
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
        let (register, status) = (r.u8("register")?, r.u8("status")?);
        let len = usize::from(r.u8("length")?);
        let data = r.bytes(len, "data")?;
        let register = if register == READ { register_of(data)? } else { register };
        if let Asked::Request(request) = asked
            && request.bytes.get(2) != Some(&register)
        {
            return Err(DecodeError::Foreign { what: "another register" });
        }
        if status != 0 {
            if register == 0x05 {
                self.model.answered();
            }
            return Err(DecodeError::Refused { code: status });
        }
        match register {
            0x03 => {
                basic(&mut Reader::new(data), into)?;
                self.model.heard();
                // Sensors are announced but not sent: see below.
                into.awaited.temperatures = into.temperatures.is_none() && !self.temperatures_known;
            }
            0x04 => show_cells(u16s_be(data).map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into),
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

/// The register that an older reply answers, as far as its content tells.
fn register_of(data: &[u8]) -> Result<u8, DecodeError> {
    let is_basic = data.get(22).is_some_and(|sensors| data.len() == 23usize.saturating_add(2 * usize::from(*sensors)));
    let is_cells = data.len().is_multiple_of(2) && u16s_be(data).all(|millivolts| millivolts <= 5000);
    match data {
        _ if is_basic => Ok(0x03),
        _ if data.iter().all(|byte| matches!(byte, 0x20..=0x7E)) => Ok(0x05),
        _ if is_cells => Ok(0x04),
        _ => Err(DecodeError::Foreign { what: "a reply that does not say its register" }),
    }
}

fn basic(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::centi);
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("nominal capacity")?).map(AmpHours::centi);
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    into.production_date = date(r.u16_be("production date")?);
    let balancing = u32::from(r.u16_be("balancing 1-16")?) | (u32::from(r.u16_be("balancing 17-32")?) << 16);
    into.balancing = Some(balancing != 0);
    into.balancing_cells = Some(set_bits(balancing));
    let protection = r.u16_be("protection")?;
    protections(protection, into);
    let version = r.u8("software version")?;
    into.sw_version = Some(format!("{}.{}", version >> 4, version & 0x0F));
    into.soc = unless(&[0xFF], r.u8("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    let fets = r.u8("FET state")?;
    into.charge_fet = Some(fets & 1 != 0);
    into.discharge_fet = Some(fets & 2 != 0);
    // One bit says that a switch holds a FET off. A FET that is off without it is held by a protection, if one has acted; where
    // both may be, or neither, nobody knows.
    let (locked, protected) = (protection & LOCKED != 0, protection & !LOCKED != 0);
    let switch = |on: bool| if on || (protected && !locked) { Some(true) } else { (locked && !protected).then_some(false) };
    into.charge_switch = switch(fets & 1 != 0);
    into.discharge_switch = switch(fets & 2 != 0);
    into.cell_count = unless(&[0, 0xFF], r.u8("cell count")?);
    let sensors = usize::from(r.u8("sensor count")?);
    // A board may announce more sensors than it sends: then none of them is trusted.
    if let Ok(sensors) = r.bytes(sensors.saturating_mul(2), "temperatures") {
        let fitted = u16s_be(sensors).filter_map(|raw| unless(&NO_SENSOR, raw));
        into.temperatures = Some(fitted.map(Celsius::deci_kelvin).collect());
        if r.left() >= 9 {
            newer_firmware(r, into)?;
        }
    }
    Ok(())
}

/// Nine more bytes of firmware since about 2022 (data lengths 22h and 26h).
fn newer_firmware(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.humidity = unless(&[0xFF], r.u8("humidity")?).map(|raw| Percent::new(f64::from(raw)));
    let alarm_status = r.u16_be("alarm status")?;
    if alarm_status != 0 {
        // No document names these bits and no recording has one set.
        into.note(format!("alarm status {alarm_status:04x} (meaning not documented)"));
    }
    into.full_charge = unless(&[0, 0xFFFF], r.u16_be("full charge capacity")?).map(AmpHours::centi);
    r.skip(2, "remaining capacity again")?;
    into.balance_current = unless(&[0xFFFF], r.u16_be("balance current")?).map(Amps::milli);
    Ok(())
}

/// The bit that no protection sets, but a switch.
const LOCKED: u16 = 0x1000;

/// The board's longest time of charging is over (syssi/esphome-jbd-bms: "charge timeout close"): an end, no fault.
const CHARGE_TIMEOUT: u16 = 0x2000;

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
    if word & CHARGE_TIMEOUT != 0 {
        into.note("charging has ended by its time limit");
    }
    if word & 0xC000 != 0 {
        into.note(format!("protection bits {:04x} (meaning not documented)", word & 0xC000));
    }
}

/// Year since 2000 in 7 bits, month in 4, day in 5.
fn date(packed: u16) -> Option<String> {
    let (year, month, day) = (packed >> 9, (packed >> 5) & 15, packed & 31);
    (matches!(month, 1..=12) && day > 0).then(|| format!("20{year:02}-{month:02}-{day:02}"))
}
