//! Protocols: one folder per BMS family, one line per family in [`DRIVERS`].
//!
//! The one rule: **a protocol never waits, never reads a clock and never keeps bytes it has not decoded.** It says which requests
//! make a reading ([`Protocol::plan`]), where a frame ends ([`Codec::framing`]) and what a frame means ([`Codec::decode`]). Ports,
//! timeouts, echoes and retries are handled once, for all protocols, in [`crate::link`].
//!
//! To add a BMS, follow `docs/add-a-bms.md`. Replay, conformance, fuzz and probe follow from the registry.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::unreachable, clippy::cast_possible_truncation)]

pub mod ant;
pub mod ant_old;
pub mod ascii;
mod ascii_pack;
mod asking;
pub(crate) mod bits;
pub mod bluetooth;
pub mod bytes;
pub mod can;
pub mod daly;
pub mod daly_modbus;
pub mod daren;
pub mod ecoworthy;
pub mod eg4_ll;
pub mod felicity;
pub mod frame_collector;
pub mod frame_shape;
pub mod heltec;
pub mod jbd;
pub mod jbd_up16s;
pub mod jk;
pub mod jk_can;
pub mod jk_pb;
pub mod json;
pub mod lifepower4;
pub mod litime;
pub mod modbus;
mod modbus_pack;
pub mod modbus_tcp;
pub mod pace;
pub mod pace_modbus;
pub mod pylontech;
pub mod pylontech_can;
pub mod redaction;
pub mod renogy;
pub mod rv_c;
pub mod seplos;
pub mod seplos_v3;
pub mod sinowealth;
pub mod sniffer;
pub mod tianpower;
pub mod topbms;

pub mod write_sequence;

use crate::base::units::Moment;
use crate::model::{Command, Reading};
use can::IdFilter;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::time::Duration;
use thiserror::Error;
use write_sequence::WriteSequence;

/// All protocols, in the order in which a probe tries them: those met often first, untested ones last.
pub const DRIVERS: &[&Driver] = &[
    &jk::DRIVER,
    &jk_pb::DRIVER,
    &jbd::DRIVER,
    &daly::DRIVER,
    &daly_modbus::DRIVER,
    &pace::DRIVER,
    &seplos_v3::DRIVER,
    &seplos::DRIVER,
    // A search asks the following once only: see `COMMON`.
    &topbms::DRIVER,
    &ant::DRIVER,
    &pylontech::DRIVER,
    &daren::DRIVER,
    &lifepower4::DRIVER,
    &renogy::DRIVER,
    &eg4_ll::DRIVER,
    &jbd_up16s::DRIVER,
    &ant_old::DRIVER,
    &tianpower::DRIVER,
    &pace_modbus::DRIVER,
    &litime::DRIVER,
    &ecoworthy::DRIVER,
    &json::DRIVER,
    &felicity::DRIVER,
    &jk_can::DRIVER,
    &heltec::DRIVER,
    &sinowealth::DRIVER,
    &pylontech_can::DRIVER,
    &rv_c::DRIVER,
];

/// Number of drivers at the start of [`DRIVERS`] that a search for any family asks twice.
pub const COMMON: usize = 8;

/// The driver called `name`.
pub fn driver(name: &str) -> Option<&'static Driver> {
    DRIVERS.iter().copied().find(|driver| driver.name == name)
}

/// The drivers that a search for any family tries; an untested one only answers to its name.
pub fn tested() -> impl Iterator<Item = &'static Driver> {
    DRIVERS.iter().copied().filter(|driver| driver.evidence != Evidence::Untested)
}

/// A BMS family: everything needed to find one on a port and to communicate with it.
#[derive(Debug)]
pub struct Driver {
    /// Name on the command line and in JSON.
    pub name: &'static str,
    /// Display name.
    pub label: &'static str,
    /// Boards known to use it, for the table of supported batteries.
    pub boards: &'static str,
    /// Line settings, the most common first.
    pub lines: &'static [Line],
    /// The requests must not be sent with other line settings (they have the form of a write).
    pub listed_lines_only: bool,
    /// Addresses to probe, in this order; empty if the protocol has no address.
    pub addresses: &'static [u8],
    /// Minimum pause on the line before a request.
    pub gap: Duration,
    /// How long a probe listens before it sends a request, for BMSs that send by themselves; zero for all others.
    pub listen: Duration,
    /// Other boards possible on the line of a battery.
    pub sharing: Sharing,
    /// What shows that its values are decoded correctly.
    pub evidence: Evidence,
    /// The transports that it speaks: it is not searched for on any other.
    pub transports: &'static [Transport],
    /// Creates a decoder for the battery at this address.
    pub new: fn(Option<u8>) -> Box<dyn Protocol>,
}

