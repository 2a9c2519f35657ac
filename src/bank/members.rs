//! The members of the bank: which are present, and the last data of the others.

use super::conductance::{BankCurrent, MemberCurrent};
use super::{Member, Switched};
use crate::base::units::Amps;
use crate::model::{BankModule, Freshness, Level, MemberInfo, Reasons, Snapshot};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// A member and its last data. Kept as long as the bank runs: an invisible pack is still on the busbar.
#[derive(Debug, Clone)]
pub(super) struct MemberState {
    pub(super) label: String,
    /// Its present data; `None` if it is gone.
    pub(super) now: Option<Arc<Snapshot>>,
    /// Freshness of that data; lost if it is gone.
    pub(super) freshness: Freshness,
    /// It was online before the last update.
    pub(super) was_online: bool,
    /// Its last fresh data.
    pub(super) last: Arc<Snapshot>,
    pub(super) reasons: Reasons,
    pub(super) current: MemberCurrent,
    /// Whether it is switched off for equal charge.
    pub(super) switched: Switched,
    /// Its limits before that: a BMS that is switched off allows nothing.
    pub(super) unswitched: Arc<Snapshot>,
    /// Weight from 1 to 0 while a member that was stopped deliberately fades out.
    pub(super) leaving: f64,
    /// Since when it is not fresh.
    away_for: Duration,
    /// Count of readings at the last rise of a limit.
    readings_at_rise: Option<u16>,
}

impl MemberState {
    pub(super) fn is_online(&self) -> bool {
        self.freshness == Freshness::Fresh
    }

    /// One of its switches is open.
    fn is_switched_off(&self) -> bool {
        let reading = &self.last.reading;
        self.switched != Switched::No || reading.fets.charge == Some(false) || reading.fets.discharge == Some(false)
    }

    /// It is online, or was stopped a moment ago and fades out.
    pub(super) fn is_counted(&self) -> bool {
        self.is_online() || self.leaving > 0.0
    }

    /// Bounds of its current, A; `None` if nothing is known about it.
    pub(super) fn current_range(&self) -> Option<RangeInclusive<f64>> {
        match self.last.reading.undirected_current().map(Amps::get).filter(|amps| amps.is_finite()) {
            Some(strength) => Some(-strength..=strength),
            None => self.current.known().map(|current| current..=current),
        }
    }

    pub(super) fn member_info(&self) -> MemberInfo {
        self.last.member_info
    }

    /// Installed capacity, Ah.
    pub(super) fn capacity(&self) -> Option<f64> {
        self.last.reading.capacity.map(|capacity| capacity.get()).filter(|capacity| *capacity > 0.0)
    }
}

/// A named member of which nothing is known yet; its pack may be on the busbar all the same.
#[derive(Debug, Clone)]
struct Unseen {
    label: String,
    /// Since when it is missed.
    away_for: Duration,
}

/// All members ever seen, by name, so that sums do not depend on their order in the input.
#[derive(Debug, Default)]
pub(super) struct Members {
    states: BTreeMap<String, MemberState>,
    /// Named members never seen.
    unseen: BTreeMap<String, Unseen>,
    pub(super) total: BankCurrent,
}

impl Members {
    /// Updates the members.
    pub(super) fn update(&mut self, members: &[Member], leave: Duration, elapsed: Duration) {
        for (name, state) in &mut self.states {
            let member = members.iter().find(|member| member.name == *name);
            if state.switched == Switched::No {
                state.unswitched = state.last.clone();
            }
            state.switched = member.map_or(state.switched, |member| member.switched);
            let is_leaving = member.is_some_and(|member| member.leaving);
            // The data of a stopped member is outdated.
            state.now = member.filter(|_| !is_leaving).and_then(|member| member.snapshot.clone());
            state.was_online = state.is_online();
            state.freshness = state.now.as_ref().map_or(Freshness::Lost, |snapshot| snapshot.freshness);
            if state.is_online() {
                (state.away_for, state.leaving) = (Duration::ZERO, 0.0);
                if let Some(member) = member {
                    state.last = state.now.clone().unwrap_or_else(|| state.last.clone());
                    state.label.clone_from(&member.label);
                    state.reasons.clone_from(&member.reasons);
                }
                continue;
            }
            state.readings_at_rise = None;
            if state.was_online && is_leaving {
                state.leaving = 1.0;
            } else {
                state.away_for += elapsed;
                // Only a member that was stopped deliberately fades out; a silent or broken one stops counting at once.
                let step = elapsed.as_secs_f64() / leave.as_secs_f64().max(0.001);
                state.leaving = (state.leaving - step).max(0.0);
            }
        }
        self.add_new(members, elapsed);
        self.measure(elapsed);
    }

    fn add_new(&mut self, members: &[Member], elapsed: Duration) {
        let mut before = std::mem::take(&mut self.unseen);
        for member in members {
            if self.states.contains_key(&member.name) {
                continue;
            }
            let fresh = member.snapshot.as_ref().filter(|snapshot| snapshot.freshness == Freshness::Fresh && !member.leaving);
            // Nothing is known about a member that was never fresh.
            let Some(snapshot) = fresh else {
                let away_for = before.remove(&member.name).map_or(Duration::ZERO, |unseen| unseen.away_for + elapsed);
                self.unseen.insert(member.name.clone(), Unseen { label: member.label.clone(), away_for });
                continue;
            };
            let state = MemberState {
                label: member.label.clone(),
                now: Some(snapshot.clone()),
                freshness: Freshness::Fresh,
                was_online: false,
                last: snapshot.clone(),
                reasons: member.reasons.clone(),
                current: MemberCurrent::default(),
                switched: member.switched,
                unswitched: snapshot.clone(),
                leaving: 0.0,
                away_for: Duration::ZERO,
                readings_at_rise: None,
            };
            self.states.insert(member.name.clone(), state);
        }
    }

