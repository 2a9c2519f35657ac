//! Resistances from steps of the current.
//!
//! A clean step: three still readings, one of guard, the step, one of guard, three still readings. The guards take what current and
//! cells are apart in time. With more than 5 s per reading there are none, and two still readings. A least-squares fit of voltage
//! step over current step gives the fast resistance, what follows within a minute the slow one.

use super::cell::Cell;
use super::clock::DAY;
use super::curve;
use super::line::median;
use super::moment::{Moment, RING};
use serde::{Deserialize, Serialize};

/// Smallest step, A.
const SMALLEST: f64 = 2.0;
/// How still the current is on both sides of a step: A, and share of the step.
const STILL: (f64, f64) = (0.4, 0.06);
/// Cell voltages between which resistance is as usual, V.
const USUAL_VOLTAGES: std::ops::RangeInclusive<f64> = 3.10..=3.45;
/// The slow part is taken so long after the step, s, of steps at least as large, A.
const SLOW_AFTER: f64 = 60.0;
const SLOW_SMALLEST: f64 = 4.0;
/// Readings further apart than this are no longer near, s: those every 5 s are, whatever their jitter.
const NEAR: f64 = 5.5;
/// The first days and steps are what a rise is measured against.
pub(super) const BASE_DAYS: f64 = 21.0;
pub(super) const BASE_STEPS: f32 = 60.0;
pub(super) const BASE_SLOW_STEPS: f32 = 30.0;
/// Steps, and their squares (A²), that make a resistance known.
const KNOWN_STEPS: f32 = 8.0;
const KNOWN_SQUARES: f32 = 600.0;
/// Forgetting, days: the fast part now, the slow part, the long memory for the trend.
const FORGET_FAST: f64 = 7.0;
const FORGET_SLOW: f64 = 14.0;
const FORGET_LONG: f64 = 60.0;

/// The battery's sums over steps. Squares of current are at 25 °C, A².
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Steps {
    pub(super) squares: f32,
    pub(super) count: f32,
    /// Sum of square times age, for the middle of the time that the sums are about.
    when: f32,
    pub(super) long_squares: f32,
    long_when: f32,
    pub(super) base_squares: f32,
    pub(super) base_count: f32,
    pub(super) slow_squares: f32,
    pub(super) slow_count: f32,
    pub(super) slow_base_squares: f32,
    pub(super) slow_base_count: f32,
    /// Fast and slow resistance of the median cell at 25 °C, ohm; what is usual until they are known.
    pub(super) usual_fast: f32,
    pub(super) usual_slow: f32,
    /// Day of the last step.
    pub(super) last: f32,
}

/// A cell's sums over steps: products of voltage and current (V·A), squares of voltage (V²).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; 7]", into = "[f32; 7]")]
pub(super) struct CellSteps {
    pub(super) products: f32,
    pub(super) squares: f32,
    pub(super) long_products: f32,
    pub(super) base_products: f32,
    pub(super) slow_products: f32,
    pub(super) slow_squares: f32,
    pub(super) slow_base_products: f32,
}

impl From<[f32; 7]> for CellSteps {
    fn from(sums: [f32; 7]) -> Self {
        let [products, squares, long_products, base_products, slow_products, slow_squares, slow_base_products] = sums;
        Self { products, squares, long_products, base_products, slow_products, slow_squares, slow_base_products }
    }
}

impl From<CellSteps> for [f32; 7] {
    fn from(s: CellSteps) -> Self {
        [s.products, s.squares, s.long_products, s.base_products, s.slow_products, s.slow_squares, s.slow_base_products]
    }
}

/// A step whose slow part is still to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlowPart {
    /// s since the step.
    age: f64,
    before: f64,
    after: f64,
}

impl Steps {
    /// What is usual for cells of this capacity, Ah.
    pub(super) fn new(nominal: f64) -> Self {
        let usual = curve::usual_resistance(nominal);
        Self { usual_fast: usual as f32, usual_slow: (curve::SLOW_SHARE * usual) as f32, ..Self::default() }
    }

    /// The fast resistances are known.
    pub(super) fn are_known(&self) -> bool {
        self.count >= KNOWN_STEPS && self.squares > KNOWN_SQUARES
    }

    /// Fast resistance of a cell at 25 °C, ohm; what is usual until it is known.
    pub(super) fn fast(&self, cell: &CellSteps, nominal: f64) -> f64 {
        if self.are_known() { f64::from(cell.products / self.squares) } else { curve::usual_resistance(nominal) }
    }

    /// Slow resistance of a cell at 25 °C, ohm.
    pub(super) fn slow(&self, cell: &CellSteps) -> f64 {
        let usual = f64::from(self.usual_slow);
        if self.slow_count < 20.0 || self.slow_squares <= 0.0 {
            return usual;
        }
        f64::from(cell.slow_products / self.slow_squares).max(0.5 * usual).min(3.0 * usual)
    }

    /// How many days lie between the middles of the long and the short memory.
    pub(super) fn memory_distance(&self) -> Option<f64> {
        let middle = |when: f32, squares: f32| (squares > 0.0).then(|| f64::from(when / squares));
        Some(middle(self.when, self.squares)? - middle(self.long_when, self.long_squares)?)
    }

    /// Forgets `dt` seconds, and takes the medians.
    pub(super) fn forget(&mut self, dt: f64, nominal: f64, cells: &mut [Cell]) {
        let keep = |days: f64| (-dt / (days * DAY)).exp() as f32;
        let (fast, slow, long) = (keep(FORGET_FAST), keep(FORGET_SLOW), keep(FORGET_LONG));
        for sum in [&mut self.squares, &mut self.count, &mut self.when] {
            *sum *= fast;
        }
        for sum in [&mut self.long_squares, &mut self.long_when] {
            *sum *= long;
        }
        for sum in [&mut self.slow_squares, &mut self.slow_count] {
            *sum *= slow;
        }
        for cell in cells.iter_mut().map(|cell| &mut cell.steps) {
            cell.products *= fast;
            cell.squares *= fast;
            cell.long_products *= long;
            cell.slow_products *= slow;
            cell.slow_squares *= slow;
        }
        self.take_medians(nominal, cells);
    }

