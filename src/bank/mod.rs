//! A bank: several batteries in parallel (or in series), shown and charged as one. Pure: snapshots of the members and the time go
//! in, a [`Snapshot`] of the same type comes out, so that every output shows a bank like a battery.
//!
//! ```text
//! snapshots ──▶ members (presence, last values)     ─┬─▶ aggregate (values, alarms)   ──┐
//!                                                    ├─▶ currents  (CCL, DCL; shares) ──┼──▶ limits (by ramp) ──▶ Snapshot
//!                                                    └─▶ voltage   (CVL, phases)      ──┘
//! ```
//! The rules are in docs/bank.md, each with its test. Two are the basis of all others: no limit is ever above the total that the
//! present members allow, and the loss of a member never raises one.
#![deny(clippy::indexing_slicing)]

mod aggregate;
mod conductance;
mod currents;
mod limits;
mod liveness;
mod members;
mod ramp;
mod restart;
mod spread;
mod switching;
mod voltage;

pub use liveness::Liveness;
pub use switching::{PackSwitching, REQUESTER, SwitchOrder, Switched};

use crate::base::time::Now;
use crate::base::units::{Amps, Moment, Percent, round_down};
use crate::battery::charge::charger_watch::ChargerWatch;
use crate::battery::charge::hold::HeldVoltage;
use crate::battery::charge::{PhaseConfig, Recovery, Silence};
use crate::battery::counters;
use crate::battery::soc::forecast;
use crate::model::{
    BankSummary, ByDirection, Freshness, History, Level, Limit, LimitingBattery, Limits, MemberInfo, PackSwitch, Reading, Reasons,
    Snapshot,
};
use limits::Ramps;
use members::Members;
use restart::Restart;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How the members are wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// In parallel: one voltage, currents add up.
    #[default]
    Parallel,
    /// In series: one current, voltages add up.
    Series,
}

/// Settings of a bank.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How the members are wired.
    pub layout: Layout,
    /// Maximum charge current of the bank, given by its fuse and cables.
    pub max_charge_current: Option<Amps>,
    /// Maximum discharge current.
    pub max_discharge_current: Option<Amps>,
    /// Absorption and float.
    pub phases: PhaseConfig,
    /// Times when no member sends data any more.
    pub silence: Silence,
    /// Rise of the limits, per present member.
    pub recovery: Recovery,
    /// Fade-out time of a member that was stopped deliberately.
    pub leave: Duration,
    /// Averaging time of the current for time-to-go.
    pub average_over: Duration,
    /// SoC at which time-to-go is 0.
    pub floor: Percent,
    /// The limits reach the chargers.
    pub limits_are_published: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            layout: Layout::default(),
            max_charge_current: None,
            max_discharge_current: None,
            phases: PhaseConfig::default(),
            silence: Silence::GENTLE,
            recovery: Recovery::default(),
            leave: Duration::from_secs(10),
            average_over: Duration::from_secs(300),
            floor: Percent::ZERO,
            limits_are_published: true,
        }
    }
}

/// A member as its source sees it: a battery of this process, or one on D-Bus.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// Its permanent, unique name.
    pub name: String,
    /// The owner's name for it.
    pub label: String,
    /// Its snapshot; `None` while it is gone. The source determines its freshness.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The reasons of its limits.
    pub reasons: Reasons,
    /// It leaves deliberately: its driver was stopped.
    pub leaving: bool,
    /// Whether it is switched off for equal charge.
    pub switched: Switched,
}

impl Member {
    /// A battery of this process.
    pub fn local(name: impl Into<String>, snapshot: Arc<Snapshot>) -> Self {
        let (name, Limits { cvl, ccl, dcl, .. }) = (name.into(), snapshot.limits);
        let reasons = Reasons { cvl: cvl.why.into(), ccl: ccl.why.into(), dcl: dcl.why.into() };
        Self { label: name.clone(), name, snapshot: Some(snapshot), reasons, leaving: false, switched: Switched::No }
    }
}

/// A member's share of the limits in case the bank disappears: their sum is never above the bank's.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberShare {
    /// The member's name.
    pub name: String,
    /// Its share of CCL and DCL.
    pub currents: ByDirection<Amps>,
}

