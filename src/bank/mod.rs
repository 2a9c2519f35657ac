//! A bank: several batteries side by side (or in a chain) shown and charged as one. Pure: snapshots of the members and the time
//! go in, a [`Snapshot`] of the same type comes out, so that every sink shows a bank like a battery.
//!
//! ```text
//! members ──▶ roster (who is there, last words) ──▶ gather   (values, alarms)   ──┐
//!                       │                     ├──▶ currents (CCL, DCL; shares) ──┼──▶ ramp ──▶ Snapshot
//!                       │                     └──▶ voltage  (CVL, phases)      ──┘
//! ```
//! The rules stand in docs/bank.md, each with the test that holds it. Two are the reason for everything else: no limit is ever
//! above what the members that are there allow together, and the loss of a member never raises one.
#![deny(clippy::indexing_slicing)]

mod currents;
mod gather;
mod pulse;
mod ramp;
mod roster;
mod shares;
mod voltage;

pub use pulse::Pulse;

use crate::battery::Now;
use crate::charge::hold::HeldVoltage;
use crate::charge::{PhaseConfig, Recovery, Silence};
use crate::history;
use crate::model::{Freshness, History, Level, Limit, Limits, LineState, LinkStats, Modules, Reasons, Snapshot};
use crate::soc::forecast;
use crate::units::{Amps, Moment, Percent, Volts};
use currents::Direction;
use ramp::Ramp;
use roster::Roster;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How the members are wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Side by side: one voltage, currents add up.
    #[default]
    Parallel,
    /// In a chain: one current, voltages add up.
    Series,
}

/// Settings of a bank.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How the members are wired.
    pub layout: Layout,
    /// Most that the bank may be charged with, whatever its members allow: its fuse and cables.
    pub max_charge_current: Option<Amps>,
    /// As above, discharging.
    pub max_discharge_current: Option<Amps>,
    /// Absorption and float.
    pub phases: PhaseConfig,
    /// What happens when no member sends data any more.
    pub silence: Silence,
    /// How limits rise: per member that is there.
    pub recovery: Recovery,
    /// How long a member that said goodbye is let go.
    pub leave: Duration,
    /// Averaging of the current for the time to go.
    pub average_over: Duration,
    /// SoC at which the time to go ends.
    pub floor: Percent,
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
        }
    }
}

/// A member as its source sees it: a battery of this process, or one on D-Bus.
#[derive(Debug, Clone, Default)]
pub struct Member {
    /// What tells it from the others, always.
    pub name: String,
    /// What the owner calls it.
    pub label: String,
    /// What it says; `None` while it is not there. Its freshness is for the source to judge.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Why its limits are as they are.
    pub reasons: Reasons,
    /// It has said goodbye: its driver was stopped, nothing broke.
    pub leaving: bool,
}

impl Member {
    /// A battery of this process.
    pub fn local(name: impl Into<String>, snapshot: Arc<Snapshot>) -> Self {
        let (name, Limits { cvl, ccl, dcl, .. }) = (name.into(), snapshot.limits);
        let reasons = Reasons { cvl: cvl.why.into(), ccl: ccl.why.into(), dcl: dcl.why.into() };
        Self { label: name.clone(), name, snapshot: Some(snapshot), reasons, leaving: false }
    }
}

/// What one member should get of the limits if nobody coordinated them: with these no sum is above the bank's.
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// The member's name.
    pub name: String,
    /// Its part of CCL.
    pub charge: Amps,
    /// Its part of DCL.
    pub discharge: Amps,
}

/// A bank over time.
#[derive(Debug)]
pub struct Bank {
    config: Config,
    roster: Roster,
    voltage: voltage::Phases,
    /// The voltage while no charge current is allowed.
    held: HeldVoltage,
    ramps: Option<Ramps>,
    history: History,
    average: forecast::Average,
    last_step: Option<Moment>,
    /// When a member last had data.
    heard: Option<Moment>,
    shares: Vec<Share>,
}

