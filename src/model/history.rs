//! What is counted over a battery's life.

use serde::{Deserialize, Serialize};

/// Counters over the battery's life with this driver; they survive restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Deepest discharge below full, Ah, negative.
    pub deepest_discharge_ah: Option<f64>,
    /// Deepest point of the present discharge, Ah, negative.
    pub last_discharge_ah: Option<f64>,
    /// Charge drawn in all, Ah, negative.
    pub total_drawn_ah: f64,
    /// Lowest pack voltage, V.
    pub min_voltage: Option<f64>,
    /// Highest pack voltage, V.
    pub max_voltage: Option<f64>,
    /// Lowest cell voltage, V.
    pub min_cell_voltage: Option<f64>,
    /// Highest cell voltage, V.
    pub max_cell_voltage: Option<f64>,
    /// Lowest temperature, °C.
    pub min_temperature: Option<f64>,
    /// Highest temperature, °C.
    pub max_temperature: Option<f64>,
    /// Energy taken out, kWh.
    pub discharged_kwh: f64,
    /// Energy put in, kWh.
    pub charged_kwh: f64,
    /// Times that a low-voltage alarm began.
    pub low_voltage_alarms: u32,
    /// Times that a high-voltage alarm began.
    pub high_voltage_alarms: u32,
    /// Times that the counted SoC was set to full or empty.
    pub automatic_syncs: u32,
    /// Wall-clock time of the last full charge, seconds since 1970; only once the clock was trusted.
    pub last_full_unix: Option<u64>,
    /// The present discharge has begun (since the last full charge).
    pub discharging: bool,
    /// A low-voltage alarm is active.
    #[serde(skip)]
    pub low_voltage_active: bool,
    /// A high-voltage alarm is active.
    #[serde(skip)]
    pub high_voltage_active: bool,
}
