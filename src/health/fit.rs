//! Does the curve fit that the capacities are measured with? Only then may they be claimed.
//!
//! Between 70 and 90 % SoC the voltage hardly depends on the SoC. There the median cell has to lie where the curve says, both while
//! it is charged and while it is discharged: cells of another chemistry, and old ones with a wide hysteresis, do not.

use super::curve::{HYSTERESIS, HYSTERESIS_CHARGE, PLATEAU};
use serde::{Deserialize, Serialize};

/// How far the voltage may lie from the curve while discharging, V: capacities are measured then, and at 3.2 V this makes 2 %.
const MOST_DEVIATION: f64 = 0.009;
/// How much further apart than usual charging and discharging may lie, V, half of it: cells with a wider hysteresis have another
/// curve. Lying closer together is mostly current that is compensated too much, and matters less.
const MOST_WIDER: f64 = 0.0025;
const MOST_NARROWER: f64 = 0.005;
/// What compensating the current misses while charging, V: charging currents are larger than those of discharging.
const MISSED_CHARGING: f64 = 0.0035;
/// Below a full charge, share of the capacity.
const WINDOW: std::ops::RangeInclusive<f64> = 0.10..=0.20;
/// The hysteresis has turned round by this much, 0 to 1.
const TURNED: f64 = 0.9;
/// Voltage drop that is compensated well enough, V.
const MOST_DROP: f64 = 0.030;
/// Samples that make a side known, and how many the mean remembers.
const KNOWN: f32 = 60.0;
const REMEMBERED: f32 = 4000.0;

/// The median cell's voltage against the curve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Fit {
    /// -1: the cells were being discharged for long, 1: charged.
    hysteresis: f32,
    charging: Side,
    discharging: Side,
}

/// Mean deviation from the curve in one direction of the current.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Side {
    samples: f32,
    /// V.
    deviation: f32,
}

impl Side {
    fn add(&mut self, deviation: f64) {
        self.samples = (self.samples + 1.0).min(REMEMBERED);
        self.deviation += (deviation as f32 - self.deviation) / self.samples;
    }

    fn deviation(&self) -> Option<f64> {
        (self.samples >= KNOWN).then_some(f64::from(self.deviation))
    }
}

impl Fit {
    /// The current flowed for `dt` seconds.
    pub(super) fn flow(&mut self, dt: f64, current: f64, nominal: f64) {
        let share = (current.abs() * dt / 3600.0 / (HYSTERESIS_CHARGE * nominal)).min(1.0);
        let side = if current > 0.0 { 1.0 } else { -1.0 };
        self.hysteresis += ((side - f64::from(self.hysteresis)) * share) as f32;
    }

    /// A sample: the median cell's open voltage and voltage drop (V), and the charge below the last full one (share of the capacity
    /// that the cells have).
    pub(super) fn look(&mut self, open: f64, drop: f64, below_full: f64) {
        if !WINDOW.contains(&below_full) || drop.abs() > MOST_DROP {
            return;
        }
        let hysteresis = f64::from(self.hysteresis);
        if hysteresis > TURNED {
            self.charging.add(open - PLATEAU - HYSTERESIS - MISSED_CHARGING);
        } else if hysteresis < -TURNED {
            self.discharging.add(open - PLATEAU + HYSTERESIS);
        }
    }

    /// Deviations while charging and discharging, V.
    pub(super) fn deviations(&self) -> [Option<f64>; 2] {
        [self.charging.deviation(), self.discharging.deviation()]
    }

    /// Whether the curve fits; `None`: not known yet.
    pub(super) fn is_good(&self) -> Option<bool> {
        let [charging, discharging] = self.deviations();
        let (charging, discharging) = charging.zip(discharging)?;
        let wider = (charging - discharging) / 2.0;
        Some(discharging.abs() <= MOST_DEVIATION && (-MOST_NARROWER..=MOST_WIDER).contains(&wider))
    }
}
