//! What charge control must reach on every simulated day: 16 cells of 280 Ah, the defaults with 100 A, twenty installations each
//! (charger delay 1 to 5 s and lag 0.5 to 10 s, cell resistance halved to doubled, noise 1 to 5 mV, 5 % of the readings lost).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use dbus_bms::sim::plant::control::{Control, PRESETS};
use dbus_bms::sim::plant::run::run;
use dbus_bms::sim::plant::scenarios::scenario;
use std::fmt::Write as _;

fn assert_reached(name: &str) {
    let scenario = scenario(name).unwrap();
    let mut misses = String::new();
    for seed in 1..=20 {
        let setup = scenario.varied(Control::rules((PRESETS[0].config)()), seed);
        let figures = run(&setup, |_| {});
        let verdict = scenario.expect.judge(&setup, &figures);
        if !verdict.misses.is_empty() {
            let (high, low, turns) = (figures.highest_cell_v, figures.lowest_cell_v, figures.ccl_reversals);
            let share = 100.0 * verdict.share;
            let missed = &verdict.misses;
            writeln!(misses, "installation {seed}: {missed:?}: {low:.3} to {high:.3} V, {share:.1} %, {turns} turns").unwrap();
        }
    }
    assert!(misses.is_empty(), "{name}:\n{misses}");
}

#[test]
fn sunny_day() {
    assert_reached("sunny-day");
}

#[test]
fn clouds() {
    assert_reached("clouds");
}

#[test]
fn steady_sun() {
    assert_reached("steady-sun");
}

#[test]
fn imbalanced_pack() {
    assert_reached("imbalanced-pack");
}

#[test]
fn weak_cell() {
    assert_reached("weak-cell");
}

#[test]
fn cold_morning() {
    assert_reached("cold-morning");
}

#[test]
fn night_drain() {
    assert_reached("night-drain");
}

#[test]
fn strong_charger() {
    assert_reached("strong-charger");
}

#[test]
fn ignores_ccl() {
    assert_reached("ignores-ccl");
}

#[test]
fn silent_bms() {
    assert_reached("silent-bms");
}

#[test]
fn lost_readings() {
    assert_reached("lost-readings");
}
