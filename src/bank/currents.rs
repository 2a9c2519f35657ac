//! The current limits of a bank: what its members allow together, given how the current divides among them.
//!
//! Side by side: if the bank's current changes, each pack takes its part of the change (its conductance). So the bank may carry
//! its present current plus the least, over its members, of what a member has left divided by its part; and never more than the
//! plain sum. A pack that is known but silent may or may not be on the busbar: both are reckoned with, the lower result counts.

use super::roster::{Roster, Seat};
use super::{Config, Layout, Ruled, Share};
use crate::model::Reasons;
use crate::units::Amps;
use std::borrow::Cow;

/// Which way the current goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Into the batteries.
    Charge,
    /// Out of them.
    Discharge,
}

/// A member as far as one direction of the current is concerned.
#[derive(Clone, Copy)]
struct Branch<'a> {
    seat: &'a Seat,
    /// What it allows, A.
    limit: f64,
    /// Its smoothed current in this direction, A.
    current: f64,
    /// Its conductance, in relation to the others'.
    weight: f64,
    /// It has fresh data.
    heard: bool,
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

    fn is_open(self, seat: &Seat) -> bool {
        let reading = &seat.last.reading;
        match self {
            Self::Charge => reading.charge_fet == Some(false),
            Self::Discharge => reading.discharge_fet == Some(false),
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

    /// The branch of a member whose switch for this direction is closed.
    fn branch<'a>(self, roster: &Roster, seat: &'a Seat, heard: bool) -> Option<Branch<'a>> {
        if self.is_open(seat) {
            return None;
        }
        let all: f64 = roster.all().map(|(_, seat)| roster.capacity_of(seat)).sum();
        let part = roster.capacity_of(seat) / all.max(f64::MIN_POSITIVE);
        let weight = seat.flow.conductance(&roster.total, part, all);
        let sign = if self == Self::Charge { 1.0 } else { -1.0 };
        Some(Branch { seat, limit: self.limit(&seat.last), current: sign * seat.flow.current, weight, heard })
    }
}

/// The limit of the bank in one direction.
pub(super) fn allowed(config: &Config, roster: &Roster, direction: Direction) -> Ruled {
    let mut ruled = match config.layout {
        Layout::Parallel => parallel(roster, direction),
        Layout::Series => series(roster, direction),
    };
    if let Some(most) = direction.configured(config).map(Amps::get)
        && most < ruled.value
    {
        ruled = Ruled { value: most, rule: CONFIGURED, why: Cow::Borrowed(CONFIGURED) };
    }
    ruled
}

const CONFIGURED: &str = "configured maximum of the bank";
const NOBODY: &str = "no battery of the bank answers";
const ALL_OPEN: &str = "every battery that answers has switched off";
const SUM: &str = "sum of the batteries";
const WEAKEST: &str = "weakest battery";
const LAST_WORD: &str = "last word of a battery that is silent";
const FADING: &str = "no battery answers; what they allow fades";

fn plain(value: f64, rule: &'static str) -> Ruled {
    Ruled { value, rule, why: Cow::Borrowed(rule) }
}

fn parallel(roster: &Roster, direction: Direction) -> Ruled {
    if roster.online().next().is_none() {
        return fading(roster, direction);
    }
    let with = rule(roster, direction, |seat| seat.is_online() || seat.leaving > 0.0);
    let without = rule(roster, direction, Seat::is_online);
    let leaving = roster.all().map(|(_, seat)| seat.leaving).fold(0.0, f64::max);
    let value = without.value + (with.value - without.value).max(0.0) * leaving;
    Ruled { value, ..without }
}

/// The limit with the members that `counts` as present and all others as silent but perhaps still on the busbar.
fn rule(roster: &Roster, direction: Direction, counts: impl Fn(&Seat) -> bool) -> Ruled {
    let branches: Vec<Branch<'_>> = roster.all().filter_map(|(_, seat)| direction.branch(roster, seat, counts(seat))).collect();
    let present: Vec<Branch<'_>> = branches.iter().copied().filter(|branch| branch.heard).collect();
    if present.is_empty() {
        return plain(0.0, ALL_OPEN);
    }
    let sum: f64 = present.iter().map(|branch| branch.limit).sum();
    let weakest = [weakest(&present), weakest(&branches)];
    let weakest = weakest.into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0));
    match weakest {
        Some((value, branch)) if value + 0.05 < sum => {
            let label = &branch.seat.label;
            let reason = direction.reason(&branch.seat.reasons);
            let (rule, why) = if branch.heard {
                (WEAKEST, format!("{label} has least left: {reason}"))
            } else {
                (LAST_WORD, format!("{label} is silent, its last word stands: {reason}"))
            };
            Ruled { value, rule, why: Cow::Owned(why) }
        }
        Some((value, _)) => whole_sum(roster, direction, &present, value.min(sum)),
        None => plain(0.0, ALL_OPEN),
    }
}

