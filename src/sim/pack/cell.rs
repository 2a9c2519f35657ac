//! One LFP cell: charge, open-circuit voltage and resistance.

/// Rest voltage of an LFP cell at 25 °C over its state of charge in %: the flat middle between 3.2 and 3.34 V and the two knees, as
/// in published curves of prismatic 280 Ah cells (mean of charge and discharge after an hour's rest). The points beyond 0 and 100 %
/// are steep, so that a protection is always reached.
const REST_VOLTAGE: [(f64, f64); 16] = [
    (-3.0, 1.8),
    (0.0, 2.5),
    (2.0, 2.85),
    (5.0, 3.05),
    (10.0, 3.2),
    (20.0, 3.245),
    (30.0, 3.275),
    (40.0, 3.288),
    (50.0, 3.294),
    (60.0, 3.305),
    (70.0, 3.325),
    (80.0, 3.331),
    (90.0, 3.335),
    (97.0, 3.345),
    (100.0, 3.45),
    (103.0, 4.3),
];
/// Immediate charge and discharge resistance, Ω per cell with its share of the links.
const RESISTANCE: f64 = 0.000_35;
/// Resistance with time constant [`RELAXATION_S`].
const SLOW_RESISTANCE: f64 = 0.000_25;
const RELAXATION_S: f64 = 40.0;
/// A cell of a pack.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    charge_ah: f64,
    capacity_ah: f64,
    /// Resistance relative to the usual one.
    ageing: f64,
    /// Voltage over the slow resistance, V.
    slow_v: f64,
    /// Added by a scenario, V.
    pub(super) offset_v: f64,
    /// The balancer draws from it.
    pub(super) balancing: bool,
}

impl Cell {
    /// An empty cell.
    pub(super) fn new(capacity_ah: f64, ageing: f64) -> Self {
        Self { charge_ah: 0.0, capacity_ah, ageing, slow_v: 0.0, offset_v: 0.0, balancing: false }
    }

    /// State of charge, 0 to 1, and slightly beyond when overcharged or damaged.
    pub(super) fn soc(&self) -> f64 {
        self.charge_ah / self.capacity_ah
    }

    /// Sets the state of charge of a cell at rest.
    pub(super) fn set_soc(&mut self, soc: f64) {
        (self.charge_ah, self.slow_v) = (self.capacity_ah * soc, 0.0);
    }

    /// Sets the charge of a cell at rest by the charge missing to full, Ah.
    pub(super) fn set_missing(&mut self, missing_ah: f64) {
        (self.charge_ah, self.slow_v) = (self.capacity_ah - missing_ah, 0.0);
    }

    /// Immediate resistance, Ω.
    pub(super) fn resistance(&self) -> f64 {
        RESISTANCE * self.ageing
    }

    /// Applies `current` A for `dt` s while a balancer draws `bleed` A.
    pub(super) fn carry(&mut self, current: f64, bleed: f64, dt: f64) {
        self.charge_ah += (current - bleed) * dt / 3600.0;
        self.slow_v += (current * SLOW_RESISTANCE * self.ageing - self.slow_v) * (dt / RELAXATION_S);
    }

    /// Terminal voltage at `current` A.
    pub(super) fn voltage(&self, current: f64) -> f64 {
        rest_voltage(100.0 * self.soc()) + current * self.resistance() + self.slow_v + self.offset_v
    }
}

/// Rest voltage of a cell of this state of charge (%), V.
pub(in crate::sim) fn rest_voltage(soc_pct: f64) -> f64 {
    interpolate(&REST_VOLTAGE, soc_pct)
}

/// Value at `x` on a curve with ascending points; constant beyond the ends.
fn interpolate(curve: &[(f64, f64)], x: f64) -> f64 {
    let mut below = None;
    for &(px, py) in curve {
        match below {
            _ if x > px => below = Some((px, py)),
            Some((bx, by)) => return by + (py - by) * (x - bx) / (px - bx),
            None => return py,
        }
    }
    below.map_or(0.0, |(_, y)| y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_load_pulls_the_voltage_down_and_it_recovers() {
        let mut cell = Cell::new(280.0, 1.0);
        cell.set_soc(0.5);
        let rest = cell.voltage(0.0);
        (0..300).for_each(|_| cell.carry(-100.0, 0.0, 1.0));
        let loaded = cell.voltage(-100.0);
        assert!((0.05..0.08).contains(&(rest - loaded)), "{rest} -> {loaded}");
        assert!(cell.voltage(0.0) > loaded + 0.03);
        (0..300).for_each(|_| cell.carry(0.0, 0.0, 1.0));
        assert!((cell.voltage(0.0) - rest).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn the_rest_voltage_rises_with_the_charge(a in -5.0..105.0, b in -5.0..105.0) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(interpolate(&REST_VOLTAGE, low) <= interpolate(&REST_VOLTAGE, high));
        }
    }
}
