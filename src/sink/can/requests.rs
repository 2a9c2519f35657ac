//! When a battery asks an inverter to charge it, from the grid too.
//!
//! As Pylontech's document has it: a force-charge request at a very low state of charge, with a little hysteresis, and a request
//! to charge up to full when 97 % were not reached for a month.

use super::Config;
use crate::model::{Freshness, Snapshot};
use std::time::Duration;

/// A request ends so far above where it began, %.
const HYSTERESIS: f64 = 4.0;
/// From here on a battery is full enough for its full-charge request to end, %.
const FULL: f64 = 97.0;

/// The requests of a battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requests {
    /// Force charge I: the battery is about to switch off.
    pub force_1: bool,
    /// Force charge II: the battery is very low.
    pub force_2: bool,
    /// It was not full for long.
    pub full: bool,
}

impl Requests {
    /// What is asked for now. Without fresh data nothing is.
    pub fn next(self, snapshot: &Snapshot, config: &Config) -> Self {
        let Some(soc) = snapshot.reading.soc.filter(|_| snapshot.freshness == Freshness::Fresh) else { return Self::default() };
        let soc = soc.get();
        let low = |was: bool, below: f64| soc <= below || (was && soc < below + HYSTERESIS);
        let floor = config.force_charge_soc.map(crate::units::Percent::get);
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
