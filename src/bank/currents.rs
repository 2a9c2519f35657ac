//! The current limits of a bank: the total that its members allow, given how the current divides among them.
//!
//! In parallel: if the bank's current changes, each pack takes its share of the change (by conductance). So the bank may carry its
//! present current plus the minimum, over its members, of a member's headroom divided by its share; and never more than the plain
//! sum. A current whose direction is not known counts as the worse of both for each pack. A pack that is switched off for the present
//! direction takes no part in it, so its headroom counts from a current of 0. A known but silent pack may or may not be connected to
//! the busbar: both cases are computed, the lower result counts.

use super::members::{MemberState, Members};
use super::{Config, Layout, MemberShare, ReasonedLimit, Switched, switching};
use crate::base::units::{Amps, round_down};
use crate::model::{ByDirection, LimitingBattery, Reasons};
use std::borrow::Cow;

/// Direction of the current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Into the batteries.
    Charge,
    /// Out of them.
    Discharge,
}

/// A member, for one direction of the current.
#[derive(Clone, Copy)]
struct Branch<'a> {
    member: &'a MemberState,
    /// Its limit, A.
    limit: f64,
    /// Bounds of its smoothed current in this direction, A.
    current: (f64, f64),
    /// Both bounds are its current.
    is_measured: bool,
    /// Its relative conductance.
    weight: f64,
    /// It has fresh data.
    is_fresh: bool,
    /// Its switch for the other direction is open.
    is_one_way: bool,
}

impl Direction {
    fn limit(self, snapshot: &crate::model::Snapshot) -> f64 {
        let limits = &snapshot.limits;
        let value = match self {
            Self::Charge => limits.ccl.value.get(),
            Self::Discharge => limits.dcl.value.get(),
        };
        if value.is_finite() { value.max(0.0) } else { 0.0 }
    }

    fn opposite(self) -> Self {
        match self {
            Self::Charge => Self::Discharge,
            Self::Discharge => Self::Charge,
        }
    }

    fn is_open(self, member: &MemberState) -> bool {
        let reading = &member.last.reading;
        match self {
            Self::Charge => reading.fets.charge == Some(false),
            Self::Discharge => reading.fets.discharge == Some(false),
        }
    }

    fn reason(self, reasons: &Reasons) -> &str {
        match self {
            Self::Charge => &reasons.ccl,
            Self::Discharge => &reasons.dcl,
        }
    }

    fn configured(self, config: &Config) -> Option<Amps> {
        match self {
            Self::Charge => config.max_charge_current,
            Self::Discharge => config.max_discharge_current,
        }
    }

    /// The branch of a member whose switch for this direction is closed; `None` if open. One that is switched off for equal charge
    /// carries nothing in either direction: it would conduct through a diode only.
    fn branch<'a>(self, members: &Members, member: &'a MemberState, is_fresh: bool) -> Option<Branch<'a>> {
        if member.switched == Switched::No { self.shown_branch(members, member, is_fresh) } else { None }
    }

    /// The branch of a member by what its switches show, also if it is switched off for equal charge.
    fn shown_branch<'a>(self, members: &Members, member: &'a MemberState, is_fresh: bool) -> Option<Branch<'a>> {
        let branch = self.closed_branch(members, member, is_fresh);
        (!self.is_open(member)).then(|| Branch { is_one_way: self.opposite().is_open(member), ..branch })
    }

    /// The branch of a member as if its switches were closed; one that is open for equal charge counts with the limit that it had
    /// before.
    fn closed_branch<'a>(self, members: &Members, member: &'a MemberState, is_fresh: bool) -> Branch<'a> {
        let all: f64 = members.all().map(|(_, member)| members.capacity_of(member)).sum();
        let part = members.capacity_of(member) / all.max(f64::MIN_POSITIVE);
        let weight = member.current.conductance(&members.total, part, all);
        let range = member.current_range();
        let (low, high) = range.as_ref().map_or((0.0, 0.0), |range| (*range.start(), *range.end()));
        Branch {
            member,
            limit: self.limit(if self.is_open(member) { &member.unswitched } else { &member.last }),
            current: if self == Self::Charge { (low, high) } else { (-high, -low) },
            is_measured: range.is_some_and(|range| range.start() == range.end()),
            weight,
            is_fresh,
            is_one_way: false,
        }
    }
}

