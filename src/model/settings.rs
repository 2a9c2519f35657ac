//! Settings reported by a BMS.

use super::table::table;
use crate::base::units::{Amps, Volts};
use serde::{Deserialize, Serialize};

table! {
    /// Settings and limits that a BMS reports about itself.
    pub struct BmsSettings, described by BmsSettingsFields {
        /// Cell chemistry set in the BMS.
        chemistry: Option<Chemistry> = Constant("chemistry", "text", ""),
        /// Cell over-voltage protection.
        cell_ovp: Option<Volts> = Constant("cell_ovp_v", "V", "cell max"),
        /// Cell under-voltage protection.
        cell_uvp: Option<Volts> = Constant("cell_uvp_v", "V", "cell min"),
        /// Pack over-voltage protection.
        pack_ovp: Option<Volts> = Constant("pack_ovp_v", "V", "pack max"),
        /// Pack under-voltage protection.
        pack_uvp: Option<Volts> = Constant("pack_uvp_v", "V", "pack min"),
        /// Charge over-current protection.
        charge_ocp: Option<Amps> = Constant("charge_ocp_a", "A", "charge max"),
        /// Discharge over-current protection.
        discharge_ocp: Option<Amps> = Constant("discharge_ocp_a", "A", "discharge max"),
        /// Charge current limit requested by the BMS; 0 forbids charging.
        charge_limit: Option<Amps> = Measured("bms_ccl_a", "A", "asks for charge"),
        /// Discharge current limit requested by the BMS; 0 forbids discharging.
        discharge_limit: Option<Amps> = Measured("bms_dcl_a", "A", "asks for discharge"),
        /// Charge voltage limit requested by the BMS.
        voltage_limit: Option<Volts> = Measured("bms_cvl_v", "V", "asks for voltage"),
    }
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
    /// Sodium-ion with a layered oxide (3.0 to 3.1 V nominal).
    Sodium,
}
