//! Heltec and other boards of Yanyang ("YYBMS", "SmartBMS"): Modbus RTU, 9600 8N1, function 03; all numbers have the low byte first.
//!
//! ```text
//!  2  serial number, 8 bytes     7  model, 26 characters      52  bytes: switch, battery sensors, MOSFET sensor, balancer sensor
//! 62  bytes: boot loader, firmware (hundredths)    63  "SBDM"  75  bytes: cells, chemistry   76  i32 mV   78  i32 current 10 mA
//! 81  25 cells mV    112  bytes: MOSFETs, balancer, 8 sensors, each °C + 40    118  rated 0.1 Ah     120  bytes: SoC %, SoH %
//! 127 high byte: cycles    139  u32 cells being balanced       152  u32 state     156  u32 alarms
//! 169, 172  highest, lowest cell mV        191, 194  charge, discharge protection 10 mA
//! ```
//! "SBDM" tells these boards from all others. Registers 47 and 48 are a password and are never read.
//!
//! The sign of the current: two sources negate it, one does not; the state tells which way it flows, and decides. What one source calls
//! the remaining capacity (119), the others call the actual one: it is not read.
//!
//! Sources: mr-manuel/venus-os_dbus-serialbattery (heltecmodbus.py, Louisvdw pull request 658), the app de.drick.bmsmonitor (YYBmsDecoder),
//! and a reader of the profile "YYBMS B" for browsers. They agree but for what is said here. There is no recording.

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, LIMITS, NAMES};
use super::modbus::{self, Function, Read};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;
use values::Sensors;

/// The registry entry. A battery's address is the one set in its app.
pub const DRIVER: Driver = Driver {
    name: "heltec",
    label: "Heltec / YYBMS",
    boards: "Heltec SmartBMS and other boards of Yanyang (YYBMS) with RS485 (Modbus protocol)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |address| Box::new(Heltec { address: address.unwrap_or(1), ..Heltec::default() }),
};

const NAME: Read = Read::holding(2, 18);
const FITTED: Read = Read::holding(52, 2);
const PACK: Read = Read::holding(62, 18);
const STATUS: Read = Read::holding(80, 80);
const SETTINGS: Read = Read::holding(169, 26);

#[derive(Debug, Default)]
struct Heltec {
    address: u8,
    sensors: Sensors,
    name: AskUntilKnown,
    fitted: AskUntilKnown,
    settings: AskUntilKnown,
    /// Readings in a row whose current contradicts the state.
    contradictions: u8,
}

impl Codec for Heltec {
    fn framing(&self, buf: &[u8]) -> Framing {
        modbus::framing(buf, &[Function::HoldingRegisters], |from| matches!(from, 1..=15))
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let unasked = |frame: &[u8]| values::signed(frame).or_else(|| Read::by_length(&[STATUS, SETTINGS], frame));
        let read = Read::answered(expected, frame, unasked)?;
        let registers = read.registers(frame)?;
        match read {
            NAME => {
                self.sensors.name(&registers, into);
                self.name.answered();
            }
            FITTED => {
                self.sensors.fitted(&registers)?;
                self.fitted.answered();
            }
            PACK => {
                values::pack(&registers, into)?;
                for asking in [&mut self.name, &mut self.fitted, &mut self.settings] {
                    asking.heard();
                }
            }
            STATUS => {
                values::status(&registers, self.sensors, &mut self.contradictions, into)?;
                let is_scaled = self.sensors.has_name() && self.sensors.are_counted();
                into.awaited.temperatures = !is_scaled && (self.name.is_awaited() || self.fitted.is_awaited());
                into.awaited.settings = into.settings.cell_ovp.is_none() && self.settings.is_awaited();
            }
            SETTINGS => {
                values::settings(&registers, into);
                self.settings.answered();
            }
            _ => return Err(DecodeError::Foreign { what: "unknown registers" }),
        }
        Ok(Progress::Done)
    }
}

impl Protocol for Heltec {
    fn identify(&self) -> Request {
        PACK.ask("pack", self.address, true)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![PACK.ask("pack", self.address, true)];
        // The temperatures in the status need these two.
        let optional = [
            ("name", NAME, !self.sensors.has_name(), &mut self.name, &NAMES),
            ("sensors", FITTED, !self.sensors.are_counted(), &mut self.fitted, &LIMITS),
            ("settings", SETTINGS, known.settings.cell_ovp.is_none(), &mut self.settings, &LIMITS),
        ];
        for (what, read, missing, asking, schedule) in optional {
            if missing && asking.is_due(schedule) {
                plan.push(read.ask(what, self.address, false));
            }
        }
        plan.push(STATUS.ask("status", self.address, true));
        plan
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }
}
