//! How each cell's voltage deviates from the median cell's on the plateau, and what current does to the voltages.
//!
//! On the plateau all cells have the same open-circuit voltage: what differs is resistance, polarisation and the sensor. A regression
//! over four quantities (1, current, current of a minute, current of twenty minutes) learns it.

use super::cell::Cell;
use super::curve::{self, SLOWEST_SHARE};
use super::line::median;
use super::resistance::Steps;
use serde::{Deserialize, Serialize};

/// Plateau, V without what current does.
const FLAT: std::ops::RangeInclusive<f64> = 3.272..=3.350;
/// Offset of a sensor at most, V; more is a cell at another place of the plateau.
const SENSOR_OFFSET: f64 = 0.004;
/// The regression is held towards 0 as if 30 samples at 5 A had shown no deviation.
const HELD: [f64; 4] = [30.0, 750.0, 750.0, 750.0];
/// Time constants of the noise filter and of polarisation, s.
const FILTERS: [f64; 3] = [20.0, 60.0, 1200.0];

/// The current as the filters see it, A: 20 s as the voltages', 60 s, 20 min.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Polarisation {
    pub(super) smoothed: f32,
    pub(super) minute: f32,
    pub(super) twenty_minutes: f32,
}

/// Share by which a first-order filter of this time constant (s) moves in `dt` seconds.
fn share(dt: f64, time_constant: f64) -> f64 {
    1.0 - (-dt / time_constant).exp()
}

impl Polarisation {
    /// The current has been like this for long.
    pub(super) fn settled(current: f64) -> Self {
        Self { smoothed: current as f32, minute: current as f32, twenty_minutes: current as f32 }
    }

    /// Goes on by `dt` seconds; returns the share by which the voltages' noise filter moves.
    pub(super) fn step(&mut self, current: f64, dt: f64) -> f64 {
        let [quick, minute, twenty] = FILTERS.map(|time_constant| share(dt, time_constant));
        follow(&mut self.smoothed, current, quick);
        follow(&mut self.minute, current, minute);
        follow(&mut self.twenty_minutes, current, twenty);
        quick
    }

    /// What the four quantities of the regression are at this temperature (°C).
    fn regressors(&self, temperature: f64) -> [f64; 4] {
        let (fast, slow) = (curve::fast_at(temperature), curve::slow_at(temperature));
        [1.0, fast * f64::from(self.smoothed), slow * f64::from(self.minute), slow * f64::from(self.twenty_minutes)]
    }
}

fn follow(value: &mut f32, target: f64, share: f64) {
    *value = (f64::from(*value) + (target - f64::from(*value)) * share) as f32;
}

/// The regression's matrix, lower triangle by rows; the same for all cells.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Deviations {
    products: [f64; 10],
    /// There were samples.
    pub(super) known: bool,
}

/// A cell's side of the regression.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CellDeviation {
    /// Sums of quantity times deviation.
    #[serde(rename = "s")]
    products: [f32; 4],
    /// What it has learned: V, ohm, ohm, ohm.
    #[serde(rename = "k")]
    pub(super) known: [f32; 4],
}

impl Deviations {
    /// Learns from a moment on the plateau. `smooth`: filtered voltages; `open`: without what current does.
    pub(super) fn learn(&mut self, now: &Polarisation, temperature: f64, smooth: &[f64], open: &[f64], cells: &mut [Cell]) {
        if !open.iter().all(|voltage| FLAT.contains(voltage)) {
            return;
        }
        let Some(usual) = median(smooth.iter().copied()) else { return };
        let quantities = now.regressors(temperature);
        let rows = quantities.iter().enumerate().flat_map(|(row, a)| quantities.iter().take(row + 1).map(move |b| a * b));
        for (sum, product) in self.products.iter_mut().zip(rows) {
            *sum += product;
        }
        for (cell, voltage) in cells.iter_mut().zip(smooth) {
            for (product, quantity) in cell.deviation.products.iter_mut().zip(quantities) {
                *product += (quantity * (voltage - usual)) as f32;
            }
        }
        self.known = true;
    }

