//! The guard from outside: what of a reading with a right checksum reaches the snapshot, and what charge control makes of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/reading.rs"]
mod reading;

use dbus_bms::battery::{Battery, Now, Saved};
use dbus_bms::charge::Config;
use dbus_bms::model::{AlarmName, Level, LinkStats, Reading, Snapshot};
use dbus_bms::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use proptest::prelude::*;
use reading::reading;

fn good() -> Reading {
    Reading { remaining: None, temperatures: Some(vec![Celsius::new(21.5), Celsius::new(22.0)]), ..reading(3.31) }
}

struct Seconds(Battery, u32);

impl Seconds {
    fn new() -> Self {
        let mut seconds = Self(Battery::new(Config::default(), Saved::default()), 0);
        for _ in 0..60 {
            seconds.read(good());
        }
        seconds
    }
    fn read(&mut self, reading: Reading) -> Snapshot {
        self.1 += 1;
        self.0.read(reading, LinkStats::default(), Now { at: Moment::from_secs(f64::from(self.1)), unix: None })
    }
}

fn with(change: impl Fn(&mut Reading)) -> Reading {
    let mut reading = good();
    change(&mut reading);
    reading
}

#[test]
fn a_single_nonsense_reading_changes_nothing_and_raises_nothing() {
    type Change = fn(&mut Reading);
    let cases: [(&str, Change); 6] = [
        ("soc", |r| r.soc = Some(Percent::new(3.0))),
        ("voltage", |r| r.voltage = Some(Volts::new(14.4))),
        ("cell", |r| r.cells[3] = Volts::new(3.62)),
        ("cell at zero", |r| r.cells[3] = Volts::ZERO),
        ("temperature", |r| r.temperatures = Some(vec![Celsius::new(100.0), Celsius::new(22.0)])),
        ("cell count", |r| r.cells.truncate(15)),
    ];
    for (name, change) in cases {
        let mut seconds = Seconds::new();
        let before = seconds.read(good());
        let during = seconds.read(with(change));
        let after = seconds.read(good());
        for snapshot in [&during, &after] {
            assert_eq!(snapshot.reading.soc, before.reading.soc, "{name}");
            assert_eq!(snapshot.reading.voltage, before.reading.voltage, "{name}");
            assert_eq!(snapshot.reading.cells, before.reading.cells, "{name}");
            assert_eq!(snapshot.reading.temperatures, before.reading.temperatures, "{name}");
            assert!(snapshot.alarms.is_empty(), "{name}: {:?}", snapshot.alarms);
            assert!(snapshot.limits.ccl.value <= before.limits.ccl.value, "{name}");
        }
        assert_eq!(during.limits.ccl.value, before.limits.ccl.value, "{name}: one doubtful reading does not cut the current");
    }
}

#[test]
fn from_the_second_doubtful_reading_limits_are_cautious() {
    let mut seconds = Seconds::new();
    let high = with(|r| r.cells[3] = Volts::new(3.60));
    assert_eq!(seconds.read(high.clone()).limits.ccl.value.get(), 50.0);
    let second = seconds.read(high.clone());
    assert_eq!(second.limits.ccl.value.get(), 0.0);
    assert_eq!(second.reading.cells[3].get(), 3.31, "still not published");
    let third = seconds.read(high);
    assert_eq!(third.reading.cells[3].get(), 3.60, "three agree: it is true");
}

#[test]
fn a_possible_step_is_accepted_on_its_third_reading_and_by_time() {
    let mut seconds = Seconds::new();
    let sagging = with(|r| {
        r.cells = vec![Volts::new(3.21); 16];
        r.voltage = Some(Volts::new(51.36));
    });
    assert_eq!(seconds.read(sagging.clone()).reading.voltage.unwrap().get(), 52.96);
    assert_eq!(seconds.read(sagging.clone()).reading.voltage.unwrap().get(), 52.96);
    assert_eq!(seconds.read(sagging.clone()).reading.voltage.unwrap().get(), 51.36);

    let mut slow = Seconds::new();
    slow.read(sagging.clone());
    slow.1 += 4; // the next reading is 5 s after the first
    assert_eq!(slow.read(sagging).reading.voltage.unwrap().get(), 51.36);
}

