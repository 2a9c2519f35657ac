//! What the estimators say of a simulated installation, beside what is true.

use super::{DAY, FaultKind, Installation, Months};
use crate::base::units::AmpHours;
use crate::health::Health;
use crate::model::{Cause, FindingKind};

/// A finding on its first day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Days since the start.
    pub day: f64,
    /// What.
    pub kind: FindingKind,
    /// Index of the cell; `None`: the battery.
    pub cell: Option<usize>,
}

/// What was found in an installation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// The first finding that tells of the fault.
    pub told: Option<Found>,
    /// Of a resistance: what the estimators hold for the cause at last.
    pub cause: Option<Cause>,
    /// Findings beside the fault that are true.
    pub also_true: Vec<Found>,
    /// Those that are not.
    pub not_true: Vec<Found>,
}

/// Lets the estimators follow an installation for so many days; after each, `each` gets its number (from 1), the truth and them.
pub fn follow(installation: &Installation, days: u32, mut each: impl FnMut(u32, &Months, &Health)) -> Outcome {
    let mut months = Months::new(installation);
    let mut health = Health::new(installation.cells, AmpHours::new(installation.capacity_ah));
    let mut outcome = Outcome::default();
    let mut known: Vec<(FindingKind, Option<usize>)> = Vec::new();
    for day in 1..=days {
        // The last reading of a day is before midnight.
        let end = f64::from(day) * DAY - 1.5 * installation.period_s;
        while months.time() < end {
            if let Some(observation) = months.step() {
                health.update(&observation);
            }
        }
        health.review();
        for finding in health.findings() {
            let is_told = installation
                .fault
                .is_some_and(|fault| f64::from(day) > fault.from_day && fault.is_told_by(finding.kind, finding.cell));
            if is_told && finding.cause.is_some() {
                outcome.cause = finding.cause;
            }
            if known.contains(&(finding.kind, finding.cell)) {
                continue;
            }
            known.push((finding.kind, finding.cell));
            let found = Found { day: f64::from(day), kind: finding.kind, cell: finding.cell };
            if is_told {
                outcome.told = outcome.told.or(Some(found));
            } else if is_true(installation, &months, found) {
                outcome.also_true.push(found);
            } else {
                outcome.not_true.push(found);
            }
        }
        each(day, &months, &health);
    }
    outcome
}

/// A finding that is not about the fault itself may be true: cells are imbalanced also without one, and one with too little capacity
/// or much self-discharge drives them apart.
fn is_true(installation: &Installation, months: &Months, found: Found) -> bool {
    let drives_apart = installation.fault.is_some_and(|fault| fault.kind == FaultKind::Capacity);
    months.truth().bears_out(found.kind, found.cell, installation.capacity_ah) || found.kind == FindingKind::Losing && drives_apart
}
