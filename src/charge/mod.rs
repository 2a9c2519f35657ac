//! Charge control: what the battery may be charged and discharged with, and why.
//!
//! [`step`] is pure: configuration, facts, explicit [`Memory`] and time go in, limits with reasons come out. It may be called
//! at any interval. Order: freshness → rules → ramp on recovery → rounding. A reduction acts in the same step; a rise waits
//! for a hold time and then follows a ramp, and never happens without a new, undisputed reading.

pub(crate) mod cells;
pub mod chemistry;
pub mod filter;
mod rules;
mod silence;

use crate::model::{Alarm, BmsSettings, Chemistry, Freshness, Limit, Limits, Mode};
use crate::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts, round};
use chemistry::Curve;
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
    /// What happens when data stops.
    pub silence: Silence,
    /// How limits rise again.
    pub recovery: Recovery,
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
            silence: Silence::GENTLE,
            recovery: Recovery::default(),
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

/// What charge control knows of the battery. Where the guard holds a doubtful value, the more cautious one stands here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Pack voltage.
    pub voltage: Option<Volts>,
    /// Cells in series as the BMS states them.
    pub stated_cells: Option<u8>,
    /// Every cell; empty when unknown.
    pub cells: Vec<Volts>,
    /// The highest cell, or a higher one in doubt.
    pub high_cell: Option<Volts>,
    /// The lowest cell, or a lower one in doubt.
    pub low_cell: Option<Volts>,
    /// A cell's sense wire is broken, or a cell reads what no cell can have.
    pub broken_cell: bool,
    /// A temperature sensor reads what no sensor can.
    pub broken_sensor: bool,
    /// SoC, the higher one in doubt.
    pub high_soc: Option<Percent>,
    /// SoC, the lower one in doubt.
    pub low_soc: Option<Percent>,
    /// Coldest sensor.
    pub coldest: Option<Celsius>,
    /// Hottest sensor.
    pub hottest: Option<Celsius>,
    /// MOSFET temperature.
    pub mos: Option<Celsius>,
    /// The BMS lets the battery be charged.
    pub charge_allowed: Option<bool>,
    /// The BMS lets the battery be discharged.
    pub discharge_allowed: Option<bool>,
    /// Installed capacity.
    pub capacity: Option<AmpHours>,
    /// Protection settings and limits of the BMS.
    pub settings: BmsSettings,
    /// A value is in doubt: no limit may rise.
    pub in_doubt: bool,
}

impl Facts {
    /// The lower of pack voltage and sum of cells: what is certainly not too high.
    pub(crate) fn cautious_voltage(&self) -> Option<Volts> {
        let sum = (!self.cells.is_empty()).then(|| Volts::new(self.cells.iter().map(|cell| cell.get()).sum()));
        match (self.voltage, sum) {
            (Some(voltage), Some(sum)) if sum > Volts::ZERO => Some(voltage.min(sum)),
            (Some(voltage), _) => Some(voltage),
            (None, sum) => sum,
        }
    }
}

/// Everything that charge control remembers from step to step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// The chemistry that a reading has confirmed; kept for the battery across restarts.
    pub confirmed: Option<Chemistry>,
    /// The cell count that was accepted; until restart.
    pub pinned_cells: Option<u8>,
    pub(crate) last: Option<Last>,
    pub(crate) seen: rules::Seen,
    pub(crate) fade_from: Option<Fade>,
    said: Vec<&'static str>,
}

impl Memory {
    /// The memory of a battery after a restart.
    pub fn restored(confirmed: Option<Chemistry>) -> Self {
        Self { confirmed, ..Self::default() }
    }
}

/// The limits of the step before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Last {
    pub at: Moment,
    pub data_at: Moment,
    pub fresh: bool,
    pub limits: Limits,
    cvl: Ramp,
    ccl: Ramp,
    dcl: Ramp,
}

/// The limits when data became stale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fade {
    pub ccl: Amps,
    pub dcl: Amps,
    pub low_cell: Option<Volts>,
}

/// A limit that falls at once and rises slowly.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ramp {
    value: f64,
    reduced_at: Option<Moment>,
}

impl Ramp {
    /// The next value on the way to `target`; it may rise for the time since `rising_from`, `None` forbids.
    fn toward(self, target: f64, rate: f64, hold: Duration, rising_from: Option<Moment>, now: Moment) -> Self {
        if target < self.value {
            return Self { value: target, reduced_at: Some(now) };
        }
        let Some(rising_from) = rising_from else { return self };
        let free_from = self.reduced_at.map_or(rising_from, |at| at.after(hold).max(rising_from));
        let rise = rate * now.since(free_from).as_secs_f64();
        Self { value: target.min(self.value + rise), ..self }
    }
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What to publish.
    pub limits: Limits,
    /// The accepted number of cells.
    pub cell_count: Option<u8>,
    /// Alarms that charge control itself raises.
    pub alarms: Vec<Alarm>,
    /// Things to tell the owner once, in the log.
    pub notices: Vec<&'static str>,
}