/// The limit of the bank in one direction.
pub(super) fn allowed(config: &Config, members: &Members, direction: Direction) -> ReasonedLimit {
    let mut ruled = match config.layout {
        Layout::Parallel => parallel(members, direction),
        Layout::Series => series(members, direction),
    };
    if let Some(most) = returning(members).filter(|_| direction == Direction::Charge) {
        ruled.lower(most, RETURNING);
    }
    if let Some(most) = direction.configured(config) {
        ruled.lower(most.get(), CONFIGURED);
    }
    ruled
}

const CONFIGURED: &str = "configured maximum of the bank";
const NO_MEMBER: &str = "no battery of the bank answers";
const ALL_OPEN: &str = "every battery that answers has switched off";
const SWITCHED: &str = "a battery is switched off for equal charge; the others would allow more than all together";
const RETURNING: &str = "a battery that was switched off for equal charge returns";
const SUM: &str = "sum of the batteries";
const WEAKEST: &str = "weakest battery";
const LAST_LIMIT: &str = "last limit of a silent battery";
const FADING: &str = "no battery answers; what they allow fades";

fn parallel(members: &Members, direction: Direction) -> ReasonedLimit {
    let online = rule(members, direction, MemberState::is_online);
    // Members that were stopped fade out, each by its own weight: what it adds to those that stay longer counts by that weight.
    let mut weights: Vec<f64> = members.all().map(|(_, member)| member.leaving).filter(|weight| *weight > 0.0).collect();
    weights.sort_by(|a, b| b.total_cmp(a));
    weights.dedup();
    let (mut value, mut inner) = (online.value, online.value);
    for weight in weights {
        let outer = rule(members, direction, |member| member.is_online() || member.leaving >= weight).value.max(inner);
        value += (outer - inner) * weight;
        inner = outer;
    }
    if members.online().next().is_some() { ReasonedLimit { value, ..online } } else { fading(members, direction, value) }
}

/// Charge current while a battery that was switched off returns to the others.
fn returning(members: &Members) -> Option<f64> {
    members.all().find(|(_, member)| member.switched == Switched::Returns)?;
    let others = members.online().filter(|member| member.switched == Switched::No);
    Some(switching::RETURN_C * others.map(|member| members.capacity_of(member)).sum::<f64>())
}

/// The limit with the members for which `counts` is true; the others are silent, but perhaps still on the busbar. While one is
/// switched off for equal charge, the lowest of the limits without it, by what its switches show, and as if they were closed: nothing
/// rises because it is off.
fn rule(members: &Members, direction: Direction, counts: impl Fn(&MemberState) -> bool) -> ReasonedLimit {
    let without = branches(members, direction, |member| direction.branch(members, member, counts(member)));
    if members.all().all(|(_, member)| member.switched == Switched::No) {
        return without;
    }
    let shown = branches(members, direction, |member| direction.shown_branch(members, member, counts(member)));
    let closed = branches(members, direction, |member| match member.switched {
        Switched::No => direction.branch(members, member, counts(member)),
        Switched::Off | Switched::Returns => Some(direction.closed_branch(members, member, counts(member))),
    });
    [shown, closed]
        .into_iter()
        .fold(without, |least, with| if with.value < least.value { ReasonedLimit { rule: SWITCHED, ..with } } else { least })
}

