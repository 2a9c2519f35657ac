//! The step tables of two systems that this driver replaces, for owners who want to keep what they know.

use super::chemistry::interpolate;

/// Which tables are in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preset {
    /// The curves of the chemistry, or the configured ones.
    #[default]
    Curves,
    /// Steps over the state of charge as the first dbus-serialbattery had them (its gap at 97 to 98 % closed), beside the curves.
    SeedSocSteps,
    /// Steps over the cell voltage as a JK to Pylontech translator has them, in place of the cell curves.
    CellSteps,
}

/// What a step allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Share {
    /// So many A.
    Amps(f64),
    /// This part of the maximum.
    Part(f64),
}

use Share::{Amps, Part};

/// Steps from high to low: the first whose bound is reached counts.
pub(super) type Steps = &'static [(f64, Share)];

/// SoC, %, charging (charge-control survey §1.1).
pub(super) const SEED_CHARGE: Steps = &[(98.0, Amps(1.0)), (95.0, Amps(4.0)), (91.0, Part(0.5)), (f64::MIN, Part(1.0))];
/// SoC, %, discharging. The bounds stand just above 35, 30 and 20 %, which belong to the lower step.
pub(super) const SEED_DISCHARGE: Steps = &[(35.001, Part(1.0)), (30.001, Part(0.5)), (20.001, Part(0.25)), (f64::MIN, Amps(5.0))];
/// End of discharge of the seed, V per cell.
pub(super) const SEED_LOW_CELL: f64 = 3.1;
/// Highest cell, V, charging (charge-control survey §1.6, the README's table). Under 2.7 V an empty cell is charged gently.
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

/// A curve or steps: an input's value → current.
#[derive(Debug, Clone, Copy)]
pub(super) enum Table<'a> {
    Curve(&'a [(f64, f64)]),
    Steps(Steps),
}

impl Table<'_> {
    /// The current that is allowed at `x`, with `full` as the maximum.
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
    fn the_seed_steps_have_no_gap() {
        let at = |soc: f64| Table::Steps(SEED_CHARGE).amps(soc, 50.0);
        assert_eq!([90.9, 91.0, 95.0, 97.0, 97.5, 98.0, 100.0].map(at), [50.0, 25.0, 4.0, 4.0, 4.0, 1.0, 1.0]);
        let down = |soc: f64| Table::Steps(SEED_DISCHARGE).amps(soc, 60.0);
        assert_eq!([36.0, 35.0, 30.0, 20.0, 0.0].map(down), [60.0, 30.0, 15.0, 5.0, 5.0]);
    }
}