/// A bank over time.
#[derive(Debug)]
pub struct Bank {
    config: Config,
    members: Members,
    voltage: voltage::Phases,
    /// CVL while no charge current is allowed.
    held: HeldVoltage,
    /// In float: the fraction of the charge current on offer.
    float_share: Option<f64>,
    ramps: Option<Ramps>,
    history: History,
    average: forecast::Average,
    last_step: Option<Moment>,
    /// Counts the steps with data of a member; wraps.
    readings: u16,
    /// When a member last had data.
    last_fresh_at: Option<Moment>,
    /// Members whose drivers restart.
    restart: Restart,
    shares: Vec<MemberShare>,
    charger_watch: ChargerWatch,
    /// The charge current limit published last.
    published: Option<Limit<Amps>>,
    notices: Vec<String>,
    switching: Option<PackSwitch>,
}

impl Bank {
    /// A bank without members so far.
    pub fn new(config: Config, history: History) -> Self {
        Self {
            config,
            members: Members::default(),
            voltage: voltage::Phases::default(),
            held: HeldVoltage::default(),
            float_share: None,
            ramps: None,
            history: history.restored(),
            average: forecast::Average::default(),
            last_step: None,
            readings: 0,
            last_fresh_at: None,
            restart: Restart::default(),
            shares: Vec::new(),
            charger_watch: ChargerWatch::default(),
            published: None,
            notices: Vec::new(),
            switching: None,
        }
    }

    /// Sets how far the switching of packs is, to be shown from the next step on.
    pub fn show_switching(&mut self, switching: Option<PackSwitch>) {
        self.switching = switching;
    }

    /// Lines for the log since the last call.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Counters to keep over a restart.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Resets the counters at the owner's request.
    pub fn clear_history(&mut self) {
        self.history = History::default();
    }

    /// Labels of the named members that are missing since the start, once that is a cable warning.
    pub fn missing_since_start(&self) -> impl Iterator<Item = &str> {
        self.members.unseen_for(self.config.silence.cable_warning_after())
    }

    /// Each present member's share of the present limits.
    pub fn shares(&self) -> &[MemberShare] {
        &self.shares
    }

    /// The bank at `now`, from its members in any order. May be called at any interval.
    pub fn step(&mut self, members: &[Member], now: Now) -> Snapshot {
        let elapsed = self.last_step.map(|at| now.at.since(at));
        self.last_step = Some(now.at);
        self.members.update(members, self.config.leave, elapsed.unwrap_or_default());
        let freshness = self.freshness(now.at);
        let mut aggregate = aggregate::aggregate(&self.config, &self.members);

        let limits = self.limits(&aggregate, freshness, elapsed.unwrap_or_default(), now.at);
        let longest = self.config.silence.stale_after(Duration::from_secs(1));
        if freshness == Freshness::Fresh {
            self.watch_chargers(&mut aggregate.reading, longest, now.at);
        }
        self.published = Some(limits.0.ccl);
        self.average.add(aggregate.reading.current, self.config.average_over, longest, now.at);
        let mut derived = aggregate.derived;
        if freshness == Freshness::Fresh {
            self.readings = self.readings.wrapping_add(1);
            derived.charge_excess = self.charger_watch.excess();
            derived.current_avg = self.average.get();
            derived.time_to_go = self.time_to_go(&aggregate.reading);
            derived.time_to_full = self.time_to_full();
            let counted = elapsed.filter(|elapsed| *elapsed <= longest);
            counters::count(&mut self.history, &aggregate.reading, &derived, &aggregate.alarms, counted, now.unix);
        }
        let since_full = self.history.since_full(now.unix);
        let modules = BankSummary {
            reasons: limits.1.reasons,
            limited_by: limits.1.limited_by,
            own_cable: self.own_cable(freshness),
            switching: self.switching.clone(),
            modules: self.members.modules(self.config.silence.cable_warning_after()),
            ..aggregate.modules
        };
        Snapshot {
            reading: aggregate.reading,
            derived,
            alarms: aggregate.alarms,
            cable: self.cable(freshness),
            freshness,
            history: self.history.clone(),
            since_full,
            cell_count: aggregate.cell_count,
            maximum: currents::maximum(&self.config, &self.members),
            limits: limits.0,
            member_info: MemberInfo { readings: self.readings, ..MemberInfo::default() },
            bank_summary: Some(Arc::new(modules)),
            ..Snapshot::default()
        }
    }

    /// Compares the current of all members with the limit published until now.
    fn watch_chargers(&mut self, reading: &mut Reading, longest: Duration, now: Moment) {
        let Some(published) = self.published.filter(|_| self.config.limits_are_published) else { return };
        self.notices.extend(self.charger_watch.observe(reading.current, published, longest, now));
        if let Some(excess) = self.charger_watch.excess() {
            reading.note(excess.sentence());
        }
    }

