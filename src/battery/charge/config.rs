//! The settings of charge control.

use super::DataAge;
use super::chemistry::{ChemistryPreset, Curve};
use super::oscillation::OscillationConfig;
use super::phase::PhaseConfig;
use super::sensor_config::SensorConfig;
use super::steps;
use crate::base::units::{AmpHours, Amps, Volts};
use crate::battery::partner::PartnerConfig;
use crate::model::{Assumption, ByDirection, Chemistry, Freshness};
use std::time::Duration;

/// Settings of charge control. `None` means: determined automatically, or the chemistry's preset.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Cell chemistry; unset = as reported by the BMS, else LFP unless the readings contradict it.
    pub chemistry: Option<Chemistry>,
    /// Charge current limit.
    pub max_charge_current: Option<Amps>,
    /// Discharge current limit.
    pub max_discharge_current: Option<Amps>,
    /// Cells in series; overrides the count that was determined.
    pub cells: Option<u8>,
    /// Installed capacity; overrides the one reported by the BMS.
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
    /// Step tables of a replaced system, instead of the curves.
    pub preset: steps::LimitsPreset,
    /// Absorption, float and balancing.
    pub phases: PhaseConfig,
    /// Added to the charge voltage for the voltage drop between charger and battery.
    pub voltage_drop: Volts,
    /// Minimum charge current limit while charging is allowed: some inverters misread 0 A.
    pub min_charge_current: Amps,
    /// The same for discharging.
    pub min_discharge_current: Amps,
    /// Equal batteries in parallel behind one BMS that measures one of them; all currents and capacities are multiplied by it.
    pub parallel_blocks: u8,
    /// What the owner says about values that descriptions of the BMS contradict each other about.
    pub assume: Vec<Assumption>,
    /// What happens when data stops.
    pub silence: Silence,
    /// How limits rise after a reduction.
    pub recovery: Recovery,
    /// The limits reach the chargers: this battery publishes them itself.
    pub limits_are_published: bool,
    /// Names and corrections of the temperature sensors, and those that limit nothing.
    pub sensors: SensorConfig,
    /// Reaction to oscillating inverters; needs a grid power.
    pub oscillation: OscillationConfig,
    /// A second inverter at the same grid connection.
    pub partner: PartnerConfig,
    /// Limits set by a client through the GX's settings instead of by the configuration; they are bounded.
    pub from_client: Vec<ClientLimit>,
}

/// A limit that a client may set through the GX's settings. Any program on the bus can do so, therefore a client may lower the
/// limit freely, and raise it, if the configuration leaves it open, up to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientLimit {
    /// [`Config::max_charge_current`], at most 1 C of the capacity, or the default if the capacity is unknown.
    ChargeCurrent,
    /// [`Config::max_discharge_current`], bounded likewise.
    DischargeCurrent,
    /// [`Config::max_cell_voltage`], at most the chemistry's balancing voltage.
    CellVoltage,
    /// [`PhaseConfig::float_cell_voltage`], at most the charge voltage without clients' settings.
    FloatVoltage,
}

impl ClientLimit {
    /// The bound as text.
    pub fn bound(self) -> &'static str {
        match self {
            Self::ChargeCurrent | Self::DischargeCurrent => "up to 1 C of the capacity",
            Self::CellVoltage => "up to the chemistry's voltage of a balancing charge",
            Self::FloatVoltage => "up to the usual charge voltage",
        }
    }
}

impl Config {
    /// The configured charge voltage per cell, within the bounds for this chemistry.
    pub(crate) fn cell_voltage(&self, chemistry: &ChemistryPreset) -> Option<Volts> {
        let bounded = self.from_client.contains(&ClientLimit::CellVoltage);
        self.max_cell_voltage.map(|set| if bounded { set.min(Volts::new(chemistry.balance_cell)) } else { set })
    }

