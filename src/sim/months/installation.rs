//! What a simulated installation is like.

use super::{DAY, Fault, Random, Sensors};
use std::f64::consts::TAU;

/// What brings the cells together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Balancer {
    /// Burns charge of the high cells, A each.
    Passive(f64),
    /// Moves charge from the highest to the lowest cell, A.
    Active(f64),
}

/// An installation: cells, house, sensors, and maybe a fault.
#[derive(Debug, Clone, PartialEq)]
pub struct Installation {
    /// Chooses everything that is random.
    pub seed: u64,
    /// Time between two readings, s; also the step of the simulation.
    pub period_s: f64,
    /// Cells in series, 4 to 32.
    pub cells: usize,
    /// Capacity as installed, Ah, and the mean of what the cells have.
    pub capacity_ah: f64,
    /// See [`Installation::capacity_ah`].
    pub real_capacity_ah: f64,
    /// Maximum deviation of a cell's capacity, and of its charge at full, as shares of the capacity.
    pub capacity_spread: f64,
    /// See [`Installation::capacity_spread`].
    pub offset_spread: f64,
    /// State of charge at the start, 0 to 1.
    pub soc: f64,
    /// Resistance and hysteresis over the usual ones.
    pub resistance: f64,
    /// See [`Installation::resistance`].
    pub hysteresis: f64,
    /// What the link between two rows of cells adds, ohm.
    pub link_ohm: f64,
    /// How much higher the rest voltage is than that of usual cells, V.
    pub curve_shift_v: f64,
    /// Temperature around the battery: mean over the year, its change with the seasons and over the day, °C, and the difference
    /// between both ends of the battery, K.
    pub ambient_c: f64,
    /// See [`Installation::ambient_c`].
    pub season_k: f64,
    /// See [`Installation::ambient_c`].
    pub daily_k: f64,
    /// See [`Installation::ambient_c`].
    pub gradient_k: f64,
    /// Day of the year on which it begins.
    pub day_of_year: f64,
    /// Module power, and what the house always draws, W.
    pub peak_w: f64,
    /// See [`Installation::peak_w`].
    pub base_w: f64,
    /// The inverter stops at this state of charge, 0 to 1; on a share of the days at 0.03.
    pub least_soc: f64,
    /// See [`Installation::least_soc`].
    pub deep_days: f64,
    /// Charge voltage per cell, V.
    pub cvl_v: f64,
    /// What balances the cells.
    pub balancer: Balancer,
    /// The BMS tells which cells are balanced, and with what current.
    pub tells_balancing: bool,
    /// What the BMS measures.
    pub sensors: Sensors,
    /// What is going bad.
    pub fault: Option<Fault>,
}

impl Installation {
    /// A random healthy installation of 16 cells with 280 Ah, with a reading every 4 s.
    pub fn random(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5EED);
        let mut between = |low, high| random.between(low, high);
        let capacity_ah = 280.0;
        let active = between(0.0, 1.0) < 0.5;
        let amps = between(0.0, 1.0);
        Self {
            seed,
            period_s: 4.0,
            cells: 16,
            capacity_ah,
            real_capacity_ah: capacity_ah * between(0.97, 1.05),
            capacity_spread: 0.015,
            offset_spread: between(0.004, 0.012),
            soc: between(0.4, 0.8),
            resistance: between(0.85, 1.2),
            hysteresis: 1.0,
            link_ohm: if between(0.0, 1.0) < 0.4 { between(0.05e-3, 0.15e-3) } else { 0.0 },
            curve_shift_v: 0.0,
            ambient_c: between(16.0, 22.0),
            season_k: between(4.0, 9.0),
            daily_k: between(1.0, 4.0),
            gradient_k: between(-1.2, 1.2),
            day_of_year: between(0.0, 365.0),
            peak_w: between(4500.0, 8000.0),
            base_w: between(180.0, 400.0),
            least_soc: between(0.08, 0.18),
            deep_days: between(0.05, 0.25),
            cvl_v: 3.45,
            balancer: if active { Balancer::Active(0.6 + 1.4 * amps) } else { Balancer::Passive(0.06 + 0.06 * amps) },
            tells_balancing: true,
            sensors: Sensors::random(seed),
            fault: None,
        }
    }

    /// The same with a fault.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Self { fault: Some(fault), ..self }
    }

    /// Temperature around the battery at a time (s since the start), °C.
    pub(super) fn ambient_at(&self, t: f64) -> f64 {
        let (day, hour) = (self.day_of_year + t / DAY, t / DAY);
        self.ambient_c + self.season_k * (TAU * (day - 110.0) / 365.0).sin() + self.daily_k * (TAU * (hour - 0.375)).sin()
    }
}
