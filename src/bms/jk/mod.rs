//! JK (Jikong) classic: `4E 57` frames on the UART/GPS port or its RS485 adapter, 115200 8N1.
//!
//! ```text
//! frame    4E 57 | length 2 | terminal 4 | command | source | kind | registers… | record 4 | 68 | 00 00 | sum 2
//! length   all bytes behind the header, itself and the sum included
//! command  03 read one register, 06 read all (02 writes: `commands.rs`; 05 tells the password: never sent)
//! kind     0 request, 1 reply
//! request  the id of one register, 00 for all; a reply has pairs of id and value, the width of a value is fixed per id
//! sum      all bytes from 4E to 68, modulo 65536
//! ```
//! All numbers are big endian. 4E 57 ("NW") occurs inside version texts: only the length shows where a frame ends. C0, the last
//! register, decides how the current is encoded. B2 is the password in clear text: it is skipped here and overwritten in
//! recordings. Source: the protocol description in syssi/esphome-jk-bms (docs) and the recordings in `tests/vectors/jk`.

pub(crate) mod alarms;
mod commands;
mod registers;
mod values;

use super::bytes::sum16;
use super::frame_shape::{FrameShape, Length};
use super::redaction::overwrite;
use super::write_sequence::WriteSequence;
use super::{
    Codec, Commands, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Redact, Request, Sharing,
    Transport,
};
use crate::base::units::Volts;
use crate::model::{Command, Reading};
use registers::{CELLS, Registers, passwords};
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;
use values::{measured, names, reported, settings};

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "jk",
    label: "JK (Jikong), UART",
    boards: "JK / Jikong B1A, B2A, BD4A, BD6A series (UART/GPS port or its RS485 adapter), hardware up to V11",
    lines: &[Line { baud: 115_200 }],
    listed_lines_only: false,
    addresses: &[],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |_| Box::new(Jk),
};

const VOLTAGE: Request = read(
    "pack voltage",
    &[0x4E, 0x57, 0, 0x13, 0, 0, 0, 0, READ_ONE, 3, 0, 0x83, 0, 0, 0, 0, 0x68, 0, 0, 0x01, 0xA9],
    Duration::from_millis(200),
);
const ALL: Request = read(
    "all registers",
    &[0x4E, 0x57, 0, 0x13, 0, 0, 0, 0, READ_ALL, 3, 0, 0, 0, 0, 0, 0, 0x68, 0, 0, 0x01, 0x29],
    Duration::from_millis(500),
);

const READ_ONE: u8 = 0x03;
const TELL_PASSWORD: u8 = 0x05;
const READ_ALL: u8 = 0x06;

const fn read(what: &'static str, bytes: &'static [u8], timeout: Duration) -> Request {
    Request { what, bytes: Cow::Borrowed(bytes), timeout, required: true }
}

/// Valid lengths: a frame without registers has 18, a dump of 32 cells 337.
const LENGTHS: RangeInclusive<usize> = 18..=0x180;
const SHAPE: FrameShape =
    FrameShape { header: &[0x4E, 0x57], length: Length::Stated { at: 2, wide: true, values: LENGTHS, uncounted: 2 }, is_sound };
/// Number of bytes before the registers, and after them.
const HEAD: usize = 11;
const TAIL: usize = 9;

/// The decoder is stateless: every reply is complete.
#[derive(Debug)]
struct Jk;

impl Codec for Jk {
    fn framing(&self, buf: &[u8]) -> Framing {
        match SHAPE.framing(buf) {
            // An echoed request differs from a reply only in its kind.
            Framing::Frame(range) if buf.get(10) != Some(&1) => Framing::Skip(range.end),
            step => step,
        }
    }

    fn valid_frame_len(&self, buf: &[u8]) -> usize {
        SHAPE.valid_len(buf)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let command = frame.get(8).copied();
        if !matches!(command, Some(READ_ONE | READ_ALL)) {
            return Err(DecodeError::Foreign { what: "the answer to a write or a password" });
        }
        let body = frame.get(HEAD..frame.len().saturating_sub(TAIL)).unwrap_or_default();
        let registers = Registers::walk(body)?;
        let dump = registers.get(CELLS).is_some();
        if let Expected::Request(request) = expected {
            let one = request.bytes.get(8) == Some(&READ_ONE);
            let answered = match request.bytes.get(HEAD) {
                Some(id) if one => command == Some(READ_ONE) && registers.get(*id).is_some(),
                // Some boards reply to "read all" with command 03.
                _ => dump,
            };
            if !answered {
                return Err(DecodeError::Foreign { what: "other registers" });
            }
        }
        into.voltage = registers.u16(0x83).and_then(reported).map(Volts::centi).or(into.voltage);
        if dump {
            measured(&registers, into)?;
            settings(&registers, into);
            names(&registers, into);
        }
        Ok(Progress::Done)
    }
}

impl Protocol for Jk {
    fn identify(&self) -> Request {
        VOLTAGE
    }

    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        vec![ALL]
    }

    fn commands(&self) -> Option<&dyn Commands> {
        Some(self)
    }

    fn redact(&self) -> Option<&dyn Redact> {
        Some(self)
    }
}

impl Commands for Jk {
    fn encode(&self, command: Command, _: &Reading, _: Option<u64>, _: bool) -> Option<WriteSequence> {
        commands::encode(command)
    }
}

impl Redact for Jk {
    fn redact(&self, buf: &mut [u8]) -> bool {
        if !matches!(buf, [0x4E, 0x57, 0 | 1, ..]) {
            return false;
        }
        let sound = is_sound(buf);
        let end = if sound { buf.len().saturating_sub(TAIL) } else { buf.len().min(*LENGTHS.end()) };
        let tells_password = buf.get(8) == Some(&TELL_PASSWORD);
        let body = buf.get_mut(HEAD..end).unwrap_or_default();
        match tells_password {
            true => overwrite(body, sound),
            false => passwords(body, sound).into_iter().for_each(|place| overwrite(body.get_mut(place).unwrap_or_default(), sound)),
        }
        if sound && let Some((summed, [_, _, check @ ..])) = buf.split_last_chunk_mut::<4>() {
            *check = sum16(summed).to_be_bytes();
        }
        true
    }
}

/// Whether a frame ends correctly.
fn is_sound(frame: &[u8]) -> bool {
    let Some((summed, &[0, 0, high, low])) = frame.split_last_chunk() else { return false };
    LENGTHS.contains(&frame.len().saturating_sub(2))
        && summed.ends_with(&[0x68])
        && sum16(summed) == u16::from_be_bytes([high, low])
}