#[test]
fn a_strong_current_that_moves_no_voltage_is_looked_at_twice() {
    let current = |snapshot: Snapshot| snapshot.reading.current.unwrap().get();
    let mut seconds = Seconds::new();
    let surge = |volts: f64| {
        with(|r| {
            r.current = Some(Amps::new(-290.0));
            r.voltage = Some(Volts::new(volts));
        })
    };
    assert_eq!(current(seconds.read(surge(52.96))), -12.5, "nearly 300 A and not a millivolt less");
    assert_eq!(current(seconds.read(good())), -12.5);
    assert_eq!(current(seconds.read(surge(52.45))), -290.0, "1 % less: believed at once");
    let mut seconds = Seconds::new();
    assert_eq!(current(seconds.read(with(|r| r.current = Some(Amps::new(-150.0))))), -150.0, "what a load may draw comes and goes");
}

#[test]
fn the_impossible_is_never_published_however_long_it_stands() {
    let mut seconds = Seconds::new();
    let mut last = None;
    for _ in 0..30 {
        last = Some(seconds.read(with(|r| {
            r.soc = Some(Percent::new(180.0));
            r.temperatures = Some(vec![Celsius::new(-273.1), Celsius::new(22.0)]);
        })));
    }
    let last = last.unwrap();
    assert_eq!(last.reading.soc, None, "unknown, not the value of half a minute ago");
    assert_eq!(last.reading.temperatures, Some(vec![Celsius::new(22.0)]));
    assert!(last.alarms.iter().any(|alarm| alarm.name == AlarmName::SensorFault && alarm.level == Level::Warning));
}

#[test]
fn a_broken_sense_wire_stops_the_battery_and_raises_the_alarm() {
    let mut seconds = Seconds::new();
    let broken = with(|r| r.cells[15] = Volts::ZERO);
    seconds.read(broken.clone());
    let second = seconds.read(broken.clone());
    assert_eq!((second.limits.ccl.value.get(), second.limits.dcl.value.get()), (0.0, 0.0));
    assert!(second.alarms.iter().any(|alarm| alarm.name == AlarmName::BmsInternal && alarm.level == Level::Alarm));
    for _ in 0..20 {
        let later = seconds.read(broken.clone());
        assert_eq!(later.limits.ccl.value.get(), 0.0);
        assert!(later.derived.min_cell.unwrap().0.get() > 3.0, "0 V is not published as the lowest cell");
    }
}

#[test]
fn fets_and_alarms_of_the_bms_are_never_held() {
    let mut seconds = Seconds::new();
    let off = with(|r| {
        r.charge_fet = Some(false);
        r.raise(AlarmName::CellHighVoltage, Level::Alarm);
    });
    let snapshot = seconds.read(off);
    assert_eq!(snapshot.limits.ccl.value.get(), 0.0);
    assert_eq!(snapshot.limits.ccl.why, "BMS forbids charging");
    assert!(snapshot.alarms.iter().any(|alarm| alarm.name == AlarmName::CellHighVoltage));
}

#[test]
fn incomplete_cells_are_unknown_cells() {
    let mut seconds = Seconds::new();
    let snapshot = seconds.read(with(|r| {
        r.cells.truncate(9);
        r.cells_complete = Some(false);
    }));
    assert!(snapshot.reading.cells.is_empty() && snapshot.derived.max_cell.is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever one field of a reading says, in any order, the published values stay within what a battery can be.
    #[test]
    fn nothing_impossible_gets_out(steps in prop::collection::vec((0usize..6, -500.0f64..500.0), 1..60)) {
        let mut seconds = Seconds::new();
        for (field, value) in steps {
            let snapshot = seconds.read(with(|r| match field {
                0 => r.soc = Some(Percent::new(value)),
                1 => r.voltage = Some(Volts::new(value)),
                2 => r.cells[5] = Volts::new(value / 100.0),
                3 => r.temperatures = Some(vec![Celsius::new(value)]),
                4 => r.capacity = Some(AmpHours::new(value)),
                _ => r.soh = Some(Percent::new(value)),
            }));
            let reading = &snapshot.reading;
            prop_assert!(reading.soc.is_none_or(|soc| (0.0..=100.0).contains(&soc.get())));
            prop_assert!(reading.voltage.is_none_or(|v| (1.0..=1000.0).contains(&v.get())));
            prop_assert!(reading.cells.iter().all(|c| c.get() == 0.0 || (0.5..=5.0).contains(&c.get())));
            prop_assert!(reading.temperatures.iter().flatten().all(|t| (-60.0..=120.0).contains(&t.get())));
            for value in [snapshot.limits.cvl.value.get(), snapshot.limits.ccl.value.get(), snapshot.limits.dcl.value.get()] {
                prop_assert!(value.is_finite() && value >= 0.0);
            }
            prop_assert!(snapshot.limits.cvl.value.get() <= 55.2);
        }
    }
}
