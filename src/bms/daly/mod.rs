//! Daly, `A5` frames of 13 bytes both ways: 9600 8N1; the same over CAN (`over_can.rs`).
//!
//! ```text
//! request  A5 host cmd 08 00…00  sum    host 40 asks board 1, 3F+n board n, 80 is a second host (Bluetooth)
//! reply    A5 from cmd 08 d0…d7  sum    from = host - 3F: 01..10, and 41 (or 01) for host 80
//! sum      of the twelve bytes before it, modulo 256
//!
//! 50  u32 rated capacity mAh, …             94  u8 cells, u8 sensors, …, u16 cycles at d5
//! 91  u16 highest cell mV, u8 its number, u16 lowest, u8 its number
//! 53  …, year-2000, month, day at d2..d4    95  u8 frame number, 3 × u16 cell mV; several frames
//! 57  u8 frame number, 7 text; 5 frames     96  u8 frame number, 7 × u8 °C + 40; several frames
//! 90  u16 pack 0.1 V, …, u16 current        97  balancing, bit 0 of d0 is cell 1
//!     0.1 A + 30000 at d4, u16 SoC 0.1 %    98  failure bits d0..d6, fault code d7
//! 92  u8 hottest sensor °C + 40, u8 its number, u8 coldest, u8 its number
//! 93  u8 state (0 idle 1 charging 2 discharging), u8 charge FET, u8 discharge FET, …, u32 remaining mAh
//! ```
//! * A sleeping board returns the request: the host's address in a "reply" identifies it. It is never decoded as a reply (nor as
//!   -3000 A).
//! * Older firmware counts discharge as positive, newer charge: 93 gives the direction of the magnitude in 90.
//! * Frames are numbered from 1 in recordings and from 0 in the document; some boards always send 10 or 16 of them. Unused bytes
//!   repeat older replies: only the counts of 94 show where cells and sensors end.
//!
//! Source: Daly "UART/485 communications protocol" V1.2, mr-manuel/venus-os_dbus-serialbattery, syssi/esphome-daly-bms, and the
//! recordings in `tests/vectors/daly`. Values are big endian.

pub(crate) mod alarms;
mod commands;
mod over_can;
mod parts;
mod values;

use super::asking::{self, AskUntilKnown, CHANGING, LIMITS};
use super::bytes::{Reader, has_sum8, skip_to_any, sum8, unless};
use super::can::IdFilter;
use super::frame_shape::{FrameShape, Length};
use super::write_sequence::WriteSequence;
use super::{
    Codec, Commands, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport,
};
use crate::base::units::{AmpHours, Amps};
use crate::model::{Command, Reading};
use alarms::failures;
use parts::Parts;
use std::borrow::Cow;
use std::time::Duration;
use values::{balancing, date};

/// The registry entry. A battery's address is its board number, 1 to 16; 65 is board 1 as host 80 reaches it (0x41).
pub const DRIVER: Driver = Driver {
    name: "daly",
    label: "Daly",
    boards: "Daly smart BMS with UART or RS485 (A5 protocol), or with CAN",
    lines: &[Line { baud: 9600 }, Line::CAN],
    listed_lines_only: false,
    addresses: &[1, SECOND_HOST],
    gap: Duration::from_millis(20),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(16),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial, Transport::Can],
    new: |address| Box::new(Daly { address, ..Daly::default() }),
};

/// The address at which host 80 reaches a board.
const SECOND_HOST: u8 = 0x41;
/// Offset of the host's address from the board's.
const HOST: u8 = 0x3F;
const FRAME: usize = 13;
const SHAPE: FrameShape = FrameShape { header: &[0xA5], length: Length::Fixed(FRAME), is_sound: has_sum8 };

/// A command of the protocol, and whether a reading needs its reply.
struct Read {
    command: u8,
    what: &'static str,
    required: bool,
}

const fn read(command: u8, what: &'static str, required: bool) -> Read {
    Read { command, what, required }
}

const COUNTS: Read = read(0x94, "counts", true);
const PACK: Read = read(0x90, "pack values", true);
const STATE: Read = read(0x93, "state", true);
const FAILURES: Read = read(0x98, "failures", false);
const TEMPERATURES: Read = read(0x96, "temperatures", false);
/// In place of [`TEMPERATURES`] for boards that never reply to it.
const HOTTEST_AND_COLDEST: Read = read(0x92, "hottest and coldest sensor", false);
const BALANCING: Read = read(0x97, "balancing", false);
const CELLS: Read = read(0x95, "cell voltages", true);
const CAPACITY: Read = read(0x50, "rated capacity", false);

