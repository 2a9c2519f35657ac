//! Tian Power boards (EG4 LifePower, Revov, Narada NPFC, Basengreen): 9600 8N1, big endian.
//!
//! ```text
//! request  7E address function 00 check 0D               7C in place of 7E on some boards (Revov); addresses 0 to 15 (DIP)
//! reply    7E address function length data… check 0D
//! check    (sum ^ exclusive or) of all bytes before it
//! 01     values: groups of number, count, that many u16 (from 0B on u32)
//!        01 cells mV, two flags on top         02 current, (30000 - x) 10 mA    03 SoC 0.01 %     04 capacity 0.01 Ah
//!        05 sensors: u8 place, u8 °C + 50      06 status (`alarms.rs`)          07 cycles         08 pack 10 mV
//!        09 SoH 0.01 %                         0A unknown                       0B to 10 counters of unknown units
//! 33     model and version        42  number on the label
//! 43 E0  protections: u8 number, 02, u16 each
//! ```
//! The check misses every change of a highest bit and about half of all other single bits, so the link has every answer confirmed.
//! A line that loses the highest bits damages two answers alike: then the cells do not sum up to the pack voltage.
//!
//! Functions E3 and F1 to F4 write; they are never sent. Asked every second, some boards leave requests unanswered.
//!
//! Sources: slim-bean/powermon, Louisvdw/dbus-serialbattery (pull request 212, issues 691, 1104, 1116), GHswitt/esphome-basen, and
//! the recordings in `tests/vectors/tianpower`. 43 E0 is known from the last one only, and from Basengreen boards (HY-CW007).

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, LIMITS, NAMES};
use super::bytes::skip_to_any;
use super::frame_shape::{FrameShape, Length};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its DIP address, 128 higher if its frames begin with 7C.
pub const DRIVER: Driver = Driver {
    name: "tianpower",
    label: "Tian Power",
    boards: "Tian Power BMS in EG4 LifePower (binary protocol 7E … 0D), Revov, Narada NPFC, Basengreen and others",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1, 0, OTHER_HEAD | 1],
    gap: Duration::from_millis(100),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(MAX_ADDRESS),
    evidence: Evidence::RecordingsExcept(
        "protection settings (43 E0), most alarms and FETs, and values of boards whose frames begin with 7C, which are described only",
    ),
    transports: &[Transport::Serial],
    new: |address| Box::new(TianPower::new(address.unwrap_or(1))),
};

const MAX_ADDRESS: u8 = 15;
/// In an address: the frames begin with 7C.
const OTHER_HEAD: u8 = 0x80;
const HEADS: [u8; 2] = [0x7E, 0x7C];
const END: u8 = 0x0D;
/// Bytes of a frame beside its data: head, address, function, length; check, end.
const UNCOUNTED: usize = 6;

const VALUES: u8 = 0x01;
const MODEL: u8 = 0x33;
const LABEL: u8 = 0x42;
const SETTINGS: u8 = 0x43;
/// In place of the length, in a request for the protections.
const PROTECTIONS: u8 = 0xE0;

const SHAPES: [FrameShape; 2] = [shape(&[0x7E]), shape(&[0x7C])];

const fn shape(header: &'static [u8]) -> FrameShape {
    FrameShape { header, length: Length::Stated { at: 3, wide: false, values: 1..=0xF0, uncounted: UNCOUNTED }, is_sound }
}

/// Check of the bytes before it.
pub(crate) fn check(bytes: &[u8]) -> u8 {
    let (sum, xor) = bytes.iter().fold((0u8, 0u8), |(sum, xor), byte| (sum.wrapping_add(*byte), xor ^ byte));
    sum ^ xor
}

fn is_sound(frame: &[u8]) -> bool {
    matches!(frame, [checked @ .., sum, END] if check(checked) == *sum)
}

/// Basengreen boards. Others may take the byte E0 for a length, and wait for as many bytes.
fn has_settings(known: &Reading) -> Option<bool> {
    known.device.model.as_ref().map(|model| model.starts_with("HY-"))
}

