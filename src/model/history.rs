//! Counters over a battery's life.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Counters over the battery's life with this driver; they survive restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Deepest discharge below full, Ah, negative.
    pub deepest_discharge_ah: Option<f64>,
    /// Deepest point of the present discharge, Ah, negative.
    pub last_discharge_ah: Option<f64>,
    /// Total charge drawn, Ah, negative.
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
    /// Energy discharged, kWh.
    pub discharged_kwh: f64,
    /// Energy charged, kWh.
    pub charged_kwh: f64,
    /// Number of low-voltage alarms.
    pub low_voltage_alarms: u32,
    /// Number of high-voltage alarms.
    pub high_voltage_alarms: u32,
    /// Number of times that the counted SoC was set to full or empty.
    pub automatic_syncs: u32,
    /// Wall-clock time of the last full charge, seconds since 1970; only recorded while the clock is trusted.
    pub last_full_unix: Option<u64>,
    /// Discharges to empty, and cycles.
    pub discharges: Discharges,
    /// The present discharge has begun (since the last full charge).
    pub discharging: bool,
    /// A low-voltage alarm is active.
    #[serde(skip)]
    pub low_voltage_active: bool,
    /// A high-voltage alarm is active.
    #[serde(skip)]
    pub high_voltage_active: bool,
}

/// Discharges to empty, and cycles, as Victron's battery monitors count them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Discharges {
    /// How often the SoC fell to 0 %; unknown until it was seen above.
    pub full: Option<u32>,
    /// The SoC fell to 0 % and has not recovered since.
    pub empty: bool,
    /// Finished cycles.
    pub cycles: u32,
    /// Charge drawn in the finished cycles, Ah, negative.
    pub cycles_drawn_ah: f64,
    /// The present cycle, once its beginning was seen.
    pub open: Option<OpenCycle>,
}

/// A cycle that has begun: from a high SoC to a low one, and back.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenCycle {
    /// Charge drawn since its beginning, Ah, negative.
    pub drawn_ah: f64,
    /// The SoC was low.
    pub was_low: bool,
    /// The last SoC, %.
    pub soc_pct: f64,
}

impl Discharges {
    /// Charge drawn in a cycle on average, Ah, negative; unknown before the first finished cycle.
    pub fn average_ah(&self) -> Option<f64> {
        (self.cycles > 0).then(|| self.cycles_drawn_ah / f64::from(self.cycles))
    }

    fn restored(self) -> Self {
        let is_possible = |open: &OpenCycle| (-1e6..=0.0).contains(&open.drawn_ah) && (0.0..=100.0).contains(&open.soc_pct);
        let open = self.open.filter(is_possible);
        if (-1e9..=0.0).contains(&self.cycles_drawn_ah) {
            Self { open, ..self }
        } else {
            Self { open, cycles: 0, cycles_drawn_ah: 0.0, ..self }
        }
    }
}

impl History {
    /// The state after a restart, without impossible values: a file may contain anything.
    pub fn restored(self) -> Self {
        let within = |value: Option<f64>, least: f64, most: f64| value.filter(|value| (least..=most).contains(value));
        let total = |value: f64, least: f64, most: f64| within(Some(value), least, most).unwrap_or(0.0);
        Self {
            deepest_discharge_ah: within(self.deepest_discharge_ah, -1e6, 0.0),
            last_discharge_ah: within(self.last_discharge_ah, -1e6, 0.0),
            total_drawn_ah: total(self.total_drawn_ah, -1e9, 0.0),
            min_voltage: within(self.min_voltage, 0.0, 1000.0),
            max_voltage: within(self.max_voltage, 0.0, 1000.0),
            min_cell_voltage: within(self.min_cell_voltage, 0.0, 6.5),
            max_cell_voltage: within(self.max_cell_voltage, 0.0, 6.5),
            min_temperature: within(self.min_temperature, -100.0, 250.0),
            max_temperature: within(self.max_temperature, -100.0, 250.0),
            discharged_kwh: total(self.discharged_kwh, 0.0, 1e9),
            charged_kwh: total(self.charged_kwh, 0.0, 1e9),
            // Any value is possible.
            low_voltage_alarms: self.low_voltage_alarms,
            high_voltage_alarms: self.high_voltage_alarms,
            automatic_syncs: self.automatic_syncs,
            last_full_unix: self.last_full_unix,
            discharges: self.discharges.restored(),
            discharging: self.discharging,
            low_voltage_active: self.low_voltage_active,
            high_voltage_active: self.high_voltage_active,
        }
    }

    /// Time since the last full charge; also unknown if the wall clock was set back to before it.
    pub fn since_full(&self, unix: Option<u64>) -> Option<Duration> {
        self.last_full_unix.zip(unix).and_then(|(full, now)| now.checked_sub(full)).map(Duration::from_secs)
    }
}
