//! The phases of charging through the `limits` filter: when a battery is full, when it is charged up again, and how the
//! voltage moves in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use dbus_bms::charge::filter::Filter;
use dbus_bms::charge::{Config, PhaseConfig, Preset};
use dbus_bms::units::{Amps, Volts};
use proptest::prelude::*;
use serde_json::{Value, json};

struct Day {
    filter: Filter,
    t: f64,
}

impl Day {
    fn new(config: Config) -> Self {
        Self { filter: Filter::new(config), t: 0.0 }
    }

    fn second(&mut self, cells: &[f64], current: f64, soc: f64) -> Value {
        self.t += 1.0;
        let line = json!({"t": self.t, "cells": cells, "current": current, "soc": soc, "capacity_ah": 280});
        serde_json::from_str(&self.filter.line(&line.to_string()).unwrap().0).unwrap()
    }

    /// The same reading for so many seconds; the last answer.
    fn hold(&mut self, seconds: u32, cells: &[f64], current: f64, soc: f64) -> Value {
        let mut last = Value::Null;
        for _ in 0..seconds {
            last = self.second(cells, current, soc);
        }
        last
    }
}

fn level(cell: f64) -> Vec<f64> {
    vec![cell; 16]
}

/// Fifteen cells at `others` and one at `high`.
fn runaway(high: f64, others: f64) -> Vec<f64> {
    let mut cells = level(others);
    cells[4] = high;
    cells
}

#[test]
fn a_level_battery_reaches_float_after_the_absorption_time() {
    let mut day = Day::new(Config::default());
    assert_eq!(day.hold(60, &level(3.34), 40.0, 85.0)["mode"], "bulk");
    let absorbing = day.hold(60, &level(3.448), 10.0, 98.0);
    assert_eq!((&absorbing["mode"], &absorbing["cvl"]), (&json!("absorption"), &json!(55.2)));
    assert_eq!(day.hold(800, &level(3.448), 5.0, 99.0)["mode"], "absorption", "not before its time");
    let begun = day.hold(60, &level(3.448), 4.0, 100.0);
    assert_eq!(begun["mode"], "float");
    let mut before = begun["cvl"].as_f64().unwrap();
    assert!(before > 55.0, "{before}");
    for _ in 0..1200 {
        let cvl = day.second(&level(3.385), 0.0, 100.0)["cvl"].as_f64().unwrap();
        assert!((0.0..=0.0101).contains(&(before - cvl)), "the way down is slow: {before} {cvl}");
        before = cvl;
    }
    assert_eq!(before, 54.0);
}

#[test]
fn the_voltage_never_falls_far_below_the_pack() {
    for (follows, below) in [(false, 0.33), (true, 0.011)] {
        let phases = PhaseConfig { float_follows_pack: follows, ..PhaseConfig::default() };
        let mut day = Day::new(Config { phases, ..Config::default() });
        assert_eq!(day.hold(1000, &level(3.448), 4.0, 100.0)["mode"], "float");
        let pack = 16.0 * 3.44;
        let cvl = day.hold(3600, &level(3.44), -5.0, 99.0)["cvl"].as_f64().unwrap();
        assert!(cvl < pack + 0.02 && cvl >= pack - below, "{cvl} with the pack at {pack}");
    }
}

#[test]
fn an_imbalanced_battery_reaches_float_too() {
    let mut day = Day::new(Config::default());
    let cells = runaway(3.447, 3.39);
    let mut minutes = 0;
    while day.hold(60, &cells, 12.0, 97.0)["mode"] != "float" {
        minutes += 1;
        assert!(minutes < 70, "an hour of absorption is enough");
    }
    assert!(minutes >= 55, "{minutes}");
}

