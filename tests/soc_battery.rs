//! A battery whose SoC is counted, from the BMS's readings to what it shows, saves and charges by.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use dbus_bms::battery::{Battery, Now, Saved};
use dbus_bms::charge;
use dbus_bms::model::{Alarm, AlarmName, Chemistry, Level, LinkStats, Mode, Reading, Snapshot};
use dbus_bms::soc::{self, SLEW_PCT_PER_S, Source};
use dbus_bms::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use serde_json::json;
use std::time::Duration;

const CAPACITY: f64 = 280.0;

fn counting() -> soc::Config {
    soc::Config { source: Source::Counted, ..soc::Config::default() }
}

fn reading(current: f64, bms: f64, cell: f64) -> Reading {
    Reading {
        voltage: Some(Volts::new(cell * 16.0)),
        current: Some(Amps::new(current)),
        soc: Some(Percent::new(bms)),
        remaining: Some(AmpHours::new(CAPACITY * bms / 100.0)),
        cells: vec![Volts::new(cell); 16],
        cell_count: Some(16),
        temperatures: Some(vec![Celsius::new(21.5)]),
        capacity: Some(AmpHours::new(CAPACITY)),
        charge_fet: Some(true),
        discharge_fet: Some(true),
        alarms: Some(Vec::new()),
        ..Reading::new("jbd", None)
    }
}

fn at(seconds: f64) -> Now {
    Now { at: Moment::from_secs(seconds), unix: None }
}

/// A real battery in small: what is in it, and a BMS whose sensor and SoC are wrong.
struct House {
    /// Charge that is really in it, Ah.
    charge: f64,
    seconds: f64,
    battery: Battery,
    /// What the sensor says of a real current.
    sensor: fn(f64) -> f64,
    shown: Vec<f64>,
    synced: Vec<f64>,
}

/// Time between readings, s.
const PERIOD: f64 = 5.0;

impl House {
    fn new(config: soc::Config, sensor: fn(f64) -> f64) -> Self {
        let charge_config = charge::Config { chemistry: Some(Chemistry::Lfp), ..charge::Config::default() };
        let battery = Battery::new(charge_config, Saved::default()).with_soc(config);
        Self { charge: 0.6 * CAPACITY, seconds: 0.0, battery, sensor, shown: Vec::new(), synced: Vec::new() }
    }

    fn real(&self) -> f64 {
        self.charge / CAPACITY * 100.0
    }

    fn counted(&self) -> f64 {
        self.battery.counted_soc().map_or(f64::NAN, Percent::get)
    }

    /// Lets a current flow; charging, the charger holds 3.45 V per cell and the current falls as the last per cents go in.
    fn flow(&mut self, wanted: f64) -> Snapshot {
        let taken = (CAPACITY - self.charge) * 4.0;
        let current = wanted.min(taken);
        let soc = self.real();
        let cell = if wanted > taken { 3.45 } else { 3.30 - (10.0 - soc).max(0.0) * 0.045 };
        self.charge = (self.charge + current * PERIOD / 3600.0).clamp(0.0, CAPACITY);
        self.seconds += PERIOD;
        let before = self.counted();
        let reading = reading((self.sensor)(current), 60.0, cell);
        let snapshot = self.battery.read(reading, LinkStats::default(), at(self.seconds));
        let syncs = usize::try_from(snapshot.history.automatic_syncs).unwrap();
        if syncs > self.synced.len() {
            self.synced.push(before);
        }
        self.shown.push(snapshot.reading.soc.unwrap().get());
        snapshot
    }

    fn discharge_to(&mut self, soc: f64) {
        while self.real() > soc {
            self.flow(-50.0);
        }
    }

    /// Charges until full and twenty minutes on.
    fn charge_fully(&mut self) {
        while self.real() < 98.0 {
            self.flow(60.0);
        }
        for _ in 0..1200 {
            self.flow(60.0);
        }
    }
}

/// A sensor that is 1 % and half an ampere off.
fn drifting(current: f64) -> f64 {
    current * 1.01 - 0.5
}

#[test]
fn a_drifting_sensor_is_set_right_at_every_full_charge() {
    let mut house = House::new(counting(), drifting);
    let mut worst: f64 = 0.0;
    for _ in 0..4 {
        house.charge_fully();
        assert!((house.counted() - house.real()).abs() < 1.2, "{} {}", house.counted(), house.real());
        house.discharge_to(40.0);
        let error = (house.counted() - house.real()).abs();
        worst = worst.max(error);
        assert!(error > 0.3, "the sensor does drift: {error}");
    }
    assert!(worst < 3.0, "one cycle's drift never adds to the next: {worst}");
    assert_eq!(house.synced.len(), 4, "one synchronisation for each full charge");
    let pace = house.shown.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
    assert!(pace <= SLEW_PCT_PER_S * PERIOD + 1e-9, "{pace}");
}

