//! What the rules are given, and what they write their limits into.

use super::chemistry::Preset;
use super::{Config, Facts};
use crate::model::{Alarm, AlarmName, Chemistry, Level, Limit, Limits, Mode};
use crate::units::{AmpHours, Amps, Moment, Volts};

/// What stands fast while the rules of one step are applied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub config: &'a Config,
    pub facts: &'a Facts,
    /// The presets of the chemistry; those of LFP while it is unknown.
    pub chemistry: &'static Preset,
    /// Since when data kept coming: phases and ceilings move by that time only.
    pub from: Option<Moment>,
    pub now: Moment,
}

impl Given<'_> {
    /// The configured capacity, else the BMS's.
    pub(super) fn capacity(&self) -> Option<AmpHours> {
        self.config.capacity.or(self.facts.capacity)
    }
}

/// The limits that the rules allow, before ramps.
#[derive(Debug)]
pub(super) struct Verdict {
    pub limits: Limits,
    /// Charge and discharge current that the curves over SoC and cell voltage allow for comfort; a configured minimum may lift them.
    pub comfort: [Limit<Amps>; 2],
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
    /// CVL is held at the pack voltage, and follows it at once.
    pub follows_pack: bool,
}

impl Verdict {
    pub(super) fn limit_cvl(&mut self, value: Volts, why: &'static str) {
        lower(&mut self.limits.cvl, value, why);
    }
    pub(super) fn limit_ccl(&mut self, value: Amps, why: &'static str) {
        lower(&mut self.limits.ccl, value, why);
    }
    pub(super) fn limit_dcl(&mut self, value: Amps, why: &'static str) {
        lower(&mut self.limits.dcl, value, why);
    }
    /// Lowers what the charge curves allow, in a way that a configured minimum may lift.
    pub(super) fn ease_ccl(&mut self, value: Amps, why: &'static str) {
        lower(&mut self.comfort[0], value, why);
    }
    /// As [`Self::ease_ccl`], discharging.
    pub(super) fn ease_dcl(&mut self, value: Amps, why: &'static str) {
        lower(&mut self.comfort[1], value, why);
    }
    pub(super) fn alarm(&mut self, name: AlarmName, level: Level) {
        self.alarms.push(Alarm { name, level });
    }
    /// Neither charge nor discharge, and no voltage above the present one.
    pub(super) fn block(&mut self, facts: &Facts, why: &'static str) {
        let present = facts.cautious_voltage().unwrap_or_default();
        self.limit_cvl(present, why);
        self.ceiling = self.ceiling.min(present);
        self.limit_ccl(Amps::ZERO, why);
        self.limit_dcl(Amps::ZERO, why);
        self.limits.mode = Mode::Hold;
    }
}

fn lower<T: PartialOrd + Copy>(limit: &mut Limit<T>, value: T, why: &'static str) {
    if value < limit.value {
        *limit = Limit { value, why };
    }
}
