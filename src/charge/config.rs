//! The settings of charge control.

use super::chemistry::Curve;
use super::oscillation::Oscillation;
use super::phase::PhaseConfig;
use super::steps::Preset;
use crate::model::{Chemistry, Freshness};
use crate::units::{AmpHours, Amps, Volts};
use std::time::Duration;

/// Settings of charge control. `None` means: found out, or the chemistry's preset.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Cell chemistry; unset = what the BMS says, else LFP as long as nothing speaks against it.
    pub chemistry: Option<Chemistry>,
    /// Charge current limit.
    pub max_charge_current: Option<Amps>,
    /// Discharge current limit.
    pub max_discharge_current: Option<Amps>,
    /// Cells in series; overrides what is found out.
    pub cells: Option<u8>,
    /// Installed capacity; overrides what the BMS says.
    pub capacity: Option<AmpHours>,
    /// Charge voltage per cell.
    pub max_cell_voltage: Option<Volts>,
    /// Charge current over the highest cell voltage.
    pub charge_by_cell_voltage: Option<Curve>,
    /// Discharge current over the lowest cell voltage.
    pub discharge_by_cell_voltage: Option<Curve>,
    /// Charge current over temperature.
    pub charge_by_temperature: Option<Curve>,
    /// Discharge current over temperature.
    pub discharge_by_temperature: Option<Curve>,
    /// Charge current over SoC; unset = no limit by SoC.
    pub charge_by_soc: Option<Curve>,
    /// Discharge current over SoC; unset = no limit by SoC.
    pub discharge_by_soc: Option<Curve>,
    /// The tables of a system that this driver replaces, in place of the curves.
    pub preset: Preset,
    /// Absorption, float and balancing.
    pub phases: PhaseConfig,
    /// Added to the charge voltage for the loss between battery and charger.
    pub voltage_drop: Volts,
    /// Charge current that a limit never goes below while charging is allowed: some inverters misread 0 A.
    pub min_charge_current: Amps,
    /// As above, discharging.
    pub min_discharge_current: Amps,
    /// Equal batteries in parallel of which the BMS sees one; all currents and capacities are multiplied by it.
    pub parallel_blocks: u8,
    /// What happens when data stops.
    pub silence: Silence,
    /// How limits rise again.
    pub recovery: Recovery,
    /// What is done when inverters fight; needs a grid power.
    pub oscillation: Oscillation,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            chemistry: None,
            max_charge_current: None,
            max_discharge_current: None,
            cells: None,
            capacity: None,
            max_cell_voltage: None,
            charge_by_cell_voltage: None,
            discharge_by_cell_voltage: None,
            charge_by_temperature: None,
            discharge_by_temperature: None,
            charge_by_soc: None,
            discharge_by_soc: None,
            preset: Preset::default(),
            phases: PhaseConfig::default(),
            voltage_drop: Volts::ZERO,
            min_charge_current: Amps::ZERO,
            min_discharge_current: Amps::ZERO,
            parallel_blocks: 1,
            silence: Silence::GENTLE,
            recovery: Recovery::default(),
            oscillation: Oscillation::default(),
        }
    }
}

/// How cautious the times of [`Silence`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Caution {
    /// 10, 60 and 300 s.
    #[default]
    Gentle,
    /// 10, 30 and 60 s, for owners who would rather have the inverter stop early.
    Strict,
}

/// What happens when data stops: the Silence table (contract.md). A time that was set wins over the preset's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Where the times come from that were not set.
    pub preset: Caution,
    /// See [`Self::values_after`].
    pub values_after_set: Option<Duration>,
    /// See [`Self::cable_warning_after`].
    pub cable_warning_after_set: Option<Duration>,
    /// See [`Self::cable_alarm_after`].
    pub cable_alarm_after_set: Option<Duration>,
    /// Time in which the charge current limit falls to 0 once values are invalid.
    pub charge_fade: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self::GENTLE
    }
}

impl Silence {
    /// The default.
    pub const GENTLE: Self = Self::of(Caution::Gentle);
    /// The times of [`Caution::Strict`].
    pub const STRICT: Self = Self::of(Caution::Strict);

    const fn of(preset: Caution) -> Self {
        Self {
            preset,
            values_after_set: None,
            cable_warning_after_set: None,
            cable_alarm_after_set: None,
            charge_fade: Duration::from_secs(20),
        }
    }

    /// Age at which measured values become invalid and charging fades; [`Self::stale_after`] where readings are rare.
    pub fn values_after(&self) -> Duration {
        self.values_after_set.unwrap_or(Duration::from_secs(10))
    }

    /// Age at which the cable warning is raised and discharging is reduced.
    pub fn cable_warning_after(&self) -> Duration {
        self.cable_warning_after_set.unwrap_or(Duration::from_secs(match self.preset {
            Caution::Gentle => 60,
            Caution::Strict => 30,
        }))
    }

    /// Age at which the cable alarm is raised: not connected, no discharging.
    pub fn cable_alarm_after(&self) -> Duration {
        self.cable_alarm_after_set.unwrap_or(Duration::from_secs(match self.preset {
            Caution::Gentle => 300,
            Caution::Strict => 60,
        }))
    }

    /// The age at which data read every `period` is stale.
    pub fn stale_after(&self, period: Duration) -> Duration {
        self.values_after().max(period.saturating_mul(3))
    }

    /// The stage that data of this age is in.
    pub fn stage(&self, age: Duration, period: Duration) -> Freshness {
        let stale = self.stale_after(period);
        match age {
            age if age <= stale => Freshness::Fresh,
            age if age >= self.cable_alarm_after().max(stale) => Freshness::Lost,
            age if age >= self.cable_warning_after().max(stale) => Freshness::Silent,
            _ => Freshness::Stale,
        }
    }
}

/// How limits rise again after they were reduced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recovery {
    /// Time without a further reduction before a limit rises.
    pub hold: Duration,
    /// Rise of the current limits, A per second.
    pub amps_per_s: f64,
    /// Rise of the voltage limit, V per second.
    pub volts_per_s: f64,
}

impl Default for Recovery {
    fn default() -> Self {
        Self { hold: Duration::from_secs(30), amps_per_s: 1.0, volts_per_s: 0.05 }
    }
}
