//! The first reading of a battery has no predecessor to be compared with, so a second one has to agree with it.

use super::{Guard, Permissions};
use crate::base::units::Moment;
use crate::model::Reading;
use std::time::Duration;

/// After this time, or this many readings, without two that agree the battery is accepted as it is; the guard keeps checking it.
const MAX_TIME: Duration = Duration::from_secs(10);
const MAX_READINGS: u32 = 6;

/// Compares the first readings of a battery until two consecutive ones agree.
#[derive(Debug, Clone, Default)]
pub struct FirstReadings {
    before: Option<(Reading, Moment)>,
    since: Option<Moment>,
    readings: u32,
    agreed: bool,
}

impl FirstReadings {
    /// Whether the battery is accepted: this reading agrees with the previous one, or two have agreed earlier.
    pub fn accept(&mut self, reading: &Reading, now: Moment) -> bool {
        if self.agreed {
            return true;
        }
        let since = *self.since.get_or_insert(now);
        self.readings = self.readings.saturating_add(1);
        let agrees = self.before.as_ref().is_some_and(|(before, at)| agree(before, *at, reading, now));
        self.agreed = agrees || self.readings >= MAX_READINGS || now.since(since) >= MAX_TIME;
        self.before = (!self.agreed).then(|| (reading.clone(), now));
        self.agreed
    }
}

/// The guard would hold no value of the second reading, and the charge and discharge permissions are the same.
fn agree(before: &Reading, at: Moment, reading: &Reading, now: Moment) -> bool {
    let mut guard = Guard::default();
    guard.check(before.clone(), at);
    let judged = guard.check(reading.clone(), now);
    judged.held.is_empty() && Permissions::of(before) == Permissions::of(reading)
}
