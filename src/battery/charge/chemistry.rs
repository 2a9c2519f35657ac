//! Voltage limits of each cell chemistry, and its current limits over voltage and temperature.
//!
//! LFP figures: the values common among owners of such batteries, within safety rules 4 to 6. NMC and LTO: the usual data-sheet
//! limits (NMC 4.20 V full, LTO 2.80 V full) with a margin below full.
//!
//! Sodium-ion: cells with a layered oxide, by two data sheets, of which the stricter figure counts, with a margin at both ends:
//! - TOB 18650-C-Na (<https://tobmachine.com/18650-sodium-ion-batteries-for-sale_p1317.html>): 3.05 V nominal, charge limit 3.95 V,
//!   end of discharge 1.8 V, charging at -20 to 55 °C, discharging at -40 to 60 °C;
//! - Hakadi 18650 (<https://github.com/MaxMax-embedded/hakadi_soidum_ion_18650>): charge limit 4.1 V, end of discharge 1.5 V,
//!   charging at -10 to 45 °C (full current from 0 °C), discharging at -30 to 60 °C.
//!
//! Polyanion sodium-ion cells (2.9 V nominal) are full at a lower voltage, which `max_cell_voltage_v` sets.

use crate::model::Chemistry;
use std::ops::RangeInclusive;

/// A curve: input → fraction of the maximum current (0 to 1), linear between the points, constant outside.
pub type Curve = Vec<(f64, f64)>;

/// The voltages and curves of one chemistry. All voltages are per cell.
#[derive(Debug)]
pub struct ChemistryPreset {
    /// Charge voltage.
    pub max_cell: f64,
    /// Voltage that a charger may hold indefinitely.
    pub float_cell: f64,
    /// Voltage of a balancing charge.
    pub balance_cell: f64,
    /// Mean cell voltage below which float ends if the SoC is unknown.
    pub rebulk_cell: f64,
    /// End of discharge.
    pub min_cell: f64,
    /// Below this voltage a silent battery is not discharged further: the reserve for the night.
    pub reserve_cell: f64,
    /// Below this voltage a cell may be damaged and is charged very gently only.
    pub damage_cell: f64,
    /// A cell above this voltage raises an alarm; before the chemistry is confirmed it disproves it.
    pub highest_cell: f64,
    /// Mean cell voltage between 15 and 95 % SoC that confirms the chemistry.
    pub confirming_mean: RangeInclusive<f64>,
    /// Over-voltage protection settings that fit the chemistry.
    pub ovp: RangeInclusive<f64>,
    /// Under-voltage protection settings that fit the chemistry.
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
pub fn preset(chemistry: Chemistry) -> &'static ChemistryPreset {
    match chemistry {
        Chemistry::Lfp => &LFP,
        Chemistry::Nmc => &NMC,
        Chemistry::Lto => &LTO,
        Chemistry::Sodium => &SODIUM,
    }
}

static LFP: ChemistryPreset = ChemistryPreset {
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

static NMC: ChemistryPreset = ChemistryPreset {
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

static LTO: ChemistryPreset = ChemistryPreset {
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

static SODIUM: ChemistryPreset = ChemistryPreset {
    max_cell: 3.80,
    float_cell: 3.70,
    balance_cell: 3.90,
    rebulk_cell: 3.40,
    min_cell: 2.10,
    reserve_cell: 2.40,
    damage_cell: 1.50,
    highest_cell: 4.00,
    confirming_mean: 2.40..=3.80,
    ovp: 3.75..=4.15,
    uvp: 1.4..=2.6,
    charge_by_cell: &[(3.70, 1.0), (3.76, 0.30), (3.80, 0.05), (3.85, 0.0)],
    discharge_by_cell: &[(2.00, 0.0), (2.10, 0.05), (2.25, 0.25), (2.40, 1.0)],
    charge_by_temperature: &[(-10.0, 0.0), (-5.0, 0.25), (0.0, 0.5), (10.0, 1.0), (35.0, 1.0), (40.0, 0.5), (45.0, 0.0)],
    discharge_by_temperature: &[(-30.0, 0.0), (-20.0, 0.25), (0.0, 1.0), (45.0, 1.0), (50.0, 0.5), (55.0, 0.0)],
};

/// Value of the curve at `x`; 1 for an empty curve.
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
        for chemistry in [Chemistry::Lfp, Chemistry::Nmc, Chemistry::Lto, Chemistry::Sodium] {
            let p = preset(chemistry);
            let order = [p.damage_cell, p.min_cell, p.reserve_cell, p.float_cell, p.max_cell, p.highest_cell];
            assert!(order.is_sorted(), "{chemistry:?} {order:?}");
            assert!(interpolate(p.charge_by_cell, p.max_cell) > 0.0, "{chemistry:?} would never become full");
        }
    }
}
