//! Charge control: what the battery may be charged and discharged with, and why.
//!
//! [`step`] is pure: configuration, inputs, explicit [`Memory`] and time go in, limits with reasons come out. It may be called
//! at any interval. Order: freshness → rules → ramp on recovery → rounding. A reduction acts in the same step; a rise waits
//! for a hold time and then follows a ramp, and never happens without a new, undisputed reading.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

pub(crate) mod at_voltage;
mod awaited;
pub(crate) mod cells;
mod charge_inputs;
pub(crate) mod charger_watch;
pub mod chemistry;
mod config;
mod doubt;
pub mod filter;
pub(crate) mod hold;
mod input_limits;
pub mod oscillation;
mod overvoltage;
pub(crate) mod phase;
mod proposed_limits;
mod ramp;
mod rules;
mod sensor_config;
mod silence;
mod steps;
mod time_since;

pub use charge_inputs::ChargeInputs;
pub use config::{Caution, ClientLimit, Config, Recovery, Silence};
pub use phase::{PhaseConfig, Phases};
pub use sensor_config::{SensorConfig, SensorNames};
pub use steps::LimitsPreset;

use crate::base::units::{Amps, Moment, Volts};
use crate::model::{Alarm, ByDirection, Chemistry, Freshness, Limit, Limits, Mode};
use chemistry::preset;
use doubt::DoubtCut;
use overvoltage::Ceiling;
use proposed_limits::ProposedLimits;
use ramp::{OscillationCut, Ramps, advance, apply_oscillation_cut, settle, targets};
use std::time::Duration;

/// Capacity to assume if it is unknown, Ah.
pub(crate) const FALLBACK_CAPACITY_AH: f64 = 100.0;

/// The cell by which a rule acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExtremeCell {
    /// The highest one.
    Highest,
    /// The lowest one.
    Lowest,
}

impl ExtremeCell {
    /// Of the rule with this reason; `None`: it does not act by one cell.
    pub(crate) fn of(why: &str) -> Option<Self> {
        match why {
            input_limits::HIGHEST_CELL | rules::CELL_TOO_HIGH => Some(Self::Highest),
            input_limits::LOWEST_CELL | rules::CELL_DAMAGED => Some(Self::Lowest),
            _ => None,
        }
    }
}

/// State of charge control between steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// Chemistry confirmed by a reading, and the number of cells; kept for the battery across restarts.
    pub confirmed: Option<(Chemistry, u8)>,
    /// Accepted cell count; until restart.
    pub pinned_cells: Option<u8>,
    /// The BMS has listed its cells since the start: that it reports none is no longer normal.
    pub(crate) has_seen_cells: bool,
    /// Charging phase; kept for the battery across restarts.
    pub phases: Phases,
    ceiling: Ceiling,
    hold: hold::Hold,
    pub(crate) last: Option<LastStep>,
    pub(crate) last_allowed: input_limits::LastAllowed,
    pub(crate) fade_from: Option<FadeStart>,
    notified: Vec<&'static str>,
}

impl Memory {
    /// State of a battery after a restart.
    pub fn restored(confirmed: Option<(Chemistry, u8)>, phases: Phases) -> Self {
        // A reading can confirm LFP only; ignore anything else in the file.
        let confirmed = confirmed.filter(|(chemistry, _)| *chemistry == Chemistry::Lfp);
        Self { confirmed, phases: phases.restored(), ..Self::default() }
    }

    /// Chemistry confirmed by a reading.
    pub(crate) fn confirmed_chemistry(&self) -> Option<Chemistry> {
        self.confirmed.map(|(chemistry, _)| chemistry)
    }
}

/// Limits of the previous step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LastStep {
    pub at: Moment,
    pub data_at: Moment,
    pub fresh: bool,
    /// Published limits.
    pub limits: Limits,
    /// The same without the current reductions of float and oscillation guard.
    pub ruled: Limits,
    ramps: Ramps,
    cut: Option<DoubtCut>,
    oscillation_cut: Option<OscillationCut>,
}