    /// Names of the members that are online, or were stopped a moment ago.
    pub fn counted(&self) -> impl Iterator<Item = &String> {
        self.members.counted().map(|(name, _)| name)
    }

    /// The last snapshot before the bank stops: no charge current, and CVL not above the present voltage.
    ///
    /// The discharge limit stays: the bank may be back in seconds, and a MultiPlus that is told 0 A raises "low battery" and charges
    /// from the grid. If the bank does not return, its members publish their shares.
    pub fn stop(&mut self, why: &'static str, now: Now) -> Snapshot {
        let in_force = self.ramps.as_ref().map_or(0.0, |ramps| ramps.dcl.value());
        let mut last = self.step(&[], now);
        let (ccl, dcl) = (Amps::ZERO, Amps::new(round_down(in_force, 1)));
        last.limits = Limits {
            ccl: Limit { value: ccl, why },
            dcl: Limit { value: dcl, why },
            cvl: Limit { why, ..last.limits.cvl },
            ..last.limits
        };
        let words = Reasons { cvl: why.into(), ccl: why.into(), dcl: why.into() };
        last.bank_summary = last
            .bank_summary
            .map(|modules| Arc::new(BankSummary { reasons: words, limited_by: ByDirection::default(), ..(*modules).clone() }));
        last
    }

    /// Fresh as long as one member is; then the stages of safety rule 11, by the time since the last fresh member.
    fn freshness(&mut self, now: Moment) -> Freshness {
        if self.members.online().next().is_some() {
            self.last_fresh_at = Some(now);
            return Freshness::Fresh;
        }
        // The members' own stages began earlier than their staleness was noticed: the best of them counts, if there is any.
        let of_members = self.members.silent().map(|member| member.freshness).min();
        let since = self.last_fresh_at.map_or(Duration::MAX, |last_fresh_at| now.since(last_fresh_at));
        let by_time = self.config.silence.stage(since.saturating_add(self.config.silence.values_after()), Duration::ZERO);
        of_members.unwrap_or(by_time).max(Freshness::Stale)
    }

    /// Cable warning if a member is gone or silent; alarm if all are lost.
    fn cable(&self, freshness: Freshness) -> Option<Level> {
        match freshness {
            Freshness::Fresh => self.members.has_long_lost(self.config.silence.cable_warning_after()).then_some(Level::Warning),
            stage => stage.cable(),
        }
    }

    /// The same without the batteries that show it themselves, so that one loss is not reported twice.
    fn own_cable(&self, freshness: Freshness) -> Option<Level> {
        let unreported = self.members.has_unreported_loss(self.config.silence.cable_warning_after());
        self.cable(freshness).filter(|_| unreported)
    }

    /// The longest time of its batteries, if all of them are there and foresee it.
    fn time_to_full(&self) -> Option<Duration> {
        if self.members.is_fading() || self.members.offline() > 0 {
            return None;
        }
        let times: Option<Vec<Duration>> = self.members.online().map(|member| member.last.derived.time_to_full).collect();
        times?.into_iter().max()
    }

    fn time_to_go(&self, reading: &Reading) -> Option<Duration> {
        if self.members.is_fading() {
            // The charge left counts a battery whose current is not known.
            return None;
        }
        let kept = reading.capacity.unwrap_or_default() * (self.config.floor.get() / 100.0);
        let flow = forecast::BatteryCurrent { average: self.average.get()?, present: reading.current? };
        forecast::time_to_go(reading.remaining? - kept, flow)
    }
}

/// A limit proposed by a rule.
#[derive(Debug, Clone, PartialEq)]
struct ReasonedLimit {
    value: f64,
    /// The rule, in words for the owner.
    rule: &'static str,
    /// The same, naming the battery.
    why: Cow<'static, str>,
    /// The battery that sets it, if one does.
    by: Option<LimitingBattery>,
}

impl ReasonedLimit {
    /// A limit of the whole bank.
    fn new(value: f64, rule: &'static str) -> Self {
        Self { value, rule, why: Cow::Borrowed(rule), by: None }
    }

    /// Lowers it to `value` if that is lower.
    fn lower(&mut self, value: f64, rule: &'static str) {
        if value < self.value {
            *self = Self::new(value, rule);
        }
    }
}
