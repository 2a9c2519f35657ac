//! The times of safety rule 11, in simulated time: what a battery publishes when its data stops.

use crate::support::reading;

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::charge::{Config, PhaseConfig, Silence};
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{Freshness, Level, LineState, LinkStats, Reading, Snapshot};
use proptest::prelude::*;
use reading::reading;
use serde_json::{Value, json};
use std::time::Duration;

fn at(seconds: f64) -> Now {
    Now { at: Moment::from_secs(seconds), unix: None }
}

#[test]
fn a_battery_that_was_never_read_may_nothing() {
    let mut battery = Battery::new(Config { cells: Some(16), ..Config::default() }, PersistedState::default());
    let unread = battery.tick(LinkStats::default(), at(1.0));
    assert_eq!(unread.freshness, Freshness::Lost);
    assert_eq!([unread.limits.ccl.value, unread.limits.dcl.value], [Amps::ZERO; 2]);
    let first = battery.read(reading(3.31), LinkStats::default(), at(2.0));
    assert_eq!(first.limits.ccl.value.get(), 50.0, "and its first reading does not wait for a ramp");
}

#[test]
fn a_damaged_state_file_lifts_no_limit() {
    let saved = r#"{"chemistry":"lfp","phases":{"phase":"float","float_cvl":1e300,"in_phase_s":-1e300,"soc_at_float":-1e300}}"#;
    let mut battery = Battery::new(Config::default(), serde_json::from_str(saved).unwrap());
    for second in 0..100 {
        let limits = battery.read(reading(3.31), LinkStats::default(), at(f64::from(second))).limits;
        assert!(limits.cvl.value.get() <= 16.0 * 3.65, "{limits:?}");
    }
}

#[test]
fn a_state_file_says_nothing_that_the_configuration_does_not_ask_for() {
    for saved in [r#"{"chemistry":"nmc"}"#, r#"{"chemistry":"lto"}"#, r#"{"phases":{"balancing":true}}"#] {
        let mut battery = Battery::new(Config::default(), serde_json::from_str(saved).unwrap());
        let limits = battery.read(reading(3.31), LinkStats::default(), at(1.0)).limits;
        assert_eq!(limits.cvl.value.get(), 55.2, "{saved}: {limits:?}");
    }
}

/// 24 cells instead of the 16 of a battery read earlier.
fn swapped(cell: f64) -> Reading {
    Reading {
        voltage: Some(Volts::new(24.0 * cell)),
        cell_count: Some(24),
        cells: vec![Volts::new(cell); 24],
        soc: Some(Percent::new(50.0)),
        ..reading(cell)
    }
}

#[test]
fn a_confirmed_chemistry_is_that_of_this_battery_and_not_of_the_next() {
    let mut lfp = Battery::new(Config::default(), PersistedState::default());
    lfp.read(reading(3.31), LinkStats::default(), at(1.0));
    let file = serde_json::to_string(&lfp.persisted_state()).unwrap();
    let first = |file: &str, reading: Reading| {
        let mut battery = Battery::new(Config::default(), serde_json::from_str(file).unwrap());
        let limits = battery.read(reading, LinkStats::default(), at(1.0)).limits;
        (limits.ccl.value, limits.ccl.why, battery.take_notices().join("; "))
    };
    let deep = first(&file, reading(2.95));
    assert!(deep.0 > Amps::ZERO, "the same battery, deeply discharged, is charged: {deep:?}");
    // LTO cells; also with a state file without a number of cells.
    for file in [&file, r#"{"chemistry":"lfp"}"#, r#"{"chemistry":"lfp","chemistry_cells":7}"#] {
        let other = first(file, swapped(2.30));
        assert_eq!((other.0, other.1), (Amps::ZERO, "chemistry unknown: set chemistry"), "{file}");
    }
    assert!(first(&file, swapped(3.31)).2.contains("another battery"), "and it is said");
}

/// Possible contents of a state file for a number, and for a time.
fn number() -> impl Strategy<Value = Value> {
    let odd = vec![-1e300, -1e9, -1.0, 0.0, 0.5, 16.0, 54.0, 60.0, 100.0, 900.0, 1e4, 1e9, 1e300];
    prop_oneof![prop::sample::select(odd), -1e4..1e4].prop_map(Value::from)
}

fn time() -> impl Strategy<Value = Value> {
    prop_oneof![Just(0), Just(u64::MAX), 1_700_000_000u64..1_900_000_000, any::<u64>()].prop_map(Value::from)
}

