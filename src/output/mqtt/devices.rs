//! Messages about the devices of the house beside the batteries. Pure.

use super::config::Config;
use super::home_assistant as ha;
use super::message::{availability, level};
use super::ownership::{Ownership, claimed, released};
use crate::base::units::{Moment, round};
use crate::house::goodwe::BATTERY_CURRENT_AVERAGE;
use crate::link::mqtt::Message;
use crate::model::{DeviceKind, DeviceValue, HouseDevice, Quantity, quantity};
use crate::output::api::device_value;
use crate::output::devices::Devices;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys of the state message that are no values.
const RESERVED: [&str; 7] = ["id", "kind", "name", "connection", "fresh", "age_s", "note"];

/// What was published about the devices.
#[derive(Debug, Default)]
pub(super) struct PublishedDevices(BTreeMap<String, Published>);

#[derive(Debug, Default)]
struct Published {
    is_claimed: bool,
    announced: Option<Vec<&'static str>>,
    online: Option<bool>,
    due: Option<Moment>,
}

impl PublishedDevices {
    /// The broker may have lost everything.
    pub(super) fn forget(&mut self) {
        self.0.values_mut().for_each(|published| *published = Published::default());
    }

    /// Home Assistant has started: everything is published again.
    pub(super) fn born(&mut self) {
        for published in self.0.values_mut() {
            (published.announced, published.due) = (None, None);
        }
    }

    /// Whether the device with this name in topics is published.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.keys().any(|id| self::name(id) == name)
    }

    /// The messages to publish now. What another program publishes goes to `conflicts`, once.
    pub(super) fn step(
        &mut self,
        config: &Config,
        ownership: &mut Ownership,
        conflicts: &mut Vec<String>,
        devices: &Devices,
        now: Moment,
    ) -> Vec<Message> {
        let mut messages = Vec::new();
        for device in devices.iter() {
            let name = name(&device.info.id);
            if ownership.other(&name).is_some() {
                self.0.remove(&device.info.id);
                if ownership.reports(&name) {
                    conflicts.push(name);
                }
                continue;
            }
            ownership.is_mine(&name);
            let published = self.0.entry(device.info.id.clone()).or_default();
            if !std::mem::replace(&mut published.is_claimed, true) {
                messages.push(claimed(config, &name));
            }
            let quantities: Vec<_> = device.values(now).map(|(quantity, _)| quantity.key).collect();
            if published.announced.as_ref() != Some(&quantities) {
                messages.push(if config.home_assistant { announcement(config, device, now) } else { removal(config, device) });
                published.announced = Some(quantities);
            }
            let is_fresh = device.is_fresh(now);
            let news = published.online != Some(is_fresh);
            if news || published.due.is_none_or(|due| due <= now) {
                published.due = Some(now.after(config.interval));
                messages.extend(state(config, device, now));
            }
            if news {
                published.online = Some(is_fresh);
                messages.push(reachable(config, &device.info.id, is_fresh));
            }
        }
        self.0.retain(|id, _| {
            let is_there = devices.iter().any(|device| device.info.id == *id);
            if !is_there {
                messages.extend(released(config, &name(id)));
            }
            is_there
        });
        messages
    }

    /// The final messages before a deliberate end.
    pub(super) fn goodbye(&self, config: &Config) -> impl Iterator<Item = Message> {
        self.0.keys().flat_map(|id| released(config, &name(id)))
    }
}

/// A device below the prefix of our topics.
fn name(id: &str) -> String {
    format!("devices/{}", level(id))
}

fn base(config: &Config, id: &str) -> String {
    format!("{}/{}", config.topic, name(id))
}

fn reachable(config: &Config, id: &str, there: bool) -> Message {
    Message::retained(format!("{}/availability", base(config, id)), availability(there))
}

