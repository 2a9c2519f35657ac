//! Packs in parallel that hold unequal charge: which one is switched off for a while, in the direction of the current, until the
//! others have followed. Pure: the members and the time go in, an order for one switch comes out.
//!
//! ```text
//!          5 % apart, and sure          its current is small         alike, 2 h, or any doubt       it is on again
//!  waiting ─────────────────▶ preparing ───────────────────▶ off ───────────────────▶ returning ───────────────▶ waiting
//!                     the limits leave the pack out   the command "off"   calm: the command "on"
//! ```
//! The bank charges: the fullest pack takes no charge. The bank discharges: the emptiest gives none. From `preparing` to the end the
//! bank's limits are the lower ones of those with the pack and those without it ([`Member::switched`]), so that none ever rises.
//!
//! A MOSFET that is off still conducts the other way through its diode, which heats it: the pack returns at once when it carries
//! more than a tenth of its capacity that way, and when it carries current in the direction that is off.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use super::spread::{Charge, spread};
use super::{Layout, Member};
use crate::base::units::Moment;
use crate::model::{Command, Confidence, Freshness, PackSwitch, Reading, Snapshot, Switch, SwitchingState};
use std::time::Duration;

/// Who asks, as persisted with the switch: what is left of it after a crash is switched on again.
pub const REQUESTER: &str = "equal charge of the bank's packs";

/// Differences of the states of charge, %: from where a pack is switched off, and where it returns.
const START_PCT: f64 = 5.0;
const END_PCT: f64 = 2.0;
/// All conditions must hold for this long before a pack is chosen.
const START_AFTER: Duration = Duration::from_secs(60);
/// What cell voltages at rest have shown about a pair of packs counts for this long.
const SURE_FOR: Duration = Duration::from_secs(12 * 3600);
/// Longest time that a pack is off.
const LONGEST_OFF: Duration = Duration::from_secs(2 * 3600);
/// Time between two packs, or after a failure.
const REST: Duration = Duration::from_secs(1800);
/// Time for the chargers to follow the lower limits, and the longest wait for a small current.
const LOWERED_AFTER: Duration = Duration::from_secs(15);
const PREPARING_FOR: Duration = Duration::from_secs(600);
/// Longest wait for calm before the pack returns all the same.
const CALM_WITHIN: Duration = Duration::from_secs(600);
/// An order without effect is repeated after this time.
const REPEAT: Duration = Duration::from_secs(6);
/// A confirmed switch that does not show for this long is asked for again.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);
/// Longest time in which the bank does not use the direction that is off.
const UNUSED_FOR: Duration = Duration::from_secs(600);
/// Time for a switch to show its effect.
const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// A battery's current above its limit for this long ends it.
const OVERLOADED_FOR: Duration = Duration::from_secs(10);
/// Averaging time of the bank's current, s.
const AVERAGE_S: f64 = 60.0;

/// Currents as fractions of the capacity per hour: the bank's that makes a direction, the largest at which a pack is switched off and
/// that its diode may carry, the largest at which it returns in calm, and what is no current at all.
const IN_USE_C: f64 = 0.01;
const MOST_C: f64 = 0.1;
const CALM_C: f64 = 0.05;
const NONE_C: f64 = 0.02;
/// Largest difference of the packs' voltages at the return, V per cell: 0.2 V of 16 cells.
const ALIKE_CELL_V: f64 = 0.0125;

/// What is to be done with a switch of a member.
#[derive(Debug, Clone, PartialEq)]
pub struct SwitchOrder {
    /// Name of the member.
    pub member: String,
    /// The command for its BMS.
    pub command: Command,
}

/// How far the switching of a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Switched {
    /// It is not concerned.
    #[default]
    No,
    /// It is switched off in one direction, or about to be: the bank's limits count on the others only.
    Off,
    /// It returns to the others: the bank's charge current is lowered for that.
    Returns,
}

/// A member with everything known that switching needs.
#[derive(Debug, Clone, Copy)]
struct Pack<'a> {
    member: &'a Member,
    snapshot: &'a Snapshot,
    soc: f64,
    capacity: f64,
    current: f64,
    voltage: f64,
    cells: f64,
}

