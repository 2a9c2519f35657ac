//! Follows the health of the cells with the readings that passed the guard, and says what was found.

use crate::base::time::Now;
use crate::base::units::{AmpHours, Moment, Percent};
use crate::health::{Health, MAX_CELLS, MIN_CELLS, Observation};
use crate::model::{CellHealth, ESTIMATED_SOH, Finding, Reading};
use std::sync::Arc;
use std::time::Duration;

/// Estimates are renewed this often.
const RENEW_INTERVAL: Duration = Duration::from_secs(600);
/// The wall clock was set if it differs by more from the time that has passed, s.
const CLOCK_STEP_S: f64 = 60.0;
/// A capacity that differs by more than this share is that of another battery.
const OTHER_CAPACITY: f64 = 0.25;
/// What differs for so long is another battery; a BMS that starts anew, or whose settings are being changed, tells such for a moment.
const OTHER_FOR: Duration = Duration::from_secs(300);
/// A state of health of the BMS is doubted if ours is lower by this with all its uncertainty, and the BMS's is 100 %.
const CLEARLY_BELOW_PCT: f64 = 2.0;

/// The estimators of a battery, and what they last said.
#[derive(Debug, Default)]
pub(super) struct HealthWatch {
    estimators: Option<Box<Health>>,
    /// Wall clock less monotonic clock, s.
    clock_offset: Option<f64>,
    renewed_at: Option<Moment>,
    /// Since when the readings are of another battery than the estimators.
    other_since: Option<Moment>,
    latest: Option<Arc<CellHealth>>,
}

impl HealthWatch {
    /// Goes on with saved estimators. What they had found is not reported again.
    pub(super) fn restored(saved: Health) -> Self {
        let latest = Some(Arc::new(saved.report()));
        Self { estimators: Some(Box::new(saved)), latest, ..Self::default() }
    }

    /// Takes a reading of a battery with this capacity as installed; returns a message for each new finding.
    ///
    /// Nothing is learned while the wall clock is unknown: findings need days.
    pub(super) fn observe(&mut self, reading: &Reading, capacity: Option<AmpHours>, now: Now) -> Vec<String> {
        let cells = reading.cells.len();
        let (Some(unix), Some(capacity), true) = (now.unix, capacity, (MIN_CELLS..=MAX_CELLS).contains(&cells)) else {
            return Vec::new();
        };
        let time = self.time(unix, now.at);
        let Some(estimators) = self.estimators_of(cells, capacity, now.at) else { return Vec::new() };
        estimators.update(&Observation::of(time, reading));
        if self.renewed_at.is_some_and(|at| now.at.since(at) < RENEW_INTERVAL) {
            return Vec::new();
        }
        self.renewed_at = Some(now.at);
        self.renew()
    }

    /// Seconds since 1970 with the resolution of the monotonic clock; follows the wall clock when that is set.
    fn time(&mut self, unix: u64, at: Moment) -> f64 {
        let (unix, at) = (unix as f64, at.since_origin().as_secs_f64());
        let offset = self.clock_offset.filter(|offset| (offset + at - unix).abs() <= CLOCK_STEP_S).unwrap_or(unix - at);
        self.clock_offset = Some(offset);
        at + offset
    }

    /// The estimators of a battery with so many cells and this capacity; new ones for another battery; `None` while it may be one.
    fn estimators_of(&mut self, cells: usize, capacity: AmpHours, at: Moment) -> Option<&mut Health> {
        let same = |health: &Health| {
            let known = health.capacity().get();
            health.cell_count() == cells && (capacity.get() - known).abs() <= OTHER_CAPACITY * known
        };
        if self.estimators.as_deref().is_none_or(same) {
            self.other_since = None;
        } else if at.since(*self.other_since.get_or_insert(at)) >= OTHER_FOR {
            (self.estimators, self.latest, self.other_since) = (None, None, None);
        } else {
            return None;
        }
        Some(self.estimators.get_or_insert_with(|| Box::new(Health::new(cells, capacity))))
    }

    fn renew(&mut self) -> Vec<String> {
        let Some(report) = self.estimators.as_deref().map(Health::report) else { return Vec::new() };
        let known = self.latest.as_deref().map(|latest| latest.findings.as_slice()).unwrap_or_default();
        let is_new = |finding: &&Finding| !known.iter().any(|old| (old.kind, old.cell) == (finding.kind, finding.cell));
        let messages = report.findings.iter().filter(is_new).map(sentence).collect();
        self.latest = Some(Arc::new(report));
        messages
    }

    /// Adds what was found to the notes of a reading, and the state of health if the BMS does not know it.
    pub(super) fn complete(&self, reading: &mut Reading) {
        let Some(latest) = self.latest.as_deref() else { return };
        for finding in &latest.findings {
            reading.note(sentence(finding));
        }
        let Some((value, highest)) = self.state_of_health() else { return };
        let is_constant = reading.soh == Some(Percent::new(100.0)) && highest < 100.0 - CLEARLY_BELOW_PCT;
        if reading.soh.is_none() || is_constant {
            reading.soh = Some(Percent::new(value));
            reading.note(ESTIMATED_SOH);
        }
    }

    /// Usable over installed capacity, and the most that it may be, %.
    fn state_of_health(&self) -> Option<(f64, f64)> {
        let usable = self.latest.as_deref()?.estimates.battery.capacity?;
        let installed = self.estimators.as_deref()?.capacity().get();
        let percent = |ah: f64| (ah / installed * 100.0).clamp(0.0, 100.0);
        Some((percent(usable.value).round(), percent(usable.value + 2.0 * usable.sd)))
    }

    /// What was last said; `None`: nothing is known yet.
    pub(super) fn latest(&self) -> Option<Arc<CellHealth>> {
        self.latest.clone()
    }

    /// The estimators, to save them.
    pub(super) fn estimators(&self) -> Option<&Health> {
        self.estimators.as_deref()
    }
}

fn sentence(finding: &Finding) -> String {
    format!("{}: {}", finding.what(), finding.remedy())
}
