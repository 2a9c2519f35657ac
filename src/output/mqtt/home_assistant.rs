//! Announces a battery to Home Assistant: one retained message for the device with all its entities (device discovery, Home
//! Assistant 2024.11 and newer). An empty message removes them.

use super::config::Config;
use super::message::{Shape, base, level};
use super::values::{Kind, Number, VALUES, Value};
use crate::link::mqtt::Message;
use crate::model::AlarmName;
use crate::output::api::{Kind as ViewKind, View};
use serde_json::{Map, Value as Json, json};

/// The names of the alarms' entities.
pub const ALARMS: [(AlarmName, &str); 20] = [
    (AlarmName::CellHighVoltage, "Cell voltage high"),
    (AlarmName::CellLowVoltage, "Cell voltage low"),
    (AlarmName::HighVoltage, "Voltage high"),
    (AlarmName::LowVoltage, "Voltage low"),
    (AlarmName::HighTemperature, "Temperature high"),
    (AlarmName::LowTemperature, "Temperature low"),
    (AlarmName::HighChargeTemperature, "Temperature high for charging"),
    (AlarmName::LowChargeTemperature, "Temperature low for charging"),
    (AlarmName::HighMosTemperature, "MOSFET temperature high"),
    (AlarmName::HighChargeCurrent, "Charge current high"),
    (AlarmName::HighDischargeCurrent, "Discharge current high"),
    (AlarmName::ShortCircuit, "Short circuit"),
    (AlarmName::CellImbalance, "Cells imbalanced"),
    (AlarmName::LowSoc, "State of charge low"),
    (AlarmName::BmsInternal, "BMS failure"),
    (AlarmName::ChargeFetFault, "Charge FET failure"),
    (AlarmName::DischargeFetFault, "Discharge FET failure"),
    (AlarmName::SensorFault, "Sensor failure"),
    (AlarmName::Communication, "Communication failure"),
    (AlarmName::Contactor, "Contactor failure"),
];

/// Topic of a battery's announcement.
pub(super) fn topic(config: &Config, id: &str) -> String {
    format!("{}/device/dbus-bms_{}/config", config.home_assistant_prefix, level(id))
}

/// Removes a battery.
pub fn removal(config: &Config, id: &str) -> Message {
    Message::retained(topic(config, id), "")
}

/// Announces a battery; `shape` gives the lengths of its lists.
pub fn announcement(config: &Config, view: &View, shape: Shape) -> Message {
    let device = level(&view.identity.id);
    let base = base(config, &view.identity.id);
    let program = json!({"topic": config.availability()});
    let payload = json!({
        "device": about(view),
        "origin": {"name": env!("CARGO_PKG_NAME"), "sw_version": env!("CARGO_PKG_VERSION")},
        "state_topic": format!("{base}/state"),
        "availability": [program.clone(), {"topic": format!("{base}/availability")}],
        "availability_mode": "all",
        "components": components(&device, &program, view, shape),
    });
    Message::retained(topic(config, &view.identity.id), payload.to_string())
}

/// The device as shown by Home Assistant.
pub(super) fn about(view: &View) -> Json {
    let mut device = Map::new();
    device.extend([
        ("identifiers".to_owned(), json!([format!("dbus-bms_{}", level(&view.identity.id))])),
        ("name".to_owned(), view.identity.name.as_str().into()),
    ]);
    let model = if view.identity.kind == ViewKind::Bank { Some("Battery bank") } else { view.device.model.as_deref() };
    let known = [
        ("manufacturer", view.identity.bms.as_deref().and_then(family_label)),
        ("model", model),
        ("serial_number", view.device.serial_number.as_deref()),
        ("hw_version", view.device.hw_version.as_deref()),
        ("sw_version", view.device.sw_version.as_deref()),
    ];
    device.extend(known.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))));
    Json::Object(device)
}

fn family_label(family: &str) -> Option<&'static str> {
    crate::bms::DRIVERS.iter().find(|driver| driver.name == family).map(|driver| driver.label)
}

/// All entities of the battery `device`.
fn components(device: &str, program: &Json, view: &View, shape: Shape) -> Map<String, Json> {
    let mut all = Map::new();
    let mut add = |key: &str, mut entity: Map<String, Json>, diagnostic: bool, always: bool| {
        let key = key.replace('.', "_");
        entity.extend([("unique_id".to_owned(), format!("dbus-bms_{device}_{key}").into())]);
        if diagnostic {
            entity.extend([("entity_category".to_owned(), "diagnostic".into())]);
        }
        if always {
            entity.extend([("availability".to_owned(), json!([program]))]);
        }
        all.extend([(key, Json::Object(entity))]);
    };
    for value in VALUES {
        let Value { key, name, diagnostic, always, .. } = *value;
        match value.kind {
            Kind::List(number) => {
                for place in 0..shape.length(key) {
                    let template = format!("{{{{ value_json.{key}[{place}] | default(none) }}}}");
                    let own =
                        view.temperatures.temperature_names.get(place).filter(|own| key == "temperatures_c" && !own.is_empty());
                    let name = own.map_or_else(|| format!("{name} {}", place + 1), |own| format!("{name} {own}"));
                    let entity = number_sensor(&name, &template, number);
                    add(&format!("{key}_{}", place + 1), entity, diagnostic, always);
                }
            }
            Kind::Number(number) => add(key, number_sensor(name, &template(key), number), diagnostic, always),
            Kind::Flag(class) => add(key, flag_sensor(name, &template(key), class), diagnostic, always),
            Kind::Word(words) => {
                let mut entity = entity("sensor", name, &template(key));
                entity.extend([("device_class".to_owned(), "enum".into()), ("options".to_owned(), json!(words))]);
                add(key, entity, diagnostic, always);
            }
            Kind::Text => add(key, entity("sensor", name, &template(key)), diagnostic, always),
        }
    }
    for (alarm, name) in ALARMS {
        let word = alarm.key();
        let template = format!(
            "{{{{ none if value_json.alarms is none else '{word}' in (value_json.alarms | map(attribute='name') | list) }}}}"
        );
        add(&format!("alarm_{word}"), flag_sensor(name, &template, Some("problem")), true, false);
    }
    all
}

fn template(key: &str) -> String {
    format!("{{{{ value_json.{key} | default(none) }}}}")
}

fn entity(platform: &str, name: &str, template: &str) -> Map<String, Json> {
    let facts = [("platform", platform), ("name", name), ("value_template", template)];
    facts.into_iter().map(|(key, text)| (key.to_owned(), text.into())).collect()
}

fn number_sensor(name: &str, template: &str, number: Number) -> Map<String, Json> {
    let mut entity = entity("sensor", name, template);
    let known = [("device_class", number.class), ("unit_of_measurement", number.unit), ("state_class", Some(number.state))];
    entity.extend(known.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))));
    entity.extend([("suggested_display_precision".to_owned(), number.decimals.into())]);
    entity
}

/// The template returns `True` or `False`, as in Home Assistant's template language, or `None` for unknown.
fn flag_sensor(name: &str, template: &str, class: Option<&str>) -> Map<String, Json> {
    let mut entity = entity("binary_sensor", name, template);
    let known = [("device_class", class), ("payload_on", Some("True")), ("payload_off", Some("False"))];
    entity.extend(known.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))));
    entity
}
