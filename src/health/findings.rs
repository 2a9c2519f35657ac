//! Findings: estimates that are bad enough and certain enough, on several days in a row.
//!
//! Thresholds from the simulation study in `docs/health.md`: a false finding is worse than a week's delay.

use super::clock::Clock;
use crate::model::{BatteryEstimates, Cause, CellEstimates, Certainty, Estimate, Estimates, Finding, FindingKind};
use serde::{Deserialize, Serialize};

/// Candidates that are followed at most; a battery with more has other problems.
const MOST_CANDIDATES: usize = 12;
/// Reviews in a row that take a finding back.
const TAKEN_BACK_AFTER: u8 = 3;
/// Scatter is judged from so many steps on.
const SCATTER_STEPS: f64 = 30.0;
/// What stands for the whole battery.
const BATTERY: u8 = u8::MAX;

/// What a kind counts: reviews (one a day), or those after another charge or discharge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    Days,
    Charges,
    Discharges,
}

/// When a kind is a finding.
#[derive(Debug, Clone, Copy)]
struct Rule {
    /// At least so bad.
    size: f64,
    /// A value that is still fine; the estimate is away from it by `certainty` standard deviations.
    fine: f64,
    certainty: f64,
    /// In a row.
    times: u8,
    counted: Counted,
}

const fn rule(size: f64, fine: f64, certainty: f64, times: u8, counted: Counted) -> Rule {
    Rule { size, fine, certainty, times, counted }
}

impl FindingKind {
    /// Charges are shares of the capacity.
    const fn rule(self) -> Rule {
        match self {
            Self::High => rule(1.50, 1.25, 4.0, 2, Counted::Days),
            Self::Rising => rule(1.15, 1.06, 4.0, 3, Counted::Days),
            Self::Unsteady => rule(6.0, 3.0, 4.0, 3, Counted::Days),
            Self::Leak => rule(0.0006, 0.0002, 4.0, 2, Counted::Days),
            Self::Weak => rule(0.92, 0.96, 3.0, 1, Counted::Days),
            Self::Pack => rule(0.85, 0.90, 2.0, 1, Counted::Days),
            Self::Behind => rule(-0.02, -0.01, 3.0, 2, Counted::Charges),
            Self::Short => rule(-0.03, -0.01, 3.0, 2, Counted::Discharges),
            Self::Losing => rule(0.0001, 0.0001, 3.0, 3, Counted::Charges),
        }
    }

    /// What the rule is about is a charge, so that it scales with the capacity.
    const fn is_charge(self) -> bool {
        matches!(self, Self::Leak | Self::Pack | Self::Behind | Self::Short | Self::Losing)
    }
}

/// Imbalance below which nothing is lost yet, share of the capacity.
const LEAST_IMBALANCE: f64 = 0.015;
/// Charges after which the trend of the imbalance counts.
const LEAST_CHARGES: f64 = 5.0;

/// How a value stands to its rule.
#[derive(Debug, Clone, Copy)]
struct Judged {
    value: f64,
    /// It is at least so bad.
    at_least: bool,
    /// Standard deviations beyond what is fine.
    beyond_fine: f64,
    is_hit: bool,
}

impl Rule {
    fn judge(&self, estimate: Estimate, scale: f64) -> Judged {
        let sign = if self.size >= self.fine { 1.0 } else { -1.0 };
        let beyond_fine = sign * (estimate.value - self.fine * scale) / estimate.sd.max(1e-12);
        let is_bad = sign * (estimate.value - self.size * scale) >= 0.0;
        Judged { value: estimate.value, at_least: false, beyond_fine, is_hit: is_bad && beyond_fine >= self.certainty }
    }
}

impl Judged {
    /// The same, but a cell that does not get full any more is told by what is sure of it.
    fn of_late_cell(self, kind: FindingKind, cell: &CellEstimates) -> Self {
        let sure = match kind {
            FindingKind::Behind => cell.offset,
            FindingKind::Leak => cell.self_discharge,
            _ => None,
        };
        sure.filter(|_| cell.is_late).map_or(self, |sure| Self { value: sure.value, at_least: true, ..self })
    }
}

impl Cause {
    /// From a cell's fast and slow part; `None`: it is not clear.
    fn of(cell: &CellEstimates) -> Option<Self> {
        let risen = cell.rise.zip(cell.slow_rise).filter(|(fast, _)| fast.value > 1.12);
        let (fast, slow) = risen.or(cell.relative_resistance.zip(cell.relative_slow))?;
        let more = fast.value - 1.0;
        if more < 0.12 {
            return None;
        }
        let (share, sd) = ((slow.value - 1.0) / more, slow.sd / more);
        match (share + sd < 0.45, share - sd > 0.45) {
            (true, _) => Some(Self::Connection),
            (_, true) => Some(Self::Cell),
            _ => None,
        }
    }
}

/// A value that was bad at the last review.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Candidate {
    kind: FindingKind,
    cell: u8,
    /// Times in a row, see [`Rule::times`].
    times: u8,
    /// Reviews in a row at which a finding was fine.
    fine: u8,
    found: bool,
    cause: Option<Cause>,
    /// See [`Finding::at_least`].
    #[serde(default)]
    at_least: bool,
    /// Standard deviations beyond what is fine, whole ones.
    certainty: u8,
    since: f32,
    value: f32,
}

/// Memory of the candidates at most, bytes.
#[cfg(test)]
pub(super) const MOST_MEMORY: usize = MOST_CANDIDATES * size_of::<Candidate>();

/// What is followed from review to review.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    candidates: Vec<Candidate>,
    /// Charges and discharges at the last review.
    charges: u32,
    discharges: u32,
}

