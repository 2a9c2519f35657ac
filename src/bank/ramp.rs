//! A limit falls at once and rises slowly, and is rounded to the safe side.

use crate::units::round;

/// A limit on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramp(f64);

impl Ramp {
    /// Starts at a value: the first limits are those of the rules.
    pub(super) fn new(value: f64) -> Self {
        Self(finite(value))
    }

    /// Falls to `target` at once, or rises towards it by `rise` at most.
    pub(super) fn advance(&mut self, target: f64, rise: f64) {
        self.0 = finite(target).min(self.0 + rise.max(0.0));
    }

    pub(super) fn value(self) -> f64 {
        self.0
    }
}

/// A limit that cannot be is none: 0.
fn finite(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// Rounds down, but not because of float noise.
pub(super) fn floor(value: f64, digits: u32) -> f64 {
    let step = round(0.1f64.powi(i32::try_from(digits).unwrap_or(0)), digits);
    let nearest = round(value, digits);
    if nearest <= value + step * 1e-6 { nearest } else { round((nearest - step).max(0.0), digits) }
}
