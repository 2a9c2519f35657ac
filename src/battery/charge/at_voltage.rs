//! How long a battery has been at its charge voltage in this charge, for a single battery and for a bank alike.
//!
//! Clouds and kettles interrupt a charge for minutes and draw little charge, so the time adds up over any number of interruptions.
//! Only a real discharge resets it.

use crate::base::units::{AmpHours, Amps, Percent, at_least_zero};
use serde::{Deserialize, Serialize};

/// A net loss of this fraction of the capacity counts as a discharge: three times what a kettle draws from a small battery.
const DISCHARGE_SHARE: f64 = 0.10;
/// The same in points of SoC, for an unknown or wrong current or capacity.
const DISCHARGE_SOC_POINTS: f64 = 10.0;

/// Time at the charge voltage, and the charge drawn since.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AtVoltage {
    /// Seconds in total during this charge.
    #[serde(rename = "at_voltage_s")]
    in_all_s: f64,
    /// Consecutive seconds at the voltage.
    #[serde(skip)]
    in_a_row_s: f64,
    /// Consecutive seconds away from it.
    #[serde(skip)]
    away_s: f64,
    /// Net charge drawn since the battery was last at the voltage, never below zero, Ah.
    drawn_ah: f64,
    /// SoC when the battery was last at the voltage, %.
    soc_pct: Option<f64>,
}

/// Input of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct VoltageStep {
    /// The battery is at its charge voltage.
    pub at_voltage: bool,
    /// The cells have been so low for so long that charge must have been drawn.
    pub is_low: bool,
    /// Positive charges.
    pub current: Option<Amps>,
    pub capacity: Option<AmpHours>,
    pub soc: Option<Percent>,
    /// Time covered by continuous data, s.
    pub seconds: f64,
}

impl AtVoltage {
    /// The state after a restart, without impossible values.
    pub(crate) fn restored(self) -> Self {
        Self {
            in_all_s: at_least_zero(self.in_all_s),
            drawn_ah: at_least_zero(self.drawn_ah),
            soc_pct: self.soc_pct.filter(|soc| (0.0..=100.0).contains(soc)),
            // Not stored.
            in_a_row_s: self.in_a_row_s,
            away_s: self.away_s,
        }
    }

    /// Advances by one step. True when the battery was discharged since it was last at the voltage; the time then starts at 0
    /// again.
    pub(crate) fn advance(&mut self, flow: VoltageStep) -> bool {
        if flow.at_voltage {
            let soc_pct = flow.soc.map(Percent::get).or(self.soc_pct);
            let (in_all_s, in_a_row_s) = (self.in_all_s + flow.seconds, self.in_a_row_s + flow.seconds);
            *self = Self { in_all_s, in_a_row_s, soc_pct, ..Self::default() };
            return false;
        }
        self.in_a_row_s = 0.0;
        self.away_s += flow.seconds;
        let amps = flow.current.map_or(0.0, Amps::get);
        self.drawn_ah = (self.drawn_ah - amps * flow.seconds / 3600.0).max(0.0);
        let by_charge = flow.capacity.is_some_and(|capacity| self.drawn_ah >= DISCHARGE_SHARE * capacity.get());
        let by_soc = self.soc_pct.zip(flow.soc).is_some_and(|(before, now)| now.get() <= before - DISCHARGE_SOC_POINTS);
        let discharged = by_charge || by_soc || flow.is_low;
        if discharged {
            self.in_all_s = 0.0;
        }
        discharged
    }

    /// Total seconds at the voltage during this charge.
    pub(crate) fn in_all_s(&self) -> f64 {
        self.in_all_s
    }

    /// Uninterrupted seconds at the voltage up to now.
    pub(crate) fn in_a_row_s(&self) -> f64 {
        self.in_a_row_s
    }

    /// Seconds since the battery was last at the voltage.
    pub(crate) fn away_s(&self) -> f64 {
        self.away_s
    }
}
