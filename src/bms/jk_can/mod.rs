//! JK over CAN, 250 kbit/s: boards that send by themselves once their app is set to *JK BMS CAN Protocol (250K) V2.0*, or V1. Nothing is
//! ever sent to them.
//!
//! ```text
//! 2F4       20 ms … 100 ms   u16 0.1 V · u16 0.1 A + 4000 · u8 SoC % · u8 · u16 hours left
//! 4F4       100 ms           u16 highest cell mV · u8 its number · u16 lowest cell mV · u8 its number
//! 5F4       500 ms           u8 hottest °C + 50 · u8 its number · u8 coldest °C + 50 · u8 its number · u8 mean °C + 50
//! 7F4       with alarms      pairs of bits, see alarms.rs
//! 18E028F4 … 18E728F4        four cells each, u16 mV; zeros behind the last one                              V2
//! 18F128F4                   u16 remaining 0.1 Ah · u16 installed 0.1 Ah · u16 · u16 cycles                  V2
//! 18F228F4                   u8 mask of sensors · 5 × u8 °C + 50, the third is the MOSFETs'                  V2
//! 18F528F4                   bit 0 charge FET · 1 discharge FET · 2 balancing                                V2
//! 1806E5F4                   to a charger, high byte first: u16 0.1 V · u16 0.1 A · u8 0 may charge
//! 18F0F472                   the same of another protocol of the maker, which has other meanings behind these ids
//! ```
//! * The last byte of an id is F4 + the board's address (0 to 11), so several boards share a bus.
//! * Both editions of the maker's document say that a positive current discharges, other readers say that it charges, and no recording
//!   shows it: the direction is left open, and the charge decides it ([`JK_CAN_DIRECTION`](crate::model::JK_CAN_DIRECTION)).
//! * The English edition places the lowest cell elsewhere; the Chinese one and all frames agree on the above.
//! * V1 has neither cells nor FETs: [charge control](crate::battery::charge) has the extremes only.
//!
//! Source: JK "BMS-CAN communication protocol" V1.02 in both languages and "BMS_BB_PKG" V1.0 (periods), the frames of a public log, and
//! mr-manuel/venus-os_dbus-serialbattery. Words are little endian unless said otherwise.

pub(crate) mod alarms;
mod values;

use super::can::{self, IdFilter, LastFrames, Record};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::base::units::Moment;
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is that of its DIP switches.
pub const DRIVER: Driver = Driver {
    name: "jk-can",
    label: "JK CAN",
    boards: "JK BMS with CAN (JK BMS CAN Protocol 250K)",
    lines: &[Line::CAN],
    listed_lines_only: true,
    addresses: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Any,
    evidence: Evidence::Untested,
    transports: &[Transport::Can],
    new: |address| Box::new(JkCan { address, ..JkCan::default() }),
};

/// A frame of a board: that of the pack's values, which every board sends several times a second.
const STATUS: Request = Request::only_listen("status", Duration::from_millis(400));
/// All frames of a board, of which the slowest come once a second.
const FRAMES: Request = Request::only_listen("its frames", Duration::from_secs(4));

/// Last byte of the ids of address 0.
const BASE: u8 = 0xF4;
/// The kinds of frames: their ids without the last byte.
const PACK: u32 = 0x2;
const EXTREMES: u32 = 0x4;
const HEAT: u32 = 0x5;
const ALARMS: u32 = 0x7;
const CELLS: u32 = 0x8018_E028;
const LAST_CELLS: u32 = 0x8018_E728;
const CHARGE: u32 = 0x8018_F128;
const SENSORS: u32 = 0x8018_F228;
const STATES: u32 = 0x8018_F528;
const CHARGER: u32 = 0x8018_06E5;
/// A frame of the other protocol, with all four bytes.
const OTHER_PROTOCOL: u32 = 0x98F0_F472;

/// Filters of the kernel.
const FILTERS: &[IdFilter] = &[
    IdFilter { id: 0x2F0, mask: 0x7F0 },
    IdFilter { id: 0x4F0, mask: 0x7F0 },
    IdFilter { id: 0x5F0, mask: 0x7F0 },
    IdFilter { id: 0x7F0, mask: 0x7F0 },
    IdFilter { id: 0x98E0_28F0, mask: 0x1FF8_FFF0 },
    IdFilter { id: 0x98F0_28F0, mask: 0x1FF8_FFF0 },
    IdFilter { id: 0x9806_E5F0, mask: 0x1FFF_FFF0 },
    IdFilter { id: OTHER_PROTOCOL, mask: 0x1FFF_FFFF },
];

/// A set ends with the third of the frames of 500 ms, so that a second has passed, or with the thirtieth of 100 ms, if nothing is
/// known about the set.
const WHOLE_SET: [(u32, u8); 2] = [(HEAT, 3), (EXTREMES, 30)];
/// Least number of the frames of 100 ms in a set, so that an alarm, which comes as often, is heard in each.
const LEAST: u8 = 4;
/// Period of the slowest frames.
const SLOWEST: Duration = Duration::from_secs(1);
/// An older frame is no longer known.
const MAX_AGE: Duration = Duration::from_secs(5);

