//! The announcement to Home Assistant, compared with its documented rules: existing fields, units per device class, and the results
//! of the templates in its template language.

use crate::mqtt::messages::{assert_golden, config, view};
use crate::support::broker::render;
use crate::support::snapshot;
use dbus_bms::output::api::View;
use dbus_bms::output::mqtt::{ALARMS, Config, Kind, Shape, VALUES, announcement, removal, state};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

const SHAPE: Shape = Shape { cells: 16, sensors: 2, ccl: 100, dcl: 120 };

/// With commands and a page.
fn commanding() -> Config {
    let mut config = Config { commands: true, home_assistant: true, ..config() };
    config.program.page = Some("http://192.168.1.7:8080/".into());
    config
}

/// A battery that accepts these commands.
fn commanded(commands: &[&str]) -> View {
    let mut view = view(&snapshot::discharging()).as_ref().clone();
    view.switches.commands = commands.iter().map(|command| (*command).to_owned().into()).collect();
    view
}

fn payload() -> Json {
    let message = announcement(&commanding(), &commanded(&["charge", "discharge", "override"]), SHAPE, None);
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
    let gone = removal(&config(), "jbd_0123456789");
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
const FIELDS: [&str; 23] = [
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
    "payload_off",
    "enabled_by_default",
    "json_attributes_topic",
    "json_attributes_template",
    "state_topic",
    "command_topic",
    "command_template",
    "payload_press",
    "min",
    "max",
    "step",
];

#[test]
fn temperature_sensors_have_their_configured_names() {
    let mut named = snapshot::discharging();
    named.derived.sensor_names = std::sync::Arc::from([String::new(), "Fuse".to_owned()]);
    let message = announcement(&config(), &view(&named), SHAPE, None);
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
    let mut names = BTreeSet::new();
    let mut removed = Vec::new();
    for (key, entity) in components(&payload) {
        let text = |field: &str| entity.get(field).and_then(Json::as_str);
        let platform = text("platform").unwrap();
        if entity.as_object().unwrap().len() == 1 {
            removed.push(format!("{platform} {key}"));
            continue;
        }
        for field in entity.as_object().unwrap().keys() {
            assert!(FIELDS.contains(&field.as_str()) || field == "mode", "{key}: {field}");
        }
        assert!(ids.insert(text("unique_id").unwrap()), "{key}");
        // Home Assistant makes the entity's id from its name; equal ones would be numbered.
        assert!(names.insert((platform, text("name").unwrap())), "{key}");
        let category = text("entity_category");
        assert!(category.is_none_or(|category| ["diagnostic", "config"].contains(&category)), "{key}");
        // Home Assistant refuses sensors that are a configuration, and shows controls without a category on its start page.
        let is_control = ["switch", "number", "button"].contains(&platform);
        assert_eq!(category == Some("config"), is_control, "{key}");
        assert_eq!(text("command_topic").is_some(), is_control, "{key}");
        let (class, unit, state) = (text("device_class"), text("unit_of_measurement"), text("state_class"));
        let shows_state = platform != "button";
        assert_eq!(text("value_template").is_some(), shows_state, "{key}");
        match (platform, class) {
            ("binary_sensor", class) => {
                assert!(class.is_none_or(|class| BINARY_SENSORS.contains(&class)), "{key}");
                assert_eq!(
                    (text("payload_on"), text("payload_off"), unit, state),
                    (Some("True"), Some("False"), None, None),
                    "{key}"
                );
            }
            ("switch", None) => assert_eq!((text("payload_on"), text("payload_off")), (Some("on"), Some("off")), "{key}"),
            ("number", Some("current")) => {
                assert_eq!((unit, text("mode"), &entity["min"], &entity["step"]), (Some("A"), Some("box"), &json!(0), &json!(0.1)));
                assert_eq!(entity["max"], if key == "limit_ccl" { 100 } else { 120 });
            }
            ("button", None) => assert!(text("payload_press").is_some(), "{key}"),
            ("sensor", Some("enum")) => {
                assert!(unit.is_none() && state.is_none(), "{key}: an enum has no unit");
                assert!(entity["options"].as_array().unwrap().len() > 1, "{key}");
            }
            ("sensor", Some("timestamp")) => assert!(unit.is_none() && state.is_none(), "{key}"),
            ("sensor", Some(class)) => {
                let (_, units, states) =
                    SENSORS.iter().find(|(name, ..)| *name == class).unwrap_or_else(|| panic!("{key}: {class}"));
                assert!(units.contains(&unit.unwrap()) && states.contains(&state.unwrap()), "{key}: {class} {unit:?} {state:?}");
            }
            ("sensor", None) => assert!(unit.is_none_or(|unit| ["Ah", "%"].contains(&unit)), "{key}: {unit:?}"),
            (platform, _) => panic!("{key}: {platform}"),
        }
    }
    assert_eq!(removed, ["switch switch_balance"], "what is not offered any more is removed");
    let controls = 2 + 2 * 2 + 2 + 2;
    assert_eq!(ids.len(), VALUES.len() - 2 + 16 + 2 + 20 + controls, "the lists of cells and sensors, all alarms, controls");
}

#[test]
fn only_what_is_allowed_is_offered() {
    let offered = |config: &Config, commands: &[&str]| {
        let payload: Json = serde_json::from_str(&announcement(config, &commanded(commands), SHAPE, None).payload).unwrap();
        let is_offered = |(_, entity): &(&String, &Json)| entity.get("command_topic").is_some();
        components(&payload).iter().filter(is_offered).map(|(key, _)| key.clone()).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(offered(&config(), &["charge", "override"]), none, "without `mqtt.commands`");
    assert_eq!(offered(&commanding(), &[]), none, "without [commands] of the battery");
    assert_eq!(offered(&commanding(), &["override"]), ["charge_full", "limit_ccl", "limit_clear", "limit_dcl"]);
    assert_eq!(offered(&commanding(), &["balance", "soc"]), ["switch_balance"]);
    let payload = payload();
    let all = components(&payload);
    assert_eq!(all["switch_discharge"]["enabled_by_default"], false, "it makes a house go dark");
    assert_eq!(all["switch_charge"].get("enabled_by_default"), None);
    assert_eq!(all["limit_ccl"]["command_template"], "ccl {{ value }} for 43200");
}

#[test]
fn devices_are_linked_and_say_where_their_page_is() {
    let about = |bank: Option<&str>, config: &Config, mut view: View| {
        view.identity.bank = bank.map(str::to_owned);
        view.device.serial_number = Some("4711".into());
        let message = announcement(config, &view, SHAPE, bank);
        (message.topic, serde_json::from_str::<Json>(&message.payload).unwrap())
    };
    let (_, alone) = about(None, &commanding(), commanded(&[]));
    let device = &alone["device"];
    assert_eq!(device["via_device"], "dbus-bms_program_1a2b3c4d");
    assert_eq!(device["configuration_url"], "http://192.168.1.7:8080/#jbd_0123456789");
    assert_eq!((&device["serial_number"], &device["sw_version"]), (&"4711".into(), &"V2.1".into()));
    let (_, member) = about(Some("bank_house"), &config(), commanded(&[]));
    assert_eq!(member["device"]["via_device"], "dbus-bms_bank_house");
    assert_eq!(member["device"].get("configuration_url"), None, "no page");
    let shown = |payload: &Json| components(payload)["cell_voltages_v_1"].get("enabled_by_default").is_none();
    assert!(shown(&alone) && !shown(&member), "a bank of many cells does not fill the database");
    // Another computer with a topic of its own has its own devices.
    let (topic, shed) = about(None, &Config { topic: "home/shed".into(), ..config() }, commanded(&[]));
    assert_eq!(topic, "homeassistant/device/home_shed_jbd_0123456789/config");
    assert_eq!(shed["device"]["identifiers"], json!(["home_shed_jbd_0123456789"]));
    assert_eq!(shed["availability"][0]["topic"], "home/shed/availability/1a2b3c4d");
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
    let is_of_state = |entity: &&Json| entity.get("value_template").is_some() && entity.get("state_topic").is_none();
    let all = components(&payload).iter().filter(|(_, entity)| is_of_state(entity));
    let templates: Map<String, Json> = all.map(|(key, entity)| (key.clone(), entity["value_template"].clone())).collect();
    render(&json!({"templates": templates, "value_json": state}))
}

fn state_of(snapshot: &dbus_bms::model::Snapshot) -> Json {
    serde_json::from_str(&state(&commanding(), &view(snapshot)).payload).unwrap()
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
        ("switch_charge", "on"),
        ("limit_ccl", "None"),
        ("limit_ccl_until", "None"),
        ("full_requested", "False"),
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
