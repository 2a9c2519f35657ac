//! A simulated stretch of time: battery, BMS line, charge control, chargers and loads in one closed loop, a quarter of a second
//! at a time.

use super::charger::{Bus, ChargerConfig, Chargers};
use super::control::{Control, Controller, Told};
use super::figures::{Figures, Sample, Tally};
use super::profile::{Course, HOUR};
use crate::model::{BmsSettings, Reading, Snapshot};
use crate::sim::battery::{Demand, Pack, PackConfig, Shown, TICK};
use crate::sim::random::Random;
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts};

/// Everything that decides how a run goes; equal setups give equal runs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The battery.
    pub pack: PackConfig,
    /// Chargers and inverter.
    pub charger: ChargerConfig,
    /// What the modules would give, W.
    pub sun: Course,
    /// What the house would draw, W.
    pub load: Course,
    /// Temperature around the battery, °C.
    pub ambient: Course,
    /// Start, hours after midnight.
    pub start_h: f64,
    /// Length, hours.
    pub hours: f64,
    /// Readings that are lost, %.
    pub lost_pct: f64,
    /// The BMS answers nothing between these hours after midnight.
    pub silent_h: Option<(f64, f64)>,
    /// Steps in which the BMS shows its state of charge, %.
    pub soc_step_pct: f64,
    /// The run ends when a cell falls below this voltage.
    pub ends_below_v: Option<f64>,
    /// Who says what the chargers may do.
    pub control: Control,
}

/// What the simulated BMS protects at, as it reports it.
const CELL_OVP_V: f64 = 3.65;
const CELL_UVP_V: f64 = 2.50;
const CHARGE_OCP_A: f64 = 150.0;
const DISCHARGE_OCP_A: f64 = 200.0;

/// Runs it. Each second is shown to `watch`.
pub fn run(setup: &Setup, mut watch: impl FnMut(&Sample)) -> Figures {
    let mut plant = Plant::new(setup);
    let seconds = (setup.hours * HOUR).round() as u32;
    for second in 0..seconds {
        let sample = plant.second(second);
        watch(&sample);
        if setup.ends_below_v.is_some_and(|end| sample.min_cell_v < end) {
            break;
        }
    }
    plant.tally.figures()
}

/// Runs it and keeps each second.
pub fn record(setup: &Setup) -> (Figures, Vec<Sample>) {
    let mut samples = Vec::new();
    let figures = run(setup, |sample| samples.push(sample.clone()));
    (figures, samples)
}

struct Plant<'a> {
    setup: &'a Setup,
    pack: Pack,
    controller: Controller,
    chargers: Chargers,
    random: Random,
    tally: Tally,
}

impl<'a> Plant<'a> {
    fn new(setup: &'a Setup) -> Self {
        let start = setup.start_h * HOUR;
        let mut pack = Pack::new(&PackConfig { temperature_c: setup.ambient.at(start), ..setup.pack.clone() });
        pack.demand = Demand::Constant(0.0);
        Self {
            setup,
            pack,
            controller: Controller::new(setup.control.clone()),
            chargers: Chargers::new(setup.charger),
            random: Random::new(setup.pack.seed ^ 0x6c6f_7374),
            tally: Tally::new(),
        }
    }

    /// One second: the BMS is read, limits go out, current flows.
    fn second(&mut self, second: u32) -> Sample {
        let elapsed = f64::from(second);
        let t = self.setup.start_h * HOUR + elapsed;
        let reading = self.answers(t).then(|| reading(self.pack.shown(), self.setup.soc_step_pct));
        let (told, snapshot) = self.controller.step(elapsed, reading);
        let (sun_w, load_w) = (self.setup.sun.at(t), self.setup.load.at(t));
        let load_a = self.chargers.load_a(self.bus(sun_w, load_w));
        self.chargers.tell(elapsed, told, load_a);
        self.pack.set_ambient(self.setup.ambient.at(t));
        let dt = TICK.as_secs_f64();
        let mut into = 0.0;
        while into < 1.0 {
            let bus = self.bus(sun_w, load_w);
            self.pack.demand = Demand::Constant(self.chargers.step(elapsed + into, dt, bus));
            self.pack.tick();
            self.tally.flow(self.pack.shown().current_a, self.pack.actual_cells_v(), dt);
            into += dt;
        }
        let sample = self.sample(t, told, snapshot.as_ref(), self.bus(sun_w, load_w));
        self.tally.second(elapsed + 1.0, &sample, !self.pack.shown().alarms.is_empty());
        sample
    }