#[test]
fn the_start_of_float_is_a_full_charge() {
    // A sensor that never shows a current small enough for the rule of voltage and current.
    let mut house = House::new(soc::Config { tail_c: 0.001, ..counting() }, drifting);
    house.charge_fully();
    assert_eq!(house.flow(60.0).limits.mode, Mode::Float);
    assert_eq!(house.synced.len(), 1);
    assert!(house.synced[0] < 98.5 && house.counted() > 99.0, "{:?} {}", house.synced, house.counted());
}

#[test]
fn a_corrected_sensor_does_not_drift() {
    let correction = [-50.0, 0.0, 60.0].map(|real| (drifting(real), real)).to_vec();
    let mut house = House::new(soc::Config { correction: Some(correction), ..counting() }, drifting);
    house.charge_fully();
    house.discharge_to(20.0);
    let snapshot = house.flow(-50.0);
    // Full was said at 99 % by the rule of the small current, and that is all that is wrong.
    assert!((house.counted() - house.real()).abs() < 1.2, "{} {}", house.counted(), house.real());
    assert_eq!(snapshot.reading.current.unwrap().rounded(6), Amps::new(-50.0), "the real current is shown");
    assert_eq!(snapshot.derived.current_avg.unwrap().rounded(1), Amps::new(-50.0));
    assert!(snapshot.reading.power.unwrap().get() < -2600.0);
}

#[test]
fn an_empty_battery_shows_it_however_wrong_the_count() {
    let mut house = House::new(counting(), |current| current * 0.7);
    house.discharge_to(1.0);
    let mut last = house.flow(-50.0);
    for _ in 0..30 {
        last = house.flow(-1.0);
    }
    assert_eq!((house.synced.len(), house.counted() < 0.5), (1, true), "{:?}", house.synced);
    assert!(last.reading.soc.unwrap().get() < 0.5, "{:?}", last.reading.soc);
    assert_eq!(last.derived.bms_soc, Some(Percent::new(60.0)), "the BMS noticed nothing");
}

/// A battery that has counted `counted` % where the BMS says `bms` %.
fn apart(config: charge::Config, counted: f64, bms: f64) -> Battery {
    let saved = json!({"soc": {"count": {
        "charge_ah": counted / 100.0 * CAPACITY, "capacity_ah": CAPACITY, "drift_pct": 1.0, "bms_pct": bms,
    }}});
    Battery::new(config, serde_json::from_value(saved).unwrap()).with_soc(counting())
}

#[test]
fn charge_control_goes_by_the_more_cautious_soc() {
    let by_soc = charge::Config {
        charge_by_soc: Some(vec![(80.0, 1.0), (90.0, 0.2)]),
        discharge_by_soc: Some(vec![(20.0, 0.2), (30.0, 1.0)]),
        ..charge::Config::default()
    };
    let limits = |counted, bms| {
        let mut battery = apart(by_soc.clone(), counted, bms);
        let snapshot = battery.read(reading(0.0, bms, 3.31), LinkStats::default(), at(1.0));
        assert_eq!(snapshot.reading.soc, Some(Percent::new(counted)), "the count is shown from the first reading on");
        (snapshot.limits.ccl.value.get(), snapshot.limits.dcl.value.get())
    };
    assert_eq!(limits(50.0, 50.0), (50.0, 60.0));
    assert_eq!(limits(95.0, 50.0), (10.0, 60.0));
    assert_eq!(limits(50.0, 95.0), (10.0, 60.0));
    assert_eq!(limits(10.0, 50.0), (50.0, 12.0));
    assert_eq!(limits(50.0, 10.0), (50.0, 12.0));
    assert_eq!(limits(95.0, 10.0), (10.0, 12.0));
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut battery = Battery::new(charge::Config::default(), Saved::default()).with_soc(counting());
    for second in 0..3600 {
        battery.read(reading(-28.0, 60.0, 3.31), LinkStats::default(), at(f64::from(second)));
    }
    let before = battery.counted_soc().unwrap().get();
    assert!((before - 50.0).abs() < 0.02, "{before}");
    let file = serde_json::to_string(&battery.saved()).unwrap();
    let saved: Saved = serde_json::from_str(&file).unwrap();
    let mut again = Battery::new(charge::Config::default(), saved.clone()).with_soc(counting());
    for second in 0..10 {
        let snapshot = again.read(reading(0.0, 59.0, 3.31), LinkStats::default(), at(f64::from(second)));
        assert!((snapshot.reading.soc.unwrap().get() - before).abs() < 1e-6);
        assert!((snapshot.derived.consumed.unwrap().get() + CAPACITY * (1.0 - before / 100.0)).abs() < 0.01);
    }
    // Somebody who no longer wants a count gets the BMS's SoC, and no old count when he changes his mind.
    let mut plain = Battery::new(charge::Config::default(), saved);
    let snapshot = plain.read(reading(0.0, 59.0, 3.31), LinkStats::default(), at(1.0));
    assert_eq!(snapshot.reading.soc, Some(Percent::new(59.0)));
    assert_eq!(snapshot.reading.remaining, Some(AmpHours::new(CAPACITY * 0.59)));
    assert_eq!(plain.saved().soc.count, None);
}

