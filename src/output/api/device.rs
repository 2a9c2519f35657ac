//! A device of the house as JSON and as metrics. Pure.

use super::metrics::{Family, head, line};
use crate::base::units::{Moment, round};
use crate::model::{DeviceValue, HouseDevice};
use crate::output::devices::Devices;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// Keys of a device in the API with their units and meanings, for the documentation.
pub const DEVICE_KEYS: [(&str, &str, &str); 10] = [
    ("id", "text", "Permanent short name, used in API paths and MQTT topics. Letters, digits and `_`."),
    ("kind", "text", "What it does, see below."),
    ("name", "text", "Name for people."),
    ("connection", "text", "How it is connected."),
    ("fresh", "bool", "Its values are known."),
    ("age_s", "s", "Age of its values; absent: there were none yet."),
    ("timeout_s", "s", "At a greater age its values are unknown."),
    ("note", "text", "Why there are no values, or what is odd about them; absent: all is well."),
    ("commands", "list", "Commands that it takes; absent: none, or no `web.token` is set."),
    (
        "values",
        "object",
        "Its known values by key: `{\"value\": …, \"unit\": \"W\", \"name\": \"Grid power\"}`; a number, a flag or a text.",
    ),
];

/// A value as JSON.
pub(crate) fn device_value(value: &DeviceValue) -> Json {
    match value {
        DeviceValue::Number(number) => json!(number),
        DeviceValue::Flag(flag) => json!(flag),
        DeviceValue::Text(text) => json!(text),
    }
}

/// A device as one JSON object.
pub fn device_object(device: &HouseDevice, now: Moment) -> Json {
    let info = &device.info;
    let object = |entries: Vec<(&str, Option<Json>)>| -> Json {
        Json::Object(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    };
    let known = device.values(now).filter_map(|(quantity, value)| Some((quantity, value?)));
    let values: Map<String, Json> = known
        .map(|(quantity, value)| {
            let unit = Some(quantity.unit).filter(|unit| !unit.is_empty());
            let entries =
                vec![("value", Some(device_value(value))), ("unit", unit.map(Into::into)), ("name", Some(quantity.name.into()))];
            (quantity.key.to_owned(), object(entries))
        })
        .collect();
    object(vec![
        ("id", Some(info.id.as_str().into())),
        ("kind", Some(info.kind.key().into())),
        ("name", Some(info.name.as_str().into())),
        ("connection", Some(info.connection.as_str().into())),
        ("fresh", Some(device.is_fresh(now).into())),
        ("age_s", device.age(now).map(|age| round(age.as_secs_f64(), 1).into())),
        ("timeout_s", Some(round(info.timeout.as_secs_f64(), 1).into())),
        ("note", Some(device.note.as_ref()).filter(|note| !note.is_empty()).map(Into::into)),
        ("commands", Some(device.commands).filter(|commands| !commands.is_empty()).map(|commands| json!(commands))),
        ("values", Some(Json::Object(values))),
    ])
}

/// The metrics of all devices: each number of a device as `dbus_bms_device_KEY`.
pub fn device_metrics(devices: &Devices, now: Moment) -> String {
    let mut out = String::new();
    if devices.is_empty() {
        return out;
    }
    head(&mut out, "dbus_bms_device_fresh", "1 while the values of a device of the house are known.", "gauge");
    for device in devices.iter() {
        let info = &device.info;
        let labels = [("device", info.id.as_str()), ("kind", info.kind.key()), ("name", &info.name)];
        line(&mut out, "dbus_bms_device_fresh", &labels, f64::from(u8::from(device.is_fresh(now))));
    }
    let mut by_key = BTreeMap::new();
    for device in devices.iter() {
        for (quantity, value) in device.values(now) {
            let number = match value {
                Some(DeviceValue::Number(number)) => *number,
                Some(DeviceValue::Flag(flag)) => f64::from(u8::from(*flag)),
                Some(DeviceValue::Text(_)) | None => continue,
            };
            by_key.entry(quantity.key).or_insert((quantity, Vec::new())).1.push((device.info.id.as_str(), number));
        }
    }
    for (key, (quantity, numbers)) in by_key {
        let key = format!("device_{key}");
        let family = Family::new(&key, quantity.unit, &format!("{}.", quantity.name), quantity.counter);
        family.write(&mut out, |put| numbers.iter().for_each(|(id, number)| put(&[("device", id)], *number)));
    }
    out
}