    /// Whether the BMS answers at `t`. Chance is asked every second, so that a silence changes nothing else.
    fn answers(&mut self, t: f64) -> bool {
        let lost = self.random.chance(self.setup.lost_pct);
        let silent = self.setup.silent_h.is_some_and(|(from, to)| (from * HOUR..to * HOUR).contains(&t));
        !lost && !silent
    }

    fn bus(&self, sun_w: f64, load_w: f64) -> Bus {
        Bus {
            voltage_v: self.pack.actual_cells_v().iter().sum(),
            current_a: self.pack.shown().current_a,
            resistance_ohm: self.pack.resistance_ohm(),
            sun_w,
            load_w,
        }
    }

    fn sample(&self, t: f64, told: Told, snapshot: Option<&Snapshot>, bus: Bus) -> Sample {
        let cells = self.pack.actual_cells_v().iter().copied();
        let limits = snapshot.map(|snapshot| &snapshot.limits);
        let fixed = "fixed";
        Sample {
            t,
            voltage_v: bus.voltage_v,
            current_a: bus.current_a,
            max_cell_v: cells.clone().fold(f64::NEG_INFINITY, f64::max),
            min_cell_v: cells.fold(f64::INFINITY, f64::min),
            soc_pct: self.pack.actual_soc_pct(),
            shown_soc_pct: self.pack.shown().soc_pct,
            temperature_c: self.pack.shown().temperatures_c.first().copied().unwrap_or(f64::NAN),
            sun_a: bus.sun_w / bus.voltage_v.max(1.0),
            load_a: self.chargers.load_a(bus),
            cvl_v: told.cvl_v,
            ccl_a: told.ccl_a,
            dcl_a: told.dcl_a,
            mode: limits.map_or(fixed, |limits| limits.mode.text()),
            cvl_why: limits.map_or(fixed, |limits| limits.cvl.why),
            ccl_why: limits.map_or(fixed, |limits| limits.ccl.why),
            dcl_why: limits.map_or(fixed, |limits| limits.dcl.why),
        }
    }
}

/// What a driver reads of the BMS, at the resolution of the usual protocols.
fn reading(shown: &Shown, soc_step_pct: f64) -> Reading {
    let soc = (shown.soc_pct / soc_step_pct).round() * soc_step_pct;
    Reading {
        voltage: Some(Volts::new(shown.voltage_v).rounded(2)),
        current: Some(Amps::new(shown.current_a).rounded(2)),
        soc: Some(Percent::new(soc).rounded(1)),
        remaining: Some(AmpHours::new(shown.remaining_ah).rounded(1)),
        capacity: Some(AmpHours::new(shown.capacity_ah)),
        cell_count: u8::try_from(shown.cells_v.len()).ok(),
        cells: shown.cells_v.iter().map(|volts| Volts::new(*volts).rounded(3)).collect(),
        temperatures: Some(shown.temperatures_c.iter().map(|celsius| Celsius::new(*celsius).rounded(1)).collect()),
        mos_temperature: Some(Celsius::new(shown.mos_c).rounded(1)),
        charge_fet: Some(shown.charge_fet),
        discharge_fet: Some(shown.discharge_fet),
        balancing: Some(shown.balancing.contains(&true)),
        alarms: Some(Vec::new()),
        settings: BmsSettings {
            cell_ovp: Some(Volts::new(CELL_OVP_V)),
            cell_uvp: Some(Volts::new(CELL_UVP_V)),
            charge_ocp: Some(Amps::new(CHARGE_OCP_A)),
            discharge_ocp: Some(Amps::new(DISCHARGE_OCP_A)),
            ..BmsSettings::default()
        },
        ..Reading::new("simulated", None)
    }
}
