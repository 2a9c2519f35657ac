//! Limits fall at once and rise slowly; then they are rounded to the safe side.

use super::config::{Config, Recovery};
use super::inputs::BY_CELLS;
use super::verdict::Verdict;
use crate::model::{Limit, Limits};
use crate::units::{Amps, Moment, Volts, round};
use std::time::Duration;

/// Above this share of the value at which it was last cut, a current limit rises with a fraction of the usual rate: it comes
/// close to what the cells bear, and a fast approach would only be cut again.
const CAUTIOUS_FROM: f64 = 0.8;
const CAUTIOUS_RATE: f64 = 0.05;
/// A cut is forgotten after so long without another one.
const CUT_FORGOTTEN: Duration = Duration::from_secs(1800);

/// A limit that falls at once and rises slowly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramp {
    value: f64,
    reduced_at: Option<Moment>,
    /// Where the cells last cut it on its way up; infinite when nothing did.
    cut_from: f64,
    /// It has risen since the last reduction.
    rose: bool,
}

/// How a limit may rise in this step.
#[derive(Debug, Clone, Copy)]
struct Rise {
    rate: f64,
    hold: Duration,
    /// Since when it may have risen; `None` forbids.
    from: Option<Moment>,
    /// The target is set by cell voltage, which reacts to the current.
    by_cells: bool,
    now: Moment,
}

impl Ramp {
    fn new(value: f64) -> Self {
        Self { value, reduced_at: None, cut_from: f64::INFINITY, rose: true }
    }

    /// The next value behind a `target` that it follows: down at once, up without waiting, but no faster than `rate` per second.
    fn following(self, target: f64, rate: f64, from: Moment, now: Moment) -> Self {
        let reach = self.value + rate.max(0.0) * now.since(from).as_secs_f64();
        Self { value: target.min(reach), reduced_at: Some(now), ..self }
    }

    /// The next value on the way to `target`.
    fn toward(self, target: f64, rise: Rise) -> Self {
        if target < self.value {
            let cut_from = match (rise.by_cells, self.rose) {
                (true, true) => self.value,
                (true, false) => self.cut_from,
                (false, _) => f64::INFINITY,
            };
            return Self { value: target, reduced_at: Some(rise.now), cut_from, rose: false };
        }
        let Some(from) = rise.from else { return self };
        let free_from = self.reduced_at.map_or(from, |at| at.after(rise.hold).max(from));
        let remembers = self.reduced_at.is_some_and(|at| rise.now.since(at) < CUT_FORGOTTEN);
        let bend = if remembers { (self.cut_from * CAUTIOUS_FROM).max(self.value) } else { f64::INFINITY };
        let seconds = rise.now.since(free_from).as_secs_f64();
        let fast = (rise.rate * seconds).min(bend - self.value);
        let slow = if rise.rate > 0.0 { (seconds - fast / rise.rate) * rise.rate * CAUTIOUS_RATE } else { 0.0 };
        let value = target.min(self.value + fast + slow.max(0.0));
        Self { value, rose: self.rose || value > self.value, ..self }
    }
}

/// The ramps of a battery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramps {
    cvl: Ramp,
    ccl: Ramp,
    dcl: Ramp,
    ceiling: Ramp,
}

impl Ramps {
    /// How high the safety of the cells lets CVL go, whatever the phase.
    pub(super) fn ceiling(&self) -> Volts {
        Volts::new(floor(self.ceiling.value, 2))
    }
}

