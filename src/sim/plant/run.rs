//! A simulated period: battery, BMS line, charge control, chargers and loads in one closed loop, in steps of a quarter of a second.

use super::charger::{ChargerConfig, Chargers, DcBus};
use super::control::{Control, Controller};
use super::figures::{Figures, FiguresBuilder, Sample};
use super::limits::ChargeLimits;
use super::profile::{Course, HOUR};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::{Balancing, BmsSettings, Fets, Reading, Snapshot, Temperatures};
use crate::sim::pack::{Demand, Pack, PackConfig, ReportedState, TICK};
use crate::sim::random::Random;

/// Parameters of a run; equal setups give equal runs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The battery.
    pub pack: PackConfig,
    /// Chargers and inverter.
    pub charger: ChargerConfig,
    /// Available power of the modules, W.
    pub sun: Course,
    /// Requested power of the house, W.
    pub load: Course,
    /// Temperature around the battery, °C.
    pub ambient: Course,
    /// Start, hours after midnight.
    pub start_h: f64,
    /// Length, hours.
    pub hours: f64,
    /// Lost readings, %.
    pub lost_pct: f64,
    /// Hours after midnight between which the BMS does not reply.
    pub silent_h: Option<(f64, f64)>,
    /// Resolution of the BMS's reported state of charge, %.
    pub soc_step_pct: f64,
    /// The run ends when a cell falls below this voltage.
    pub ends_below_v: Option<f64>,
    /// Source of the chargers' limits.
    pub control: Control,
}

/// Protection threshold of the simulated BMS, as reported.
const CELL_OVP_V: f64 = 3.65;
const CELL_UVP_V: f64 = 2.50;
const CHARGE_OCP_A: f64 = 150.0;
const DISCHARGE_OCP_A: f64 = 200.0;

/// Runs the setup and passes each second to `watch`.
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
    plant.figures_builder.figures()
}

/// Runs the setup and returns each second.
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
    figures_builder: FiguresBuilder,
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
            figures_builder: FiguresBuilder::new(),
        }
    }

    /// One second: the BMS is read, limits are sent, current flows.
    fn second(&mut self, second: u32) -> Sample {
        let elapsed = f64::from(second);
        let t = self.setup.start_h * HOUR + elapsed;
        let reading = self.answers(t).then(|| reading(self.pack.reported(), self.setup.soc_step_pct));
        let (limits, snapshot) = self.controller.step(elapsed, reading);
        let (sun_w, load_w) = (self.setup.sun.at(t), self.setup.load.at(t));
        let load_a = self.chargers.load_a(self.bus(sun_w, load_w));
        self.chargers.set_limits(elapsed, limits, load_a);
        self.pack.set_ambient(self.setup.ambient.at(t));
        let dt = TICK.as_secs_f64();
        let mut into = 0.0;
        while into < 1.0 {
            let bus = self.bus(sun_w, load_w);
            self.pack.demand = Demand::Constant(self.chargers.step(elapsed + into, dt, bus));
            self.pack.tick();
            self.figures_builder.flow(self.pack.reported().current_a, self.pack.actual_cells_v(), dt);
            into += dt;
        }
        let sample = self.sample(t, limits, snapshot.as_ref(), self.bus(sun_w, load_w));
        self.figures_builder.second(elapsed + 1.0, &sample, !self.pack.reported().alarms.is_empty());
        sample
    }

    /// Whether the BMS replies at `t`. A random number is drawn every second, so that a silence does not change anything else.
    fn answers(&mut self, t: f64) -> bool {
        let lost = self.random.chance(self.setup.lost_pct);
        let silent = self.setup.silent_h.is_some_and(|(from, to)| (from * HOUR..to * HOUR).contains(&t));
        !lost && !silent
    }

    fn bus(&self, sun_w: f64, load_w: f64) -> DcBus {
        DcBus {
            voltage_v: self.pack.actual_cells_v().iter().sum(),
            current_a: self.pack.reported().current_a,
            resistance_ohm: self.pack.resistance_ohm(),
            sun_w,
            load_w,
        }
    }

    fn sample(&self, t: f64, limits: ChargeLimits, snapshot: Option<&Snapshot>, bus: DcBus) -> Sample {
        let cells = self.pack.actual_cells_v().iter().copied();
        let with_reasons = snapshot.map(|snapshot| &snapshot.limits);
        let fixed = "fixed";
        Sample {
            t,
            voltage_v: bus.voltage_v,
            current_a: bus.current_a,
            max_cell_v: cells.clone().fold(f64::NEG_INFINITY, f64::max),
            min_cell_v: cells.fold(f64::INFINITY, f64::min),
            soc_pct: self.pack.actual_soc_pct(),
            shown_soc_pct: self.pack.reported().soc_pct,
            temperature_c: self.pack.reported().temperatures_c.first().copied().unwrap_or(f64::NAN),
            sun_a: bus.sun_w / bus.voltage_v.max(1.0),
            load_a: self.chargers.load_a(bus),
            cvl_v: limits.cvl_v,
            ccl_a: limits.ccl_a,
            dcl_a: limits.dcl_a,
            time_to_full_s: snapshot.and_then(|snapshot| snapshot.derived.time_to_full).map(|time| time.as_secs()),
            mode: with_reasons.map_or(fixed, |limits| limits.mode.text()),
            cvl_why: with_reasons.map_or(fixed, |limits| limits.cvl.why),
            ccl_why: with_reasons.map_or(fixed, |limits| limits.ccl.why),
            dcl_why: with_reasons.map_or(fixed, |limits| limits.dcl.why),
        }
    }
}

/// A driver's reading of the BMS, at the resolution of the usual protocols.
fn reading(reported: &ReportedState, soc_step_pct: f64) -> Reading {
    let soc = (reported.soc_pct / soc_step_pct).round() * soc_step_pct;
    Reading {
        voltage: Some(Volts::new(reported.voltage_v).rounded(2)),
        current: Some(Amps::new(reported.current_a).rounded(2)),
        soc: Some(Percent::new(soc).rounded(1)),
        remaining: Some(AmpHours::new(reported.remaining_ah).rounded(1)),
        capacity: Some(AmpHours::new(reported.capacity_ah)),
        cell_count: u8::try_from(reported.cells_v.len()).ok(),
        cells: reported.cells_v.iter().map(|volts| Volts::new(*volts).rounded(3)).collect(),
        temperatures: Temperatures {
            sensors: Some(reported.temperatures_c.iter().map(|celsius| Celsius::new(*celsius).rounded(1)).collect()),
            mos: Some(Celsius::new(reported.mos_c).rounded(1)),
            ..Temperatures::default()
        },
        fets: Fets { charge: Some(reported.charge_fet), discharge: Some(reported.discharge_fet), ..Fets::default() },
        balancing: Balancing { active: Some(reported.balancing.contains(&true)), ..Balancing::default() },
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
