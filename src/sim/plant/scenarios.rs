//! The days that charge control must handle, each with its expected results.

use super::charger::ChargerConfig;
use super::control::Control;
use super::expectation::{Expectation, OBEYED};
use super::profile::{Course, broken_clouds, clear_sky, household};
use super::run::Setup;
use crate::sim::pack::{PackConfig, WeakCell};
use crate::sim::random::Random;

/// A day with a name.
pub struct Scenario {
    /// Name on the command line.
    pub name: &'static str,
    /// Short description.
    pub about: &'static str,
    /// Expected results.
    pub expect: Expectation,
    /// Difference from an ordinary sunny day; the seed chooses clouds and loads.
    shape: fn(&mut Setup, u64),
}

/// All scenarios.
pub const SCENARIOS: [Scenario; 11] = [
    Scenario { name: "sunny-day", about: "a clear day with an ordinary house", expect: OBEYED, shape: |_, _| {} },
    Scenario {
        name: "clouds",
        about: "broken clouds",
        expect: OBEYED,
        shape: |setup, seed| setup.sun = broken_clouds(7500.0, seed),
    },
    Scenario {
        name: "steady-sun",
        about: "eight hours of the same sun, no loads, cells that differ",
        expect: Expectation { ccl_reversals: Some(6), ..OBEYED },
        shape: |setup, _| {
            (setup.start_h, setup.hours) = (9.0, 8.0);
            (setup.sun, setup.load) = (Course::constant(5000.0), Course::constant(0.0));
            setup.pack.imbalance_pct = IMBALANCED_PCT;
        },
    },
    Scenario {
        name: "imbalanced-pack",
        about: "cells that differ by 1 % of their charge",
        expect: OBEYED,
        shape: |setup, _| setup.pack.imbalance_pct = IMBALANCED_PCT,
    },
    Scenario {
        name: "weak-cell",
        about: "a cell with 88 % of the capacity and twice the resistance",
        expect: OBEYED,
        shape: |setup, _| setup.pack.weak = Some(WeakCell { number: 5, capacity: 0.88, resistance: 2.0 }),
    },
    Scenario {
        name: "cold-morning",
        about: "2 °C at dawn, 12 °C in the afternoon",
        // Charging cold cells with less current reduces the day's charge slightly.
        expect: Expectation { charged_share: Some(0.985), ..OBEYED },
        shape: |setup, _| setup.ambient = Course::through(&[(5.0, 2.0), (8.0, 2.5), (15.0, 12.0), (19.0, 9.0)]),
    },
    Scenario {
        name: "night-drain",
        about: "a night with a constant load until the battery is empty",
        expect: Expectation { charged_share: None, discharged_share: Some(0.95), ..OBEYED },
        shape: |setup, _| {
            (setup.start_h, setup.hours) = (18.0, 13.0);
            (setup.sun, setup.load) = (Course::constant(0.0), Course::constant(1500.0));
            setup.pack.soc_pct = 90.0;
        },
    },
    Scenario {
        name: "strong-charger",
        about: "chargers that could deliver 300 A",
        expect: OBEYED,
        shape: |setup, seed| {
            setup.charger.most_a = 300.0;
            setup.sun = broken_clouds(18_000.0, seed);
        },
    },
    Scenario {
        name: "ignores-ccl",
        about: "a charger that ignores the charge current limit, on cells that differ",
        expect: Expectation { highest_cell_v: 3.50, ..OBEYED },
        shape: |setup, _| {
            setup.charger.obeys_current = false;
            setup.pack.imbalance_pct = IMBALANCED_PCT;
        },
    },
    Scenario {
        name: "silent-bms",
        about: "the BMS falls silent for 20 minutes in mid-charge",
        expect: OBEYED,
        shape: |setup, _| setup.silent_h = Some((11.0, 11.0 + 1.0 / 3.0)),
    },
    Scenario {
        name: "lost-readings",
        about: "5 % of the readings are lost",
        expect: OBEYED,
        shape: |setup, _| setup.lost_pct = 5.0,
    },
];

/// Half of the difference between the cells of an imbalanced battery, % of the capacity.
const IMBALANCED_PCT: f64 = 0.5;

/// The scenario with this name.
pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

impl Scenario {
    /// The typical day: good chargers, usual cells, no losses except those of the scenario.
    pub fn usual(&self, control: Control) -> Setup {
        let mut setup = Setup {
            pack: PackConfig { soc_pct: 35.0, imbalance_pct: 0.2, top_balanced: true, ..PackConfig::default() },
            charger: ChargerConfig { delay_s: 2.0, lag_s: 2.0, most_a: 140.0, obeys_current: true },
            sun: clear_sky(6500.0),
            load: household(250.0, 1),
            ambient: Course::through(&[(5.0, 16.0), (15.0, 25.0), (23.0, 18.0)]),
            start_h: 5.0,
            hours: 19.0,
            lost_pct: 0.0,
            silent_h: None,
            soc_step_pct: 1.0,
            ends_below_v: None,
            control,
        };
        (self.shape)(&mut setup, 1);
        setup
    }

    /// The day in one of many installations: charger delay 1 to 5 s and lag 0.5 to 10 s, cell resistance halved to doubled, noise 1
    /// to 5 mV, SoC in steps of 1 or 0.1 %, 5 % of the readings lost; other clouds and loads.
    pub fn varied(&self, control: Control, seed: u64) -> Setup {
        let mut random = Random::new(seed);
        let mut setup = self.usual(control);
        setup.load = household(250.0, random.bits());
        (self.shape)(&mut setup, random.bits());
        setup.pack.seed = random.bits();
        setup.pack.resistance = 2f64.powf(random.between(-1.0, 1.0));
        setup.pack.noise_v = random.between(0.001, 0.005);
        setup.charger.delay_s = random.between(1.0, 5.0);
        setup.charger.lag_s = random.between(0.5, 10.0);
        setup.soc_step_pct = if random.chance(50.0) { 1.0 } else { 0.1 };
        setup.lost_pct = 5.0;
        setup
    }
}