/// The age of the data and how often it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Age {
    /// Time since the reading behind the facts.
    pub age: Duration,
    /// Observed time between readings.
    pub period: Duration,
}

/// One step of charge control.
pub fn step(config: &Config, facts: &Facts, age: Age, memory: &mut Memory, now: Moment) -> Outcome {
    let mut verdict = rules::apply(config, facts, memory, now);
    let stage = config.silence.stage(age.age, age.period);
    if stage == Freshness::Fresh {
        memory.fade_from = None;
    } else {
        silence::apply(config, facts, stage, age, memory, &mut verdict);
    }
    let data_at = Moment::new(now.since_origin().saturating_sub(age.age));
    let rising_from = rising_from(facts, memory, data_at, now);
    let limits = settle(config.recovery, memory, &verdict, rising_from, now);
    let data_at = memory.last.map_or(data_at, |last| last.data_at.max(data_at));
    memory.last = Some(Last { at: now, data_at, fresh: stage == Freshness::Fresh, ..limits });
    let limits = limits.limits;
    let notices = verdict.notices.into_iter().filter(|text| !memory.said.contains(text)).collect::<Vec<_>>();
    memory.said.extend(&notices);
    Outcome { limits, cell_count: verdict.cell_count, alarms: verdict.alarms, notices }
}

/// Since when limits may have risen at `now`: only on a new, undisputed reading, and not for a time without data.
fn rising_from(facts: &Facts, memory: &Memory, data_at: Moment, now: Moment) -> Option<Moment> {
    let last = memory.last?;
    let new = data_at > last.data_at && !facts.in_doubt;
    new.then_some(if last.fresh { last.at } else { now })
}

/// Reductions at once, rises by hold and ramp; then rounding to the safe side.
fn settle(recovery: Recovery, memory: &Memory, verdict: &rules::Verdict, rising_from: Option<Moment>, now: Moment) -> Last {
    let target = &verdict.limits;
    let ramp = |last: Option<Ramp>, target: f64, rate: f64| match last {
        Some(last) => last.toward(finite(target), rate, recovery.hold, rising_from, now),
        None => Ramp { value: finite(target), reduced_at: None },
    };
    let cvl = ramp(memory.last.map(|last| last.cvl), target.cvl.value.get(), recovery.volts_per_s);
    let ccl = ramp(memory.last.map(|last| last.ccl), target.ccl.value.get(), recovery.amps_per_s);
    let dcl = ramp(memory.last.map(|last| last.dcl), target.dcl.value.get(), recovery.amps_per_s);
    let limits = Limits {
        cvl: Limit { value: Volts::new(floor(cvl.value, 2)), why: reason(target.cvl.why, cvl.value, target.cvl.value.get()) },
        ccl: Limit { value: Amps::new(floor(ccl.value, 1)), why: reason(target.ccl.why, ccl.value, target.ccl.value.get()) },
        dcl: Limit { value: Amps::new(floor(dcl.value, 1)), why: reason(target.dcl.why, dcl.value, target.dcl.value.get()) },
        low_voltage: target.low_voltage,
        mode: target.mode,
    };
    Last { at: now, data_at: now, fresh: true, limits, cvl, ccl, dcl }
}

/// The rule that sets the target, unless the limit is still on its way up to it.
fn reason(why: &'static str, value: f64, target: f64) -> &'static str {
    if value + 0.005 < target { "recovering: waits, then rises slowly" } else { why }
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// Rounds down, but not because of float noise.
fn floor(value: f64, digits: u32) -> f64 {
    let step = round(0.1f64.powi(i32::try_from(digits).unwrap_or(0)), digits);
    let nearest = round(value, digits);
    if nearest <= value + step * 1e-6 { nearest } else { round(nearest - step, digits) }
}

/// The limits of a battery that nobody watches any more, at shutdown: no current, and no voltage above the present one. The
/// voltage does not go to 0, since some inverters discharge into the grid when it drops far below the pack's.
pub fn off(cvl: Volts, facts: &Facts, why: &'static str) -> Limits {
    Limits {
        cvl: Limit { value: facts.cautious_voltage().map_or(cvl, |voltage| voltage.min(cvl)).rounded(2), why },
        ccl: Limit { value: Amps::ZERO, why },
        dcl: Limit { value: Amps::ZERO, why },
        low_voltage: Volts::ZERO,
        mode: Mode::Hold,
    }
}
