//! The time until full in the closed loop: where it is shown it is right within a fifth, and it is shown where it can be known.

use crate::plant::defaults;
use dbus_bms::sim::plant::profile::Course;
use dbus_bms::sim::plant::run::{Setup, record};
use dbus_bms::sim::plant::scenarios::scenario;

const DAY_S: f64 = 86_400.0;

/// What was shown on all days: time to full and what it really was, s, with the time since the start; and the full charges.
struct Shown {
    times: Vec<(f64, f64, f64)>,
    full_at: Vec<f64>,
    /// Seconds of charging before full, from the third charge on.
    charging_s: f64,
}

fn shown(setup: &Setup) -> Shown {
    let (_, samples) = record(setup);
    let mut full_at = Vec::new();
    for pair in samples.windows(2) {
        if pair[1].mode == "Float" && pair[0].mode != "Float" {
            full_at.push(pair[1].t);
        }
    }
    let next_full = |t: f64| full_at.iter().copied().find(|full| *full > t);
    let times = samples.iter().filter_map(|sample| {
        Some((sample.t, sample.time_to_full_s? as f64, next_full(sample.t).map_or(f64::INFINITY, |full| full - sample.t)))
    });
    let times: Vec<_> = times.collect();
    let learned = full_at.get(1).copied().unwrap_or(f64::INFINITY);
    let charging = samples.iter().filter(|sample| {
        sample.t > learned && sample.current_a > 2.0 && next_full(sample.t).is_some_and(|full| full - sample.t < DAY_S / 2.0)
    });
    let charging_s = charging.count() as f64;
    Shown { times, full_at, charging_s }
}

fn over_days(setup: Setup, days: u32) -> Setup {
    let (sun, load, ambient) = (setup.sun.daily(days), setup.load.daily(days), setup.ambient.daily(days));
    let hours = f64::from(days) * 24.0 - setup.start_h;
    Setup { sun, load, ambient, hours, ..setup }
}

fn judge(name: &str, shown: &Shown) -> f64 {
    let errors: Vec<f64> = shown.times.iter().map(|(_, said, was)| (said - was).abs() / was.max(1.0)).collect();
    let wrong = errors.iter().filter(|error| **error > 0.2).count();
    let share = shown.times.len() as f64 / shown.charging_s.max(1.0);
    let worst = errors.iter().copied().fold(0.0, f64::max);
    println!(
        "{name}: {} full charges, shown for {:.1} h of {:.1} h of charging ({:.0} %), {:.2} % of it wrong by more than a fifth, worst {:.0} %",
        shown.full_at.len(),
        shown.times.len() as f64 / 3600.0,
        shown.charging_s / 3600.0,
        share * 100.0,
        100.0 * wrong as f64 / errors.len().max(1) as f64,
        worst * 100.0
    );
    wrong as f64 / errors.len().max(1) as f64
}

#[test]
fn where_a_time_until_full_is_shown_it_is_right_within_a_fifth() {
    // Days of sun: one that cannot be foreseen, and some that differ at the end of the charge.
    for name in ["sunny-day", "clouds", "imbalanced-pack"] {
        let scenario = scenario(name).unwrap();
        let shown = shown(&over_days(scenario.usual(defaults()), 3));
        let wrong = judge(scenario.name, &shown);
        assert_eq!(wrong, 0.0, "{}: {:.1} % of the time", scenario.name, wrong * 100.0);
        assert!(!shown.times.is_empty(), "{}: never shown", scenario.name);
    }
}

#[test]
fn a_steady_charge_is_foreseen_once_two_were_seen() {
    let usual = scenario("sunny-day").unwrap().usual(defaults());
    // A charger on the grid from 1 to 9 o'clock, and a house that draws from the battery by day.
    let sun = Course::through(&[(0.0, 0.0), (1.0, 0.0), (1.01, 3500.0), (9.0, 3500.0), (9.01, 0.0), (24.0, 0.0)]);
    let load = Course::through(&[(0.0, 0.0), (10.0, 0.0), (10.01, 700.0), (22.0, 700.0), (22.01, 0.0), (24.0, 0.0)]);
    let shown = shown(&over_days(Setup { sun, load, start_h: 0.0, ..usual }, 4));
    let wrong = judge("grid charger", &shown);
    assert_eq!(wrong, 0.0);
    assert!(shown.full_at.len() >= 3, "{:?}", shown.full_at);
    assert!(shown.times.len() as f64 > 0.4 * shown.charging_s, "shown for too short a time");
    assert!(shown.times.iter().all(|(t, ..)| *t > shown.full_at[1]), "nothing before two charges were seen");
}
