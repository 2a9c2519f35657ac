//! Data of cells, counters and states that some protocols send and most do not.

use super::growatt::BatteryActivity;
use crate::base::units::{Amps, Celsius};
use serde::{Deserialize, Serialize};

/// What only some protocols send; `None` = not sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// Temperature of the hottest sensor.
    #[serde(rename = "max_cell_temp_c", skip_serializing_if = "Option::is_none")]
    pub max_cell_temperature: Option<Celsius>,
    /// Temperature of the coldest sensor.
    #[serde(rename = "min_cell_temp_c", skip_serializing_if = "Option::is_none")]
    pub min_cell_temperature: Option<Celsius>,
    /// Number of the highest cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cell_v_number: Option<CellNumber>,
    /// Number of the lowest cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cell_v_number: Option<CellNumber>,
    /// Number of the hottest sensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cell_t_number: Option<CellNumber>,
    /// Number of the coldest sensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cell_t_number: Option<CellNumber>,
    /// Voltages of all cells of a single battery, mV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells_mv: Option<Vec<u16>>,
    /// Temperatures of the battery's sensors; never decoded.
    #[serde(rename = "sensor_temperatures_c", skip_serializing_if = "Option::is_none")]
    pub temperatures: Option<Vec<Celsius>>,
    /// Temperature of the MOSFETs; never decoded.
    #[serde(rename = "mos_temperature_c", skip_serializing_if = "Option::is_none")]
    pub mos_temperature: Option<Celsius>,
    /// Temperature of the BMS's board; never decoded.
    #[serde(rename = "board_temperature_c", skip_serializing_if = "Option::is_none")]
    pub board_temperature: Option<Celsius>,
    /// Cells in series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell_count: Option<u8>,
    /// Charge cycles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u32>,
    /// What the battery does (Growatt); without a measured current only.
    #[serde(rename = "bms_state", skip_serializing_if = "Option::is_none")]
    pub activity: Option<BatteryActivity>,
    /// What the inverter does, as the battery sees it (Growatt); never encoded.
    #[serde(rename = "sp_state", skip_serializing_if = "Option::is_none")]
    pub inverter_activity: Option<BatteryActivity>,
    /// The battery reports an error (Growatt); never encoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_valid: Option<bool>,
    /// The battery sleeps (Growatt); never encoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep: Option<bool>,
    /// Cells are being balanced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balancing: Option<bool>,
    /// Addresses that are online, a bit each (Seplos).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_mask: Option<u8>,
    /// All modules, online or not (Deye PCS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules_total: Option<u8>,
    /// Charge current limit on the grid (Deye PCS).
    #[serde(rename = "charge_current_limit_on_grid_a", skip_serializing_if = "Option::is_none")]
    pub charge_limit_on_grid: Option<Amps>,
    /// Discharge current limit on the grid (Deye PCS).
    #[serde(rename = "discharge_current_limit_on_grid_a", skip_serializing_if = "Option::is_none")]
    pub discharge_limit_on_grid: Option<Amps>,
}

impl Details {
    /// The same for a battery without fresh data: counters and numbers stay.
    pub(crate) fn without_measured_values(&self) -> Self {
        Self { max_cell_temperature: None, min_cell_temperature: None, cells_mv: None, balancing: None, ..self.clone() }
    }
}

/// The number of a cell or sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CellNumber {
    /// Counted through all modules, from 1.
    Of(u16),
    /// Module and cell or sensor in it, each from 1.
    InModule(u8, u8),
}

impl CellNumber {
    /// A word whose low byte is the cell and whose high byte the module; 0 as the module means that modules are not told apart.
    pub(crate) fn of_word(word: u16) -> Option<Self> {
        let [cell, module] = word.to_le_bytes();
        match (module, cell) {
            (_, 0) => None,
            (0, cell) => Some(Self::Of(cell.into())),
            (module, cell) => Some(Self::InModule(module, cell)),
        }
    }

    /// Module, 1 if there is one only, and number within it.
    pub(crate) fn in_module(self) -> (u8, u8) {
        match self {
            Self::Of(number) => (1, u8::try_from(number).unwrap_or(u8::MAX)),
            Self::InModule(module, cell) => (module, cell),
        }
    }
}
