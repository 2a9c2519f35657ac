//! Felicity batteries (FLA, LPBF, LUX): Modbus RTU, 9600 8N1, function 03, big endian.
//!
//! ```text
//! 1302  status: b0 charging, b2 discharging allowed; two further, the fault bits      130A  °C of the board    130B  SoC %
//! 1306  pack 10 mV, i16 current 0.1 A (- charges)       131C  highest, lowest pack 10 mV, charge, discharge limit 0.1 A
//! 132A  16 cells mV     1339  (the last cell,) three sensors °C, one unknown       F804  serial number     F80B  firmware
//! ```
//! 7FFF is a cell or sensor that is not fitted: the registers are those of 16 cells on packs of eight, too. No register identifies
//! the board, so the cells have to sum up to the pack voltage. The requests are exactly those that the source sends.
//!
//! Source: mr-manuel/venus-os_dbus-serialbattery (felicity.py, pull requests 116 and 484). There is no recording.

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, CHANGING, NAMES};
use super::modbus::{self, Function, Read};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its DIP address.
pub const DRIVER: Driver = Driver {
    name: "felicity",
    label: "Felicity",
    boards: "Felicity batteries with RS485 (FLA, LPBF and LUX series; Modbus protocol)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |address| Box::new(Felicity { address: address.unwrap_or(1), ..Felicity::default() }),
};

const STATUS: Read = Read::holding(0x1302, 3);
const PACK: Read = Read::holding(0x1306, 2);
const BOARD: Read = Read::holding(0x130A, 1);
const SOC: Read = Read::holding(0x130B, 1);
const LIMITS: Read = Read::holding(0x131C, 4);
const CELLS: Read = Read::holding(0x132A, 16);
const SENSORS: Read = Read::holding(0x1339, 5);
const SERIAL: Read = Read::holding(0xF804, 5);
const FIRMWARE: Read = Read::holding(0xF80B, 1);

#[derive(Debug, Default)]
struct Felicity {
    address: u8,
    limits: AskUntilKnown,
    sensors: AskUntilKnown,
    board: AskUntilKnown,
    serial: AskUntilKnown,
    firmware: AskUntilKnown,
}

impl Codec for Felicity {
    fn framing(&self, buf: &[u8]) -> Framing {
        modbus::framing(buf, &[Function::HoldingRegisters], |from| matches!(from, 1..=15))
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        // Without the request only these have lengths of their own.
        let read = Read::answered(expected, frame, |frame| Read::by_length(&[STATUS, PACK, LIMITS, CELLS], frame))?;
        let registers = read.registers(frame)?;
        match read.first {
            0x1302 => alarms::status(&registers, into),
            0x1306 => values::pack(&registers, into)?,
            0x130A => {
                values::board(&registers, into);
                self.board.answered();
            }
            0x130B => values::soc(&registers, into)?,
            0x131C => {
                values::limits(&registers, into);
                self.limits.answered();
            }
            0x132A => {
                values::cells(&registers, into)?;
                for asking in [&mut self.limits, &mut self.sensors, &mut self.board, &mut self.serial, &mut self.firmware] {
                    asking.heard();
                }
            }
            0x1339 => {
                values::sensors(&registers, into);
                self.sensors.answered();
            }
            0xF804 => {
                values::serial(&registers, into);
                self.serial.answered();
            }
            0xF80B => {
                values::firmware(&registers, into);
                self.firmware.answered();
            }
            _ => return Err(DecodeError::Foreign { what: "unknown registers" }),
        }
        Ok(Progress::Done)
    }
}

impl Protocol for Felicity {
    fn identify(&self) -> Request {
        CELLS.ask("cells", self.address, true)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let ask = |what, read: Read, required| read.ask(what, self.address, required);
        let mut plan = vec![ask("cells", CELLS, true), ask("pack", PACK, true), ask("SoC", SOC, true), ask("status", STATUS, true)];
        for (what, read, asking) in [
            ("limits", LIMITS, &mut self.limits),
            ("sensors", SENSORS, &mut self.sensors),
            ("board temperature", BOARD, &mut self.board),
        ] {
            if asking.is_due(&CHANGING) {
                plan.push(ask(what, read, false));
            }
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
