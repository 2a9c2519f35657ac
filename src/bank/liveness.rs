//! The age of the data of a battery served by another process, from the count of its readings.
//!
//! A battery of this process keeps track of its age itself. The driver of one on D-Bus may have been killed or stopped: then its
//! last limits are withdrawn here, by the same safety rule 11 (docs/safety-rules.md).

use crate::base::units::{Moment, Volts};
use crate::battery::cadence::Cadence;
use crate::battery::charge::chemistry::preset;
use crate::battery::charge::{DataAge, Silence};
use crate::model::{Chemistry, Derived, Freshness, Limit, Limits, Mode, Snapshot};
use std::time::Duration;

const NO_DATA: &str = "no data from the battery";

/// Time and count of a battery's last reading.
#[derive(Debug, Clone, Default)]
pub struct Liveness {
    count: Option<u16>,
    at: Moment,
    cadence: Cadence,
}

impl Liveness {
    /// Updates the count of readings; only a changed count is a sign of life.
    pub fn observe(&mut self, count: u16, now: Moment) {
        match self.count.replace(count) {
            Some(before) if before == count => return,
            Some(_) => self.cadence.add(now.since(self.at)),
            None => {}
        }
        self.at = now;
    }

    /// Time since the last reading.
    pub fn age(&self, now: Moment) -> Duration {
        self.count.map_or(Duration::MAX, |_| now.since(self.at))
    }

    /// Freshness of the data; a battery without any sign of life is lost.
    pub fn stage(&self, silence: &Silence, now: Moment) -> Freshness {
        let DataAge { age, period } = self.data_age(now);
        silence.stage(age, period)
    }

    fn data_age(&self, now: Moment) -> DataAge {
        DataAge { age: self.age(now), period: self.cadence.period() }
    }

    /// A snapshot at this age: values become unknown, limits fall.
    pub fn aged(&self, snapshot: Snapshot, silence: &Silence, now: Moment) -> Snapshot {
        let stage = self.stage(silence, now);
        if stage == Freshness::Fresh {
            return snapshot;
        }
        let Limits { cvl, ccl, dcl, .. } = snapshot.limits;
        // LFP: cells of other chemistries are above its reserve unless empty.
        let has_reserve = snapshot.derived.min_cell.is_some_and(|(cell, _)| cell.get() >= preset(Chemistry::Lfp).reserve_cell);
        let left = silence.remaining_shares(self.data_age(now), has_reserve);
        let held =
            snapshot.reading.voltage.unwrap_or(Volts::ZERO).min(snapshot.member_info.float.unwrap_or(cvl.value)).min(cvl.value);
        let limits = Limits {
            cvl: Limit { value: held, why: NO_DATA },
            ccl: Limit { value: ccl.value * left.charge, why: NO_DATA },
            dcl: Limit { value: dcl.value * left.discharge, why: NO_DATA },
            mode: Mode::Hold,
            ..snapshot.limits
        };
        let reading = snapshot.reading.stale();
        Snapshot { reading, derived: Derived::default(), freshness: stage, limits, ..snapshot }
    }
}
