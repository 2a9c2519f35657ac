//! TopBMS (16S LFP, "V1.7" ASCII protocol): `~ … CR` in upper-case hex, 9600 8N1.
//!
//! ```text
//! request  ~ 21 adr 46 cid2 LENGTH pack CHKSUM CR     cid2: 42 values, 44 alarms; pack is the address again
//! reply    ~ 52 adr 46 rtn  LENGTH INFO CHKSUM CR     the frame is that of `ascii.rs`
//!
//! INFO 42  pack, u8 cells, u16 mV each, u8 sensors, u16 °C + 40 each, i16 current 10 mA (+ charges), u16 pack 10 mV,
//!          u16 remaining 10 mAh, u8 words that follow (5 or 6): capacity 10 mAh, cycles, u8 SoC and u8 SoH, balancing (bit 0 is
//!          cell 1), the rest is unknown
//! INFO 44  pack, u8 cells, a code each, u8 sensors, a code each, current code, voltage code, 2 bytes short circuits,
//!          u8 status bytes that follow, 0 to 2 reserved (the document has 2, boards send fewer); codes: 00 fine, 01 low,
//!          02 high, F0 other
//! ```
//! The document has an INFOFLAG before INFO, the recording has none: both are accepted if the counts match the length. Pylontech
//! (VER 20, 0.1 K), Pace (25) and TopBAND (the same request, 0.1 K) look similar and are different protocols.
//!
//! Source: kekemar/TopBMS_To_Domoticz (BMS/Protocol_BMS.pdf, README.md). Reply 44 is known from the document only.

pub(crate) mod alarms;
mod values;

use super::ascii::{self, Header};
use super::asking::{AskUntilKnown, CHANGING};
use super::bytes::Reader;
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::borrow::Cow;
use std::time::Duration;

/// The registry entry. A battery's address is its pack number.
pub const DRIVER: Driver = Driver {
    name: "topbms",
    label: "TopBMS",
    boards: "TopBMS 16S LFP packs (ASCII protocol V1.7)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1, 0],
    gap: Duration::from_millis(20),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(16),
    evidence: Evidence::RecordingsExcept("alarms (reply 44), which one document describes; one reply of one pack is recorded"),
    transports: &[Transport::Serial],
    new: |address| Box::new(TopBms { address: address.unwrap_or(1), alarms: AskUntilKnown::default() }),
};

const VALUES: u8 = 0x42;
const ALARMS: u8 = 0x44;

/// VER of a request, and CID1 of both.
const REQUEST: u8 = 0x21;
const BATTERY: u8 = 0x46;
/// Bytes of INFO in the longest reply: 48 cells, 16 sensors.
const MAX_INFO: usize = 2 + 2 * 48 + 1 + 2 * 16 + 8 + 16;
const MAX_CELLS: usize = 48;
const MAX_SENSORS: usize = 16;

/// Decoder state: the pack's address, and which requests it never replies to.
#[derive(Debug)]
struct TopBms {
    address: u8,
    alarms: AskUntilKnown,
}

impl Codec for TopBms {
    fn framing(&self, buf: &[u8]) -> Framing {
        // A command in place of RTN.
        ascii::framing(buf, MAX_INFO, |header| header.version == REQUEST && matches!(header.cid2 >> 4, 0x4 | 0x5 | 0xE | 0xF))
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        Header::of(frame).map(|header| header.address)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let header = Header::of(frame).ok_or(DecodeError::Short { field: "header" })?;
        family(&header)?;
        let asked = match expected {
            Expected::Any => None,
            Expected::Request(request) => {
                let asked = Header::of(&request.bytes).filter(|asked| asked.address == header.address);
                Some(asked.ok_or(DecodeError::Foreign { what: "another pack" })?)
            }
        };
        if header.cid2 != 0 {
            return Err(DecodeError::Refused { code: header.cid2 });
        }
        let info = ascii::info(frame)?;
        // With INFOFLAG the fields are shifted by one byte.
        let layouts = [info.as_slice(), info.get(1..).unwrap_or_default()];
        let kinds = [VALUES, ALARMS].into_iter().filter(|kind| asked.is_none_or(|asked| asked.cid2 == *kind));
        let mut declined = None;
        for (kind, layout) in kinds.flat_map(|kind| layouts.map(|layout| (kind, layout))) {
            let mut merged = into.clone();
            match read(kind, layout, &mut merged) {
                Ok(()) => {
                    *into = merged;
                    if kind == ALARMS {
                        self.alarms.answered();
                    } else {
                        self.alarms.heard();
                    }
                    return Ok(Progress::Done);
                }
                Err(error) => declined = declined.or(Some(error)),
            }
        }
        Err(declined.unwrap_or(DecodeError::Foreign { what: "another command" }))
    }
}

impl Protocol for TopBms {
    fn identify(&self) -> Request {
        self.request("values", VALUES, true)
    }

    fn plan(&mut self, _known: &Reading) -> Vec<Request> {
        let mut plan = vec![self.identify()];
        if self.alarms.is_due(&CHANGING) {
            plan.push(self.request("alarms", ALARMS, false));
        }
        plan
    }
}

impl TopBms {
    fn request(&self, what: &'static str, command: u8, required: bool) -> Request {
        let header = Header { version: REQUEST, address: self.address, cid1: BATTERY, cid2: command };
        let bytes = Cow::Owned(header.frame(&[self.address]));
        Request { what, bytes, timeout: Duration::from_millis(600), required }
    }
}

fn read(kind: u8, info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let mut r = Reader::new(info);
    r.skip(1, "pack number")?;
    if kind == VALUES { values::values(&mut r, into) } else { alarms::alarms(&mut r, into) }
}

const UNFIT: DecodeError = DecodeError::Foreign { what: "counts that do not fit the length" };

fn count(r: &mut Reader<'_>, most: usize, field: &'static str) -> Result<usize, DecodeError> {
    Some(usize::from(r.u8(field)?)).filter(|count| *count <= most).ok_or(UNFIT)
}

/// Other families share frame and checksums, but not the content.
fn family(header: &Header) -> Result<(), DecodeError> {
    let what = match (header.version, header.cid1) {
        (0x52, BATTERY) => return Ok(()),
        (0x20, _) => "VER 20: a Pylontech or Seplos battery",
        (REQUEST, _) => "VER 21: a TopBAND battery, or a request",
        (0x22, _) => "VER 22: a Daren or KS48100 battery",
        (0x25, _) => "VER 25: a Pace or TDT battery",
        _ => "another battery family with this frame",
    };
    Err(DecodeError::Foreign { what })
}