    /// Float voltage per cell, before it is bounded by the charge voltage and the BMS's protection.
    pub(crate) fn float_voltage(&self, chemistry: &ChemistryPreset) -> Volts {
        let set = self.phases.float_cell_voltage.unwrap_or(Volts::new(chemistry.float_cell));
        if !self.from_client.contains(&ClientLimit::FloatVoltage) {
            return set;
        }
        // A charge voltage raised by a client must not be held indefinitely.
        let raised = self.from_client.contains(&ClientLimit::CellVoltage);
        let usual = Volts::new(chemistry.max_cell);
        set.min(self.cell_voltage(chemistry).map_or(usual, |cell| if raised { cell.min(usual) } else { cell }))
    }
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
            preset: steps::LimitsPreset::default(),
            phases: PhaseConfig::default(),
            voltage_drop: Volts::ZERO,
            min_charge_current: Amps::ZERO,
            min_discharge_current: Amps::ZERO,
            parallel_blocks: 1,
            assume: Vec::new(),
            silence: Silence::GENTLE,
            recovery: Recovery::default(),
            limits_are_published: true,
            sensors: SensorConfig::default(),
            oscillation: OscillationConfig::default(),
            partner: PartnerConfig::default(),
            from_client: Vec::new(),
        }
    }
}

/// Preset of the times of [`Silence`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Caution {
    /// 10, 60 and 300 s.
    #[default]
    Gentle,
    /// 10, 30 and 60 s, for owners who prefer the inverter to stop early.
    Strict,
}

/// What happens when data stops (safety rule 11). A configured time overrides the preset's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// Preset for the times that are not set.
    pub preset: Caution,
    /// See [`Self::values_after`].
    pub values_after_set: Option<Duration>,
    /// See [`Self::cable_warning_after`].
    pub cable_warning_after_set: Option<Duration>,
    /// See [`Self::cable_alarm_after`].
    pub cable_alarm_after_set: Option<Duration>,
    /// Time in which CCL falls to 0 once values are invalid.
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

    /// Age at which measured values become invalid and charging fades out; [`Self::stale_after`] if readings are rare.
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

    /// Age at which data read every `period` is stale.
    pub fn stale_after(&self, period: Duration) -> Duration {
        self.values_after().max(period.saturating_mul(3))
    }

    /// Age at which data read every `period` enters a stage.
    pub fn begin(&self, stage: Freshness, period: Duration) -> Duration {
        let stale = self.stale_after(period);
        match stage {
            Freshness::Fresh => Duration::ZERO,
            Freshness::Stale => stale,
            Freshness::Silent => self.cable_warning_after().max(stale),
            Freshness::Lost => self.cable_alarm_after().max(stale),
        }
    }

    /// Silence stage of data of this age.
    pub fn stage(&self, age: Duration, period: Duration) -> Freshness {
        match age {
            age if age <= self.begin(Freshness::Stale, period) => Freshness::Fresh,
            age if age >= self.begin(Freshness::Lost, period) => Freshness::Lost,
            age if age >= self.begin(Freshness::Silent, period) => Freshness::Silent,
            _ => Freshness::Stale,
        }
    }

    /// How long data of this age has been stale.
    pub fn stale_for(&self, DataAge { age, period }: DataAge) -> Duration {
        age.saturating_sub(self.stale_after(period))
    }

    /// Shares of the current limits at the time when data became stale that remain at this age. A battery whose lowest cell was
    /// above the reserve voltage of its chemistry (`has_reserve`) may be discharged for longer.
    pub fn remaining_shares(&self, age: DataAge, has_reserve: bool) -> ByDirection<f64> {
        let left = 1.0 - self.stale_for(age).as_secs_f64() / self.charge_fade.as_secs_f64().max(0.001);
        match self.stage(age.age, age.period) {
            Freshness::Fresh => ByDirection { charge: 1.0, discharge: 1.0 },
            Freshness::Stale => ByDirection { charge: left.clamp(0.0, 1.0), discharge: 1.0 },
            Freshness::Silent => ByDirection { charge: 0.0, discharge: if has_reserve { 0.25 } else { 0.0 } },
            Freshness::Lost => ByDirection { charge: 0.0, discharge: 0.0 },
        }
    }
}

/// How limits rise after a reduction.
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
