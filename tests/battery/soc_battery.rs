//! A battery with counted SoC: from the BMS's readings to what it publishes, saves and charges by.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::charge;
use dbus_bms::battery::soc::{self, SLEW_PCT_PER_S, Source};
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{Alarm, AlarmName, Chemistry, Discharges, Fets, Level, LinkStats, Mode, Reading, Snapshot, Temperatures};
use serde_json::json;
use std::time::Duration;

const CAPACITY: f64 = 280.0;

fn counting() -> soc::Config {
    soc::Config { source: Source::Counted, ..soc::Config::default() }
}

thread_local! {
    static TURN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Reading of the BMS. The last cell moves by a tenth of a millivolt from reading to reading: a BMS with identical values under
/// load counts as frozen.
fn reading(current: f64, bms: f64, cell: f64) -> Reading {
    let noise = if TURN.replace(!TURN.get()) { 0.0001 } else { 0.0 };
    let mut cells = vec![Volts::new(cell); 16];
    cells[15] = Volts::new(cell + noise);
    Reading {
        voltage: Some(Volts::new(cell * 16.0)),
        current: Some(Amps::new(current)),
        soc: Some(Percent::new(bms)),
        remaining: Some(AmpHours::new(CAPACITY * bms / 100.0)),
        cells,
        cell_count: Some(16),
        temperatures: Temperatures { sensors: Some(vec![Celsius::new(21.5)]), ..Temperatures::default() },
        capacity: Some(AmpHours::new(CAPACITY)),
        fets: Fets { charge: Some(true), discharge: Some(true), ..Fets::default() },
        alarms: Some(Vec::new()),
        ..Reading::new("jbd", None)
    }
}

fn at(seconds: f64) -> Now {
    Now { at: Moment::from_secs(seconds), unix: None }
}

/// A battery with its actual charge, and a BMS with wrong sensor and SoC.
struct House {
    /// Actual charge, Ah.
    charge: f64,
    seconds: f64,
    battery: Battery,
    /// Reported current for an actual one.
    sensor: fn(f64) -> f64,
    shown: Vec<f64>,
    synced: Vec<f64>,
}

/// Time between readings, s.
const PERIOD: f64 = 5.0;

impl House {
    fn new(config: soc::Config, sensor: fn(f64) -> f64) -> Self {
        let charge_config = charge::Config { chemistry: Some(Chemistry::Lfp), ..charge::Config::default() };
        let battery = Battery::new(charge_config, PersistedState::default()).with_soc(config);
        Self { charge: 0.6 * CAPACITY, seconds: 0.0, battery, sensor, shown: Vec::new(), synced: Vec::new() }
    }

    fn real(&self) -> f64 {
        self.charge / CAPACITY * 100.0
    }

    fn counted(&self) -> f64 {
        self.battery.counted_soc().map_or(f64::NAN, Percent::get)
    }

    /// Applies a current; while charging, the charger holds 3.45 V per cell and the current falls over the last percent.
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

    /// Charges until full, and for another twenty minutes.
    fn charge_fully(&mut self) {
        while self.real() < 98.0 {
            self.flow(60.0);
        }
        for _ in 0..1200 {
            self.flow(60.0);
        }
    }
}

/// A sensor with 1 % and half an ampere of error.
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
    // The rule of the small current declared it full at 99 %, which is the only error.
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

/// A battery with a count of `counted` % while the BMS reports `bms` %.
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
    let mut battery = Battery::new(charge::Config::default(), PersistedState::default()).with_soc(counting());
    for second in 0..3600 {
        battery.read(reading(-28.0, 60.0, 3.31), LinkStats::default(), at(f64::from(second)));
    }
    let before = battery.counted_soc().unwrap().get();
    assert!((before - 50.0).abs() < 0.02, "{before}");
    let file = serde_json::to_string(&battery.persisted_state()).unwrap();
    let saved: PersistedState = serde_json::from_str(&file).unwrap();
    let mut again = Battery::new(charge::Config::default(), saved.clone()).with_soc(counting());
    for second in 0..10 {
        let snapshot = again.read(reading(0.0, 59.0, 3.31), LinkStats::default(), at(f64::from(second)));
        assert!((snapshot.reading.soc.unwrap().get() - before).abs() < 1e-6);
        assert!((snapshot.derived.consumed.unwrap().get() + CAPACITY * (1.0 - before / 100.0)).abs() < 0.01);
    }
    // Without counting, the BMS's SoC is published; enabling it again does not restore the old count.
    let mut plain = Battery::new(charge::Config::default(), saved);
    let snapshot = plain.read(reading(0.0, 59.0, 3.31), LinkStats::default(), at(1.0));
    assert_eq!(snapshot.reading.soc, Some(Percent::new(59.0)));
    assert_eq!(snapshot.reading.remaining, Some(AmpHours::new(CAPACITY * 0.59)));
    assert_eq!(plain.persisted_state().soc.count, None);
}

