//! Limits of dbus-serialbattery in the same situation: the reference for charge and for reversals of its current.
//!
//! Its default settings for LFP cells (`battery.py`, `config.default.ini`, commit 358d3c7): the charge voltage minus the overshoot
//! of all cells, curves over the highest and the lowest cell, recovery after a wait. Not included: temperatures, which limit
//! nothing on the compared days, SoC resets and stale data.

use super::limits::ChargeLimits;
use crate::battery::charge::chemistry::interpolate;
use crate::model::Reading;

const CHARGE: [(f64, f64); 5] = [(3.375, 1.0), (3.400, 0.25), (3.425, 0.05), (3.450, 0.005), (3.500, 0.0)];
const DISCHARGE: [(f64, f64); 5] = [(2.800, 0.0), (2.900, 0.005), (3.000, 0.05), (3.100, 0.25), (3.190, 1.0)];
const MAX_CELL: f64 = 3.450;
const FLOAT_CELL: f64 = 3.375;
const MIN_CELL: f64 = 2.900;

/// A limit with its recovery.
#[derive(Debug, Clone, Copy)]
struct RecoveringLimit {
    value: f64,
    reduced_at: f64,
    set_at: f64,
}

impl RecoveringLimit {
    const NEW: Self = Self { value: 0.0, reduced_at: f64::NEG_INFINITY, set_at: f64::NEG_INFINITY };

    /// Falls to a `target` that is due, or rises to it at `rate` per second after `hold` seconds without a fall.
    fn toward(&mut self, target: f64, due: bool, (hold, rate): (f64, f64), t: f64, dt: f64) {
        if self.set_at == f64::NEG_INFINITY {
            (self.value, self.set_at) = (target, t);
        } else if target < self.value && due {
            *self = Self { value: target, reduced_at: t, set_at: t };
        } else if target > self.value && t - self.reduced_at >= hold {
            (self.value, self.set_at) = (target.min(self.value + rate * dt), t);
        }
    }

    /// Whether a fall to `target` is published now: it is large, to zero, or the last update is a minute old.
    fn due(&self, target: f64, t: f64) -> bool {
        target <= 0.0 || (self.value - target) >= 0.33 * self.value || t - self.set_at >= 60.0
    }
}

/// State of the driver.
#[derive(Debug)]
pub(super) struct Serialbattery {
    most_a: f64,
    at: f64,
    cvl: RecoveringLimit,
    ccl: RecoveringLimit,
    dcl: RecoveringLimit,
    /// Time since which the charge voltage has been reached with level cells.
    full_since: Option<f64>,
    /// The voltage limit on its way to float.
    float: Option<f64>,
}

impl Serialbattery {
    pub(super) fn new(most_a: f64) -> Self {
        let none = RecoveringLimit::NEW;
        Self { most_a, at: f64::NAN, cvl: none, ccl: none, dcl: none, full_since: None, float: None }
    }

    /// The limits at `t`, after a reading if there was one.
    pub(super) fn step(&mut self, t: f64, reading: Option<&Reading>) -> ChargeLimits {
        if let Some(reading) = reading {
            let dt = if self.at.is_nan() { 0.0 } else { t - self.at };
            self.at = t;
            self.read(reading, t, dt);
        }
        ChargeLimits { cvl_v: self.cvl.value, ccl_a: self.ccl.value, dcl_a: self.dcl.value }
    }

    fn read(&mut self, reading: &Reading, t: f64, dt: f64) {
        let cells: Vec<f64> = reading.cells.iter().map(|cell| cell.get()).collect();
        let (sum, count) = (cells.iter().sum::<f64>(), cells.len() as f64);
        let high = cells.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let low = cells.iter().copied().fold(f64::INFINITY, f64::min);
        let soc = reading.soc.map_or(100.0, |soc| soc.get());
        self.phase(sum, high - low, soc, count, t);
        if let Some(float) = &mut self.float {
            *float = (*float - 0.001 * dt).max(FLOAT_CELL * count);
            (self.cvl.value, self.cvl.set_at) = (*float, t);
        } else {
            let over: f64 = cells.iter().map(|cell| (cell - MAX_CELL).max(0.0)).sum();
            let target = if over > 0.0 { (sum - over).clamp(MIN_CELL * count, MAX_CELL * count) } else { MAX_CELL * count };
            self.cvl.toward(target, true, (60.0, 0.001), t, dt);
        }
        for (limit, curve, cell) in [(&mut self.ccl, &CHARGE, high), (&mut self.dcl, &DISCHARGE, low)] {
            let target = self.most_a * interpolate(curve, cell);
            limit.toward(target, limit.due(target, t), (30.0, 5.0), t, dt);
        }
    }

    fn phase(&mut self, sum: f64, spread: f64, soc: f64, count: f64, t: f64) {
        let target = MAX_CELL * count;
        if self.float.is_some() {
            if soc < 80.0 || spread >= 0.080 {
                (self.float, self.full_since) = (None, None);
            }
            return;
        }
        self.full_since = match self.full_since {
            None if sum >= target && spread <= 0.010 => Some(t),
            Some(_) if spread > 0.013 => Some(t),
            Some(_) if sum < target - 0.5 => None,
            since => since,
        };
        if self.full_since.is_some_and(|since| t - since > 900.0) {
            self.float = Some(self.cvl.value);
        }
    }
}