impl<'a> Pack<'a> {
    /// Why a member cannot take part.
    fn new(member: &'a Member) -> Result<Self, String> {
        let label = &member.label;
        let fresh = member.snapshot.as_deref().filter(|snapshot| snapshot.freshness == Freshness::Fresh && !member.leaving);
        let Some(snapshot) = fresh else { return Err(format!("{label}: silent")) };
        let reading = &snapshot.reading;
        if !snapshot.alarms.is_empty() {
            return Err(format!("{label}: an alarm"));
        }
        let known = || {
            let capacity = reading.capacity?.get();
            let cells = snapshot.cell_count.filter(|count| *count > 0)?;
            let (soc, current, voltage) = (reading.soc?.get(), reading.current?.get(), reading.voltage?.get());
            let whole = [capacity, soc, current, voltage].iter().all(|value| value.is_finite()) && capacity > 0.0;
            whole.then_some(Self { member, snapshot, soc, capacity, current, voltage, cells: f64::from(cells) })
        };
        known().ok_or_else(|| format!("{label}: charge, capacity, current or cells are not known"))
    }

    fn reading(&self) -> &Reading {
        &self.snapshot.reading
    }

    fn limit(&self, switch: Switch) -> f64 {
        let limits = &self.snapshot.limits;
        if switch == Switch::Charge { limits.ccl.value.get() } else { limits.dcl.value.get() }
    }

    fn is_on(&self, switch: Switch) -> Option<bool> {
        let fets = &self.reading().fets;
        if switch == Switch::Charge { fets.charge } else { fets.discharge }
    }

    /// Both switches are closed.
    fn conducts(&self) -> bool {
        self.is_on(Switch::Charge) == Some(true) && self.is_on(Switch::Discharge) == Some(true)
    }

    fn charge(&self) -> Charge<'a> {
        Charge {
            label: &self.member.name,
            soc_pct: self.soc,
            capacity_ah: self.capacity,
            since_full: self.snapshot.since_full,
            mean_cell_v: self.snapshot.derived.cell_sum.map(|sum| sum.get() / self.cells),
            current_a: Some(self.current),
        }
    }
}

/// All of these have their switches closed.
///
/// # Errors
/// The first that has not, or does not tell.
fn all_conduct<'a>(packs: impl IntoIterator<Item = &'a Pack<'a>>) -> Result<(), String> {
    match packs.into_iter().find(|pack| !pack.conducts()) {
        Some(open) => Err(format!("{}: switched off, or its switches are unknown", open.member.label)),
        None => Ok(()),
    }
}

/// The member that is switched.
#[derive(Debug, Clone, PartialEq)]
struct Chosen {
    member: String,
    label: String,
    switch: Switch,
}

#[derive(Debug, Clone, PartialEq, Default)]
enum State {
    #[default]
    Waiting,
    Preparing {
        chosen: Chosen,
        since: Moment,
    },
    Off {
        chosen: Chosen,
        since: Moment,
        /// The BMS has shown the switch off.
        shown: bool,
    },
    Returning {
        chosen: Chosen,
        since: Moment,
        why: String,
        /// Without waiting for calm.
        at_once: bool,
        /// The BMS has confirmed that the switch is on.
        confirmed: bool,
    },
}

/// An order whose outcome is not known yet, or which failed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Ordered {
    pending: bool,
    at: Option<Moment>,
}

/// The switching of a bank's packs over time.
#[derive(Debug, Default)]
pub struct PackSwitching {
    state: State,
    ordered: Ordered,
    /// Since when all conditions for a choice hold, and the choice.
    choosing: Option<(Chosen, Moment)>,
    /// The last pair, fullest and emptiest, of which more than the counters said that they differ.
    sure: Option<(String, String, Moment)>,
    rests_until: Option<Moment>,
    /// Mean current of the bank, A.
    average: Option<f64>,
    stepped: Option<Moment>,
    /// Since when the direction that is off is not used; since when another pack is above its limit.
    unused: Option<Moment>,
    overloaded: Option<Moment>,
    reason: String,
}

