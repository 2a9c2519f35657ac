//! The announcement to Home Assistant, compared with its documented rules: existing fields, units per device class, and the results
//! of the templates in its template language.

use crate::mqtt::messages::{assert_golden, view};
use crate::support::broker::render;
use crate::support::snapshot;
use dbus_bms::output::mqtt::{ALARMS, Config, Kind, Shape, VALUES, announcement, removal, state};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

const SHAPE: Shape = Shape { cells: 16, sensors: 2 };

fn payload() -> Json {
    let message = announcement(&Config::default(), &view(&snapshot::discharging()), SHAPE);
    assert!(message.retain);
    assert_eq!(message.topic, "homeassistant/device/dbus-bms_jbd_0123456789/config");
    serde_json::from_str(&message.payload).unwrap()
}

fn components(payload: &Json) -> &Map<String, Json> {
    payload["components"].as_object().unwrap()
}

#[test]
fn the_announcement_is_golden() {
    assert_golden("mqtt-home-assistant.json", &format!("{:#}\n", payload()));
    let gone = removal(&Config::default(), "jbd_0123456789");
    assert_eq!(
        (gone.topic.as_str(), gone.payload.as_str(), gone.retain),
        ("homeassistant/device/dbus-bms_jbd_0123456789/config", "", true)
    );
}

/// Device class, its units and state classes: the ones in use, from the developers' documentation of sensor entities.
const SENSORS: [(&str, &[&str], &[&str]); 7] = [
    ("voltage", &["µV", "mV", "V", "kV", "MV"], &["measurement"]),
    ("current", &["A", "mA"], &["measurement"]),
    ("power", &["mW", "W", "kW", "MW", "GW", "TW"], &["measurement"]),
    ("battery", &["%"], &["measurement"]),
    ("temperature", &["°C", "°F", "K"], &["measurement"]),
    ("duration", &["d", "h", "min", "s", "ms", "µs"], &["measurement", "total", "total_increasing"]),
    (
        "energy",
        &["J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh", "GWh", "TWh", "cal", "kcal", "Mcal", "Gcal"],
        &["total", "total_increasing"],
    ),
];
const BINARY_SENSORS: [&str; 3] = ["connectivity", "problem", "running"];
/// Fields of an entity, from the documentation of MQTT sensors and binary sensors.
const FIELDS: [&str; 12] = [
    "platform",
    "name",
    "unique_id",
    "value_template",
    "device_class",
    "entity_category",
    "availability",
    "unit_of_measurement",
    "state_class",
    "suggested_display_precision",
    "options",
    "payload_on",
];

#[test]
fn temperature_sensors_have_their_configured_names() {
    let mut named = snapshot::discharging();
    named.derived.sensor_names = std::sync::Arc::from([String::new(), "Fuse".to_owned()]);
    let message = announcement(&Config::default(), &view(&named), SHAPE);
    let payload: Json = serde_json::from_str(&message.payload).unwrap();
    let names = ["temperatures_c_1", "temperatures_c_2"].map(|key| components(&payload)[key]["name"].clone());
    assert_eq!(names, ["Temperature 1", "Temperature Fuse"]);
}

