//! Alarms of a battery on D-Bus.

use crate::dbus::value::Value;
use crate::model::{Alarm, AlarmName, BankModule, Freshness, Level, Snapshot};

/// The path below `/Alarms` that shows the alarm. Only one: venus-platform raises a notification for each path that is not 0. The
/// match is exhaustive, so no alarm is forgotten.
fn route(name: AlarmName) -> &'static str {
    match name {
        AlarmName::CellHighVoltage => "HighCellVoltage",
        AlarmName::CellLowVoltage => "LowCellVoltage",
        AlarmName::HighVoltage => "HighVoltage",
        AlarmName::LowVoltage => "LowVoltage",
        AlarmName::HighTemperature => "HighTemperature",
        AlarmName::LowTemperature => "LowTemperature",
        AlarmName::HighChargeTemperature => "HighChargeTemperature",
        AlarmName::LowChargeTemperature => "LowChargeTemperature",
        AlarmName::HighMosTemperature => "HighInternalTemperature",
        AlarmName::HighChargeCurrent => "HighChargeCurrent",
        AlarmName::HighDischargeCurrent | AlarmName::ShortCircuit => "HighDischargeCurrent",
        AlarmName::CellImbalance => CELL_IMBALANCE,
        AlarmName::LowSoc => "LowSoc",
        AlarmName::SensorFault => "BatteryTemperatureSensor",
        AlarmName::BmsInternal | AlarmName::ChargeFetFault | AlarmName::DischargeFetFault | AlarmName::Communication => {
            "InternalFailure"
        }
        AlarmName::Contactor => "Contactor",
    }
}

const CELL_IMBALANCE: &str = "CellImbalance";

/// Alarms that mean a defective battery, not just a protection that has acted.
const BROKEN: [AlarmName; 5] =
    [AlarmName::BmsInternal, AlarmName::ChargeFetFault, AlarmName::DischargeFetFault, AlarmName::SensorFault, AlarmName::Contactor];

/// The value of `/Alarms/<path>`: 0 OK, 1 warning, 2 alarm; invalid while nothing current is known. A bank does not repeat the alarms
/// of its batteries, and those it has itself are known only while it is complete.
pub(crate) fn alarm(snapshot: &Snapshot, path: &str) -> Value<'static> {
    let (alarms, known) = match &snapshot.bank_summary {
        Some(bank) => (&bank.own_alarms, bank.in_series && bank.offline == 0 && path == CELL_IMBALANCE),
        None => (&snapshot.alarms, snapshot.reading.alarms.is_some()),
    };
    match level(alarms, path) {
        _ if snapshot.freshness != Freshness::Fresh => Value::Invalid,
        None if !known => Value::Invalid,
        level => number(level),
    }
}

/// The value of `/Alarms/<path>` of one battery of a bank; invalid where there is no such battery.
pub(crate) fn module_alarm(snapshot: &Snapshot, module: usize, path: &str) -> Value<'static> {
    let alarms = bank_module(snapshot, module).and_then(|module| module.alarms.as_ref());
    alarms.map_or(Value::Invalid, |alarms| number(level(alarms, path)))
}

/// The same for the cable.
pub(crate) fn module_cable(snapshot: &Snapshot, module: usize) -> Value<'static> {
    bank_module(snapshot, module).map_or(Value::Invalid, |module| number(module.cable))
}

/// One battery of a bank.
pub(crate) fn bank_module(snapshot: &Snapshot, module: usize) -> Option<&BankModule> {
    snapshot.bank_summary.as_ref()?.modules.get(module)
}

fn level(alarms: &[Alarm], path: &str) -> Option<Level> {
    alarms.iter().filter(|alarm| route(alarm.name) == path).map(|alarm| alarm.level).max()
}

/// The value of `/Alarms/BmsCable`, which is always known.
pub(crate) fn cable(snapshot: &Snapshot) -> Value<'static> {
    number(snapshot.bank_summary.as_ref().map_or(snapshot.cable, |bank| bank.own_cable))
}

/// `/Balancer/Status` of a bank: 0 unknown, 1 balanced, 2 balancing, 3 imbalance.
pub(crate) fn balancer_status(snapshot: &Snapshot) -> Value<'static> {
    if snapshot.freshness != Freshness::Fresh {
        return Value::Invalid;
    }
    Value::Int(match (level(&snapshot.alarms, CELL_IMBALANCE), snapshot.reading.balancing.active) {
        (Some(_), _) => 3,
        (None, Some(true)) => 2,
        (None, Some(false)) => 1,
        (None, None) => 0,
    })
}

fn number(level: Option<Level>) -> Value<'static> {
    Value::Int(match level {
        None => 0,
        Some(Level::Warning) => 1,
        Some(Level::Alarm) => 2,
    })
}

/// `/State`: 9 running, 10 error. Invalid while the data is stale: for 11, unknown, the GX shows a row without a word.
pub(crate) fn state(snapshot: &Snapshot) -> Value<'static> {
    let broken = snapshot.alarms.iter().any(|alarm| alarm.level == Level::Alarm && BROKEN.contains(&alarm.name));
    match snapshot.freshness {
        Freshness::Lost => Value::Int(10),
        Freshness::Stale | Freshness::Silent => Value::Invalid,
        Freshness::Fresh if broken => Value::Int(10),
        Freshness::Fresh => Value::Int(9),
    }
}

/// `/ErrorCode`: 0. Every alarm has a path of its own, and a code beside it would raise a second notification for the same event.
pub(crate) fn error_code(snapshot: &Snapshot) -> Value<'static> {
    if snapshot.freshness == Freshness::Fresh { Value::Int(0) } else { Value::Invalid }
}
