//! When a snapshot of the bank is published: once a second, and at once when a limit falls.

use crate::model::{Freshness, Snapshot};
use crate::units::Moment;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// A fall by less is noise that can wait: parts of the limit, A, V.
const FALL: f64 = 0.02;
const FALL_A: f64 = 0.2;
const FALL_V: f64 = 0.05;

/// What was published last.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<(Moment, [f64; 3], Freshness)>,
}

impl Pace {
    /// When the next one is due whatever it says; `None` before the first.
    pub(super) fn next(&self) -> Option<Moment> {
        self.last.map(|(at, ..)| at.after(SECOND))
    }

    /// Whether `snapshot` is to be published now; then it is taken as published.
    pub(super) fn is_due(&mut self, snapshot: &Snapshot, now: Moment) -> bool {
        let limits = &snapshot.limits;
        let values = [limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get()];
        let due = self.last.is_none_or(|(at, [cvl, ccl, dcl], freshness)| {
            let fell = |before: f64, new: f64| new < before - FALL_A && new < before * (1.0 - FALL) || (new <= 0.0 && before > 0.0);
            let falls = values[0] < cvl - FALL_V || fell(ccl, values[1]) || fell(dcl, values[2]);
            falls || snapshot.freshness > freshness || now.since(at) >= SECOND
        });
        if due {
            self.last = Some((now, values, snapshot.freshness));
        }
        due
    }
}
