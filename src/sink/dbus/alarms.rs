//! Where each alarm of a battery shows on D-Bus.

use super::value::Value;
use crate::model::{AlarmName, Freshness, Level, Snapshot};

/// `/ErrorCode` of Victron's battery monitors (dbus_modbustcp, attributes.csv; veutil, bms_error).
mod code {
    pub(super) const NONE: i32 = 0;
    pub(super) const MEASUREMENT: i32 = 7;
    pub(super) const HARDWARE: i32 = 11;
    pub(super) const OVER_VOLTAGE: i32 = 13;
    pub(super) const UNDER_VOLTAGE: i32 = 14;
    pub(super) const OVER_TEMPERATURE: i32 = 15;
    pub(super) const UNDER_TEMPERATURE: i32 = 16;
    pub(super) const CONTACTOR: i32 = 26;
    pub(super) const OVER_CURRENT: i32 = 27;
    pub(super) const BMS_CABLE: i32 = 32;
}

/// The paths below `/Alarms` that show the alarm, and its error code. The match has a row per alarm: none can get lost.
fn route(name: AlarmName) -> (&'static [&'static str], i32) {
    match name {
        AlarmName::CellHighVoltage => (&["HighCellVoltage"], code::OVER_VOLTAGE),
        AlarmName::CellLowVoltage => (&["LowCellVoltage"], code::UNDER_VOLTAGE),
        AlarmName::HighVoltage => (&["HighVoltage"], code::OVER_VOLTAGE),
        AlarmName::LowVoltage => (&["LowVoltage"], code::UNDER_VOLTAGE),
        AlarmName::HighTemperature => (&["HighTemperature"], code::OVER_TEMPERATURE),
        AlarmName::LowTemperature => (&["LowTemperature"], code::UNDER_TEMPERATURE),
        AlarmName::HighChargeTemperature => (&["HighChargeTemperature"], code::OVER_TEMPERATURE),
        AlarmName::LowChargeTemperature => (&["LowChargeTemperature"], code::UNDER_TEMPERATURE),
        AlarmName::HighMosTemperature => (&["HighInternalTemperature"], code::OVER_TEMPERATURE),
        AlarmName::HighChargeCurrent => (&["HighChargeCurrent"], code::OVER_CURRENT),
        AlarmName::HighDischargeCurrent => (&["HighDischargeCurrent"], code::OVER_CURRENT),
        AlarmName::ShortCircuit => (&["HighDischargeCurrent", "InternalFailure"], code::OVER_CURRENT),
        AlarmName::CellImbalance => (&["CellImbalance"], code::NONE),
        AlarmName::LowSoc => (&["LowSoc"], code::NONE),
        AlarmName::BmsInternal => (&["InternalFailure"], code::HARDWARE),
        AlarmName::ChargeFetFault => (&["InternalFailure"], code::HARDWARE),
        AlarmName::DischargeFetFault => (&["InternalFailure"], code::HARDWARE),
        AlarmName::SensorFault => (&["InternalFailure"], code::MEASUREMENT),
        AlarmName::Communication => (&["InternalFailure"], code::HARDWARE),
        AlarmName::Contactor => (&["Contactor"], code::CONTACTOR),
    }
}

/// Alarms after which the battery itself is out of order, not merely protected.
const BROKEN: [AlarmName; 5] =
    [AlarmName::BmsInternal, AlarmName::ChargeFetFault, AlarmName::DischargeFetFault, AlarmName::SensorFault, AlarmName::Contactor];

/// The value of `/Alarms/<path>`: 0 fine, 1 warning, 2 alarm; invalid while nothing current is known.
pub(crate) fn alarm(snapshot: &Snapshot, path: &str) -> Value<'static> {
    let shown = |alarm: &&crate::model::Alarm| route(alarm.name).0.contains(&path);
    match snapshot.alarms.iter().filter(shown).map(|alarm| alarm.level).max() {
        _ if snapshot.freshness != Freshness::Fresh => Value::Invalid,
        Some(level) => number(Some(level)),
        None if snapshot.reading.alarms.is_none() => Value::Invalid,
        None => number(None),
    }
}

/// The value of `/Alarms/BmsCable`, which is known always.
pub(crate) fn cable(snapshot: &Snapshot) -> Value<'static> {
    number(snapshot.cable)
}

fn number(level: Option<Level>) -> Value<'static> {
    Value::Int(match level {
        None => 0,
        Some(Level::Warning) => 1,
        Some(Level::Alarm) => 2,
    })
}

/// `/State`: 9 running, 10 error, 11 unknown.
pub(crate) fn state(snapshot: &Snapshot) -> Value<'static> {
    let broken = snapshot.alarms.iter().any(|alarm| alarm.level == Level::Alarm && BROKEN.contains(&alarm.name));
    Value::Int(match snapshot.freshness {
        Freshness::Lost => 10,
        Freshness::Stale | Freshness::Silent => 11,
        Freshness::Fresh if broken => 10,
        Freshness::Fresh => 9,
    })
}

/// `/ErrorCode`: of the active alarms (not warnings) the first that has a code; 0 if none.
pub(crate) fn error_code(snapshot: &Snapshot) -> Value<'static> {
    let active = snapshot.alarms.iter().filter(|alarm| alarm.level == Level::Alarm);
    Value::Int(match snapshot.freshness {
        Freshness::Lost => code::BMS_CABLE,
        Freshness::Stale | Freshness::Silent => return Value::Invalid,
        Freshness::Fresh => active.map(|alarm| route(alarm.name).1).find(|code| *code != code::NONE).unwrap_or(code::NONE),
    })
}

/// The alarm that stands for a path below `/Alarms` when another battery is read.
pub(crate) const NAMES: &[(&str, AlarmName)] = &[
    ("LowVoltage", AlarmName::LowVoltage),
    ("HighVoltage", AlarmName::HighVoltage),
    ("LowCellVoltage", AlarmName::CellLowVoltage),
    ("HighCellVoltage", AlarmName::CellHighVoltage),
    ("LowSoc", AlarmName::LowSoc),
    ("HighChargeCurrent", AlarmName::HighChargeCurrent),
    ("HighDischargeCurrent", AlarmName::HighDischargeCurrent),
    ("CellImbalance", AlarmName::CellImbalance),
    ("InternalFailure", AlarmName::BmsInternal),
    ("HighChargeTemperature", AlarmName::HighChargeTemperature),
    ("LowChargeTemperature", AlarmName::LowChargeTemperature),
    ("HighTemperature", AlarmName::HighTemperature),
    ("LowTemperature", AlarmName::LowTemperature),
    ("HighInternalTemperature", AlarmName::HighMosTemperature),
    ("Contactor", AlarmName::Contactor),
];
