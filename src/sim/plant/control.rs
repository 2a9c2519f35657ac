//! Control of the chargers: the real charge control of a battery, or fixed limits for comparison.

use super::limits::ChargeLimits;
use super::serialbattery::Serialbattery;
use crate::base::time::Now;
use crate::base::units::{Amps, Moment};
use crate::battery::charge;
use crate::battery::{Battery, PersistedState};
use crate::model::{LinkStats, Reading, Snapshot};

/// Source of the chargers' limits.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// This driver's charge control with these settings.
    Rules(Box<charge::Config>),
    /// Constant limits.
    Fixed(ChargeLimits),
    /// dbus-serialbattery with its default settings and this current, A.
    Serialbattery(f64),
}

impl Control {
    /// This driver's charge control.
    pub fn rules(config: charge::Config) -> Self {
        Self::Rules(Box::new(config))
    }
}

/// A named set of settings.
pub struct ControlPreset {
    /// Name on the command line.
    pub name: &'static str,
    /// Short description.
    pub about: &'static str,
    /// The settings.
    pub config: fn() -> charge::Config,
}

/// The settings to compare: the default, and the rules of drivers that owners switch from.
pub const CONTROL_PRESETS: [ControlPreset; 3] = [
    ControlPreset { name: "default", about: "the defaults, with 100 A", config: hundred_amps },
    ControlPreset { name: "soc-steps", about: "steps over the state of charge, as early dbus-serialbattery", config: soc_steps },
    ControlPreset { name: "cell-steps", about: "steps over the cell voltages, as chrgraf", config: cell_steps },
];

fn hundred_amps() -> charge::Config {
    let most = Some(Amps::new(100.0));
    charge::Config { max_charge_current: most, max_discharge_current: most, ..charge::Config::default() }
}

/// The steps of early dbus-serialbattery, in addition to the curves.
fn soc_steps() -> charge::Config {
    charge::Config { preset: charge::LimitsPreset::SerialbatterySocSteps, ..hundred_amps() }
}

/// The steps of a translator, instead of the cell curves.
fn cell_steps() -> charge::Config {
    charge::Config { preset: charge::LimitsPreset::CellSteps, ..hundred_amps() }
}

/// A running control.
#[derive(Debug)]
pub(super) enum Controller {
    Rules(Box<Battery>),
    Fixed(ChargeLimits),
    Serialbattery(Serialbattery),
}

impl Controller {
    pub(super) fn new(control: Control) -> Self {
        match control {
            Control::Rules(config) => Self::Rules(Box::new(Battery::new(*config, PersistedState::default()))),
            Control::Fixed(limits) => Self::Fixed(limits),
            Control::Serialbattery(most_a) => Self::Serialbattery(Serialbattery::new(most_a)),
        }
    }

    /// The limits at `t`, after a reading if there was one; and the snapshot, from a control that has one.
    pub(super) fn step(&mut self, t: f64, reading: Option<Reading>) -> (ChargeLimits, Option<Snapshot>) {
        let battery = match self {
            Self::Fixed(limits) => return (*limits, None),
            Self::Serialbattery(driver) => return (driver.step(t, reading.as_ref()), None),
            Self::Rules(battery) => battery,
        };
        let now = Now { at: Moment::from_secs(t), unix: None };
        let snapshot = match reading {
            Some(reading) => battery.read(reading, LinkStats::default(), now),
            None => battery.tick(LinkStats::default(), now),
        };
        let limits = &snapshot.limits;
        let limits = ChargeLimits { cvl_v: limits.cvl.value.get(), ccl_a: limits.ccl.value.get(), dcl_a: limits.dcl.value.get() };
        (limits, Some(snapshot))
    }
}
