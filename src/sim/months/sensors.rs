//! What a BMS measures, and what it counts.

use super::cell::Cell;
use super::{DAY, Random, noise, shown_temperature};
use crate::base::units::{Amps, Celsius, Volts};
use crate::health::Balancer;
use std::f64::consts::TAU;

/// Noise of the current, A.
const CURRENT_NOISE: f64 = 0.03;
/// Shortest gap, and how much longer they are on average, s.
const GAP: [f64; 2] = [60.0, 2400.0];

/// Errors of what is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensors {
    /// Noise of a cell's voltage, V (standard deviation).
    pub noise_v: f64,
    /// Resolution of the current, its offset, the smallest one that is shown, A; and its gain.
    pub current_step_a: f64,
    /// See [`Sensors::current_step_a`].
    pub current_offset_a: f64,
    /// See [`Sensors::current_step_a`].
    pub dead_band_a: f64,
    /// See [`Sensors::current_step_a`].
    pub current_gain: f64,
    /// Share of the readings whose cells were measured before the current.
    pub late: f64,
    /// Share of the readings that are lost, 0 to 1, and gaps of minutes to hours per day.
    pub lost: f64,
    /// See [`Sensors::lost`].
    pub gaps_per_day: f64,
    /// Resolution of the temperature, °C, and its error.
    pub temperature_step_c: f64,
    /// See [`Sensors::temperature_step_c`].
    pub temperature_error_c: f64,
    /// What the BMS draws from the cells and does not count, A.
    pub supply_a: f64,
    /// Shown over actual current of the balancer.
    pub balance_gain: f64,
}

impl Sensors {
    /// Those of a random BMS.
    pub(super) fn random(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5E50);
        let mut between = |low, high| random.between(low, high);
        Self {
            noise_v: between(0.0007, 0.0017),
            current_step_a: if between(0.0, 1.0) < 0.5 { 0.01 } else { 0.1 },
            current_offset_a: between(-0.05, 0.05),
            dead_band_a: 0.0,
            current_gain: 1.0 + between(-0.015, 0.015),
            late: between(0.0, 0.1),
            lost: 0.01,
            gaps_per_day: 0.05,
            temperature_step_c: if between(0.0, 1.0) < 0.5 { 0.1 } else { 1.0 },
            temperature_error_c: between(-0.7, 0.7),
            supply_a: between(0.010, 0.035),
            balance_gain: between(0.85, 1.15),
        }
    }

    /// The current as it is shown, without noise.
    fn shown(&self, current: f64, t: f64) -> f64 {
        current * self.current_gain + self.current_offset_a * (1.0 + 0.15 * (TAU * t / DAY).sin())
    }
}

/// The last reading.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) cells: Vec<Volts>,
    pub(super) current: f64,
    pub(super) temperature: Celsius,
    /// The BMS's count, Ah.
    pub(super) remaining: f64,
    /// Numbers of the cells that are burned, or those that charge moves from and to, and the current, A.
    pub(super) burning: Vec<u8>,
    pub(super) moving: Option<(u8, u8)>,
    pub(super) balance_a: f64,
    /// Nothing is read until then, s.
    gap_until: f64,
}

impl Seen {
    pub(super) fn new(sensors: &Sensors, count: usize, remaining: f64, random: &mut Random) -> Self {
        let gap_until = if sensors.gaps_per_day > 0.0 { random.between(-1.0, 0.0) } else { 0.0 };
        Self {
            cells: vec![Volts::new(0.0); count],
            current: 0.0,
            temperature: Celsius::new(0.0),
            remaining,
            burning: Vec::with_capacity(count),
            moving: None,
            balance_a: 0.0,
            gap_until,
        }
    }

    /// The BMS counts on.
    pub(super) fn count(&mut self, sensors: &Sensors, current: f64, t: f64, dt: f64, is_full: bool, capacity_ah: f64) {
        let shown = sensors.shown(current, t);
        let counted = if shown.abs() < sensors.dead_band_a { 0.0 } else { shown };
        self.remaining = if is_full { capacity_ah } else { (self.remaining + counted * dt / 3600.0).clamp(0.0, capacity_ah) };
    }

    /// Measures at `now` (time, time since the last reading, s) with the current before and now; whether the reading arrives.
    pub(super) fn look(
        &mut self,
        sensors: &Sensors,
        cells: &[Cell],
        [before, current]: [f64; 2],
        [t, dt]: [f64; 2],
        pack_c: f64,
        random: &mut Random,
    ) -> bool {
        if t > self.gap_until && random.chance(100.0 * sensors.gaps_per_day * dt / DAY) {
            self.gap_until = t + GAP[0] - GAP[1] * random.between(1e-9, 1.0).ln();
        }
        if t <= self.gap_until || random.chance(100.0 * sensors.lost) {
            return false;
        }
        let at_cells = if random.chance(100.0 * sensors.late) { before } else { current };
        let shown = sensors.shown(current, t) + noise(random, CURRENT_NOISE);
        let shown = (shown / sensors.current_step_a).round() * sensors.current_step_a;
        self.current = if shown.abs() < sensors.dead_band_a { 0.0 } else { shown };
        self.temperature = shown_temperature(pack_c + sensors.temperature_error_c, sensors.temperature_step_c);
        for (seen, cell) in self.cells.iter_mut().zip(cells) {
            let actual = (cell.rest_v + at_cells * cell.ohm) * cell.sensor_gain + cell.sensor_v;
            *seen = Volts::new(((actual + noise(random, sensors.noise_v)) * 1000.0).round() / 1000.0);
        }
        true
    }

    /// What the BMS tells of the balancer.
    pub(super) fn balancer(&self) -> Balancer<'_> {
        let current = Amps::new(self.balance_a);
        match self.moving {
            Some((from, to)) => Balancer::Moves { current, from, to },
            None if self.burning.is_empty() => Balancer::Unknown,
            None => Balancer::Burns { current, cells: &self.burning },
        }
    }
}
