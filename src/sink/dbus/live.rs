//! The few settings of a battery that an owner may change on the GX while the driver runs, beside its instance and its name.
//!
//! They lie in `com.victronenergy.settings` under the battery's identity. 0 means: as in the configuration file.

/// One of them.
#[derive(Debug)]
pub struct LiveSetting {
    /// Name in the settings of the GX.
    pub name: &'static str,
    /// The key of the configuration that it stands for.
    pub key: &'static str,
    /// The most that the GX lets an owner enter. What is allowed beyond is for the configuration's own rules to say.
    pub(super) most: f64,
}

/// All of them.
pub const LIVE: [LiveSetting; 5] = [
    LiveSetting { name: "MaxChargeCurrent", key: "max_charge_current_a", most: 1000.0 },
    LiveSetting { name: "MaxDischargeCurrent", key: "max_discharge_current_a", most: 1000.0 },
    LiveSetting { name: "MaxCellVoltage", key: "max_cell_voltage_v", most: 4.2 },
    LiveSetting { name: "FloatCellVoltage", key: "phases.float_cell_voltage_v", most: 4.2 },
    LiveSetting { name: "TimeToGoSocFloor", key: "time_to_go_soc_floor_pct", most: 90.0 },
];

/// Their values, in the order of [`LIVE`]; 0 = as in the file.
pub type LiveValues = [f64; LIVE.len()];
