//! Temperature sensors that the owner names, corrects or keeps out of the limits.

use crate::support::reading;

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{Celsius, Moment};
use dbus_bms::battery::charge::filter::Filter;
use dbus_bms::battery::charge::{Config, SensorConfig, SensorNames};
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{Alarm, AlarmName, Level, LinkStats, Reading, Snapshot, Temperatures};
use reading::reading;
use serde_json::{Value, json};

const FULL: [f64; 2] = [50.0, 60.0];

fn sensors(ignored: &[u8]) -> SensorConfig {
    let names = SensorNames(vec!["Cells".to_owned(), String::new(), "Fuse".to_owned()]);
    SensorConfig { names, ignored: ignored.to_vec(), ..SensorConfig::default() }
}

struct Seconds(Battery, u32);

impl Seconds {
    fn new(sensors: SensorConfig) -> Self {
        Self(Battery::new(Config { sensors, ..Config::default() }, PersistedState::default()), 0)
    }
    fn read(&mut self, reading: Reading) -> Snapshot {
        self.1 += 1;
        self.0.read(reading, LinkStats::default(), Now { at: Moment::from_secs(f64::from(self.1)), unix: None })
    }
    /// The last snapshot of so many seconds with these temperatures.
    fn last(&mut self, seconds: u32, temperatures: &[f64]) -> Snapshot {
        let reading = at(temperatures);
        (1..seconds).for_each(|_| drop(self.read(reading.clone())));
        self.read(reading)
    }
}

fn at(temperatures: &[f64]) -> Reading {
    Reading {
        temperatures: Temperatures {
            sensors: Some(temperatures.iter().copied().map(Celsius::new).collect()),
            ..Temperatures::default()
        },
        ..reading(3.31)
    }
}

fn currents(snapshot: &Snapshot) -> [f64; 2] {
    [snapshot.limits.ccl.value.get(), snapshot.limits.dcl.value.get()]
}

#[test]
fn a_hot_fuse_that_is_ignored_is_shown_and_stops_nothing() {
    let mut counting = Seconds::new(sensors(&[]));
    assert_eq!(currents(&counting.last(90, &[21.5, 22.0, 58.0])), [0.0, 0.0]);

    let mut ignoring = Seconds::new(sensors(&[3]));
    let last = ignoring.last(90, &[21.5, 22.0, 58.0]);
    assert_eq!(currents(&last), FULL, "{:?}", last.limits);
    assert_eq!(last.reading.temperatures.sensors.as_ref().unwrap()[2], Celsius::new(58.0));
    assert_eq!(last.derived.max_temperature, Some((Celsius::new(22.0), 2)));
    assert_eq!(last.derived.temperature, Some(Celsius::new(21.8)), "the mean of the cells");
    assert_eq!((&last.derived.ignored_sensors[..], &last.derived.sensor_names[2]), (&[3][..], &"Fuse".to_owned()));
    assert_eq!((last.alarms, last.reading.notes), (Vec::new(), Vec::new()));
    let said = ignoring.0.take_notices();
    let wanted = "temperature sensor 3 (Fuse) is ignored as configured: it is shown, but limits nothing";
    assert_eq!(said.iter().filter(|notice| *notice == wanted).count(), 1, "{said:?}");
}

#[test]
fn an_ignored_sensor_may_jump_break_or_drop_out() {
    let mut seconds = Seconds::new(sensors(&[3]));
    seconds.last(60, &[21.5, 22.0, 58.0]);
    let jumped = seconds.read(at(&[21.5, 22.0, 20.0]));
    assert_eq!(currents(&jumped), FULL);
    let broken = seconds.last(60, &[21.5, 22.0, -200.0]);
    assert_eq!((currents(&broken), broken.alarms), (FULL, Vec::new()));
    assert_eq!(broken.derived.sensors, [Some(Celsius::new(21.5)), Some(Celsius::new(22.0)), None]);
    let gone = seconds.last(60, &[21.5, 22.0]);
    assert_eq!((currents(&gone), gone.alarms), (FULL, Vec::new()));
    let said = seconds.0.take_notices();
    assert!(!said.iter().any(|notice| notice.contains("impossible") || notice.contains("tells nothing")), "{said:?}");
}

#[test]
fn what_the_others_miss_limits_as_ever() {
    let mut seconds = Seconds::new(sensors(&[3]));
    seconds.last(60, &[21.5, 22.0, 58.0]);
    let missing = seconds.last(60, &[22.0, 58.0]);
    assert_eq!(currents(&missing), [12.5, 15.0], "{:?}", missing.limits);
    assert_eq!(missing.alarms, [Alarm { name: AlarmName::SensorFault, level: Level::Warning }]);
    let cold = Seconds::new(sensors(&[3])).last(60, &[-1.0, 22.0, 58.0]);
    assert_eq!(currents(&cold)[0], 0.0);
}