#[test]
fn a_cell_that_is_too_high_takes_the_voltage_back_at_once() {
    let mut day = Day::new(Config::default());
    day.hold(30, &level(3.40), 30.0, 95.0);
    let high = day.second(&runaway(3.47, 3.40), 30.0, 95.0);
    let sum = 3.47 + 15.0 * 3.40;
    let cvl = high["cvl"].as_f64().unwrap();
    assert!(cvl <= sum - 0.02 && cvl > sum - 0.2, "{high}");
    assert!(high["cvl_why"].as_str().unwrap().contains("cell"), "{high}");
    let later = day.hold(600, &level(3.40), 5.0, 95.0)["cvl"].as_f64().unwrap();
    assert_eq!(later, 55.2, "and comes back slowly");
}

#[test]
fn float_ends_when_charge_was_drawn_and_not_by_a_wrong_soc() {
    let full = |soc: f64| {
        let mut day = Day::new(Config::default());
        day.hold(60, &level(3.448), 4.0, soc);
        assert_eq!(day.hold(1000, &level(3.448), 4.0, soc)["mode"], "float");
        day
    };
    let mut day = full(100.0);
    assert_eq!(day.hold(400, &level(3.33), -20.0, 81.0)["mode"], "float");
    assert_eq!(day.second(&level(3.32), -20.0, 79.0)["mode"], "bulk");
    let mut wrong = full(60.0);
    assert_eq!(wrong.hold(1000, &level(3.36), 0.0, 60.0)["mode"], "float", "the SoC was wrong when the battery was full");
    assert_eq!(wrong.hold(400, &level(3.33), -20.0, 57.0)["mode"], "bulk", "but it fell since");
}

#[test]
fn a_low_protection_of_the_bms_does_not_keep_a_battery_from_float() {
    let mut day = Day::new(Config::default());
    let mut answer = Value::Null;
    for _ in 0..1100 {
        day.t += 1.0;
        let line = json!({"t": day.t, "cells": level(3.448), "current": 2, "soc": 99, "capacity_ah": 280, "cell_ovp": 3.50});
        answer = serde_json::from_str(&day.filter.line(&line.to_string()).unwrap().0).unwrap();
        assert!(answer["cvl"].as_f64().unwrap() <= 55.2);
    }
    assert_eq!(answer["mode"], "float");
}

#[test]
fn phases_can_be_switched_off() {
    let config = Config { phases: PhaseConfig { enabled: false, ..PhaseConfig::default() }, ..Config::default() };
    let mut day = Day::new(config);
    let answer = day.hold(5000, &level(3.448), 1.0, 100.0);
    assert_eq!((&answer["mode"], &answer["cvl"]), (&json!("bulk"), &json!(55.2)));
}

#[test]
fn the_presets_of_the_replaced_systems() {
    let seed = Config { preset: Preset::SeedSocSteps, ..Config::default() };
    let at = |soc: f64| Day::new(seed.clone()).second(&level(3.33), 0.0, soc);
    assert_eq!([99.0, 97.5, 93.0, 50.0].map(|soc| at(soc)["ccl"].as_f64().unwrap()), [1.0, 4.0, 25.0, 50.0]);
    assert_eq!([33.0, 25.0, 15.0].map(|soc| at(soc)["dcl"].as_f64().unwrap()), [30.0, 15.0, 5.0]);
    let cells = Config { preset: Preset::CellSteps, max_charge_current: Some(Amps::new(60.0)), ..Config::default() };
    let ccl = |cell: f64| Day::new(cells.clone()).second(&level(cell), 0.0, 50.0)["ccl"].as_f64().unwrap();
    assert_eq!([3.40, 3.45, 3.47, 3.50, 3.55].map(ccl), [60.0, 30.0, 15.0, 2.0, 0.0]);
}

#[test]
fn voltage_drop_is_added_but_not_above_the_protection() {
    let config = Config { voltage_drop: Volts::new(0.3), ..Config::default() };
    assert_eq!(Day::new(config.clone()).second(&level(3.33), 0.0, 50.0)["cvl"], 55.5);
    let line = json!({"t": 0, "cells": level(3.33), "cell_ovp": 3.50});
    let answer: Value = serde_json::from_str(&Filter::new(config).line(&line.to_string()).unwrap().0).unwrap();
    assert_eq!(answer["cvl"], 55.2);
}

