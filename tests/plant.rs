//! The simulated installation: its own physics, what charge control reaches on its days, and the command that shows them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use dbus_bms::sim::plant::charger::ChargerConfig;
use dbus_bms::sim::plant::control::{Control, PRESETS, Told};
use dbus_bms::sim::plant::profile::Course;
use dbus_bms::sim::plant::run::{Setup, record, run};
use dbus_bms::sim::plant::scenarios::{SCENARIOS, scenario};
use proptest::prelude::*;
use std::process::{Command, Output};

/// The default settings with 100 A.
fn defaults() -> Control {
    Control::rules((PRESETS[0].config)())
}

fn usual(name: &str) -> Setup {
    scenario(name).unwrap().usual(defaults())
}

#[test]
fn limits_are_finite_and_within_the_maxima_at_every_second() {
    for scenario in &SCENARIOS {
        run(&scenario.varied(defaults(), 9), |sample| {
            let limits = [(sample.cvl_v, 16.0 * 3.60), (sample.ccl_a, 100.0), (sample.dcl_a, 100.0)];
            assert!(limits.iter().all(|(value, most)| (0.0..=*most).contains(value)), "{}: {sample:?}", scenario.name);
        });
    }
}

#[test]
fn equal_setups_run_alike_and_other_seeds_differ() {
    let clouds = scenario("clouds").unwrap();
    let day = |seed| record(&Setup { start_h: 10.0, hours: 2.0, ..clouds.varied(defaults(), seed) });
    assert_eq!(day(5), day(5));
    assert_ne!(day(5).0, day(6).0);
}

#[test]
fn no_charge_is_won_or_lost() {
    for name in ["sunny-day", "night-drain", "weak-cell"] {
        let setup = usual(name);
        let (figures, samples) = record(&setup);
        let cells_ah = setup.pack.capacity_ah * 1.02;
        let stored = (samples.last().unwrap().soc_pct - samples[0].soc_pct) / 100.0 * cells_ah;
        let flowed = figures.charged_ah - figures.discharged_ah;
        assert!((stored - flowed).abs() < 0.02 * (figures.charged_ah + figures.discharged_ah), "{name}: {stored} and {flowed} Ah");
    }
}

#[test]
fn with_nothing_but_a_voltage_the_pack_is_held_at_it() {
    let told = Told { cvl_v: 55.2, ccl_a: 100.0, dcl_a: 100.0 };
    let (figures, samples) = record(&Setup { control: Control::Fixed(told), ..usual("steady-sun") });
    assert!(samples.iter().all(|sample| sample.voltage_v < 55.21), "the chargers regulate their terminals");
    let last = samples.last().unwrap();
    assert!(last.voltage_v > 55.19 && last.current_a < 2.0, "{last:?}");
    assert!(figures.highest_cell_v > 3.46, "cells that differ are not held: {figures:?}");
}

#[test]
fn a_silent_bms_ends_charging_within_a_minute_and_it_comes_back() {
    let (from, to) = (11.0 * 3600.0, (11.0 + 1.0 / 3.0) * 3600.0);
    let setup =
        Setup { start_h: 10.5, hours: 1.5, load: Course::constant(0.0), sun: Course::constant(4000.0), ..usual("silent-bms") };
    let (_, samples) = record(&setup);
    let at = |t: f64| samples.iter().find(|sample| sample.t >= t).unwrap();
    assert!(at(from - 10.0).current_a > 50.0, "{:?}", at(from - 10.0));
    assert_eq!(at(from + 35.0).ccl_a, 0.0);
    let silent: Vec<_> = samples.iter().filter(|sample| (from + 60.0..to).contains(&sample.t)).collect();
    assert!(silent.iter().all(|sample| sample.current_a < 0.5 && sample.ccl_a == 0.0));
    assert!(at(to + 180.0).current_a > 50.0, "{:?}", at(to + 180.0));
}