#[derive(Debug)]
struct Ramps {
    cvl: Ramp,
    ccl: Ramp,
    dcl: Ramp,
    /// Since when limits may have risen, and the members' readings then.
    from: Moment,
}

impl Bank {
    /// A bank that has not heard of any member.
    pub fn new(config: Config, history: History) -> Self {
        Self {
            config,
            roster: Roster::default(),
            voltage: voltage::Phases::default(),
            held: HeldVoltage::default(),
            ramps: None,
            history,
            average: forecast::Average::default(),
            last_step: None,
            heard: None,
            shares: Vec::new(),
        }
    }

    /// Counters worth keeping over a restart.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Starts the counters anew, as the owner asked.
    pub fn clear_history(&mut self) {
        self.history = History::default();
    }

    /// What each member that is there should get of the present limits.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The bank at `now`, from what its members say. It may be called at any interval; members come in any order.
    pub fn step(&mut self, members: &[Member], now: Now) -> Snapshot {
        let elapsed = self.last_step.map(|at| now.at.since(at));
        self.last_step = Some(now.at);
        self.roster.update(members, self.config.leave, elapsed.unwrap_or_default());
        let freshness = self.freshness(now.at);
        let gathered = gather::gather(&self.config, &self.roster);

        let limits = self.limits(&gathered, freshness, elapsed.unwrap_or_default(), now.at);
        let longest = self.config.silence.stale_after(Duration::from_secs(1));
        self.average.add(gathered.reading.current, self.config.average_over, longest, now.at);
        let mut derived = gathered.derived;
        if freshness == Freshness::Fresh {
            derived.current_avg = self.average.get();
            derived.time_to_go = self.time_to_go(&gathered.reading);
            let counted = elapsed.filter(|elapsed| *elapsed <= longest);
            history::count(&mut self.history, &gathered.reading, &derived, &gathered.alarms, counted, now.unix);
        }
        let since_full = self.history.last_full_unix.zip(now.unix).map(|(full, now)| Duration::from_secs(now.saturating_sub(full)));
        let modules = Modules { reasons: limits.1, ..gathered.modules };
        Snapshot {
            reading: gathered.reading,
            derived,
            alarms: gathered.alarms,
            cable: self.cable(freshness),
            freshness,
            history: self.history.clone(),
            since_full,
            link: LinkStats::default(),
            line: LineState::default(),
            replies: Default::default(),
            cell_count: gathered.cell_count,
            limits: limits.0,
            part: crate::model::Part::default(),
            modules: Some(Arc::new(modules)),
            owner: Default::default(),
        }
    }

    /// The last snapshot before the bank leaves: no current, and no voltage above the present one.
    pub fn stop(&mut self, why: &'static str, now: Now) -> Snapshot {
        let mut last = self.step(&[], now);
        let zero = Limit { value: Amps::ZERO, why };
        last.limits = Limits { ccl: zero, dcl: zero, cvl: Limit { why, ..last.limits.cvl }, ..last.limits };
        let words = Reasons { cvl: why.into(), ccl: why.into(), dcl: why.into() };
        last.modules = last.modules.map(|modules| Arc::new(Modules { reasons: words, ..(*modules).clone() }));
        last
    }

    /// Fresh as long as one member is; then the stages of the Silence table by the time since one was.
    fn freshness(&mut self, now: Moment) -> Freshness {
        if self.roster.online().next().is_some() {
            self.heard = Some(now);
            return Freshness::Fresh;
        }
        // The members' own stages began before they were seen to be stale: the best of them counts, if there is any.
        let told = self.roster.silent().map(|seat| seat.freshness).min();
        let since = self.heard.map_or(Duration::MAX, |heard| now.since(heard));
        let by_time = self.config.silence.stage(since.saturating_add(self.config.silence.values_after()), Duration::ZERO);
        told.unwrap_or(by_time).max(Freshness::Stale)
    }