#[test]
fn a_minimum_current_yields_to_everything_that_forbids() {
    let config = Config { min_charge_current: Amps::new(0.5), ..Config::default() };
    let ask = |extra: Value| -> f64 {
        let mut line = json!({"t": 0, "cells": level(3.52), "soc": 99});
        line.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let answer: Value = serde_json::from_str(&Filter::new(config.clone()).line(&line.to_string()).unwrap().0).unwrap();
        answer["ccl"].as_f64().unwrap()
    };
    assert_eq!(ask(json!({})), 0.5);
    assert_eq!(ask(json!({"charge_allowed": false})), 0.0);
    assert_eq!(ask(json!({"bms_ccl": 0})), 0.0);
    assert_eq!(ask(json!({"age_s": 300})), 0.0);
    assert_eq!(ask(json!({"owner_ccl": 0})), 0.0);
}

#[test]
fn a_minimum_current_does_not_lift_the_maximum() {
    let maximum = Some(Amps::new(3.0));
    let minimum = Amps::new(10.0);
    let config = Config {
        max_charge_current: maximum,
        max_discharge_current: maximum,
        min_charge_current: minimum,
        min_discharge_current: minimum,
        ..Config::default()
    };
    let answer = Day::new(config).second(&level(3.33), 0.0, 50.0);
    assert_eq!((&answer["ccl"], &answer["dcl"]), (&json!(3.0), &json!(3.0)));
}

#[test]
fn fewer_cells_than_before_end_the_way_down_to_float_from_the_voltage_of_more() {
    let mut day = Day::new(Config::default());
    assert_eq!(day.hold(1000, &level(3.448), 4.0, 100.0)["mode"], "float");
    let fewer = day.second(&level(3.448)[..15], 4.0, 100.0)["cvl"].as_f64().unwrap();
    assert!(fewer <= 15.0 * 3.55, "{fewer}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever the cells do from minute to minute, phases keep to their hold times and CVL to its bounds.
    #[test]
    fn phases_do_not_flap_and_cvl_stays_in_bounds(minutes in prop::collection::vec((2.9f64..3.6, -0.05f64..0.05, 0.0f64..100.0), 5..60)) {
        let mut day = Day::new(Config::default());
        let (mut mode, mut since) = (json!("bulk"), 0u32);
        for (cell, spread, soc) in minutes {
            for _ in 0..60 {
                let answer = day.second(&runaway(cell + spread, cell), 5.0, soc);
                let cvl = answer["cvl"].as_f64().unwrap();
                prop_assert!((16.0 * 2.90..=55.2).contains(&cvl), "{answer}");
                since += 1;
                if answer["mode"] != mode {
                    let least = match mode.as_str().unwrap() {
                        "float" => 300,
                        "absorption" => 120,
                        _ => 10,
                    };
                    prop_assert!(since >= least, "{mode} lasted {since} s");
                    (mode, since) = (answer["mode"].clone(), 0);
                }
            }
        }
    }

    /// A reduction acts in the same step, from whatever came before.
    #[test]
    fn reductions_act_in_the_same_step(before in prop::collection::vec(3.2f64..3.5, 1..30), cell in 3.55f64..3.7) {
        let mut day = Day::new(Config::default());
        for cell in before {
            day.second(&level(cell), 10.0, 90.0);
        }
        let answer = day.second(&runaway(cell, 3.40), 10.0, 90.0);
        prop_assert_eq!(&answer["ccl"], &json!(0.0));
        let sum = cell + 15.0 * 3.40;
        prop_assert!(answer["cvl"].as_f64().unwrap() <= sum);
    }
}
