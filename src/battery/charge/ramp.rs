//! Limits fall at once and rise slowly; then they are rounded to the safe side.

use super::config::{Config, Recovery};
use super::doubt::LimitValues;
use super::input_limits::BY_CELLS;
use super::proposed_limits::ProposedLimits;
use crate::base::units::{Amps, Moment, Volts, at_least_zero, round_down};
use crate::model::{ByDirection, Limit, Limits};
use std::time::Duration;

/// Above this fraction of the value at which it was last cut, a current limit rises at a fraction of the usual rate: it approaches
/// what the cells tolerate, and a fast approach would only be cut again. A fifth: with passing clouds or changing loads, a
/// twentieth loses a tenth of the charge, and a half is cut as often as the full rate.
const SLOW_RISE_FROM: f64 = 0.8;
const SLOW_RISE_RATE: f64 = 0.2;
/// A cut is forgotten after this time without another one.
const CUT_FORGOTTEN: Duration = Duration::from_secs(1800);

/// A limit that falls at once and rises slowly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramp {
    value: f64,
    reduced_at: Option<Moment>,
    /// Value at which the cells last cut it on its way up; infinite if they did not.
    cut_from: f64,
    /// It has risen since the last reduction.
    rose: bool,
}

/// How a limit may rise in this step.
#[derive(Debug, Clone, Copy)]
struct Rise {
    rate: f64,
    hold: Duration,
    /// Start of the time in which it may have risen; `None`: it may not rise.
    from: Option<Moment>,
    /// The target comes from cell voltage, which reacts to the current.
    by_cells: bool,
    now: Moment,
}

impl Ramp {
    fn new(value: f64) -> Self {
        Self { value, reduced_at: None, cut_from: f64::INFINITY, rose: true }
    }

    /// The next value of a limit that follows `target`: falls at once, rises without hold time, at most by `rate` per second.
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
        let bend = if remembers { (self.cut_from * SLOW_RISE_FROM).max(self.value) } else { f64::INFINITY };
        let seconds = rise.now.since(free_from).as_secs_f64();
        let fast = (rise.rate * seconds).min(bend - self.value);
        let slow = if rise.rate > 0.0 { (seconds - fast / rise.rate) * rise.rate * SLOW_RISE_RATE } else { 0.0 };
        let value = target.min(self.value + fast + slow.max(0.0));
        Self { value, rose: self.rose || value > self.value, ..self }
    }
}

/// Ramps of a battery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ramps {
    cvl: Ramp,
    ccl: Ramp,
    dcl: Ramp,
    ceiling: Ramp,
}

impl Ramps {
    /// Upper bound of CVL for the safety of the cells, in any phase; `left` are the limits reduced by doubt.
    pub(super) fn ceiling(&self, left: Option<LimitValues>) -> Volts {
        let [.., left] = left.unwrap_or([f64::INFINITY; 4]);
        Volts::new(round_down(self.ceiling.value.min(left), 2))
    }

    /// Present values: CVL, CCL, DCL and ceiling.
    pub(super) fn values(&self) -> LimitValues {
        [self.cvl.value, self.ccl.value, self.dcl.value, self.ceiling.value]
    }

    /// The doubt has lasted too long to be reverted quickly: its reductions become ordinary ones as of now.
    pub(super) fn reduced_to(mut self, left: LimitValues, now: Moment) -> Self {
        let ramps = [&mut self.cvl, &mut self.ccl, &mut self.dcl, &mut self.ceiling];
        for (ramp, left) in ramps.into_iter().zip(left) {
            if left < ramp.value {
                *ramp = Ramp { value: left, reduced_at: Some(now), cut_from: f64::INFINITY, rose: false };
            }
        }
        self
    }
}

/// The targets of proposed limits in the order of [`Ramps::values`].
pub(super) fn targets(proposed: &ProposedLimits) -> LimitValues {
    let Limits { cvl, ccl, dcl, .. } = &proposed.limits;
    // While cells or chemistry are unknown, the only charge voltage is the present one.
    let ceiling = if proposed.ceiling.get().is_finite() { proposed.ceiling } else { cvl.value };
    [cvl.value.get(), ccl.value.get(), dcl.value.get(), ceiling.get()].map(at_least_zero)
}