fn state() -> impl Strategy<Value = Value> {
    let phases = ["in_phase_s", "at_voltage_s", "low_s", "drawn_ah", "soc_pct", "float_cvl", "soc_at_float", "waited_s"];
    let history = ["deepest_discharge_ah", "total_drawn_ah", "min_voltage", "max_cell_voltage", "charged_kwh"];
    let some = |keys: &[&'static str]| prop::collection::btree_map(prop::sample::select(keys.to_vec()), number(), 0..=keys.len());
    let words = (prop::sample::select(vec!["lfp", "nmc", "lto"]), prop::sample::select(vec!["bulk", "absorption", "float"]));
    let count = (number(), number(), number(), number());
    (some(&phases), some(&history), words, any::<bool>(), 0u8..40, (time(), time(), time()), count).prop_map(
        |(mut phases, mut history, (chemistry, phase), flag, cells, times, (charge, capacity, drift, bms))| {
            history.insert("last_full_unix", times.0);
            phases.extend([
                ("seen_unix", times.1),
                ("balanced_unix", times.2),
                ("phase", json!(phase)),
                ("balancing", json!(flag)),
            ]);
            let count = json!({"charge_ah": charge, "capacity_ah": capacity, "drift_pct": drift, "bms_pct": bms});
            let soc = json!({"count": count, "reached_full": flag});
            json!({"chemistry": chemistry, "chemistry_cells": cells, "phases": phases, "history": history, "soc": soc})
        },
    )
}

/// Reports where a limit of the battery with this state file is above that of the battery without one, which does not reach float
/// by itself. Each stretch has a cell voltage, an SoC and the number of readings, one per second.
fn lifted(state: &Value, stretches: &[(f64, f64, u32)]) -> Option<String> {
    let phases = PhaseConfig { absorption: Duration::from_secs(3600), ..PhaseConfig::default() };
    let config = Config { phases, ..Config::default() };
    let mut with = Battery::new(config.clone(), serde_json::from_value(state.clone()).unwrap());
    let mut without = Battery::new(config, PersistedState::default());
    let mut second = 0.0;
    for (cell, soc, times) in stretches {
        for _ in 0..*times {
            second += 1.0;
            let reading = || Reading { soc: Some(Percent::new(*soc)), ..reading(*cell) };
            let limits = |battery: &mut Battery| {
                let limits = battery.read(reading(), LinkStats::default(), at(second)).limits;
                [limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get()]
            };
            let (with, without) = (limits(&mut with), limits(&mut without));
            if with.iter().zip(&without).any(|(with, without)| with > without) {
                return Some(format!("{state}, {cell} V, {second} s: {with:?}, without it {without:?}"));
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a state file contains, no limit is above that of the battery without a state file, reading by reading.
    #[test]
    fn no_state_file_lifts_a_limit(
        state in state(), stretches in prop::collection::vec((3.05f64..3.60, 0.0f64..100.0, 1u32..90), 1..12)
    ) {
        let lifted = lifted(&state, &stretches);
        prop_assert!(lifted.is_none(), "{lifted:?}");
    }
}

#[test]
fn what_the_cells_took_back_waits_when_float_ends_too() {
    // A cell is high for three readings while the file has the battery in float, below the reduced voltage.
    for high in [3.47, 3.4948, 3.55] {
        let stretches = [(3.05, 0.0, 281), (high, 0.0, 3), (3.05, 0.0, 90)];
        assert_eq!(lifted(&json!({"phases": {"phase": "float"}}), &stretches), None);
    }
}

/// A battery with one reading per second for ten seconds; its last reading is at t = 0 of the returned times.
struct Silenced(Battery);

impl Silenced {
    fn new(config: Config, cell: f64) -> Self {
        let mut battery = Battery::new(config, PersistedState::default());
        for second in 0..=100 {
            battery.read(reading(cell), LinkStats::default(), at(f64::from(second)));
        }
        Self(battery)
    }

    fn after(&mut self, age: f64) -> Snapshot {
        self.0.tick(LinkStats::default(), at(100.0 + age))
    }
}

fn numbers(snapshot: &Snapshot) -> (f64, f64, f64) {
    let limits = &snapshot.limits;
    (limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get())
}

#[test]
fn gentle_preset_at_its_times() {
    let mut silenced = Silenced::new(Config::default(), 3.31);
    let fresh = silenced.after(9.9);
    assert_eq!(numbers(&fresh), (55.2, 50.0, 60.0));
    assert_eq!(fresh.reading.soc, Some(Percent::new(62.0)));
    assert_eq!(fresh.freshness, Freshness::Fresh);

    let stale = silenced.after(10.1);
    assert_eq!(stale.reading.voltage, None);
    assert_eq!(stale.reading.soc, None);
    assert!(stale.reading.cells.is_empty() && stale.derived.max_cell.is_none());
    assert_eq!(stale.cable, None);
    let (cvl, ccl, dcl) = numbers(&stale);
    assert_eq!((cvl, dcl), (52.96, 60.0), "CVL falls to the last pack voltage, DCL stands");
    assert!(ccl < 50.0 && ccl > 48.0, "{ccl}");

    let (_, ccl, _) = numbers(&silenced.after(20.0));
    assert!((ccl - 25.0).abs() < 0.2, "half way down: {ccl}");
    assert_eq!(numbers(&silenced.after(30.0)), (52.96, 0.0, 60.0));
    assert_eq!(silenced.after(59.9).cable, None);

    let silent = silenced.after(60.0);
    assert_eq!(silent.cable, Some(Level::Warning));
    assert_eq!(numbers(&silent), (52.96, 0.0, 15.0), "3.31 V is above the reserve: a quarter");
    assert_ne!(silenced.after(299.0).freshness, Freshness::Lost);

    let lost = silenced.after(300.0);
    assert_eq!(lost.freshness, Freshness::Lost);
    assert_eq!(lost.cable, Some(Level::Alarm));
    assert_eq!(numbers(&lost), (52.96, 0.0, 0.0));
    assert_eq!(numbers(&silenced.after(86_400.0)), (52.96, 0.0, 0.0), "the service stays with zeros");
}

#[test]
fn under_the_reserve_discharging_ends_after_a_minute() {
    let mut silenced = Silenced::new(Config::default(), 3.05);
    silenced.after(10.1);
    assert_eq!(numbers(&silenced.after(60.0)).2, 0.0);
}

#[test]
fn the_strict_preset_is_done_after_a_minute() {
    let mut silenced = Silenced::new(Config { silence: Silence::STRICT, ..Config::default() }, 3.31);
    silenced.after(10.1);
    assert_eq!(silenced.after(30.0).cable, Some(Level::Warning));
    let lost = silenced.after(60.0);
    assert_eq!((lost.freshness, lost.cable), (Freshness::Lost, Some(Level::Alarm)));
    assert_eq!(numbers(&lost), (52.96, 0.0, 0.0));
}

#[test]
fn the_table_holds_however_rarely_it_is_looked_at() {
    let mut once = Silenced::new(Config::default(), 3.31);
    let late = once.after(400.0);
    assert_eq!(numbers(&late), (52.96, 0.0, 0.0));
    let mut often = Silenced::new(Config::default(), 3.31);
    let mut highest = f64::INFINITY;
    for tenth in 1..=4000 {
        let (_, ccl, dcl) = numbers(&often.after(f64::from(tenth) / 10.0));
        assert!(ccl + dcl <= highest, "a limit rose while nothing was heard");
        highest = ccl + dcl;
    }
    assert_eq!(numbers(&often.after(400.0)), numbers(&late));
}

#[test]
fn recovery_is_by_ramp_and_values_return_at_once() {
    let mut silenced = Silenced::new(Config::default(), 3.31);
    for age in [10.1, 30.0, 60.0, 300.0] {
        silenced.after(age);
    }
    let back = silenced.0.read(reading(3.31), LinkStats::default(), at(500.0));
    assert_eq!(back.freshness, Freshness::Fresh);
    assert_eq!(back.cable, None);
    assert_eq!(back.reading.soc, Some(Percent::new(62.0)));
    let (_, ccl, dcl) = numbers(&back);
    assert!(ccl <= 1.0 && dcl <= 200.0, "{ccl} {dcl}");
    let mut before = (ccl, dcl);
    for second in 1..=200 {
        let now = numbers(&silenced.0.read(reading(3.31), LinkStats::default(), at(500.0 + f64::from(second))));
        assert!(now.1 - before.0 <= 1.05 && now.2 - before.1 <= 1.05, "faster than the ramp: {before:?} {now:?}");
        before = (now.1, now.2);
    }
    assert_eq!(before, (50.0, 60.0), "and it does come back");
}

#[test]
fn slow_readings_stretch_the_first_stage_only() {
    let mut battery = Battery::new(Config::default(), PersistedState::default());
    for n in 0..=10 {
        battery.read(reading(3.31), LinkStats::default(), at(f64::from(n) * 6.0));
    }
    assert_eq!(battery.tick(LinkStats::default(), at(60.0 + 17.9)).freshness, Freshness::Fresh, "three periods of 6 s");
    assert_eq!(battery.tick(LinkStats::default(), at(60.0 + 18.1)).freshness, Freshness::Stale);
    assert_eq!(battery.tick(LinkStats::default(), at(60.0 + 60.0)).freshness, Freshness::Silent);
}

#[test]
fn one_gap_does_not_make_the_next_silence_longer() {
    let mut silenced = Silenced::new(Config::default(), 3.31);
    silenced.0.read(reading(3.31), LinkStats::default(), at(150.0));
    assert_eq!(silenced.0.tick(LinkStats::default(), at(160.1)).freshness, Freshness::Stale);
}

#[test]
fn the_next_tick_is_never_missed() {
    let mut silenced = Silenced::new(Config::default(), 3.31);
    let (mut now, mut stages) = (Moment::from_secs(100.0), Vec::new());
    for _ in 0..60 {
        let next = silenced.0.next_tick(now);
        assert!(next > now, "time must go on");
        now = next;
        let snapshot = silenced.0.tick(LinkStats::default(), Now { at: now, unix: None });
        if stages.last().is_none_or(|(stage, _)| *stage != snapshot.freshness) {
            stages.push((snapshot.freshness, now.since_origin().as_secs()));
        }
    }
    assert_eq!(stages, [(Freshness::Stale, 110), (Freshness::Silent, 160), (Freshness::Lost, 400)]);
}

#[test]
fn stopping_leaves_no_current_and_no_values() {
    let mut silenced = Silenced::new(Config::default(), 3.31);
    let last = silenced.0.stop("driver stopped", at(100.5));
    assert_eq!(numbers(&last), (52.96, 0.0, 0.0));
    assert_eq!(last.reading.soc, None);
    assert_eq!(last.limits.ccl.why, "driver stopped");
}

#[test]
fn what_was_lost_in_a_silence_tells_nothing_of_the_line() {
    let mut silenced = Silenced::new(Config::default(), 3.31);
    silenced.after(35.0);
    let lost = LinkStats { lost: 60, ..LinkStats::default() };
    let back = silenced.0.read(reading(3.31), lost, at(145.0));
    assert_eq!(back.line, LineState::Good);
    assert!(!silenced.0.take_notices().iter().any(|notice| notice.contains("disturbed")));
}

/// Good readings for this many seconds, two of `glitch`, good ones again: the lowest CVL, and the limits 60 s after it.
fn glitch(change: impl Fn(&mut Reading)) -> (f64, [f64; 3]) {
    let mut battery = Battery::new(Config::default(), PersistedState::default());
    let mut lowest = f64::INFINITY;
    let mut last = [0.0; 3];
    for second in 1..=180 {
        let mut now = reading(3.31);
        if (100..102).contains(&second) {
            change(&mut now);
        }
        let limits = battery.read(now, LinkStats::default(), at(f64::from(second))).limits;
        lowest = lowest.min(limits.cvl.value.get());
        last = [limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get()];
    }
    (lowest, last)
}

#[test]
fn two_readings_that_cannot_be_never_move_the_charge_voltage_under_the_pack() {
    type Change = fn(&mut Reading);
    let zeros: Change = |reading| {
        reading.voltage = Some(Volts::ZERO);
        reading.cells.iter_mut().for_each(|cell| *cell = Volts::ZERO);
    };
    let no_voltage: Change = |reading| reading.voltage = Some(Volts::ZERO);
    let high_cell: Change = |reading| reading.cells[3] = Volts::new(6.5);
    for (what, change) in [("zeros", zeros), ("pack voltage 0", no_voltage), ("a cell at 6.5 V", high_cell)] {
        let (lowest, [cvl, ccl, dcl]) = glitch(change);
        assert!(lowest >= 52.9, "{what}: CVL {lowest}");
        assert!(cvl >= 54.0 && ccl >= 40.0 && dcl >= 40.0, "{what}: after a minute {cvl} {ccl} {dcl}");
    }
}

#[test]
fn a_value_that_stays_impossible_is_missing_and_blocks_nothing_else() {
    type Change = fn(&mut Reading);
    let sensor: Change = |reading| reading.temperatures.sensors = Some(vec![Celsius::new(215.0), Celsius::new(22.0)]);
    let soh: Change = |reading| reading.soh = Some(Percent::new(101.5));
    let mos: Change = |reading| reading.temperatures.mos = Some(Celsius::new(-200.0));
    let soc: Change = |reading| reading.soc = Some(Percent::new(100.5));
    for (what, change, least) in [("sensor", sensor, 12.0), ("SoH", soh, 40.0), ("MOSFET", mos, 40.0), ("SoC", soc, 40.0)] {
        let mut battery = Battery::new(Config::default(), PersistedState::default());
        let mut last = None;
        for second in 1..60 {
            let mut now = reading(3.31);
            change(&mut now);
            last = Some(battery.read(now, LinkStats::default(), at(f64::from(second))));
        }
        let last = last.unwrap();
        assert!(last.limits.ccl.value.get() >= least && last.limits.cvl.value.get() > 55.0, "{what}: {:?}", last.limits);
        assert!(last.reading.soc.is_some() && last.reading.soh.is_none_or(|soh| soh.get() <= 100.0), "{what}");
        let most = if what == "sensor" { 12.5 } else { 50.0 };
        assert!(last.limits.ccl.value.get() <= most, "{what}: {:?}", last.limits);
    }
}

/// A battery that is charged with this current in A and repeats identical values from t = 0 on, except for the effect of `change`.
fn repeating(amps: f64, seconds: u32, change: impl Fn(&mut Reading, u32)) -> (Battery, Vec<Snapshot>) {
    let mut battery = Battery::new(Config::default(), PersistedState::default());
    let course = (0..=seconds).map(|second| {
        let mut said = reading(3.33);
        said.current = Some(Amps::new(amps));
        change(&mut said, second);
        battery.read(said, LinkStats::default(), at(f64::from(second)))
    });
    let course = course.collect();
    (battery, course)
}

#[test]
fn a_bms_that_repeats_itself_under_load_is_silent() {
    // 50 A for 15 minutes, in which a cell rose unobserved from 3.33 to 3.63 V.
    let (mut battery, course) = repeating(50.0, 900, |_, _| {});
    let first = |found: fn(&Snapshot) -> bool| course.iter().position(found);
    assert_eq!(first(|snapshot| snapshot.freshness != Freshness::Fresh), Some(130), "two minutes, and the age of stale data");
    assert_eq!(first(|snapshot| snapshot.limits.ccl.value == Amps::ZERO), Some(149));
    assert_eq!(first(|snapshot| snapshot.cable == Some(Level::Warning)), Some(179));
    assert_eq!(first(|snapshot| snapshot.cable == Some(Level::Alarm)), Some(419));
    let last = course.last().unwrap();
    assert_eq!((last.reading.voltage, last.limits.dcl.value, last.line), (None, Amps::ZERO, LineState::Repeating));
    assert!(last.limits.cvl.value.get() <= 16.0 * 3.33, "{:?}", last.limits);
    let said = battery.take_notices();
    assert_eq!(said.iter().filter(|notice| notice.contains("the very same for two minutes")).count(), 1, "{said:?}");

    // The first changed reading may have been put together from old and new replies: it is back with the second.
    let mut moved = reading(3.34);
    moved.current = Some(Amps::new(49.0));
    let mixed = battery.read(moved.clone(), LinkStats::default(), at(901.0));
    assert_eq!((mixed.reading.voltage, mixed.limits.dcl.value, mixed.line), (None, Amps::ZERO, LineState::Repeating));
    moved.current = Some(Amps::new(48.9));
    let back = battery.read(moved, LinkStats::default(), at(902.0));
    assert_eq!((back.freshness, back.line), (Freshness::Fresh, LineState::Good));
    assert!(back.limits.ccl.value < Amps::new(50.0), "and its limits rise by ramp");
    assert!(battery.take_notices().iter().any(|notice| notice.contains("says something new again")));
}

#[test]
fn what_is_the_same_after_a_gap_has_not_stood_still() {
    let (mut battery, _) = repeating(50.0, 60, |_, _| {});
    let mut said = reading(3.33);
    said.current = Some(Amps::new(50.0));
    assert_eq!(battery.read(said, LinkStats::default(), at(5000.0)).freshness, Freshness::Fresh);
}

#[test]
fn a_bms_that_moves_in_anything_or_rests_is_alive() {
    type Change = fn(&mut Reading, u32);
    let cases: [(&str, f64, Change); 6] = [
        ("at rest", 0.0, |_, _| {}),
        ("under 0.1 C", -27.0, |_, _| {}),
        ("a cell moves by 1 mV every 100 s", 50.0, |r, second| r.cells[3] = Volts::new(3.33 + 0.001 * f64::from(second / 100 % 2))),
        ("current", 50.0, |r, second| r.current = Some(Amps::new(50.0 + 0.01 * f64::from(second / 100 % 2)))),
        ("charge left", 50.0, |r, second| r.remaining = r.remaining.map(|left| left + AmpHours::new(f64::from(second / 72)))),
        ("SoC", 50.0, |r, second| r.soc = Some(Percent::new(50.0 + f64::from(second / 100)))),
    ];
    for (name, amps, change) in cases {
        let (_, course) = repeating(amps, 600, change);
        assert!(course.iter().all(|snapshot| snapshot.freshness == Freshness::Fresh), "{name}");
    }
}
