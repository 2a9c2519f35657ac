//! One cell over months.

use super::{CHARGING_LOSS, Installation, Random};
use crate::sim::pack::rest_voltage;

/// Resistances of a 280 Ah cell at 25 °C and medium charge, ohm: metal and electrolyte; charge transfer; with the short time
/// constant; with the long one.
const OHMIC: f64 = 0.20e-3;
const TRANSFER: f64 = 0.16e-3;
const SHORT: f64 = 0.30e-3;
const LONG: f64 = 0.35e-3;
/// Activation energy over the gas constant of these, K.
const OHMIC_K: f64 = 960.0;
const TRANSFER_K: f64 = 5300.0;
const SHORT_K: f64 = 4100.0;
const LONG_K: f64 = 3600.0;
/// Hysteresis, V, and the share of the capacity that turns it round.
const HYSTERESIS: f64 = 0.008;
const HYSTERESIS_CHARGE: f64 = 0.03;
/// Capacity that the resistances are for, Ah.
const USUAL_AH: f64 = 280.0;
/// Self-discharge, share of the capacity per hour: one per cent in a month.
const SELF_DISCHARGE: f64 = 0.01 / 720.0;
/// The tables go from this SoC on, in steps.
const FROM: f64 = -0.03;
const STEP: f64 = 0.000_5;
const ENTRIES: u32 = 2121;
/// Where the knees begin, share of the capacity from full and from empty.
const KNEE: f64 = 0.1;

/// Rest voltage and resistance over the SoC, and the time constants of a battery's cells.
#[derive(Debug, Clone)]
pub(super) struct Curves {
    /// V, and resistance over that at medium charge.
    table: Vec<[f64; 2]>,
    /// Time constants, s.
    short_s: f64,
    long_s: f64,
    /// Shares of the way that a step of the time goes.
    short: f64,
    long: f64,
}

impl Curves {
    /// Knees up to a fifth longer or shorter than usual, the whole curve up to 3 mV higher or lower.
    pub(super) fn new(installation: &Installation, random: &mut Random) -> Self {
        let (top, bottom) = (random.between(-0.2, 0.2), random.between(-0.15, 0.15));
        let shift = random.between(-0.003, 0.003) + installation.curve_shift_v;
        let (short_s, long_s) = (random.between(30.0, 70.0), random.between(800.0, 1800.0));
        let table = (0..ENTRIES).map(|entry| {
            let soc = FROM + STEP * f64::from(entry);
            let shape = 1.0 + 0.5 * (-soc.max(0.0) / 0.06).exp() + 0.15 * (-(1.0 - soc).max(0.0) / 0.03).exp();
            [rest_voltage(100.0 * bent(soc, top, bottom)) + shift, shape]
        });
        let share = |time: f64| 1.0 - (-installation.period_s / time).exp();
        Self { table: table.collect(), short_s, long_s, short: share(short_s), long: share(long_s) }
    }

    fn at(&self, soc: f64) -> [f64; 2] {
        let place = ((soc - FROM) / STEP).clamp(0.0, f64::from(ENTRIES - 2));
        let index = place as usize;
        let (Some([v0, r0]), Some([v1, r1])) = (self.table.get(index), self.table.get(index.saturating_add(1))) else {
            return [0.0, 1.0];
        };
        let rest = place - index as f64;
        [v0 + (v1 - v0) * rest, r0 + (r1 - r0) * rest]
    }
}

/// SoC on the usual curve of a cell whose knees are longer by these shares.
fn bent(soc: f64, top: f64, bottom: f64) -> f64 {
    if soc > 1.0 - KNEE {
        soc + top * (soc - 1.0 + KNEE) * (1.0 - soc).max(0.0) / KNEE
    } else if soc < KNEE {
        soc - bottom * soc.max(0.0) * (KNEE - soc) / KNEE
    } else {
        soc
    }
}

/// Resistances at a temperature over those at 25 °C.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Temperatures {
    ohmic: f64,
    transfer: f64,
    short: f64,
    long: f64,
}

impl Temperatures {
    /// At 25 °C.
    pub(super) const USUAL: Self = Self { ohmic: 1.0, transfer: 1.0, short: 1.0, long: 1.0 };

    /// °C.
    pub(super) fn at(celsius: f64) -> Self {
        let inverse = 1.0 / (273.15 + celsius) - 1.0 / 298.15;
        let factor = |kelvin: f64| (kelvin * inverse).exp();
        Self { ohmic: factor(OHMIC_K), transfer: factor(TRANSFER_K), short: factor(SHORT_K), long: factor(LONG_K) }
    }
}

/// A cell: what it is, and its state.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) charge_ah: f64,
    pub(super) capacity_ah: f64,
    /// Self-discharge, A.
    pub(super) leak_a: f64,
    /// Resistance of the connection, and what a loose contact adds now, ohm.
    pub(super) connection_ohm: f64,
    pub(super) contact_ohm: f64,
    /// Resistances of the cell over the usual ones; a fault changes it.
    pub(super) ageing: f64,
    ohmic: f64,
    transfer: f64,
    short: f64,
    long: f64,
    hysteresis: f64,
    knees: [f64; 2],
    /// Error of the voltage sensor, V, and its gain.
    pub(super) sensor_v: f64,
    pub(super) sensor_gain: f64,
    /// Warmer than the mean of the pack, K; share of the pack's own warmth that it has more, 0: as the mean.
    warmer: f64,
    inner: f64,
    at: Temperatures,
    short_v: f64,
    long_v: f64,
    hysteresis_v: f64,
    shape: f64,
    /// Voltage without what the current does at once, V, and that resistance, ohm.
    pub(super) rest_v: f64,
    pub(super) ohm: f64,
}

