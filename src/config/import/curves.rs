//! Converts the tables of dbus-serialbattery (two lists, in either order) to curves, and checks them for dangerous values.

use super::ini::numbers;

/// A table that limits a current, and the rules for its curve.
pub(super) struct Table {
    /// The option that switches it on or off.
    pub(super) enable: &'static str,
    /// The list of voltages, temperatures or percents, and its default there.
    pub(super) at: (&'static str, &'static str),
    /// The list of shares, and its default there.
    pub(super) shares: (&'static str, &'static str),
    /// Whether it is on by default there.
    pub(super) on: bool,
    /// The key here.
    pub(super) key: &'static str,
    /// Width of a step, in units of the list.
    step: f64,
    /// No current may flow at these values: (value, why).
    none_at: &'static [(f64, &'static str)],
}

const COLD: &str = "it allows charging below 0 °C, which damages the cells";
const HOT: &str = "it allows current at 65 °C";
const OVER: &str = "it charges cells above 3.65 V; for cells other than LFP set `chemistry` and the curves by hand";
const UNDER: &str = "it discharges cells below 2.5 V, which damages LFP; for other cells set `chemistry` and the curves by hand";

/// All of them.
pub(super) const TABLES: [Table; 6] = [
    Table {
        enable: "CCCM_CV_ENABLE",
        at: ("CELL_VOLTAGES_WHILE_CHARGING", "3.5, 3.45, 3.425, 3.4, 3.375"),
        shares: ("MAX_CHARGE_CURRENT_CV_FRACTION", "0, 0.005, 0.05, 0.25, 1"),
        on: true,
        key: "charge_by_cell_voltage",
        step: 0.001,
        none_at: &[(3.65, OVER)],
    },
    Table {
        enable: "DCCM_CV_ENABLE",
        at: ("CELL_VOLTAGES_WHILE_DISCHARGING", "2.8, 2.9, 3.0, 3.1, 3.19"),
        shares: ("MAX_DISCHARGE_CURRENT_CV_FRACTION", "0, 0.005, 0.05, 0.25, 1"),
        on: true,
        key: "discharge_by_cell_voltage",
        step: 0.001,
        none_at: &[(2.5, UNDER)],
    },
    Table {
        enable: "CCCM_T_ENABLE",
        at: ("TEMPERATURES_WHILE_CHARGING", "0, 2, 5, 10, 40, 45, 50, 55"),
        shares: ("MAX_CHARGE_CURRENT_T_FRACTION", "0, 0.25, 0.5, 1, 1, 0.5, 0.25, 0"),
        on: true,
        key: "charge_by_temperature",
        step: 0.1,
        none_at: &[(-0.5, COLD), (65.0, HOT)],
    },
    Table {
        enable: "DCCM_T_ENABLE",
        at: ("TEMPERATURES_WHILE_DISCHARGING", "-10, 0, 5, 10, 40, 45, 50, 55"),
        shares: ("MAX_DISCHARGE_CURRENT_T_FRACTION", "0, 0.25, 0.5, 1, 1, 0.5, 0.25, 0"),
        on: true,
        key: "discharge_by_temperature",
        step: 0.1,
        none_at: &[(65.0, HOT)],
    },
    Table {
        enable: "CCCM_SOC_ENABLE",
        at: ("SOC_WHILE_CHARGING", "98, 95, 90, 85"),
        shares: ("MAX_CHARGE_CURRENT_SOC_FRACTION", "0.1, 0.2, 0.5, 1"),
        on: false,
        key: "charge_by_soc",
        step: 0.1,
        none_at: &[],
    },
    Table {
        enable: "DCCM_SOC_ENABLE",
        at: ("SOC_WHILE_DISCHARGING", "5, 10, 15, 20"),
        shares: ("MAX_DISCHARGE_CURRENT_SOC_FRACTION", "0.1, 0.2, 0.5, 1"),
        on: false,
        key: "discharge_by_soc",
        step: 0.1,
        none_at: &[],
    },
];

impl Table {
    /// The curve from two lists, or the problem; with `steps` the lower share applies between two points, as there.
    pub(super) fn curve(&self, at: &str, shares: &str, steps: bool) -> Result<Vec<(f64, f64)>, &'static str> {
        let (Some(at), Some(shares)) = (numbers(at), numbers(shares)) else { return Err("not two lists of numbers") };
        if at.len() != shares.len() {
            return Err("its two lists differ in length");
        }
        let mut points: Vec<(f64, f64)> = at.into_iter().zip(shares).collect();
        if points.first().zip(points.last()).is_some_and(|((first, _), (last, _))| first > last) {
            points.reverse();
        }
        if steps {
            points = stepped(&points, self.step);
        }
        for (value, why) in self.none_at {
            if crate::battery::charge::chemistry::interpolate(&points, *value) > 0.0 {
                return Err(why);
            }
        }
        Ok(points)
    }
}

/// A piecewise linear curve that stays below the steps, except within `step` of each point.
fn stepped(points: &[(f64, f64)], step: f64) -> Vec<(f64, f64)> {
    let round = |x: f64| (x * 1e4).round() / 1e4;
    let mut steps: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    for ((x, y), (next_x, next_y)) in points.iter().zip(points.iter().skip(1)) {
        if next_x - x > 3.0 * step {
            let lower = y.min(*next_y);
            steps.extend([(round(x + step), lower), (round(next_x - step), lower)]);
        }
        steps.push((*next_x, *next_y));
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_hold_the_lower_share_between_two_points() {
        let steps = stepped(&[(3.4, 1.0), (3.5, 0.5), (3.6, 0.0)], 0.001);
        for (x, share) in [(3.3, 1.0), (3.4, 1.0), (3.41, 0.5), (3.49, 0.5), (3.51, 0.0), (3.7, 0.0)] {
            assert!((crate::battery::charge::chemistry::interpolate(&steps, x) - share).abs() < 1e-9, "{x}: {steps:?}");
        }
    }

    #[test]
    fn dangerous_tables_are_refused() {
        let [charge, discharge, charge_warm, ..] = &TABLES;
        assert_eq!(charge.curve("3.4, 3.8", "1, 0", false), Err(OVER));
        assert_eq!(discharge.curve("2.0, 3.0", "0, 1", false), Err(UNDER));
        assert_eq!(charge_warm.curve("-20, 0, 40, 50", "0, 1, 1, 0", false), Err(COLD));
        assert_eq!(charge_warm.curve("0, 5, 40, 80", "0, 1, 1, 0.5", false), Err(HOT));
        for table in &TABLES {
            assert!(table.curve(table.at.1, table.shares.1, false).is_ok(), "{}", table.key);
        }
    }
}