#[test]
fn times_are_told_to_the_floor_and_to_the_levels() {
    let config = soc::Config { floor: Percent::new(20.0), levels: vec![10, 50, 80, 100], ..soc::Config::default() };
    let after_an_hour = |current: f64| {
        let mut battery = Battery::new(charge::Config::default(), PersistedState::default()).with_soc(config.clone());
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
    let mut battery = Battery::new(charge::Config::default(), PersistedState::default());
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
    let mut battery = Battery::new(charge::Config::default(), PersistedState::default());
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
    let mut battery = Battery::new(charge::Config::default(), PersistedState::default()).with_soc(counting());
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

/// A battery whose owner has configured 300 Ah.
fn of_300_ah(config: soc::Config) -> Battery {
    Battery::new(charge::Config { capacity: Some(AmpHours::new(300.0)), ..charge::Config::default() }, PersistedState::default())
        .with_soc(config)
}

#[test]
fn the_owners_capacity_holds_for_everything_that_follows_from_it() {
    // A JBD set to 280 Ah; one set to 100; one without remaining charge.
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
fn charge_left_that_a_bms_does_not_report_follows_from_soc_and_capacity() {
    let first = |said: Reading, config: soc::Config| {
        let mut battery = Battery::new(charge::Config::default(), PersistedState::default()).with_soc(config);
        battery.read(said.clone(), LinkStats::default(), at(0.0));
        battery.read(said, LinkStats::default(), at(1.0))
    };
    // A JK board with one wire to the host has no register for it.
    let jk = |soc: f64| Reading { remaining: None, ..reading(-28.0, soc, 3.31) };
    for config in [soc::Config::default(), counting()] {
        let snapshot = first(jk(60.0), config);
        assert!((snapshot.reading.remaining.unwrap().get() - CAPACITY * 0.6).abs() < 0.02, "{:?}", snapshot.reading.remaining);
        assert!(snapshot.derived.time_to_go.is_some());
        assert_eq!(snapshot.derived.bms_remaining, None, "the BMS itself tells none");
    }
    let learned = Reading { capacity: None, full_charge: Some(AmpHours::new(250.0)), ..jk(60.0) };
    let snapshot = first(learned.clone(), soc::Config::default());
    assert_eq!(snapshot.reading.remaining.map(AmpHours::get), Some(150.0), "of the capacity that the BMS has measured");
    assert!(snapshot.derived.time_to_go.is_some());
    let told = Reading { remaining: Some(AmpHours::new(100.0)), ..learned };
    assert_eq!(first(told, soc::Config::default()).reading.remaining.map(AmpHours::get), Some(100.0), "what it reports holds");
    for unknown in [Reading { capacity: None, ..jk(60.0) }, Reading { soc: None, ..jk(60.0) }] {
        assert_eq!(first(unknown, soc::Config::default()).reading.remaining, None);
    }
}

/// A battery that is charged or discharged with 140 A, one reading per minute, and told of by its BMS.
struct Cycled {
    battery: Battery,
    seconds: f64,
    soc: f64,
}

impl Cycled {
    fn at(soc: f64) -> Self {
        let mut all = Self { battery: Battery::new(charge::Config::default(), PersistedState::default()), seconds: 0.0, soc };
        all.to(soc);
        all
    }

    /// Moves the SoC; the counters after it.
    fn to(&mut self, soc: f64) -> Discharges {
        let step = 140.0 / 60.0 / CAPACITY * 100.0;
        loop {
            let left = soc - self.soc;
            let change = left.clamp(-step, step);
            self.seconds += 60.0;
            self.soc += change;
            let current = change / step * 140.0;
            let snapshot = self.battery.read(reading(current, self.soc, 3.31), LinkStats::default(), at(self.seconds));
            if (soc - self.soc).abs() < 1e-9 {
                return snapshot.history.discharges;
            }
        }
    }

    /// The driver stops and starts again when the BMS reports this SoC.
    fn restart(&mut self, soc: f64) {
        let file = serde_json::to_string(&self.battery.persisted_state()).unwrap();
        self.battery = Battery::new(charge::Config::default(), serde_json::from_str(&file).unwrap());
        self.soc = soc;
    }
}

#[test]
fn the_average_discharge_is_that_of_whole_cycles() {
    let near = |counted: Discharges, expected: f64| {
        let average = counted.average_ah().unwrap();
        assert!((average - expected).abs() < 3.0, "{average} instead of {expected}");
    };
    let mut pack = Cycled::at(70.0);
    pack.to(50.0);
    assert_eq!(pack.to(92.0).average_ah(), None, "its beginning was not seen");
    pack.to(70.0);
    assert_eq!(pack.to(92.0).average_ah(), None, "not below 65 %");
    assert_eq!(pack.to(52.0).average_ah(), None, "not finished");
    // 22 and 40 % of 280 Ah since it began.
    near(pack.to(92.0), -173.6);
    // A restart goes on: 32 %.
    pack.to(60.0);
    pack.restart(60.0);
    near(pack.to(92.0), -131.6);
    // What was drawn meanwhile is unknown.
    pack.to(60.0);
    pack.restart(30.0);
    assert_eq!(pack.to(92.0).cycles, 2);
    pack.battery.clear_history();
    assert_eq!(pack.to(92.0).average_ah(), None);
}

#[test]
fn a_full_discharge_is_an_soc_that_fell_to_0() {
    let mut pack = Cycled::at(0.0);
    assert_eq!(pack.to(0.0).full, None, "it was empty before");
    assert_eq!(pack.to(10.0).full, Some(0));
    assert_eq!(pack.to(0.0).full, Some(1));
    pack.to(3.0);
    pack.restart(3.0);
    assert_eq!(pack.to(0.0).full, Some(1), "still the same one");
    pack.to(6.0);
    assert_eq!(pack.to(0.0).full, Some(2));
}

#[test]
fn no_time_to_go_is_told_while_the_battery_charges_or_rests() {
    let mut battery = Battery::new(charge::Config::default(), PersistedState::default())
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

/// Level of the low-SoC alarm with this published SoC while the BMS reports another, and whether a note explains it.
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
        // It is raised when two readings agree.
        low_soc(&mut battery, bms, 9);
        for second in 10..20 {
            assert_eq!(low_soc(&mut battery, bms, second), expected, "{counted} % shown, the BMS says {bms} %");
        }
    }
    let mut plain = Battery::new(config, PersistedState::default());
    low_soc(&mut plain, 80.0, 0);
    assert_eq!(low_soc(&mut plain, 80.0, 1), (Some(Level::Alarm), false), "the BMS's own SoC: it knows why");
}

/// The levels of the low-SoC alarm while the BMS reports these SoCs, without an alarm of its own.
fn levels(config: soc::Config, shown: &[f64]) -> Vec<Option<Level>> {
    let mut battery = Battery::new(charge::Config::default(), PersistedState::default()).with_soc(config);
    let read = |(second, soc): (u32, &f64)| {
        let snapshot = battery.read(reading(-2.0, *soc, 3.31), LinkStats::default(), at(f64::from(second)));
        snapshot.alarms.iter().find(|alarm| alarm.name == AlarmName::LowSoc).map(|alarm| alarm.level)
    };
    (1..).zip(shown).map(read).collect()
}

fn thresholds(warning: Option<f64>, alarm: Option<f64>) -> soc::Config {
    let percent = |value: Option<f64>| value.map(Percent::new);
    soc::Config { low_warning: percent(warning), low_alarm: percent(alarm), ..soc::Config::default() }
}

#[test]
fn own_thresholds_raise_the_low_soc_alarm_of_a_bms_that_has_none() {
    let (warning, alarm) = (Some(Level::Warning), Some(Level::Alarm));
    let falling = [14.0, 13.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 8.0, 10.0, 11.0, 12.0, 14.0, 15.0];
    let expected = [None, None, warning, warning, warning, warning, alarm, alarm, alarm, alarm, warning, warning, warning, None];
    assert_eq!(levels(thresholds(Some(12.0), Some(8.0)), &falling), expected, "with 2 % of hysteresis on the way up");
    let only_warning = levels(thresholds(Some(12.0), Some(0.0)), &falling);
    assert!(!only_warning.contains(&alarm) && only_warning.contains(&warning), "0 is never: {only_warning:?}");
    let only_alarm = levels(thresholds(None, Some(8.0)), &falling);
    assert!(only_alarm.contains(&alarm) && !only_alarm.contains(&warning), "{only_alarm:?}");
    assert_eq!(levels(soc::Config::default(), &[1.0, 0.0]), [None, None], "without thresholds the BMS decides");
    assert_eq!(levels(thresholds(Some(0.0), Some(0.0)), &[1.0, 0.0]), [None, None]);
}

#[test]
fn own_thresholds_replace_the_alarm_of_the_bms_and_follow_the_soc_that_is_shown() {
    let config = charge::Config { chemistry: Some(Chemistry::Lfp), ..charge::Config::default() };
    for (counted, bms, expected) in [(80.0, 5.0, None), (18.0, 80.0, Some(Level::Warning)), (7.0, 80.0, Some(Level::Alarm))] {
        let mut battery = apart(config.clone(), counted, bms);
        battery.reconfigure(config.clone(), soc::Config { source: Source::Counted, ..thresholds(Some(20.0), Some(10.0)) });
        for second in 9..20 {
            assert_eq!(low_soc(&mut battery, bms, second).0, expected, "{counted} % shown, the BMS says {bms} %");
        }
    }
    let mut battery = Battery::new(config, PersistedState::default()).with_soc(thresholds(Some(20.0), None));
    let said = (0..10).map(|second| {
        let alarms = Some(vec![Alarm { name: AlarmName::LowSoc, level: Level::Alarm }]);
        battery.read(Reading { alarms, ..reading(-2.0, 60.0, 3.31) }, LinkStats::default(), at(f64::from(second)))
    });
    let last = said.last().unwrap();
    assert_eq!(last.alarms, [], "60 % is not low");
    assert!(last.reading.notes.iter().any(|note| note.contains("the configured thresholds decide")), "{:?}", last.reading.notes);
}
