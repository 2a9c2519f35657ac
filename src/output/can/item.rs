//! Alarms on CAN: the thirteen items of SMA's table, which Victron uses as well.

use crate::model::AlarmName;
use serde::{Deserialize, Serialize};

/// An alarm or warning on CAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it; docs/can.md has the table")]
pub enum Item {
    BmsInternal,
    CellImbalance,
    Contactor,
    General,
    HighChargeCurrent,
    HighChargeTemperature,
    HighDischargeCurrent,
    HighTemperature,
    HighVoltage,
    LowChargeTemperature,
    LowTemperature,
    LowVoltage,
    ShortCircuit,
}

impl Item {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 13] = [
        Self::BmsInternal,
        Self::CellImbalance,
        Self::Contactor,
        Self::General,
        Self::HighChargeCurrent,
        Self::HighChargeTemperature,
        Self::HighDischargeCurrent,
        Self::HighTemperature,
        Self::HighVoltage,
        Self::LowChargeTemperature,
        Self::LowTemperature,
        Self::LowVoltage,
        Self::ShortCircuit,
    ];

    /// The CAN item of a battery's alarm; `None` for a low SoC, which is sent as a number.
    pub fn of(name: AlarmName) -> Option<Self> {
        Some(match name {
            AlarmName::CellHighVoltage | AlarmName::HighVoltage => Self::HighVoltage,
            AlarmName::CellLowVoltage | AlarmName::LowVoltage => Self::LowVoltage,
            AlarmName::HighTemperature | AlarmName::HighMosTemperature => Self::HighTemperature,
            AlarmName::LowTemperature => Self::LowTemperature,
            AlarmName::HighChargeTemperature => Self::HighChargeTemperature,
            AlarmName::LowChargeTemperature => Self::LowChargeTemperature,
            AlarmName::HighChargeCurrent => Self::HighChargeCurrent,
            AlarmName::HighDischargeCurrent => Self::HighDischargeCurrent,
            AlarmName::ShortCircuit => Self::ShortCircuit,
            AlarmName::CellImbalance => Self::CellImbalance,
            AlarmName::Contactor => Self::Contactor,
            AlarmName::BmsInternal
            | AlarmName::ChargeFetFault
            | AlarmName::DischargeFetFault
            | AlarmName::SensorFault
            | AlarmName::Communication => Self::BmsInternal,
            AlarmName::LowSoc => return None,
        })
    }

    /// The name in JSON (`high_voltage`).
    pub fn name(self) -> &'static str {
        match self {
            Self::BmsInternal => "bms_internal",
            Self::CellImbalance => "cell_imbalance",
            Self::Contactor => "contactor",
            Self::General => "general",
            Self::HighChargeCurrent => "high_charge_current",
            Self::HighChargeTemperature => "high_charge_temperature",
            Self::HighDischargeCurrent => "high_discharge_current",
            Self::HighTemperature => "high_temperature",
            Self::HighVoltage => "high_voltage",
            Self::LowChargeTemperature => "low_charge_temperature",
            Self::LowTemperature => "low_temperature",
            Self::LowVoltage => "low_voltage",
            Self::ShortCircuit => "short_circuit",
        }
    }
}

/// Adds an item once, in order.
pub(super) fn add(items: &mut Vec<Item>, item: Item) {
    if let Err(place) = items.binary_search(&item) {
        items.insert(place, item);
    }
}