impl Watch {
    /// Reviews the estimates of a battery; `events`: charges and discharges so far.
    pub(super) fn review(&mut self, estimates: &Estimates, nominal: f64, events: [u32; 2], days: f64) {
        let [charges, discharges] = events;
        let counts = |kind: FindingKind| match kind.rule().counted {
            Counted::Days => true,
            Counted::Charges => charges != self.charges,
            Counted::Discharges => discharges != self.discharges,
        };
        let mut next: Vec<Candidate> = Vec::with_capacity(MOST_CANDIDATES);
        for kind in FindingKind::ALL {
            for (cell, judged) in judge(kind, estimates, nominal) {
                let before = self.candidates.iter().find(|candidate| candidate.kind == kind && candidate.cell == cell);
                let Some(mut candidate) = follow(before, kind, cell, judged, counts(kind), days) else { continue };
                let state =
                    estimates.cells.get(usize::from(cell)).filter(|_| matches!(kind, FindingKind::High | FindingKind::Rising));
                candidate.cause = state.and_then(Cause::of).or(candidate.cause);
                next.push(candidate);
            }
        }
        // What was found comes first, in the order in which it began.
        next.sort_by(|a, b| b.found.cmp(&a.found).then(a.since.total_cmp(&b.since)));
        next.truncate(MOST_CANDIDATES);
        self.candidates.clear();
        self.candidates.reserve_exact(next.len());
        self.candidates.append(&mut next);
        (self.charges, self.discharges) = (charges, discharges);
    }

    /// What was found.
    pub(super) fn findings(&self, clock: &Clock) -> Vec<Finding> {
        let found = self.candidates.iter().filter(|candidate| candidate.found);
        found.map(|candidate| candidate.finding(clock)).collect()
    }
}

impl Candidate {
    fn finding(&self, clock: &Clock) -> Finding {
        let certainty = match self.certainty {
            8.. => Certainty::Certain,
            5.. => Certainty::High,
            _ => Certainty::Likely,
        };
        Finding {
            kind: self.kind,
            cell: (self.cell != BATTERY).then_some(usize::from(self.cell)),
            since: clock.date(f64::from(self.since)),
            certainty,
            value: f64::from(self.value),
            cause: self.cause,
            at_least: self.at_least,
        }
    }
}

/// The candidate after a review; `None`: there is none.
fn follow(
    before: Option<&Candidate>,
    kind: FindingKind,
    cell: u8,
    judged: Option<Judged>,
    counts: bool,
    days: f64,
) -> Option<Candidate> {
    let is_hit = judged.is_some_and(|judged| judged.is_hit);
    let fresh = Candidate {
        kind,
        cell,
        times: 0,
        fine: 0,
        found: false,
        cause: None,
        at_least: false,
        since: days as f32,
        value: 0.0,
        certainty: 0,
    };
    let mut next = match before {
        Some(before) if is_hit || before.found => *before,
        _ if is_hit => fresh,
        _ => return None,
    };
    if let Some(judged) = judged {
        (next.value, next.at_least, next.certainty) = (judged.value as f32, judged.at_least, judged.beyond_fine as u8);
        next.fine = if judged.beyond_fine > 0.0 { 0 } else { next.fine.saturating_add(1) };
    }
    next.times = next.times.saturating_add(u8::from(is_hit && counts));
    next.found |= next.times >= kind.rule().times;
    (next.fine < TAKEN_BACK_AFTER).then_some(next)
}

/// How each cell, or the battery, stands to a kind's rule; `None`: unknown.
fn judge(kind: FindingKind, estimates: &Estimates, nominal: f64) -> Vec<(u8, Option<Judged>)> {
    let rule = kind.rule();
    let scale = if kind.is_charge() { nominal } else { 1.0 };
    let judge = |estimate: Option<Estimate>| estimate.map(|estimate| rule.judge(estimate, scale));
    match kind {
        FindingKind::Pack => vec![(BATTERY, judge(estimates.battery.capacity))],
        FindingKind::Losing => vec![(BATTERY, judge(growing_imbalance(&estimates.battery, nominal)))],
        _ => {
            let cells = (0..).zip(&estimates.cells);
            cells.map(|(index, cell)| (index, judge(of_cell(kind, cell)).map(|judged| judged.of_late_cell(kind, cell)))).collect()
        }
    }
}

/// The estimate of a cell that a kind is about.
fn of_cell(kind: FindingKind, cell: &CellEstimates) -> Option<Estimate> {
    match kind {
        FindingKind::High => cell.relative_resistance,
        FindingKind::Rising => cell.rise,
        // A resistance that rises scatters over the days of its memory, too; it is told as that.
        FindingKind::Unsteady => cell
            .scatter
            .filter(|scatter| scatter.sd <= scatter.value * (2.0 / SCATTER_STEPS).sqrt())
            .filter(|_| cell.rise.is_none_or(|rise| rise.value < FindingKind::Rising.rule().size)),
        FindingKind::Leak => cell.self_discharge,
        FindingKind::Weak => cell.relative_capacity,
        // Who does not even arrive is further behind than this.
        FindingKind::Behind => cell
            .offset
            .map(|offset| Estimate { value: if cell.is_late { offset.value * 5.0 / 3.0 } else { offset.value }, ..offset }),
        FindingKind::Short => cell.margin,
        FindingKind::Pack | FindingKind::Losing => None,
    }
}

/// The trend of an imbalance that matters.
fn growing_imbalance(battery: &BatteryEstimates, nominal: f64) -> Option<Estimate> {
    let matters = battery.imbalance.is_some_and(|imbalance| imbalance.value > LEAST_IMBALANCE * nominal);
    battery.imbalance_trend.filter(|_| matters && battery.imbalance_points > LEAST_CHARGES)
}
