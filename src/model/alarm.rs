//! What can be wrong with a battery.

use serde::{Deserialize, Serialize};

/// An active alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What is wrong.
    pub name: AlarmName,
    /// How bad it is.
    pub level: Level,
}

/// How bad an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Attention; the BMS still lets current flow.
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
