//! LLT / JBD ("Xiaoxiang", Overkill Solar): `DD … 77` frames, 9600 8N1.
//!
//! ```text
//! request  DD A5 reg 00            chkH chkL 77     (5A instead of A5 writes: `commands.rs`)
//! reply    DD reg status len data… chkH chkL 77     status 00 fine, anything else a refusal with len 0
//! check    0x10000 - sum(reply: status, len, data), high byte first; the register is not in the sum
//! older    DD A5 status len data… chkH chkL 77     firmware of 2017 does not say which register it answers
//! ```
//! 77 and DD occur inside replies: only the length shows where one ends. Registers: 03 basic information, 04 cell voltages, 05
//! model, AA how often each protection has acted. Values are big endian. Source: Jiabaida "Communication Protocol" V4 and the
//! recordings in `tests/vectors/jbd`; the older frames are those of simat/BatteryMonitor.

pub(crate) mod alarms;
mod commands;
mod password;
mod values;

pub(super) use password::{password_is_accepted, password_request};

use super::asking::{AskUntilKnown, NAMES, SELDOM};
use super::bytes::{Reader, show_cells, skip_to, sum16, text, u16s_be, unless};
use super::frame_shape::{FrameShape, Length};
use super::write_sequence::WriteSequence;
use super::{
    Codec, Commands, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport,
};
use crate::base::units::Volts;
use crate::model::{Command, Reading};
use std::borrow::Cow;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "jbd",
    label: "LLT / JBD",
    boards: "JBD / LLT Power / Xiaoxiang smart BMS (SP, AP, DP, UP and L series), Overkill Solar, and batteries built with them",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial, Transport::Bluetooth],
    new: |_| Box::new(Jbd::default()),
};

const BASIC: Request = read("basic information", &[0xDD, 0xA5, 0x03, 0x00, 0xFF, 0xFD, 0x77], true);
const CELLS: Request = read("cell voltages", &[0xDD, 0xA5, 0x04, 0x00, 0xFF, 0xFC, 0x77], true);
const MODEL: Request = read("model", &[0xDD, 0xA5, 0x05, 0x00, 0xFF, 0xFB, 0x77], false);

const COUNTS: Request = read("protection counts", &[0xDD, 0xA5, 0xAA, 0x00, 0xFF, 0x56, 0x77], false);

const fn read(what: &'static str, bytes: &'static [u8], required: bool) -> Request {
    Request { what, bytes: Cow::Borrowed(bytes), timeout: Duration::from_millis(500), required }
}

/// Maximum data length seen is 64 (32 cells); a larger length is a false start.
const MAX_DATA: usize = 0x80;

const SHAPE: FrameShape =
    FrameShape { header: &[0xDD], length: Length::Stated { at: 3, wide: false, values: 0..=MAX_DATA, uncounted: 7 }, is_sound };

/// In place of the register in frames of 2017 firmware; in a request the same byte means "read".
const READ: u8 = 0xA5;

/// Decoder state: how often the model and the protection counts were requested, and whether an earlier reading had temperatures.
#[derive(Debug, Default)]
struct Jbd {
    model: AskUntilKnown,
    temperatures_known: bool,
    counts: AskUntilKnown,
    /// The note of them, which is part of each reading.
    acted: Option<String>,
}

impl Codec for Jbd {
    fn framing(&self, buf: &[u8]) -> Framing {
        let (second, third, len) = match buf {
            [_, second, third, len, ..] => (*second, *third, *len),
            _ => return SHAPE.framing(buf),
        };
        // An echoed request has its length at the same offset, after A5 or 5A and the register. Register 00 is never read: there it
        // is the status of an older reply.
        let older = second == READ && third == 0 && len > 0;
        let echo = matches!(second, READ | 0x5A) && !older;
        match SHAPE.framing(buf) {
            // A refusal has no data.
            _ if !echo && third != 0 && len != 0 => skip_to(0xDD, buf),
            Framing::Frame(range) if echo => Framing::Skip(range.end),
            step => step,
        }
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let mut r = Reader::new(frame);
        r.skip(1, "start")?;
        let (register, status) = (r.u8("register")?, r.u8("status")?);
        let len = usize::from(r.u8("length")?);
        let data = r.bytes(len, "data")?;
        let register = if register == READ { register_of(data)? } else { register };
        if let Expected::Request(request) = expected
            && request.bytes.get(2) != Some(&register)
        {
            return Err(DecodeError::Foreign { what: "another register" });
        }
        if status != 0 {
            match register {
                0x05 => self.model.answered(),
                0xAA => self.counts.answered(),
                _ => {}
            }
            return Err(DecodeError::Refused { code: status });
        }
        match register {
            0x03 => {
                values::basic(&mut Reader::new(data), into)?;
                self.model.heard();
                self.counts.heard();
                self.note_acted(into);
                // Sensors are announced but not sent: see below.
                into.awaited.temperatures = into.temperatures.sensors.is_none() && !self.temperatures_known;
            }
            0x04 => show_cells(u16s_be(data).map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into),
            0x05 => into.device.model = text(data),
            0xAA => {
                self.counts.answered();
                let before = std::mem::replace(&mut self.acted, values::acted(data));
                into.notes.retain(|note| before.as_deref() != Some(note));
                self.note_acted(into);
            }
            _ => {} // acknowledges and registers without values for a reading
        }
        Ok(Progress::Done)
    }
}

impl Jbd {
    fn note_acted(&self, into: &mut Reading) {
        if let Some(acted) = &self.acted {
            into.note(acted.clone());
        }
    }
}

impl Protocol for Jbd {
    fn identify(&self) -> Request {
        BASIC
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        self.temperatures_known |= known.temperatures.sensors.is_some();
        let mut plan = vec![BASIC, CELLS];
        if known.device.model.is_none() && self.model.is_due(&NAMES) {
            plan.push(MODEL);
        }
        if known.cell_count.is_some() && self.counts.is_due(&SELDOM) {
            plan.push(COUNTS);
        }
        plan
    }

    fn commands(&self) -> Option<&dyn Commands> {
        Some(self)
    }
}

impl Commands for Jbd {
    fn encode(&self, command: Command, known: &Reading, _: Option<u64>, first_try: bool) -> Option<WriteSequence> {
        commands::encode(command, known, first_try)
    }

    fn cleanup(&self) -> Option<WriteSequence> {
        Some(commands::cleanup())
    }
}

fn is_sound(frame: &[u8]) -> bool {
    let Some((summed, &[high, low, 0x77])) = frame.split_last_chunk() else { return false };
    sum16(summed.get(2..).unwrap_or_default()).wrapping_add(u16::from_be_bytes([high, low])) == 0
}

/// The register of an older reply, as far as its content shows.
fn register_of(data: &[u8]) -> Result<u8, DecodeError> {
    let is_basic = data.get(22).is_some_and(|sensors| data.len() == 23usize.saturating_add(2 * usize::from(*sensors)));
    let is_cells = data.len().is_multiple_of(2) && u16s_be(data).all(|millivolts| millivolts <= 5000);
    match data {
        _ if is_basic => Ok(0x03),
        _ if data.iter().all(|byte| matches!(byte, 0x20..=0x7E)) => Ok(0x05),
        _ if is_cells => Ok(0x04),
        _ => Err(DecodeError::Foreign { what: "a reply that does not say its register" }),
    }
}