/// The limits when data became stale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FadeStart {
    pub currents: ByDirection<Amps>,
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
    /// Notices to log once.
    pub notices: Vec<&'static str>,
    /// The battery has just become full (float begins).
    pub full: bool,
    /// Upper bound of CVL for the safety of the cells, in any phase: the other batteries of a bank may need more than this CVL.
    pub ceiling: Volts,
    /// The float voltage, once cells and chemistry are known.
    pub float: Option<Volts>,
    /// The currents by configuration and over-current protection alone.
    pub maximum: ByDirection<Amps>,
}

/// Age of the data, and period of the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DataAge {
    /// Time since the reading that the inputs come from.
    pub age: Duration,
    /// Observed period of the readings.
    pub period: Duration,
}

/// One step of charge control. `inputs` is the cautious view of the battery, `accepted` the view without doubtful values if it
/// differs.
///
/// Doubt and silence may immediately lower the limits that the accepted inputs allow, but do not change the state of the rules.
pub fn step(
    config: &Config,
    inputs: &ChargeInputs,
    accepted: Option<&ChargeInputs>,
    age: DataAge,
    memory: &mut Memory,
    now: Moment,
) -> Outcome {
    let stage = config.silence.stage(age.age, age.period);
    let fresh = stage == Freshness::Fresh;
    let data_at = Moment::new(now.since_origin().saturating_sub(age.age));
    let rising_from = rising_from(inputs, memory, data_at, now);
    let believed = accepted.unwrap_or(inputs);
    let mut proposed = rules::apply(config, believed, memory, rising_from.filter(|_| fresh), now);
    proposed.raise_cvl(lowest_voltage(config, &proposed, believed, memory));
    let doubted = doubted(config, inputs, accepted, (stage, age), memory, &proposed, now);

    let last = memory.last;
    let present = believed.cautious_voltage();
    // After doubt or silence CVL rises from the present voltage.
    let standing = present.filter(|_| doubted.is_none() && last.is_some_and(|last| last.cut.is_some() || !last.fresh));
    let mut ramps = advance(config.recovery, last.map(|last| last.ramps), &proposed, (rising_from, standing), now);
    let mut cut = last.and_then(|last| last.cut);
    if let Some(doubted) = &doubted {
        let stale_for = config.silence.stale_for(age);
        let since = if fresh { now } else { Moment::new(now.since_origin().saturating_sub(stale_for)) };
        cut = DoubtCut::doubted(cut, ramps.values(), targets(doubted), since, now);
    } else if inputs.in_doubt {
        cut = cut.and_then(|cut| DoubtCut::doubted(Some(cut), cut.left(), cut.left(), now, now));
    } else if rising_from.is_some() {
        cut = cut.and_then(|cut| cut.agreed(ramps.values(), present.map(Volts::get), now));
    }
    if let Some(lasting) = cut.filter(DoubtCut::is_lasting) {
        if doubted.is_some() || inputs.in_doubt {
            ramps = ramps.reduced_to(lasting.left(), now);
        } else {
            // The ramps contain the reduction already, and nothing is to be reverted quickly.
            cut = None;
        }
    }
    let left = cut.map(|cut| cut.left());
    let ruled = settle(&ramps, &proposed, left, doubted.as_ref());
    let cuts = cuts(inputs, &proposed, &ruled);
    let (oscillation_cut, limits) =
        apply_oscillation_cut(config, last.and_then(|last| last.oscillation_cut), cuts, ruled, rising_from, now);
    let data_at = last.map_or(data_at, |last| last.data_at.max(data_at));
    memory.last = Some(LastStep { at: now, data_at, fresh, limits, ruled, ramps, cut, oscillation_cut });

    let mut notices = proposed.notices;
    let mut alarms = proposed.alarms;
    if let Some(doubted) = doubted {
        notices.extend(doubted.notices);
        alarms.extend(doubted.alarms);
    }
    notices.retain(|text| !memory.notified.contains(text));
    notices.dedup();
    memory.notified.extend(&notices);
    Outcome {
        limits,
        cell_count: proposed.cell_count,
        alarms,
        notices,
        full: proposed.full,
        ceiling: ramps.ceiling(left),
        float: proposed.float,
        maximum: proposed.maximum,
    }
}

