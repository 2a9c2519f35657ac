//! Inputs of the rules, and the limits that they produce.

use super::chemistry::ChemistryPreset;
use super::{ChargeInputs, Config};
use crate::base::units::{AmpHours, Amps, Moment, Volts};
use crate::model::{Alarm, AlarmName, ByDirection, Chemistry, Level, Limit, Limits, Mode};

/// What is fixed while the rules of one step are applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct RuleContext<'a> {
    pub config: &'a Config,
    pub inputs: &'a ChargeInputs,
    /// Presets of the chemistry; those of LFP while it is unknown.
    pub chemistry: &'static ChemistryPreset,
    /// Start of continuous data: phases and ceilings advance by that time only.
    pub from: Option<Moment>,
    pub now: Moment,
}

impl RuleContext<'_> {
    /// Configured capacity, else the BMS's.
    pub(super) fn capacity(&self) -> Option<AmpHours> {
        self.config.capacity.or(self.inputs.capacity)
    }

    /// Configured capacity, else the smallest that the BMS reports: currents per capacity never rise by a capacity that the battery had
    /// when it was new, nor by one that was learned too high.
    pub(super) fn least_capacity(&self) -> Option<AmpHours> {
        self.config.capacity.or(self.inputs.least_capacity).or(self.inputs.capacity)
    }
}

/// Limits allowed by the rules, before ramps.
#[derive(Debug, Clone)]
pub(super) struct ProposedLimits {
    pub limits: Limits,
    /// Currents allowed by the comfort parts of the curves over SoC and cell voltage; a configured minimum may
    /// raise them.
    pub comfort: ByDirection<Limit<Amps>>,
    /// Currents by configuration and over-current protection alone.
    pub maximum: ByDirection<Amps>,
    pub cell_count: Option<u8>,
    pub chemistry: Option<Chemistry>,
    pub alarms: Vec<Alarm>,
    pub notices: Vec<&'static str>,
    /// The battery has just become full.
    pub full: bool,
    /// What CVL could be without phases; infinite until it is known.
    pub ceiling: Volts,
    /// The float voltage.
    pub float: Option<Volts>,
    /// Fraction of the charge current allowed in float, 0 to 1.
    pub float_share: Option<f64>,
    /// CVL is held at the pack voltage and follows it without delay.
    pub follows_pack: bool,
}

impl ProposedLimits {
    pub(super) fn limit_cvl(&mut self, value: Volts, why: &'static str) {
        lower(&mut self.limits.cvl, value, why);
    }
    pub(super) fn limit_ccl(&mut self, value: Amps, why: &'static str) {
        lower(&mut self.limits.ccl, value, why);
    }
    pub(super) fn limit_dcl(&mut self, value: Amps, why: &'static str) {
        lower(&mut self.limits.dcl, value, why);
    }
    /// Lowers both currents.
    pub(super) fn limit_currents(&mut self, values: ByDirection<Amps>, why: &'static str) {
        self.limit_or_ease(values.map(|value| Limit { value, why }), ByDirection::both(false));
    }
    /// Lowers the currents that are known, to 0 at least.
    pub(super) fn limit_known_currents(&mut self, values: ByDirection<Option<Amps>>, why: &'static str) {
        let unlimited = Amps::new(f64::INFINITY);
        self.limit_currents(values.map(|value| value.map_or(unlimited, |value| value.max(Amps::ZERO))), why);
    }
    /// Lowers both currents; where `comfort` is true, a configured minimum may raise them again.
    pub(super) fn limit_or_ease(&mut self, to: ByDirection<Limit<Amps>>, comfort: ByDirection<bool>) {
        let charge = if comfort.charge { &mut self.comfort.charge } else { &mut self.limits.ccl };
        lower(charge, to.charge.value, to.charge.why);
        let discharge = if comfort.discharge { &mut self.comfort.discharge } else { &mut self.limits.dcl };
        lower(discharge, to.discharge.value, to.discharge.why);
    }
    /// Raises CVL to at least `lowest`.
    pub(super) fn raise_cvl(&mut self, lowest: Volts) {
        self.limits.cvl.value = self.limits.cvl.value.max(lowest);
        self.ceiling = self.ceiling.max(lowest);
    }
    pub(super) fn alarm(&mut self, name: AlarmName, level: Level) {
        self.alarms.push(Alarm { name, level });
    }
    /// Forbids charging and discharging, with CVL not above the present voltage.
    pub(super) fn block(&mut self, inputs: &ChargeInputs, why: &'static str) {
        let present = inputs.cautious_voltage().unwrap_or_default();
        self.limit_cvl(present, why);
        self.ceiling = self.ceiling.min(present);
        self.limit_currents(ByDirection::both(Amps::ZERO), why);
        self.limits.mode = Mode::Hold;
    }
}

fn lower<T: PartialOrd + Copy>(limit: &mut Limit<T>, value: T, why: &'static str) {
    if value < limit.value {
        *limit = Limit { value, why };
    }
}
