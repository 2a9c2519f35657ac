//! Charge requests to the inverter, also from the grid.
//!
//! As in Pylontech's document: a force-charge request at a very low state of charge, with some hysteresis, and a full-charge
//! request if 97 % was not reached for a month.

use super::Config;
use crate::model::{Freshness, Snapshot};
use std::time::Duration;

/// Hysteresis of a request, %.
const HYSTERESIS: f64 = 4.0;
/// State of charge that ends a full-charge request, %.
const FULL: f64 = 97.0;

/// The requests of a battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requests {
    /// Force charge I: the battery is about to switch off.
    pub force_1: bool,
    /// Force charge II: the battery is very low.
    pub force_2: bool,
    /// Full charge: the battery was not full for a long time.
    pub full: bool,
}

impl Requests {
    /// The present requests; none without fresh data.
    pub fn next(self, snapshot: &Snapshot, config: &Config) -> Self {
        let Some(soc) = snapshot.reading.soc.filter(|_| snapshot.freshness == Freshness::Fresh) else { return Self::default() };
        let soc = soc.get();
        let low = |was: bool, below: f64| soc <= below || (was && soc < below + HYSTERESIS);
        let floor = config.force_charge_soc.map(crate::base::units::Percent::get);
        let due = config
            .full_charge_after_days
            .zip(snapshot.since_full)
            .is_some_and(|(days, since)| since >= Duration::from_secs(u64::from(days) * 86_400));
        Self {
            force_1: floor.is_some_and(|floor| low(self.force_1, floor / 2.0)),
            force_2: floor.is_some_and(|floor| low(self.force_2, floor)),
            full: soc < FULL && (due || self.full),
        }
    }
}
