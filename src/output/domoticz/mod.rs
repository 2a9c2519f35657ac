//! Sends a battery's values to Domoticz: over HTTP, or over MQTT through the MQTT output.
//!
//! Every value is a virtual device there, identified by its number (`idx`). `docs/mqtt.md` lists suitable devices.

mod http;
mod serve;

pub use http::{Url, UrlError};
pub use serve::{Config, serve};

use crate::output::api::View;
use std::sync::Arc;

/// A value for Domoticz.
#[derive(Debug)]
pub struct Device {
    /// The value's key in the view.
    pub key: &'static str,
    /// The type of device to create.
    pub device: &'static str,
    /// Decimals.
    pub decimals: u8,
    /// The field with its number.
    pub number: fn(&Numbers) -> Option<u32>,
}

/// The Domoticz numbers of a battery's values; `None` = not sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "named after the values of the state message")]
pub struct Numbers {
    pub voltage_v: Option<u32>,
    pub current_a: Option<u32>,
    pub power_w: Option<u32>,
    pub soc_pct: Option<u32>,
    pub remaining_ah: Option<u32>,
    pub capacity_ah: Option<u32>,
    pub cycles: Option<u32>,
    pub temperature_c: Option<u32>,
    pub cell_min_v: Option<u32>,
    pub cell_max_v: Option<u32>,
    pub charged_kwh: Option<u32>,
    pub discharged_kwh: Option<u32>,
    pub ccl_a: Option<u32>,
    pub dcl_a: Option<u32>,
    pub alarm_level: Option<u32>,
}

/// All values for Domoticz.
#[rustfmt::skip]
pub const DEVICES: &[Device] = &[
    Device { key: "voltage_v", device: "Voltage", decimals: 2, number: |n| n.voltage_v },
    Device { key: "current_a", device: "Ampere (1 Phase)", decimals: 2, number: |n| n.current_a },
    Device { key: "power_w", device: "Usage (Electric)", decimals: 0, number: |n| n.power_w },
    Device { key: "soc_pct", device: "Percentage", decimals: 1, number: |n| n.soc_pct },
    Device { key: "remaining_ah", device: "Custom Sensor, axis Ah", decimals: 1, number: |n| n.remaining_ah },
    Device { key: "capacity_ah", device: "Custom Sensor, axis Ah", decimals: 1, number: |n| n.capacity_ah },
    Device { key: "cycles", device: "Custom Sensor", decimals: 0, number: |n| n.cycles },
    Device { key: "temperature_c", device: "Temperature", decimals: 1, number: |n| n.temperature_c },
    Device { key: "cell_min_v", device: "Voltage", decimals: 3, number: |n| n.cell_min_v },
    Device { key: "cell_max_v", device: "Voltage", decimals: 3, number: |n| n.cell_max_v },
    Device { key: "history.charged_kwh", device: "Custom Sensor, axis kWh", decimals: 3, number: |n| n.charged_kwh },
    Device { key: "history.discharged_kwh", device: "Custom Sensor, axis kWh", decimals: 3, number: |n| n.discharged_kwh },
    Device { key: "limits.ccl_a", device: "Custom Sensor, axis A", decimals: 1, number: |n| n.ccl_a },
    Device { key: "limits.dcl_a", device: "Custom Sensor, axis A", decimals: 1, number: |n| n.dcl_a },
    Device { key: "alarm_level", device: "Alert", decimals: 0, number: |n| n.alarm_level },
];

/// A device's new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The device's number.
    pub idx: u32,
    /// Its `nvalue`: the level of an alert, else 0.
    pub nvalue: u8,
    /// Its `svalue`.
    pub svalue: String,
}

/// The updates for a battery. Unknown values are not sent: Domoticz marks devices without updates.
pub fn updates(view: &View, numbers: &Numbers) -> Vec<Update> {
    let update = |device: &Device| {
        let idx = (device.number)(numbers)?;
        if device.key == "alarm_level" {
            // Grey, green, yellow, orange, red.
            let (nvalue, level) = match view.alarm_level()? {
                "ok" => (1, "ok"),
                "warning" => (3, "warning"),
                _ => (4, "alarm"),
            };
            return Some(Update { idx, nvalue, svalue: alert(view, level) });
        }
        let value = view.number_of(device.key)?;
        Some(Update { idx, nvalue: 0, svalue: format!("{value:.0$}", usize::from(device.decimals)) })
    };
    DEVICES.iter().filter_map(update).collect()
}

/// The updates for all batteries. If two batteries use the same number, the first has it; the second return value is such a number.
pub fn round(views: &[Arc<View>], numbers: impl Fn(&str) -> Numbers) -> (Vec<Update>, Option<u32>) {
    let (mut round, mut clash): (Vec<Update>, _) = (Vec::new(), None);
    for update in views.iter().flat_map(|view| updates(view, &numbers(&view.identity.id))) {
        match round.iter().any(|earlier| earlier.idx == update.idx) {
            true => clash = Some(update.idx),
            false => round.push(update),
        }
    }
    (round, clash)
}

/// The names of the known alarms.
fn alert(view: &View, level: &str) -> String {
    let alarms = view.notices.alarms.iter().flat_map(|alarms| &alarms.0);
    let names: Vec<_> = alarms.map(|alarm| alarm.name.replace('_', " ")).collect();
    if names.is_empty() { level.to_owned() } else { names.join(", ") }
}
