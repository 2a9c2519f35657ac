//! The counters of dbus-serialbattery with the same meaning and units as here. Pure.
//!
//! Not included: the last discharge (there since the current reversed, here since the battery was full), the number of
//! synchronisations (there each full charge), the average discharge and full discharges (here cycles between 90 and 65 % and an SoC of
//! 0 %), numbers of alarms (there including warnings), and charge cycles, which are the BMS's own here.

use crate::model::History;
use serde::{Deserialize, Serialize};

/// Earlier wall-clock times are those of a clock that was not set (2020-01-01).
const OLDEST: f64 = 1_577_836_800.0;
const LATEST: f64 = 4_102_444_800.0;

/// Counters over a battery's life. `None` = not counted, or implausible.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Ah below full, as a positive number.
    pub deepest_discharge: Option<f64>,
    /// Ah, as a positive number.
    pub total_ah_drawn: Option<f64>,
    /// Unix time, s.
    pub timestamp_last_full_charge: Option<f64>,
    /// V.
    pub minimum_voltage: Option<f64>,
    /// V.
    pub maximum_voltage: Option<f64>,
    /// V.
    pub minimum_cell_voltage: Option<f64>,
    /// V.
    pub maximum_cell_voltage: Option<f64>,
    /// °C.
    pub minimum_temperature: Option<f64>,
    /// °C.
    pub maximum_temperature: Option<f64>,
    /// kWh.
    pub discharged_energy: Option<f64>,
    /// kWh.
    pub charged_energy: Option<f64>,
}

impl Counters {
    /// Parses `HistoryValues`; unreadable counters are `None`.
    pub fn parse(json: &str) -> Self {
        let Ok(serde_json::Value::Object(values)) = serde_json::from_str(json) else { return Self::default() };
        let within = |name: &str, least: f64, most: f64| {
            values.get(name).and_then(serde_json::Value::as_f64).filter(|number| (least..=most).contains(number))
        };
        // Some versions stored drawn charge with a sign.
        let amount = |name: &str, most: f64| within(name, -most, most).map(f64::abs);
        Self {
            deepest_discharge: amount("deepest_discharge", 1e5),
            total_ah_drawn: amount("total_ah_drawn", 1e8),
            timestamp_last_full_charge: within("timestamp_last_full_charge", OLDEST, LATEST),
            // A BMS without a reading yet was stored as zeros.
            minimum_voltage: within("minimum_voltage", 1.0, 1000.0),
            maximum_voltage: within("maximum_voltage", 1.0, 1000.0),
            minimum_cell_voltage: within("minimum_cell_voltage", 0.5, 5.0),
            maximum_cell_voltage: within("maximum_cell_voltage", 0.5, 5.0),
            minimum_temperature: within("minimum_temperature", -60.0, 150.0),
            maximum_temperature: within("maximum_temperature", -60.0, 150.0),
            discharged_energy: within("discharged_energy", 0.0, 1e7),
            charged_energy: within("charged_energy", 0.0, 1e7),
        }
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds these counters to the driver's own: the more extreme or larger value wins, so that repeating it changes nothing.
    pub fn add_to(&self, history: &mut History) {
        let lowest = |slot: &mut Option<f64>, value: Option<f64>| *slot = slot.take().into_iter().chain(value).reduce(f64::min);
        let highest = |slot: &mut Option<f64>, value: Option<f64>| *slot = slot.take().into_iter().chain(value).reduce(f64::max);
        #[rustfmt::skip]
        let Self {
            deepest_discharge, total_ah_drawn, timestamp_last_full_charge, minimum_voltage, maximum_voltage, minimum_cell_voltage,
            maximum_cell_voltage, minimum_temperature, maximum_temperature, discharged_energy, charged_energy,
        } = *self;
        lowest(&mut history.deepest_discharge_ah, deepest_discharge.map(|ah| -ah));
        lowest(&mut history.min_voltage, minimum_voltage);
        highest(&mut history.max_voltage, maximum_voltage);
        lowest(&mut history.min_cell_voltage, minimum_cell_voltage);
        highest(&mut history.max_cell_voltage, maximum_cell_voltage);
        lowest(&mut history.min_temperature, minimum_temperature);
        highest(&mut history.max_temperature, maximum_temperature);
        history.total_drawn_ah = history.total_drawn_ah.min(-total_ah_drawn.unwrap_or_default());
        history.discharged_kwh = history.discharged_kwh.max(discharged_energy.unwrap_or_default());
        history.charged_kwh = history.charged_kwh.max(charged_energy.unwrap_or_default());
        if let Some(full) = timestamp_last_full_charge {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between OLDEST and LATEST")]
            let full = full as u64;
            history.last_full_unix = history.last_full_unix.max(Some(full));
        }
    }

    /// Text for people: `12.3 kWh out, 13.1 kWh in, …`; empty if nothing was counted.
    pub fn words(&self) -> String {
        let item = |value: Option<f64>, text: &dyn Fn(f64) -> String| value.map(text);
        let span = |low: Option<f64>, high: Option<f64>, digits: usize, unit: &str| {
            low.zip(high).map(|(low, high)| format!("{low:.digits$} to {high:.digits$} {unit}"))
        };
        let items = [
            item(self.discharged_energy, &|kwh| format!("{kwh:.1} kWh taken out")),
            item(self.charged_energy, &|kwh| format!("{kwh:.1} kWh put in")),
            item(self.total_ah_drawn, &|ah| format!("{ah:.1} Ah drawn in all")),
            item(self.deepest_discharge, &|ah| format!("deepest discharge {ah:.1} Ah")),
            span(self.minimum_voltage, self.maximum_voltage, 2, "V"),
            span(self.minimum_cell_voltage, self.maximum_cell_voltage, 3, "V per cell"),
            span(self.minimum_temperature, self.maximum_temperature, 0, "°C"),
            self.timestamp_last_full_charge.map(|_| "the last full charge".to_owned()),
        ];
        items.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}
