//! What drives the chargers: the real charge control of a battery, or fixed limits to compare it with.

use crate::battery::{Battery, Now, Saved};
use crate::charge;
use crate::model::{LinkStats, Reading, Snapshot};
use crate::units::{Amps, Moment};

/// Limits as a GX device passes them on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// Charge voltage limit, V.
    pub cvl_v: f64,
    /// Charge current limit, A.
    pub ccl_a: f64,
    /// Discharge current limit, A.
    pub dcl_a: f64,
}

impl Told {
    /// A `share` of the way to `other`.
    pub(super) fn toward(self, other: Self, share: f64) -> Self {
        let toward = |from: f64, to: f64| from + (to - from) * share;
        Self {
            cvl_v: toward(self.cvl_v, other.cvl_v),
            ccl_a: toward(self.ccl_a, other.ccl_a),
            dcl_a: toward(self.dcl_a, other.dcl_a),
        }
    }
}

/// Who says what the chargers may do.
#[derive(Debug, Clone, PartialEq)]
pub enum Control {
    /// Our charge control with these settings.
    Rules(Box<charge::Config>),
    /// Always the same limits.
    Fixed(Told),
}

impl Control {
    /// Our charge control.
    pub fn rules(config: charge::Config) -> Self {
        Self::Rules(Box::new(config))
    }
}

/// A named set of settings.
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The settings.
    pub config: fn() -> charge::Config,
}

/// The settings that are compared: the default, and the rules of drivers that owners come from.
pub const PRESETS: [Preset; 3] = [
    Preset { name: "default", about: "the defaults, with 100 A", config: hundred_amps },
    Preset { name: "soc-steps", about: "steps over the state of charge, as early dbus-serialbattery", config: soc_steps },
    Preset { name: "cell-steps", about: "steps over the cell voltages, as chrgraf", config: cell_steps },
];

fn hundred_amps() -> charge::Config {
    let most = Some(Amps::new(100.0));
    charge::Config { max_charge_current: most, max_discharge_current: most, ..charge::Config::default() }
}

/// The steps of early dbus-serialbattery, beside the curves.
fn soc_steps() -> charge::Config {
    charge::Config { preset: charge::Preset::SeedSocSteps, ..hundred_amps() }
}

/// The steps of a translator, in place of the cell curves.
fn cell_steps() -> charge::Config {
    charge::Config { preset: charge::Preset::CellSteps, ..hundred_amps() }
}

/// A control at work.
#[derive(Debug)]
pub(super) enum Controller {
    Rules(Box<Battery>),
    Fixed(Told),
}

impl Controller {
    pub(super) fn new(control: Control) -> Self {
        match control {
            Control::Rules(config) => Self::Rules(Box::new(Battery::new(*config, Saved::default()))),
            Control::Fixed(told) => Self::Fixed(told),
        }
    }

    /// The limits at `t`, after a reading if one came; and all that is known, for a control that makes it known.
    pub(super) fn step(&mut self, t: f64, reading: Option<Reading>) -> (Told, Option<Snapshot>) {
        let battery = match self {
            Self::Fixed(told) => return (*told, None),
            Self::Rules(battery) => battery,
        };
        let now = Now { at: Moment::from_secs(t), unix: None };
        let snapshot = match reading {
            Some(reading) => battery.read(reading, LinkStats::default(), now),
            None => battery.tick(LinkStats::default(), now),
        };
        let limits = &snapshot.limits;
        let told = Told { cvl_v: limits.cvl.value.get(), ccl_a: limits.ccl.value.get(), dcl_a: limits.dcl.value.get() };
        (told, Some(snapshot))
    }
}
