//! The charge count, with its doubt.

use super::observation::Remaining;
use serde::{Deserialize, Serialize};

/// Charge that went into the battery since the first reading.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Count {
    /// Ah.
    pub(super) charge: f64,
    /// What gaps may have hidden since the first reading, Ah.
    pub(super) doubt: f32,
    /// The BMS's count at the last reading, Ah.
    remaining: Option<f32>,
}

impl Count {
    /// Adds the charge of two readings `dt` seconds apart; trapezium of their currents.
    pub(super) fn add(&mut self, dt: f64, currents: f64) {
        self.charge += 0.5 * currents * dt / 3600.0;
    }

    /// Goes on by the BMS's own count after a gap of `dt` seconds.
    pub(super) fn bridge(&mut self, dt: f64, remaining: Option<Remaining>, nominal: f64) {
        let (Some(now), Some(before)) = (remaining, self.remaining) else {
            self.doubt(20.0 * dt / 3600.0 + if dt == 0.0 { nominal } else { 0.0 });
            return;
        };
        let change = now.ah - f64::from(before);
        self.charge += change;
        self.doubt(0.3 + 0.02 * change.abs() + now.step);
        if change.abs() > 0.5 * nominal * dt / 3600.0 + 1.0 + 2.0 * now.step {
            // No current does that: the BMS set its count.
            self.doubt(50.0 + change.abs());
        }
        if now.ah >= 0.995 * nominal {
            // It may have set it at full.
            self.doubt(5.0);
        }
    }

    /// Remembers the BMS's count for the next gap.
    pub(super) fn remember(&mut self, remaining: Option<Remaining>) {
        self.remaining = remaining.map(|remaining| remaining.ah as f32);
    }

    fn doubt(&mut self, more: f64) {
        self.doubt = (f64::from(self.doubt) + more).min(1e9) as f32;
    }
}