#[test]
fn times_are_told_to_the_floor_and_to_the_levels() {
    let config = soc::Config { floor: Percent::new(20.0), levels: vec![10, 50, 80, 100], ..soc::Config::default() };
    let after_an_hour = |current: f64| {
        let mut battery = Battery::new(charge::Config::default(), Saved::default()).with_soc(config.clone());
        for second in 0..3600 {
            battery.read(reading(current, 60.0, 3.31), LinkStats::default(), at(f64::from(second)));
        }
        battery.tick(LinkStats::default(), at(3600.0)).derived
    };
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let drawn = after_an_hour(-28.0);
    assert_eq!(drawn.time_to_go, hours(4), "40 % above the floor");
    assert_eq!(drawn.time_to_soc, [hours(5), hours(1), None, None]);
    let charged = after_an_hour(28.0);
    assert_eq!((charged.time_to_go, charged.time_to_soc), (None, vec![None, None, hours(2), hours(4)]));
    let idle = after_an_hour(0.0);
    assert_eq!((idle.time_to_go, idle.time_to_soc), (None, vec![None; 4]));
}

#[test]
fn a_cloud_does_not_turn_the_time_to_go_over() {
    let mut battery = Battery::new(charge::Config::default(), Saved::default());
    let mut times = Vec::new();
    for second in 0..1200u32 {
        // A kettle for 30 s every five minutes.
        let current = if second % 300 < 30 { -60.0 } else { -10.0 };
        let snapshot = battery.read(reading(current, 60.0, 3.31), LinkStats::default(), at(f64::from(second)));
        times.push(snapshot.derived.time_to_go.unwrap().as_secs_f64());
    }
    let (least, most) = times[600..].iter().fold((f64::MAX, 0.0f64), |(least, most), time| (least.min(*time), most.max(*time)));
    assert!(most / least < 1.5, "momentary currents differ six times, the times {}", most / least);
}

#[test]
fn a_learned_capacity_shows_as_health_and_a_wild_one_does_not() {
    let mut battery = Battery::new(charge::Config::default(), Saved::default());
    let mut read = |second: u32, learned: f64| {
        let reading = Reading { full_charge: Some(AmpHours::new(learned)), ..reading(0.0, 60.0, 3.31) };
        battery.read(reading, LinkStats::default(), at(f64::from(second))).reading.soh
    };
    for second in 0..10 {
        assert_eq!(read(second, 252.0), Some(Percent::new(90.0)));
    }
    assert_eq!(read(10, 100.0), Some(Percent::new(90.0)), "a single wild value is held back like any other");
}

#[test]
fn values_go_when_data_stops_and_the_count_waits() {
    let mut battery = Battery::new(charge::Config::default(), Saved::default()).with_soc(counting());
    for second in 0..60 {
        battery.read(reading(-28.0, 60.0, 3.31), LinkStats::default(), at(f64::from(second)));
    }
    let before = battery.counted_soc();
    let stale = battery.tick(LinkStats::default(), at(75.0));
    assert_eq!(
        (stale.reading.soc, stale.reading.remaining, stale.derived.bms_soc, stale.derived.time_to_go),
        (None, None, None, None)
    );
    let back = battery.read(reading(-28.0, 60.0, 3.31), LinkStats::default(), at(5000.0));
    assert_eq!(back.reading.soc, before, "nothing is counted of the time without data");
    assert!(back.derived.soc_drift.unwrap().get() > 10.0, "but the count is less sure of itself");
}

/// A battery of which the owner says that it has 300 Ah.
fn of_300_ah(config: soc::Config) -> Battery {
    Battery::new(charge::Config { capacity: Some(AmpHours::new(300.0)), ..charge::Config::default() }, Saved::default())
        .with_soc(config)
}

