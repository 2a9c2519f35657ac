//! Health of the cells, from the readings of a battery to what it publishes.

use crate::support::bad_connection::readings;
use crate::support::snapshot::context;
use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Moment, Percent};
use dbus_bms::battery::{Battery, PersistedState, charge};
use dbus_bms::dbus::{Items, Value};
use dbus_bms::health::Health;
use dbus_bms::model::{ESTIMATED_SOH, FindingKind, LinkStats, Reading, Snapshot};
use dbus_bms::output::api::{BatteryInfo, InverterOutputs, View};
use std::time::Duration;

/// 2026-03-01 00:00 UTC.
const START: u64 = 1_772_323_200;

fn at(second: u64, unix: bool) -> Now {
    Now { at: Moment::new(Duration::from_secs(second)), unix: unix.then_some(START + second) }
}

/// The last snapshot after so many days, and everything that was logged.
fn after(battery: &mut Battery, days: u64, unix: bool) -> (Snapshot, Vec<String>) {
    let mut last = (Snapshot::default(), Vec::new());
    for (second, reading) in readings(days) {
        last.0 = battery.read(reading, LinkStats::default(), at(second, unix));
        last.1.extend(battery.take_notices());
    }
    last
}

fn battery() -> Battery {
    Battery::new(charge::Config::default(), PersistedState::default())
}

fn mentions(texts: &[impl AsRef<str>]) -> usize {
    texts.iter().filter(|text| text.as_ref().contains("cell 7")).count()
}

#[test]
fn a_bad_connection_is_found_said_once_and_remembered() {
    let mut first = battery();
    let (snapshot, said) = after(&mut first, 5, true);
    let health = snapshot.cell_health.as_ref().unwrap();
    let [finding] = health.findings.as_slice() else { panic!("{:?}", health.findings) };
    assert_eq!((finding.kind, finding.cell), (FindingKind::High, Some(6)));
    assert!((START as f64..START as f64 + 4.0 * 86_400.0).contains(&finding.since), "{finding:?}");
    let ratio = health.estimates.cells[6].relative_resistance.unwrap();
    assert!((ratio.value - 2.0).abs() < 3.0 * ratio.sd, "{ratio:?}");
    assert_eq!(mentions(&said), 1, "{said:#?}");
    assert_eq!(mentions(&snapshot.reading.notes), 1, "{:?}", snapshot.reading.notes);
    assert!(snapshot.alarms.is_empty() && snapshot.limits.ccl.value.get() > 0.0, "a finding stops nothing");

    // After a restart it is still there, and not said again.
    let saved = serde_json::to_string(first.health().unwrap()).unwrap();
    println!("saved: {} bytes", saved.len());
    let mut second = battery().with_health(Some(serde_json::from_str(&saved).unwrap()));
    let (snapshot, said) = after(&mut second, 1, true);
    assert_eq!(snapshot.cell_health.unwrap().findings[0].cell, Some(6));
    assert_eq!(mentions(&said), 0, "{said:#?}");
    assert_eq!(mentions(&snapshot.reading.notes), 1);
}

#[test]
fn nothing_is_learned_while_the_clock_is_unknown() {
    let mut battery = battery();
    let (snapshot, _) = after(&mut battery, 1, false);
    assert!(snapshot.cell_health.is_none() && battery.health().is_none());
}

/// A reading of the same values that is not frozen.
fn fifteen_cells(second: u64) -> Reading {
    let mut reading = readings(1).nth((second % 1000) as usize).unwrap().1;
    reading.cells.truncate(15);
    reading.cell_count = Some(15);
    reading
}

#[test]
fn another_battery_begins_anew() {
    let mut battery = battery();
    after(&mut battery, 1, true);
    let learned = |battery: &Battery| battery.health().map(|health| health.cell_count());
    assert_eq!(learned(&battery), Some(16));
    for second in 90_000..90_400 {
        battery.read(fifteen_cells(second), LinkStats::default(), at(second, true));
    }
    assert_eq!(learned(&battery), Some(15));
    // The same cells with another capacity are another battery, too; a corrected capacity is not.
    let capacity = |battery: &Battery| battery.health().unwrap().capacity().get();
    for (from, installed, expected) in [(91_000, 240.0, 280.0), (92_000, 150.0, 150.0)] {
        for second in from..from + 400 {
            let mut reading = fifteen_cells(second);
            reading.capacity = Some(AmpHours::new(installed));
            battery.read(reading, LinkStats::default(), at(second, true));
        }
        assert_eq!(capacity(&battery), expected, "{installed} Ah");
    }
}

/// What took weeks is not lost because a BMS says something else for a minute.
#[test]
fn a_moment_with_other_cells_or_another_capacity_costs_nothing() {
    let mut battery = battery();
    after(&mut battery, 4, true);
    let days = 4 * 86_400;
    for second in days..days + 240 {
        let (_, mut reading) = readings(1).nth((second % 1000) as usize).unwrap();
        match second - days {
            60..120 => {
                reading.cells.truncate(8);
                reading.cell_count = Some(8);
            }
            120..180 => reading.capacity = Some(AmpHours::new(100.0)),
            180..200 => reading.cells.clear(),
            _ => {}
        }
        battery.read(reading, LinkStats::default(), at(second, true));
    }
    let report = battery.health().unwrap().report();
    assert_eq!((report.estimates.cells.len(), report.findings[0].cell), (16, Some(6)), "{:?}", report.findings);
}

/// Estimators that have found 224 of 280 Ah.
fn with_capacity() -> Health {
    let mut battery = battery();
    after(&mut battery, 1, true);
    let mut saved = serde_json::to_value(battery.health().unwrap()).unwrap();
    for cell in saved["cells"].as_array_mut().unwrap() {
        (cell["l"]["w"], cell["l"]["c"]) = (1000.0.into(), 224_000.0.into());
    }
    for side in ["charging", "discharging"] {
        saved["fit"][side] = serde_json::json!({"samples": 1000.0, "deviation": 0.0});
    }
    serde_json::from_value(saved).unwrap()
}

#[test]
fn a_state_of_health_that_the_bms_does_not_know_is_ours_and_says_so() {
    // What the BMS says, what is published, and whether it is ours. 100 % for ever is no knowledge; another value is.
    for (said, published, ours) in [(None, 80.0, true), (Some(100.0), 80.0, true), (Some(97.0), 97.0, false)] {
        let mut battery = battery().with_health(Some(with_capacity()));
        let (_, mut reading) = readings(1).next().unwrap();
        reading.soh = said.map(Percent::new);
        let snapshot = battery.read(reading, LinkStats::default(), at(86_400, true));
        let items = Items::new(&context(), &snapshot);
        assert_eq!(*items.get(items.find("/Soh").unwrap()).unwrap().1, Value::Double(published), "{said:?}");
        let view = View::new(&BatteryInfo::default(), &snapshot, None, InverterOutputs::default());
        let told = serde_json::to_value(view).unwrap();
        assert_eq!(told["soh_pct"], published, "{said:?}");
        let is_marked = told["notes"].as_array().is_some_and(|notes| notes.iter().any(|note| note == ESTIMATED_SOH));
        assert_eq!(is_marked, ours, "{said:?}: {told}");
    }
}
