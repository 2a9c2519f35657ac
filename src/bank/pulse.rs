//! How old the data of a battery is that somebody else reads: by the count of its readings.
//!
//! A battery of this process ages by itself. One on D-Bus may have been ended or stopped in the middle of a sentence: then its
//! last limits are withdrawn here, by the same Silence table (contract.md).

use crate::charge::Silence;
use crate::model::{Derived, Freshness, Limit, Limits, Mode, Reading, Snapshot};
use crate::units::{Amps, Moment, Volts};
use std::collections::VecDeque;
use std::time::Duration;

/// Longest believed time between readings.
const LONGEST_PERIOD: Duration = Duration::from_secs(20);
/// Under this cell voltage a silent battery is not discharged any more (LFP; others stand above it when not empty).
const RESERVE: f64 = 3.10;
const NO_DATA: &str = "no data from the battery";

/// When a battery was last read.
#[derive(Debug, Clone, Default)]
pub struct Pulse {
    count: Option<u16>,
    at: Moment,
    intervals: VecDeque<Duration>,
}

impl Pulse {
    /// Notes the count of readings; only another one is a sign of life.
    pub fn beat(&mut self, count: u16, now: Moment) {
        match self.count.replace(count) {
            Some(before) if before == count => return,
            Some(_) => self.intervals.push_back(now.since(self.at)),
            None => {}
        }
        if self.intervals.len() > 5 {
            self.intervals.pop_front();
        }
        self.at = now;
    }

    /// Time since the last reading.
    pub fn age(&self, now: Moment) -> Duration {
        self.count.map_or(Duration::MAX, |_| now.since(self.at))
    }

    /// How fresh the data is; a battery that never gave a sign of life is lost.
    pub fn stage(&self, silence: &Silence, now: Moment) -> Freshness {
        silence.stage(self.age(now), self.period())
    }

    /// Median of the last times between readings.
    fn period(&self) -> Duration {
        let mut sorted: Vec<_> = self.intervals.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(Duration::from_secs(1)).min(LONGEST_PERIOD)
    }

    /// What is left of a snapshot at this age: values are unknown, limits go down.
    pub fn aged(&self, snapshot: Snapshot, silence: &Silence, now: Moment) -> Snapshot {
        let stage = self.stage(silence, now);
        if stage == Freshness::Fresh {
            return snapshot;
        }
        let Limits { cvl, ccl, dcl, .. } = snapshot.limits;
        let stale_for = self.age(now).saturating_sub(silence.stale_after(self.period()));
        let left = (1.0 - stale_for.as_secs_f64() / silence.charge_fade.as_secs_f64().max(0.001)).clamp(0.0, 1.0);
        let has_reserve = snapshot.derived.min_cell.is_some_and(|(cell, _)| cell.get() >= RESERVE);
        let charge = if stage == Freshness::Stale { ccl.value * left } else { Amps::ZERO };
        let discharge = match stage {
            Freshness::Fresh | Freshness::Stale => dcl.value,
            Freshness::Silent if has_reserve => dcl.value * 0.25,
            Freshness::Silent | Freshness::Lost => Amps::ZERO,
        };
        let held = snapshot.reading.voltage.unwrap_or(Volts::ZERO).min(snapshot.part.float.unwrap_or(cvl.value)).min(cvl.value);
        let limits = Limits {
            cvl: Limit { value: held, why: NO_DATA },
            ccl: Limit { value: charge, why: NO_DATA },
            dcl: Limit { value: discharge, why: NO_DATA },
            mode: Mode::Hold,
            ..snapshot.limits
        };
        let reading = Reading { capacity: snapshot.reading.capacity, ..snapshot.reading.next() };
        Snapshot { reading, derived: Derived::default(), freshness: stage, limits, ..snapshot }
    }
}
