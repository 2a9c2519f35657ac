//! The view of a battery as JSON: the reading's keys with the same values, and all further keys.

use crate::support::{bad_connection, snapshot};

use dbus_bms::base::units::AmpHours;
use dbus_bms::health::{Health, Observation};
use dbus_bms::model::{BmsSettings, FieldInfo, Freshness, Reading, Snapshot};
use dbus_bms::output::api::{BatteryInfo, InverterOutputs, ShownHealth, View, sections};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

fn info() -> BatteryInfo {
    BatteryInfo { id: "jbd_1".into(), product: "JBD BMS".into(), connection: "Serial ttyUSB0".into(), ..BatteryInfo::default() }
}

#[test]
fn every_key_of_a_reading_stands_in_its_view_with_the_same_value() {
    let snapshot = snapshot::discharging();
    let view = View::new(&info(), &snapshot, Some(Duration::from_millis(340)), InverterOutputs::default());
    let view = serde_json::to_value(&view).unwrap();
    let reading = serde_json::to_value(&snapshot.reading).unwrap();
    for (key, value) in reading.as_object().unwrap() {
        if key == "alarms" {
            continue;
        }
        assert_eq!(&view[key], value, "{key}");
    }
    assert!(reading.as_object().unwrap().len() > 20, "the example says much");
    assert_eq!(view["age_s"], 0.3);
    assert_eq!(view["freshness"], "fresh");
    assert!(view["limits"]["cvl_why"].is_string());
}

#[test]
fn every_field_of_a_reading_and_its_settings_is_a_key_of_the_view() {
    let keys: Vec<_> = sections().into_iter().filter(|(place, ..)| place.is_empty()).flat_map(|(.., rows)| rows).collect();
    let fields = Reading::FIELDS.all().into_iter().chain(BmsSettings::FIELDS.all());
    for FieldInfo { key, unit, doc, .. } in fields {
        let field = keys.iter().find(|known| known.0 == key).unwrap_or_else(|| panic!("{key} is missing"));
        assert_eq!((field.1, field.2), (unit, doc), "{key}");
    }
}

#[test]
fn a_view_is_the_same_after_its_way_as_json() {
    for snapshot in [snapshot::discharging(), snapshot::alarmed(), snapshot::lost()] {
        let view = View::new(&info(), &snapshot, None, InverterOutputs::default());
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<View>(&text).unwrap(), view);
        assert!(!text.contains("null"), "unknown is absent: {text}");
    }
}

/// The health changes every ten minutes, a view is made with every reading.
#[test]
fn health_is_made_anew_only_when_it_changes() {
    let mut estimators = Health::new(16, AmpHours::new(280.0));
    for (second, reading) in bad_connection::readings(1) {
        estimators.update(&Observation::of(second as f64, &reading));
    }
    let mut snapshot = snapshot::discharging();
    let mut shown = ShownHealth::default();
    let mut again = |snapshot: &Snapshot| {
        let view = View::again(&info(), snapshot, None, InverterOutputs::default(), &mut shown);
        assert_eq!(view, View::new(&info(), snapshot, None, InverterOutputs::default()));
        view.health
    };
    assert!(again(&snapshot).is_none());
    snapshot.cell_health = Some(Arc::new(estimators.report()));
    let first = again(&snapshot).unwrap();
    assert!((first.relative_resistance[6].unwrap() - 2.0).abs() < 0.1);
    assert!(first.is_same(&again(&snapshot).unwrap()), "the same for another reading");
    estimators.review();
    snapshot.cell_health = Some(Arc::new(estimators.report()));
    assert!(!first.is_same(&again(&snapshot).unwrap()), "another one after ten minutes");
    snapshot.cell_health = None;
    assert!(again(&snapshot).is_none());
}

#[test]
fn a_view_whose_source_is_silent_says_nothing_that_was_measured() {
    let view = View::new(&info(), &snapshot::alarmed(), None, InverterOutputs::default());
    let silenced = serde_json::to_value(view.silenced(Freshness::Stale, Some(Duration::from_secs(20)))).unwrap();
    let lost = View::new(&info(), &snapshot::lost(), None, InverterOutputs::default());
    let lost = serde_json::to_value(lost).unwrap();
    for key in silenced.as_object().unwrap().keys() {
        assert!(lost.get(key).is_some() || key == "age_s" || key == "cell_count", "{key} is not told of a lost battery");
    }
    assert_eq!((&silenced["freshness"], &silenced["age_s"]), (&Value::from("stale"), &Value::from(20.0)));
    assert!(silenced["limits"].get("ccl_a").is_none());
}