/// The state as one JSON object, and each value separately if configured. Unknown values are `null`, so that no subscriber keeps an
/// old one.
fn state(config: &Config, device: &HouseDevice, now: Moment) -> Vec<Message> {
    let (base, info) = (base(config, &device.info.id), &device.info);
    let Json::Object(mut all) = json!({
        "id": info.id, "kind": info.kind, "name": info.name, "connection": info.connection, "fresh": device.is_fresh(now),
        "age_s": device.age(now).map(|age| round(age.as_secs_f64(), 1)), "note": device.note,
    }) else {
        return Vec::new();
    };
    let values: Map<String, Json> = device
        .values(now)
        .filter(|(quantity, _)| !RESERVED.contains(&quantity.key))
        .map(|(quantity, value)| (quantity.key.to_owned(), value.map_or(Json::Null, device_value)))
        .collect();
    let single = values.iter().filter(|_| config.single_values).map(|(key, value)| {
        Message::passing(format!("{base}/{key}"), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    });
    let single: Vec<_> = single.collect();
    all.extend(values);
    [Message::passing(format!("{base}/state"), Json::Object(all).to_string())].into_iter().chain(single).collect()
}

fn topic(config: &Config, device: &HouseDevice) -> String {
    ha::topic(config, &format!("device_{}", device.info.id))
}

/// Removes a device from Home Assistant.
fn removal(config: &Config, device: &HouseDevice) -> Message {
    Message::retained(topic(config, device), "")
}

/// Announces a device and its values to Home Assistant.
fn announcement(config: &Config, device: &HouseDevice, now: Moment) -> Message {
    let base = base(config, &device.info.id);
    let about = ha::about_device(config, &device.info.id, &device.info.name);
    let own = about.pointer("/identifiers/0").and_then(Json::as_str).unwrap_or_default();
    let components: Map<String, Json> = device
        .values(now)
        .map(|(quantity, value)| {
            let entity = entity(quantity, value, &format!("{own}_{}", quantity.key));
            (quantity.key.to_owned(), entity)
        })
        .collect();
    let payload = json!({
        "device": about,
        "origin": ha::origin(),
        "state_topic": format!("{base}/state"),
        "availability": [{"topic": config.availability()}, {"topic": format!("{base}/availability")}],
        "availability_mode": "all",
        "components": components,
    });
    Message::retained(topic(config, device), payload.to_string())
}

fn entity(quantity: &Quantity, value: Option<&DeviceValue>, unique_id: &str) -> Json {
    let Quantity { key, name, unit, counter } = *quantity;
    let is_flag = matches!(value, Some(DeviceValue::Flag(_)));
    let has_unit = !unit.is_empty();
    let template = format!("{{{{ value_json.{key} | default(none) }}}}");
    let texts = [
        ("platform", Some(if is_flag { "binary_sensor" } else { "sensor" })),
        ("name", Some(name)),
        ("unique_id", Some(unique_id)),
        ("value_template", Some(&template)),
        ("payload_on", is_flag.then_some("True")),
        ("payload_off", is_flag.then_some("False")),
        ("unit_of_measurement", has_unit.then_some(unit)),
        ("state_class", has_unit.then_some(if counter { "total_increasing" } else { "measurement" })),
        ("device_class", class(unit)),
    ];
    Json::Object(texts.into_iter().filter_map(|(key, text)| Some((key.to_owned(), text?.into()))).collect())
}

/// Device class of Home Assistant for a unit.
fn class(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "W" => "power",
        "V" => "voltage",
        "A" => "current",
        "Hz" => "frequency",
        "°C" => "temperature",
        "kWh" | "Wh" => "energy",
        "s" | "min" | "h" => "duration",
        _ => return None,
    })
}

/// Values of the devices on the topics of the JK to Pylontech translator: the mean power at the grid connection, there positive to
/// the grid, and the battery of a GoodWe inverter.
pub fn jk_pylon_devices(devices: &[Arc<HouseDevice>], now: Moment) -> Vec<Message> {
    let meter = devices.iter().find(|device| device.info.kind == DeviceKind::Meter);
    let power = meter.and_then(|meter| meter.number(quantity::GRID_POWER_AVERAGE.key, now));
    let goodwe = devices.iter().find(|device| device.info.id == "goodwe");
    let of_battery = |quantity: &Quantity| goodwe.and_then(|goodwe| goodwe.number(quantity.key, now));
    let values = [
        ("jk_pylon/SMA_Average_W", power.map(|watts| 0.0 - watts)),
        ("jk_pylon/HMC_Sems_Average_A", of_battery(&BATTERY_CURRENT_AVERAGE)),
        ("sems/Ampere", of_battery(&quantity::BATTERY_CURRENT)),
        ("sems/Watt", of_battery(&quantity::BATTERY_POWER)),
        ("sems/soc", of_battery(&quantity::BATTERY_SOC)),
    ];
    values.into_iter().filter_map(|(topic, value)| Some(Message::passing(topic, round(value?, 1).to_string()))).collect()
}
