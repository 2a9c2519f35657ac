//! Reductions of the limits because of doubtful data, and how they are reverted.
//!
//! A glitch, a silence or a restart of the BMS says nothing about the battery itself. The limits fall at once; if the doubt ended
//! within [`MAX_BRIEF_DOUBT`], they return within seconds once readings agree again (safety rule 8). A longer one counts like any
//! other reduction: the limits rise by the slow ramp.

use crate::base::units::Moment;
use std::time::Duration;

/// Longer doubt counts as fact.
const MAX_BRIEF_DOUBT: Duration = Duration::from_secs(30);
/// Consecutive readings without doubt that end it.
const CLEAR_READINGS: u32 = 5;
/// Time over which the limits then rise.
const RESTORE_TIME: Duration = Duration::from_secs(10);

/// CVL, CCL, DCL and the upper bound of CVL.
pub(super) type LimitValues = [f64; 4];

/// Limits reduced by doubt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DoubtCut {
    left: LimitValues,
    since: Moment,
    /// Time of the last doubt.
    doubted_at: Moment,
    /// Number of readings without doubt since then.
    agreeing: u32,
    /// Start values and start time of the rise.
    rising: Option<(LimitValues, Moment)>,
}

impl DoubtCut {
    /// The reduced limits of a doubt that began at `since`: the limits in force, or those of an earlier reduction, lowered to
    /// `allowed`. `None` if nothing is reduced.
    pub(super) fn doubted(
        before: Option<Self>,
        in_force: LimitValues,
        allowed: LimitValues,
        since: Moment,
        now: Moment,
    ) -> Option<Self> {
        let left = lower(before.map_or(in_force, |cut| cut.left), allowed);
        if before.is_none() && !is_less(left, in_force) {
            return None;
        }
        let since = before.map_or(since, |cut| cut.since.min(since));
        Some(Self { left, since, doubted_at: now, agreeing: 0, rising: None })
    }

    /// A reading without doubt arrived; `full` are the limits without the reduction. CVL rises from the present voltage.
    pub(super) fn agreed(mut self, full: LimitValues, present: Option<f64>, now: Moment) -> Option<Self> {
        self.agreeing = self.agreeing.saturating_add(1);
        if self.agreeing < CLEAR_READINGS {
            return Some(self);
        }
        let [cvl, ccl, dcl, ceiling] = self.left;
        let start = present.map_or(cvl, |present| cvl.max(present.min(full[0])));
        let (from, at) = *self.rising.get_or_insert(([start, ccl, dcl, ceiling], now));
        let share = (now.since(at).as_secs_f64() / RESTORE_TIME.as_secs_f64()).min(1.0);
        self.left = from;
        self.left.iter_mut().zip(full).for_each(|(left, full)| *left += (full - *left).max(0.0) * share);
        (share < 1.0 && is_less(self.left, full)).then_some(self)
    }

    /// The reduced limits.
    pub(super) fn left(&self) -> LimitValues {
        self.left
    }

    /// The doubt has lasted too long to be reverted quickly.
    pub(super) fn is_lasting(&self) -> bool {
        self.doubted_at.since(self.since) >= MAX_BRIEF_DOUBT
    }
}

fn lower(mut one: LimitValues, other: LimitValues) -> LimitValues {
    one.iter_mut().zip(other).for_each(|(one, other)| *one = one.min(other));
    one
}

fn is_less(one: LimitValues, other: LimitValues) -> bool {
    one.iter().zip(other).any(|(one, other)| *one < other)
}
