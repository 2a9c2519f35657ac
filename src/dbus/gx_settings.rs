//! Settings of a battery that an owner may change on the GX while the driver runs, besides instance and name.
//!
//! They are stored in `com.victronenergy.settings` under the battery's identity. 0 means: as in the configuration file.

use crate::battery::charge::ClientLimit;

/// One such setting.
#[derive(Debug)]
pub struct GxSettingKey {
    /// Name in the settings of the GX.
    pub name: &'static str,
    /// Key of the configuration that it overrides.
    pub key: &'static str,
    /// Maximum that the GX accepts. The rules of the configuration may allow less.
    pub(super) most: f64,
    /// The limit that it may raise, if any.
    pub limit: Option<ClientLimit>,
}

/// All of them.
pub const GX_SETTINGS: [GxSettingKey; 5] = [
    GxSettingKey { name: "MaxChargeCurrent", key: "max_charge_current_a", most: 1000.0, limit: Some(ClientLimit::ChargeCurrent) },
    GxSettingKey {
        name: "MaxDischargeCurrent",
        key: "max_discharge_current_a",
        most: 1000.0,
        limit: Some(ClientLimit::DischargeCurrent),
    },
    GxSettingKey { name: "MaxCellVoltage", key: "max_cell_voltage_v", most: 4.2, limit: Some(ClientLimit::CellVoltage) },
    GxSettingKey {
        name: "FloatCellVoltage",
        key: "phases.float_cell_voltage_v",
        most: 4.2,
        limit: Some(ClientLimit::FloatVoltage),
    },
    GxSettingKey { name: "TimeToGoSocFloor", key: "time_to_go_soc_floor_pct", most: 90.0, limit: None },
];

/// Values in the order of [`GX_SETTINGS`]; 0 = as in the file.
pub type GxSettingValues = [f64; GX_SETTINGS.len()];
