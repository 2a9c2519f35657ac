//! Charge control as a filter: inputs as JSON lines in, limits as JSON lines out (the `limits` command).

use super::{ChargeInputs, Config, DataAge, Memory, SensorConfig, step};
use crate::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use crate::model::{Awaited, BmsSettings, ByDirection, Chemistry, Limits};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One input line. A missing input activates no rule.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct InputLine {
    /// Seconds, monotonic.
    t: f64,
    /// Age of the data, s.
    age_s: f64,
    cells: Option<Vec<f64>>,
    /// Of a battery that reports no single cells.
    highest_cell: Option<f64>,
    lowest_cell: Option<f64>,
    current: Option<f64>,
    voltage: Option<f64>,
    soc: Option<f64>,
    temperatures: Option<Vec<f64>>,
    mos_temperature: Option<f64>,
    charge_allowed: Option<bool>,
    discharge_allowed: Option<bool>,
    bms_ccl: Option<f64>,
    bms_dcl: Option<f64>,
    bms_cvl: Option<f64>,
    owner_ccl: Option<f64>,
    owner_dcl: Option<f64>,
    capacity_ah: Option<f64>,
    cell_count: Option<u8>,
    cell_ovp: Option<f64>,
    cell_uvp: Option<f64>,
    charge_ocp: Option<f64>,
    discharge_ocp: Option<f64>,
    /// Unknown keys.
    #[serde(flatten)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

/// One line of output.
#[derive(Debug, Serialize)]
struct OutputLine<'a> {
    t: f64,
    cvl: f64,
    ccl: f64,
    dcl: f64,
    mode: crate::model::Mode,
    cvl_why: &'a str,
    ccl_why: &'a str,
    dcl_why: &'a str,
}

/// The filter and its state.
#[derive(Debug)]
pub struct Filter {
    config: Config,
    memory: Memory,
}

impl Filter {
    /// A filter with these settings; the chemistry is LFP by default.
    pub fn new(mut config: Config) -> Self {
        config.chemistry.get_or_insert(Chemistry::Lfp);
        Self { config, memory: Memory::default() }
    }

    /// Limits for one line, and notices for the owner.
    ///
    /// # Errors
    /// The line is not a JSON object of the documented form, or a number in it is invalid.
    pub fn line(&mut self, text: &str) -> Result<(String, Vec<String>), serde_json::Error> {
        let line: InputLine = serde_json::from_str(text)?;
        let age = DataAge { age: Duration::try_from_secs_f64(line.age_s).unwrap_or_default(), period: Duration::ZERO };
        let outcome =
            step(&self.config, &line.inputs(&self.config.sensors), None, age, &mut self.memory, Moment::from_secs(line.t));
        let unknown = line.unknown.keys().map(|key| format!("`{key}` is not a fact that charge control knows; it is ignored"));
        let notices = outcome.notices.iter().map(|text| (*text).to_owned()).chain(unknown).collect();
        Ok((answer(line.t, &outcome.limits)?, notices))
    }
}

impl InputLine {
    fn inputs(&self, sensors: &SensorConfig) -> ChargeInputs {
        let cells = self.cells.as_deref().unwrap_or_default();
        let temperatures = sensors.counting(self.temperatures.as_deref().unwrap_or_default());
        let extreme = |values: &[f64], pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick);
        let real = |pick: fn(f64, f64) -> f64, reported: Option<f64>| {
            extreme(cells, pick).into_iter().chain(reported).reduce(pick).map(Volts::new)
        };
        let extremes = [self.highest_cell, self.lowest_cell].into_iter().flatten();
        ChargeInputs {
            voltage: self.voltage.map(Volts::new),
            last_voltage: None,
            stated_cells: self.cell_count,
            cells: cells.iter().copied().map(Volts::new).collect(),
            without_cells: self.cells.is_none(),
            high_cell: real(f64::max, self.highest_cell),
            low_cell: real(f64::min, self.lowest_cell),
            mean_only: false,
            broken_cell: cells.iter().copied().chain(extremes).any(|cell| !(super::cells::PLAUSIBLE_CELL..=5.0).contains(&cell)),
            broken_sensor: false,
            current: self.current.map(Amps::new),
            high_soc: self.soc.map(Percent::new),
            low_soc: self.soc.map(Percent::new),
            coldest: extreme(&temperatures, f64::min).map(Celsius::new),
            hottest: extreme(&temperatures, f64::max).map(Celsius::new),
            missing_sensor: false,
            awaited: Awaited::default(),
            mos: self.mos_temperature.map(|degrees| Celsius::new(degrees + sensors.mos_offset)),
            charge_allowed: self.charge_allowed,
            discharge_allowed: self.discharge_allowed,
            capacity: self.capacity_ah.map(AmpHours::new),
            least_capacity: self.capacity_ah.map(AmpHours::new),
            settings: BmsSettings {
                cell_ovp: self.cell_ovp.map(Volts::new),
                cell_uvp: self.cell_uvp.map(Volts::new),
                charge_ocp: self.charge_ocp.map(Amps::new),
                discharge_ocp: self.discharge_ocp.map(Amps::new),
                charge_limit: self.bms_ccl.map(Amps::new),
                discharge_limit: self.bms_dcl.map(Amps::new),
                voltage_limit: self.bms_cvl.map(Volts::new),
                ..BmsSettings::default()
            },
            owner_limits: ByDirection { charge: self.owner_ccl, discharge: self.owner_dcl }.map(|limit| limit.map(Amps::new)),
            oscillation_cut: None,
            unix: None,
            in_doubt: false,
        }
    }
}

/// Limits at `t` seconds as an output line.
///
/// # Errors
/// Never in practice: every value can be serialised.
pub(crate) fn answer(t: f64, limits: &Limits) -> Result<String, serde_json::Error> {
    serde_json::to_string(&OutputLine {
        t,
        cvl: limits.cvl.value.get(),
        ccl: limits.ccl.value.get(),
        dcl: limits.dcl.value.get(),
        mode: limits.mode,
        cvl_why: limits.cvl.why,
        ccl_why: limits.ccl.why,
        dcl_why: limits.dcl.why,
    })
}