fn branches<'a>(members: &'a Members, direction: Direction, of: impl Fn(&'a MemberState) -> Option<Branch<'a>>) -> ReasonedLimit {
    let branches: Vec<Branch<'_>> = members.all().filter_map(|(_, member)| of(member)).collect();
    let present: Vec<Branch<'_>> = branches.iter().copied().filter(|branch| branch.is_fresh).collect();
    if present.is_empty() {
        return ReasonedLimit::new(0.0, ALL_OPEN);
    }
    let sum: f64 = present.iter().map(|branch| branch.limit).sum();
    let weakest = [weakest(&present), weakest(&branches)];
    let weakest = weakest.into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0));
    match weakest {
        Some((value, branch)) if value + 0.05 < sum => {
            let label = &branch.member.label;
            let reason = direction.reason(&branch.member.reasons);
            let (rule, why) = if branch.is_fresh {
                (WEAKEST, format!("{label} has the least headroom: {reason}"))
            } else {
                (LAST_LIMIT, format!("{label} is silent, its last limit applies: {reason}"))
            };
            ReasonedLimit { value, rule, why: Cow::Owned(why), by: Some(limiting(branch.member, direction)) }
        }
        Some((value, _)) => whole_sum(members, direction, &present, value.min(sum)),
        None => ReasonedLimit::new(0.0, ALL_OPEN),
    }
}

/// The battery that sets a limit, with its own reason.
fn limiting(member: &MemberState, direction: Direction) -> LimitingBattery {
    let why = direction.reason(&member.reasons).to_owned();
    let cells = member.last.limiting_cells;
    let cell = if direction == Direction::Charge { cells.ccl } else { cells.dcl };
    LimitingBattery { label: member.label.clone(), why: Cow::Owned(why), cell }
}

/// The most that the members and the bank are configured for: of those in parallel the sum, in series the lowest; `None` unless all
/// are known.
pub(super) fn maximum(config: &Config, members: &Members) -> ByDirection<Option<Amps>> {
    let of = |pick: fn(&MemberState) -> Option<Amps>, most: Option<Amps>| {
        let known: Option<Vec<Amps>> = members.online().map(pick).collect();
        let all = known.filter(|known| !known.is_empty())?;
        let all = match config.layout {
            Layout::Parallel => Amps::new(all.iter().map(|amps| amps.get()).sum()),
            Layout::Series => all.into_iter().reduce(Amps::min)?,
        };
        Some(most.map_or(all, |most| most.min(all)))
    };
    ByDirection {
        charge: of(|member| member.last.maximum.charge, config.max_charge_current),
        discharge: of(|member| member.last.maximum.discharge, config.max_discharge_current),
    }
}

/// The sum of the members' limits; names a member with a limit of 0.
fn whole_sum(members: &Members, direction: Direction, present: &[Branch<'_>], value: f64) -> ReasonedLimit {
    let silent = members.offline();
    let open = members.online().filter(|member| direction.is_open(member)).count();
    let missing = match (silent, open) {
        (0, 0) => return ReasonedLimit::new(value, SUM),
        (0, open) => format!("{open} switched off"),
        (silent, 0) => format!("{silent} not there"),
        (silent, open) => format!("{silent} not there, {open} switched off"),
    };
    let count = present.len();
    let batteries = if count == 1 { "battery" } else { "batteries" };
    ReasonedLimit { why: Cow::Owned(format!("{SUM}: {count} {batteries}, {missing}")), ..ReasonedLimit::new(value, SUM) }
}

/// Total current allowed by the branch with the least headroom.
fn weakest<'a>(branches: &[Branch<'a>]) -> Option<(f64, Branch<'a>)> {
    let weights: f64 = branches.iter().map(|branch| branch.weight).sum();
    let least: f64 = branches.iter().map(|branch| branch.current.0).sum();
    let all_measured = branches.iter().all(|branch| branch.is_measured);
    let carried = |branch: &Branch<'a>| {
        let share = branch.weight / weights.max(f64::MIN_POSITIVE);
        // The worst for this branch: it carries the most that is possible, the others the least.
        let current = branch.current.1;
        let total = least - branch.current.0 + current;
        // Present current in the other direction does not flow through a pack that is switched off there.
        let conducts = |branch: &Branch<'_>| total >= 0.0 || !branch.is_one_way;
        let conducting: f64 = branches.iter().filter(|branch| conducts(branch)).map(|branch| branch.weight).sum();
        // Equalising current between packs, independent of the bank's current.
        let excess =
            if conducts(branch) { current - branch.weight / conducting.max(f64::MIN_POSITIVE) * total } else { current.max(0.0) };
        // One in the other direction gives headroom only if it is measured.
        let excess = if all_measured { excess } else { excess.max(0.0) };
        // A limit of 0 stays 0: an equalising current gives no headroom.
        if branch.limit > 0.0 { ((branch.limit - excess) / share.max(f64::MIN_POSITIVE)).max(0.0) } else { 0.0 }
    };
    branches.iter().map(|branch| (carried(branch), *branch)).min_by(|a, b| a.0.total_cmp(&b.0))
}

