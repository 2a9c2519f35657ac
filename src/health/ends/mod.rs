//! The ends of the curve: where cells pass levels of voltage on their way up or down, at which charge count.

pub(super) mod bottom;
pub(super) mod top;

use super::line::{Line, middle_of};
use super::{MAX_CELLS, clock::DAY};
use serde::{Deserialize, Serialize};

/// Least current, A per Ah of capacity, at which a level counts as passed.
pub(super) const LEAST_CURRENT: f64 = 0.004;
/// Share of the capacity that may flow between two looks.
const LONGEST_LOOK: f64 = 0.02;

/// Charge count at which a cell passed a level, above the count at the start of this end; in 1/20 000 of the capacity, which is far
/// finer than the voltages tell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Passing(i16);

impl Default for Passing {
    fn default() -> Self {
        Self::PENDING
    }
}

impl Passing {
    /// Not passed yet; unknown.
    pub(super) const PENDING: Self = Self(i16::MIN);
    /// Passed while nobody looked.
    pub(super) const UNSEEN: Self = Self(i16::MIN + 1);
    /// Steps in a capacity; 1.5 capacities is more than any count at an end.
    const STEPS: f64 = 20_000.0;
    const MOST: f64 = 30_000.0;

    pub(super) fn at(count: f64, nominal: f64) -> Self {
        Self((count / nominal * Self::STEPS).round().clamp(-Self::MOST, Self::MOST) as i16)
    }

    /// The count, Ah, if it is known.
    pub(super) fn count(self, nominal: f64) -> Option<f64> {
        self.is_known().then(|| f64::from(self.0) * nominal / Self::STEPS)
    }

    fn is_known(self) -> bool {
        !self.is_pending() && !self.is_unseen()
    }

    fn is_pending(self) -> bool {
        self == Self::PENDING
    }

    fn is_unseen(self) -> bool {
        self == Self::UNSEEN
    }
}

/// A moment in which the open voltages are known well.
pub(super) struct Look<'a> {
    /// Time since the first reading, s.
    pub(super) elapsed: f64,
    /// Filtered current, A.
    pub(super) current: f64,
    /// Charge count, Ah, and its doubt.
    pub(super) charge: f64,
    pub(super) doubt: f64,
    /// Count at the last look.
    pub(super) last_charge: Option<f64>,
    /// Open voltages now and at the last look, V.
    pub(super) open: &'a [f64],
    pub(super) last_open: &'a [f64],
    /// Capacity as installed, Ah.
    pub(super) nominal: f64,
    /// Resistances are known well enough to build on the ends.
    pub(super) is_settled: bool,
}

impl Look<'_> {
    /// Little has flowed since the last look, so that what happened between can be interpolated.
    fn is_fresh(&self) -> bool {
        self.last_charge.is_some_and(|last| (self.charge - last).abs() < LONGEST_LOOK * self.nominal)
    }

    fn days(&self) -> f64 {
        self.elapsed / DAY
    }

    fn highest(&self) -> f64 {
        self.open.iter().copied().fold(f64::MIN, f64::max)
    }

    fn lowest(&self) -> f64 {
        self.open.iter().copied().fold(f64::MAX, f64::min)
    }

    /// Voltage of each cell now and at the last look.
    fn voltages(&self) -> impl Iterator<Item = (f64, f64)> {
        self.open.iter().copied().zip(self.last_open.iter().copied())
    }

    /// Count, from `base`, at which a cell passed `level` on its way from `before` to `now`.
    fn passing(&self, base: f64, before: f64, now: f64, level: f64) -> Passing {
        let (Some(last), true) = (self.last_charge, self.is_fresh()) else { return Passing::UNSEEN };
        Passing::at(last + (level - before) / (now - before) * (self.charge - last) - base, self.nominal)
    }
}

/// Count at which the median cell passed a level: who has not passed it will do so later. `None` if that is not known.
fn median_passing(passings: impl Iterator<Item = Passing>, nominal: f64, falling: bool) -> Option<f64> {
    let mut known = [0.0; MAX_CELLS];
    let (mut count, mut passed) = (0, 0);
    for passing in passings {
        if passing.is_unseen() {
            return None;
        }
        count += 1;
        if let (Some(at), Some(place)) = (passing.count(nominal), known.get_mut(passed)) {
            *place = if falling { -at } else { at };
            passed += 1;
        }
    }
    if passed < count / 2 + 1 {
        return None;
    }
    let known = known.get_mut(..passed)?;
    known.sort_unstable_by(f64::total_cmp);
    middle_of(known, count).map(|middle| if falling { -middle } else { middle })
}

/// Offset of the BMS's current and all that is lost unseen: what the count gains from full to full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CurrentOffset {
    /// A; 0 while it is unknown.
    pub(super) amps: f64,
    pub(super) sd: f64,
    pub(super) is_known: bool,
}

/// Standard deviation that makes the offset known, A.
const OFFSET_KNOWN: f64 = 0.15;

impl CurrentOffset {
    /// From the line through the counts at full (Ah over days), with half an Ah of doubt per point.
    pub(super) fn of(counts: &Line) -> Self {
        let known = counts.slope().map(|slope| {
            let doubt = 0.5 / counts.width().max(1e-3);
            Self { amps: slope.value / 24.0, sd: (slope.sd * slope.sd + doubt).sqrt() / 24.0, is_known: true }
        });
        let unknown = Self { amps: 0.0, sd: OFFSET_KNOWN, is_known: false };
        known.filter(|offset| offset.sd < OFFSET_KNOWN).unwrap_or(unknown)
    }
}
