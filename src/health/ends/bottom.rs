//! The bottom: who is empty when tells the capacities.

use super::super::cell::Cell;
use super::super::clock::DAY;
use super::super::curve::{self, BOTTOM, BOTTOM_LEVELS, SLOWEST_SHARE};
use super::super::line::{Line, median};
use super::super::resistance::Steps;
use super::top::{Anchor, Top};
use super::{CurrentOffset, LEAST_CURRENT, Look, Passing, median_passing};
use serde::{Deserialize, Serialize};

/// A discharge begins and ends here, V of the lowest cell.
const BEGIN: f64 = 3.260;
const END: f64 = 3.275;
/// A full charge longer ago than this is no anchor for a capacity, s.
const OLDEST_ANCHOR: f64 = 10.0 * DAY;
/// Counts less certain than this measure no capacity, share of the capacity.
const MOST_DOUBT: f64 = 0.012;
/// Share of the voltage drop that compensation may miss.
const DROP_DOUBT: f64 = 0.15;
/// Doubt of every single measurement, share of the capacity.
const LEAST_DOUBT: f64 = 0.0025;
/// The level (3.20 V) that counts as empty; that above is too flat.
const EMPTY: usize = 1;

/// The battery at the bottom.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Bottom {
    /// A discharge is under way.
    active: bool,
    /// Count at its begin, Ah.
    base: f64,
    /// Lowest count of it under current, Ah from its begin.
    lowest: f32,
    /// Discharges in which a cell was empty.
    pub(in super::super) count: u32,
    /// Day of the end of the last one.
    pub(in super::super) last: f32,
    /// Who did not get low has more capacity than this, Ah; 0: unknown.
    pub(in super::super) least: f32,
}

/// A cell at the bottom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct CellBottom {
    #[serde(rename = "p")]
    passed: [Passing; BOTTOM_LEVELS],
    /// Charge that it still had when the median cell was empty, Ah; negative: it was empty before.
    #[serde(rename = "e")]
    pub(in super::super) margin: Passing,
    /// Trend of the margin without balancing, Ah over days.
    #[serde(rename = "l")]
    pub(in super::super) line: Line,
    /// Capacity: sum of weights (1/Ah²), and weighted sum.
    #[serde(rename = "w")]
    pub(in super::super) weight: f32,
    #[serde(rename = "c")]
    pub(in super::super) weighted: f32,
    /// Capacity by the lowest level of this discharge, Ah, and its variance; 0: none.
    #[serde(rename = "q")]
    now: f32,
    #[serde(rename = "v")]
    variance: f32,
}

/// What the bottom needs of the other estimators.
pub(in super::super) struct Known<'a> {
    pub(in super::super) top: &'a Top,
    pub(in super::super) steps: &'a Steps,
    /// °C.
    pub(in super::super) temperature: f64,
}

impl Known<'_> {
    /// Voltage drop of a cell, V per A.
    fn drop(&self, cell: &Cell, nominal: f64) -> f64 {
        let steps = self.steps;
        let slowest = SLOWEST_SHARE * f64::from(steps.usual_fast) / f64::from(steps.usual_slow);
        let (fast, slow) = (steps.fast(&cell.steps, nominal), steps.slow(&cell.steps));
        curve::fast_at(self.temperature) * fast + curve::slow_at(self.temperature) * slow * (1.0 + slowest)
    }
}

impl Bottom {
    /// Looks at the voltages.
    pub(in super::super) fn look(&mut self, look: &Look, known: &Known, cells: &mut [Cell]) {
        if !self.active && look.lowest() < BEGIN {
            self.begin(look, cells);
        }
        if !self.active {
            return;
        }
        // What happens without current is not looked at: who did not pass a level then may well be below it.
        if look.current < -LEAST_CURRENT * look.nominal {
            self.lowest = self.lowest.min((look.charge - self.base) as f32);
            self.pass(look, known, cells);
        }
        if look.lowest() > END {
            self.active = false;
            self.finish(look, known.top, cells);
        }
    }

