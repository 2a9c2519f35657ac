//! RV-C, 250 kbit/s: the bus of motor homes, on which a battery monitor or BMS sends the state of a *DC source* by itself. Nothing is ever
//! sent to it.
//!
//! ```text
//! id       priority 3 bits · DGN 17 bits · sender 8 bits         all begin with u8 instance · u8 priority of the device
//! 1FFFD    u16 0.05 V · u32 0.001 A + 2,000,000 A
//! 1FFFC    u16 1/32 °C + 273 · u8 SoC 0.5 % · u16 minutes left
//! 1FFFB    u8 SoH 0.5 % · u16 remaining Ah · u8 0.5 %
//! 1FEC9    u8 desired state of charge (1: do not charge) · u16 desired 0.05 V · u16 desired 0.05 A + 1600 A · u8 type
//! 1FEC7    pairs of bits: limit reached, disconnected; for voltage high and low, SoC low, cold, hot, current high
//! 1FEA5    pairs of bits: discharge contactor, charge contactor, charge detected, reserve · u16 full capacity Ah · u16 W
//! ```
//! * The highest values of each width mean: not available, error, reserved.
//! * Several devices may speak of the same instance: the highest priority counts (a BMS has 120). A device of a lower one that repeats
//!   what another sends (a GX device has 119) is not read.
//! * A document of one maker and one recorded bank count discharge as positive, other readers charge: the direction is left open, and
//!   the charge decides it ([`RV_C_DIRECTION`](crate::model::RV_C_DIRECTION)).
//! * There are no single cells and no number of cells: [charge control](crate::battery::charge) obeys the limits of 1FEC9.
//!
//! Source: the layout in linuxkidd/rvc-monitor-py, Lithionics' description of its messages, and public frames of a Renogy REGO bank. Words
//! are little endian.

mod values;

use super::can::{self, IdFilter, LastFrames, Record};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::base::units::Moment;
use crate::model::Reading;
use std::time::Duration;
pub(crate) use values::ALARMS;
use values::{CAPACITY, DESIRED, FLAGS, HEALTH, MEASURED, STATE};

/// The registry entry. A battery's address is the instance of its DC source.
pub const DRIVER: Driver = Driver {
    name: "rv-c",
    label: "RV-C",
    boards: "battery monitors and BMS on the RV-C bus of a motor home (DC source), read only",
    lines: &[Line::CAN],
    listed_lines_only: true,
    addresses: &[1, 2, 3, 4],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Any,
    evidence: Evidence::Untested,
    transports: &[Transport::Can],
    new: |address| Box::new(RvC { address, ..RvC::default() }),
};

/// Voltage and current, which come at least once a second.
const PRESENT: Request = Request::only_listen("status 1", Duration::from_millis(1500));
/// All frames, of which the slowest come every five seconds.
const FRAMES: Request = Request::only_listen("its frames", Duration::from_secs(4));

/// Filters of the kernel: any priority and sender.
const FILTERS: &[IdFilter] = &[
    IdFilter { id: 0x81FF_FD00, mask: 0x01FF_FF00 },
    IdFilter { id: 0x81FF_FC00, mask: 0x01FF_FF00 },
    IdFilter { id: 0x81FF_FB00, mask: 0x01FF_FF00 },
    IdFilter { id: 0x81FE_C900, mask: 0x01FF_FF00 },
    IdFilter { id: 0x81FE_C700, mask: 0x01FF_FF00 },
    IdFilter { id: 0x81FE_A500, mask: 0x01FF_FF00 },
];

/// Older frames are no longer known: those that come once or twice in a second, and the others, of which the limits come every five
/// seconds.
const MAX_AGE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(15));
/// Frames that come twice in a second, the least time between two of a kind, and the longest that all of them together take.
const FAST: [u32; 3] = [MEASURED, STATE, HEALTH];
const PERIOD: Duration = Duration::from_millis(450);
const BURST: Duration = Duration::from_millis(200);
/// A set does not wait longer than for this number of frames with the measured values: others may come less often than usual.
const MOST: u8 = 4;
/// A device that is silent for this number of frames of another one has left its task to that one.
const REPLACED_AFTER: u8 = 10;

/// Decoder state.
#[derive(Debug, Default)]
struct RvC {
    /// `None` accepts every instance.
    address: Option<u8>,
    frames: LastFrames,
    /// Priority and address of the device whose frames these are.
    source: Option<(u8, u8)>,
    /// A reading was planned: until then one frame identifies the source.
    is_in_use: bool,
    /// Number of such frames from another device since the last one of the known one.
    others: u8,
}

