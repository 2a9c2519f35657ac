//! Charge control: what the battery may be charged and discharged with, and why.
//!
//! [`step`] is pure: configuration, facts, explicit [`Memory`] and time go in, limits with reasons come out. It may be called
//! at any interval. Order: freshness → rules → ramp on recovery → rounding. A reduction acts in the same step; a rise waits
//! for a hold time and then follows a ramp, and never happens without a new, undisputed reading.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

pub(crate) mod cells;
pub mod chemistry;
mod config;
mod facts;
pub mod filter;
pub(crate) mod hold;
mod inputs;
pub mod oscillation;
mod overvoltage;
mod phase;
mod ramp;
mod rules;
mod silence;
mod steps;
mod verdict;

pub use config::{Caution, Config, Recovery, Silence};
pub use facts::Facts;
pub use phase::{PhaseConfig, Phases};
pub use steps::Preset;

use crate::model::{Alarm, Chemistry, Freshness, Limit, Limits, Mode};
use crate::units::{Amps, Moment, Volts};
use overvoltage::Ceiling;
use ramp::{Calmed, Ramps, calm, settle};
use std::time::Duration;

/// Everything that charge control remembers from step to step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// The chemistry that a reading has confirmed; kept for the battery across restarts.
    pub confirmed: Option<Chemistry>,
    /// The cell count that was accepted; until restart.
    pub pinned_cells: Option<u8>,
    /// How far charging is; kept for the battery across restarts.
    pub phases: Phases,
    ceiling: Ceiling,
    hold: hold::Hold,
    pub(crate) last: Option<Last>,
    pub(crate) seen: inputs::Seen,
    pub(crate) fade_from: Option<Fade>,
    said: Vec<&'static str>,
}

impl Memory {
    /// The memory of a battery after a restart.
    pub fn restored(confirmed: Option<Chemistry>, phases: Phases) -> Self {
        // No reading ever confirms another chemistry.
        let confirmed = confirmed.filter(|chemistry| *chemistry == Chemistry::Lfp);
        Self { confirmed, phases, ..Self::default() }
    }
}

/// The limits of the step before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Last {
    pub at: Moment,
    pub data_at: Moment,
    pub fresh: bool,
    /// What was published.
    pub limits: Limits,
    /// The same without the guard against oscillation.
    pub ruled: Limits,
    ramps: Ramps,
    calmed: Option<Calmed>,
}

/// The limits when data became stale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Fade {
    pub ccl: Amps,
    pub dcl: Amps,
    pub low_cell: Option<Volts>,
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
    /// The battery has just become full (float begins).
    pub full: bool,
    /// The highest CVL that the safety of the cells allows, whatever the phase: for a bank, whose other batteries may need it.
    pub ceiling: Volts,
    /// The float voltage, once cells and chemistry are known.
    pub float: Option<Volts>,
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
    let stage = config.silence.stage(age.age, age.period);
    let data_at = Moment::new(now.since_origin().saturating_sub(age.age));
    let rising_from = rising_from(facts, memory, data_at, now);
    let mut verdict = rules::apply(config, facts, memory, rising_from.filter(|_| stage == Freshness::Fresh), now);
    if stage == Freshness::Fresh {
        memory.fade_from = None;
    } else {
        silence::apply(config, facts, stage, age, memory, &mut verdict);
    }
    let (ramps, ruled) = settle(config.recovery, memory.last.map(|last| last.ramps), &verdict, rising_from, now);
    let before = memory.last.and_then(|last| last.calmed);
    let (calmed, limits) = calm(config, before, facts.calming, ruled, rising_from, now);
    let data_at = memory.last.map_or(data_at, |last| last.data_at.max(data_at));
    memory.last = Some(Last { at: now, data_at, fresh: stage == Freshness::Fresh, limits, ruled, ramps, calmed });
    let notices = verdict.notices.into_iter().filter(|text| !memory.said.contains(text)).collect::<Vec<_>>();
    memory.said.extend(&notices);
    Outcome {
        limits,
        cell_count: verdict.cell_count,
        alarms: verdict.alarms,
        notices,
        full: verdict.full,
        ceiling: ramps.ceiling(),
        float: verdict.float,
    }
}

/// Since when limits may have risen at `now`: only on a new, undisputed reading, and not for a time without data.
fn rising_from(facts: &Facts, memory: &Memory, data_at: Moment, now: Moment) -> Option<Moment> {
    let last = memory.last?;
    let new = data_at > last.data_at && !facts.in_doubt;
    new.then_some(if last.fresh { last.at } else { now })
}

/// Reason of the last limits when the driver was asked to stop.
pub const STOPPED: &str = "driver stopped";
/// Reason of the last limits when the driver has to end by itself.
pub const ENDED: &str = "driver ended";

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
