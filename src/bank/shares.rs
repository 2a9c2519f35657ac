//! How the current of a parallel bank divides: by conductance, which is learned.
//!
//! Two things set a pack's current: its part of a *change* of the bank's current, which follows conductance (internal
//! resistance, cables, busbars), and what it takes or gives beyond that because its state of charge differs, which drifts over
//! minutes. Conductance starts as the part of the capacity and is learned from how the currents move together.

/// Smoothing of the currents, s: readings of the members are not of the same moment.
const SMOOTH_S: f64 = 10.0;
/// How long what was learned lasts, s.
const MEMORY_S: f64 = 1800.0;
/// The bank's current must move so much before learning counts as much as the capacity: parts of the capacity per hour.
const DOUBT_C: f64 = 0.03;
/// A share is never less than this part of the capacity's.
const LEAST: f64 = 0.5;

/// The current of one member.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Flow {
    /// Smoothed current, A; positive charges.
    pub(super) current: f64,
    mean: f64,
    /// How it moves with the bank's, A².
    together: f64,
    known: bool,
}

/// The current of the bank as the members' flows are learned from it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Total {
    mean: f64,
    /// How much it moves, A².
    alone: f64,
    known: bool,
}

impl Flow {
    /// Takes in a current after `seconds`.
    pub(super) fn measure(&mut self, current: f64, seconds: f64) {
        if !self.known {
            (self.current, self.mean, self.known) = (current, current, true);
        }
        self.current += (current - self.current) * reached(seconds, SMOOTH_S);
    }

    /// Learns how it moves with the bank's current.
    pub(super) fn learn(&mut self, total: f64, before: &Total, seconds: f64) {
        let new = reached(seconds, MEMORY_S);
        let product = (self.current - self.mean) * (total - before.mean);
        self.together += (product - self.together) * new;
        self.mean += (self.current - self.mean) * new;
    }

    /// Its part of a change of the bank's current, from 0 to 1, where its part of the capacity is `part` of `capacity` Ah.
    pub(super) fn conductance(&self, total: &Total, part: f64, capacity: f64) -> f64 {
        let doubt = (DOUBT_C * capacity).powi(2).max(1.0);
        let learned = (self.together + doubt * part) / (total.alone + doubt);
        learned.max(LEAST * part).min(1.0)
    }
}

impl Total {
    /// Takes in the sum of the smoothed currents.
    pub(super) fn learn(&mut self, total: f64, seconds: f64) {
        if !self.known {
            (self.mean, self.known) = (total, true);
        }
        let new = reached(seconds, MEMORY_S);
        self.alone += ((total - self.mean).powi(2) - self.alone) * new;
        self.mean += (total - self.mean) * new;
    }
}

/// The part of the way to a new value after `seconds`.
fn reached(seconds: f64, time: f64) -> f64 {
    1.0 - (-seconds.max(0.0) / time).exp()
}
