//! Charging phases through the `limits` filter: when a battery is full, when it is charged again, and how the voltage moves in
//! between.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Moment, Percent, Volts};
use dbus_bms::battery::charge::filter::Filter;
use dbus_bms::battery::charge::{Config, LimitsPreset, PhaseConfig};
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{Chemistry, LinkStats, Mode, Reading, Snapshot};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

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

    /// The same reading for this many seconds; returns the last output.
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

fn following(margin: f64) -> Config {
    let phases = PhaseConfig { float_follows_pack: true, follow_margin: Volts::new(margin), ..PhaseConfig::default() };
    Config { phases, ..Config::default() }
}

#[test]
fn a_high_cell_takes_the_voltage_no_further_than_the_pack_where_it_has_to_follow() {
    let cvl = |config: Config, highest: f64, current: f64| {
        let mut day = Day::new(config);
        day.hold(60, &level(3.42), 20.0, 95.0);
        day.hold(20, &runaway(highest, 3.42), current, 95.0)["cvl"].as_f64().unwrap()
    };
    let pack = |highest: f64| highest + 15.0 * 3.42;
    for (highest, current) in [(3.46, 20.0), (3.48, 5.0), (3.52, 20.0), (3.54, 0.0)] {
        assert!(cvl(Config::default(), highest, current) < pack(highest) - 0.015, "lower than the pack, that it sinks");
        let followed = cvl(following(0.0), highest, current);
        assert!((-0.011..0.0001).contains(&(followed - pack(highest))), "{highest}: {followed}");
    }
    let with_margin = cvl(following(0.2), 3.48, 5.0);
    assert!((with_margin - pack(3.48) - 0.2).abs() < 0.011, "{with_margin}");
    assert!(cvl(following(0.2), 3.52, 20.0) < pack(3.52) + 0.0001, "no current is allowed: no margin");
    assert!(cvl(following(0.2), 3.56, 0.0) < pack(3.56) - 0.2, "0.1 V too high: the cell is more important");
}

#[test]
fn on_the_way_to_float_the_limit_keeps_its_margin_to_the_pack() {
    let mut day = Day::new(following(0.2));
    assert_eq!(day.hold(1000, &level(3.448), 4.0, 100.0)["mode"], "float");
    let cvl = day.hold(1800, &level(3.40), -5.0, 99.0)["cvl"].as_f64().unwrap();
    assert!((cvl - 54.6).abs() < 0.011, "{cvl}");
    assert_eq!(day.hold(1800, &level(3.36), -5.0, 99.0)["cvl"], 54.0, "float itself is no higher for it");
}

