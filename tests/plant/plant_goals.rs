//! Goals of charge control on every simulated day: 16 cells of 280 Ah, the defaults with 100 A, twenty installations each (charger
//! delay 1 to 5 s and lag 0.5 to 10 s, cell resistance halved to doubled, noise 1 to 5 mV, 5 % of the readings lost).

use dbus_bms::base::units::Amps;
use dbus_bms::battery::charge;
use dbus_bms::sim::plant::control::{CONTROL_PRESETS, Control};
use dbus_bms::sim::plant::figures::Figures;
use dbus_bms::sim::plant::profile::Course;
use dbus_bms::sim::plant::run::{Setup, run};
use dbus_bms::sim::plant::scenarios::scenario;
use std::fmt::Write as _;

fn defaults() -> Control {
    Control::rules((CONTROL_PRESETS[0].config)())
}

fn assert_reached(name: &str) {
    let scenario = scenario(name).unwrap();
    let mut misses = String::new();
    for seed in 1..=20 {
        let setup = scenario.varied(defaults(), seed);
        let figures = run(&setup, |_| {});
        let verdict = scenario.expect.assess(&setup, &figures);
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

/// Sun or load in watts that alternates between two values, each for this many seconds, with edges of 3 s.
fn alternating((high, high_s): (f64, f64), (low, low_s): (f64, f64)) -> Course {
    let mut points = Vec::new();
    let mut t = 11.0 * 3600.0;
    while t < 14.0 * 3600.0 {
        points.extend([(t, high), (t + high_s, high), (t + high_s + 3.0, low), (t + high_s + low_s, low)]);
        t += high_s + low_s + 3.0;
    }
    Course::through(&points.iter().map(|(t, value)| (t / 3600.0, *value)).collect::<Vec<_>>())
}

/// Strong sun from 11 o'clock on, with chargers of 200 A.
fn noon(hours: f64, soc_pct: f64, sun: Course, load: Course) -> Setup {
    let mut setup = scenario("strong-charger").unwrap().usual(defaults());
    (setup.start_h, setup.hours, setup.sun, setup.load) = (11.0, hours, sun, load);
    (setup.pack.soc_pct, setup.charger.most_a) = (soc_pct, 200.0);
    setup
}

/// Additional charge of the battery at its fullest compared with the start, % of its capacity, and the figures.
fn stored_pct(setup: &Setup) -> (f64, Figures) {
    let (mut first, mut most) = (None, 0.0f64);
    let figures = run(setup, |sample| {
        first.get_or_insert(sample.soc_pct);
        most = most.max(sample.soc_pct);
    });
    (most - first.unwrap(), figures)
}

/// Charge that loads draw and chargers return, or that a limit cycle moves back and forth, is not stored. `late` is the number of
/// additional turns allowed if chargers follow with 8 + 20 s of delay.
fn assert_as_full_as_with_dbus_serialbattery(name: &str, usual: &Setup, late: u32) {
    // Capacity, A, minimum share of the charge stored with the other driver, highest cell: the goals refer to 280 Ah; 100 A is a
    // lot for 150 Ah.
    let packs = [(0.2, 280.0, 100.0, 0.997, 3.470), (0.5, 280.0, 50.0, 0.997, 3.470), (0.5, 150.0, 100.0, 0.99, 3.480)];
    let chargers = [(1.0, 2.0, 2.0), (2.0, 2.0, 2.0), (2.5, 5.0, 10.0), (1.0, 8.0, 20.0)];
    let mut misses = String::new();
    for (resistance, delay_s, lag_s) in chargers {
        for (imbalance_pct, capacity_ah, most_a, least, highest) in packs {
            let mut theirs = Setup { control: Control::Serialbattery(most_a), ..usual.clone() };
            (theirs.pack.resistance, theirs.charger.delay_s, theirs.charger.lag_s) = (resistance, delay_s, lag_s);
            (theirs.pack.imbalance_pct, theirs.pack.capacity_ah) = (imbalance_pct, capacity_ah);
            let config = charge::Config { max_charge_current: Some(Amps::new(most_a)), ..(CONTROL_PRESETS[0].config)() };
            let ours = Setup { control: Control::rules(config), ..theirs.clone() };
            let ((stored, ours), (reference, theirs)) = (stored_pct(&ours), stored_pct(&theirs));
            let (share, turns, high) = (stored / reference, ours.current_reversals, ours.highest_cell_v);
            let most_turns = theirs.current_reversals + if lag_s > 10.0 { late } else { 0 };
            if share < least || turns > most_turns || high > highest || ours.trips > 0 {
                let of = theirs.current_reversals;
                let setup = format!("resistance x {resistance}, {delay_s} + {lag_s} s, {capacity_ah} Ah, {most_a} A");
                writeln!(misses, "{setup}: {:.1} %, {turns} turns of {of}, {high:.3} V", 100.0 * share).unwrap();
            }
        }
    }
    assert!(misses.is_empty(), "{name}:\n{misses}");
}

#[test]
fn a_sunny_day_stores_as_much_as_with_dbus_serialbattery_in_fewer_turns() {
    // In float hardly any current is allowed: the battery supplies a new load until a slow charger has followed.
    assert_as_full_as_with_dbus_serialbattery("sunny day", &scenario("sunny-day").unwrap().usual(defaults()), 2);
}

#[test]
fn the_edges_of_clouds_cost_no_charge() {
    let loads = || Course::constant(200.0);
    let edges = noon(0.5, 88.0, alternating((9000.0, 20.0), (500.0, 40.0)), loads());
    assert_as_full_as_with_dbus_serialbattery("edges of clouds", &edges, 0);
    let minutes = noon(0.4, 70.0, alternating((9000.0, 60.0), (500.0, 60.0)), loads());
    assert_as_full_as_with_dbus_serialbattery("clouds of a minute", &minutes, 0);
}

#[test]
fn loads_that_end_while_much_is_charged_cost_no_charge() {
    let heavy = noon(2.0, 70.0, Course::constant(18_000.0), alternating((3000.0, 68.0), (200.0, 150.0)));
    assert_as_full_as_with_dbus_serialbattery("heavy charging", &heavy, 0);
}