    /// Forgets, and solves the regression of each cell.
    pub(super) fn solve(&mut self, keep: f64, cells: &mut [Cell]) {
        self.products.iter_mut().for_each(|product| *product *= keep);
        let factors = Factors::of(&self.products);
        for cell in cells {
            let deviation = &mut cell.deviation;
            deviation.products.iter_mut().for_each(|product| *product = (f64::from(*product) * keep) as f32);
            let mut known = factors.solve(deviation.products.map(f64::from));
            known[0] = known[0].clamp(-SENSOR_OFFSET, SENSOR_OFFSET);
            deviation.known = known.map(|value| if value.is_finite() { value as f32 } else { 0.0 });
        }
    }
}

/// Cholesky factors of the matrix: four rows of the lower triangle.
struct Factors([f64; 10]);

impl Factors {
    fn of(a: &[f64; 10]) -> Self {
        let root = |x: f64| x.max(1e-12).sqrt();
        let l00 = root(a[0] + HELD[0]);
        let (l10, l20, l30) = (a[1] / l00, a[3] / l00, a[6] / l00);
        let l11 = root(a[2] + HELD[1] - l10 * l10);
        let (l21, l31) = ((a[4] - l20 * l10) / l11, (a[7] - l30 * l10) / l11);
        let l22 = root(a[5] + HELD[2] - l20 * l20 - l21 * l21);
        let l32 = (a[8] - l30 * l20 - l31 * l21) / l22;
        let l33 = root(a[9] + HELD[3] - l30 * l30 - l31 * l31 - l32 * l32);
        Self([l00, l10, l11, l20, l21, l22, l30, l31, l32, l33])
    }

    fn solve(&self, y: [f64; 4]) -> [f64; 4] {
        let [l00, l10, l11, l20, l21, l22, l30, l31, l32, l33] = self.0;
        let a = y[0] / l00;
        let b = (y[1] - l10 * a) / l11;
        let c = (y[2] - l20 * a - l21 * b) / l22;
        let d = (y[3] - l30 * a - l31 * b - l32 * c) / l33;
        let d = d / l33;
        let c = (c - l32 * d) / l22;
        let b = (b - l21 * c - l31 * d) / l11;
        let a = (a - l10 * b - l20 * c - l30 * d) / l00;
        [a, b, c, d]
    }
}

/// Voltages without what current does to them: the usual drop, and each cell's own deviation. Writes into `open`.
pub(super) fn open_voltages(now: &Polarisation, temperature: f64, steps: &Steps, cells: &[Cell], smooth: &[f64], open: &mut [f64]) {
    let quantities = now.regressors(temperature);
    let common = drop(&quantities, steps);
    for ((open, smooth), cell) in open.iter_mut().zip(smooth).zip(cells) {
        let own: f64 = cell.deviation.known.iter().zip(quantities).map(|(known, quantity)| f64::from(*known) * quantity).sum();
        *open = smooth - common - own;
    }
}

/// What current does to the median cell now, V.
pub(super) fn usual_drop(now: &Polarisation, temperature: f64, steps: &Steps) -> f64 {
    drop(&now.regressors(temperature), steps)
}

fn drop([_, fast, slow, slowest]: &[f64; 4], steps: &Steps) -> f64 {
    let (usual_fast, usual_slow) = (f64::from(steps.usual_fast), f64::from(steps.usual_slow));
    usual_fast * fast + usual_slow * slow + SLOWEST_SHARE * usual_fast * slowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factors_solve_the_equations() {
        let rows = [[9.0, 2.0, -1.0, 0.5], [2.0, 8.0, 1.0, 0.0], [-1.0, 1.0, 7.0, 2.0], [0.5, 0.0, 2.0, 6.0]];
        let mut packed = [9.0, 2.0, 8.0, -1.0, 1.0, 7.0, 0.5, 0.0, 2.0, 6.0];
        for (diagonal, held) in [0, 2, 5, 9].into_iter().zip(HELD) {
            packed[diagonal] -= held;
        }
        let wanted = [1.0, -2.0, 0.5, 3.0];
        let y = rows.map(|row: [f64; 4]| row.iter().zip(wanted).map(|(a, b)| a * b).sum());
        let solved = Factors::of(&packed).solve(y);
        assert!(solved.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{solved:?}");
    }
}