/// Decoder state.
#[derive(Debug, Default)]
struct JkCan {
    /// `None` accepts every board.
    address: Option<u8>,
    frames: LastFrames,
    /// A reading was planned: until then one frame identifies the board.
    is_in_use: bool,
    /// Cells were heard before.
    has_cells: bool,
    /// A frame of another protocol was heard.
    is_refused: bool,
}

/// Kind and address of a frame with this id.
fn kind(id: u32) -> Option<(u32, u8)> {
    let [.., last] = id.to_be_bytes();
    let kind = (id & !Record::EXTENDED) >> 8 | id & Record::EXTENDED;
    let known = match kind {
        PACK | EXTREMES | HEAT | ALARMS | CHARGE | SENSORS | STATES | CHARGER => true,
        _ => (CELLS..=LAST_CELLS).contains(&kind) && kind & 0xFF == CELLS & 0xFF,
    };
    match last.checked_sub(BASE) {
        _ if id == OTHER_PROTOCOL => Some((id, 0)),
        Some(address) if known => Some((kind, address)),
        _ => None,
    }
}

impl Codec for JkCan {
    fn framing(&self, buf: &[u8]) -> Framing {
        let is_record = match *buf {
            [] => true,
            [0 | 0x98] => true,
            [0, 0] | [0, 0, 2 | 4 | 5 | 7] => true,
            [0x98, second] => matches!(second, 0x06 | 0xE0..=0xE7 | 0xF0 | 0xF1 | 0xF2 | 0xF5),
            [0x98, 0x06, 0xE5] | [0x98, 0xE0..=0xE7 | 0xF1 | 0xF2 | 0xF5, 0x28] | [0x98, 0xF0, 0xF4] => true,
            [a, b, c, d] => kind(u32::from_be_bytes([a, b, c, d])).is_some(),
            [a, b, c, d, length, ..] => kind(u32::from_be_bytes([a, b, c, d])).is_some() && length <= 8,
            _ => false,
        };
        can::framing(buf, is_record, |_| true)
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        kind(Record::parse(frame)?.id()).map(|(_, address)| address)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let record = can::received(expected, frame)?;
        let kind = self.take(record)?;
        if !self.is_in_use && matches!(expected, Expected::Request(_)) {
            return Ok(if kind == PACK { self.show(into) } else { Progress::More });
        }
        if !self.is_complete() {
            return Ok(Progress::More);
        }
        self.show(into);
        self.frames.end_set();
        Ok(Progress::Done)
    }

    fn reset(&mut self) {
        self.frames.restart_set();
    }

    fn conclude(&mut self, into: &mut Reading) {
        if self.frames.knows_set() || self.is_refused {
            return;
        }
        self.show(into);
        // Whether others would have come is not known.
        into.alarms = into.alarms.take().filter(|_| self.frames.get_new(ALARMS).is_some());
    }

    fn arrived_at(&mut self, now: Moment) {
        self.frames.advance(now, |_| MAX_AGE);
    }

    fn overhear(&mut self, frame: &[u8]) {
        // The next poll tells what is wrong with it.
        let _ = Record::parse(frame).map(|record| self.take(record));
    }
}

impl JkCan {
    /// Keeps a frame of this board; returns its kind.
    fn take(&mut self, record: Record) -> Result<u32, DecodeError> {
        let (kind, address) = kind(record.id()).ok_or(DecodeError::Foreign { what: "a frame of another device" })?;
        if kind == OTHER_PROTOCOL {
            self.is_refused = true;
            return Err(DecodeError::Layout { what: "JK's protocol BMS_BB_PKG, which has other meanings behind the same ids" });
        }
        if self.address.is_some_and(|own| own != address) {
            return Err(DecodeError::Foreign { what: "a frame of another board" });
        }
        self.frames.take(kind, record);
        self.has_cells |= (CELLS..=LAST_CELLS).contains(&kind);
        Ok(kind)
    }

    /// Every frame that comes regularly was heard; in the first set twice, because then it is a whole one.
    fn is_complete(&self) -> bool {
        let regular = || self.frames.counts().filter(|(kind, _)| ![ALARMS, CHARGER].contains(kind)).map(|(_, count)| count);
        let required = self.frames.count(PACK) > 0 && self.frames.count(EXTREMES) >= LEAST;
        let is_long = WHOLE_SET.iter().any(|(kind, count)| self.frames.count(*kind) >= *count);
        let is_endless = self.frames.count(EXTREMES) >= 60 || self.frames.count(HEAT) >= 6;
        let regular = if self.frames.knows_set() {
            is_long || regular().all(|count| count > 0)
        } else {
            is_long && regular().all(|count| count > 1) && self.frames.has_lasted(SLOWEST)
        };
        required && (regular || is_endless)
    }

    fn show(&self, into: &mut Reading) -> Progress {
        values::show(&|kind| self.frames.get(kind), into);
        into.without_cells = !self.has_cells;
        // Sent only while there are some.
        into.alarms = Some(Vec::new());
        if let Some(record) = self.frames.get_new(ALARMS) {
            alarms::show(record.data(), into);
        }
        Progress::Done
    }
}

impl Protocol for JkCan {
    fn identify(&self) -> Request {
        STATUS
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
