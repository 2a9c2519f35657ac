//! Months of a battery in a house, in seconds: cells with a hidden truth, sensors that show a part of it, and faults that grow. For
//! what needs long times, as [`crate::health`] does; [`super::plant`] is the closed loop of a day with the real charge control.
//!
//! ```text
//!  weather, loads ──▶ charger, inverter ──current──▶ cells (balancer, faults) ──▶ sensors ──▶ Observation
//! ```
//! A cell has the rest voltage of [`super::pack`] with hysteresis, an immediate resistance with its connection, two time constants,
//! and self-discharge; resistances depend on temperature and charge. Pure: everything follows from the installation and its seed.
//! One [`Months::step`] is one reading later, so months take seconds.

mod cell;
mod fault;
mod house;
mod installation;
mod outcome;
mod sensors;

pub use fault::{Fault, FaultKind};
pub use installation::{Balancer, Installation};
pub use outcome::{Found, Outcome, follow};
pub use sensors::Sensors;

use super::random::Random;
use crate::base::units::{AmpHours, Amps, Celsius, Percent};
use crate::health::{self, Observation};
use cell::{Cell, Curves, Temperatures};
use house::House;
use sensors::Seen;

/// One day, s.
pub const DAY: f64 = 86_400.0;
/// Temperatures change slowly enough to be followed this often, s.
const THERMAL_STEP: f64 = 60.0;
/// Time constant of the pack's temperature, s, and its heat capacity, J/K.
const THERMAL_TIME: f64 = 21_600.0;
const HEAT_CAPACITY: f64 = 86e3;
/// Resistance of a cell that heats it, ohm.
const HEATING_RESISTANCE: f64 = 0.0011;
/// A charger eases off for a cell above this, V.
const HIGHEST_CELL: f64 = 3.50;
/// An inverter stops below this, V, for some time, s.
const LOWEST_CELL: f64 = 2.90;
const LOW_CELL_PAUSE: f64 = 900.0;
/// Voltage per cell once charging has ended, V.
const FLOAT_VOLTAGE: f64 = 3.375;
/// A balancer works above this, V, and from this difference on, V.
const BALANCE_FROM: f64 = 3.40;
const BALANCE_DIFFERENCE: f64 = 0.005;
/// An active balancer works for this share of the time, and loses this share of the charge.
const ACTIVE_DUTY: f64 = 0.7;
const ACTIVE_LOSS: f64 = 0.1;
/// Share of the charge that does not arrive while charging.
const CHARGING_LOSS: f64 = 0.0012;

/// What is true of the cells, cell 1 first.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// Resistance as steps of the current show it, with that of the connection, at 25 °C, ohm.
    pub resistance: Vec<f64>,
    /// The same over the median cell's.
    pub relative_resistance: Vec<f64>,
    /// Charge above the median cell's, counted from full, Ah.
    pub offset_ah: Vec<f64>,
    /// Charge above the median cell's, counted from empty, Ah.
    pub margin_ah: Vec<f64>,
    /// Self-discharge above the median cell's, Ah per day.
    pub self_discharge_ah: Vec<f64>,
    /// Capacity, Ah.
    pub capacity_ah: Vec<f64>,
    /// Capacity over the median cell's.
    pub relative_capacity: Vec<f64>,
}

/// An installation while time goes on.
#[derive(Debug, Clone)]
pub struct Months {
    installation: Installation,
    curves: Curves,
    cells: Vec<Cell>,
    house: House,
    random: Random,
    steps: u64,
    current: f64,
    pack_c: f64,
    ambient_c: f64,
    heat: f64,
    phase: Phase,
    /// Time for which the inverter still waits after a low cell, s.
    pause: f64,
    is_empty: bool,
    loose_ohm: f64,
    seen: Seen,
}

/// Where charging is.
#[derive(Debug, Clone, Copy, Default)]
struct Phase {
    is_float: bool,
    /// At the charge voltage, and there with little current, s.
    absorbed: f64,
    tail: f64,
}

impl Months {
    /// An installation at its first midnight.
    pub fn new(installation: &Installation) -> Self {
        let mut random = Random::new(installation.seed);
        let curves = Curves::new(installation, &mut random);
        let count = installation.cells.clamp(crate::health::MIN_CELLS, crate::health::MAX_CELLS);
        let cells: Vec<Cell> = (0..count).map(|index| Cell::new(index, count, installation, &mut random)).collect();
        let ambient_c = installation.ambient_c;
        let remaining = installation.capacity_ah * installation.soc;
        let mut months = Self {
            curves,
            seen: Seen::new(&installation.sensors, count, remaining, &mut random),
            cells,
            house: House::new(installation.seed),
            random,
            steps: 0,
            current: 0.0,
            pack_c: ambient_c,
            ambient_c,
            heat: 0.0,
            phase: Phase::default(),
            pause: 0.0,
            is_empty: false,
            loose_ohm: 0.0,
            installation: installation.clone(),
        };
        months.begin_day();
        months.warm();
        months
    }

