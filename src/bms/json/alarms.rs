//! Alarms: a list of names and levels as in our own JSON, or dbus-serialbattery's `protection`.

use crate::base::printable::printable;
use crate::model::AlarmName::{self, *};
use crate::model::{Alarm, Level, Reading};
use serde::Deserialize;
use serde_json::Value;

/// Keys of `protection` (0, 1 warning, 2 alarm). A blown fuse has no name of its own here.
pub(crate) const PROTECTION: [(&str, AlarmName); 15] = [
    ("high_voltage", HighVoltage),
    ("high_cell_voltage", CellHighVoltage),
    ("low_voltage", LowVoltage),
    ("low_cell_voltage", CellLowVoltage),
    ("low_soc", LowSoc),
    ("high_charge_current", HighChargeCurrent),
    ("high_discharge_current", HighDischargeCurrent),
    ("cell_imbalance", CellImbalance),
    ("internal_failure", BmsInternal),
    ("high_charge_temperature", HighChargeTemperature),
    ("low_charge_temperature", LowChargeTemperature),
    ("high_temperature", HighTemperature),
    ("low_temperature", LowTemperature),
    ("high_internal_temperature", HighMosTemperature),
    ("fuse_blown", BmsInternal),
];

/// `alarms`. One that is not understood is a warning: it must not get lost.
pub(super) fn listed(value: &Value, into: &mut Reading) -> bool {
    let Some(list) = value.as_array() else { return false };
    into.alarms.get_or_insert_default();
    for item in list {
        match Alarm::deserialize(item) {
            Ok(Alarm { name, level }) => into.raise(name, level),
            Err(_) => unknown(item.get("name").unwrap_or(item), into),
        }
    }
    true
}

/// `protection`.
pub(super) fn protection(value: &Value, into: &mut Reading) -> bool {
    let Some(fields) = value.as_object() else { return false };
    into.alarms.get_or_insert_default();
    for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let name = PROTECTION.iter().find(|(known, _)| known == key).map(|(_, name)| *name);
        match (name, value.as_u64()) {
            (_, Some(0)) => {}
            (Some(name), Some(1)) => into.raise(name, Level::Warning),
            (Some(name), Some(2)) => into.raise(name, Level::Alarm),
            _ => unknown(&Value::String(key.clone()), into),
        }
    }
    true
}

fn unknown(name: &Value, into: &mut Reading) {
    into.raise(BmsInternal, Level::Warning);
    into.note(format!("alarm {} is not known", printable(&name.to_string(), 40)));
}