impl PackSwitching {
    /// Marks the member that is switched, before the bank computes its limits.
    pub fn mark(&self, members: &mut [Member]) {
        let (chosen, switched) = match &self.state {
            State::Waiting => return,
            State::Preparing { chosen, .. } | State::Off { chosen, .. } => (chosen, Switched::Off),
            State::Returning { chosen, .. } => (chosen, Switched::Returns),
        };
        members.iter_mut().filter(|member| member.name == chosen.member).for_each(|member| member.switched = switched);
    }

    /// The state, as shown to the owner.
    pub fn shown(&self) -> PackSwitch {
        let (state, battery) = match &self.state {
            State::Waiting => (SwitchingState::Waiting, None),
            State::Preparing { chosen, .. } => (SwitchingState::Preparing, Some(chosen)),
            State::Off { chosen, .. } if chosen.switch == Switch::Charge => (SwitchingState::ChargeOff, Some(chosen)),
            State::Off { chosen, .. } => (SwitchingState::DischargeOff, Some(chosen)),
            State::Returning { chosen, .. } => (SwitchingState::Returning, Some(chosen)),
        };
        PackSwitch { state, battery: battery.map(|chosen| chosen.label.clone()), reason: self.reason.clone() }
    }

    /// Advances to `now` with all members of the bank; `is_able` tells whether a member obeys commands for a switch.
    pub fn step(
        &mut self,
        layout: Layout,
        members: &[Member],
        is_able: impl Fn(&str, Switch) -> bool,
        now: Moment,
    ) -> Option<SwitchOrder> {
        let packs: Result<Vec<Pack<'_>>, String> = members.iter().map(Pack::new).collect();
        if let Ok(packs) = &packs {
            self.observe(packs, now);
        }
        match std::mem::take(&mut self.state) {
            State::Waiting => self.wait(layout, packs, is_able, now),
            State::Preparing { chosen, since } => self.prepare(packs, chosen, since, now),
            State::Off { chosen, since, shown } => self.stay_off(packs, chosen, (since, shown), now),
            State::Returning { chosen, since, why, at_once, confirmed } => {
                self.bring_back(members, packs, (chosen, why), (since, at_once, confirmed), now)
            }
        }
    }

    /// The outcome of the last order is known.
    pub fn answered(&mut self, done: bool) {
        self.ordered.pending = false;
        if let State::Returning { confirmed, .. } = &mut self.state {
            *confirmed |= done;
        } else if let State::Off { chosen, since, .. } = &self.state
            && !done
        {
            // It may have been carried out all the same.
            let why = "the command was not confirmed".to_owned();
            self.reason = why.clone();
            self.state = State::Returning { chosen: chosen.clone(), since: *since, why, at_once: true, confirmed: false };
        }
    }

    /// The program ends: what is off is to be switched on, whatever the currents.
    pub fn stop(&mut self, now: Moment) -> Option<SwitchOrder> {
        let chosen = match std::mem::take(&mut self.state) {
            State::Waiting | State::Preparing { .. } => return None,
            State::Off { chosen, .. } | State::Returning { chosen, .. } => chosen,
        };
        let order = self.order(&chosen, true, now);
        let why = "the driver ends".to_owned();
        self.state = State::Returning { chosen, since: now, why, at_once: true, confirmed: false };
        Some(order)
    }

    /// Whether a member is, or may be, switched off.
    pub fn is_off(&self) -> bool {
        matches!(self.state, State::Off { .. } | State::Returning { confirmed: false, .. })
    }

    fn order(&mut self, chosen: &Chosen, on: bool, now: Moment) -> SwitchOrder {
        self.ordered = Ordered { pending: true, at: Some(now) };
        SwitchOrder { member: chosen.member.clone(), command: chosen.switch.to(on) }
    }