    /// Time since the first midnight, s.
    pub fn time(&self) -> f64 {
        self.steps as f64 * self.installation.period_s
    }

    /// Goes on to the time of the next reading; `None`: the reading was lost.
    pub fn step(&mut self) -> Option<Observation<'_>> {
        let dt = self.installation.period_s;
        let before = self.time();
        self.steps = self.steps.saturating_add(1);
        let t = self.time();
        if (t / DAY).floor() > (before / DAY).floor() {
            self.begin_day();
        }
        if (t / THERMAL_STEP).floor() > (before / THERMAL_STEP).floor() {
            self.warm();
        }
        let last = self.current;
        for cell in &mut self.cells {
            cell.look(&self.curves);
        }
        self.current = self.flowing(t, dt);
        let drain = self.installation.sensors.supply_a;
        for cell in &mut self.cells {
            cell.carry(self.current, drain, dt, &self.curves);
        }
        self.balance(dt);
        self.heat += self.current * self.current * dt;
        let is_full = self.follow_phase(dt);
        let sensors = &self.installation.sensors;
        self.seen.count(sensors, self.current, t, dt, is_full, self.installation.capacity_ah);
        let is_told = self.installation.tells_balancing;
        let seen = self.seen.look(sensors, &self.cells, [last, self.current], [t, dt], self.pack_c, &mut self.random);
        seen.then(|| Observation {
            t,
            cells: &self.seen.cells,
            current: Some(Amps::new(self.seen.current)),
            temperatures: std::slice::from_ref(&self.seen.temperature),
            soc: Some(Percent::new(100.0 * self.seen.remaining / self.installation.capacity_ah)),
            remaining: Some(AmpHours::new((self.seen.remaining * 10.0).round() / 10.0)),
            balancing: if is_told { self.seen.balancer() } else { health::Balancer::Unknown },
        })
    }

    /// What is true now.
    pub fn truth(&self) -> Truth {
        let of = |value: &dyn Fn(&Cell) -> f64| self.cells.iter().map(value).collect::<Vec<f64>>();
        let above = |values: Vec<f64>| {
            let middle = median(&values);
            values.into_iter().map(|value| value - middle).collect()
        };
        let over = |values: &[f64]| values.iter().map(|value| value / median(values)).collect();
        let resistance = of(&|cell| cell.step_resistance(&self.curves, self.installation.period_s));
        let capacity_ah = of(&|cell| cell.capacity_ah);
        Truth {
            relative_resistance: over(&resistance),
            resistance,
            offset_ah: above(of(&|cell| cell.charge_ah - cell.capacity_ah)),
            margin_ah: above(of(&|cell| cell.charge_ah)),
            self_discharge_ah: above(of(&|cell| cell.leak_a * 24.0)),
            relative_capacity: over(&capacity_ah),
            capacity_ah,
        }
    }

    /// A new day: weather, loads, how far the battery may be discharged, and the fault's growth.
    fn begin_day(&mut self) {
        let day = (self.time() / DAY).round();
        self.house.begin_day(&self.installation, day as u32);
        self.phase = Phase::default();
        if let Some(fault) = self.installation.fault {
            self.loose_ohm = 0.0;
            fault.grow(day, &mut self.cells, &mut self.loose_ohm);
        }
    }

    /// Temperatures, and what depends on them.
    fn warm(&mut self) {
        self.ambient_c = self.installation.ambient_at(self.time());
        self.pack_c += self.heat * self.cells.len() as f64 * HEATING_RESISTANCE / HEAT_CAPACITY
            - THERMAL_STEP * (self.pack_c - self.ambient_c) / THERMAL_TIME;
        self.heat = 0.0;
        let above = (self.pack_c - self.ambient_c).max(0.0);
        for cell in &mut self.cells {
            let at = Temperatures::at(cell.temperature(self.pack_c, above));
            cell.warm(at);
        }
        // A loose contact moves with the temperature, about every five minutes.
        let is_moved = self.loose_ohm > 0.0 && self.random.chance(20.0);
        if let (true, Some(fault)) = (is_moved, self.installation.fault) {
            let ohm = self.random.between(0.0, self.loose_ohm);
            if let Some(cell) = self.cells.get_mut(fault.cell) {
                cell.contact_ohm = ohm;
            }
        }
    }

    /// What sun and loads want, as far as charger, inverter and cells let it.
    fn flowing(&mut self, t: f64, dt: f64) -> f64 {
        let wanted = self.house.current(t, dt, self.cells.len()).min(0.43 * self.installation.capacity_ah);
        if wanted > 0.0 {
            return wanted.min(self.highest_charge()).max(0.0);
        }
        let soc = self.cells.iter().map(Cell::soc).sum::<f64>() / self.cells.len().max(1) as f64;
        let least = self.house.least_soc;
        self.is_empty = soc < if self.is_empty { least + 0.04 } else { least };
        let lowest = self.cells.iter().map(|cell| cell.rest_v + self.current.min(0.0) * cell.ohm).fold(f64::INFINITY, f64::min);
        self.pause = if lowest < LOWEST_CELL { LOW_CELL_PAUSE } else { self.pause - dt };
        if self.is_empty || self.pause > 0.0 { 0.0 } else { wanted }
    }

    /// The current with which the pack is at its charge voltage, or a cell at its highest one, A.
    fn highest_charge(&self) -> f64 {
        let (mut rest, mut ohm, mut highest) = (0.0, 0.0, f64::INFINITY);
        for cell in &self.cells {
            rest += cell.rest_v;
            ohm += cell.ohm;
            highest = ((HIGHEST_CELL - cell.rest_v) / cell.ohm).min(highest);
        }
        ((self.charge_voltage() * self.cells.len() as f64 - rest) / ohm).min(highest)
    }

    /// V per cell.
    fn charge_voltage(&self) -> f64 {
        let cvl = self.installation.cvl_v;
        if self.phase.is_float { cvl.min(FLOAT_VOLTAGE) } else { cvl }
    }

    /// Follows absorption and float; whether the BMS sees a full battery.
    fn follow_phase(&mut self, dt: f64) -> bool {
        let count = self.cells.len() as f64;
        let mean = self.cells.iter().map(|cell| cell.rest_v + self.current * cell.ohm).sum::<f64>() / count;
        let (cvl, share) = (self.installation.cvl_v, self.current / self.installation.capacity_ah);
        if mean > cvl - 0.012 {
            self.phase.absorbed += dt;
            self.phase.tail = if (0.0..0.02).contains(&share) { self.phase.tail + dt } else { 0.0 };
            self.phase.is_float |= self.phase.absorbed > 7200.0 || self.phase.tail > 1800.0;
        }
        cvl > 3.4 && mean > cvl - 0.02 && (0.0..0.04).contains(&share)
    }

    fn balance(&mut self, dt: f64) {
        self.seen.burning.clear();
        self.seen.moving = None;
        let [mut highest, mut lowest] = [(f64::NEG_INFINITY, 0), (f64::INFINITY, 0)];
        for (index, cell) in self.cells.iter().enumerate() {
            let shown = cell.rest_v + self.current * cell.ohm + cell.sensor_v + 0.5 * noise(&mut self.random, 0.001);
            highest = if shown > highest.0 { (shown, index) } else { highest };
            lowest = if shown < lowest.0 { (shown, index) } else { lowest };
        }
        if highest.0 < BALANCE_FROM || highest.0 - lowest.0 < BALANCE_DIFFERENCE {
            return;
        }
        let charge = dt / 3600.0;
        match self.installation.balancer {
            Balancer::Active(amps) => {
                let amps = amps * ACTIVE_DUTY;
                if let Some(cell) = self.cells.get_mut(highest.1) {
                    cell.charge_ah -= amps * charge;
                }
                if let Some(cell) = self.cells.get_mut(lowest.1) {
                    cell.charge_ah += amps * charge * (1.0 - ACTIVE_LOSS);
                }
                let number = |index: usize| u8::try_from(index.saturating_add(1)).unwrap_or(u8::MAX);
                self.seen.moving = Some((number(highest.1), number(lowest.1)));
                self.seen.balance_a = amps * self.installation.sensors.balance_gain;
            }
            Balancer::Passive(amps) => {
                for (number, cell) in (1..).zip(&mut self.cells) {
                    let shown = cell.rest_v + self.current * cell.ohm + cell.sensor_v;
                    if shown > BALANCE_FROM && shown - lowest.0 > BALANCE_DIFFERENCE {
                        cell.charge_ah -= amps * charge;
                        self.seen.burning.push(number);
                    }
                }
                self.seen.balance_a = amps * self.installation.sensors.balance_gain;
            }
        }
    }
}

/// The middle value; 0 of none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let of = |index: usize| sorted.get(index).copied().unwrap_or_default();
    (of(sorted.len().saturating_sub(1) / 2) + of(sorted.len() / 2)) / 2.0
}

/// Nearly normal noise with this standard deviation.
pub(super) fn noise(random: &mut Random, sd: f64) -> f64 {
    sd * (random.between(-1.0, 1.0) + random.between(-1.0, 1.0) + random.between(-1.0, 1.0))
}

/// A temperature as its sensor shows it.
pub(super) fn shown_temperature(celsius: f64, step: f64) -> Celsius {
    Celsius::new((celsius / step).round() * step)
}