/// What shows that the values of a family are decoded correctly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// Recorded frames of real boards.
    Recordings,
    /// As [`Evidence::Recordings`], except for these values.
    RecordingsExcept(&'static str),
    /// The format is defined by this program: the sender has to keep to it.
    OwnFormat,
    /// One description, and no recordings that confirm all of it. A search tries the family only if it is named.
    Untested,
}

/// How the bytes of a family get to the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A serial line, directly or behind a TCP serial server.
    Serial,
    /// Bluetooth Low Energy; the facts are in [`bluetooth`].
    Bluetooth,
    /// A CAN bus, with [`Line::CAN`] among the lines.
    Can,
    /// Messages of an MQTT broker.
    Mqtt,
}

/// Other boards possible on the line of a battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// None, unless the owner configures addresses.
    Alone,
    /// Boards numbered from 1 without gaps, up to this number.
    Numbered(u8),
    /// Boards at any of [`Driver::addresses`].
    Any,
}

/// Settings of a serial line (always eight data bits, no parity, one stop bit), or [`Line::CAN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Bits per second.
    pub baud: u32,
}

impl Line {
    /// A CAN bus. Its bit rate belongs to the interface, and is not set here.
    pub const CAN: Self = Self { baud: 0 };

    /// Whether it is a CAN bus; otherwise a serial line.
    pub fn is_can(self) -> bool {
        self == Self::CAN
    }

    /// Transmission time of `bytes` bytes: ten bits per byte; none on a CAN bus.
    pub fn time_of(self, bytes: usize) -> Duration {
        let bits = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(10);
        Duration::from_micros(bits.saturating_mul(1_000_000).checked_div(u64::from(self.baud)).unwrap_or(0))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_can() { f.write_str("CAN") } else { write!(f, "{} baud", self.baud) }
    }
}

/// Frames of a BMS: where one begins and ends, and what it means. All that a single exchange needs.
pub trait Codec: Send {
    /// Looks for a frame at the start of `buf`. A frame is returned only if its length and checksum are correct.
    fn framing(&self, buf: &[u8]) -> Framing;

    /// As [`Codec::framing`], if what is looked for is the reply to one of `requests`, the latest first: for families whose frames
    /// tell neither their length nor where they begin. All others need not know the request, so that replies to another one are recognised as such.
    fn framing_of_reply(&self, requests: &[Request], buf: &[u8]) -> Framing {
        let _ = requests;
        self.framing(buf)
    }

    /// Whether a frame shows where it begins. Otherwise any byte outside of one counts as damage, as it may be part of one.
    fn has_start(&self) -> bool {
        true
    }

    /// As [`Codec::framing`] at the end of the data, for recordings that end before a frame is certainly complete.
    fn framing_at_end(&self, buf: &[u8]) -> Framing {
        match self.framing(buf) {
            Framing::Incomplete => Framing::Skip(1),
            step => step,
        }
    }

    /// Length of the valid frame at the start of `buf`, from any sender; 0 if there is none.
    fn valid_frame_len(&self, buf: &[u8]) -> usize {
        match self.framing(buf) {
            Framing::Frame(range) if range.start == 0 => range.end,
            _ => 0,
        }
    }

    /// The bus address that a frame comes from, if the protocol has addresses.
    fn source(&self, frame: &[u8]) -> Option<u8> {
        let _ = frame;
        None
    }

    /// The frames of single batteries that a frame with the values of several contains; empty for all other frames. This driver asks
    /// each battery alone: such frames are in recordings of other programs.
    fn packs(&self, frame: &[u8]) -> Vec<Vec<u8>> {
        let _ = frame;
        Vec::new()
    }

    /// Decodes a frame that `framing` returned.
    ///
    /// # Errors
    /// [`DecodeError::Foreign`] if the frame is the reply to another request, [`DecodeError::Refused`] if the BMS refuses,
    /// [`DecodeError::Layout`] if its content is that of another board, [`DecodeError::Short`] if it ends early. `into` may then
    /// contain part of the frame and must be dropped.
    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError>;

    /// Drops the state of a partial reply, so that the next one is decoded independently.
    fn reset(&mut self) {}

    /// A recording ends here: adds the values of frames that wait for the rest of a first set, for families whose batteries send by
    /// themselves.
    fn conclude(&mut self, into: &mut Reading) {
        let _ = into;
    }

    /// The next frames arrive at this moment, for families whose batteries send by themselves: they forget frames that are too old.
    /// In recordings without times nothing grows old.
    fn arrived_at(&mut self, now: Moment) {
        let _ = now;
    }

