//! `docs/mqtt.md` lists what is published: values, devices and examples as in the code.

use crate::mqtt::messages::{config, numbers, view};
use crate::support::snapshot;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::json::SCHEMA;
use dbus_bms::output::domoticz::{DEVICES, updates};
use dbus_bms::output::mqtt::{self, Kind, Shape, VALUES, announcement, berrybms, jk_pylon, single_values, state};
use serde_json::Value as Json;
use std::fmt::Write as _;
use std::sync::Arc;

const DOC: &str = "docs/mqtt.md";

fn values() -> String {
    let mut table =
        "| key in the state | topic of its own | example | meaning | when the data is old |\n|---|---|---|---|---|\n".to_owned();
    let view = view(&snapshot::discharging());
    let singles = single_values(&config(), &view, Shape { cells: 16, sensors: 2, ..Shape::default() });
    for value in VALUES {
        let end = value.key.replace('.', "/");
        let topic = format!("dbus-bms/jbd_0123456789/{end}");
        let single = singles.iter().find(|single| single.topic == topic || single.topic == format!("{topic}/1")).unwrap();
        let (end, unit) = match value.kind {
            Kind::List(number) => (format!("{end}/1` …"), number.unit),
            Kind::Number(number) => (format!("{end}`"), number.unit),
            _ => (format!("{end}`"), None),
        };
        let name = if matches!(value.kind, Kind::List(_)) { format!("{} by number", value.name) } else { value.name.to_owned() };
        let meaning = unit.map_or(name.clone(), |unit| format!("{name}, {unit}"));
        let old = if value.always { "published" } else { "`null`" };
        writeln!(table, "| `{}` | `{end} | {} | {meaning} | {old} |", value.key, single.payload).unwrap();
    }
    table
}

/// The keys of a battery from MQTT.
fn battery() -> String {
    let mut table = "| key | or | value | meaning |\n|---|---|---|---|\n".to_owned();
    for key in SCHEMA {
        let names: Vec<_> = key.names.iter().map(|name| format!("`{name}`")).collect();
        let (first, others) = names.split_first().unwrap();
        writeln!(table, "| {first} | {} | {} | {} |", others.join(", "), key.form, key.doc).unwrap();
    }
    table
}

/// What our own JSON says about a battery can be fed in again.
#[test]
fn every_key_of_a_reading_is_understood() {
    use dbus_bms::model::{BmsSettings, Reading};
    let known = |key: &str| SCHEMA.iter().any(|own| own.names.first() == Some(&key));
    for field in Reading::FIELDS.all().into_iter().chain(BmsSettings::FIELDS.all()) {
        assert!(known(field.key), "{}", field.key);
    }
}

fn devices() -> String {
    let mut table =
        "| setting in `[domoticz.idx]` | device to create in Domoticz | example of `svalue` |\n|---|---|---|\n".to_owned();
    let all = updates(&view(&snapshot::discharging()), &numbers());
    for (device, number) in DEVICES.iter().zip(1u32..) {
        let update = all.iter().find(|update| update.idx == number).unwrap();
        let key = device.key.rsplit('.').next().unwrap();
        writeln!(table, "| `{key}` | {} | `{}` |", device.device, update.svalue).unwrap();
    }
    table
}

/// One entity of each kind.
fn entities() -> String {
    let payload =
        announcement(&config(), &view(&snapshot::discharging()), Shape { cells: 16, sensors: 2, ..Shape::default() }, None).payload;
    let mut payload: Json = serde_json::from_str(&payload).unwrap();
    let shown = ["voltage_v", "cell_voltages_v_1", "charge_fet", "limits_ccl_a", "alarm_short_circuit"];
    payload["components"].as_object_mut().unwrap().retain(|key, _| shown.contains(&key.as_str()));
    format!("```json\n{payload:#}\n```\n")
}

fn examples() -> String {
    let (config, view) = (config(), view(&snapshot::discharging()));
    let views = [Arc::clone(&view)];
    let mut text = "```text\n".to_owned();
    let messages = [state(&config, &view)].into_iter().chain(berrybms(&views, &[], Moment::default())).chain(jk_pylon(&views));
    let domoticz = updates(&view, &numbers()).first().map(mqtt::domoticz);
    for message in messages.chain(domoticz) {
        writeln!(text, "{} {}", message.topic, message.payload).unwrap();
    }
    text + "```\n"
}

#[test]
fn the_page_says_what_the_code_does() {
    let path = format!("{}/{DOC}", env!("CARGO_MANIFEST_DIR"));
    let mut doc = std::fs::read_to_string(&path).unwrap();
    for (name, text) in
        [("values", values()), ("battery", battery()), ("devices", devices()), ("entities", entities()), ("examples", examples())]
    {
        let (start, end) = (format!("<!-- generated: {name} -->\n"), "<!-- end of generated -->".to_owned());
        let (before, rest) = doc.split_once(&start).unwrap_or_else(|| panic!("no {start}"));
        let (written, after) = rest.split_once(&end).unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_none() {
            assert_eq!(written, text, "UPDATE_GOLDEN=1 cargo test --test output document writes it anew");
        }
        doc = format!("{before}{start}{text}{end}{after}");
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, doc).unwrap();
    }
}

#[test]
fn every_setting_is_on_the_page() {
    let doc = std::fs::read_to_string(format!("{}/{DOC}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let keys = dbus_bms::config::schema::KEYS.iter().map(|key| key.path);
    for key in keys.filter(|key| key.starts_with("mqtt.") || key.starts_with("domoticz.") && !key.starts_with("domoticz.idx.")) {
        let leaf = key.rsplit('.').next().unwrap();
        assert!(doc.contains(&format!("`{leaf}`")) || doc.contains(&format!("{leaf} =")), "{key}");
    }
}
