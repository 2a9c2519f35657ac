//! PACE boards with "Modbus" selected in PbmsTools: Modbus RTU, 9600 8N1, function 03, big endian.
//!
//! ```text
//! 0000  39 registers: all values      003C  21 registers: protections      0096  30 registers: version, two serial numbers
//! ```
//! EG4 LL answers the very same first request with other values in the same 78 bytes: voltage and SoC in other registers, and the
//! sum of the cells tell them apart. Some boards have the first eight registers in common and another map behind them, with the
//! number of cells in front of the cells (Gobel Power, 59 registers); others have yet another one and refuse register 0 (Revov).
//!
//! Sources: "PACE BMS Modbus Protocol for RS485" V1.3 (syssi/esphome-pace-bms, docs) and the configuration there, which owners use;
//! patman15/aiobmsble for Gobel. Recorded are the map of Gobel, over Bluetooth, and a refusal: `tests/vectors/pace-modbus`; of the
//! published map there is no recording, so the family is untested.

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, LIMITS, NAMES, Refresh};
use super::modbus::{self, Function, Read};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its DIP address.
pub const DRIVER: Driver = Driver {
    name: "pace-modbus",
    label: "PACE Modbus",
    boards: "PACE P4S, P8S and P16S boards with the Modbus protocol selected in PbmsTools",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1, 0],
    gap: Duration::from_millis(100),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |address| {
        let address = address.unwrap_or(1);
        Box::new(PaceModbus { address, refresh: Refresh::of_board(address), ..PaceModbus::default() })
    },
};

const VALUES: Read = Read::holding(0, 0x27);
/// As [`VALUES`], for boards with the map of Gobel.
const WIDE_VALUES: Read = Read::holding(0, 0x3B);
const SETTINGS: Read = Read::holding(0x3C, 0x15);
const TEXTS: Read = Read::holding(0x96, 0x1E);

/// Which registers follow the first eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Map {
    Published,
    Gobel,
}

#[derive(Debug, Default)]
struct PaceModbus {
    address: u8,
    map: Option<Map>,
    /// Places that have shown a cell: no register has their number.
    cells: usize,
    settings: AskUntilKnown,
    refresh: Refresh,
    texts: AskUntilKnown,
}

impl Codec for PaceModbus {
    fn framing(&self, buf: &[u8]) -> Framing {
        modbus::framing(buf, &[Function::HoldingRegisters], |from| matches!(from, 0..=16))
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let read = Read::answered(expected, frame, |frame| Read::by_length(&[VALUES, WIDE_VALUES, SETTINGS, TEXTS], frame))?;
        let registers = match read.registers(frame) {
            Err(refused @ DecodeError::Refused { .. }) if read.first == SETTINGS.first => {
                self.settings.answered();
                return Err(refused);
            }
            registers => registers?,
        };
        match read.first {
            0 => {
                self.map = Some(values::values(&registers, &mut self.cells, into)?);
                [&mut self.settings, &mut self.texts].into_iter().for_each(AskUntilKnown::heard);
            }
            0x3C => {
                values::settings(&registers, into);
                self.settings.answered();
                self.refresh.answered();
            }
            0x96 => {
                values::texts(&registers, into)?;
                self.texts.answered();
            }
            _ => return Err(DecodeError::Foreign { what: "unknown registers" }),
        }
        into.awaited.settings = into.settings.cell_ovp.is_none() && self.is_published() && self.settings.is_awaited();
        Ok(Progress::Done)
    }
}

impl Protocol for PaceModbus {
    fn identify(&self) -> Request {
        VALUES.ask("values", self.address, true)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        if !self.is_published() {
            return vec![WIDE_VALUES.ask("values", self.address, true)];
        }
        let mut plan = vec![self.identify()];
        let is_settings_due = match known.settings.cell_ovp {
            None => self.settings.is_due(&LIMITS),
            Some(_) => self.refresh.is_due(),
        };
        if is_settings_due {
            plan.push(SETTINGS.ask("settings", self.address, false));
        }
        // Keeps the first reading short; this can wait for the second.
        if !known.cells.is_empty() && known.device.model.is_none() && self.texts.is_due(&NAMES) {
            plan.push(TEXTS.ask("texts", self.address, false));
        }
        plan
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }
}

impl PaceModbus {
    /// The board is not known to have another map.
    fn is_published(&self) -> bool {
        self.map != Some(Map::Gobel)
    }
}
