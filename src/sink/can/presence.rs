//! What may be said by the age of the data (contract.md, Silence, CAN): everything while it is young, then only that nothing may
//! flow, then nothing, so that the inverter's own time-out works.

use crate::model::Freshness;
use crate::units::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// Readings whose distances are looked at.
const READINGS: usize = 5;
/// A longer period between readings is not believed to be one.
const LONGEST_PERIOD: Duration = Duration::from_secs(20);

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// All that is known.
    All,
    /// Limits 0, no request.
    Off,
    /// Nothing.
    Nothing,
}

/// When readings came.
#[derive(Debug, Clone, PartialEq)]
pub struct Presence {
    off_after: Duration,
    quiet_after: Duration,
    read_at: Option<Moment>,
    distances: VecDeque<Duration>,
}

impl Presence {
    /// Nothing has come yet. `off_after` and `quiet_after` are ages; three periods between readings where those are longer.
    pub fn new(off_after: Duration, quiet_after: Duration) -> Self {
        Self { off_after, quiet_after: quiet_after.max(off_after), read_at: None, distances: VecDeque::new() }
    }

    /// A snapshot came.
    pub fn take(&mut self, freshness: Freshness, now: Moment) {
        if freshness != Freshness::Fresh {
            return;
        }
        if let Some(before) = self.read_at {
            self.distances.push_back(now.since(before));
            if self.distances.len() > READINGS {
                self.distances.pop_front();
            }
        }
        self.read_at = Some(now);
    }

    /// What may be said at `now`, given how fresh the last snapshot called itself.
    pub fn say(&self, freshness: Freshness, now: Moment) -> Say {
        let Some(read_at) = self.read_at else { return Say::Nothing };
        let age = now.since(read_at);
        let slow = self.period().saturating_mul(3);
        let extra = slow.saturating_sub(self.off_after);
        match age {
            age if age >= self.quiet_after.saturating_add(extra) => Say::Nothing,
            age if age >= self.off_after.max(slow) => Say::Off,
            // The battery itself has given its data up before.
            _ if freshness != Freshness::Fresh => Say::Off,
            _ => Say::All,
        }
    }

    /// The median of the last distances, which one gap does not stretch.
    fn period(&self) -> Duration {
        let mut sorted: Vec<_> = self.distances.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default().min(LONGEST_PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(readings: &[f64]) -> Presence {
        let mut presence = Presence::new(Duration::from_secs(10), Duration::from_secs(30));
        readings.iter().for_each(|at| presence.take(Freshness::Fresh, Moment::from_secs(*at)));
        presence
    }

    #[test]
    fn limits_end_at_10_s_and_everything_at_30_s() {
        let presence = after(&[1.0, 2.0, 3.0]);
        let say = |at| presence.say(Freshness::Fresh, Moment::from_secs(at));
        assert_eq!([say(3.0), say(12.9), say(13.0), say(32.9), say(33.0)], [Say::All, Say::All, Say::Off, Say::Off, Say::Nothing]);
    }

    #[test]
    fn a_battery_that_is_read_slowly_has_three_periods() {
        let presence = after(&[0.0, 8.0, 16.0, 24.0]);
        let say = |at| presence.say(Freshness::Fresh, Moment::from_secs(at));
        assert_eq!([say(47.9), say(48.0), say(67.9), say(68.0)], [Say::All, Say::Off, Say::Off, Say::Nothing]);
    }

    #[test]
    fn a_stale_snapshot_says_nothing_but_off_and_is_no_reading() {
        let mut presence = after(&[1.0, 2.0]);
        presence.take(Freshness::Stale, Moment::from_secs(11.0));
        assert_eq!(presence.say(Freshness::Stale, Moment::from_secs(11.0)), Say::Off);
        assert_eq!(presence.say(Freshness::Stale, Moment::from_secs(32.0)), Say::Nothing);
        assert_eq!(after(&[]).say(Freshness::Fresh, Moment::from_secs(1.0)), Say::Nothing, "never read");
    }
}
