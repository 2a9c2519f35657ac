//! Shares of requests with a valid reply in the last minute, hour and day. Pure; less than half a kilobyte per battery.

use crate::base::units::Moment;
use crate::model::{LinkStats, ReplyRates, SuccessRate};

/// Counts of one bucket: requests with a valid reply, and all requests.
type Counts = (u32, u32);

/// Counts per bucket: the completed ones, and the current one.
#[derive(Debug, Clone)]
struct Ring<const N: usize> {
    /// Length of a bucket, s.
    bucket: u64,
    counts: [Counts; N],
    /// Number of the current bucket since the clock's origin.
    number: u64,
}

impl<const N: usize> Ring<N> {
    fn new(bucket: u64) -> Self {
        Self { bucket, counts: [(0, 0); N], number: 0 }
    }

    fn add(&mut self, good: u64, asked: u64, now: Moment) {
        let number = now.since_origin().as_secs().checked_div(self.bucket).unwrap_or_default();
        // Skipped buckets had no requests; they replace the oldest ones as empty buckets.
        let passed = usize::try_from(number.saturating_sub(self.number)).unwrap_or(N).min(N);
        self.counts.rotate_left(passed);
        self.counts.iter_mut().rev().take(passed).for_each(|counts| *counts = (0, 0));
        self.number = self.number.max(number);
        if let Some((good_so_far, asked_so_far)) = self.counts.last_mut() {
            let more = |count: u32, more: u64| count.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
            (*good_so_far, *asked_so_far) = (more(*good_so_far, good), more(*asked_so_far, asked));
        }
    }

    fn share(&self) -> Option<SuccessRate> {
        let sum = |of: fn(&Counts) -> u32| self.counts.iter().map(|counts| u64::from(of(counts))).sum();
        SuccessRate::of(sum(|counts| counts.0), sum(|counts| counts.1))
    }
}

/// Replies of one battery. Silence counts as requests without a reply.
#[derive(Debug, Clone)]
pub(crate) struct ReplyRateCounter {
    counted: LinkStats,
    minute: Ring<7>,
    hour: Ring<13>,
    day: Ring<25>,
}

impl Default for ReplyRateCounter {
    fn default() -> Self {
        Self { counted: LinkStats::default(), minute: Ring::new(10), hour: Ring::new(300), day: Ring::new(3600) }
    }
}

impl ReplyRateCounter {
    /// Adds the counters since start.
    pub(crate) fn count(&mut self, counters: LinkStats, now: Moment) {
        let LinkStats { ok, lost, damaged, .. } = counters.since(self.counted);
        self.counted = counters;
        let asked = ok.saturating_add(lost).saturating_add(damaged);
        self.minute.add(ok, asked, now);
        self.hour.add(ok, asked, now);
        self.day.add(ok, asked, now);
    }

    /// The present shares.
    pub(crate) fn rates(&self) -> ReplyRates {
        ReplyRates { minute: self.minute.share(), hour: self.hour.share(), day: self.day.share() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]

    use super::*;
    use proptest::prelude::*;

    /// A line with one request per second; a request without a valid reply counts as lost.
    struct Line(ReplyRateCounter, LinkStats, u64);

    impl Line {
        fn run(&mut self, seconds: u64, good: impl Fn(u64) -> bool) -> [Option<f64>; 3] {
            for second in self.2..self.2 + seconds {
                let counter = if good(second) { &mut self.1.ok } else { &mut self.1.lost };
                *counter += 1;
                self.0.count(self.1, Moment::from_secs(second as f64));
            }
            self.2 += seconds;
            let ReplyRates { minute, hour, day } = self.0.rates();
            [minute, hour, day].map(|share| share.map(SuccessRate::percent))
        }
    }

    fn line() -> Line {
        Line(ReplyRateCounter::default(), LinkStats::default(), 0)
    }

    #[test]
    fn each_span_tells_its_own_time() {
        let mut line = line();
        assert_eq!(line.0.rates(), ReplyRates::default(), "nothing is known yet");
        assert_eq!(line.run(7200, |_| true), [Some(100.0); 3]);
        let [minute, hour, day] = line.run(120, |_| false);
        assert_eq!(minute, Some(0.0));
        assert!((96.0..97.5).contains(&hour.unwrap()) && (98.0..98.7).contains(&day.unwrap()), "{hour:?} {day:?}");
        let [minute, hour, day] = line.run(120, |_| true);
        assert_eq!(minute, Some(100.0));
        assert!(hour.unwrap() < 97.5 && day.unwrap() < 98.7);
        // The failures leave the hour but not the day; a day later they have left all of them.
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
        assert!(size_of::<ReplyRateCounter>() < 512, "{}", size_of::<ReplyRateCounter>());
    }

    proptest! {
        #[test]
        fn any_counters_at_any_time_are_survived(steps in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<u32>()), 1..50)) {
            let mut tally = ReplyRateCounter::default();
            for (ok, lost, second) in steps {
                let counters = LinkStats { ok: u64::from(ok), lost: u64::from(lost), ..LinkStats::default() };
                tally.count(counters, Moment::from_secs(f64::from(second)));
                let ReplyRates { minute, hour, day } = tally.rates();
                for share in [minute, hour, day].into_iter().flatten() {
                    prop_assert!((0.0..=100.0).contains(&share.percent()));
                }
            }
        }
    }
}