/// Reductions of charge and discharge current on top of the rules: in float, and while inverters oscillate.
fn cuts(inputs: &ChargeInputs, proposed: &ProposedLimits, ruled: &Limits) -> ByDirection<Option<Limit<Amps>>> {
    let oscillating = |value| Limit { value, why: ramp::OSCILLATION };
    let cuts = inputs.oscillation_cut.map_or(ByDirection::both(None), |cut| cut.map(|value| Some(oscillating(value))));
    let offered =
        proposed.float_share.map(|share| Limit { value: phase::offered_in_float(ruled.ccl.value, share), why: phase::FULL });
    let offered = offered.filter(|offered| offered.value < ruled.ccl.value);
    let charge = cuts.charge.into_iter().chain(offered).reduce(|one, other| if other.value < one.value { other } else { one });
    ByDirection { charge, ..cuts }
}

/// Limits that are safe if the doubtful values are true, or during silence; `None` without doubt and silence.
fn doubted(
    config: &Config,
    inputs: &ChargeInputs,
    accepted: Option<&ChargeInputs>,
    (stage, age): (Freshness, DataAge),
    memory: &mut Memory,
    proposed: &ProposedLimits,
    now: Moment,
) -> Option<ProposedLimits> {
    if stage == Freshness::Fresh {
        memory.fade_from = None;
    }
    if stage == Freshness::Fresh && accepted.is_none() {
        return None;
    }
    let mut doubted = match accepted {
        // Doubtful values must not change the state.
        Some(_) => rules::apply(config, inputs, &mut memory.clone(), None, now),
        None => proposed.clone(),
    };
    if stage != Freshness::Fresh {
        silence::apply(config, inputs, age, memory, &mut doubted);
    }
    doubted.raise_cvl(lowest_voltage(config, proposed, accepted.unwrap_or(inputs), memory));
    Some(doubted)
}

/// Lower bound of CVL: the lowest voltage that a pack of these cells can have, or the present voltage if that is lower (wrong
/// number of cells, damaged pack). Some inverters discharge into the grid when CVL drops far below the pack voltage.
fn lowest_voltage(config: &Config, proposed: &ProposedLimits, accepted: &ChargeInputs, memory: &Memory) -> Volts {
    let Some(cells) = config.cells.or(proposed.cell_count).or(memory.pinned_cells) else { return Volts::ZERO };
    let lowest = Volts::new(preset(proposed.chemistry.unwrap_or(Chemistry::Lfp)).damage_cell * f64::from(cells));
    let present = accepted.voltage.into_iter().chain(accepted.cell_sum()).reduce(Volts::max).or(accepted.last_voltage);
    present.map_or(lowest, |present| lowest.min(present))
}

/// Start of the time in which limits may have risen up to `now`: only on a new reading without doubt, and without time that had no
/// data.
fn rising_from(inputs: &ChargeInputs, memory: &Memory, data_at: Moment, now: Moment) -> Option<Moment> {
    let last = memory.last?;
    let new = data_at > last.data_at && !inputs.in_doubt;
    new.then_some(if last.fresh { last.at } else { now })
}

/// Reason of the last limits when the driver is stopped from outside.
pub const STOPPED: &str = "driver stopped";
/// Reason of the last limits when the driver ends by itself.
pub const ENDED: &str = "driver ended";

/// Limits at shutdown, when the battery is no longer monitored: no current, and no voltage above the present one. CVL does not go
/// to 0, because some inverters discharge into the grid when it drops far below the pack voltage.
pub fn off(cvl: Volts, inputs: &ChargeInputs, why: &'static str) -> Limits {
    Limits {
        cvl: Limit { value: inputs.cautious_voltage().map_or(cvl, |voltage| voltage.min(cvl)).rounded(2), why },
        ccl: Limit { value: Amps::ZERO, why },
        dcl: Limit { value: Amps::ZERO, why },
        low_voltage: Volts::ZERO,
        mode: Mode::Hold,
    }
}
