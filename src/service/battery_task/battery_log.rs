//! Log lines about a battery, once per episode.

use crate::base::episode::{Episode, Once};
use crate::base::units::Moment;
use crate::link::PollError;
use crate::model::{Freshness, Limits, Reading};
use std::time::Duration;

/// Minimum time between two log lines about the rules that set the limits.
const MIN_LIMITS_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The log lines of one battery, and which of them are logged already.
pub(super) struct BatteryLog {
    /// Name of the battery at the start of each line.
    label: String,
    /// Its limits are only shown.
    observe_only: bool,
    /// Failing polls, logged once per episode.
    fault: Episode,
    freshness: Freshness,
    /// Reasons of the limits logged last, and when.
    limits: Option<([&'static str; 3], Moment)>,
    incomplete: Once,
}

impl BatteryLog {
    pub(super) fn new(label: &str, observe_only: bool) -> Self {
        Self {
            label: label.to_owned(),
            observe_only,
            fault: Episode::default(),
            freshness: Freshness::Fresh,
            limits: None,
            incomplete: Once::default(),
        }
    }

    /// Records an answered poll; logs it if it ends an episode.
    pub(super) fn answered(&mut self, now: Moment) {
        if let Some(ended) = self.fault.ended(now)
            && ended.logged
        {
            let seconds = ended.lasted.as_secs();
            log::info!("{} answers again after {seconds} s ({} readings missed)", self.label, ended.failures);
        }
    }

    /// Records a failed poll.
    pub(super) fn missed(&mut self, error: &PollError, now: Moment) {
        let polls = self.fault.failed(now);
        // A single lost reading is normal; log the second in a row, once.
        if polls == 2 && self.fault.is_news(()) {
            log::warn!("{}: {error}", self.label);
        }
    }

    /// Records a port failure, which was already logged once for the port.
    pub(super) fn port_failed(&mut self, now: Moment) {
        self.fault.failed(now);
        // The log line of the port starts the episode.
        self.fault.is_news(());
    }

    /// Logs a change of freshness.
    pub(super) fn freshness(&mut self, freshness: Freshness) {
        if freshness == self.freshness {
            return;
        }
        match freshness {
            Freshness::Fresh => log::info!("{}: fresh data again, limits rise slowly", self.label),
            Freshness::Stale => log::warn!(
                "{}: no data from the BMS; values are now unknown and the charge current fades to 0. Check cable and BMS",
                self.label
            ),
            Freshness::Silent => {
                log::warn!("{}: still no data; cable warning, discharge current reduced. Check cable and BMS", self.label)
            }
            Freshness::Lost => {
                log::error!("{}: battery lost; cable alarm, charging and discharging stopped. Check cable and BMS", self.label)
            }
        }
        self.freshness = freshness;
    }

    /// Logs when another rule sets a limit. In observe-only mode this is the only place to see the limits.
    pub(super) fn limits(&mut self, limits: &Limits, now: Moment) {
        let why = [limits.cvl.why, limits.ccl.why, limits.dcl.why];
        // Two rules with nearly equal limits alternate with every reading.
        if self.limits.is_some_and(|(logged, at)| logged == why || now.since(at) < MIN_LIMITS_LOG_INTERVAL) {
            return;
        }
        self.limits = Some((why, now));
        let (level, would) = if self.observe_only { (log::Level::Info, "would be ") } else { (log::Level::Debug, "") };
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

    /// Logs once that the readings are not complete enough to publish.
    pub(super) fn incomplete(&mut self) {
        if self.incomplete.first() {
            log::warn!(
                "{}: waiting for a complete reading (voltage, current, state of charge, all cells if it reports any) before publishing on D-Bus; `dbus-bms read` shows what is missing",
                self.label
            );
        }
    }
}

/// `LLT / JBD JBD-SP04S034, 4 cells, 280 Ah`.
pub(super) fn describe(reading: &Reading, label: &str) -> String {
    let model = reading.device.model.as_ref().map(|model| format!(" {model}")).unwrap_or_default();
    let capacity = reading.capacity.map(|capacity| format!(", {capacity}")).unwrap_or_default();
    let cells = if reading.without_cells { "no single cells".to_owned() } else { format!("{} cells", reading.cells.len()) };
    format!("{label}{model}, {cells}{capacity}")
}