    fn take_medians(&mut self, nominal: f64, cells: &[Cell]) {
        let usual = median(cells.iter().map(|cell| self.fast(&cell.steps, nominal)));
        let usual = usual.filter(|ohm| *ohm > 0.0).unwrap_or_else(|| curve::usual_resistance(nominal));
        let slow = median(cells.iter().map(|cell| f64::from(cell.steps.slow_products / self.slow_squares)));
        let slow = slow.filter(|_| self.slow_count >= 5.0).map(|slow| slow.max(0.2 * usual).min(2.0 * usual));
        self.usual_fast = usual as f32;
        self.usual_slow = slow.unwrap_or(curve::SLOW_SHARE * usual) as f32;
    }

    /// Looks for a step in the middle of the last readings.
    pub(super) fn look(&mut self, days: f64, period: f64, temperature: f64, moment: &mut Moment, cells: &mut [Cell]) {
        let near = period <= NEAR;
        let (wide, guard) = if near { (3, 1) } else { (2, 0) };
        let Some(step) = Step::find(moment, wide, guard) else { return };
        let x = step.size() * curve::fast_at(temperature);
        let square = (x * x) as f32;
        self.squares += square;
        self.count += 1.0;
        self.when += square * days as f32;
        self.long_squares += square;
        self.long_when += square * days as f32;
        self.last = days as f32;
        let base = days < BASE_DAYS || self.base_count < BASE_STEPS;
        if base {
            self.base_squares += square;
            self.base_count += 1.0;
        }
        for (cell, now) in cells.iter_mut().map(|cell| &mut cell.steps).zip(&mut moment.cells) {
            let (before, after) = (now.mean(step.first, wide), now.mean(RING - wide, wide));
            let y = after - before;
            let product = (x * y) as f32;
            cell.products += product;
            cell.squares += (y * y) as f32;
            cell.long_products += product;
            if base {
                cell.base_products += product;
            }
            now.after_step = after as f32;
        }
        let slow = near && step.size().abs() >= SLOW_SMALLEST && moment.still_before > SLOW_AFTER;
        moment.slow_part = slow.then_some(SlowPart { age: 0.0, before: step.before, after: step.after });
    }

    /// Takes the slow part of the last step, if the current stayed where it went.
    pub(super) fn look_for_slow_part(&mut self, dt: f64, days: f64, temperature: f64, moment: &mut Moment, cells: &mut [Cell]) {
        let Some(part) = &mut moment.slow_part else { return };
        part.age += dt;
        let (size, part) = (part.after - part.before, *part);
        if (moment.current() - part.after).abs() > STILL.0 + 0.1 * size.abs() {
            moment.slow_part = None;
            return;
        }
        if part.age < SLOW_AFTER || moment.filled < RING {
            return;
        }
        moment.slow_part = None;
        let x = size * curve::slow_at(temperature);
        let square = (x * x) as f32;
        self.slow_squares += square;
        self.slow_count += 1.0;
        let base = days < BASE_DAYS || self.slow_base_count < BASE_SLOW_STEPS;
        if base {
            self.slow_base_squares += square;
            self.slow_base_count += 1.0;
        }
        for (cell, now) in cells.iter_mut().map(|cell| &mut cell.steps).zip(&moment.cells) {
            let y = now.mean(0, RING) - f64::from(now.after_step);
            let product = (x * y) as f32;
            cell.slow_products += product;
            cell.slow_squares += (y * y) as f32;
            if base {
                cell.slow_base_products += product;
            }
        }
    }
}

/// A step among the last readings.
struct Step {
    /// Index of its first reading.
    first: usize,
    /// Mean current before and after, A.
    before: f64,
    after: f64,
}

impl Step {
    fn size(&self) -> f64 {
        self.after - self.before
    }

    /// A clean step of `wide` still readings and `guard` others on each side.
    fn find(moment: &Moment, wide: usize, guard: usize) -> Option<Self> {
        let first = RING - 2 * (wide + guard);
        if moment.filled < RING - first {
            return None;
        }
        let currents = &moment.currents;
        let (before, after) = (currents.get(first..first + wide)?, currents.get(RING - wide..)?);
        let mean = |currents: &[f32]| currents.iter().map(|amps| f64::from(*amps)).sum::<f64>() / wide as f64;
        let step = Self { first, before: mean(before), after: mean(after) };
        if step.size().abs() < SMALLEST {
            return None;
        }
        let still = STILL.0 + STILL.1 * step.size().abs();
        let guards = currents.get(first + wide..RING - wide)?;
        let near = |current: f32, mean: f64| (f64::from(current) - mean).abs() <= still;
        let guarded = match guards {
            [a, b] => near(*a, step.before) && near(*b, step.after),
            _ => true,
        };
        let usual = |index: usize| moment.cells.iter().all(|cell| USUAL_VOLTAGES.contains(&cell.voltage(index)));
        (range(before) <= still && range(after) <= still && guarded && usual(first) && usual(RING - 1)).then_some(step)
    }
}

/// Distance of the highest from the lowest.
fn range(values: &[f32]) -> f64 {
    let highest = values.iter().copied().fold(f32::MIN, f32::max);
    let lowest = values.iter().copied().fold(f32::MAX, f32::min);
    f64::from(highest - lowest)
}
