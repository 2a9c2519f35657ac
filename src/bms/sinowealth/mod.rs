//! Daly boards with a Sinowealth chip, and others with its protocol: 9600 8N1, one register per request, big endian.
//!
//! ```text
//! request  0A register n        n = bytes of data, 2 or 4
//! reply    data… crc            CRC-8 (polynomial 07, start 0) of the request and the data; no header, no address, no length
//!
//! 01-0A  cell mV         10  i32 current mA, + charges      13  SoC %            16  protections
//! 0B     pack mV         11  u32 full charge mAh            14  cycles           17  number of cells
//! 0C 0D  sensors 0.1 K   12  u32 remaining mAh              15  FETs
//! ```
//! A reply can only be recognised by its request ([`Codec::framing_of_reply`]). The CRC covers the request, so the reply to another
//! register never passes for this one. Eight bits of it are few: the search identifies a board by a register of four bytes with an
//! impossible value in nearly all noise, every answer is confirmed, and the cells have to sum up to the pack voltage.
//! Boards with more than ten cells have cells at 0B and 0C as well, and the other registers elsewhere; where is not known, so such a
//! board is refused (its "pack voltage" is that of a cell).
//! Register 14 differs from the cycles in the app, according to an owner: it is not read.
//!
//! Sources: mr-manuel/venus-os_dbus-serialbattery (sinowealth.py), dreadnought/python-daly-bms (daly_sinowealth.py, issues 1, 9 and 34,
//! pull request 14). Only cell registers are recorded (`tests/vectors/sinowealth`). Issue 34 has values of a cold, discharging
//! pack, which confirm the sign of the current, the scale of the capacities and temperatures, and the bit "too cold to charge".

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, LIMITS};
use super::bytes::crc8;
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "sinowealth",
    label: "Sinowealth",
    boards: "Daly boards with a Sinowealth chip (R05 and R10 series, \"BMStool\" as PC program) and others with it, up to 10 cells",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[],
    gap: Duration::from_millis(20),
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |_| Box::new(Sinowealth::default()),
};

const START: u8 = 0x0A;
/// Most cells; the register behind that of the last one is the pack voltage.
pub(crate) const MAX_CELLS: u8 = 10;
const VOLTAGE: Read = Read { register: 0x0B, len: 2 };
const FIRST_SENSOR: Read = Read { register: 0x0C, len: 2 };
const SECOND_SENSOR: Read = Read { register: 0x0D, len: 2 };
const CURRENT: Read = Read { register: 0x10, len: 4 };
const CAPACITY: Read = Read { register: 0x11, len: 4 };
const REMAINING: Read = Read { register: 0x12, len: 4 };
const SOC: Read = Read { register: 0x13, len: 2 };
const STATE: Read = Read { register: 0x15, len: 2 };
const PROTECTIONS: Read = Read { register: 0x16, len: 2 };
const CONFIGURATION: Read = Read { register: 0x17, len: 2 };

/// A register and the number of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) register: u8,
    pub(crate) len: u8,
}

impl Read {
    fn cell(number: u8) -> Self {
        Self { register: number, len: 2 }
    }

    /// The read of a request; `None` if it is none.
    pub(crate) fn of(request: &[u8]) -> Option<Self> {
        match *request {
            [START, register, len @ (2 | 4)] => Some(Self { register, len }),
            _ => None,
        }
    }

    fn bytes(self) -> [u8; 3] {
        [START, self.register, self.len]
    }

    /// The check of a reply with this data.
    pub(crate) fn check(self, data: &[u8]) -> u8 {
        crc8(self.bytes().iter().chain(data))
    }

    fn ask(self, what: &'static str, required: bool) -> Request {
        Request { what, bytes: self.bytes().to_vec().into(), timeout: Duration::from_millis(300), required }
    }

    /// Length of a reply.
    fn reply_len(self) -> usize {
        usize::from(self.len).saturating_add(1)
    }

