//! What a BMS says about its settings.

use crate::units::{Amps, Volts};
use serde::{Deserialize, Serialize};

/// Settings and limits that a BMS reports about itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BmsSettings {
    /// Cell chemistry as the BMS is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chemistry: Option<Chemistry>,
    /// Cell over-voltage protection.
    #[serde(rename = "cell_ovp_v", skip_serializing_if = "Option::is_none")]
    pub cell_ovp: Option<Volts>,
    /// Cell under-voltage protection.
    #[serde(rename = "cell_uvp_v", skip_serializing_if = "Option::is_none")]
    pub cell_uvp: Option<Volts>,
    /// Pack over-voltage protection.
    #[serde(rename = "pack_ovp_v", skip_serializing_if = "Option::is_none")]
    pub pack_ovp: Option<Volts>,
    /// Pack under-voltage protection.
    #[serde(rename = "pack_uvp_v", skip_serializing_if = "Option::is_none")]
    pub pack_uvp: Option<Volts>,
    /// Charge over-current protection.
    #[serde(rename = "charge_ocp_a", skip_serializing_if = "Option::is_none")]
    pub charge_ocp: Option<Amps>,
    /// Discharge over-current protection.
    #[serde(rename = "discharge_ocp_a", skip_serializing_if = "Option::is_none")]
    pub discharge_ocp: Option<Amps>,
    /// Charge current that the BMS asks for; 0 forbids.
    #[serde(rename = "bms_ccl_a", skip_serializing_if = "Option::is_none")]
    pub charge_limit: Option<Amps>,
    /// Discharge current that the BMS asks for; 0 forbids.
    #[serde(rename = "bms_dcl_a", skip_serializing_if = "Option::is_none")]
    pub discharge_limit: Option<Amps>,
}

/// Cell chemistry; decides the voltages of charge control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chemistry {
    /// Lithium iron phosphate.
    Lfp,
    /// Nickel manganese cobalt and other "ternary" cells.
    Nmc,
    /// Lithium titanate.
    Lto,
}