#[test]
fn the_owners_capacity_holds_for_everything_that_follows_from_it() {
    // A JBD that was set to 280 Ah; one that thinks it has 100; one that does not say what is left.
    for bms_capacity in [Some(280.0), Some(100.0), None] {
        for (config, soc, current) in
            [(soc::Config::default(), 100.0, 0.0), (counting(), 50.0, -30.0), (soc::Config::default(), 25.0, -15.0)]
        {
            let mut battery = of_300_ah(config);
            let said = Reading {
                remaining: bms_capacity.map(|capacity| AmpHours::new(capacity * soc / 100.0)),
                capacity: bms_capacity.map(AmpHours::new),
                ..reading(current, soc, 3.31)
            };
            let first = battery.read(said.clone(), LinkStats::default(), at(0.0));
            let left = first.reading.remaining.unwrap().get();
            assert!((left - 3.0 * soc).abs() < 1e-9, "{bms_capacity:?} {soc}: {left}");
            assert_eq!(first.reading.capacity, Some(AmpHours::new(300.0)));
            assert_eq!(first.derived.consumed.map(AmpHours::get), Some(left - 300.0));
            assert_eq!(first.history.deepest_discharge_ah, Some(left - 300.0), "from the first reading on");
            let next = battery.read(said, LinkStats::default(), at(1.0));
            let hours = next.derived.time_to_go.map(|time| time.as_secs_f64() / 3600.0);
            let expected = (current < 0.0).then(|| 3.0 * soc / -current);
            assert!(hours.zip(expected).is_none_or(|(hours, expected)| (hours - expected).abs() < 0.01), "{hours:?} {expected:?}");
            assert_eq!(hours.is_some(), expected.is_some());
        }
    }
    let unknown = Reading { soc: None, ..reading(-10.0, 50.0, 3.31) };
    let snapshot = of_300_ah(soc::Config::default()).read(unknown, LinkStats::default(), at(0.0));
    assert_eq!((snapshot.reading.remaining, snapshot.derived.consumed), (None, None), "its Ah are of another battery");
}

#[test]
fn no_time_to_go_is_told_while_the_battery_charges_or_rests() {
    let mut battery = Battery::new(charge::Config::default(), Saved::default())
        .with_soc(soc::Config { levels: vec![20, 80], ..soc::Config::default() });
    let mut last = |from: u32, current: f64| {
        let mut snapshot = None;
        for second in from..from + 20 {
            snapshot = Some(battery.read(reading(current, 60.0, 3.31), LinkStats::default(), at(f64::from(second))));
        }
        let derived = snapshot.unwrap().derived;
        assert!(derived.current_avg.unwrap() < Amps::ZERO, "on average it still discharges");
        (derived.time_to_go.is_some(), derived.time_to_soc[0].is_some(), derived.time_to_soc[1].is_some())
    };
    assert_eq!(last(0, -40.0), (true, true, false));
    assert_eq!(last(20, 10.0), (false, false, false), "the sun has come out");
    assert_eq!(last(40, 0.0), (false, false, false));
    assert_eq!(last(60, -1.0), (true, true, false));
}

/// The level of the alarm of a low SoC with this SoC shown while the BMS says another, and whether a note tells of it.
fn low_soc(battery: &mut Battery, bms: f64, second: u32) -> (Option<Level>, bool) {
    let alarms = Some(vec![Alarm { name: AlarmName::LowSoc, level: Level::Alarm }]);
    let snapshot = battery.read(Reading { alarms, ..reading(-2.0, bms, 3.31) }, LinkStats::default(), at(f64::from(second)));
    let shown = |alarms: &[Alarm]| alarms.iter().find(|alarm| alarm.name == AlarmName::LowSoc).map(|alarm| alarm.level);
    let level = shown(&snapshot.alarms);
    assert_eq!(level, shown(&snapshot.reading.alarms.unwrap()), "all outputs say the same");
    (level, snapshot.reading.notes.iter().any(|note| note.contains("calls its own state of charge low")))
}

#[test]
fn the_low_soc_alarm_is_about_the_soc_that_is_shown() {
    let config = charge::Config { chemistry: Some(Chemistry::Lfp), ..charge::Config::default() };
    for (counted, bms, rings) in [
        (80.0, 5.0, false),
        (55.0, 5.0, false),
        (21.0, 5.0, false),
        (20.0, 5.0, true),
        (3.0, 5.0, true),
        (30.0, 30.0, true),
        (29.0, 35.0, true),
    ] {
        let mut battery = apart(config.clone(), counted, bms);
        let expected = (rings.then_some(Level::Alarm), !rings);
        for second in 10..20 {
            assert_eq!(low_soc(&mut battery, bms, second), expected, "{counted} % shown, the BMS says {bms} %");
        }
    }
    let mut plain = Battery::new(config, Saved::default());
    assert_eq!(low_soc(&mut plain, 80.0, 0), (Some(Level::Alarm), false), "the BMS's own SoC: it knows why");
}
