//! Time between readings: gaps, the usual period, and a clock that was set.

use super::observation::Sample;
use serde::{Deserialize, Serialize};

/// One day, s.
pub(super) const DAY: f64 = 86_400.0;
/// Readings that are further apart are a gap, s; or three periods.
const GAP: f64 = 10.0;
/// A reading that is older than the last one by less than this is late and ignored, s; by more: the clock was set.
const LATE: f64 = 60.0;
/// The longest gap that is counted as time, s.
const MAX_GAP: f64 = 400.0 * DAY;
/// So many intervals of about the same length are no gaps, but the period.
const REGULAR: u8 = 4;

/// The time of the readings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Clock {
    /// Time of the last reading, s.
    last: f64,
    /// Time since the first reading, s.
    elapsed: f64,
    /// Usual time between two readings, s; 0: unknown.
    period: f32,
    /// The interval that may be the new period, s.
    candidate: f32,
    /// Intervals in a row that were like it.
    alike: u8,
    started: bool,
}

/// What lies between the last reading and this one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Interval {
    /// This is the first reading.
    First,
    /// This reading is not newer than the last one.
    Stale,
    /// Seconds, as usual.
    Regular(f64),
    /// Seconds, more than usual; 0: unknown, because the clock was set.
    Gap(f64),
}

impl Clock {
    /// Goes on to a reading.
    pub(super) fn advance(&mut self, sample: &Sample) -> Interval {
        let interval = sample.t - self.last;
        if !self.started {
            self.started = true;
            self.last = sample.t;
            return Interval::First;
        }
        if interval <= 0.0 && interval > -LATE {
            return Interval::Stale;
        }
        self.last = sample.t;
        if interval <= 0.0 || interval > MAX_GAP {
            return Interval::Gap(0.0);
        }
        self.elapsed += interval;
        if self.is_gap(interval) { Interval::Gap(interval) } else { Interval::Regular(interval) }
    }

    fn is_gap(&mut self, interval: f64) -> bool {
        let period = f64::from(self.period);
        if period > 0.0 && interval <= (3.0 * period).max(GAP) {
            // One lost reading must not make the period longer.
            self.period += 0.02 * (interval.min(1.5 * period) - period) as f32;
            self.alike = 0;
            return false;
        }
        let candidate = f64::from(self.candidate);
        let alike = (0.5 * candidate..=2.0 * candidate).contains(&interval);
        self.alike = if alike { self.alike.saturating_add(1) } else { 0 };
        self.candidate = interval as f32;
        if self.period == 0.0 && interval <= GAP || self.alike >= REGULAR {
            self.period = interval.min(3600.0) as f32;
        }
        interval > GAP
    }

    /// Time of the last reading, s.
    pub(super) fn last(&self) -> f64 {
        self.last
    }

    /// Time since the first reading, s.
    pub(super) fn elapsed(&self) -> f64 {
        self.elapsed
    }

    /// Time since the first reading, days.
    pub(super) fn days(&self) -> f64 {
        self.elapsed / DAY
    }

    /// Usual time between two readings, s.
    pub(super) fn period(&self) -> f64 {
        if self.period > 0.0 { f64::from(self.period) } else { 1.0 }
    }

    /// The time, as the readings have it, of a moment on the clock of [`Clock::days`].
    pub(super) fn date(&self, days: f64) -> f64 {
        self.last - (self.elapsed - days * DAY).max(0.0)
    }

    /// There was a reading.
    pub(super) fn is_started(&self) -> bool {
        self.started
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::observation::Balancer;

    fn at(t: f64) -> Sample<'static> {
        Sample { t, cells: &[], current: 0.0, temperature: None, remaining: None, balancing: Balancer::default() }
    }

    fn clock_after(times: &[f64]) -> (Clock, Vec<Interval>) {
        let mut clock = Clock::default();
        let intervals = times.iter().map(|t| clock.advance(&at(*t))).collect();
        (clock, intervals)
    }

    #[test]
    fn a_pause_is_a_gap_and_a_slow_board_is_not() {
        let (_, every_second) = clock_after(&[0.0, 1.0, 2.0, 2.0, 4.0, 60.0, 61.0]);
        use Interval::{First, Gap, Regular, Stale};
        assert_eq!(every_second, [First, Regular(1.0), Regular(1.0), Stale, Regular(2.0), Gap(56.0), Regular(1.0)]);
        let times: Vec<f64> = (0..20).map(|n| f64::from(n) * 16.0).collect();
        let (clock, slow) = clock_after(&times);
        assert_eq!(slow.last(), Some(&Regular(16.0)), "the period becomes known");
        assert_eq!(clock.period(), 16.0);
    }

    #[test]
    fn a_clock_that_is_set_costs_no_time() {
        let (clock, intervals) = clock_after(&[1e9, 1e9 + 1.0, 5.0, 6.0, 1e11]);
        assert_eq!(intervals.get(2..), Some([Interval::Gap(0.0), Interval::Regular(1.0), Interval::Gap(0.0)].as_slice()));
        assert_eq!(clock.elapsed(), 2.0);
    }
}
