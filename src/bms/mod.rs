//! Protocols: one file per BMS family, one line per family in [`DRIVERS`].
//!
//! The one rule: **a protocol never waits, never reads a clock and never keeps bytes it has not decoded.** It says which
//! requests make a reading ([`Protocol::plan`]), where a frame ends ([`Protocol::framing`]) and what a frame says
//! ([`Protocol::decode`]). Ports, time-outs, echoes and retries are done once, for all, in [`crate::link`].
//!
//! To add a BMS copy `jbd.rs`, change it, and add its line to [`DRIVERS`]: replay, conformance, fuzz and probe follow from the
//! registry.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unreachable, clippy::cast_possible_truncation)]

pub(crate) mod alarm_bits;
pub mod ant;
mod asking;
pub mod bytes;
pub mod daly;
pub mod daly_modbus;
pub mod jbd;
pub mod jk;
pub mod jk_pb;
pub mod orders;
pub mod overheard;
pub mod redaction;
pub mod topbms;
pub mod traffic;

use crate::model::{Command, Reading};
use orders::Orders;
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;
use thiserror::Error;

/// All protocols, in the order in which a probe tries them.
pub const DRIVERS: &[&Driver] =
    &[&jk::DRIVER, &jk_pb::DRIVER, &jbd::DRIVER, &daly::DRIVER, &daly_modbus::DRIVER, &topbms::DRIVER, &ant::DRIVER];

/// The driver called `name`.
pub fn driver(name: &str) -> Option<&'static Driver> {
    DRIVERS.iter().copied().find(|driver| driver.name == name)
}

/// A BMS family: what is needed to find one on a port and to talk to it.
#[derive(Debug)]
pub struct Driver {
    /// Name on the command line and in JSON.
    pub name: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// Boards known to speak it, for the supported-batteries table.
    pub boards: &'static str,
    /// Line settings that occur, the most common first.
    pub lines: &'static [Line],
    /// The requests must not be sent on any other line (they have the form of a write).
    pub lines_only: bool,
    /// Addresses that a probe tries, in this order; empty where the protocol has no address.
    pub addresses: &'static [u8],
    /// Time that the line must be quiet before a request.
    pub gap: Duration,
    /// How long a probe listens before it asks, for BMSs that talk unasked; zero for all others.
    pub listen: Duration,
    /// Who else may be on the line of a battery that was found.
    pub sharing: Sharing,
    /// A fresh decoder for the battery at this address.
    pub new: fn(Option<u8>) -> Box<dyn Protocol>,
}

/// Who else may be on the line of a battery that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody, unless the owner names the addresses.
    Alone,
    /// Boards that are numbered from 1 without gaps, up to this number.
    Numbered(u8),
    /// Boards at any of [`Driver::addresses`].
    Any,
}

/// Settings of a serial line; always eight data bits, no parity, one stop bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Bits per second.
    pub baud: u32,
}

impl Line {
    /// The time that `bytes` take on this line: ten bits per byte.
    pub fn time_of(self, bytes: usize) -> Duration {
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(10);
        Duration::from_micros(bits.saturating_mul(1_000_000).checked_div(u64::from(self.baud)).unwrap_or(0))
    }
}

/// The language of one BMS. Implementations hold only what decoding needs from frame to frame.
pub trait Protocol: Send {
    /// The cheapest request that tells whether this BMS is there. It must be harmless to every other device.
    fn identify(&self) -> Request;

    /// The requests of the next reading. `known` is the previous one (empty at first): what does not change need not be
    /// asked again.
    fn plan(&mut self, known: &Reading) -> Vec<Request>;

    /// Looks for a frame at the start of `buf`. A frame is returned only when its length and checksum are right.
    fn framing(&self, buf: &[u8]) -> Framing;

    /// As [`Protocol::framing`] when no more bytes will come: for recordings that end before a frame can be told whole.
    fn framing_at_end(&self, buf: &[u8]) -> Framing {
        match self.framing(buf) {
            Framing::Incomplete => Framing::Skip(1),
            step => step,
        }
    }

    /// The bus address a frame comes from, where the protocol has one.
    fn source(&self, frame: &[u8]) -> Option<u8> {
        let _ = frame;
        None
    }

    /// Decodes a frame that `framing` returned.
    ///
    /// # Errors
    /// [`DecodeError::Foreign`] when the frame answers something else, [`DecodeError::Refused`] when the BMS declines,
    /// [`DecodeError::Short`] when the content ends early. `into` may then hold part of the frame and must be dropped.
    fn decode(&mut self, asked: Asked<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError>;

    /// Drops what was kept of the frames of an answer: the next one is to stand on its own.
    fn restart(&mut self) {}

    /// The check of a frame is a sum, which one in some hundred damaged frames passes; with a CRC it is one in 65,536.
    fn is_weak(&self) -> bool {
        true
    }

    /// The address that a whole request at the start of `buf` asks, for families that are overheard on a line where another
    /// master asks: its request tells whose answer is to come.
    fn asks(&self, buf: &[u8]) -> Option<u8> {
        let _ = buf;
        None
    }

    /// The length of the frame with a right check at the start of `buf`, whoever sent it; 0 when there is none.
    fn whole(&self, buf: &[u8]) -> usize {
        match self.framing(buf) {
            Framing::Frame(range) if range.start == 0 => range.end,
            _ => 0,
        }
    }

    /// What makes the BMS carry out `command`; `None` where this family has no such command whose bytes are certain. `known` is the
    /// last reading, `unix` the time where it is known (seconds since 1970), for boards that are told it along with the rest. The
    /// second try may go another way than the first.
    fn encode(&self, command: Command, known: &Reading, unix: Option<u64>, first_try: bool) -> Option<Orders> {
        let _ = (command, known, unix, first_try);
        None
    }

    /// What puts right what a command that was broken off may have left; `None` where nothing can be left.
    fn tidy(&self) -> Option<Orders> {
        None
    }

    /// Overwrites the passwords in the frame that `buf` begins with and, if its check was right, makes it right again. `buf` is a
    /// [`Protocol::whole`] frame or, with a damaged one, all that follows its start. True when frames that begin like this may
    /// hold a password. See [`redaction`].
    fn redact(&self, buf: &mut [u8]) -> bool {
        let _ = buf;
        false
    }
}

/// What a frame is expected to answer.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// This request; everything else is foreign.
    Request(&'a Request),
    /// Any request: recorded or overheard traffic.
    Anything,
}

/// One request and how long its answer may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it asks for, for the log.
    pub what: &'static str,
    /// The bytes to send; empty to listen only.
    pub bytes: Cow<'static, [u8]>,
    /// How long to wait for the end of the answer.
    pub timeout: Duration,
    /// A reading without this answer is no reading.
    pub required: bool,
}

/// What the start of a buffer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// Nothing wrong so far; more bytes are needed.
    Incomplete,
    /// So many bytes (at least one) are not the start of a reply: noise, an echo, another protocol.
    Skip(usize),
    /// These bytes are a frame with a right checksum.
    Frame(Range<usize>),
}

/// Whether a request is fully answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More frames belong to the answer.
    More,
    /// The answer is complete.
    Done,
}

/// Why a valid frame gave no values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// It answers another request, register or address.
    #[error("a reply to something else: {what}")]
    Foreign {
        /// What it is.
        what: &'static str,
    },
    /// The BMS understood the request and declined it.
    #[error("the BMS refused the request (code {code:#04x})")]
    Refused {
        /// Its code.
        code: u8,
    },
    /// The content ends before this field.
    #[error("the frame ends before its {field}")]
    Short {
        /// The field that is missing.
        field: &'static str,
    },
}