fn any_charger() -> impl Strategy<Value = ChargerConfig> {
    (0.0f64..15.0, 0.0f64..20.0, 1.0f64..145.0, any::<bool>()).prop_map(|(delay_s, lag_s, most_a, obeys_current)| ChargerConfig {
        delay_s,
        lag_s,
        most_a,
        obeys_current,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Near full, with whatever charger: the BMS's own protection is not needed as long as the voltage limit is followed in time.
    #[test]
    fn near_full_no_charger_needs_the_bms_to_step_in(
        charger in any_charger(), soc_pct in 88.0f64..99.5, seed: u64, resistance in 0.5f64..2.0, noise_v in 0.0f64..0.005, lost_pct in 0.0f64..60.0
    ) {
        let mut setup = Setup { charger, lost_pct, start_h: 12.0, hours: 1.0, ..usual("imbalanced-pack") };
        setup.pack = dbus_bms::sim::battery::PackConfig { soc_pct, seed, resistance, noise_v, ..setup.pack };
        let (figures, samples) = record(&setup);
        prop_assert_eq!(figures.trips, 0);
        prop_assert!(figures.highest_cell_v < 3.65, "{}", figures.highest_cell_v);
        prop_assert!(samples.iter().all(|s| s.cvl_v.is_finite() && s.ccl_a.is_finite() && s.dcl_a.is_finite()));
    }
}

fn command(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dbus-bms")).args(args).env_remove("RUST_LOG").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_command_shows_a_day_as_figures_picture_and_table() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let [svg, csv] = ["day.svg", "day.csv"].map(|name| folder.join(name));
    let ended = command(&["simulate-day", "steady-sun", "--plot", svg.to_str().unwrap(), "--csv", csv.to_str().unwrap()]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(figures["share_of_possible"].as_f64().unwrap() > 0.99 && figures["misses"].is_array(), "{figures}");
    let svg = std::fs::read_to_string(svg).unwrap();
    for part in ["<svg", "steady-sun", "charge voltage limit", "discharge limit", "State of charge", "Bulk", "10:00", "</svg>"] {
        assert!(svg.contains(part), "{part}");
    }
    assert!(svg.len() < 200_000 && !svg.contains("NaN"), "{}", svg.len());
    let csv = std::fs::read_to_string(csv).unwrap();
    assert_eq!(csv.lines().count(), 8 * 3600 + 1);
    let columns = csv.lines().next().unwrap().split(',').count();
    let (numbers, reasons) = csv.lines().nth(5000).unwrap().split_once('"').unwrap();
    assert_eq!(numbers.split(',').count() + reasons.split("\",\"").count() - 1, columns, "the reasons are quoted");
}

#[test]
fn the_command_lists_its_scenarios_and_names_them_when_one_is_unknown() {
    let list = text(&command(&["simulate-day", "--list"]).stdout);
    assert_eq!(list.lines().count(), SCENARIOS.len());
    let unknown = command(&["simulate-day", "rainy-day"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("sunny-day, clouds"), "{}", text(&unknown.stderr));
}

#[test]
fn a_configuration_decides_the_day_and_the_curves() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let config = folder.join("plant.toml");
    std::fs::write(&config, "max_charge_current_a = 20\nmax_discharge_current_a = 30\n").unwrap();
    let config = config.to_str().unwrap();
    let day = |args: &[&str]| -> serde_json::Value {
        let ended = command(&[&["simulate-day", "steady-sun"], args].concat());
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{}", text(&ended.stderr)))
    };
    let (slow, usual) = (day(&["--config", config]), day(&[]));
    assert!(slow["full_after_h"].as_f64() > usual["full_after_h"].as_f64() || slow["full_after_h"].is_null(), "{slow} {usual}");
    let plot = folder.join("curves.svg");
    let ended = command(&["limits", "--config", config, "--plot", plot.to_str().unwrap()]);
    assert!(ended.status.success() && ended.stdout.is_empty(), "{}", text(&ended.stderr));
    let curves = std::fs::read_to_string(plot).unwrap();
    assert!(curves.contains(">30<") && !curves.contains(">50<"), "the configured currents");
    let nowhere = command(&["limits", "--plot", "/nonexistent/curves.svg"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("/nonexistent/curves.svg"));
}