impl Cell {
    /// A cell of an installation, with its own deviations.
    pub(super) fn new(index: usize, count: usize, installation: &Installation, random: &mut Random) -> Self {
        let place = index as f64 / (count.max(2) as f64 - 1.0) - 0.5;
        let capacity_ah = installation.real_capacity_ah * (1.0 + random.between(-1.0, 1.0) * installation.capacity_spread);
        let scale = installation.resistance * USUAL_AH / installation.capacity_ah;
        let mut near = |usual: f64, spread: f64| usual * scale * (1.0 + random.between(-spread, spread));
        let (ohmic, transfer) = (near(OHMIC, 0.10), near(TRANSFER, 0.15));
        let (short, long) = (near(SHORT, 0.15), near(LONG, 0.15));
        // The link between two rows of cells is longer.
        let link = if index == count / 2 { installation.link_ohm } else { 0.0 };
        let connection_ohm = random.between(0.04e-3, 0.12e-3) * USUAL_AH / installation.capacity_ah + link;
        let missing = (1.0 - installation.soc) + random.between(-1.0, 1.0) * installation.offset_spread;
        Self {
            charge_ah: capacity_ah - missing * installation.capacity_ah,
            capacity_ah,
            leak_a: capacity_ah * SELF_DISCHARGE * (1.0 + random.between(-0.3, 0.3)),
            connection_ohm,
            contact_ohm: 0.0,
            ageing: 1.0,
            ohmic,
            transfer,
            short,
            long,
            hysteresis: HYSTERESIS * installation.hysteresis * (1.0 + random.between(-0.2, 0.2)),
            knees: [random.between(-0.07, 0.07), random.between(-0.07, 0.07)],
            sensor_v: random.between(-0.0015, 0.0015),
            sensor_gain: 1.0 + random.between(-0.0004, 0.0004),
            warmer: installation.gradient_k * place + random.between(-0.3, 0.3),
            inner: 0.4 - 2.4 * place * place,
            at: Temperatures::USUAL,
            short_v: 0.0,
            long_v: 0.0,
            hysteresis_v: 0.0,
            shape: 1.0,
            rest_v: 0.0,
            ohm: ohmic + transfer + connection_ohm,
        }
    }

    /// 0 to 1.
    pub(super) fn soc(&self) -> f64 {
        self.charge_ah / self.capacity_ah
    }

    /// °C, in a pack of this mean temperature which is so much above that around it.
    pub(super) fn temperature(&self, pack_c: f64, above: f64) -> f64 {
        pack_c + self.warmer + 0.6 * self.inner * above
    }

    /// Takes on a temperature.
    pub(super) fn warm(&mut self, at: Temperatures) {
        self.at = at;
    }

    /// Voltage and resistance at the present charge.
    pub(super) fn look(&mut self, curves: &Curves) {
        let [top, bottom] = self.knees;
        let [open, shape] = curves.at(bent(self.soc(), top, bottom));
        self.shape = shape;
        self.rest_v = open + self.short_v + self.long_v + self.hysteresis_v;
        let own = self.ohmic * self.at.ohmic + self.transfer * self.at.transfer * shape;
        self.ohm = own * self.ageing + self.connection_ohm + self.contact_ohm;
    }

    /// Carries `current` A for `dt` s, of which the BMS draws `drain` A.
    pub(super) fn carry(&mut self, current: f64, drain: f64, dt: f64, curves: &Curves) {
        let ageing = self.ageing * self.shape;
        let before = self.short_v + self.long_v + self.hysteresis_v;
        self.short_v += curves.short * (current * self.short * self.at.short * ageing - self.short_v);
        self.long_v += curves.long * (current * self.long * self.at.long * ageing - self.long_v);
        let turned = (current.abs() * dt / 3600.0 / (HYSTERESIS_CHARGE * self.capacity_ah)).min(1.0);
        self.hysteresis_v += turned * (self.hysteresis.copysign(current) - self.hysteresis_v);
        self.rest_v += self.short_v + self.long_v + self.hysteresis_v - before;
        let arriving = if current > 0.0 { current * (1.0 - CHARGING_LOSS) } else { current };
        self.charge_ah += (arriving - self.leak_a - drain) * dt / 3600.0;
    }

    /// Resistance as readings show it that are `period` s apart: from the second to the fourth one after a step, at 25 °C.
    pub(super) fn step_resistance(&self, curves: &Curves, period: f64) -> f64 {
        let after = [2.0, 3.0, 4.0].map(|readings| readings * period);
        let share = |time: f64| after.iter().map(|age| 1.0 - (-age / time).exp()).sum::<f64>() / 3.0;
        let slow = self.short * share(curves.short_s) + self.long * share(curves.long_s);
        (self.ohmic + self.transfer + slow) * self.ageing + self.connection_ohm
    }
}
