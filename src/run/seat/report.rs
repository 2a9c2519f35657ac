//! What the log says of a battery, once per episode.

use super::Seat;
use crate::model::{Freshness, Reading, Snapshot};
use crate::units::Moment;
use std::time::Duration;

/// Least time between two lines about who sets the limits.
const LIMITS_PAUSE: Duration = Duration::from_secs(60);

impl Seat {
    pub(super) fn report_freshness(&mut self, freshness: Freshness) {
        if freshness == self.freshness {
            return;
        }
        match freshness {
            Freshness::Fresh => log::info!("{}: data is fresh again, limits return slowly", self.label),
            Freshness::Stale => log::warn!(
                "{}: no data from the BMS; values are unknown now and charging fades out. Check cable and BMS",
                self.label
            ),
            Freshness::Silent => {
                log::warn!("{}: still no data; cable warning, discharging is cut down. Check cable and BMS", self.label)
            }
            Freshness::Lost => {
                log::error!("{}: battery lost; cable alarm, no charging, no discharging. Check cable and BMS", self.label)
            }
        }
        self.freshness = freshness;
    }

    /// A line whenever another rule sets a limit; when only observing, this is where the limits can be seen.
    pub(super) fn report_limits(&mut self, snapshot: &Snapshot, now: Moment) {
        let limits = &snapshot.limits;
        let why = [limits.cvl.why, limits.ccl.why, limits.dcl.why];
        // Two rules that are close take turns with every reading.
        if self.said_limits.is_some_and(|(said, at)| said == why || now.since(at) < LIMITS_PAUSE) {
            return;
        }
        self.said_limits = Some((why, now));
        let level = if self.control { log::Level::Debug } else { log::Level::Info };
        let would = if self.control { "" } else { "would be " };
        log::log!(
            level,
            "{}: limits {would}CVL {:.2} ({}), CCL {:.1} ({}), DCL {:.1} ({})",
            self.label,
            limits.cvl.value,
            limits.cvl.why,
            limits.ccl.value,
            limits.ccl.why,
            limits.dcl.value,
            limits.dcl.why
        );
    }
}

/// `LLT / JBD JBD-SP04S034, 4 cells, 280 Ah`.
pub(super) fn describe(reading: &Reading, label: &str) -> String {
    let model = reading.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
    let capacity = reading.capacity.map(|capacity| format!(", {capacity}")).unwrap_or_default();
    format!("{label}{model}, {} cells{capacity}", reading.cells.len())
}
