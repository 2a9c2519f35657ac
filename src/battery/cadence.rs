//! Observed period between the readings of a battery.

use std::collections::VecDeque;
use std::time::Duration;

/// Number of recent intervals from which the period is estimated.
const INTERVALS: usize = 5;
/// The period assumed before the second reading.
const ASSUMED_PERIOD: Duration = Duration::from_secs(1);
/// Upper bound of the period: a longer interval is an interruption.
const MAX_PERIOD: Duration = Duration::from_secs(20);

/// The most recent intervals between readings.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Cadence(VecDeque<Duration>);

impl Cadence {
    /// Adds the interval between two readings.
    pub(crate) fn add(&mut self, interval: Duration) {
        self.0.push_back(interval);
        if self.0.len() > INTERVALS {
            self.0.pop_front();
        }
    }

    /// Period of the readings: the median of the recent intervals, so that a single gap does not stretch it; at most 20 s, and 1 s
    /// before the second reading.
    pub(crate) fn period(&self) -> Duration {
        let mut sorted: Vec<_> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(ASSUMED_PERIOD).min(MAX_PERIOD)
    }
}
