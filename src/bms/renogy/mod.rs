//! Renogy smart batteries: Modbus RTU, 9600 8N1, function 03, big endian.
//!
//! ```text
//! 1388  34 registers: cells in 0.1 V, sensors     13EC  8 registers: alarms, FETs
//! 13B2   7 registers: current, voltage, charge    13F6, 1402, 140A  texts: serial number, model, firmware
//! ```
//! Address 30 from the factory; after automatic numbering 48, 49 and so on. The unit of the current depends on the model (0.01 A, of
//! the Pro series 0.1 A), and no register tells it: until the model is read, and for models of unknown unit, it is unknown.
//! Register 1467 sets the address; nothing is ever written here.
//!
//! Sources: "Lithium Iron Battery BMS Modbus Protocol" V1.7 (cyrils/renogy-bt#21), cyrils/renogy-bt, Grmume/renogy-smart-battery
//! issue 3, patman15/aiobmsble, and the recordings in `tests/vectors/renogy`.

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, CHANGING, LIMITS, NAMES};
use super::modbus::{self, Function, Read};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its Modbus address.
pub const DRIVER: Driver = Driver {
    name: "renogy",
    label: "Renogy",
    boards: "Renogy smart batteries with RS485 (RBT100LFP12 and others; current only of models whose unit is known)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[0x30, 0x48],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(0x57),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| Box::new(Renogy { address: address.unwrap_or(0x30), ..Renogy::default() }),
};

const CELLS: Read = Read::holding(0x1388, 0x22);
const STATE: Read = Read::holding(0x13B2, 7);
const ALARMS: Read = Read::holding(0x13EC, 8);
const SERIAL: Read = Read::holding(0x13F6, 8);
const MODEL: Read = Read::holding(0x1402, 8);
const FIRMWARE: Read = Read::holding(0x140A, 2);

#[derive(Debug, Default)]
struct Renogy {
    address: u8,
    alarms: AskUntilKnown,
    model: AskUntilKnown,
    serial: AskUntilKnown,
    firmware: AskUntilKnown,
}

impl Codec for Renogy {
    fn framing(&self, buf: &[u8]) -> Framing {
        modbus::framing(buf, &[Function::HoldingRegisters], |from| matches!(from, 0x30..=0x57))
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let read = Read::answered(expected, frame, values::unasked)?;
        let registers = read.registers(frame)?;
        match read.first {
            0x1388 => values::cells(&registers, into)?,
            0x13B2 => {
                values::state(&registers, into)?;
                let all = [&mut self.alarms, &mut self.model, &mut self.serial, &mut self.firmware];
                all.into_iter().for_each(AskUntilKnown::heard);
            }
            0x13EC => {
                alarms::alarms(&registers, into)?;
                self.alarms.answered();
            }
            0x13F6 => into.device.serial_number = registers.text(0x13F6, 8),
            0x1402 => {
                // Serial number and alarms have the same length.
                let model = registers.text(0x1402, 8).filter(|model| model.starts_with(|c: char| c.is_ascii_alphabetic()));
                into.device.model = Some(model.ok_or(DecodeError::Foreign { what: "no model" })?);
                self.model.answered();
            }
            0x140A => into.device.sw_version = registers.text(0x140A, 2),
            _ => return Err(DecodeError::Foreign { what: "unknown registers" }),
        }
        Ok(Progress::Done)
    }
}

impl Protocol for Renogy {
    fn identify(&self) -> Request {
        STATE.ask("state", self.address, true)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let ask = |what, read: Read, required| read.ask(what, self.address, required);
        let mut plan = Vec::new();
        // First, because the unit of the current depends on it.
        if known.device.model.is_none() && self.model.is_due(&LIMITS) {
            plan.push(ask("model", MODEL, false));
        }
        plan.extend([ask("state", STATE, true), ask("cells", CELLS, true)]);
        if self.alarms.is_due(&CHANGING) {
            plan.push(ask("alarms", ALARMS, false));
        }
        // Keeps the first reading short; these can wait for the second.
        if known.cell_count.is_some() {
            if known.device.serial_number.is_none() && self.serial.is_due(&NAMES) {
                plan.push(ask("serial number", SERIAL, false));
            }
            if known.device.sw_version.is_none() && self.firmware.is_due(&NAMES) {
                plan.push(ask("firmware", FIRMWARE, false));
            }
        }
        plan
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }
}