    /// A member that is away or silent is a cable warning; all of them an alarm once nothing is left to hope for.
    fn cable(&self, freshness: Freshness) -> Option<Level> {
        match freshness {
            Freshness::Lost => Some(Level::Alarm),
            Freshness::Silent => Some(Level::Warning),
            Freshness::Stale => None,
            Freshness::Fresh => self.roster.has_long_lost(self.config.silence.cable_warning_after()).then_some(Level::Warning),
        }
    }

    fn time_to_go(&self, reading: &crate::model::Reading) -> Option<Duration> {
        let kept = reading.capacity.unwrap_or_default() * (self.config.floor.get() / 100.0);
        let flow = forecast::Flow { average: self.average.get()?, present: reading.current? };
        forecast::time_to_go(reading.remaining? - kept, flow)
    }

    /// The limits with their reasons, on the way up by ramp.
    fn limits(&mut self, gathered: &gather::Gathered, freshness: Freshness, elapsed: Duration, now: Moment) -> (Limits, Reasons) {
        let charge = currents::allowed(&self.config, &self.roster, Direction::Charge);
        let discharge = currents::allowed(&self.config, &self.roster, Direction::Discharge);
        let in_force = self.ramps.as_ref().map(|ramps| ramps.cvl.value());
        let mut voltage = self.voltage.advance(&self.config, &self.roster, gathered, in_force, elapsed);
        if charge.value > 0.0 || freshness != Freshness::Fresh {
            self.held = HeldVoltage::default();
        } else if let Some(pack) = voltage::present(&self.config, &self.roster, gathered) {
            // The loss of a battery raises nothing.
            voltage.hold(self.held.advance(&pack, self.roster.offline() == 0), &charge);
        }
        let target = [voltage.value, charge.value, discharge.value];

        let may_rise = freshness == Freshness::Fresh && self.roster.all_have_read();
        let count = self.roster.online().count().max(1) as f64;
        let amps = self.config.recovery.amps_per_s * count;
        let ramps = self.ramps.get_or_insert_with(|| Ramps {
            cvl: Ramp::new(target[0]),
            ccl: Ramp::new(target[1]),
            dcl: Ramp::new(target[2]),
            from: now,
        });
        let seconds = if may_rise { now.since(ramps.from).as_secs_f64().min(LONGEST_RISE_S) } else { 0.0 };
        if may_rise || freshness != Freshness::Fresh {
            ramps.from = now;
            self.roster.mark_readings();
        }
        ramps.cvl.advance(target[0], self.config.recovery.volts_per_s * seconds);
        ramps.ccl.advance(target[1], amps * seconds);
        ramps.dcl.advance(target[2], amps * seconds);

        let rising = |ramp: &Ramp, why: &Cow<'static, str>, target: f64| {
            if ramp.value() + 0.05 < target { Cow::Borrowed(RECOVERING) } else { why.clone() }
        };
        let reasons = Reasons {
            cvl: rising(&ramps.cvl, &voltage.why, target[0]),
            ccl: rising(&ramps.ccl, &charge.why, target[1]),
            dcl: rising(&ramps.dcl, &discharge.why, target[2]),
        };
        let limits = Limits {
            cvl: Limit { value: Volts::new(ramp::floor(ramps.cvl.value(), 2)), why: voltage.rule },
            ccl: Limit { value: Amps::new(ramp::floor(ramps.ccl.value(), 1)), why: charge.rule },
            dcl: Limit { value: Amps::new(ramp::floor(ramps.dcl.value(), 1)), why: discharge.rule },
            low_voltage: gathered.low_voltage,
            mode: voltage.mode,
        };
        self.shares = currents::split(&self.roster, limits.ccl.value, limits.dcl.value);
        (limits, reasons)
    }
}

/// Reason while a limit is on its way up.
const RECOVERING: &str = "recovering: rises slowly";
/// No gap raises a limit by more than so much time does, s.
const LONGEST_RISE_S: f64 = 20.0;

/// A limit that a rule gives.
#[derive(Debug, Clone, PartialEq)]
struct Ruled {
    value: f64,
    /// The rule, in words for the owner.
    rule: &'static str,
    /// The same with the battery that brings it about.
    why: Cow<'static, str>,
}