/// All that are there give what they allow; whoever gives nothing is named.
fn whole_sum(roster: &Roster, direction: Direction, present: &[Branch<'_>], value: f64) -> Ruled {
    let silent = roster.offline();
    let open = roster.online().filter(|seat| direction.is_open(seat)).count();
    let missing = match (silent, open) {
        (0, 0) => return plain(value, SUM),
        (0, open) => format!("{open} switched off"),
        (silent, 0) => format!("{silent} not there"),
        (silent, open) => format!("{silent} not there, {open} switched off"),
    };
    let count = present.len();
    let batteries = if count == 1 { "battery" } else { "batteries" };
    Ruled { value, rule: SUM, why: Cow::Owned(format!("{SUM}: {count} {batteries}, {missing}")) }
}

/// What the branch with the least left allows the whole set to carry.
fn weakest<'a>(branches: &[Branch<'a>]) -> Option<(f64, Branch<'a>)> {
    let weights: f64 = branches.iter().map(|branch| branch.weight).sum();
    let total: f64 = branches.iter().map(|branch| branch.current).sum();
    let carried = |branch: &Branch<'a>| {
        let share = branch.weight / weights.max(f64::MIN_POSITIVE);
        // Current that flows because packs differ, whatever the bank carries.
        let excess = branch.current - share * total;
        // What forbids current forbids it: no difference between packs makes room.
        if branch.limit > 0.0 { ((branch.limit - excess) / share.max(f64::MIN_POSITIVE)).max(0.0) } else { 0.0 }
    };
    branches.iter().map(|branch| (carried(branch), *branch)).min_by(|a, b| a.0.total_cmp(&b.0))
}

/// Nobody is fresh: the limits of those that are still there go down by the rules of their own silence.
fn fading(roster: &Roster, direction: Direction) -> Ruled {
    let left: Vec<f64> = roster.silent().filter_map(|seat| Some(direction.limit(seat.now.as_ref()?))).collect();
    // Whoever is gone altogether gives nothing, and what the others leave is theirs alone.
    if left.is_empty() { plain(0.0, NOBODY) } else { plain(left.iter().sum(), FADING) }
}

/// One current through all: the lowest limit counts, and a member that is not there ends it.
fn series(roster: &Roster, direction: Direction) -> Ruled {
    let limit = |seat: &Seat| match &seat.now {
        _ if direction.is_open(seat) => 0.0,
        Some(snapshot) => direction.limit(snapshot),
        None => 0.0,
    };
    let lowest = roster.all().map(|(_, seat)| (limit(seat), seat)).min_by(|a, b| a.0.total_cmp(&b.0));
    match lowest {
        None => plain(0.0, NOBODY),
        Some(_) if roster.has_unseen() => plain(0.0, "a battery of the chain was never heard"),
        Some((value, seat)) if seat.now.is_none() => {
            Ruled { value, rule: LAST_WORD, why: Cow::Owned(format!("{} of the chain is not there", seat.label)) }
        }
        Some((value, seat)) => {
            let why = format!("{} allows least: {}", seat.label, direction.reason(&seat.reasons));
            Ruled { value, rule: WEAKEST, why: Cow::Owned(why) }
        }
    }
}

/// How the limits of the bank divide among the members that are there.
pub(super) fn split(roster: &Roster, charge: Amps, discharge: Amps) -> Vec<Share> {
    let of = |direction: Direction, limit: Amps| {
        let branches: Vec<_> = roster.online().filter_map(|seat| direction.branch(roster, seat, true)).collect();
        let weights: f64 = branches.iter().map(|branch| branch.weight).sum();
        move |seat: &Seat| {
            let branch = direction.branch(roster, seat, true)?;
            let part = limit.get() * branch.weight / weights.max(f64::MIN_POSITIVE);
            Some(Amps::new(super::ramp::floor(part.min(branch.limit), 1)))
        }
    };
    let (charging, discharging) = (of(Direction::Charge, charge), of(Direction::Discharge, discharge));
    let online = roster.all().filter(|(_, seat)| seat.is_online());
    online
        .map(|(name, seat)| Share {
            name: name.clone(),
            charge: charging(seat).unwrap_or_default(),
            discharge: discharging(seat).unwrap_or_default(),
        })
        .collect()
}