    /// Tracks the currents and learns how they divide; does not learn while a member or its current is missing, or a member is switched
    /// off in one direction: then the currents divide otherwise.
    fn measure(&mut self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        for state in self.states.values_mut().filter(|state| state.is_online()) {
            if let Some(current) = state.last.reading.current {
                state.current.measure(current.get(), seconds);
            }
        }
        let is_partial =
            |state: &MemberState| !state.is_online() || state.is_switched_off() || state.last.reading.current.is_none();
        if self.states.values().any(is_partial) {
            return;
        }
        let total: f64 = self.states.values().map(|state| state.current.current).sum();
        let before = self.total;
        self.total.learn(total, seconds);
        for state in self.states.values_mut() {
            state.current.learn(total, &before, seconds);
        }
    }

    /// All known members, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&String, &MemberState)> {
        self.states.iter()
    }

    /// Members with fresh data.
    pub(super) fn online(&self) -> impl Iterator<Item = &MemberState> {
        self.states.values().filter(|state| state.is_online())
    }

    /// Present members without fresh data.
    pub(super) fn silent(&self) -> impl Iterator<Item = &MemberState> {
        self.states.values().filter(|state| !state.is_online() && state.now.is_some())
    }

    /// Members whose last data still counts: online, or stopped a moment ago and fading out.
    pub(super) fn counted(&self) -> impl Iterator<Item = (&String, &MemberState)> {
        self.states.iter().filter(|(_, state)| state.is_counted())
    }

    /// A member that was stopped deliberately fades out.
    pub(super) fn is_fading(&self) -> bool {
        self.states.values().any(|state| state.leaving > 0.0)
    }

    /// Number of known or named members that are not online.
    pub(super) fn offline(&self) -> usize {
        self.unseen.len() + self.states.values().filter(|state| !state.is_online()).count()
    }

    /// Labels of the named members that have never been seen.
    pub(super) fn unseen(&self) -> impl Iterator<Item = &str> {
        self.unseen.values().map(|unseen| unseen.label.as_str())
    }

    /// Labels of the named members that have not been seen for at least this time since the start.
    pub(super) fn unseen_for(&self, time: Duration) -> impl Iterator<Item = &str> {
        self.unseen.values().filter(move |unseen| unseen.away_for >= time).map(|unseen| unseen.label.as_str())
    }

    /// Every member as a module of the bank, by name. One that is away for at least `cable` has a cable alarm.
    pub(super) fn modules(&self, cable: Duration) -> Vec<BankModule> {
        let level = |long: bool| long.then_some(Level::Warning);
        let seen = self.states.iter().map(|(name, state)| {
            let alarms = state.last.reading.alarms.is_some().then(|| state.last.alarms.clone());
            let cable = level(!state.is_online() && state.away_for >= cable);
            (name, BankModule { name: name.clone(), label: state.label.clone(), alarms, cable, online: state.is_online() })
        });
        let unseen = self.unseen.iter().map(|(name, unseen)| {
            let cable = level(unseen.away_for >= cable);
            (name, BankModule { name: name.clone(), label: unseen.label.clone(), alarms: None, cable, online: false })
        });
        let by_name: BTreeMap<_, _> = seen.chain(unseen).collect();
        by_name.into_values().collect()
    }

    /// A member has been away for at least this time and does not show that itself: its service is gone, or hangs.
    pub(super) fn has_unreported_loss(&self, time: Duration) -> bool {
        let reports_it = |state: &MemberState| state.now.as_ref().is_some_and(|now| now.cable.is_some());
        let lost = |state: &MemberState| !state.is_online() && state.away_for >= time && !reports_it(state);
        self.states.values().any(lost) || self.unseen_for(time).next().is_some()
    }

    /// A member has been gone, silent or missing since the start for at least this time.
    pub(super) fn has_long_lost(&self, time: Duration) -> bool {
        self.states.values().any(|state| !state.is_online() && state.away_for >= time) || self.unseen_for(time).next().is_some()
    }

    /// Every present member had a reading since the last rise.
    pub(super) fn all_have_read(&self) -> bool {
        self.online().all(|state| state.readings_at_rise != Some(state.member_info().readings))
    }

    /// Stores the counts of readings: limits have risen, or must wait for the next ones.
    pub(super) fn note_readings(&mut self) {
        for state in self.states.values_mut().filter(|state| state.is_online()) {
            state.readings_at_rise = Some(state.last.member_info.readings);
        }
    }

    /// Installed capacity of each, Ah; the mean if it is unknown.
    pub(super) fn capacity_of(&self, state: &MemberState) -> f64 {
        let known: Vec<f64> = self.states.values().filter_map(MemberState::capacity).collect();
        let mean = if known.is_empty() { 1.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
        state.capacity().unwrap_or(mean)
    }
}
