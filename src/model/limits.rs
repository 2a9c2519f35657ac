//! Limits of a battery.

use crate::base::units::{Amps, Volts};
use serde::Serialize;

/// A published limit and the rule that set it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limit<T> {
    /// The limit; always finite and never negative.
    pub value: T,
    /// The rule that sets it, as text for the owner.
    pub why: &'static str,
}

/// A value for each direction of the current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByDirection<T> {
    /// For charging.
    pub charge: T,
    /// For discharging.
    pub discharge: T,
}

impl<T> ByDirection<T> {
    /// The same value for both directions.
    pub const fn both(value: T) -> Self
    where
        T: Copy,
    {
        Self { charge: value, discharge: value }
    }

    /// A value computed from each.
    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> ByDirection<U> {
        ByDirection { charge: of(self.charge), discharge: of(self.discharge) }
    }

    /// Pairs with the values of `other`.
    pub fn zip<U>(self, other: ByDirection<U>) -> ByDirection<(T, U)> {
        ByDirection { charge: (self.charge, other.charge), discharge: (self.discharge, other.discharge) }
    }
}

/// Limits of a battery; by default nothing is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Charge voltage limit.
    pub cvl: Limit<Volts>,
    /// Charge current limit.
    pub ccl: Limit<Amps>,
    /// Discharge current limit.
    pub dcl: Limit<Amps>,
    /// Voltage at which discharging should end, for inverters that need one.
    pub low_voltage: Volts,
    /// Phase of charging.
    pub mode: Mode,
}

/// Numbers of the cells by which the rules of the limits act, counted from 1; `None`: the rule acts by something else, or the number of
/// the cell is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitingCells {
    /// Of the charge voltage limit.
    pub cvl: Option<usize>,
    /// Of the charge current limit.
    pub ccl: Option<usize>,
    /// Of the discharge current limit.
    pub dcl: Option<usize>,
}

impl Limits {
    /// The current limits.
    pub fn currents(&self) -> ByDirection<Amps> {
        ByDirection { charge: self.ccl.value, discharge: self.dcl.value }
    }
}

/// Charging phase, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Charging up to the charge voltage.
    Bulk,
    /// Holding the charge voltage until the battery is full.
    Absorption,
    /// Full; the voltage is lowered.
    Float,
    /// The battery's data is doubtful or stale; charging is held back.
    #[default]
    Hold,
}

impl Mode {
    /// Text shown in GUIs.
    pub fn text(self) -> &'static str {
        match self {
            Mode::Bulk => "Bulk",
            Mode::Absorption => "Absorption",
            Mode::Float => "Float",
            Mode::Hold => "Hold",
        }
    }

    /// Text in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Mode::Bulk => "bulk",
            Mode::Absorption => "absorption",
            Mode::Float => "float",
            Mode::Hold => "hold",
        }
    }
}