    fn begin(&mut self, look: &Look, cells: &mut [Cell]) {
        (self.active, self.base, self.lowest) = (true, look.charge, 0.0);
        for (cell, open) in cells.iter_mut().map(|cell| &mut cell.bottom).zip(look.open) {
            (cell.now, cell.variance) = (0.0, 0.0);
            cell.passed = BOTTOM.map(|level| if *open <= level.voltage { Passing::UNSEEN } else { Passing::PENDING });
        }
    }

    /// Notes who passes which level, and what capacity that means.
    fn pass(&self, look: &Look, known: &Known, cells: &mut [Cell]) {
        let anchor = known.top.anchor.filter(|anchor| {
            let doubt = look.doubt - f64::from(anchor.doubt);
            anchor.is_settled && doubt < MOST_DOUBT * look.nominal && look.elapsed - anchor.elapsed < OLDEST_ANCHOR
        });
        let offset = CurrentOffset::of(&known.top.counts);
        for (k, (cell, (now, before))) in cells.iter_mut().zip(look.voltages()).enumerate() {
            for (j, level) in BOTTOM.iter().enumerate() {
                let Some(passed) = cell.bottom.passed.get_mut(j).filter(|passed| passed.is_pending() && now <= level.voltage)
                else {
                    continue;
                };
                *passed =
                    if before > level.voltage { look.passing(self.base, before, now, level.voltage) } else { Passing::UNSEEN };
                let (Some(at), Some(anchor), false) = (passed.count(look.nominal), anchor, known.top.is_late(k)) else { continue };
                let taken = anchor.taken(self.base + at, look.elapsed, offset);
                let missing = (1.0 - f64::from(anchor.soc)) * look.nominal - f64::from(cell.top.offset) - cell.balanced;
                let drop = look.current.abs() * known.drop(cell, look.nominal);
                cell.bottom.now = ((missing + taken) / (1.0 - level.soc)) as f32;
                cell.bottom.variance = ((level.doubt * look.nominal).powi(2) * (1.0 + (DROP_DOUBT * drop / 0.004).powi(2))) as f32;
            }
        }
    }

    /// A discharge has ended: each cell's best estimate counts, weighted by how steep its curve was there.
    fn finish(&mut self, look: &Look, top: &Top, cells: &mut [Cell]) {
        let measured = top.anchor.is_some_and(|anchor| self.take_capacities(look, &anchor, top, cells));
        let medians: [Option<f64>; BOTTOM_LEVELS] = std::array::from_fn(|j| {
            median_passing(cells.iter().filter_map(|cell| cell.bottom.passed.get(j).copied()), look.nominal, true)
        });
        let empty = |cell: &Cell| cell.bottom.passed.get(EMPTY).and_then(|passed| passed.count(look.nominal));
        let empty_cells = cells.iter().filter(|cell| empty(cell).is_some()).count();
        let few = empty_cells <= cells.len() / 4 && !cells.iter().any(|cell| cell.bottom.went_unseen(EMPTY));
        for cell in cells.iter_mut() {
            let levels = cell.bottom.passed.iter().zip(&medians).skip(EMPTY).rev();
            let margin = levels.filter_map(|(own, median)| Some((*median)? - own.count(look.nominal)?)).next();
            if let Some(margin) = margin {
                cell.bottom.line.add(look.days(), margin - cell.balanced);
            }
            // The median cell was not empty: if few cells were, they were so at least this much earlier.
            let least = empty(cell).filter(|_| few).map(|own| f64::from(self.lowest) - own);
            cell.bottom.margin = margin.or(least).map_or(Passing::PENDING, |margin| Passing::at(margin, look.nominal));
        }
        if empty_cells > 0 {
            self.count = self.count.saturating_add(1);
            self.last = look.days() as f32;
        }
        // A cell that got low while nobody looked has no capacity, and may have less than those that stayed above.
        let unseen = cells.iter().any(|cell| cell.bottom.went_unseen(0) && cell.bottom.capacity().is_none());
        if let (true, Some(anchor), [flattest, ..]) = (measured && !unseen, top.anchor, &BOTTOM) {
            let taken = anchor.taken(self.base + f64::from(self.lowest), look.elapsed, CurrentOffset::of(&top.counts));
            self.least = (((1.0 - f64::from(anchor.soc)) * look.nominal + taken) / (1.0 - flattest.soc)) as f32;
        }
    }

