//! JBD UP16S (UP16S015, 019, 020) in rack batteries: functions 78 and 45, 9600 8N1, big endian.
//!
//! ```text
//! request  address 78 start.. end.. 00 00 crc crc      function 45: start 0000, end 0054
//! reply    address 78 start.. end.. length.. data crc crc
//! 78 1000  values of a pack, the slaves' through the master; the master's limits are those of all packs together
//! 45       own values of the pack on this cable; with 116 bytes of data (UP16S) they include its own limits
//! 78 1C00  texts and dates of the pack on this cable
//! 78 1800  its protections: 208 bytes
//! ```
//! The CRC is that of Modbus. Slaves answer neither 45 nor 1C00 and 1800. Daren boards have 45 on the link between their packs, with 85
//! bytes. Function 79 writes and is never sent; nor is a read of 2000, after which old firmware asks for no current for a moment.
//!
//! Sources: syssi/esphome-jbd-bms (docs/pdus/JBD-UP16S020-two-devices.txt), mr-manuel/venus-os_dbus-serialbattery issues 461 and
//! 478, and the recordings in `tests/vectors/jbd-up16s`.

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, CHANGING, NAMES, Refresh};
use super::bytes::{Reader, crc_frame, skip_to_any};
use super::modbus::with_crc;
use super::{
    Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Sniff, Transport,
};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its DIP address; the master is 1.
pub const DRIVER: Driver = Driver {
    name: "jbd-up16s",
    label: "JBD UP16S",
    boards: "JBD UP16S015, UP16S019 and UP16S020 in rack batteries (Eco-Worthy 48100 3U and others); a whole chain through its master",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(16),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| {
        let address = address.unwrap_or(1);
        Box::new(Up16s { address, refresh: Refresh::of_board(address), ..Up16s::default() })
    },
};

const READ: u8 = 0x78;
const OWN: u8 = 0x45;
/// Address, function, start, end, length.
const HEAD: usize = 8;
/// Most bytes of data: 32 cells and 16 sensors.
const MAX_DATA: usize = 256;

const VALUES: u16 = 0x1000;
const TEXTS: u16 = 0x1C00;
const SETTINGS: u16 = 0x1800;

#[derive(Debug, Default)]
struct Up16s {
    address: u8,
    own: AskUntilKnown,
    /// The pack has told its own limits, so those of all packs are never taken for them.
    has_own_limits: bool,
    texts: AskUntilKnown,
    settings: AskUntilKnown,
    refresh: Refresh,
}

/// The first bytes of a frame.
struct Head {
    address: u8,
    function: u8,
    start: u16,
    len: usize,
}

impl Head {
    fn of(frame: &[u8]) -> Option<Self> {
        let &[address, function, a, b, _, _, high, low] = frame.first_chunk::<HEAD>()?;
        Some(Self { address, function, start: u16::from_be_bytes([a, b]), len: usize::from(u16::from_be_bytes([high, low])) })
    }
}

impl Codec for Up16s {
    fn framing(&self, buf: &[u8]) -> Framing {
        let skip = || skip_to_any(|byte| matches!(byte, 1..=16), buf);
        match buf {
            [] | [1..=16] => return Framing::Incomplete,
            [1..=16, READ | OWN, ..] => {}
            _ => return skip(),
        }
        let Some(head) = Head::of(buf) else { return Framing::Incomplete };
        // No data is a request.
        if head.len == 0 || head.len > MAX_DATA {
            return skip();
        }
        match crc_frame(buf, head.len.saturating_add(HEAD).saturating_add(2)) {
            Framing::Skip(_) => skip(),
            step => step,
        }
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let head = Head::of(frame).ok_or(DecodeError::Short { field: "head" })?;
        if let Expected::Request(request) = expected
            && Head::of(&request.bytes)
                .is_none_or(|asked| (asked.address, asked.function, asked.start) != (head.address, head.function, head.start))
        {
            return Err(DecodeError::Foreign { what: "a reply to another request" });
        }
        let data = frame.get(HEAD..).and_then(|rest| rest.get(..head.len)).ok_or(DecodeError::Short { field: "data" })?;
        let mut r = Reader::new(data);
        match (head.function, head.start) {
            (READ, VALUES) => {
                values::values(&mut r, self.has_own_limits, into)?;
                self.own.heard();
                self.texts.heard();
                self.settings.heard();
            }
            (OWN, _) => {
                self.has_own_limits |= values::own(&mut r, into)?;
                self.own.answered();
            }
            (READ, TEXTS) => {
                values::texts(&mut r, into)?;
                self.texts.answered();
            }
            (READ, SETTINGS) => {
                values::settings(&mut r, into)?;
                self.settings.answered();
                self.refresh.answered();
            }
            _ => return Err(DecodeError::Foreign { what: "unknown registers" }),
        }
        Ok(Progress::Done)
    }
}

impl Protocol for Up16s {
    fn identify(&self) -> Request {
        self.request("values", READ, [0x10, 0x00, 0x10, 0xA0], true)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![self.identify()];
        if self.own.is_due(&CHANGING) {
            plan.push(self.request("own values", OWN, [0x00, 0x00, 0x00, 0x54], false));
        }
        // Keeps the first reading short; this can wait for the second.
        if known.cell_count.is_some() && known.device.serial_number.is_none() && self.texts.is_due(&NAMES) {
            plan.push(self.request("texts", READ, [0x1C, 0x00, 0x1C, 0xA0], false));
        }
        // As the slaves do not answer, no more often than for names.
        let is_due = match known.settings.cell_ovp {
            None => known.cell_count.is_some() && self.settings.is_due(&NAMES),
            Some(_) => self.refresh.is_due(),
        };
        if is_due {
            plan.push(self.request("settings", READ, [0x18, 0x00, 0x19, 0x00], false));
        }
        plan
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }

    fn sniff(&self) -> Option<&dyn Sniff> {
        Some(self)
    }
}

impl Sniff for Up16s {
    fn request_target(&self, buf: &[u8]) -> Option<u8> {
        let head = Head::of(buf).filter(|head| head.len == 0 && matches!(head.function, READ | OWN))?;
        matches!(crc_frame(buf, HEAD.saturating_add(2)), Framing::Frame(_)).then_some(head.address)
    }
}

impl Up16s {
    /// A pack takes up to 0.6 s to answer.
    fn request(&self, what: &'static str, function: u8, [a, b, c, d]: [u8; 4], required: bool) -> Request {
        let bytes = with_crc(vec![self.address, function, a, b, c, d, 0, 0]);
        Request { what, bytes: bytes.into(), timeout: Duration::from_millis(900), required }
    }
}
