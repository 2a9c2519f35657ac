//! What a battery may be charged and discharged with.

use crate::units::{Amps, Volts};
use serde::Serialize;

/// A published limit and the rule that set it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit<T> {
    /// The limit; always finite and never negative.
    pub value: T,
    /// The winning rule, in words for the owner.
    pub why: &'static str,
}

/// What the battery may be charged and discharged with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Charge voltage limit.
    pub cvl: Limit<Volts>,
    /// Charge current limit.
    pub ccl: Limit<Amps>,
    /// Discharge current limit.
    pub dcl: Limit<Amps>,
    /// Voltage at which discharging should end, for inverters that want one.
    pub low_voltage: Volts,
    /// Phase of charging.
    pub mode: Mode,
}

/// Phase of charging, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Charging up to the charge voltage.
    Bulk,
    /// Holding the charge voltage until the battery is full.
    Absorption,
    /// Full; the voltage is let down.
    Float,
    /// The battery's data is not trusted or not fresh; charging is held back.
    Hold,
}

impl Mode {
    /// The word that GUIs show.
    pub fn text(self) -> &'static str {
        match self {
            Mode::Bulk => "Bulk",
            Mode::Absorption => "Absorption",
            Mode::Float => "Float",
            Mode::Hold => "Hold",
        }
    }

    /// The word in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Mode::Bulk => "bulk",
            Mode::Absorption => "absorption",
            Mode::Float => "float",
            Mode::Hold => "hold",
        }
    }
}
