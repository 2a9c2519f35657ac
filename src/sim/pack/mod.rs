//! A physical battery with its BMS: cells with an open-circuit voltage, resistance and imbalance, temperatures, a passive balancer,
//! coulomb counting and protections. Pure: time goes in as ticks, the values reported by the BMS come out.

mod cell;
mod config;
mod protection;
mod reported;

pub(in crate::sim) use cell::rest_voltage;
pub use config::{PackConfig, WeakCell};
pub use reported::ReportedState;

use super::random::Random;
use crate::model::AlarmName;
use cell::Cell;
use protection::{ProtectionInputs, Protections};
use std::f64::consts::TAU;
use std::time::Duration;

/// Step of the model. Reported values change at most this often, like a board's own measurements.
pub const TICK: Duration = Duration::from_millis(250);

/// Current of the passive balancer per cell, A; cell voltage and difference above which it is active, V.
const BLEED_A: f64 = 0.1;
const BALANCE_FROM_V: f64 = 3.40;
const BALANCE_DIFFERENCE_V: f64 = 0.010;

/// New cells have slightly more than their nominal capacity.
const FRESH_CAPACITY_FACTOR: f64 = 1.02;

/// Source of the pack's current.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Demand {
    /// Varying sun and loads, zero on average: every value on a dashboard changes.
    Live,
    /// This current, A; positive charges.
    Constant(f64),
}

/// Reaction of a BMS to commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommandBehaviour {
    /// Carries them out.
    #[default]
    Executes,
    /// Refuses them, or stays silent if its protocol has no refusal.
    Refuses,
    /// Acknowledges them without carrying them out.
    OnlyAcknowledges,
    /// Carries them out in factory mode only, if it has one.
    NeedsFactoryMode,
}

/// A battery with its BMS.
#[derive(Debug, Clone)]
pub struct Pack {
    cells: Vec<Cell>,
    capacity_ah: f64,
    imbalance: Vec<f64>,
    top_balanced: bool,
    noise_v: f64,
    elapsed_s: f64,
    ambient_c: f64,
    cell_c: f64,
    mos_c: f64,
    counted_ah: f64,
    drawn_ah: f64,
    protections: Protections,
    random: Random,
    /// Source of the current.
    pub demand: Demand,
    /// The charge FET is switched off manually.
    pub charge_off: bool,
    /// The discharge FET is switched off manually.
    pub discharge_off: bool,
    /// The balancer is switched off manually.
    pub balance_off: bool,
    /// Reaction to commands.
    pub command_behaviour: CommandBehaviour,
    /// The BMS does not reply.
    pub silent: bool,
    /// Alarms reported regardless of the pack's state.
    pub forced_alarms: Vec<AlarmName>,
    reported: ReportedState,
    actual_v: Vec<f64>,
}

impl Pack {
    /// A pack as configured, at rest.
    pub fn new(config: &PackConfig) -> Self {
        let mut random = Random::new(config.seed);
        let count = config.cells.clamp(1, 32);
        let spread = config.imbalance_pct / 100.0;
        let imbalance: Vec<f64> = (0..count).map(|_| random.between(-spread, spread)).collect();
        let cells = (1..=count)
            .map(|number| {
                let capacity = FRESH_CAPACITY_FACTOR * config.capacity_ah * (1.0 + random.between(-2.0 * spread, 2.0 * spread));
                let resistance = config.resistance * (1.0 + random.between(-config.resistance_spread, config.resistance_spread));
                match config.weak {
                    Some(weak) if weak.number == number => Cell::new(capacity * weak.capacity, resistance * weak.resistance),
                    _ => Cell::new(capacity, resistance),
                }
            })
            .collect();
        let mut pack = Self {
            cells,
            capacity_ah: config.capacity_ah,
            imbalance,
            top_balanced: config.top_balanced,
            noise_v: config.noise_v,
            elapsed_s: 0.0,
            ambient_c: config.temperature_c,
            cell_c: config.temperature_c,
            mos_c: config.temperature_c,
            counted_ah: 0.0,
            drawn_ah: 42.0 * config.capacity_ah,
            protections: Protections::default(),
            random,
            demand: Demand::Live,
            charge_off: false,
            discharge_off: false,
            balance_off: false,
            command_behaviour: CommandBehaviour::default(),
            silent: false,
            forced_alarms: Vec::new(),
            reported: ReportedState::default(),
            actual_v: Vec::new(),
        };
        pack.set_soc(config.soc_pct);
        pack.measure(0.0);
        pack
    }

