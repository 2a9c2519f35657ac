//! Fast packets of NMEA 2000, put together by their sequence.
//!
//! ```text
//! id      3 bits priority | 18 bits PGN | 8 bits source
//! first   sequence (3 bits) 0 (5 bits) | length | 6 bytes
//! others  sequence          index      | 7 bytes
//! ```
//! Messages of one source may overlap: each sequence is put together on its own. A message with a lost frame gives nothing.

use super::message::is_single;
use crate::base::units::Moment;
use crate::bms::can::Record;
use std::collections::BTreeMap;
use std::time::Duration;

/// Number of a kind of message.
pub type Pgn = u32;

/// Longest message.
const MAX_LENGTH: usize = 223;
/// Messages under construction at most.
const MAX_OPEN: usize = 64;
/// A message takes some milliseconds; its sequence is used again after eight of them.
const TIMEOUT: Duration = Duration::from_millis(750);

/// Puts messages together.
#[derive(Debug, Default)]
pub struct Assembler {
    open: BTreeMap<(u8, Pgn, u8), Open>,
}

#[derive(Debug)]
struct Open {
    next: u8,
    length: usize,
    bytes: Vec<u8>,
    at: Moment,
}

impl Assembler {
    /// Takes a frame; source, PGN and content of the message that it completes. Frames with 11-bit ids are not from this bus.
    pub fn take(&mut self, frame: &Record, now: Moment) -> Option<(u8, Pgn, Vec<u8>)> {
        let id = frame.id();
        if id & Record::EXTENDED == 0 {
            return None;
        }
        let [priority_and_page, format, specific, source] = id.to_be_bytes();
        // Below F0 the next byte is a destination, not part of the number.
        let group = if format >= 0xF0 { specific } else { 0 };
        let pgn = u32::from_be_bytes([0, priority_and_page & 1, format, group]);
        let data = frame.data();
        if is_single(pgn) {
            return Some((source, pgn, data.to_vec()));
        }
        let (control, rest) = data.split_first()?;
        let (sequence, index) = (control >> 5, control & 0x1F);
        let key = (source, pgn, sequence);
        self.open.retain(|_, open| now.since(open.at) <= TIMEOUT);
        if index == 0 {
            let (length, rest) = rest.split_first()?;
            let length = usize::from(*length);
            // A single fast packet still has its head.
            if length == 0 || length > MAX_LENGTH || (self.open.len() >= MAX_OPEN && !self.open.contains_key(&key)) {
                return None;
            }
            self.open.insert(key, Open { next: 1, length, bytes: rest.to_vec(), at: now });
        } else {
            let open = self.open.get_mut(&key)?;
            if index.saturating_add(1) == open.next {
                // The frame before once more.
                return None;
            }
            if index != open.next {
                self.open.remove(&key);
                return None;
            }
            open.next = open.next.saturating_add(1);
            open.bytes.extend_from_slice(rest);
        }
        let complete = self.open.get(&key).is_some_and(|open| open.bytes.len() >= open.length);
        if !complete {
            return None;
        }
        let Open { mut bytes, length, .. } = self.open.remove(&key)?;
        bytes.truncate(length);
        Some((source, pgn, bytes))
    }
}