#[test]
fn every_entity_keeps_the_rules() {
    let payload = payload();
    let roots: Vec<&str> = payload.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(roots, ["availability", "availability_mode", "components", "device", "origin", "state_topic"]);
    assert_eq!(payload["device"]["identifiers"], json!(["dbus-bms_jbd_0123456789"]));
    assert_eq!(payload["device"]["name"], "House");
    assert_eq!(payload["origin"]["name"], "dbus-bms");
    let mut ids = BTreeSet::new();
    for (key, entity) in components(&payload) {
        let text = |field: &str| entity.get(field).map(|value| value.as_str().unwrap());
        for field in entity.as_object().unwrap().keys() {
            assert!(FIELDS.contains(&field.as_str()) || field == "payload_off", "{key}: {field}");
        }
        assert!(ids.insert(text("unique_id").unwrap()) && text("name").is_some(), "{key}");
        assert!(text("entity_category").is_none_or(|category| category == "diagnostic"), "{key}");
        let (class, unit, state) = (text("device_class"), text("unit_of_measurement"), text("state_class"));
        match (text("platform").unwrap(), class) {
            ("binary_sensor", class) => {
                assert!(class.is_none_or(|class| BINARY_SENSORS.contains(&class)), "{key}");
                assert_eq!(
                    (text("payload_on"), text("payload_off"), unit, state),
                    (Some("True"), Some("False"), None, None),
                    "{key}"
                );
            }
            ("sensor", Some("enum")) => {
                assert!(unit.is_none() && state.is_none(), "{key}: an enum has no unit");
                assert!(entity["options"].as_array().unwrap().len() > 1, "{key}");
            }
            ("sensor", Some(class)) => {
                let (_, units, states) =
                    SENSORS.iter().find(|(name, ..)| *name == class).unwrap_or_else(|| panic!("{key}: {class}"));
                assert!(units.contains(&unit.unwrap()) && states.contains(&state.unwrap()), "{key}: {class} {unit:?} {state:?}");
            }
            ("sensor", None) => assert!(unit.is_none_or(|unit| ["Ah", "%"].contains(&unit)), "{key}: {unit:?}"),
            (platform, _) => panic!("{key}: {platform}"),
        }
    }
    assert_eq!(ids.len(), VALUES.len() - 2 + 16 + 2 + 20, "the lists of cells and sensors, and all alarms");
}

#[test]
fn every_alarm_has_an_entity() {
    let listed: BTreeSet<&str> = ALARMS.iter().map(|(alarm, _)| alarm.key()).collect();
    let all: BTreeSet<&str> = dbus_bms::model::AlarmName::ALL.iter().map(|alarm| alarm.key()).collect();
    assert_eq!(listed, all);
}

/// Result of each entity's template in Home Assistant's template language (Jinja) for this state.
fn rendered(state: &Json) -> Map<String, Json> {
    let payload = payload();
    let templates: Map<String, Json> =
        components(&payload).iter().map(|(key, entity)| (key.clone(), entity["value_template"].clone())).collect();
    render(&json!({"templates": templates, "value_json": state}))
}

fn state_of(snapshot: &dbus_bms::model::Snapshot) -> Json {
    serde_json::from_str(&state(&Config::default(), &view(snapshot)).payload).unwrap()
}

#[test]
fn templates_give_the_values_and_unknown_ones_as_unknown() {
    let values = rendered(&state_of(&snapshot::discharging()));
    for (key, expected) in [
        ("voltage_v", "52.8"),
        ("current_a", "-12.5"),
        ("soc_pct", "71.5"),
        ("cell_voltages_v_1", "3.298"),
        ("cell_voltages_v_16", "3.301"),
        ("temperatures_c_2", "24.25"),
        ("limits_ccl_a", "50.0"),
        ("limits_ccl_why", "configured"),
        ("limits_mode", "bulk"),
        ("history_charged_kwh", "1802.5"),
        ("charge_fet", "True"),
        ("balancing", "True"),
        ("connected", "True"),
        ("freshness", "fresh"),
        ("alarm_level", "ok"),
        ("alarm_short_circuit", "False"),
    ] {
        assert_eq!(values[key], expected, "{key}");
    }
    let values = rendered(&state_of(&snapshot::alarmed()));
    for (key, expected) in [
        ("alarm_short_circuit", "True"),
        ("alarm_cell_imbalance", "True"),
        ("alarm_low_soc", "False"),
        ("alarm_level", "alarm"),
        ("charge_fet", "False"),
    ] {
        assert_eq!(values[key], expected, "{key}");
    }
    // Home Assistant interprets `None` as unknown.
    let values = rendered(&state_of(&snapshot::lost()));
    for value in VALUES {
        let key = value.key.replace('.', "_");
        let keys: Vec<String> = values
            .keys()
            .filter(|known| **known == key || matches!(value.kind, Kind::List(_)) && known.starts_with(&key))
            .cloned()
            .collect();
        assert!(!keys.is_empty(), "{key}");
        for key in keys {
            let unknown = values[&key] == "None";
            assert!(unknown != value.always, "{key} of a lost battery is {}", values[&key]);
        }
    }
    assert_eq!(
        (&values["alarm_level"], &values["connected"], &values["limits_dcl_a"]),
        (&"alarm".into(), &"False".into(), &"0.0".into())
    );
    assert_eq!(values["alarm_short_circuit"], "None");
}
