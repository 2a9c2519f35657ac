//! The Silence table of the contract, at its times, in simulated time: what a battery shows when its data stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/reading.rs"]
mod reading;

use dbus_bms::battery::{Battery, Now, Saved};
use dbus_bms::charge::{Config, Silence};
use dbus_bms::model::{Freshness, Level, LineState, LinkStats, Reading, Snapshot};
use dbus_bms::units::{Amps, Celsius, Moment, Percent, Volts};
use reading::reading;

fn at(seconds: f64) -> Now {
    Now { at: Moment::from_secs(seconds), unix: None }
}

#[test]
fn a_battery_that_was_never_read_may_nothing() {
    let mut battery = Battery::new(Config { cells: Some(16), ..Config::default() }, Saved::default());
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

/// A battery that was read once a second for ten seconds; its last reading is at t = 0 of the returned times.
struct Silenced(Battery);

impl Silenced {
    fn new(config: Config, cell: f64) -> Self {
        let mut battery = Battery::new(config, Saved::default());
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
    let mut battery = Battery::new(Config::default(), Saved::default());
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

/// Seconds of good readings, two of `glitch`, good ones again: the lowest CVL, and the limits 60 s after it.
fn glitch(change: impl Fn(&mut Reading)) -> (f64, [f64; 3]) {
    let mut battery = Battery::new(Config::default(), Saved::default());
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
    let sensor: Change = |reading| reading.temperatures = Some(vec![Celsius::new(215.0), Celsius::new(22.0)]);
    let soh: Change = |reading| reading.soh = Some(Percent::new(101.5));
    let mos: Change = |reading| reading.mos_temperature = Some(Celsius::new(-200.0));
    let soc: Change = |reading| reading.soc = Some(Percent::new(100.5));
    for (what, change, least) in [("sensor", sensor, 12.0), ("SoH", soh, 40.0), ("MOSFET", mos, 40.0), ("SoC", soc, 40.0)] {
        let mut battery = Battery::new(Config::default(), Saved::default());
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
