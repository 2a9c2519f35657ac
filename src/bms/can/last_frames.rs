//! The last frame of each kind from a board that sends by itself, in sets: what is sent between two readings.

use super::Record;
use std::collections::BTreeMap;

/// The last frames of a board.
///
/// A decoder has no clock, so age is counted in sets. After a poll that no set has ended, the frames may be of any age, and all are
/// forgotten at the next one.
#[derive(Debug, Default)]
pub(crate) struct LastFrames {
    frames: BTreeMap<u32, LastFrame>,
    knows_set: bool,
    is_awaited: bool,
}

#[derive(Debug, Clone, Copy)]
struct LastFrame {
    record: Record,
    /// Number of them in this set.
    count: u8,
    /// Number of sets in a row without it.
    missed: u8,
}

impl LastFrames {
    /// Takes a frame of this kind.
    pub(crate) fn take(&mut self, kind: u32, record: Record) {
        let count = self.count(kind).saturating_add(1);
        self.frames.insert(kind, LastFrame { record, count, missed: 0 });
    }

    /// Number of frames of this kind in this set.
    pub(crate) fn count(&self, kind: u32) -> u8 {
        self.frames.get(&kind).map_or(0, |frame| frame.count)
    }

    /// The last frame of this kind.
    pub(crate) fn get(&self, kind: u32) -> Option<Record> {
        self.frames.get(&kind).map(|frame| frame.record)
    }

    /// The last frame of this kind, if it has come in this set.
    pub(crate) fn get_new(&self, kind: u32) -> Option<Record> {
        self.get(kind).filter(|_| self.count(kind) > 0)
    }

    /// The kinds that come, and how often each has come in this set.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (u32, u8)> {
        self.frames.iter().map(|(kind, frame)| (*kind, frame.count))
    }

    /// A whole set has passed, so it is known which kinds come.
    pub(crate) fn knows_set(&self) -> bool {
        self.knows_set
    }

    /// Ends the set and begins the next. A kind that was missing in more sets in a row than `may_miss` allows it is forgotten.
    pub(crate) fn end_set(&mut self, may_miss: impl Fn(u32) -> u8) {
        self.frames.retain(|kind, frame| {
            frame.missed = if frame.count > 0 { 0 } else { frame.missed.saturating_add(1) };
            frame.count = 0;
            frame.missed <= may_miss(*kind)
        });
        (self.knows_set, self.is_awaited) = (true, false);
    }

    /// Begins the present set again.
    pub(crate) fn restart_set(&mut self) {
        self.frames.values_mut().for_each(|frame| frame.count = 0);
    }

    /// A poll begins. True if the one before ended without a set, so that all frames were forgotten.
    pub(crate) fn begin_poll(&mut self) -> bool {
        let is_stale = std::mem::replace(&mut self.is_awaited, true);
        if is_stale {
            self.forget();
        }
        is_stale
    }

    /// Forgets all frames.
    pub(crate) fn forget(&mut self) {
        self.frames.clear();
        self.knows_set = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(byte: u8) -> Record {
        Record::new(0x351, &[byte])
    }

    #[test]
    fn a_kind_that_no_longer_comes_is_forgotten_after_its_number_of_sets() {
        let mut frames = LastFrames::default();
        frames.take(1, record(1));
        frames.take(2, record(2));
        frames.end_set(|_| 1);
        frames.take(1, record(3));
        assert_eq!((frames.get(1), frames.get(2), frames.get_new(2)), (Some(record(3)), Some(record(2)), None));
        frames.end_set(|_| 1);
        frames.take(1, record(4));
        frames.end_set(|_| 1);
        assert_eq!((frames.get(1), frames.get(2)), (Some(record(4)), None));
    }

    #[test]
    fn nothing_from_before_a_poll_that_failed_counts_in_the_next() {
        let mut frames = LastFrames::default();
        assert!(!frames.begin_poll());
        frames.take(1, record(1));
        frames.end_set(|_| 1);
        assert!(!frames.begin_poll() && frames.knows_set());
        frames.take(2, record(2));
        assert!(frames.begin_poll(), "no set has ended");
        assert_eq!((frames.get(1), frames.get(2), frames.count(2), frames.knows_set()), (None, None, 0, false));
    }
}