type IsKnown = fn(&Reading) -> bool;

/// Names, one of which is requested per reading until it is known. Many boards do not reply to some of them.
const NAMES: [(Read, IsKnown); 2] = [
    (read(0x53, "production date", false), |known| known.device.production_date.is_some()),
    (read(0x57, "battery code", false), |known| known.device.serial_number.is_some()),
];

/// Commands with a known reply. A one-byte sum is a weak check: a frame must have one of these commands, the length 08 and a
/// board's address.
const COMMANDS: [u8; 12] = [0x50, 0x53, 0x57, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98];

/// Data that is spread over several frames.
#[derive(Debug, Default)]
struct Daly {
    /// `None` accepts replies of every board, and sends requests to board 1.
    address: Option<u8>,
    /// `None` accepts frames of both lines, and sends serial ones.
    line: Option<Line>,
    names: [AskUntilKnown; NAMES.len()],
    capacity: AskUntilKnown,
    /// It has planned a reading before.
    is_in_use: bool,
    /// An earlier reading had temperatures.
    temperatures_known: bool,
    /// Requests for all temperatures.
    all_temperatures: AskUntilKnown,
    /// Coldest and hottest sensor of this reading, as sent.
    extremes: Option<[u8; 2]>,
    /// Current of 90 as counted by older firmware, until 93 gives the direction; and the other way round.
    current: Option<Amps>,
    state: Option<u8>,
    sensors: Option<u8>,
    cells: Parts,
    temperatures: Parts,
    code: Parts,
}

impl Codec for Daly {
    fn reset(&mut self) {
        [&mut self.cells, &mut self.temperatures, &mut self.code].into_iter().for_each(Parts::reset);
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        let serial = self.is_serial() && self.is_header(buf);
        let record = self.is_can() && over_can::is_header(buf);
        if !serial && !record {
            return self.skip(buf);
        }
        let Some(frame) = buf.first_chunk::<FRAME>() else { return Framing::Incomplete };
        if record {
            return Framing::Frame(0..FRAME);
        }
        // A header inside the frame: bytes were lost, and the sum may match by chance.
        let cut = frame.windows(4).skip(1).any(|bytes| self.is_header(bytes));
        if cut || self.is_request(frame) || !has_sum8(frame) { self.skip(buf) } else { Framing::Frame(0..FRAME) }
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.get(if over_can::is_header(frame) { 3 } else { 1 }).copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let serial = over_can::serial_frame(frame);
        let mut r = Reader::new(serial.as_ref().map_or(frame, <[u8; FRAME]>::as_slice));
        r.skip(1, "start")?;
        let (board, command) = (r.u8("address")?, r.u8("command")?);
        r.skip(1, "length")?;
        if let Expected::Request(request) = expected {
            check(request, board, command)?;
        }
        match command {
            0x50 => {
                into.capacity = unless(&[0, u32::MAX], r.u32_be("rated capacity")?).map(AmpHours::milli);
                into.awaited.capacity = false;
                self.capacity.answered();
            }
            0x53 => into.device.production_date = date(r.bytes(5, "production date")?),
            0x57 => return self.battery_code(&mut r, into),
            0x90 => self.pack(&mut r, into)?,
            0x93 => self.fets(&mut r, into)?,
            0x94 => self.counts(&mut r, into)?,
            0x95 => {
                self.cells.add(&mut r)?;
                return Ok(self.show_cells(into));
            }
            0x91 => values::cell_extremes(&mut r, into)?,
            0x92 => self.extremes(&mut r, into)?,
            0x96 => {
                self.temperatures.add(&mut r)?;
                self.all_temperatures.answered();
                return Ok(self.show_temperatures(into));
            }
            0x97 => balancing(&mut r, into)?,
            0x98 => failures(r.bytes(8, "failures")?, into),
            _ => {}
        }
        Ok(Progress::Done)
    }
}

impl Protocol for Daly {
    fn identify(&self) -> Request {
        self.request(&PACK)
    }

    fn use_line(&mut self, line: Line) {
        self.line = Some(line);
    }

