//! How the current of a parallel bank divides: by conductance, which is learned.
//!
//! A pack's current has two components: its share of a *change* of the bank's current, which follows conductance (internal
//! resistance, cables, busbars), and an equalising current because its state of charge differs, which drifts over minutes.
//! Conductance starts as the share of the capacity and is learned from how the currents change together.

/// Smoothing time of the currents, s: the members' readings are not simultaneous.
const SMOOTH_S: f64 = 10.0;
/// Time constant of learning, s.
const MEMORY_S: f64 = 1800.0;
/// Change of the bank's current at which learning weighs as much as the capacity: fraction of the capacity per hour.
const PRIOR_WEIGHT_C: f64 = 0.03;
/// Minimum of a share, as a fraction of the capacity's share.
const MIN_SHARE: f64 = 0.5;

/// The current of one member.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct MemberCurrent {
    /// Smoothed current, A; positive charges.
    pub(super) current: f64,
    mean: f64,
    /// Covariance with the bank's current, A².
    together: f64,
    known: bool,
}

/// The current of the bank, the reference for learning.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct BankCurrent {
    mean: f64,
    /// Variance, A².
    alone: f64,
    known: bool,
}

impl MemberCurrent {
    /// Adds a current after `seconds`.
    pub(super) fn measure(&mut self, current: f64, seconds: f64) {
        if !self.known {
            (self.current, self.mean, self.known) = (current, current, true);
        }
        self.current += (current - self.current) * reached(seconds, SMOOTH_S);
    }

    /// The smoothed current, A, once there was one.
    pub(super) fn known(&self) -> Option<f64> {
        self.known.then_some(self.current)
    }

    /// Learns its covariance with the bank's current.
    pub(super) fn learn(&mut self, total: f64, before: &BankCurrent, seconds: f64) {
        let new = reached(seconds, MEMORY_S);
        let product = (self.current - self.mean) * (total - before.mean);
        self.together += (product - self.together) * new;
        self.mean += (self.current - self.mean) * new;
    }

    /// Its share of a change of the bank's current, 0 to 1; its share of the capacity is `part` of `capacity` Ah.
    pub(super) fn conductance(&self, total: &BankCurrent, part: f64, capacity: f64) -> f64 {
        let doubt = (PRIOR_WEIGHT_C * capacity).powi(2).max(1.0);
        let learned = (self.together + doubt * part) / (total.alone + doubt);
        learned.max(MIN_SHARE * part).min(1.0)
    }
}

impl BankCurrent {
    /// Adds the sum of the smoothed currents.
    pub(super) fn learn(&mut self, total: f64, seconds: f64) {
        if !self.known {
            (self.mean, self.known) = (total, true);
        }
        let new = reached(seconds, MEMORY_S);
        self.alone += ((total - self.mean).powi(2) - self.alone) * new;
        self.mean += (total - self.mean) * new;
    }
}

/// Smoothing factor after `seconds`.
fn reached(seconds: f64, time: f64) -> f64 {
    1.0 - (-seconds.max(0.0) / time).exp()
}