    /// Values reported by the BMS.
    pub fn reported(&self) -> &ReportedState {
        &self.reported
    }

    /// Actual cell voltages, V, without the BMS's measurement errors.
    pub fn actual_cells_v(&self) -> &[f64] {
        &self.actual_v
    }

    /// Immediate resistance of all cells, Ω: the terminal voltage's response to a current.
    pub fn resistance_ohm(&self) -> f64 {
        self.cells.iter().map(Cell::resistance).sum()
    }

    /// Actual mean state of charge of the cells, %.
    pub fn actual_soc_pct(&self) -> f64 {
        100.0 * self.cells.iter().map(Cell::soc).sum::<f64>() / self.cells.len().max(1) as f64
    }

    /// Replaces the reported values until the next tick: a defective BMS.
    pub fn replace_reported(&mut self, reported: ReportedState) -> ReportedState {
        std::mem::replace(&mut self.reported, reported)
    }

    /// Sets the charge of all cells, keeping their imbalance, and the BMS's counter.
    pub fn set_soc(&mut self, soc_pct: f64) {
        let missing_ah = (1.0 - soc_pct / 100.0) * FRESH_CAPACITY_FACTOR * self.capacity_ah;
        for (cell, imbalance) in self.cells.iter_mut().zip(&self.imbalance) {
            if self.top_balanced {
                cell.set_missing(missing_ah - imbalance * FRESH_CAPACITY_FACTOR * self.capacity_ah);
            } else {
                cell.set_soc(soc_pct / 100.0 + imbalance);
            }
        }
        self.counted_ah = self.capacity_ah * soc_pct / 100.0;
    }

    /// Executes a command according to this BMS's behaviour; false if it refuses.
    pub fn execute(&mut self, command: impl FnOnce(&mut Self)) -> bool {
        match self.command_behaviour {
            CommandBehaviour::Refuses => return false,
            CommandBehaviour::OnlyAcknowledges => {}
            CommandBehaviour::Executes | CommandBehaviour::NeedsFactoryMode => {
                command(self);
                self.report_switches();
            }
        }
        true
    }

    /// Sets the BMS's counter without changing its cells.
    pub fn correct_soc(&mut self, soc_pct: f64) {
        self.counted_ah = self.capacity_ah * (soc_pct / 100.0).clamp(0.0, 1.0);
        (self.reported.soc_pct, self.reported.remaining_ah) = (soc_pct, self.counted_ah);
    }

    /// Sets the temperature around and inside the pack, °C.
    pub fn set_temperature(&mut self, temperature_c: f64) {
        (self.ambient_c, self.cell_c, self.mos_c) = (temperature_c, temperature_c, temperature_c);
    }

    /// Sets the temperature around the pack, °C; the cells follow slowly.
    pub fn set_ambient(&mut self, temperature_c: f64) {
        self.ambient_c = temperature_c;
    }

    /// Adds a voltage to a cell, counted from 1; ignored if the cell does not exist.
    pub fn set_cell_offset(&mut self, number: usize, offset_v: f64) {
        if let Some(cell) = number.checked_sub(1).and_then(|index| self.cells.get_mut(index)) {
            cell.offset_v = offset_v;
        }
    }

