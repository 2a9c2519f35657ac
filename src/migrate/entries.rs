//! What dbus-serialbattery keeps of a battery in the settings of a GX: `/Settings/Devices/serialbattery_…`. Pure.
//!
//! | setting | since | holds |
//! |---|---|---|
//! | `ClassAndVrmInstance` | 2021 | `battery:3` |
//! | `UniqueIdentifier`, `LastSeen`, `CustomName` | November 2023 | identifier, Unix time, the owner's name |
//! | `HistoryValues` | 2.0 (2025) | the counters as JSON, see [`Counters`] |
//!
//! Further ones (`AllowMaxVoltage`, `MaxVoltageStartTime`, `SocCalc`, `SocResetLastReached`) are of its charge control and stay
//! what they are. Source: mr-manuel/venus-os_dbus-serialbattery, dbushelper.py, v0.14.2 to July 2026.

use super::counters::Counters;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How the groups of that driver begin.
pub const PREFIX: &str = "serialbattery_";
/// Class and DeviceInstance of a device: `battery:3`.
pub const INSTANCE: &str = "ClassAndVrmInstance";
/// The class of a battery that is served.
const BATTERY: &str = "battery";
/// The class of an entry whose instance we have: as each class has its numbers for itself, ours can have the same. That driver
/// looks at the number only, so it would come back with it even if nobody put the class back.
const PARKED: &str = "serialbattery";

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Held {
    /// Of type `i`.
    Whole(i64),
    /// Of type `f`.
    Number(f64),
    /// Of type `s`.
    Text(String),
}

impl Held {
    /// As text, whatever its type is: that driver writes some both ways.
    pub fn text(&self) -> String {
        match self {
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// The settings below `/Settings/Devices`: group, name, value.
pub type Devices = BTreeMap<String, BTreeMap<String, Held>>;

/// Devices from paths such as `jk_1/CustomName`; deeper paths are none of a battery's.
pub fn devices(settings: impl IntoIterator<Item = (String, Held)>) -> Devices {
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
    /// Name of its group: `serialbattery_JK_B2A20S20P`.
    pub group: String,
    /// DeviceInstance.
    pub instance: u16,
    /// The instance is with one of ours at present.
    pub parked: bool,
    /// What that driver tells the battery by; of old versions the port.
    pub identifier: String,
    /// The owner's name for it; empty if there is none.
    pub name: String,
    /// When that driver last served it, Unix time.
    pub last_seen: Option<u64>,
    /// Counters over its life.
    pub counters: Counters,
}

/// The batteries of that driver among `devices`. Those without an instance were never served and are none.
pub fn entries(devices: &Devices) -> Vec<Entry> {
    let entry = |(group, settings): (&String, &BTreeMap<String, Held>)| {
        let suffix = group.strip_prefix(PREFIX)?;
        let text = |name: &str| settings.get(name).map(Held::text).unwrap_or_default();
        let assigned = text(INSTANCE);
        let (class, instance) = class_and_instance(&assigned)?;
        let name = text("CustomName");
        Some(Entry {
            group: group.clone(),
            instance,
            parked: class != BATTERY,
            identifier: Some(text("UniqueIdentifier")).filter(|id| !id.is_empty()).unwrap_or_else(|| suffix.to_owned()),
            // What old versions wrote unasked is no name of the owner's.
            name: if name.starts_with("SerialBattery(") { String::new() } else { name.trim().to_owned() },
            last_seen: text("LastSeen").parse().ok(),
            counters: Counters::parse(&text("HistoryValues")),
        })
    };
    devices.iter().filter_map(entry).collect()
}

/// `battery:3`; only batteries, and those that were put aside.
pub fn class_and_instance(text: &str) -> Option<(&str, u16)> {
    let (class, instance) = text.split_once(':')?;
    [BATTERY, PARKED].contains(&class).then_some((class, instance.parse().ok()?))
}

/// What an entry's instance is set to while we have it.
pub fn parked(instance: u16) -> String {
    format!("{PARKED}:{instance}")
}

/// A battery's own instance.
pub fn served(instance: u16) -> String {
    format!("{BATTERY}:{instance}")
}