    /// The data of a reply to this read; `None` for any other frame.
    fn data(self, frame: &[u8]) -> Option<&[u8]> {
        let (check, data) = frame.split_last()?;
        (frame.len() == self.reply_len() && self.check(data) == *check).then_some(data)
    }
}

#[derive(Debug, Default)]
struct Sinowealth {
    /// Number of cells, from the configuration or an earlier reading.
    cells: Option<u8>,
    capacity: AskUntilKnown,
}

impl Codec for Sinowealth {
    /// Without the request nothing tells a reply from other bytes.
    fn framing(&self, buf: &[u8]) -> Framing {
        if buf.is_empty() { Framing::Incomplete } else { Framing::Skip(1) }
    }

    fn framing_of_reply(&self, requests: &[Request], buf: &[u8]) -> Framing {
        let (mut incomplete, mut echo) = (buf.is_empty(), false);
        for (place, read) in requests.iter().filter_map(|request| Read::of(&request.bytes)).enumerate() {
            match buf.get(..read.reply_len()) {
                // The beginning of the awaited reply may by chance be a whole one to another request.
                None if place == 0 => return Framing::Incomplete,
                None => incomplete = true,
                Some(frame) if read.data(frame).is_some() => return Framing::Frame(0..frame.len()),
                Some(_) => {}
            }
            echo |= buf.starts_with(&read.bytes());
        }
        match (echo, incomplete) {
            (true, _) => Framing::Skip(3),
            (_, true) => Framing::Incomplete,
            _ => Framing::Skip(1),
        }
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let foreign = DecodeError::Foreign { what: "a reply that only its request identifies" };
        let Expected::Request(request) = expected else { return Err(foreign) };
        let read = Read::of(&request.bytes).ok_or(DecodeError::Foreign { what: "no read" })?;
        let data = read.data(frame).ok_or(foreign)?;
        match read {
            Read { register: number @ 1..=MAX_CELLS, len: 2 } => values::cell(number, self.cells, data, into)?,
            VOLTAGE => values::voltage(data, into)?,
            CURRENT => values::current(data, into)?,
            CAPACITY => {
                values::capacity(data, into)?;
                self.capacity.answered();
            }
            REMAINING => values::remaining(data, into)?,
            SOC => {
                values::soc(data, into)?;
                self.capacity.heard();
            }
            STATE => alarms::fets(data, into)?,
            PROTECTIONS => alarms::protections(data, into)?,
            CONFIGURATION => {
                self.cells = Some(values::number_of_cells(data)?);
                into.cell_count = self.cells;
            }
            FIRST_SENSOR | SECOND_SENSOR => values::temperature(read == FIRST_SENSOR, data, into)?,
            _ => return Err(DecodeError::Foreign { what: "another register" }),
        }
        Ok(Progress::Done)
    }
}

impl Protocol for Sinowealth {
    fn identify(&self) -> Request {
        CAPACITY.ask("capacity", true)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        self.cells = known.cell_count.or(self.cells);
        // All of them have registers on every board: a reading without one of them would lack a sensor.
        let mut plan = vec![
            VOLTAGE.ask("voltage", true),
            CURRENT.ask("current", true),
            SOC.ask("SoC", true),
            STATE.ask("FETs", true),
            PROTECTIONS.ask("protections", true),
            REMAINING.ask("remaining charge", true),
            FIRST_SENSOR.ask("first temperature", true),
            SECOND_SENSOR.ask("second temperature", true),
        ];
        if known.capacity.is_none() && self.capacity.is_due(&LIMITS) {
            plan.push(CAPACITY.ask("capacity", false));
        }
        if self.cells.is_none() {
            plan.push(CONFIGURATION.ask("number of cells", true));
        }
        // The first reading tells how many there are.
        plan.extend((1..=self.cells.unwrap_or(0)).map(|number| Read::cell(number).ask("cell", true)));
        plan
    }

    /// Noise that is taken for a reply would pass one check in 256, as nothing else tells where a reply begins.
    fn needs_confirmation(&self) -> bool {
        true
    }
}
