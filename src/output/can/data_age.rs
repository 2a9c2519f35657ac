//! What to send at which age of the data (safety rule 13): everything while it is fresh, then limits of 0, then nothing, so that
//! the inverter's own timeout works.

use crate::base::units::Moment;
use crate::battery::cadence::Cadence;
use crate::model::Freshness;
use std::time::Duration;

/// Content of the transmission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transmission {
    /// All known data.
    Full,
    /// Limits of 0, no requests.
    ZeroLimits,
    /// Nothing.
    Silent,
}

/// The age of the data, and its period.
#[derive(Debug, Clone, PartialEq)]
pub struct DataAge {
    off_after: Duration,
    quiet_after: Duration,
    read_at: Option<Moment>,
    cadence: Cadence,
}

impl DataAge {
    /// No data yet. `off_after` and `quiet_after` are ages, extended to three reading periods.
    pub fn new(off_after: Duration, quiet_after: Duration) -> Self {
        Self { off_after, quiet_after: quiet_after.max(off_after), read_at: None, cadence: Cadence::default() }
    }

    /// A snapshot has arrived.
    pub fn observe(&mut self, freshness: Freshness, now: Moment) {
        if freshness != Freshness::Fresh {
            return;
        }
        if let Some(before) = self.read_at {
            self.cadence.add(now.since(before));
        }
        self.read_at = Some(now);
    }

    /// What to send at `now`, given the freshness in the last snapshot.
    pub fn transmission(&self, freshness: Freshness, now: Moment) -> Transmission {
        let Some(read_at) = self.read_at else { return Transmission::Silent };
        let age = now.since(read_at);
        let slow = self.cadence.period().saturating_mul(3);
        let extra = slow.saturating_sub(self.off_after);
        match age {
            age if age >= self.quiet_after.saturating_add(extra) => Transmission::Silent,
            age if age >= self.off_after.max(slow) => Transmission::ZeroLimits,
            // The battery itself already considers its data stale.
            _ if freshness != Freshness::Fresh => Transmission::ZeroLimits,
            _ => Transmission::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(readings: &[f64]) -> DataAge {
        let mut data_age = DataAge::new(Duration::from_secs(10), Duration::from_secs(30));
        readings.iter().for_each(|at| data_age.observe(Freshness::Fresh, Moment::from_secs(*at)));
        data_age
    }

    #[test]
    fn limits_end_at_10_s_and_everything_at_30_s() {
        let data_age = after(&[1.0, 2.0, 3.0]);
        let sent = |at| data_age.transmission(Freshness::Fresh, Moment::from_secs(at));
        assert_eq!(
            [sent(3.0), sent(12.9), sent(13.0), sent(32.9), sent(33.0)],
            [Transmission::Full, Transmission::Full, Transmission::ZeroLimits, Transmission::ZeroLimits, Transmission::Silent]
        );
    }

    #[test]
    fn a_battery_that_is_read_slowly_has_three_periods() {
        let data_age = after(&[0.0, 8.0, 16.0, 24.0]);
        let sent = |at| data_age.transmission(Freshness::Fresh, Moment::from_secs(at));
        assert_eq!(
            [sent(47.9), sent(48.0), sent(67.9), sent(68.0)],
            [Transmission::Full, Transmission::ZeroLimits, Transmission::ZeroLimits, Transmission::Silent]
        );
    }

    #[test]
    fn a_stale_snapshot_says_nothing_but_off_and_is_no_reading() {
        let mut data_age = after(&[1.0, 2.0]);
        data_age.observe(Freshness::Stale, Moment::from_secs(11.0));
        assert_eq!(data_age.transmission(Freshness::Stale, Moment::from_secs(11.0)), Transmission::ZeroLimits);
        assert_eq!(data_age.transmission(Freshness::Stale, Moment::from_secs(32.0)), Transmission::Silent);
        assert_eq!(after(&[]).transmission(Freshness::Fresh, Moment::from_secs(1.0)), Transmission::Silent, "never read");
    }
}