/// The DGN of an id, if it is one of a DC source.
fn dgn(id: u32) -> Option<u32> {
    let dgn = id >> 8 & 0x1_FFFF;
    (id & Record::EXTENDED != 0 && [MEASURED, STATE, HEALTH, DESIRED, FLAGS, CAPACITY].contains(&dgn)).then_some(dgn)
}

impl Codec for RvC {
    fn framing(&self, buf: &[u8]) -> Framing {
        let is_record = match *buf {
            [] => true,
            [first] => first & 0xE1 == 0x81,
            [first, second] => first & 0xE1 == 0x81 && matches!(second, 0xFF | 0xFE),
            [a, b, c] => dgn(u32::from_be_bytes([a, b, c, 0])).is_some() && a & 0x60 == 0,
            [a, b, c, d] => dgn(u32::from_be_bytes([a, b, c, d])).is_some() && a & 0x60 == 0,
            [a, b, c, d, length, ..] => dgn(u32::from_be_bytes([a, b, c, d])).is_some() && a & 0x60 == 0 && length <= 8,
        };
        can::framing(buf, is_record, |record| record.data().len() >= 3)
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        Record::parse(frame)?.data().first().copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let dgn = self.take(can::received(expected, frame)?)?;
        let identifies = !self.is_in_use && matches!(expected, Expected::Request(_)) && dgn == Some(MEASURED);
        if !(identifies || self.is_complete()) {
            return Ok(Progress::More);
        }
        values::show(&|dgn| self.frames.get(dgn), into);
        self.frames.end_set();
        Ok(Progress::Done)
    }

    fn reset(&mut self) {
        self.frames.restart_set();
    }

    fn conclude(&mut self, into: &mut Reading) {
        if !self.frames.knows_set() {
            values::show(&|dgn| self.frames.get(dgn), into);
        }
    }

    fn arrived_at(&mut self, now: Moment) {
        self.frames.advance(now, |dgn| if FAST.contains(&dgn) { MAX_AGE.0 } else { MAX_AGE.1 });
    }

    fn overhear(&mut self, frame: &[u8]) {
        // The next poll tells what is wrong with it.
        let _ = Record::parse(frame).map(|record| self.take(record));
    }
}

impl RvC {
    /// Keeps a frame of this battery; returns its DGN, or nothing if another device sent it.
    fn take(&mut self, record: Record) -> Result<Option<u32>, DecodeError> {
        let dgn = dgn(record.id()).ok_or(DecodeError::Foreign { what: "a frame about something else" })?;
        let [instance, priority, ..] = *record.data() else { return Err(DecodeError::Short { field: "priority" }) };
        if self.address.is_some_and(|own| own != instance) {
            return Err(DecodeError::Foreign { what: "a frame about another battery" });
        }
        let [.., sender] = record.id().to_be_bytes();
        let is_other = self.source.is_some_and(|known| known != (priority, sender));
        if is_other && !self.is_chosen(dgn, priority) {
            return Ok(None);
        }
        self.source = Some((priority, sender));
        self.frames.take(dgn, record);
        if dgn == MEASURED {
            self.others = 0;
        }
        Ok(Some(dgn))
    }

    /// Every frame that comes as often as the measured values has come; in the first set once between two of them.
    fn is_complete(&mut self) -> bool {
        let measured = self.frames.count(MEASURED);
        let mut as_often = FAST.into_iter().filter(|dgn| self.frames.get(*dgn).is_some());
        let is_whole = match self.frames.knows_set() {
            true => as_often.all(|dgn| self.frames.count(dgn) > 0) || measured >= MOST,
            false => measured >= 2 && self.frames.has_lasted(PERIOD),
        };
        let is_enough = measured > 0 && self.frames.get(STATE).is_some() && is_whole;
        is_enough && self.frames.is_of_one_moment(BURST, |dgn| FAST.contains(&dgn), measured >= MOST)
    }

    /// Another device speaks of the same battery: the higher priority counts, and of two equal ones the one that is known, while its
    /// measured values are heard.
    fn is_chosen(&mut self, dgn: u32, priority: u8) -> bool {
        let (known, _) = self.source.unwrap_or_default();
        self.others = self.others.saturating_add(u8::from(dgn == MEASURED));
        let is_silent = if self.frames.get(MEASURED).is_some() { self.others >= REPLACED_AFTER } else { dgn == MEASURED };
        if priority <= known && !is_silent {
            return false;
        }
        self.frames.forget();
        self.others = 0;
        true
    }
}

impl Protocol for RvC {
    fn identify(&self) -> Request {
        PRESENT
    }

    fn can_ids(&self) -> &'static [IdFilter] {
        FILTERS
    }

    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        self.is_in_use = true;
        vec![FRAMES]
    }

    /// The controller checks every frame by a CRC.
    fn has_weak_checksum(&self) -> bool {
        false
    }
}
