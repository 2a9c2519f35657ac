//! How many requests were answered well in the last minute, hour and day. Pure; less than half a kilobyte for each battery.

use super::difference;
use crate::model::{LinkStats, Replies, Share};
use crate::units::Moment;

/// Requests in a piece of time: answered well, and all.
type Counts = (u32, u32);

/// Counts by piece of time: the pieces that are over, and the one that is under way.
#[derive(Debug, Clone)]
struct Ring<const N: usize> {
    /// Length of a piece, s.
    piece: u64,
    counts: [Counts; N],
    /// Number of the piece under way, since the clock's origin.
    number: u64,
}

impl<const N: usize> Ring<N> {
    fn new(piece: u64) -> Self {
        Self { piece, counts: [(0, 0); N], number: 0 }
    }

    fn add(&mut self, good: u64, asked: u64, now: Moment) {
        let number = now.since_origin().as_secs() / self.piece;
        // What lies between was not counted, and what lay there is over.
        let passed = number.saturating_sub(self.number).min(N as u64) as usize;
        self.counts.rotate_left(passed);
        self.counts.iter_mut().rev().take(passed).for_each(|counts| *counts = (0, 0));
        self.number = self.number.max(number);
        if let Some((good_so_far, asked_so_far)) = self.counts.last_mut() {
            let more = |count: u32, more: u64| count.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
            (*good_so_far, *asked_so_far) = (more(*good_so_far, good), more(*asked_so_far, asked));
        }
    }

    fn share(&self) -> Option<Share> {
        let sum = |of: fn(&Counts) -> u32| self.counts.iter().map(|counts| u64::from(of(counts))).sum();
        Share::of(sum(|counts| counts.0), sum(|counts| counts.1))
    }
}

/// The replies of one battery over time. A time of silence counts: nothing was answered in it.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    counted: LinkStats,
    minute: Ring<7>,
    hour: Ring<13>,
    day: Ring<25>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { counted: LinkStats::default(), minute: Ring::new(10), hour: Ring::new(300), day: Ring::new(3600) }
    }
}

impl Tally {
    /// Takes in the counters since start.
    pub(crate) fn count(&mut self, counters: LinkStats, now: Moment) {
        let LinkStats { ok, lost, damaged, .. } = difference(counters, self.counted);
        self.counted = counters;
        let asked = ok.saturating_add(lost).saturating_add(damaged);
        self.minute.add(ok, asked, now);
        self.hour.add(ok, asked, now);
        self.day.add(ok, asked, now);
    }

    /// The shares by now.
    pub(crate) fn shares(&self) -> Replies {
        Replies { minute: self.minute.share(), hour: self.hour.share(), day: self.day.share() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A line that is asked once a second; what is not good is lost.
    struct Line(Tally, LinkStats, u64);

    impl Line {
        fn run(&mut self, seconds: u64, good: impl Fn(u64) -> bool) -> [Option<f64>; 3] {
            for second in self.2..self.2 + seconds {
                let counter = if good(second) { &mut self.1.ok } else { &mut self.1.lost };
                *counter += 1;
                self.0.count(self.1, Moment::from_secs(second as f64));
            }
            self.2 += seconds;
            let Replies { minute, hour, day } = self.0.shares();
            [minute, hour, day].map(|share| share.map(Share::percent))
        }
    }

    fn line() -> Line {
        Line(Tally::default(), LinkStats::default(), 0)
    }

    #[test]
    fn each_span_tells_its_own_time() {
        let mut line = line();
        assert_eq!(line.0.shares(), Replies::default(), "nothing is known yet");
        assert_eq!(line.run(7200, |_| true), [Some(100.0); 3]);
        let [minute, hour, day] = line.run(120, |_| false);
        assert_eq!(minute, Some(0.0));
        assert!((96.0..97.5).contains(&hour.unwrap()) && (98.0..98.7).contains(&day.unwrap()), "{hour:?} {day:?}");
        let [minute, hour, day] = line.run(120, |_| true);
        assert_eq!(minute, Some(100.0));
        assert!(hour.unwrap() < 97.5 && day.unwrap() < 98.7);
        // The hour forgets it, the day does not; a day later it is forgotten everywhere.
        let [_, hour, day] = line.run(4000, |_| true);
        assert!(hour == Some(100.0) && day.unwrap() < 100.0, "{hour:?} {day:?}");
        assert_eq!(line.run(90_000, |_| true), [Some(100.0); 3]);
    }

    #[test]
    fn one_bad_reply_in_a_day_is_not_rounded_away() {
        let mut line = line();
        let [_, _, day] = line.run(80_000, |second| second != 5);
        assert_eq!(day, Some(99.9), "100 % would be untrue");
        let [_, _, day] = self::line().run(80_000, |second| second == 5);
        assert_eq!(day, Some(0.1), "0 % would be untrue");
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<Tally>() < 512, "{}", size_of::<Tally>());
    }

    proptest! {
        #[test]
        fn any_counters_at_any_time_are_survived(steps in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<u32>()), 1..50)) {
            let mut tally = Tally::default();
            for (ok, lost, second) in steps {
                let counters = LinkStats { ok: u64::from(ok), lost: u64::from(lost), ..LinkStats::default() };
                tally.count(counters, Moment::from_secs(f64::from(second)));
                let Replies { minute, hour, day } = tally.shares();
                for share in [minute, hour, day].into_iter().flatten() {
                    prop_assert!((0.0..=100.0).contains(&share.percent()));
                }
            }
        }
    }
}