    fn can_ids(&self) -> &'static [IdFilter] {
        over_can::IDS
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        (self.current, self.state, self.extremes) = (None, None, None);
        self.reset();
        self.temperatures_known |= known.temperatures.sensors.is_some();
        let mut plan: Vec<Request> = [COUNTS, PACK, STATE, FAILURES].iter().map(|read| self.request(read)).collect();
        plan.extend(self.all_temperatures.is_due(&CHANGING).then(|| self.request(&TEMPERATURES)));
        plan.extend(self.all_temperatures.is_silent(&CHANGING).then(|| self.request(&HOTTEST_AND_COLDEST)));
        // Limits depend on it: a reply lost at the start must not leave it unknown forever.
        if known.capacity.is_none() && self.capacity.is_due(&LIMITS) {
            plan.push(self.request(&CAPACITY));
        }
        // A battery is published after two readings, the search's and the next, by different decoders: both are kept short.
        if std::mem::replace(&mut self.is_in_use, true) {
            plan.extend(self.next_name(known));
            plan.push(self.request(&BALANCING));
        }
        // Boards that always send 16 frames continue after the last cell, so this is the last request.
        plan.push(self.request(&CELLS));
        plan
    }

    /// None over CAN, where no source is certain about them.
    fn commands(&self) -> Option<&dyn Commands> {
        if self.is_serial() { Some(self) } else { None }
    }
}

impl Commands for Daly {
    fn encode(&self, command: Command, _: &Reading, unix: Option<u64>, _: bool) -> Option<WriteSequence> {
        commands::encode(command, commands::host(self.address), unix, [self.request(&STATE), self.request(&PACK)])
    }
}

impl Daly {
    fn is_can(&self) -> bool {
        self.line.is_none_or(Line::is_can)
    }

    fn is_serial(&self) -> bool {
        self.line.is_none_or(|line| !line.is_can())
    }

    /// The first byte does not start a frame: skips to the next one that may.
    fn skip(&self, buf: &[u8]) -> Framing {
        skip_to_any(|byte| self.is_serial() && byte == 0xA5 || self.is_can() && byte == over_can::START, buf)
    }

    /// Whether `bytes` may begin a reply, as far as they go. Host addresses are not board addresses.
    fn is_header(&self, bytes: &[u8]) -> bool {
        let second_host = matches!(self.address, None | Some(SECOND_HOST));
        bytes.iter().zip(0..4).all(|(byte, at)| match at {
            0 => *byte == 0xA5,
            1 => matches!(*byte, 1..=16) || (second_host && *byte == SECOND_HOST),
            2 => COMMANDS.contains(byte),
            _ => *byte == 8,
        })
    }

    /// 41 is also the address in requests to board 2, whose data is a fill byte.
    fn is_request(&self, frame: &[u8; FRAME]) -> bool {
        let [_, from, _, _, data @ .., _] = frame;
        self.address.is_none() && *from == SECOND_HOST && (*data == [0; 8] || *data == [0xAA; 8])
    }

    fn request(&self, read: &Read) -> Request {
        let board = self.address.unwrap_or(1);
        let bytes = match self.is_serial() {
            true => {
                let mut bytes = vec![0xA5, board.wrapping_add(HOST), read.command, 8, 0, 0, 0, 0, 0, 0, 0, 0];
                bytes.push(sum8(&bytes));
                bytes
            }
            false => over_can::request(board, read.command).to_vec(),
        };
        let timeout = Duration::from_millis(if read.required { 500 } else { 300 });
        Request { what: read.what, bytes: Cow::Owned(bytes), timeout, required: read.required }
    }

    fn next_name(&mut self, known: &Reading) -> Option<Request> {
        let mut names = NAMES.iter().zip(&mut self.names);
        let due = |((read, is_known), asking): (&'static (Read, IsKnown), &mut AskUntilKnown)| {
            let due = !is_known(known) && asking.is_due(&asking::NAMES);
            // A reading counts for a name only once its turn has come.
            asking.heard();
            due.then_some(read)
        };
        names.find_map(due).map(|read| self.request(read))
    }
}

fn check(request: &Request, board: u8, command: u8) -> Result<(), DecodeError> {
    let (host, expected) = match over_can::asked(&request.bytes) {
        Some((board, command)) => (Some(board.wrapping_add(HOST)), Some(command)),
        None => (request.bytes.get(1).copied(), request.bytes.get(2).copied()),
    };
    if expected != Some(command) {
        return Err(DecodeError::Foreign { what: "another command" });
    }
    let answers = host.map(|host| host.wrapping_sub(HOST)) == Some(board) || (host, board) == (Some(0x80), 1);
    if answers { Ok(()) } else { Err(DecodeError::Foreign { what: "another board" }) }
}
