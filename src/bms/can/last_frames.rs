//! The last frame of each kind from a board that sends by itself, in sets: what is sent between two readings.

use super::Record;
use crate::base::units::Moment;
use std::collections::BTreeMap;
use std::time::Duration;

/// The last frames of a board.
///
/// Each kind is forgotten at a certain age; the decoder says at which, and [when it is](Self::advance).
#[derive(Debug, Default)]
pub(crate) struct LastFrames {
    frames: BTreeMap<u32, LastFrame>,
    now: Option<Moment>,
    /// When the first frame of this set arrived.
    began: Option<Moment>,
    knows_set: bool,
    /// The board spreads its frames over the time, instead of sending all of them in a burst.
    is_spread: bool,
}

#[derive(Debug, Clone, Copy)]
struct LastFrame {
    record: Record,
    /// Number of them in this set.
    count: u8,
    /// When it arrived; `None` in a recording without times.
    at: Option<Moment>,
}

impl LastFrames {
    /// The next frames arrive at this moment. Those that are older than the `longest` age of their kind are forgotten.
    pub(crate) fn advance(&mut self, now: Moment, longest: impl Fn(u32) -> Duration) {
        self.now = self.now.max(Some(now));
        let known = self.frames.len();
        self.frames.retain(|kind, frame| frame.at.is_some_and(|at| now.since(at) <= longest(*kind)));
        self.knows_set &= self.frames.len() == known;
    }

    /// Takes a frame of this kind.
    pub(crate) fn take(&mut self, kind: u32, record: Record) {
        let count = self.count(kind).saturating_add(1);
        self.began = self.began.or(self.now);
        self.frames.insert(kind, LastFrame { record, count, at: self.now });
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

    /// This set has lasted for so long; always true in a recording without times.
    pub(crate) fn has_lasted(&self, time: Duration) -> bool {
        self.now.zip(self.began).is_none_or(|(now, began)| now.since(began) >= time)
    }

    /// Whether a set with all that it needs may end, so that its values are of one moment: those of its frames that `belong` to a burst
    /// have come within its length. A board with which the set has to `wait` too long for that sends no bursts.
    pub(crate) fn is_of_one_moment(&mut self, burst: Duration, belongs: impl Fn(u32) -> bool, wait: bool) -> bool {
        let in_set = self.frames.iter().filter(|(kind, frame)| frame.count > 0 && belongs(**kind)).map(|(_, frame)| frame.at);
        let (earliest, latest) = (in_set.clone().min().flatten(), in_set.clone().max().flatten());
        let is_burst = earliest.zip(latest).is_none_or(|(earliest, latest)| latest.since(earliest) <= burst);
        // A single frame tells nothing about the others.
        let is_single = in_set.count() < 2;
        self.is_spread = if is_burst { self.is_spread && is_single } else { self.is_spread || wait };
        is_burst || self.is_spread
    }

    /// Ends the set and begins the next.
    pub(crate) fn end_set(&mut self) {
        self.restart_set();
        self.knows_set = true;
    }

    /// Begins the present set again.
    pub(crate) fn restart_set(&mut self) {
        self.began = None;
        self.frames.values_mut().for_each(|frame| frame.count = 0);
    }

    /// Forgets all frames.
    pub(crate) fn forget(&mut self) {
        self.frames.clear();
        (self.began, self.knows_set) = (None, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(byte: u8) -> Record {
        Record::new(0x351, &[byte])
    }

    #[test]
    fn a_kind_that_no_longer_comes_is_forgotten_at_its_age_however_many_sets_have_passed() {
        let mut frames = LastFrames::default();
        let advance = |frames: &mut LastFrames, seconds: f64| {
            frames.advance(Moment::from_secs(seconds), |kind| Duration::from_secs(u64::from(kind) * 5));
        };
        advance(&mut frames, 1.0);
        (1..=2).for_each(|kind| frames.take(kind, record(1)));
        frames.end_set();
        advance(&mut frames, 2.0);
        frames.take(2, record(2));
        assert_eq!((frames.get(1), frames.get_new(1), frames.get_new(2)), (Some(record(1)), None, Some(record(2))));
        (0..20).for_each(|_| frames.end_set());
        advance(&mut frames, 6.0);
        assert_eq!((frames.get(1), frames.get(2)), (Some(record(1)), Some(record(2))));
        assert!(frames.knows_set());
        advance(&mut frames, 6.1);
        assert_eq!((frames.get(1), frames.get(2)), (None, Some(record(2))), "5 s old, and 10 s are allowed for the other");
        assert!(!frames.knows_set(), "which kinds still come is to be learned anew");
        advance(&mut frames, 12.1);
        assert_eq!(frames.counts().count(), 0);
    }

    #[test]
    fn without_times_nothing_grows_old() {
        let mut frames = LastFrames::default();
        frames.take(1, record(1));
        (0..20).for_each(|_| frames.end_set());
        assert_eq!(frames.get(1), Some(record(1)));
    }
    #[test]
    fn the_values_of_a_set_are_of_one_moment_unless_its_board_spreads_them() {
        let mut frames = LastFrames::default();
        let take = |frames: &mut LastFrames, seconds: f64, kind: u32| {
            frames.advance(Moment::from_secs(seconds), |_| Duration::from_secs(10));
            frames.take(kind, record(1));
            frames.is_of_one_moment(Duration::from_millis(500), |kind| kind < 3, frames.count(1) >= 3)
        };
        // The set begins in the middle of a burst.
        assert!(take(&mut frames, 0.1, 2));
        assert!(!take(&mut frames, 1.0, 1), "the other frame is of the second before");
        assert!(take(&mut frames, 1.1, 2));
        assert!(frames.has_lasted(Duration::from_secs(1)) && !frames.has_lasted(Duration::from_millis(1001)));
        frames.end_set();
        assert!(
            take(&mut frames, 2.0, 1) && take(&mut frames, 2.1, 2) && take(&mut frames, 2.9, 3),
            "a kind that does not belong to it"
        );
        frames.end_set();
        assert!(take(&mut frames, 3.0, 1) && !take(&mut frames, 3.6, 2) && !take(&mut frames, 4.0 + 0.2, 1));
        assert!(take(&mut frames, 5.0 + 0.2, 1), "it has waited long enough");
        frames.end_set();
        assert!(take(&mut frames, 6.0, 1) && take(&mut frames, 6.6, 2), "such a board need not be waited for again");
    }
}
