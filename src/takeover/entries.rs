//! Entries of dbus-serialbattery in the settings of a GX: `/Settings/Devices/serialbattery_…`. Pure.
//!
//! | setting | since | holds |
//! |---|---|---|
//! | `ClassAndVrmInstance` | 2021 | `battery:3` |
//! | `UniqueIdentifier`, `LastSeen`, `CustomName` | November 2023 | identifier, Unix time, the owner's name |
//! | `HistoryValues` | 2.0 (2025) | the counters as JSON, see [`Counters`] |
//!
//! Further settings (`AllowMaxVoltage`, `MaxVoltageStartTime`, `SocCalc`, `SocResetLastReached`) belong to its charge control and
//! stay unchanged. Source: mr-manuel/venus-os_dbus-serialbattery, dbushelper.py, v0.14.2 to July 2026.

use super::counters::Counters;
use crate::base::printable::printable_name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Prefix of that driver's groups.
pub const PREFIX: &str = "serialbattery_";
/// Class and DeviceInstance of a device: `battery:3`.
pub const INSTANCE: &str = "ClassAndVrmInstance";
/// Class of an active battery.
const BATTERY_CLASS: &str = "battery";
/// Class of an entry whose instance this driver has taken over: instances are unique per class, so this driver's entry can have the
/// same one. That driver only reads the number, so it would return with it even if the class were not restored.
const TAKEN_OVER_CLASS: &str = "serialbattery";

/// Value of a setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// Of type `i`.
    Integer(i64),
    /// Of type `f`.
    Float(f64),
    /// Of type `s`.
    Text(String),
}

impl SettingValue {
    /// As text, whatever the type: that driver stores some settings as either.
    pub fn text(&self) -> String {
        match self {
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Settings below `/Settings/Devices`: group, name, value.
pub type Devices = BTreeMap<String, BTreeMap<String, SettingValue>>;

/// Parses devices from paths such as `jk_1/CustomName`; deeper paths do not belong to batteries.
pub fn devices(settings: impl IntoIterator<Item = (String, SettingValue)>) -> Devices {
    let mut devices = Devices::new();
    for (path, value) in settings {
        if let Some((group, name)) = path.trim_start_matches('/').split_once('/')
            && !name.contains('/')
        {
            devices.entry(group.to_owned()).or_default().extend([(name.to_owned(), value)]);
        }
    }
    devices
}

/// One battery of that driver.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Group name: `serialbattery_JK_B2A20S20P`.
    pub group: String,
    /// DeviceInstance.
    pub instance: u16,
    /// This driver currently uses the instance.
    pub taken_over: bool,
    /// Identifier of the battery in that driver; in old versions the port.
    pub identifier: String,
    /// Custom name set by the owner; empty if there is none.
    pub name: String,
    /// When that driver last served it, Unix time.
    pub last_seen: Option<u64>,
    /// Counters over its life.
    pub counters: Counters,
}

/// The batteries of that driver among `devices`. Entries without an instance were never active and are ignored.
pub fn entries(devices: &Devices) -> Vec<Entry> {
    let entry = |(group, settings): (&String, &BTreeMap<String, SettingValue>)| {
        let suffix = group.strip_prefix(PREFIX)?;
        let text = |name: &str| settings.get(name).map(SettingValue::text).unwrap_or_default();
        let assigned = text(INSTANCE);
        let (class, instance) = class_and_instance(&assigned)?;
        let name = text("CustomName");
        Some(Entry {
            group: group.clone(),
            instance,
            taken_over: class != BATTERY_CLASS,
            identifier: Some(text("UniqueIdentifier")).filter(|id| !id.is_empty()).unwrap_or_else(|| suffix.to_owned()),
            // A name written by old versions themselves is not the owner's.
            name: if name.starts_with("SerialBattery(") { String::new() } else { printable_name(&name) },
            last_seen: text("LastSeen").parse().ok(),
            counters: Counters::parse(&text("HistoryValues")),
        })
    };
    devices.iter().filter_map(entry).collect()
}

/// `battery:3`; only batteries, and entries that were taken over.
pub fn class_and_instance(text: &str) -> Option<(&str, u16)> {
    let (class, instance) = text.split_once(':')?;
    [BATTERY_CLASS, TAKEN_OVER_CLASS].contains(&class).then_some((class, instance.parse().ok()?))
}

/// Instance setting of an entry that is taken over.
pub fn taken_over_setting(instance: u16) -> String {
    format!("{TAKEN_OVER_CLASS}:{instance}")
}

/// Instance setting of an active battery.
pub fn battery_setting(instance: u16) -> String {
    format!("{BATTERY_CLASS}:{instance}")
}