#[test]
fn in_float_no_more_current_is_offered_than_holds_it() {
    let mut day = Day::new(Config { max_charge_current: Some(Amps::new(50.0)), ..Config::default() });
    assert_eq!(day.hold(1000, &level(3.448), 4.0, 100.0)["mode"], "float");
    for cell in [3.44, 3.401, 3.376] {
        let told = day.hold(120, &level(cell), 0.0, 99.0);
        let ccl = told["ccl"].as_f64().unwrap();
        assert!((0.1..=0.5).contains(&ccl), "it neither charges nor is forbidden to be charged: {told}");
        assert!(told["ccl_why"].as_str().unwrap().contains("full"), "{told}");
    }
    let drawn = day.hold(120, &level(3.33), -20.0, 95.0);
    assert_eq!(
        (&drawn["mode"], &drawn["ccl"]),
        (&json!("float"), &json!(50.0)),
        "what loads drew comes back with all that there is"
    );
    let floor = Config { min_charge_current: Amps::new(2.0), ..Config::default() };
    let mut day = Day::new(floor);
    assert_eq!(day.hold(1000, &level(3.448), 4.0, 100.0)["mode"], "float");
    assert_eq!(day.hold(120, &level(3.40), 0.0, 99.0)["ccl"], 2.0, "for inverters that misread little");
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

/// A pack at the charge voltage, and the same under a cloud or with a kettle running.
const STANDS: f64 = 3.448;
const SAGS: f64 = 3.40;

/// Alternating sun and clouds, s, until float; returns the seconds at the charge voltage up to then, or `None` if float is not
/// reached within a day.
fn stood_until_float(day: &mut Day, cells: &[f64], sun: u32, cloud: u32) -> Option<u32> {
    let mut stood = 0;
    for _ in 0..86_400 / (sun + cloud) {
        for _ in 0..sun {
            stood += 1;
            if day.second(cells, 3.0, 99.0)["mode"] == "float" {
                return Some(stood);
            }
        }
        day.hold(cloud, &level(SAGS), -15.0, 99.0);
    }
    None
}

#[test]
fn time_at_the_charge_voltage_adds_up_over_clouds_of_any_length() {
    for (sun, cloud) in [(840, 130), (300, 30), (60, 60), (20, 121), (600, 600), (200, 600), (90, 300), (899, 1799)] {
        let stood = stood_until_float(&mut Day::new(Config::default()), &level(STANDS), sun, cloud);
        // The voltage must be confirmed again in each sunny period.
        assert!(stood.is_some_and(|stood| (900..=911).contains(&stood)), "{sun} s of sun, {cloud} s of cloud: {stood:?}");
    }
}

#[test]
fn an_imbalanced_battery_below_clouds_reaches_float_too() {
    let stood = stood_until_float(&mut Day::new(Config::default()), &runaway(3.447, 3.39), 240, 200);
    assert!(stood.is_some_and(|stood| (900..=3611).contains(&stood)), "{stood:?}");
}

/// A day of 2026, 12:00.
const NOON: u64 = 1_780_000_000;

/// A battery with one reading per second and a known wall clock.
struct Clocked {
    battery: Battery,
    seconds: u64,
}

impl Clocked {
    fn new(phases: PhaseConfig) -> Self {
        Self { battery: Battery::new(Config { phases, ..Config::default() }, PersistedState::default()), seconds: 0 }
    }

    fn second(&mut self, cell: f64, current: f64) -> Snapshot {
        self.at(Some(NOON + self.seconds + 1), cell, current)
    }

    /// The next second, with this wall-clock time.
    fn at(&mut self, unix: Option<u64>, cell: f64, current: f64) -> Snapshot {
        self.seconds += 1;
        let now = Now { at: Moment::new(Duration::from_secs(self.seconds)), unix };
        let reading = Reading {
            voltage: Some(Volts::new(cell * 16.0)),
            current: Some(Amps::new(current)),
            soc: Some(Percent::new(97.0)),
            capacity: Some(AmpHours::new(280.0)),
            cells: vec![Volts::new(cell); 16],
            ..Reading::new("jk", None)
        };
        self.battery.read(reading, LinkStats::default(), now)
    }
}

#[test]
fn a_balancing_charge_below_clouds_ends_and_full_is_noted() {
    let phases = PhaseConfig { balance_every_days: Some(1000.0 / 86_400.0), ..PhaseConfig::default() };
    let mut day = Clocked::new(phases);
    for _ in 0..800 {
        day.second(STANDS, 3.0);
    }
    let usual = day.second(STANDS, 3.0);
    assert_eq!((usual.limits.mode, usual.limits.cvl.value), (Mode::Absorption, Volts::new(55.2)));
    for _ in 0..300 {
        day.second(SAGS, -15.0);
    }
    let due = day.second(SAGS, -15.0);
    assert_eq!((due.limits.mode, due.limits.cvl.value), (Mode::Bulk, Volts::new(56.8)), "time at 3.45 V does not count at 3.55 V");
    let mut stood = 0;
    let full = (0..20_000).find_map(|second| {
        let sunny = second % 400 < 250;
        stood += u32::from(sunny);
        let snapshot = if sunny { day.second(3.549, 2.0) } else { day.second(STANDS, -15.0) };
        (snapshot.limits.mode == Mode::Float).then_some(snapshot)
    });
    let full = full.expect("it ends");
    assert!((900..=911).contains(&stood), "{stood}");
    assert_eq!((full.history.last_full_unix, full.since_full), (Some(NOON + day.seconds), Some(Duration::ZERO)));
}

/// A pack at rest.
const RESTS: f64 = 3.34;

/// Full at this cell voltage, then for five minutes on the way down to float.
fn floating(phases: PhaseConfig, cell: f64) -> Clocked {
    let mut day = Clocked::new(phases);
    let full = (0..4000).find(|_| day.second(cell, 2.0).limits.mode == Mode::Float);
    assert!(full.is_some(), "it gets full");
    for _ in 0..300 {
        day.second(RESTS, 0.0);
    }
    day
}

fn lowered(cell: f64) -> Config {
    Config { max_cell_voltage: Some(Volts::new(cell)), ..Config::default() }
}

#[test]
fn a_lowered_charge_voltage_counts_at_once_in_float_too() {
    let mut live = floating(PhaseConfig::default(), STANDS);
    assert!(live.second(RESTS, 0.0).limits.cvl.value > Volts::new(54.5), "still on the way down");
    let saved = serde_json::to_string(&live.battery.persisted_state()).unwrap();
    live.battery.reconfigure(lowered(3.35), Default::default());
    let told = live.second(RESTS, 0.0);
    assert_eq!((told.limits.cvl.value, told.limits.mode), (Volts::new(53.6), Mode::Float));
    live.battery = Battery::new(lowered(3.35), serde_json::from_str(&saved).unwrap());
    let restarted = live.second(RESTS, 0.0);
    assert_eq!((restarted.limits.cvl.value, restarted.limits.mode), (Volts::new(53.6), Mode::Float));
}

#[test]
fn after_a_balancing_charge_the_voltage_falls_slowly_until_the_charge_voltage_is_lowered() {
    let phases = PhaseConfig { balance_every_days: Some(1.0 / 86_400.0), ..PhaseConfig::default() };
    let mut day = floating(phases, 3.548);
    let before = day.second(RESTS, 0.0).limits.cvl.value.get();
    assert!(before > 56.0, "no inverter is made to feed the battery into the grid: {before}");
    day.battery.reconfigure(lowered(3.44), Default::default());
    assert_eq!(day.second(RESTS, 0.0).limits.cvl.value, Volts::new(55.04));
}

/// Seconds until a balancing charge begins, checked every two hours, with this wall-clock time at each second.
fn balances_after(unix: impl Fn(u64) -> Option<u64>, restarts: &[u64]) -> Option<u64> {
    let phases = PhaseConfig { balance_every_days: Some(2.0 / 24.0), ..PhaseConfig::default() };
    let mut day = Clocked::new(phases.clone());
    (1..20_000).find(|second| {
        if restarts.contains(second) {
            let saved = serde_json::to_string(&day.battery.persisted_state()).unwrap();
            let config = Config { phases: phases.clone(), ..Config::default() };
            day.battery = Battery::new(config, serde_json::from_str(&saved).unwrap());
        }
        // Half a minute later the limit begins to rise.
        day.at(unix(*second), RESTS, 0.0).limits.cvl.value > Volts::new(55.2)
    })
}

#[test]
fn a_balancing_charge_by_hand_needs_the_setting_and_ends_with_the_charge_or_by_hand() {
    let monthly = PhaseConfig { balance_every_days: Some(30.0), ..PhaseConfig::default() };
    let after = |day: &mut Clocked, seconds: u32, cell: f64| {
        (0..seconds).map(|_| day.second(cell, 2.0).limits.cvl.value).fold(Volts::new(0.0), |_, cvl| cvl)
    };
    let usual = Volts::new(55.2);
    // Not configured: nothing is lifted.
    let mut plain = Clocked::new(PhaseConfig::default());
    plain.second(RESTS, 2.0);
    assert!(!plain.battery.balance());
    assert_eq!(after(&mut plain, 600, RESTS), usual);
    // Configured: up to its voltage, also from float, over a restart, and back by hand.
    let mut day = floating(monthly.clone(), STANDS);
    assert!(day.battery.balance());
    assert_eq!(after(&mut day, 2000, RESTS), Volts::new(56.8));
    let saved = serde_json::to_string(&day.battery.persisted_state()).unwrap();
    let config = Config { phases: monthly.clone(), ..Config::default() };
    day.battery = Battery::new(config, serde_json::from_str(&saved).unwrap());
    assert_eq!(after(&mut day, 2000, RESTS), Volts::new(56.8));
    day.battery.end_balance();
    assert_eq!(after(&mut day, 1, RESTS), usual);
    assert_eq!(after(&mut day, 2000, RESTS), usual);
    // Once it is full it is over; nothing is left to end.
    assert!(day.battery.balance());
    let full = (0..6000).find(|_| day.second(3.548, 2.0).limits.mode == Mode::Float);
    assert!(full.is_some(), "it gets full");
    assert!(after(&mut day, 4000, RESTS) < usual);
    // One that is due is not ended by hand.
    let mut due = Clocked::new(PhaseConfig { balance_every_days: Some(1.0 / 86_400.0), ..PhaseConfig::default() });
    assert_eq!(after(&mut due, 2000, RESTS), Volts::new(56.8));
    due.battery.end_balance();
    assert_eq!(after(&mut due, 10, RESTS), Volts::new(56.8));
}

#[test]
fn a_jump_of_the_wall_clock_brings_no_balancing_charge_forward() {
    let year = 365 * 86_400;
    let at_its_time = |second: u64, what: &str| assert!((7200..=7250).contains(&second), "{what}: after {second} s");
    let due = |unix: &dyn Fn(u64) -> Option<u64>, restarts: &[u64]| balances_after(unix, restarts).unwrap_or_default();
    at_its_time(due(&|second| Some(NOON + second), &[]), "no jump");
    at_its_time(due(&|second| Some(NOON + second + if second > 600 { 10 * year } else { 0 }), &[]), "ten years on");
    at_its_time(due(&|second| Some(NOON + second - if second > 600 { 10 * year } else { 0 }), &[]), "ten years back");
    at_its_time(due(&|second| Some(if second < 600 { second } else { NOON + second }), &[]), "1970 at first");
    at_its_time(due(&|_| None, &[]), "and without a wall clock time passes as well");
    // Across a restart only the wall clock shows how long the driver was not running.
    at_its_time(due(&|second| Some(NOON + second), &[300, 3000]), "restarts");
    at_its_time(
        due(&|second| Some(NOON + second + if second >= 600 { 10 * year } else { 0 }), &[600]),
        "ten years on over a restart",
    );
    at_its_time(due(&|second| (second % 3000 > 60).then_some(NOON + second), &[3000, 6000]), "known after a minute");
    let away = due(&|second| Some(NOON + second + if second >= 600 { 3600 } else { 0 }), &[600]);
    assert!((3600..=3650).contains(&away), "away for an hour: {away}");
}

#[test]
fn a_curve_that_ends_under_the_charge_voltage_of_the_chemistry_that_the_bms_tells_is_named() {
    for (told, named) in [(Chemistry::Lfp, false), (Chemistry::Nmc, true)] {
        let config = Config { charge_by_cell_voltage: Some(vec![(3.40, 1.0), (3.50, 0.0)]), ..Config::default() };
        let mut battery = Battery::new(config, PersistedState::default());
        let mut reading =
            Reading { cells: vec![Volts::new(3.4); 16], voltage: Some(Volts::new(54.4)), ..Reading::new("jk-pb", None) };
        reading.settings.chemistry = Some(told);
        battery.read(reading, LinkStats::default(), Now { at: Moment::from_secs(1.0), unix: None });
        assert_eq!(battery.take_notices().join(" ").contains("ends charging before"), named, "{told:?}");
    }
}

#[test]
fn a_full_charge_that_a_wrong_clock_dated_is_no_full_charge_of_the_future() {
    let mut day = floating(PhaseConfig::default(), STANDS);
    let before = day.seconds;
    let snapshot = day.at(Some(NOON - 86_400), 3.40, -5.0);
    assert_eq!(snapshot.since_full, None, "full at {before} s of a day that has not come");
    assert_eq!(
        day.second(3.40, -5.0).since_full.map(|time| time.as_secs() > 290),
        Some(true),
        "and known again by the right clock"
    );
}

#[test]
fn only_a_real_discharge_makes_the_time_at_the_charge_voltage_worthless() {
    // For ten minutes -84 A draw 5 % from 280 Ah, -200 A draw 12 %; in the third case only the SoC shows it.
    for (current, soc, more) in [(-84.0, 99.0, 110..=125), (-200.0, 99.0, 900..=910), (0.0, 88.0, 900..=910)] {
        let mut day = Day::new(Config::default());
        day.hold(790, &level(STANDS), 3.0, 99.0);
        day.hold(600, &level(3.33), current, soc);
        let stood = (1..2000).find(|_| day.second(&level(STANDS), 3.0, 99.0)["mode"] == "float");
        assert!(stood.is_some_and(|stood| more.contains(&stood)), "{current} A, {soc} %: {stood:?}");
    }
}

#[test]
fn the_presets_of_the_replaced_systems() {
    let seed = Config { preset: LimitsPreset::SerialbatterySocSteps, ..Config::default() };
    let at = |soc: f64| Day::new(seed.clone()).second(&level(3.33), 0.0, soc);
    assert_eq!([99.0, 97.5, 93.0, 50.0].map(|soc| at(soc)["ccl"].as_f64().unwrap()), [1.0, 4.0, 25.0, 50.0]);
    assert_eq!([33.0, 25.0, 15.0].map(|soc| at(soc)["dcl"].as_f64().unwrap()), [30.0, 15.0, 5.0]);
    let cells = Config { preset: LimitsPreset::CellSteps, max_charge_current: Some(Amps::new(60.0)), ..Config::default() };
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

    /// Whatever the cells do from minute to minute, phases keep their hold times and CVL its bounds.
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

    /// Whatever interrupts it, the time at the charge voltage ends in float once it is long enough in total, and never before.
    #[test]
    fn float_comes_with_the_time_at_the_charge_voltage(
        turns in prop::collection::vec((1u32..400, 1u32..600, 3.30f64..3.43, -60.0f64..5.0), 60)
    ) {
        let mut day = Day::new(Config::default());
        let mut stood = 0;
        for (sun, cloud, cell, current) in turns {
            for second in 1..=sun {
                stood += 1;
                let float = day.second(&level(STANDS), 3.0, 99.0)["mode"] == "float";
                prop_assert!(!float || stood >= 900, "after {stood} s");
                // The very first reading adds no time.
                prop_assert!(float || stood <= 900 || second < 10, "not yet after {stood} s");
                if float {
                    return Ok(());
                }
            }
            day.hold(cloud, &level(cell), current, 99.0);
        }
    }

    /// A reduction acts in the same step, from any previous state.
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