/// A reply that is decoded need not be confirmed yet: what is known only the next plan tells.
#[derive(Debug)]
struct TianPower {
    head: u8,
    address: u8,
    model: AskUntilKnown,
    label: AskUntilKnown,
    settings: AskUntilKnown,
}

impl TianPower {
    fn new(address: u8) -> Self {
        let [usual, other] = HEADS;
        let head = if address & OTHER_HEAD == 0 { usual } else { other };
        let ask = AskUntilKnown::default;
        Self { head, address: address & !OTHER_HEAD, model: ask(), label: ask(), settings: ask() }
    }

    /// Until the model is known, the board may have settings.
    fn await_settings(&self, into: &mut Reading) {
        let is_awaited = match has_settings(into) {
            None => self.model.is_awaited(),
            Some(has_settings) => has_settings && self.settings.is_awaited(),
        };
        into.awaited.settings = is_awaited && into.settings.cell_ovp.is_none();
    }

    fn request(&self, what: &'static str, function: u8, length: u8, required: bool) -> Request {
        let head = [self.head, self.address, function, length];
        let bytes = [&head[..], &[check(&head), END]].concat();
        Request { what, bytes: bytes.into(), timeout: Duration::from_millis(500), required }
    }
}

impl Codec for TianPower {
    fn framing(&self, buf: &[u8]) -> Framing {
        let shape = match buf {
            [] => return Framing::Incomplete,
            [head, rest @ ..] if HEADS.contains(head) => match rest {
                [] | [0..=MAX_ADDRESS] => return Framing::Incomplete,
                // The echo of a request for protections, whose length is none.
                [0..=MAX_ADDRESS, SETTINGS, PROTECTIONS, sum, END, ..]
                    if buf.first_chunk::<4>().is_some_and(|it| check(it) == *sum) =>
                {
                    return Framing::Skip(UNCOUNTED);
                }
                [0..=MAX_ADDRESS, VALUES | MODEL | LABEL | SETTINGS, ..] => SHAPES.iter().find(|shape| shape.header == [*head]),
                _ => None,
            },
            _ => None,
        };
        match shape.map(|shape| shape.framing(buf)) {
            Some(Framing::Skip(_)) | None => skip_to_any(|byte| HEADS.contains(&byte), buf),
            Some(step) => step,
        }
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.get(1).copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let Some((&[head, address, function, len], rest)) = frame.split_first_chunk::<4>() else {
            return Err(DecodeError::Short { field: "head" });
        };
        if let Expected::Request(request) = expected
            && !request.bytes.starts_with(&[head, address, function])
        {
            return Err(DecodeError::Foreign { what: "a reply to another request" });
        }
        let data = rest.get(..usize::from(len)).ok_or(DecodeError::Short { field: "data" })?;
        match (function, data) {
            (_, &[code @ 1..=6]) => return Err(DecodeError::Refused { code }),
            (VALUES, _) => {
                values::values(data, into)?;
                self.model.heard();
                self.label.heard();
                self.settings.heard();
                self.await_settings(into);
            }
            (MODEL, _) => {
                values::model(data, into);
            }
            (LABEL, _) => {
                into.device.serial_number = values::serial(data);
                if into.device.serial_number.is_none() {
                    self.label.answered();
                }
            }
            _ => {
                values::settings(data, into)?;
                into.awaited.settings = false;
            }
        }
        Ok(Progress::Done)
    }
}

impl Protocol for TianPower {
    fn identify(&self) -> Request {
        self.request("values", VALUES, 0, true)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![self.identify()];
        // Keeps the first reading short; these can wait for the second.
        if known.cell_count.is_none() {
            return plan;
        }
        // It tells whether there are settings.
        if known.device.model.is_none() && self.model.is_due(&LIMITS) {
            plan.push(self.request("model", MODEL, 0, false));
        }
        if known.device.serial_number.is_none() && self.label.is_due(&NAMES) {
            plan.push(self.request("label", LABEL, 0, false));
        }
        if has_settings(known) == Some(true) && known.settings.cell_ovp.is_none() && self.settings.is_due(&LIMITS) {
            plan.push(self.request("protections", SETTINGS, PROTECTIONS, false));
        }
        plan
    }

    fn needs_confirmation(&self) -> bool {
        true
    }
}
