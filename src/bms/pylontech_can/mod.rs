//! Pylontech's and Victron's CAN protocol, read in: batteries that send these frames by themselves, once a second, for an inverter. Nothing is
//! ever sent to them.
//!
//! ```text
//! 351  u16 charge voltage 0.1 V · i16 charge current 0.1 A · i16 discharge current 0.1 A · u16 discharge voltage 0.1 V
//! 354  u16 installed capacity Ah · u16 remaining Ah (Discover)
//! 355  u16 SoC % · u16 SoH % · u16 SoC 0.01 % (some)
//! 356  i16 0.01 V (Discover: 0.1 V) · i16 0.1 A, + charges · i16 0.1 °C
//! 359  protections, two bytes · warnings, two bytes · u8 modules          Pylontech
//! 35A  alarms, four bytes of pairs of bits · warnings, likewise           Victron, SMA
//! 35C  7 may charge · 6 may discharge · 5, 4 charge it now · 3 charge it fully
//! 35E  maker, text · 370, 371 name, text · 380, 381 serial number, text
//! 373  u16 lowest cell mV · u16 highest cell mV · u16 coldest K · u16 hottest K
//! 379  u16 installed capacity Ah
//! ```
//! * There are no single cells and no number of cells: [charge control](crate::battery::charge) obeys the limits of 351.
//! * 35F and, from Daly boards, 379 carry the remaining charge under the name of the installed one. 35F is not read.
//! * 370 to 372 and 374 to 377 have other meanings with other makers: only what is certain is read.
//! * A battery's frames have the same ids as those of any other one, and as the output of this driver to an inverter. Those of a Daly board
//!   (which [`super::daly`] reads) and of this driver are refused by their names.
//!
//! Source: Pylontech "CAN bus protocol low voltage" V1.2, Victron's frames as of BYD and Discover batteries, and the frames in
//! `tests/vectors/pylontech-can`. Words are little endian.

pub(crate) mod alarms;
mod values;

use super::can::{self, IdFilter, LastFrames};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::base::units::Moment;
use crate::model::Reading;
use std::time::Duration;
use values::{ALARMS, CHARGE, LIMITS, MEASURED};

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "pylontech-can",
    label: "Pylontech / Victron CAN",
    boards: "batteries with Pylontech's or Victron's CAN protocol, read in on computers without Venus OS",
    lines: &[Line::CAN],
    listed_lines_only: true,
    addresses: &[],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    evidence: Evidence::RecordingsExcept("alarms, and the extremes of the cells, which documents describe"),
    transports: &[Transport::Can],
    new: |_| Box::new(PylontechCan::default()),
};

/// The frames, which the battery sends by itself once a second.
const FRAMES: Request = Request::only_listen("its frames", Duration::from_secs(4));

/// The ids that are read.
const IDS: [u16; 14] = [LIMITS, 0x354, CHARGE, MEASURED, 0x359, ALARMS, 0x35C, 0x35E, 0x370, 0x371, 0x373, 0x379, 0x380, 0x381];
/// Filters of the kernel: no more are needed for the few other frames of these ranges.
const FILTERS: &[IdFilter] =
    &[IdFilter { id: 0x350, mask: 0x7F0 }, IdFilter { id: 0x370, mask: 0x7F0 }, IdFilter { id: 0x380, mask: 0x7F0 }];
/// Without these there is no reading.
const REQUIRED: [u16; 3] = [LIMITS, CHARGE, MEASURED];
/// Least time between two frames of a kind, and the longest that all of them together take.
const PERIOD: Duration = Duration::from_millis(900);
const BURST: Duration = Duration::from_millis(500);
/// An older frame is no longer known.
const MAX_AGE: Duration = Duration::from_secs(10);

/// Decoder state: the last frame of each id. A set is complete once every frame that usually comes has come.
#[derive(Debug, Default)]
struct PylontechCan {
    frames: LastFrames,
}

impl Codec for PylontechCan {
    fn framing(&self, buf: &[u8]) -> Framing {
        let is_header = buf.iter().zip(0..5).all(|(byte, at)| match at {
            0 | 1 => *byte == 0,
            2 => *byte == 3,
            3 => IDS.contains(&u16::from_be_bytes([3, *byte])),
            _ => *byte <= 8,
        });
        can::framing(buf, is_header, |_| true)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let record = can::received(expected, frame)?;
        let id = record.frame().ok_or(DecodeError::Foreign { what: "a frame with an id of 29 bits" })?.id();
        self.frames.take(id.into(), record);
        values::refuse(&|id| self.frames.get(id.into()))?;
        if !self.is_complete() {
            return Ok(Progress::More);
        }
        values::show(&|id| self.frames.get(id.into()), into);
        self.frames.end_set();
        Ok(Progress::Done)
    }

    fn reset(&mut self) {
        self.frames.restart_set();
    }

    fn conclude(&mut self, into: &mut Reading) {
        let frame = |id: u16| self.frames.get(id.into());
        if !self.frames.knows_set() && values::refuse(&frame).is_ok() {
            values::show(&frame, into);
        }
    }

    fn arrived_at(&mut self, now: Moment) {
        self.frames.advance(now, |_| MAX_AGE);
    }
}

impl PylontechCan {
    fn is_complete(&mut self) -> bool {
        let measured = self.frames.count(MEASURED.into());
        let required = REQUIRED.iter().all(|id| self.frames.count((*id).into()) > 0);
        let usual = self.frames.knows_set() && self.frames.counts().all(|(_, count)| count > 0);
        // With the second frame of the measured values a whole set has passed.
        let is_whole = required && (usual || measured >= 2 && self.frames.has_lasted(PERIOD));
        is_whole && self.frames.is_of_one_moment(BURST, |_| true, measured >= 3)
    }
}

impl Protocol for PylontechCan {
    fn identify(&self) -> Request {
        FRAMES
    }

    fn can_ids(&self) -> &'static [IdFilter] {
        FILTERS
    }

    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        vec![FRAMES]
    }

    /// The controller checks every frame by a CRC.
    fn has_weak_checksum(&self) -> bool {
        false
    }
}