    /// Keeps a frame that arrived while another battery of the line was read, for such families. Frames of others are ignored.
    fn overhear(&mut self, frame: &[u8]) {
        let _ = frame;
    }
}

/// The protocol of one BMS: its requests, in addition to its frames. Implementations hold only the state that decoding needs
/// between frames. Features that not every family has are separate traits.
pub trait Protocol: Codec {
    /// The cheapest request that detects this BMS. It must be harmless to any other device.
    fn identify(&self) -> Request;

    /// Sets the line that it is used on. Until then the frames of every line are accepted, as in recordings.
    fn use_line(&mut self, line: Line) {
        let _ = line;
    }

    /// The CAN frames that it reads, if it is found on CAN buses.
    fn can_ids(&self) -> &'static [IdFilter] {
        &[]
    }

    /// The requests of the next reading. `known` is the previous one (empty at first): constant data need not be requested again.
    fn plan(&mut self, known: &Reading) -> Vec<Request>;

    /// The check of a frame is a sum, which about one in a hundred damaged frames passes; with a CRC it is one in 65,536.
    fn has_weak_checksum(&self) -> bool {
        true
    }

    /// The weak check misses so much that every answer must be confirmed, on a calm line as well.
    fn needs_confirmation(&self) -> bool {
        false
    }

    /// The family's commands, if it has any.
    fn commands(&self) -> Option<&dyn Commands> {
        None
    }

    /// Recognises the requests of another master, for families that can be overheard.
    fn sniff(&self) -> Option<&dyn Sniff> {
        None
    }

    /// Finds passwords, for families that send them.
    fn redact(&self) -> Option<&dyn Redact> {
        None
    }
}

/// A family whose boards accept commands.
pub trait Commands {
    /// The writes for `command`; `None` if this family has no such command whose bytes are certain. `known` is the last reading;
    /// `unix` the time if known (seconds since 1970), for boards whose command includes it. The second try may use other writes
    /// than the first.
    fn encode(&self, command: Command, known: &Reading, unix: Option<u64>, first_try: bool) -> Option<WriteSequence>;

    /// The writes that clean up after an interrupted command; `None` if there is nothing to clean up.
    fn cleanup(&self) -> Option<WriteSequence> {
        None
    }
}

/// A family that can be overheard on a line with another master.
pub trait Sniff {
    /// The address in a complete request at the start of `buf`: the next reply comes from there.
    fn request_target(&self, buf: &[u8]) -> Option<u8>;
}

/// A family whose frames may contain passwords. See [`redaction`].
pub trait Redact {
    /// Overwrites the passwords in the frame at the start of `buf` and, if its check was valid, updates the check. `buf` is a
    /// [valid](Codec::valid_frame_len) frame or, for a damaged one, everything from its start. True if frames that begin like this
    /// may contain a password.
    fn redact(&self, buf: &mut [u8]) -> bool;
}

/// What a frame must be a reply to.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// This request; any other reply is foreign.
    Request(&'a Request),
    /// Any request, for recorded or overheard traffic.
    Any,
}

/// One request and its timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Name of the requested data, for the log.
    pub what: &'static str,
    /// The bytes to send; empty to listen only.
    pub bytes: Cow<'static, [u8]>,
    /// Timeout until the end of the reply.
    pub timeout: Duration,
    /// Without this reply the reading fails.
    pub required: bool,
}

impl Request {
    /// Sends nothing, for boards that send by themselves.
    const fn only_listen(what: &'static str, timeout: Duration) -> Self {
        Self { what, bytes: Cow::Borrowed(&[]), timeout, required: true }
    }
}

/// Content of the start of a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// Valid so far; more bytes are needed.
    Incomplete,
    /// This many bytes (at least one) do not start a reply: noise, an echo, another protocol.
    Skip(usize),
    /// These bytes are a frame with a correct checksum.
    Frame(Range<usize>),
}

/// Whether a reply is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More frames belong to the reply.
    More,
    /// The reply is complete.
    Done,
}

/// Why a valid frame has no usable values.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The reply to another request, register or address.
    #[error("a reply to something else: {what}")]
    Foreign {
        /// Description of the frame.
        what: &'static str,
    },
    /// Valid check, but content in an unsupported layout: nothing of it may be used.
    #[error("{what}, which is not supported")]
    Layout {
        /// Owner of the layout.
        what: &'static str,
    },
    /// The BMS understood the request and refused it.
    #[error("the BMS refused the request (code {code:#04x})")]
    Refused {
        /// Error code.
        code: u8,
    },
    /// The content ends before this field.
    #[error("the frame ends before its {field}")]
    Short {
        /// The missing field.
        field: &'static str,
    },
}