    /// Advances by one [`TICK`].
    pub fn tick(&mut self) {
        let dt = TICK.as_secs_f64();
        self.elapsed_s += dt;
        let current = self.flowing();
        let bleeding = current >= 0.0;
        for cell in &mut self.cells {
            let bleed = if cell.balancing && bleeding { BLEED_A } else { 0.0 };
            cell.carry(current, bleed, dt);
        }
        self.counted_ah = (self.counted_ah + current * dt / 3600.0).clamp(0.0, self.capacity_ah);
        self.drawn_ah += (-current).max(0.0) * dt / 3600.0;
        self.warm(current, dt);
        self.measure(current);
        self.balance();
        self.recalibrate(current);
        self.protect(dt);
    }

    /// The demand, limited by the FETs.
    fn flowing(&mut self) -> f64 {
        let wanted = match self.demand {
            Demand::Constant(current) => current,
            Demand::Live => {
                let wave = |amplitude: f64, period: f64| amplitude * (TAU * self.elapsed_s / period).sin();
                wave(24.0, 240.0) + wave(7.0, 37.0) + self.random.between(-0.5, 0.5)
            }
        };
        let open = if wanted > 0.0 { self.reported.charge_fet } else { self.reported.discharge_fet };
        if open { wanted } else { 0.0 }
    }

    /// Heating: the cells follow with half an hour, the MOSFETs with a minute.
    fn warm(&mut self, current: f64, dt: f64) {
        let square = current * current;
        self.cell_c += (self.ambient_c + square * 0.000_3 - self.cell_c) * dt / 1800.0;
        self.mos_c += (self.cell_c + square * 0.001 - self.mos_c) * dt / 60.0;
    }

    /// The BMS's measurements at this current, with the noise of its converters.
    fn measure(&mut self, current: f64) {
        self.actual_v.clear();
        self.actual_v.extend(self.cells.iter().map(|cell| cell.voltage(current)));
        let mut noise = || self.random.between(-self.noise_v, self.noise_v);
        let cells: Vec<f64> = self.actual_v.iter().map(|cell| (cell + noise()).max(0.0)).collect();
        let mut near = |value: f64| value + self.random.between(-0.05, 0.05);
        self.reported = ReportedState {
            voltage_v: cells.iter().sum(),
            current_a: current,
            soc_pct: 100.0 * self.counted_ah / self.capacity_ah,
            remaining_ah: self.counted_ah,
            capacity_ah: self.capacity_ah,
            cycles: (self.drawn_ah / self.capacity_ah) as u32,
            cells_v: cells,
            temperatures_c: [near(self.cell_c), near(self.cell_c - 0.6)],
            mos_c: near(self.mos_c),
            balancing: self.cells.iter().map(|cell| cell.balancing).collect(),
            charge_fet: !self.charge_off && !self.protections.block_charge(),
            discharge_fet: !self.discharge_off && !self.protections.block_discharge(),
            alarms: self.protections.active().chain(self.forced_alarms.iter().copied()).collect(),
        };
    }

    fn balance(&mut self) {
        let lowest = self.reported.cells_v.iter().copied().fold(f64::INFINITY, f64::min);
        for (cell, voltage) in self.cells.iter_mut().zip(&self.reported.cells_v) {
            cell.balancing = !self.balance_off && *voltage > BALANCE_FROM_V && voltage - lowest > BALANCE_DIFFERENCE_V;
        }
    }

    /// Sets the counter to full as every BMS does: at high cells and hardly any current.
    fn recalibrate(&mut self, current: f64) {
        let highest = self.reported.cells_v.iter().copied().fold(0.0, f64::max);
        if highest > 3.55 && (0.0..0.05 * self.capacity_ah).contains(&current) {
            self.counted_ah = self.capacity_ah;
        }
    }

    /// Runs the protections; their switching is reported at once.
    fn protect(&mut self, dt: f64) {
        let inputs = ProtectionInputs::of(&self.reported);
        self.protections.step(&inputs, dt);
        self.report_switches();
        self.reported.alarms = self.protections.active().chain(self.forced_alarms.iter().copied()).collect();
    }

