//! Seplos BMS 3.0 (XZH-ElecTech): Modbus RTU, 19200 8N1, functions 04 and 01, big endian.
//!
//! ```text
//! 04 1000  pack      voltage, current, capacities, SoC, SoH, cycles, lowest, mean and highest cell, limits asked for
//! 04 1100  cells     16 voltages, 4 cell sensors, 4 unused, environment, MOSFETs
//! 01 1200  pack's events: 4 bytes of cells, 2 of sensors, 2 of balancing, then ten as below
//! 01 2200  events    ten bytes: see `alarms.rs`; of all packs if there are several. 1400 looks the same and is switches
//! 04 1300  settings  a board may answer with half of them at most
//! 04 1700  texts     maker, model, firmware, serial numbers
//! 04 2000  bank      as 1000, pairs of registers with the low word first; never requested here
//! ```
//! A pack replies at its DIP address, 0 to 15; a single one is 0. Some firmware has only one of both event blocks and refuses the
//! other.
//!
//! Sources: syssi/esphome-seplos-bms (docs/XZH BMS Modbus-RTU Protocol.md, docs/pdus/v3), patman15/aiobmsble, flip555/bms_connector
//! issue 6 (RS485), and the recordings in `tests/vectors/seplos-v3`.

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, CHANGING, LIMITS, NAMES, Refresh};
use super::modbus::{self, Function, Read};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its DIP address.
pub const DRIVER: Driver = Driver {
    name: "seplos-v3",
    label: "Seplos V3",
    boards: "Seplos BMS 3.0 (Mason, Polo, 48100 and 48200 boards) and others by XZH-ElecTech (Modbus protocol)",
    lines: &[Line { baud: 19200 }],
    listed_lines_only: false,
    addresses: &[0, 1],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| {
        let address = address.unwrap_or(0);
        Box::new(SeplosV3 { address, refresh: Refresh::of_board(address), ..SeplosV3::default() })
    },
};

const PACK: Read = Read::input(0x1000, 0x11);
const CELLS: Read = Read::input(0x1100, 0x1A);
const PACK_EVENTS: Read = Read::coils(0x1200, 0x90);
const SETTINGS: Read = Read::input(0x1300, 0x35);
const TEXTS: Read = Read::input(0x1700, 0x33);
const BANK: Read = Read::input(0x2000, 0x1A);
const EVENTS: Read = Read::coils(0x2200, 0x50);

#[derive(Debug, Default)]
struct SeplosV3 {
    address: u8,
    fitted: Fitted,
    pack_events: AskUntilKnown,
    has_pack_events: bool,
    events: AskUntilKnown,
    settings: AskUntilKnown,
    refresh: Refresh,
    texts: AskUntilKnown,
}

/// Which places of the cells' block are in use.
#[derive(Debug, Default)]
struct Fitted {
    /// Numbers of sensors and cells, from the settings.
    sensors: Option<usize>,
    cells: Option<usize>,
    /// Without the settings: places that have shown a cell so far. One whose sense wire is broken may show none at first.
    shown: usize,
}

impl Codec for SeplosV3 {
    fn framing(&self, buf: &[u8]) -> Framing {
        // E0 is the address of a display or Bluetooth module.
        modbus::framing(buf, &[Function::InputRegisters, Function::Coils], |from| matches!(from, 0..=15 | 0xE0))
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let read = Read::answered(expected, frame, values::unasked)?;
        let first = read.first;
        if read.function == Function::Coils {
            let bits = read.bits(frame)?;
            match first {
                0x1200 => {
                    alarms::pack_events(&bits, into)?;
                    self.pack_events.answered();
                    self.has_pack_events = true;
                }
                0x2200 => {
                    alarms::events(&bits, 0x2200, into)?;
                    self.events.answered();
                }
                _ => return Err(DecodeError::Foreign { what: "unknown bits" }),
            }
            return Ok(Progress::Done);
        }
        let registers = match read.registers(frame) {
            Err(refused @ DecodeError::Refused { .. }) if first == SETTINGS.first => {
                self.settings.answered();
                return Err(refused);
            }
            registers => registers?,
        };
        match first {
            0x1000 => values::pack(&registers, into)?,
            0x1100 => values::cells(&registers, &mut self.fitted, into),
            0x1300 => {
                values::settings(&registers, &mut self.fitted, into);
                self.settings.answered();
                self.refresh.answered();
            }
            0x1700 => values::texts(&registers, into),
            0x2000 => values::bank(&registers, into),
            _ => return Err(DecodeError::Foreign { what: "unknown registers" }),
        }
        if first == PACK.first {
            [&mut self.pack_events, &mut self.events, &mut self.settings, &mut self.texts]
                .into_iter()
                .for_each(AskUntilKnown::heard);
        }
        into.awaited.settings = into.settings.cell_ovp.is_none() && self.settings.is_awaited();
        Ok(Progress::Done)
    }
}

impl Protocol for SeplosV3 {
    fn identify(&self) -> Request {
        PACK.ask("pack values", self.address, true)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![self.identify()];
        let is_settings_due = match known.settings.cell_ovp {
            None => self.settings.is_due(&LIMITS),
            Some(_) => self.refresh.is_due(),
        };
        if is_settings_due {
            // Before the cells, as they have their number.
            plan.push(SETTINGS.ask("settings", self.address, false));
        }
        plan.push(CELLS.ask("cells", self.address, true));
        let is_known = known.cell_count.is_some();
        if self.pack_events.is_due(&CHANGING) {
            plan.push(PACK_EVENTS.ask("events of the pack", self.address, false));
        }
        if is_known && !self.has_pack_events && self.events.is_due(&CHANGING) {
            plan.push(EVENTS.ask("events", self.address, false));
        }
        // Keeps the first reading short; this can wait for the second.
        if is_known && known.device.model.is_none() && self.texts.is_due(&NAMES) {
            plan.push(TEXTS.ask("texts", self.address, false));
        }
        plan
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }
}
