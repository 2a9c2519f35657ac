//! Alarms of a battery.

use serde::{Deserialize, Serialize};

/// An active alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Name.
    pub name: AlarmName,
    /// Severity.
    pub level: Level,
}

/// Severity of an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Warning; the BMS still permits current.
    Warning,
    /// The protection has acted, or something is broken.
    Alarm,
}

/// The names of alarms, the same in JSON, on CAN and in the docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it; docs/alarms describes each for owners")]
pub enum AlarmName {
    CellHighVoltage,
    CellLowVoltage,
    HighVoltage,
    LowVoltage,
    HighTemperature,
    LowTemperature,
    HighChargeTemperature,
    LowChargeTemperature,
    HighMosTemperature,
    HighChargeCurrent,
    HighDischargeCurrent,
    ShortCircuit,
    CellImbalance,
    LowSoc,
    BmsInternal,
    ChargeFetFault,
    DischargeFetFault,
    SensorFault,
    Communication,
    Contactor,
}
