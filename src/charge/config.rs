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

/// The stages of the Silence table (contract.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Measured values become invalid and charging fades out.
    pub stale: Duration,
    /// Cable warning; discharging is cut down.
    pub silent: Duration,
    /// Cable alarm; not connected, no discharging.
    pub lost: Duration,
    /// How long the charge current takes from `stale` to zero.
    pub fade: Duration,
}

impl Silence {
    /// The default: 10, 60 and 300 s.
    pub const GENTLE: Self = Self::at(10, 60, 300);
    /// For owners who would rather have the inverter stop early: 10, 30 and 60 s.
    pub const STRICT: Self = Self::at(10, 30, 60);

    const fn at(stale: u64, silent: u64, lost: u64) -> Self {
        Self {
            stale: Duration::from_secs(stale),
            silent: Duration::from_secs(silent),
            lost: Duration::from_secs(lost),
            fade: Duration::from_secs(20),
        }
    }

    /// The age at which data read every `period` is stale.
    pub fn stale_after(&self, period: Duration) -> Duration {
        self.stale.max(period.saturating_mul(3))
    }

    /// The stage that data of this age is in.
    pub fn stage(&self, age: Duration, period: Duration) -> Freshness {
        let stale = self.stale_after(period);
        match age {
            age if age <= stale => Freshness::Fresh,
            age if age >= self.lost.max(stale) => Freshness::Lost,
            age if age >= self.silent.max(stale) => Freshness::Silent,
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
