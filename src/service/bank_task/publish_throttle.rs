//! When to publish a snapshot of the bank: once a second, and at once when a limit falls.

use crate::base::units::Moment;
use crate::model::{Freshness, Snapshot};
use std::time::Duration;

const PUBLISH_INTERVAL: Duration = Duration::from_secs(1);
/// A smaller fall is noise and can wait: fraction of the limit, A, V.
const MIN_FALL_PART: f64 = 0.02;
const MIN_FALL_A: f64 = 0.2;
const MIN_FALL_V: f64 = 0.05;

/// The last published snapshot.
#[derive(Debug, Default)]
pub(super) struct PublishThrottle {
    last: Option<(Moment, [f64; 3], Freshness)>,
}

impl PublishThrottle {
    /// When the next one is due unconditionally; `None` before the first.
    pub(super) fn next(&self) -> Option<Moment> {
        self.last.map(|(at, ..)| at.after(PUBLISH_INTERVAL))
    }

    /// Whether to publish `snapshot` now; it then counts as published.
    pub(super) fn is_due(&mut self, snapshot: &Snapshot, now: Moment) -> bool {
        let limits = &snapshot.limits;
        let values = [limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get()];
        let due = self.last.is_none_or(|(at, [cvl, ccl, dcl], freshness)| {
            let fell = |before: f64, new: f64| {
                new < before - MIN_FALL_A && new < before * (1.0 - MIN_FALL_PART) || (new <= 0.0 && before > 0.0)
            };
            let falls = values[0] < cvl - MIN_FALL_V || fell(ccl, values[1]) || fell(dcl, values[2]);
            falls || snapshot.freshness > freshness || now.since(at) >= PUBLISH_INTERVAL
        });
        if due {
            self.last = Some((now, values, snapshot.freshness));
        }
        due
    }
}