#[test]
fn a_battery_whose_sensors_are_all_ignored_is_limited_by_all_and_says_so() {
    let mut seconds = Seconds::new(sensors(&[1, 2, 3]));
    let hot = seconds.last(90, &[21.5, 22.0, 58.0]);
    assert_eq!(currents(&hot), [0.0, 0.0], "{:?}", hot.limits);
    assert!(hot.derived.ignored_sensors.is_empty());
    assert!(hot.reading.notes.iter().any(|note| note.contains("all of them count")), "{:?}", hot.reading.notes);
    let said = seconds.0.take_notices();
    assert_eq!(said.iter().filter(|notice| notice.contains("remove one from the list")).count(), 1, "{said:?}");
}

#[test]
fn a_number_that_no_sensor_has_is_named() {
    let mut seconds = Seconds::new(sensors(&[3]));
    assert_eq!(currents(&seconds.last(90, &[21.5, 58.0])), [0.0, 0.0]);
    let said = seconds.0.take_notices();
    assert!(said.iter().any(|notice| notice.contains("names sensor 3, but the BMS has 2")), "{said:?}");
}

#[test]
fn corrections_count_for_limits_and_for_what_is_shown() {
    let corrected = SensorConfig { offsets: vec![-3.5], mos_offset: 15.0, ..sensors(&[]) };
    let reading = Reading {
        temperatures: Temperatures { mos: Some(Celsius::new(60.0)), ..at(&[3.1, 22.0]).temperatures },
        ..at(&[3.1, 22.0])
    };
    let mut seconds = Seconds::new(corrected.clone());
    let last = (0..60).map(|_| seconds.read(reading.clone())).last().unwrap();
    assert_eq!(last.reading.temperatures.sensors, Some(vec![Celsius::new(-0.4), Celsius::new(22.0)]));
    assert_eq!(last.derived.min_temperature, Some((Celsius::new(-0.4), 1)));
    assert_eq!(last.reading.temperatures.mos, Some(Celsius::new(75.0)));
    assert_eq!(currents(&last)[0], 0.0, "below freezing: {:?}", last.limits);
    assert_eq!(last.limits.dcl.why, "battery temperature");
    let mut warm = Seconds::new(SensorConfig { offsets: Vec::new(), ..corrected });
    assert!(currents(&(0..60).map(|_| warm.read(reading.clone())).last().unwrap())[0] > 0.0);
}

#[test]
fn a_changed_configuration_counts_at_once() {
    let mut seconds = Seconds::new(sensors(&[3]));
    assert_eq!(currents(&seconds.last(60, &[21.5, 22.0, 58.0])), FULL);
    seconds.0.reconfigure(Config::default(), dbus_bms::battery::soc::Config::default());
    assert_eq!(currents(&seconds.last(1, &[21.5, 22.0, 58.0])), [0.0, 0.0]);
}

#[test]
fn the_limits_command_goes_by_the_same_sensors() {
    let ccl = |sensors: SensorConfig, temperatures: [f64; 3], mos: f64| {
        let mut filter = Filter::new(Config { sensors, ..Config::default() });
        let line = json!({"t": 0, "cells": vec![3.31; 16], "temperatures": temperatures, "mos_temperature": mos});
        let answer: Value = serde_json::from_str(&filter.line(&line.to_string()).unwrap().0).unwrap();
        answer["ccl"].as_f64().unwrap()
    };
    let corrected = |offset: f64| SensorConfig { offsets: vec![offset], ..sensors(&[3]) };
    assert_eq!(ccl(sensors(&[]), [21.0, 22.0, 58.0], 30.0), 0.0);
    assert_eq!(ccl(sensors(&[3]), [21.0, 22.0, 58.0], 30.0), 50.0);
    assert_eq!(ccl(sensors(&[1, 2, 3]), [21.0, 22.0, 58.0], 30.0), 0.0, "all of them count");
    assert_eq!([ccl(corrected(-22.0), [21.0, 22.0, 58.0], 30.0), ccl(corrected(-10.0), [21.0, 22.0, 58.0], 30.0)], [0.0, 50.0]);
    assert_eq!(ccl(SensorConfig { mos_offset: 20.0, ..sensors(&[3]) }, [21.0, 22.0, 58.0], 70.0), 0.0);
}