    /// Adds the capacities of this discharge. Returns whether there was any.
    fn take_capacities(&self, look: &Look, anchor: &Anchor, top: &Top, cells: &mut [Cell]) -> bool {
        let offset = CurrentOffset::of(&top.counts);
        let hours = (look.elapsed - anchor.elapsed) / 3600.0;
        let doubt = look.doubt - f64::from(anchor.doubt);
        let common = doubt * doubt + (offset.sd * hours).powi(2) + (LEAST_DOUBT * look.nominal).powi(2);
        let mut measured = false;
        for bottom in cells.iter_mut().map(|cell| &mut cell.bottom).filter(|bottom| bottom.variance > 0.0) {
            let weight = (1.0 / (f64::from(bottom.variance) + common)) as f32;
            bottom.weight += weight;
            bottom.weighted += weight * bottom.now;
            measured = true;
        }
        measured
    }
}

impl Anchor {
    /// Charge that was taken out since, Ah.
    fn taken(&self, charge: f64, elapsed: f64, offset: CurrentOffset) -> f64 {
        self.charge - charge + offset.amps * (elapsed - self.elapsed) / 3600.0
    }
}

impl CellBottom {
    /// It passed this level in the last discharge, but nobody saw when.
    fn went_unseen(&self, level: usize) -> bool {
        self.passed.get(level).is_some_and(|passed| passed.is_unseen())
    }

    /// Capacity by all discharges, Ah, and the standard deviation of the measurements.
    pub(in super::super) fn capacity(&self) -> Option<(f64, f64)> {
        let weight = f64::from(self.weight);
        (weight > 1e-6).then(|| (f64::from(self.weighted) / weight, (1.0 / weight).sqrt()))
    }
}

/// Capacity of the median cell of those whose capacity was measured, Ah, whether it may be claimed or not.
pub(in super::super) fn usual_capacity(cells: &[Cell]) -> Option<f64> {
    median(cells.iter().filter_map(|cell| cell.bottom.capacity()).map(|(capacity, _)| capacity))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Capacity of 280 Ah, a full charge before; one cell of four was seen at every level, the others as given.
    fn least(others: Passing) -> f32 {
        let anchor = Anchor { charge: 0.0, doubt: 0.0, elapsed: 0.0, soc: 1.0, is_settled: true };
        let mut top = Top::default();
        top.anchor = Some(anchor);
        let open = [3.3; 4];
        let (elapsed, last_charge) = (DAY, Some(-290.0));
        let look = Look {
            elapsed,
            current: 0.0,
            charge: -290.0,
            doubt: 0.0,
            last_charge,
            open: &open,
            last_open: &open,
            nominal: 280.0,
            is_settled: true,
        };
        let mut cells: [Cell; 4] = std::array::from_fn(|_| Cell::default());
        for cell in &mut cells {
            cell.bottom.passed = [others; BOTTOM_LEVELS];
        }
        cells[0].bottom.passed = [Passing::at(-10.0, 280.0); BOTTOM_LEVELS];
        (cells[0].bottom.now, cells[0].bottom.variance) = (284.0, 1.0);
        let mut bottom = Bottom { active: true, base: -250.0, lowest: -40.0, ..Bottom::default() };
        bottom.finish(&look, &top, &mut cells);
        bottom.least
    }

    #[test]
    fn cells_that_got_low_while_nobody_looked_bound_no_capacity() {
        assert!(least(Passing::PENDING) > 290.0, "who stayed above has more than what was taken out");
        assert_eq!(least(Passing::UNSEEN), 0.0, "who may be far below does not");
    }
}