    /// Averages the bank's current, and notes when the cell voltages confirm a difference.
    fn observe(&mut self, packs: &[Pack<'_>], now: Moment) {
        let total: f64 = packs.iter().map(|pack| pack.current).sum();
        let elapsed = self.stepped.replace(now).map_or(0.0, |before| now.since(before).as_secs_f64());
        let share = (elapsed / AVERAGE_S).min(1.0);
        self.average = Some(self.average.map_or(total, |average| average + (total - average) * share));
        let charges: Vec<Charge<'_>> = packs.iter().map(Pack::charge).collect();
        let Some(pair) = pair(packs) else { return };
        let names = (&pair.0.member.name, &pair.1.member.name);
        if spread(&charges).is_some_and(|spread| spread.confidence > Confidence::Low) {
            self.sure = Some((names.0.clone(), names.1.clone(), now));
        }
    }

    fn wait(
        &mut self,
        layout: Layout,
        packs: Result<Vec<Pack<'_>>, String>,
        is_able: impl Fn(&str, Switch) -> bool,
        now: Moment,
    ) -> Option<SwitchOrder> {
        let chosen = packs.and_then(|packs| self.choose(layout, &packs, is_able, now));
        match chosen {
            Err(why) => (self.choosing, self.reason) = (None, why),
            Ok(chosen) => match self.choosing.take() {
                Some((before, since)) if before == chosen && now.since(since) >= START_AFTER => {
                    self.reason = "waits until its current is small".to_owned();
                    self.state = State::Preparing { chosen, since: now };
                }
                Some((before, since)) if before == chosen => self.choosing = Some((chosen, since)),
                _ => {
                    self.reason = format!("{}: its charge differs, watched for a minute", chosen.label);
                    self.choosing = Some((chosen, now));
                }
            },
        }
        None
    }

    /// The pack to switch off, or why none is.
    fn choose(
        &self,
        layout: Layout,
        packs: &[Pack<'_>],
        is_able: impl Fn(&str, Switch) -> bool,
        now: Moment,
    ) -> Result<Chosen, String> {
        if layout != Layout::Parallel {
            return Err("batteries in series are never switched off".to_owned());
        }
        let Some((fullest, emptiest)) = pair(packs).filter(|_| packs.len() >= 2) else {
            return Err("there is only one battery".to_owned());
        };
        if fullest.soc - emptiest.soc < START_PCT {
            return Err("the batteries are alike".to_owned());
        }
        if self.rests_until.is_some_and(|until| now < until) {
            return Err("a pause after the last time".to_owned());
        }
        let is_sure = self.sure.as_ref().is_some_and(|(full, empty, at)| {
            (full, empty) == (&fullest.member.name, &emptiest.member.name) && now.since(*at) <= SURE_FOR
        });
        if !is_sure {
            return Err("only the counters differ: charge all batteries to full once".to_owned());
        }
        let switch = self.direction(packs).ok_or_else(|| "too little current flows".to_owned())?;
        let pack = if switch == Switch::Charge { fullest } else { emptiest };
        all_conduct(packs)?;
        if !is_able(&pack.member.name, switch) {
            return Err(format!("{}: no command for this switch", pack.member.label));
        }
        self.others_carry(packs, &pack.member.name, switch)?;
        Ok(Chosen { member: pack.member.name.clone(), label: pack.member.label.clone(), switch })
    }

    /// The direction in which the bank is used.
    fn direction(&self, packs: &[Pack<'_>]) -> Option<Switch> {
        let capacity: f64 = packs.iter().map(|pack| pack.capacity).sum();
        let rate = self.average? / capacity.max(f64::MIN_POSITIVE);
        match rate {
            _ if rate >= IN_USE_C => Some(Switch::Charge),
            _ if rate <= -IN_USE_C => Some(Switch::Discharge),
            _ => None,
        }
    }

    /// The others can carry the bank's current without the pack.
    fn others_carry(&self, packs: &[Pack<'_>], without: &str, switch: Switch) -> Result<(), String> {
        let others = || packs.iter().filter(|pack| pack.member.name != without);
        if let Some(pack) = others().find(|pack| pack.limit(switch) <= 0.0) {
            return Err(format!("{}: allows no current", pack.member.label));
        }
        // Each takes its part by capacity; one may take more by its cables.
        let capacity: f64 = others().map(|pack| pack.capacity).sum();
        let room = others().map(|pack| 0.8 * pack.limit(switch) * capacity / pack.capacity).fold(f64::INFINITY, f64::min);
        let total: f64 = packs.iter().map(|pack| pack.current).sum();
        if capacity > 0.0 && total.abs() <= room {
            Ok(())
        } else {
            Err("the other batteries cannot carry the current alone".to_owned())
        }
    }

    fn prepare(&mut self, packs: Result<Vec<Pack<'_>>, String>, chosen: Chosen, since: Moment, now: Moment) -> Option<SwitchOrder> {
        let checked = packs.and_then(|packs| {
            let found = packs.iter().find(|pack| pack.member.name == chosen.member).copied();
            let pack = found.ok_or_else(|| format!("{}: gone", chosen.label))?;
            all_conduct(&packs)?;
            if self.direction(&packs) != Some(chosen.switch) {
                return Err("the direction of the current has changed".to_owned());
            }
            let carried = self.others_carry(&packs, &chosen.member, chosen.switch);
            Ok(pack.current.abs() <= MOST_C * pack.capacity && carried.is_ok())
        });
        match checked {
            Err(why) => self.give_up(why, now),
            Ok(true) if now.since(since) >= LOWERED_AFTER => {
                let order = self.order(&chosen, false, now);
                self.reason = "until the others have followed".to_owned();
                self.state = State::Off { chosen, since: now, shown: false };
                (self.unused, self.overloaded) = (None, None);
                return Some(order);
            }
            Ok(_) if now.since(since) >= PREPARING_FOR => self.give_up("its current did not get small".to_owned(), now),
            Ok(_) => self.state = State::Preparing { chosen, since },
        }
        None
    }

    fn give_up(&mut self, why: String, now: Moment) {
        self.rests_until = Some(now.after(REST));
        (self.state, self.choosing, self.reason) = (State::Waiting, None, why);
    }

    fn stay_off(
        &mut self,
        packs: Result<Vec<Pack<'_>>, String>,
        chosen: Chosen,
        (since, shown): (Moment, bool),
        now: Moment,
    ) -> Option<SwitchOrder> {
        let (why, at_once, shown) = match packs {
            Err(why) => (Some(why), true, shown),
            Ok(packs) => match self.watch(&packs, &chosen, (since, shown), now) {
                Ok((why, shown)) => (why, false, shown),
                Err(why) => (Some(why), true, shown),
            },
        };
        let Some(why) = why else {
            self.state = State::Off { chosen, since, shown };
            return None;
        };
        self.reason = why.clone();
        self.state = State::Returning { chosen, since: now, why, at_once, confirmed: false };
        None
    }

    /// Whether the pack returns in calm, and that its switch was seen off.
    ///
    /// # Errors
    /// Why it returns at once.
    fn watch(
        &mut self,
        packs: &[Pack<'_>],
        chosen: &Chosen,
        (since, shown): (Moment, bool),
        now: Moment,
    ) -> Result<(Option<String>, bool), String> {
        let settled = now.since(since) >= SETTLED_AFTER;
        self.doubt(packs, chosen, settled, now)?;
        let pack = packs.iter().find(|pack| pack.member.name == chosen.member);
        let is_off = pack.is_some_and(|pack| pack.is_on(chosen.switch) == Some(false));
        // In the direction that is off, as positive.
        let into = pack.map_or(0.0, |pack| sign(chosen.switch) * pack.current / pack.capacity);
        if settled && (!is_off || into > NONE_C) {
            return Err(if shown && !is_off { "it was switched on from elsewhere" } else { "it did not switch off" }.to_owned());
        }
        if self.direction(packs) == Some(chosen.switch) {
            self.unused = None;
        } else {
            self.unused.get_or_insert(now);
        }
        let apart = pair(packs).map_or(0.0, |(full, empty)| full.soc - empty.soc);
        let why = match () {
            () if apart <= END_PCT => Some("the batteries are alike"),
            () if now.since(since) >= LONGEST_OFF => Some("two hours are over"),
            () if self.unused.is_some_and(|since| now.since(since) >= UNUSED_FOR) => {
                Some("no current flows in the direction that is switched off")
            }
            () => None,
        };
        Ok((why.map(str::to_owned), shown || is_off))
    }

    /// Whether anything speaks against the pack being off; `settled` once the switch has shown its effect.
    ///
    /// # Errors
    /// Why it returns at once.
    fn doubt(&mut self, packs: &[Pack<'_>], chosen: &Chosen, settled: bool, now: Moment) -> Result<(), String> {
        let Some(pack) = packs.iter().find(|pack| pack.member.name == chosen.member) else {
            return Err("it is gone".to_owned());
        };
        let others = || packs.iter().filter(|pack| pack.member.name != chosen.member);
        all_conduct(others())?;
        if others().next().is_none() {
            return Err("no other battery is left".to_owned());
        }
        if settled && -sign(chosen.switch) * pack.current > MOST_C * pack.capacity {
            return Err("too much current flows through the diode of its switch".to_owned());
        }
        let overload = |pack: &Pack<'_>| {
            let (into, out) = (pack.current - pack.limit(Switch::Charge), -pack.current - pack.limit(Switch::Discharge));
            into.max(out) > NONE_C * pack.capacity
        };
        match others().find(|pack| overload(pack)) {
            None => self.overloaded = None,
            Some(other) if now.since(*self.overloaded.get_or_insert(now)) >= OVERLOADED_FOR => {
                return Err(format!("{}: carries more than it allows", other.member.label));
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn bring_back(
        &mut self,
        members: &[Member],
        packs: Result<Vec<Pack<'_>>, String>,
        (chosen, mut why): (Chosen, String),
        (since, mut at_once, confirmed): (Moment, bool, bool),
        now: Moment,
    ) -> Option<SwitchOrder> {
        let doubt = packs.as_deref().map_err(Clone::clone).and_then(|packs| self.doubt(packs, &chosen, true, now));
        if let (Err(doubt), false) = (doubt, at_once || confirmed) {
            self.reason = doubt.clone();
            (why, at_once) = (doubt, true);
        }
        let fresh = |member: &&Member| member.name == chosen.member && !member.leaving;
        let snapshot = members.iter().find(fresh).and_then(|member| member.snapshot.as_deref());
        let snapshot = snapshot.filter(|snapshot| snapshot.freshness == Freshness::Fresh);
        // A protection may hold the FET open although the switch is on.
        let is_on = snapshot.is_some_and(|snapshot| chosen.switch.to(true).is_shown_by(&snapshot.reading));
        if is_on && confirmed && !self.ordered.pending {
            self.give_up(why, now);
            return None;
        }
        let calm = packs.as_deref().is_ok_and(is_calm);
        let may = at_once || calm || now.since(since) >= CALM_WITHIN;
        let due = !self.ordered.pending && !confirmed && self.ordered.at.is_none_or(|at| now.since(at) >= REPEAT);
        let order = (may && due).then(|| self.order(&chosen, true, now));
        // Confirmed, but not shown: ask again.
        let confirmed = confirmed && self.ordered.at.is_some_and(|at| now.since(at) < SHOWN_WITHIN);
        self.state = State::Returning { chosen, since, why, at_once, confirmed };
        order
    }
}

/// The sign of currents that the switch lets through.
fn sign(switch: Switch) -> f64 {
    if switch == Switch::Charge { 1.0 } else { -1.0 }
}

/// The fullest and the emptiest.
fn pair<'a, 'b>(packs: &'b [Pack<'a>]) -> Option<(&'b Pack<'a>, &'b Pack<'a>)> {
    let fullest = packs.iter().max_by(|a, b| a.soc.total_cmp(&b.soc))?;
    Some((fullest, packs.iter().min_by(|a, b| a.soc.total_cmp(&b.soc))?))
}

/// The voltages of all are alike and hardly any current flows.
fn is_calm(packs: &[Pack<'_>]) -> bool {
    let of = |pick: fn(f64, f64) -> f64, start| packs.iter().map(|pack| pack.voltage / pack.cells).fold(start, pick);
    let apart = of(f64::max, f64::NEG_INFINITY) - of(f64::min, f64::INFINITY);
    apart <= ALIKE_CELL_V && packs.iter().all(|pack| pack.current.abs() <= CALM_C * pack.capacity)
}

/// Charge current of the bank while a pack returns, as a fraction of the capacity of the others per hour.
pub(super) const RETURN_C: f64 = CALM_C / 2.0;
