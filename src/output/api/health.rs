//! Health of the cells in the view.

use super::Text;
use super::field::object;
use super::shared::Shared;
use crate::base::units::round;
use crate::model::{self, CellEstimates, CellHealth, Estimate, Finding, Snapshot};
use std::sync::Arc;

object! {
    /// Health of the cells, estimated by this driver. Lists have a value per cell, cell 1 first; `null` and absent: not known yet.
    pub struct Health {
        /// Time over which it has been learned.
        days: f64 = "d",
        /// Full charges and discharges in that time that told something.
        full_charges: u32 = "number",
        /// See `full_charges`.
        discharges: u32 = "number",
        /// Capacity that can be used: that of the weakest cell.
        usable_ah: Option<f64> = "Ah",
        /// Its standard deviation.
        usable_sd_ah: Option<f64> = "Ah",
        /// Charge of the fullest cell above that of the emptiest; with a cell in `at_least` at least so much.
        imbalance_ah: Option<f64> = "Ah",
        /// Its trend; negative: the cells come together.
        imbalance_trend_ah_per_day: Option<f64> = "Ah",
        /// The balancer wins against what drives the cells apart.
        balancer_wins: Option<bool> = "bool",
        /// The voltages fit the curve by which capacities are measured.
        curve_fits: Option<bool> = "bool",
        /// Resistance at 25 °C with the share of the busbars.
        resistance_mohm: Vec<Option<f64>> = "mΩ",
        /// Resistance over the median cell's.
        relative_resistance: Vec<Option<f64>> = "number",
        /// Its standard deviation.
        relative_resistance_sd: Vec<Option<f64>> = "number",
        /// Resistance over that of the first weeks.
        resistance_rise: Vec<Option<f64>> = "number",
        /// Charge above the median cell's when the battery is full.
        offset_ah: Vec<Option<f64>> = "Ah",
        /// Its standard deviation.
        offset_sd_ah: Vec<Option<f64>> = "Ah",
        /// The cell did not get full any more: it is at least as far behind as its `offset_ah` says, and loses at least its
        /// `self_discharge_ah_per_day`. Missing while no cell is so.
        at_least: Vec<bool> = "bool",
        /// Self-discharge above the median cell's.
        self_discharge_ah_per_day: Vec<Option<f64>> = "Ah",
        /// Capacity.
        capacity_ah: Vec<Option<f64>> = "Ah",
        /// Capacity over the median cell's.
        relative_capacity: Vec<Option<f64>> = "number",
        /// Its standard deviation.
        relative_capacity_sd: Vec<Option<f64>> = "number",
        /// What was found, the oldest first.
        findings: Vec<HealthFinding> = "list",
    }
}

object! {
    /// Something that was found about a cell or the battery.
    pub struct HealthFinding {
        /// `high`, `rising`, `unsteady`, `leak`, `weak`, `pack`, `behind`, `short` or `losing`, see `docs/health.md`.
        kind: Text = "text",
        /// Number of the cell, from 1; absent: the battery.
        cell: Option<u16> = "number",
        /// Since when, since 1970.
        since: u64 = "s",
        /// `likely`, `high` or `certain`.
        certainty: Text = "text",
        /// Of a resistance, if it is clear: `connection` or `cell`.
        cause: Option<Text> = "text",
        /// What was found.
        text: String = "text",
        /// What to do.
        remedy: Text = "text",
    }
}

/// The health of a battery as it was last shown: it changes every ten minutes, a view is made with every reading.
#[derive(Debug, Clone, Default)]
pub struct ShownHealth(Option<(Arc<CellHealth>, Option<Shared<Health>>)>);

impl ShownHealth {
    /// The health in a snapshot, made anew only if it is another one than last time.
    pub(super) fn of(&mut self, snapshot: &Snapshot) -> Option<Shared<Health>> {
        let health = snapshot.cell_health.as_ref()?;
        match &self.0 {
            Some((known, shown)) if Arc::ptr_eq(known, health) => shown.clone(),
            _ => {
                let shown = Health::of(health).map(Shared::new);
                self.0 = Some((Arc::clone(health), shown.clone()));
                shown
            }
        }
    }
}

impl Health {
    /// The health that a battery shows; `None` as long as nothing is known.
    pub(super) fn of(health: &CellHealth) -> Option<Self> {
        let CellHealth { estimates: model::Estimates { age, cells, battery }, findings } = health;
        let shown = |estimate: Option<Estimate>, digits| estimate.map(|estimate| round(estimate.value, digits));
        let sd = |estimate: Option<Estimate>, digits| estimate.map(|estimate| round(estimate.sd, digits));
        let values = |get: fn(&CellEstimates) -> Option<Estimate>, digits| list(cells, |cell| shown(get(cell), digits));
        let sds = |get: fn(&CellEstimates) -> Option<Estimate>, digits| list(cells, |cell| sd(get(cell), digits));
        let new = Self {
            days: round(*age, 1),
            full_charges: battery.full_charges,
            discharges: battery.discharges,
            usable_ah: shown(battery.capacity, 1),
            usable_sd_ah: sd(battery.capacity, 1),
            imbalance_ah: shown(battery.imbalance, 2),
            imbalance_trend_ah_per_day: shown(battery.imbalance_trend, 3),
            balancer_wins: battery.balancer_wins(),
            curve_fits: battery.curve_fits,
            resistance_mohm: list(cells, |cell| cell.resistance.map(|ohm| round(ohm.value * 1000.0, 3))),
            relative_resistance: values(|cell| cell.relative_resistance, 3),
            relative_resistance_sd: sds(|cell| cell.relative_resistance, 3),
            resistance_rise: values(|cell| cell.rise, 3),
            offset_ah: values(|cell| cell.offset, 2),
            offset_sd_ah: sds(|cell| cell.offset, 2),
            at_least: late(cells),
            self_discharge_ah_per_day: values(|cell| cell.self_discharge, 3),
            capacity_ah: values(|cell| cell.capacity, 1),
            relative_capacity: values(|cell| cell.relative_capacity, 3),
            relative_capacity_sd: sds(|cell| cell.relative_capacity, 3),
            findings: findings.iter().map(HealthFinding::from).collect(),
        };
        let is_known = !new.findings.is_empty()
            || new.curve_fits.is_some()
            || new.usable_ah.is_some()
            || new.imbalance_ah.is_some()
            || !new.relative_resistance.is_empty()
            || !new.offset_ah.is_empty();
        is_known.then_some(new)
    }
}

/// A value per cell; empty if none is known.
fn list(cells: &[CellEstimates], value: impl Fn(&CellEstimates) -> Option<f64>) -> Vec<Option<f64>> {
    let values: Vec<_> = cells.iter().map(value).collect();
    if values.iter().any(Option::is_some) { values } else { Vec::new() }
}

/// Whether each cell did not get full any more; empty if all did, or nothing is known of their charge.
fn late(cells: &[CellEstimates]) -> Vec<bool> {
    let late: Vec<bool> = cells.iter().map(|cell| cell.is_late && cell.offset.is_some()).collect();
    if late.contains(&true) { late } else { Vec::new() }
}

impl From<&Finding> for HealthFinding {
    fn from(finding: &Finding) -> Self {
        Self {
            kind: finding.kind.name().into(),
            cell: finding.cell.map(|index| u16::try_from(index).unwrap_or(u16::MAX).saturating_add(1)),
            since: finding.since.max(0.0) as u64,
            certainty: finding.certainty.name().into(),
            cause: finding.cause.map(|cause| cause.name().into()),
            text: finding.what(),
            remedy: finding.remedy().into(),
        }
    }
}
