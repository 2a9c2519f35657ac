//! Step tables of two systems that this driver replaces, for owners who want to keep them.

use super::chemistry::interpolate;

/// The tables in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitsPreset {
    /// The curves of the chemistry, or the configured ones.
    #[default]
    Curves,
    /// Steps over the SoC as in the first dbus-serialbattery (its gap at 97 to 98 % closed), in addition to the curves.
    SerialbatterySocSteps,
    /// Steps over the cell voltage as in a JK to Pylontech translator, instead of the cell curves.
    CellSteps,
}

/// Current allowed by a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum StepLimit {
    /// Current in A.
    Amps(f64),
    /// Fraction of the maximum.
    Part(f64),
}

use StepLimit::{Amps, Part};

/// Steps from high to low: the first one whose bound is reached applies.
pub(super) type Steps = &'static [(f64, StepLimit)];

/// SoC, %, charging, as in the first versions of dbus-serialbattery.
pub(super) const SOC_CHARGE: Steps = &[(98.0, Amps(1.0)), (95.0, Amps(4.0)), (91.0, Part(0.5)), (f64::MIN, Part(1.0))];
/// SoC, %, discharging. The bounds are just above 35, 30 and 20 %, which belong to the lower step.
pub(super) const SOC_DISCHARGE: Steps = &[(35.001, Part(1.0)), (30.001, Part(0.5)), (20.001, Part(0.25)), (f64::MIN, Amps(5.0))];
/// End of discharge in those steps, V per cell.
pub(super) const SOC_LOW_CELL: f64 = 3.1;
/// Highest cell, V, charging. Below 2.7 V an empty cell is charged gently.
pub(super) const CELL_CHARGE: Steps = &[
    (3.55, Amps(0.0)),
    (3.50, Amps(2.0)),
    (3.47, Amps(15.0)),
    (3.45, Amps(30.0)),
    (3.00, Amps(60.0)),
    (2.70, Amps(30.0)),
    (f64::MIN, Amps(5.0)),
];
/// Lowest cell, V, discharging.
pub(super) const CELL_DISCHARGE: Steps =
    &[(3.30, Amps(60.0)), (3.10, Amps(50.0)), (3.00, Amps(30.0)), (2.90, Amps(10.0)), (f64::MIN, Amps(0.0))];

/// A curve or steps: input value → current.
#[derive(Debug, Clone, Copy)]
pub(super) enum Table<'a> {
    Curve(&'a [(f64, f64)]),
    Steps(Steps),
}

impl Table<'_> {
    /// Current allowed at `x`; `full` is the maximum.
    pub(super) fn amps(self, x: f64, full: f64) -> f64 {
        match self {
            Table::Curve(points) => full * interpolate(points, x),
            Table::Steps(steps) => match steps.iter().find(|(bound, _)| x >= *bound) {
                Some((_, Amps(amps))) => amps.min(full),
                Some((_, Part(part))) => full * part,
                None => full,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serialbattery_steps_have_no_gap() {
        let at = |soc: f64| Table::Steps(SOC_CHARGE).amps(soc, 50.0);
        assert_eq!([90.9, 91.0, 95.0, 97.0, 97.5, 98.0, 100.0].map(at), [50.0, 25.0, 4.0, 4.0, 4.0, 1.0, 1.0]);
        let down = |soc: f64| Table::Steps(SOC_DISCHARGE).amps(soc, 60.0);
        assert_eq!([36.0, 35.0, 30.0, 20.0, 0.0].map(down), [60.0, 30.0, 15.0, 5.0, 5.0]);
    }
}
