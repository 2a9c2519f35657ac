//! A physical battery with its BMS: cells with an open-circuit voltage, resistance and imbalance, temperatures, a passive
//! balancer, coulomb counting and protections. Pure: time goes in as ticks, what the BMS shows comes out.

mod cell;
mod config;
mod protection;
mod shown;

pub use config::{PackConfig, WeakCell};
pub use shown::Shown;

use super::random::Random;
use crate::model::AlarmName;
use cell::Cell;
use protection::{Protections, Seen};
use std::f64::consts::TAU;
use std::time::Duration;

/// The model's step. What a BMS shows changes at most this often, like a board's own measuring.
pub const TICK: Duration = Duration::from_millis(250);

/// What a passive balancer draws from a cell, A; and from which cell voltage and difference it does so, V.
const BLEED_A: f64 = 0.1;
const BALANCE_FROM_V: f64 = 3.40;
const BALANCE_DIFFERENCE_V: f64 = 0.010;

/// New cells hold a little more than their nominal capacity.
const SPARE: f64 = 1.02;

/// Where the pack's current comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Demand {
    /// Sun and loads that come and go, zero on average: everything on a dashboard moves.
    Live,
    /// This current, A; positive charges.
    Constant(f64),
}

/// What a BMS makes of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Obedience {
    /// It does what it is told.
    #[default]
    Obeys,
    /// It declines, or stays silent where its protocol has no word for that.
    Refuses,
    /// It says that it did, and does nothing.
    Pretends,
    /// It obeys in its factory mode only, where it has one.
    WantsFactoryMode,
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
    /// Where the current comes from.
    pub demand: Demand,
    /// The charge FET is switched off by hand.
    pub charge_off: bool,
    /// The discharge FET is switched off by hand.
    pub discharge_off: bool,
    /// The balancer is switched off by hand.
    pub balance_off: bool,
    /// What it makes of commands.
    pub obedience: Obedience,
    /// The BMS answers nothing.
    pub silent: bool,
    /// Alarms that are shown whatever the pack does.
    pub forced_alarms: Vec<AlarmName>,
    shown: Shown,
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
                let capacity = SPARE * config.capacity_ah * (1.0 + random.between(-2.0 * spread, 2.0 * spread));
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
            obedience: Obedience::default(),
            silent: false,
            forced_alarms: Vec::new(),
            shown: Shown::default(),
            actual_v: Vec::new(),
        };
        pack.set_soc(config.soc_pct);
        pack.measure(0.0);
        pack
    }

    /// What the BMS shows now.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The cell voltages as they are, V, without the errors of the BMS's measuring.
    pub fn actual_cells_v(&self) -> &[f64] {
        &self.actual_v
    }

    /// Resistance of all cells that acts at once, Ω: how the terminals answer to a current.
    pub fn resistance_ohm(&self) -> f64 {
        self.cells.iter().map(Cell::resistance).sum()
    }

    /// Mean state of charge of the cells as it is, %.
    pub fn actual_soc_pct(&self) -> f64 {
        100.0 * self.cells.iter().map(Cell::soc).sum::<f64>() / self.cells.len().max(1) as f64
    }

    /// Replaces what the BMS shows until the next tick: a broken BMS.
    pub fn show(&mut self, shown: Shown) -> Shown {
        std::mem::replace(&mut self.shown, shown)
    }

    /// Sets the charge of all cells, keeping their imbalance, and the BMS's counter.
    pub fn set_soc(&mut self, soc_pct: f64) {
        let missing_ah = (1.0 - soc_pct / 100.0) * SPARE * self.capacity_ah;
        for (cell, imbalance) in self.cells.iter_mut().zip(&self.imbalance) {
            if self.top_balanced {
                cell.set_missing(missing_ah - imbalance * SPARE * self.capacity_ah);
            } else {
                cell.set_soc(soc_pct / 100.0 + imbalance);
            }
        }
        self.counted_ah = self.capacity_ah * soc_pct / 100.0;
    }

    /// Carries out a command as far as this BMS does; false when it declines.
    pub fn obey(&mut self, command: impl FnOnce(&mut Self)) -> bool {
        match self.obedience {
            Obedience::Refuses => return false,
            Obedience::Pretends => {}
            Obedience::Obeys | Obedience::WantsFactoryMode => {
                command(self);
                self.show_switches();
            }
        }
        true
    }

    /// Sets the BMS's counter, and nothing about its cells.
    pub fn correct_soc(&mut self, soc_pct: f64) {
        self.counted_ah = self.capacity_ah * (soc_pct / 100.0).clamp(0.0, 1.0);
        (self.shown.soc_pct, self.shown.remaining_ah) = (soc_pct, self.counted_ah);
    }

    /// Sets the temperature around and inside the pack, °C.
    pub fn set_temperature(&mut self, temperature_c: f64) {
        (self.ambient_c, self.cell_c, self.mos_c) = (temperature_c, temperature_c, temperature_c);
    }

    /// Sets the temperature around the pack, °C; its cells follow slowly.
    pub fn set_ambient(&mut self, temperature_c: f64) {
        self.ambient_c = temperature_c;
    }

    /// Adds a voltage to a cell, counted from 1; a cell that does not exist is left alone.
    pub fn set_cell_offset(&mut self, number: usize, offset_v: f64) {
        if let Some(cell) = number.checked_sub(1).and_then(|index| self.cells.get_mut(index)) {
            cell.offset_v = offset_v;
        }
    }

    /// Lets one [`TICK`] pass.
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

    /// The demand as far as the FETs let it through.
    fn flowing(&mut self) -> f64 {
        let wanted = match self.demand {
            Demand::Constant(current) => current,
            Demand::Live => {
                let wave = |amplitude: f64, period: f64| amplitude * (TAU * self.elapsed_s / period).sin();
                wave(24.0, 240.0) + wave(7.0, 37.0) + self.random.between(-0.5, 0.5)
            }
        };
        let open = if wanted > 0.0 { self.shown.charge_fet } else { self.shown.discharge_fet };
        if open { wanted } else { 0.0 }
    }

    /// Heat: the cells take half an hour to follow, the MOSFETs a minute.
    fn warm(&mut self, current: f64, dt: f64) {
        let square = current * current;
        self.cell_c += (self.ambient_c + square * 0.000_3 - self.cell_c) * dt / 1800.0;
        self.mos_c += (self.cell_c + square * 0.001 - self.mos_c) * dt / 60.0;
    }

    /// What the BMS measures at this current, with the noise of its converters.
    fn measure(&mut self, current: f64) {
        self.actual_v.clear();
        self.actual_v.extend(self.cells.iter().map(|cell| cell.voltage(current)));
        let mut noise = || self.random.between(-self.noise_v, self.noise_v);
        let cells: Vec<f64> = self.actual_v.iter().map(|cell| (cell + noise()).max(0.0)).collect();
        let mut near = |value: f64| value + self.random.between(-0.05, 0.05);
        self.shown = Shown {
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
        let lowest = self.shown.cells_v.iter().copied().fold(f64::INFINITY, f64::min);
        for (cell, voltage) in self.cells.iter_mut().zip(&self.shown.cells_v) {
            cell.balancing = !self.balance_off && *voltage > BALANCE_FROM_V && voltage - lowest > BALANCE_DIFFERENCE_V;
        }
    }

    /// The counter is set to full where every BMS does it: high cells and hardly any current left.
    fn recalibrate(&mut self, current: f64) {
        let highest = self.shown.cells_v.iter().copied().fold(0.0, f64::max);
        if highest > 3.55 && (0.0..0.05 * self.capacity_ah).contains(&current) {
            self.counted_ah = self.capacity_ah;
        }
    }

    /// Runs the protections; what they switch shows at once.
    fn protect(&mut self, dt: f64) {
        let seen = Seen::of(&self.shown);
        self.protections.step(&seen, dt);
        self.show_switches();
        self.shown.alarms = self.protections.active().chain(self.forced_alarms.iter().copied()).collect();
    }

    fn show_switches(&mut self) {
        self.shown.charge_fet = !self.charge_off && !self.protections.block_charge();
        self.shown.discharge_fet = !self.discharge_off && !self.protections.block_discharge();
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
        let first = pack.shown().clone();
        run(&mut pack, 60);
        let later = pack.shown();
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
        assert!((pack.shown().soc_pct - 52.0).abs() < 0.01, "{}", pack.shown().soc_pct);
        assert!(pack.shown().temperatures_c[0] > 22.0);
    }

    #[test]
    fn charging_beyond_full_ends_by_protection_and_recovers_when_discharged() {
        let mut pack = Pack::new(&PackConfig { soc_pct: 98.0, ..PackConfig::default() });
        pack.demand = Demand::Constant(100.0);
        run(&mut pack, 1200);
        let full = pack.shown();
        assert!(full.alarms.contains(&AlarmName::CellHighVoltage) && !full.charge_fet && full.discharge_fet);
        assert_eq!(full.current_a, 0.0);
        assert!(full.balancing.iter().any(|on| *on));
        pack.demand = Demand::Constant(-50.0);
        run(&mut pack, 600);
        assert!(pack.shown().alarms.is_empty() && pack.shown().charge_fet);
    }

    #[test]
    fn discharging_beyond_empty_ends_by_protection() {
        let mut pack = Pack::new(&PackConfig { soc_pct: 3.0, ..PackConfig::default() });
        pack.demand = Demand::Constant(-100.0);
        run(&mut pack, 1200);
        let empty = pack.shown();
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
                let shown = pack.shown();
                prop_assert_eq!(shown.cells_v.len(), cells);
                prop_assert!((0.0..=100.0).contains(&shown.soc_pct));
                prop_assert!(shown.cells_v.iter().all(|v| (1.5..4.5).contains(v)), "{:?}", shown.cells_v);
                prop_assert!(shown.current_a == 0.0 || shown.current_a == current);
            }
        }
    }
}
