//! What a simulated BMS shows of its battery.

use crate::model::AlarmName;

/// What the BMS shows: its measurements, its counters and its state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    /// Pack voltage, V.
    pub voltage_v: f64,
    /// Current, A; positive charges.
    pub current_a: f64,
    /// State of charge as counted, %.
    pub soc_pct: f64,
    /// Charge left as counted, Ah.
    pub remaining_ah: f64,
    /// Nominal capacity, Ah.
    pub capacity_ah: f64,
    /// Full cycles.
    pub cycles: u32,
    /// Cell voltages, V.
    pub cells_v: Vec<f64>,
    /// Sensors at the cells, °C.
    pub temperatures_c: [f64; 2],
    /// Sensor at the MOSFETs, °C.
    pub mos_c: f64,
    /// Which cells are being balanced.
    pub balancing: Vec<bool>,
    /// The charge FET conducts.
    pub charge_fet: bool,
    /// The discharge FET conducts.
    pub discharge_fet: bool,
    /// Active protections.
    pub alarms: Vec<AlarmName>,
}