    fn report_switches(&mut self) {
        self.reported.charge_fet = !self.charge_off && !self.protections.block_charge();
        self.reported.discharge_fet = !self.discharge_off && !self.protections.block_discharge();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(pack: &mut Pack, seconds: u32) {
        (0..seconds * 4).for_each(|_| pack.tick());
    }

    #[test]
    fn the_default_pack_moves_in_every_value_and_stays_healthy() {
        let mut pack = Pack::new(&PackConfig::default());
        let first = pack.reported().clone();
        run(&mut pack, 60);
        let later = pack.reported();
        assert_ne!(first.voltage_v, later.voltage_v);
        assert_ne!(first.current_a, later.current_a);
        assert!(first.cells_v.iter().zip(&later.cells_v).all(|(a, b)| a != b));
        assert!(later.alarms.is_empty() && later.charge_fet && later.discharge_fet);
        assert!((61.0..63.0).contains(&later.soc_pct));
        assert!(later.cells_v.iter().all(|v| (3.2..3.4).contains(v)), "{:?}", later.cells_v);
    }

    #[test]
    fn an_hour_at_28_amps_moves_a_tenth_of_the_capacity() {
        let mut pack = Pack::new(&PackConfig::default());
        pack.demand = Demand::Constant(-28.0);
        run(&mut pack, 3600);
        assert!((pack.reported().soc_pct - 52.0).abs() < 0.01, "{}", pack.reported().soc_pct);
        assert!(pack.reported().temperatures_c[0] > 22.0);
    }

    #[test]
    fn charging_beyond_full_ends_by_protection_and_recovers_when_discharged() {
        let mut pack = Pack::new(&PackConfig { soc_pct: 98.0, ..PackConfig::default() });
        pack.demand = Demand::Constant(100.0);
        run(&mut pack, 1200);
        let full = pack.reported();
        assert!(full.alarms.contains(&AlarmName::CellHighVoltage) && !full.charge_fet && full.discharge_fet);
        assert_eq!(full.current_a, 0.0);
        assert!(full.balancing.iter().any(|on| *on));
        pack.demand = Demand::Constant(-50.0);
        run(&mut pack, 600);
        assert!(pack.reported().alarms.is_empty() && pack.reported().charge_fet);
    }

    #[test]
    fn discharging_beyond_empty_ends_by_protection() {
        let mut pack = Pack::new(&PackConfig { soc_pct: 3.0, ..PackConfig::default() });
        pack.demand = Demand::Constant(-100.0);
        run(&mut pack, 1200);
        let empty = pack.reported();
        assert!(empty.alarms.contains(&AlarmName::CellLowVoltage) && !empty.discharge_fet && empty.charge_fet);
        assert!(empty.cells_v.iter().all(|v| *v > 2.0), "{:?}", empty.cells_v);
    }

    #[test]
    fn the_balancer_narrows_the_difference_at_the_top() {
        let difference = |pack: &Pack| {
            let of = |pick: fn(f64, f64) -> f64, start| pack.cells.iter().map(Cell::soc).fold(start, pick);
            of(f64::max, f64::MIN) - of(f64::min, f64::MAX)
        };
        let mut pack = Pack::new(&PackConfig { soc_pct: 99.5, capacity_ah: 20.0, ..PackConfig::default() });
        pack.demand = Demand::Constant(0.05);
        let before = difference(&pack);
        run(&mut pack, 1200);
        assert!(difference(&pack) < 0.8 * before, "{before} -> {}", difference(&pack));
    }

    proptest! {
        #[test]
        fn whatever_is_demanded_the_values_stay_physical(soc in 0.0..100.0, current in -400.0..400.0, cells in 1usize..=32, seed: u64) {
            let mut pack = Pack::new(&PackConfig { soc_pct: soc, cells, seed, ..PackConfig::default() });
            pack.demand = Demand::Constant(current);
            for _ in 0..2000 {
                pack.tick();
                let reported = pack.reported();
                prop_assert_eq!(reported.cells_v.len(), cells);
                prop_assert!((0.0..=100.0).contains(&reported.soc_pct));
                prop_assert!(reported.cells_v.iter().all(|v| (1.5..4.5).contains(v)), "{:?}", reported.cells_v);
                prop_assert!(reported.current_a == 0.0 || reported.current_a == current);
            }
        }
    }
}
