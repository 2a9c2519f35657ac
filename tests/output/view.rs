//! The view of a battery as JSON: the reading's keys with the same values, and all further keys.

use crate::support::snapshot;

use dbus_bms::model::{BmsSettings, FieldInfo, Freshness, Reading};
use dbus_bms::output::api::{BatteryInfo, InverterOutputs, View, sections};
use serde_json::Value;
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
