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
//! register hardly ever passes for this one. Eight bits of it are few: bytes that continue with anything but replies are none, the
//! search identifies a board by a register of four bytes with an impossible value in nearly all noise, a line with any other byte
//! counts as disturbed, so that answers are confirmed, and the cells have to sum up to the pack voltage.
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

const SHORTEST_REPLY: usize = 3;
/// Most bytes of late replies behind one; those of two readings.
const MOST_LATE: usize = 128;

/// All that is ever asked for.
const READS: [Read; 20] = [
    Read::cell(1),
    Read::cell(2),
    Read::cell(3),
    Read::cell(4),
    Read::cell(5),
    Read::cell(6),
    Read::cell(7),
    Read::cell(8),
    Read::cell(9),
    Read::cell(10),
    VOLTAGE,
    FIRST_SENSOR,
    SECOND_SENSOR,
    CURRENT,
    CAPACITY,
    REMAINING,
    SOC,
    STATE,
    PROTECTIONS,
    CONFIGURATION,
];

/// A register and the number of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) register: u8,
    pub(crate) len: u8,
}

impl Read {
    const fn cell(number: u8) -> Self {
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

/// Length of the reply at the start of `buf` to one of these requests, or to an earlier one: the link notices the lag by such replies.
fn reply_at_start(asked: &[Read], buf: &[u8]) -> Option<usize> {
    let rest =
        |read: &Read| buf.split_at_checked(read.reply_len()).filter(|(frame, _)| read.data(frame).is_some()).map(|(_, rest)| rest);
    // On a live line one reply is awaited: what continues with anything but replies is part of something longer.
    let is_live = asked.len() == 1;
    let awaited = asked.iter().find(|read| rest(read).is_some_and(|rest| !is_live || is_of_replies(rest, SHORTEST_REPLY)));
    let late = || READS.iter().find(|read| rest(read).is_some_and(|rest| !is_live || is_of_replies(rest, 1)));
    awaited.or_else(late).map(|read| read.reply_len())
}

/// Whether `buf` has only replies, and fewer than `least` bytes behind them.
fn is_of_replies(mut buf: &[u8], least: usize) -> bool {
    if buf.len() > MOST_LATE {
        return false;
    }
    while buf.len() >= least {
        let read = READS.iter().find(|read| buf.get(..read.reply_len()).is_some_and(|frame| read.data(frame).is_some()));
        let Some(rest) = read.and_then(|read| buf.get(read.reply_len()..)) else { return false };
        buf = rest;
    }
    true
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
        let asked: Vec<Read> = requests.iter().filter_map(|request| Read::of(&request.bytes)).collect();
        let Some(latest) = asked.first().filter(|_| !buf.is_empty()) else { return self.framing(buf) };
        // The beginning of the awaited reply may by chance be a whole one to another request.
        if buf.len() < latest.reply_len() {
            return Framing::Incomplete;
        }
        match reply_at_start(&asked, buf) {
            Some(end) => Framing::Frame(0..end),
            None if asked.iter().any(|read| buf.starts_with(&read.bytes())) => Framing::Skip(3),
            None if asked.iter().any(|read| buf.len() < read.reply_len()) => Framing::Incomplete,
            None => Framing::Skip(1),
        }
    }

    fn has_start(&self) -> bool {
        false
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
}
