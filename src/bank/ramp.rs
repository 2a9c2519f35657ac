//! A limit falls at once and rises slowly, and is rounded to the safe side.

use crate::base::units::at_least_zero;

/// A ramped limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramp(f64);

impl Ramp {
    /// Starts at a value: the first limits follow the rules without a ramp.
    pub(super) fn new(value: f64) -> Self {
        Self(at_least_zero(value))
    }

    /// Falls to `target` at once, or rises towards it by at most `rise`.
    pub(super) fn advance(&mut self, target: f64, rise: f64) {
        self.0 = at_least_zero(target).min(self.0 + rise.max(0.0));
    }

    /// Goes back up to `value`, which was in force before; never down.
    pub(super) fn resume(&mut self, value: f64) {
        self.0 = self.0.max(at_least_zero(value));
    }

    pub(super) fn value(self) -> f64 {
        self.0
    }
}