/// Advances the ramps from the previous step towards the limits that the rules allow; CVL rises from `standing` if that is given.
pub(super) fn advance(
    recovery: Recovery,
    before: Option<Ramps>,
    proposed: &ProposedLimits,
    (from, standing): (Option<Moment>, Option<Volts>),
    now: Moment,
) -> Ramps {
    let [cvl, ccl, dcl, ceiling] = targets(proposed);
    let step = |before: Option<Ramp>, target: f64, rate: f64, by_cells: bool| match before {
        Some(ramp) => ramp.toward(target, Rise { rate, hold: recovery.hold, from, by_cells, now }),
        None => Ramp::new(target),
    };
    let volts = |before: Option<Ramp>, target: f64| match (before, from) {
        // A limit held at the pack voltage follows the pack without hold time.
        (Some(ramp), Some(from)) if proposed.follows_pack => ramp.following(target, recovery.volts_per_s, from, now),
        (Some(ramp), Some(_)) => {
            let standing = standing.map_or(0.0, Volts::get).min(target);
            step(Some(Ramp { value: ramp.value.max(standing), ..ramp }), target, recovery.volts_per_s, false)
        }
        _ => step(before, target, recovery.volts_per_s, false),
    };
    let by_cells = |limit: &Limit<Amps>| BY_CELLS.contains(&limit.why);
    let ceiling = volts(before.map(|ramps| ramps.ceiling), ceiling);
    let cvl = volts(before.map(|ramps| ramps.cvl), cvl);
    Ramps {
        // CVL that waits for the cells keeps waiting after float.
        cvl: Ramp { value: cvl.value.min(ceiling.value), ..cvl },
        ccl: step(before.map(|ramps| ramps.ccl), ccl, recovery.amps_per_s, by_cells(&proposed.limits.ccl)),
        dcl: step(before.map(|ramps| ramps.dcl), dcl, recovery.amps_per_s, by_cells(&proposed.limits.dcl)),
        ceiling,
    }
}

/// Limits to publish: the ramps, lowered by doubt, with the reason that applies.
pub(super) fn settle(
    ramps: &Ramps,
    proposed: &ProposedLimits,
    left: Option<LimitValues>,
    doubted: Option<&ProposedLimits>,
) -> Limits {
    let rest = left.unwrap_or([f64::INFINITY; 4]);
    let [cvl, ccl, dcl, _] = ramps.values();
    let [rest_cvl, rest_ccl, rest_dcl, _] = rest;
    let limits = &proposed.limits;
    let of = |pick: fn(&Limits) -> (&'static str, f64), value: f64, rest: f64| {
        let (why, target) = doubted.filter(|_| rest < value).map_or_else(|| pick(limits), |doubted| pick(&doubted.limits));
        let value = value.min(rest);
        (value, reason(why, value, target))
    };
    let (cvl, cvl_why) = of(|limits| (limits.cvl.why, limits.cvl.value.get()), cvl, rest_cvl);
    let (ccl, ccl_why) = of(|limits| (limits.ccl.why, limits.ccl.value.get()), ccl, rest_ccl);
    let (dcl, dcl_why) = of(|limits| (limits.dcl.why, limits.dcl.value.get()), dcl, rest_dcl);
    Limits {
        cvl: Limit { value: Volts::new(round_down(cvl, 2)), why: cvl_why },
        ccl: Limit { value: Amps::new(round_down(ccl, 1)), why: ccl_why },
        dcl: Limit { value: Amps::new(round_down(dcl, 1)), why: dcl_why },
        low_voltage: limits.low_voltage,
        mode: doubted.map_or(limits.mode, |doubted| doubted.limits.mode),
    }
}

/// Current reductions by float and oscillation guard, as separate ramps, so that rules and their ramps are independent of them:
/// they can only ever lower a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct OscillationCut(ByDirection<Ramp>);

/// Applies `cuts` of charge and discharge current to the limits; a cut is reverted as slowly as any other reduction.
pub(super) fn apply_oscillation_cut(
    config: &Config,
    before: Option<OscillationCut>,
    cuts: ByDirection<Option<Limit<Amps>>>,
    mut limits: Limits,
    from: Option<Moment>,
    now: Moment,
) -> (Option<OscillationCut>, Limits) {
    if before.is_none() && cuts == ByDirection::both(None) {
        return (None, limits);
    }
    let Recovery { amps_per_s: rate, hold, .. } = config.recovery;
    let rise = Rise { rate, hold, from, by_cells: false, now };
    let floors = ByDirection { charge: config.min_charge_current, discharge: config.min_discharge_current };
    let before = before.map_or(ByDirection::both(None), |OscillationCut(ramps)| ramps.map(Some));
    let in_force = ByDirection { charge: &mut limits.ccl, discharge: &mut limits.dcl };
    let steps = before.zip(cuts).zip(floors).zip(in_force).map(|(((before, cut), floor), limit)| {
        let target = cut.map_or(f64::INFINITY, |cut| cut.value.max(floor).get());
        let ramp = before.unwrap_or(Ramp::new(limit.value.get())).toward(target, rise);
        let (reached, value) = (ramp.value >= limit.value.get(), Amps::new(round_down(ramp.value, 1)));
        if value < limit.value {
            *limit = Limit { value, why: cut.map_or(RECOVERING, |cut| reason(cut.why, ramp.value, target)) };
        }
        (ramp, cut.is_none() && reached)
    });
    let is_over = steps.map(|(_, is_over)| is_over);
    ((!is_over.charge || !is_over.discharge).then_some(OscillationCut(steps.map(|(ramp, _)| ramp))), limits)
}

pub(super) const OSCILLATION: &str = "inverters oscillate: limits cut";
const RECOVERING: &str = "recovering: waits, then rises slowly";

/// The rule that sets the target, unless the limit is still rising towards it.
fn reason(why: &'static str, value: f64, target: f64) -> &'static str {
    if value + 0.005 < target { RECOVERING } else { why }
}
