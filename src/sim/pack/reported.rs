//! Values that a simulated BMS reports about its battery.

use crate::model::AlarmName;

/// Values reported by the BMS: measurements, counters and state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportedState {
    /// Pack voltage, V.
    pub voltage_v: f64,
    /// Current, A; positive charges.
    pub current_a: f64,
    /// Counted state of charge, %.
    pub soc_pct: f64,
    /// Counted remaining charge, Ah.
    pub remaining_ah: f64,
    /// Nominal capacity, Ah.
    pub capacity_ah: f64,
    /// Full cycles.
    pub cycles: u32,
    /// Cell voltages, V.
    pub cells_v: Vec<f64>,
    /// Cell sensors, °C.
    pub temperatures_c: [f64; 2],
    /// MOSFET sensor, °C.
    pub mos_c: f64,
    /// Cells being balanced.
    pub balancing: Vec<bool>,
    /// The charge FET conducts.
    pub charge_fet: bool,
    /// The discharge FET conducts.
    pub discharge_fet: bool,
    /// Active protections.
    pub alarms: Vec<AlarmName>,
}
