//! Time since an event, across restarts and without trusting the wall clock.

use crate::base::units::{Moment, at_least_zero};
use serde::{Deserialize, Serialize};

/// A longer gap between two wall-clock times means that the clock was set: it is ignored.
const MAX_CLOCK_GAP_S: u64 = 3 * 86_400;
/// The same for an event stored by an earlier version: the longest configurable time between two, and a month.
const MAX_WAIT_S: u64 = 400 * 86_400;

/// Time since an event. While the driver runs, the monotonic clock counts; the wall clock only bridges the time between two runs,
/// up to some days, so that a clock that jumps by years does not trigger the event. After a longer pause the event is late by that
/// pause.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TimeSince {
    /// Seconds counted so far.
    waited_s: f64,
    /// Wall-clock time when last checked, seconds since 1970.
    seen_unix: Option<u64>,
    /// Time of the event as stored by earlier versions, seconds since 1970.
    #[serde(skip_serializing)]
    balanced_unix: Option<u64>,
    /// The time before this process has been added.
    #[serde(skip)]
    bridged: bool,
    /// Monotonic time of the first and the last check in this process.
    #[serde(skip)]
    here: Option<(Moment, Moment)>,
}

impl TimeSince {
    /// The state after a restart, without impossible values.
    pub(super) fn restored(self) -> Self {
        let Self { waited_s, seen_unix, balanced_unix, bridged, here } = self;
        Self { waited_s: at_least_zero(waited_s), seen_unix, balanced_unix, bridged, here }
    }

    /// Seconds since the event, at `at` and `unix`.
    pub(super) fn advance(&mut self, at: Moment, unix: Option<u64>) -> f64 {
        let (first, last) = self.here.unwrap_or((at, at));
        self.here = Some((first, at));
        self.waited_s += at.since(last).as_secs_f64();
        if let Some(unix) = unix {
            if !self.bridged {
                self.waited_s += (self.missed(unix) - at.since(first).as_secs_f64()).max(0.0);
            }
            (self.bridged, self.seen_unix, self.balanced_unix) = (true, Some(unix), None);
        }
        self.waited_s
    }

    /// Resets the time: the event happened now.
    pub(super) fn restart(&mut self) {
        self.waited_s = 0.0;
    }

    /// Time since the last process checked. Earlier versions stored the event itself, which may be long ago.
    fn missed(&self, unix: u64) -> f64 {
        let gap = |before: u64| unix.saturating_sub(before);
        match (self.seen_unix.map(gap), self.balanced_unix.map(gap)) {
            (Some(gap), _) if gap <= MAX_CLOCK_GAP_S => gap as f64,
            (None, Some(wait)) if wait <= MAX_WAIT_S => wait as f64,
            _ => 0.0,
        }
    }
}
