//! What each cell chemistry may be charged to and discharged to, and how much current at which voltage and temperature.
//!
//! LFP figures: charge-control survey §1.3 (the values owners have in use) and the contract's safety rules. NMC and LTO follow
//! the usual data-sheet limits (NMC 4.20 V full, LTO 2.80 V full) with a margin below full.

use crate::model::Chemistry;
use std::ops::RangeInclusive;

/// A curve: input → fraction of the maximum current (0 to 1), straight lines between the points, flat outside.
pub type Curve = Vec<(f64, f64)>;

/// The voltages and curves of one chemistry. All voltages are per cell.
#[derive(Debug)]
pub struct Preset {
    /// Charge voltage.
    pub max_cell: f64,
    /// Voltage that a charger may hold for ever.
    pub float_cell: f64,
    /// Voltage of a charge that balances the cells.
    pub balance_cell: f64,
    /// Mean cell voltage under which float ends where the SoC does not say it.
    pub rebulk_cell: f64,
    /// End of discharge.
    pub min_cell: f64,
    /// Under it a silent battery is not discharged any more: the energy left for the night.
    pub reserve_cell: f64,
    /// Under it a cell may be damaged and is charged very gently only.
    pub damage_cell: f64,
    /// A cell above it is an alarm, and before the chemistry is confirmed a proof against it.
    pub highest_cell: f64,
    /// Mean cell voltage between 15 and 95 % SoC that confirms the chemistry.
    pub confirming_mean: RangeInclusive<f64>,
    /// Over-voltage protection that fits the chemistry.
    pub ovp: RangeInclusive<f64>,
    /// Under-voltage protection that fits the chemistry.
    pub uvp: RangeInclusive<f64>,
    /// Charge current over the highest cell.
    pub charge_by_cell: &'static [(f64, f64)],
    /// Discharge current over the lowest cell.
    pub discharge_by_cell: &'static [(f64, f64)],
    /// Charge current over the coldest and the hottest sensor.
    pub charge_by_temperature: &'static [(f64, f64)],
    /// Discharge current over the coldest and the hottest sensor.
    pub discharge_by_temperature: &'static [(f64, f64)],
}

/// MOSFET temperature, both directions.
pub(crate) const BY_MOS_TEMPERATURE: &[(f64, f64)] = &[(70.0, 1.0), (80.0, 0.25), (90.0, 0.0)];

/// The preset of a chemistry.
pub fn preset(chemistry: Chemistry) -> &'static Preset {
    match chemistry {
        Chemistry::Lfp => &LFP,
        Chemistry::Nmc => &NMC,
        Chemistry::Lto => &LTO,
    }
}

static LFP: Preset = Preset {
    max_cell: 3.45,
    float_cell: 3.375,
    balance_cell: 3.55,
    rebulk_cell: 3.25,
    min_cell: 2.90,
    reserve_cell: 3.10,
    damage_cell: 2.50,
    highest_cell: 3.75,
    confirming_mean: 3.05..=3.45,
    ovp: 3.40..=3.75,
    uvp: 2.0..=3.2,
    charge_by_cell: &[(3.38, 1.0), (3.42, 0.30), (3.45, 0.05), (3.50, 0.0)],
    discharge_by_cell: &[(2.87, 0.0), (2.92, 0.05), (3.00, 0.25), (3.10, 1.0)],
    charge_by_temperature: &[(0.0, 0.0), (2.0, 0.25), (5.0, 0.5), (10.0, 1.0), (40.0, 1.0), (45.0, 0.5), (50.0, 0.25), (55.0, 0.0)],
    discharge_by_temperature: &[
        (-10.0, 0.0),
        (0.0, 0.25),
        (5.0, 0.5),
        (10.0, 1.0),
        (40.0, 1.0),
        (45.0, 0.5),
        (50.0, 0.25),
        (55.0, 0.0),
    ],
};

static NMC: Preset = Preset {
    max_cell: 4.10,
    float_cell: 4.00,
    balance_cell: 4.20,
    rebulk_cell: 3.80,
    min_cell: 3.20,
    reserve_cell: 3.50,
    damage_cell: 2.70,
    highest_cell: 4.30,
    confirming_mean: 3.46..=4.20,
    ovp: 4.05..=4.30,
    uvp: 2.5..=3.4,
    charge_by_cell: &[(4.00, 1.0), (4.06, 0.30), (4.10, 0.05), (4.15, 0.0)],
    discharge_by_cell: &[(3.00, 0.0), (3.10, 0.05), (3.25, 0.25), (3.40, 1.0)],
    charge_by_temperature: LFP.charge_by_temperature,
    discharge_by_temperature: LFP.discharge_by_temperature,
};

static LTO: Preset = Preset {
    max_cell: 2.65,
    float_cell: 2.55,
    balance_cell: 2.75,
    rebulk_cell: 2.35,
    min_cell: 1.90,
    reserve_cell: 2.15,
    damage_cell: 1.50,
    highest_cell: 2.90,
    confirming_mean: 2.10..=2.60,
    ovp: 2.60..=2.90,
    uvp: 1.4..=2.1,
    charge_by_cell: &[(2.55, 1.0), (2.62, 0.30), (2.65, 0.05), (2.70, 0.0)],
    discharge_by_cell: &[(1.80, 0.0), (1.90, 0.05), (2.00, 0.25), (2.10, 1.0)],
    charge_by_temperature: &[(-30.0, 0.0), (-20.0, 0.25), (0.0, 1.0), (45.0, 1.0), (50.0, 0.5), (55.0, 0.0)],
    discharge_by_temperature: &[(-30.0, 0.0), (-20.0, 0.5), (0.0, 1.0), (45.0, 1.0), (50.0, 0.5), (55.0, 0.0)],
};

/// The fraction that a curve gives at `x`; 1 for an empty curve.
pub(crate) fn interpolate(curve: &[(f64, f64)], x: f64) -> f64 {
    let Some(first) = curve.first() else { return 1.0 };
    let mut below = *first;
    for &(at, fraction) in curve {
        if x <= at {
            let (x0, y0) = below;
            let share = if at > x0 { ((x - x0) / (at - x0)).clamp(0.0, 1.0) } else { 1.0 };
            return y0 + (fraction - y0) * share;
        }
        below = (at, fraction);
    }
    below.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_interpolate_and_stay_flat_outside() {
        let curve = [(3.40, 1.0), (3.50, 0.25), (3.60, 0.0)];
        for (x, y) in [(3.0, 1.0), (3.40, 1.0), (3.45, 0.625), (3.50, 0.25), (3.55, 0.125), (3.60, 0.0), (4.0, 0.0)] {
            assert!((interpolate(&curve, x) - y).abs() < 1e-9, "{x}");
        }
        assert_eq!(interpolate(&[], 1.0), 1.0);
    }

    #[test]
    fn presets_are_ordered_and_their_curves_end_above_the_charge_voltage() {
        for chemistry in [Chemistry::Lfp, Chemistry::Nmc, Chemistry::Lto] {
            let p = preset(chemistry);
            let order = [p.damage_cell, p.min_cell, p.reserve_cell, p.float_cell, p.max_cell, p.highest_cell];
            assert!(order.is_sorted(), "{chemistry:?} {order:?}");
            assert!(interpolate(p.charge_by_cell, p.max_cell) > 0.0, "{chemistry:?} would never become full");
        }
    }
}