/// No member is fresh: the limits of the present ones fall by the rules of their own silence, what those that were stopped allowed
/// fades out with them. `leaving` is what is left of that.
fn fading(members: &Members, direction: Direction, leaving: f64) -> ReasonedLimit {
    let left: Vec<f64> = members.silent().filter_map(|member| Some(direction.limit(member.now.as_ref()?))).collect();
    // Members that are gone contribute nothing.
    if left.is_empty() && !members.is_fading() {
        return ReasonedLimit::new(0.0, NO_MEMBER);
    }
    ReasonedLimit::new(left.iter().sum::<f64>().max(leaving), FADING)
}

/// In series: the lowest limit counts, and a missing member stops the current; one that was stopped fades out.
fn series(members: &Members, direction: Direction) -> ReasonedLimit {
    let limit = |member: &MemberState| match &member.now {
        _ if direction.is_open(member) => 0.0,
        Some(snapshot) => direction.limit(snapshot),
        None => direction.limit(&member.last) * member.leaving,
    };
    let lowest = members.all().map(|(_, member)| (limit(member), member)).min_by(|a, b| a.0.total_cmp(&b.0));
    match lowest {
        None => ReasonedLimit::new(0.0, NO_MEMBER),
        Some(_) if members.unseen().next().is_some() => ReasonedLimit::new(0.0, "a battery of the chain was never heard"),
        Some((value, member)) if member.now.is_none() => {
            let by = Some(limiting(member, direction));
            ReasonedLimit { value, rule: LAST_LIMIT, why: Cow::Owned(format!("{} of the chain is not there", member.label)), by }
        }
        Some((value, member)) => {
            let why = format!("{} allows least: {}", member.label, direction.reason(&member.reasons));
            ReasonedLimit { value, rule: WEAKEST, why: Cow::Owned(why), by: Some(limiting(member, direction)) }
        }
    }
}

/// How the limits of the bank divide among the present members.
pub(super) fn split(members: &Members, limits: ByDirection<Amps>) -> Vec<MemberShare> {
    let of = |direction: Direction, limit: Amps| {
        let branches: Vec<_> = members.online().filter_map(|member| direction.branch(members, member, true)).collect();
        let weights: f64 = branches.iter().map(|branch| branch.weight).sum();
        move |member: &MemberState| {
            let branch = direction.branch(members, member, true)?;
            let part = limit.get() * branch.weight / weights.max(f64::MIN_POSITIVE);
            Some(Amps::new(round_down(part.min(branch.limit), 1)))
        }
    };
    let (charge, discharge) = (of(Direction::Charge, limits.charge), of(Direction::Discharge, limits.discharge));
    let online = members.all().filter(|(_, member)| member.is_online());
    online
        .map(|(name, member)| MemberShare {
            name: name.clone(),
            currents: ByDirection { charge: charge(member), discharge: discharge(member) }.map(Option::unwrap_or_default),
        })
        .collect()
}