/// The limits to publish: from those of the step before towards what the rules allow.
pub(super) fn settle(
    recovery: Recovery,
    before: Option<Ramps>,
    verdict: &Verdict,
    from: Option<Moment>,
    now: Moment,
) -> (Ramps, Limits) {
    let target = &verdict.limits;
    let step = |before: Option<Ramp>, target: f64, rate: f64, by_cells: bool| match before {
        Some(ramp) => ramp.toward(finite(target), Rise { rate, hold: recovery.hold, from, by_cells, now }),
        None => Ramp::new(finite(target)),
    };
    let by_cells = |limit: &Limit<Amps>| BY_CELLS.contains(&limit.why);
    // Held at the pack voltage it goes where the pack goes, without waiting.
    let volts = |before: Option<Ramp>, target: f64| match (before, from) {
        (Some(ramp), Some(from)) if verdict.follows_pack => ramp.following(finite(target), recovery.volts_per_s, from, now),
        _ => step(before, target, recovery.volts_per_s, false),
    };
    let cvl = volts(before.map(|ramps| ramps.cvl), target.cvl.value.get());
    let ccl = step(before.map(|ramps| ramps.ccl), target.ccl.value.get(), recovery.amps_per_s, by_cells(&target.ccl));
    let dcl = step(before.map(|ramps| ramps.dcl), target.dcl.value.get(), recovery.amps_per_s, by_cells(&target.dcl));
    // Where neither cells nor chemistry are known there is no charge voltage but the present one.
    let highest = if verdict.ceiling.get().is_finite() { verdict.ceiling } else { target.cvl.value };
    let ceiling = volts(before.map(|ramps| ramps.ceiling), highest.get());
    let limits = Limits {
        cvl: Limit { value: Volts::new(floor(cvl.value, 2)), why: reason(target.cvl.why, cvl.value, target.cvl.value.get()) },
        ccl: Limit { value: Amps::new(floor(ccl.value, 1)), why: reason(target.ccl.why, ccl.value, target.ccl.value.get()) },
        dcl: Limit { value: Amps::new(floor(dcl.value, 1)), why: reason(target.dcl.why, dcl.value, target.dcl.value.get()) },
        low_voltage: target.low_voltage,
        mode: target.mode,
    };
    (Ramps { cvl, ccl, dcl, ceiling }, limits)
}

/// What the guard against oscillation leaves of the current limits. Ramps of their own, so that the rules and their ramps go on
/// as if it were not there: it can lower a limit and never raise one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Calmed {
    ccl: Ramp,
    dcl: Ramp,
}

/// The limits with `cut` on top; from its end on what was cut rises as slowly as anything else.
pub(super) fn calm(
    config: &Config,
    before: Option<Calmed>,
    cut: Option<(Amps, Amps)>,
    mut limits: Limits,
    from: Option<Moment>,
    now: Moment,
) -> (Option<Calmed>, Limits) {
    if before.is_none() && cut.is_none() {
        return (None, limits);
    }
    let Recovery { amps_per_s: rate, hold, .. } = config.recovery;
    let floors = (config.min_charge_current, config.min_discharge_current);
    let targets = cut.map(|(charge, discharge)| (charge.max(floors.0).get(), discharge.max(floors.1).get()));
    let (charge, discharge) = targets.unwrap_or((f64::INFINITY, f64::INFINITY));
    let step = |before: Option<Ramp>, target: f64, limit: Amps| {
        before.unwrap_or(Ramp::new(limit.get())).toward(target, Rise { rate, hold, from, by_cells: false, now })
    };
    let calmed = Calmed {
        ccl: step(before.map(|calmed| calmed.ccl), charge, limits.ccl.value),
        dcl: step(before.map(|calmed| calmed.dcl), discharge, limits.dcl.value),
    };
    let over = cut.is_none() && calmed.ccl.value >= limits.ccl.value.get() && calmed.dcl.value >= limits.dcl.value.get();
    let why = if cut.is_some() { OSCILLATION } else { RECOVERING };
    for (limit, ramp) in [(&mut limits.ccl, calmed.ccl), (&mut limits.dcl, calmed.dcl)] {
        let value = Amps::new(floor(ramp.value, 1));
        if value < limit.value {
            *limit = Limit { value, why };
        }
    }
    ((!over).then_some(calmed), limits)
}

const OSCILLATION: &str = "inverters oscillate: limits cut";
const RECOVERING: &str = "recovering: waits, then rises slowly";

/// The rule that sets the target, unless the limit is still on its way up to it.
fn reason(why: &'static str, value: f64, target: f64) -> &'static str {
    if value + 0.005 < target { RECOVERING } else { why }
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
