//! The log of one battery. Pure: views and time go in.

use super::conditions::{Condition, conditions};
use crate::base::time::Now;
use crate::base::units::Moment;
use crate::output::api::{Kind, LogEntry, View};
use crate::output::registry::Views;
use std::collections::VecDeque;
use std::time::Duration;

/// Maximum number of entries; the oldest that is over is dropped first.
pub const MAX_ENTRIES: usize = 150;
/// An event that returns within this time after its end continues its entry.
const FOLD_WITHIN: Duration = Duration::from_secs(3600);
/// A battery that has not been read for this time since the start has lost what lasted before.
const CARRY_FOR: Duration = Duration::from_secs(600);
/// A full charge that is reported within this time has just happened, s.
const JUST_FULL_S: u64 = 120;

/// An entry, and what is known of it in this run of the program.
#[derive(Debug, Clone, PartialEq)]
struct Logged {
    entry: LogEntry,
    /// Its present occurrence began; for one before this run: the start of the run.
    began: Moment,
    /// It was last there.
    seen: Moment,
    /// It lasted at the end of the last run, and was not seen in this one.
    is_carried: bool,
    /// See [`Condition::least`].
    least: Duration,
}

/// A condition that does not last long enough yet.
#[derive(Debug, Clone, PartialEq)]
struct Pending {
    condition: Condition,
    since: Moment,
    seen: Moment,
}

/// The log of a battery or bank.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventLog {
    /// The oldest first.
    entries: VecDeque<Logged>,
    pending: Vec<Pending>,
    since_full_s: Option<u64>,
    /// Start of this run.
    start: Option<Moment>,
    /// Something has changed since the last write, and whether it is urgent.
    unsaved: Option<Urgency>,
}

/// How soon a change has to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// With the next hourly write.
    Later,
    /// As soon as the interval between writes allows.
    Soon,
}

fn is_same(a: &LogEntry, b: &LogEntry) -> bool {
    a.kind == b.kind
        && a.what == b.what
        && a.rule == b.rule
        && a.battery == b.battery
        && (a.kind != "override" || a.value == b.value)
}

/// The wall clock at a moment of this run.
fn unix_at(at: Moment, now: Now) -> Option<u64> {
    now.unix.map(|unix| unix.saturating_sub(now.at.since(at).as_secs()))
}

impl EventLog {
    /// The log with the entries of the file, which were written at the end of the last run, or earlier if that crashed.
    pub(super) fn loaded(entries: Vec<LogEntry>, now: Moment) -> Self {
        let skip = entries.len().saturating_sub(MAX_ENTRIES);
        let logged = |entry: LogEntry| {
            let is_carried = entry.active;
            Logged { entry, began: now, seen: now, is_carried, least: Duration::ZERO }
        };
        Self { entries: entries.into_iter().skip(skip).map(logged).collect(), start: Some(now), ..Self::default() }
    }

    /// Takes note of the newest view of this battery.
    pub fn observe(&mut self, view: &View, views: &Views, now: Now) {
        self.start.get_or_insert(now.at);
        let found = conditions(view, views);
        for condition in &found {
            self.note(condition, now);
        }
        self.note_full(view, now);
        let is_known = |entry: &LogEntry| {
            // While a battery is silent, only its silence is known.
            view.is_fresh() || matches!(&*entry.kind, "silence" | "override" | "switch")
        };
        for logged in self.entries.iter_mut().filter(|logged| logged.entry.active && is_known(&logged.entry)) {
            let is_there = found.iter().any(|condition| is_same(&condition.entry, &logged.entry));
            if !is_there && (logged.is_carried || now.at.since(logged.seen) >= logged.least) {
                end(logged, now);
                self.unsaved = self.unsaved.max(Some(Urgency::Later));
            }
        }
        self.pending.retain(|pending| now.at.since(pending.seen) < pending.condition.least);
    }

    /// The battery is not there any more.
    pub(super) fn gone(&mut self, now: Now) {
        let before = self.entries.iter().filter(|logged| logged.entry.active).count();
        self.entries.iter_mut().filter(|logged| logged.entry.active).for_each(|logged| end(logged, now));
        self.pending.clear();
        if before > 0 {
            self.unsaved = self.unsaved.max(Some(Urgency::Later));
        }
    }

    /// Ends what lasted before this run if its battery has not been there for long.
    pub(super) fn tick(&mut self, now: Now) {
        if self.start.is_some_and(|start| now.at.since(start) >= CARRY_FOR) {
            self.entries.iter_mut().filter(|logged| logged.is_carried && logged.entry.active).for_each(|logged| end(logged, now));
        }
    }

    fn note(&mut self, condition: &Condition, now: Now) {
        let Condition { entry, least, lower_is_worse } = condition;
        if let Some(logged) = self.entries.iter_mut().rev().find(|logged| logged.entry.active && is_same(&logged.entry, entry)) {
            logged.seen = now.at;
            logged.least = *least;
            if logged.is_carried {
                logged.is_carried = false;
                logged.began = now.at;
                logged.entry.ended = None;
            }
            if worsen(&mut logged.entry, entry, *lower_is_worse) {
                self.unsaved = self.unsaved.max(Some(Urgency::Later));
            }
            return;
        }
        let mut since = now.at;
        if !least.is_zero() {
            match self.pending.iter_mut().find(|pending| is_same(&pending.condition.entry, entry)) {
                Some(pending) => {
                    worsen(&mut pending.condition.entry, entry, *lower_is_worse);
                    pending.seen = now.at;
                    if now.at.since(pending.since) < *least {
                        return;
                    }
                    since = pending.since;
                }
                None => {
                    self.pending.push(Pending { condition: condition.clone(), since: now.at, seen: now.at });
                    return;
                }
            }
        }
        let of_this = |pending: &Pending| is_same(&pending.condition.entry, entry);
        let (mut ripe, others) = std::mem::take(&mut self.pending).into_iter().partition::<Vec<_>, _>(of_this);
        self.pending = others;
        let begun = ripe.pop().map_or_else(|| entry.clone(), |pending| pending.condition.entry);
        self.begin(begun, (since, *least, *lower_is_worse), now);
    }

    /// Begins an entry, or continues an equal one that ended a short time ago.
    fn begin(&mut self, entry: LogEntry, (since, least, lower_is_worse): (Moment, Duration, bool), now: Now) {
        let urgency = if entry.kind == "limit" { Urgency::Later } else { Urgency::Soon };
        self.unsaved = self.unsaved.max(Some(urgency));
        let ended_lately = |logged: &&mut Logged| match (logged.entry.ended, now.unix) {
            (Some(ended), Some(unix)) => unix.saturating_sub(ended) < FOLD_WITHIN.as_secs(),
            _ => now.at.since(logged.seen) < FOLD_WITHIN,
        };
        let folds = |logged: &&mut Logged| !logged.entry.active && is_same(&logged.entry, &entry);
        if let Some(logged) = self.entries.iter_mut().rev().find(folds).filter(ended_lately) {
            worsen(&mut logged.entry, &entry, lower_is_worse);
            logged.entry.times = logged.entry.times.saturating_add(1);
            logged.entry.active = true;
            logged.entry.ended = None;
            (logged.began, logged.seen) = (since, now.at);
            return;
        }
        let at = entry.at.or(unix_at(since, now));
        let entry = LogEntry { at, active: true, times: 1, ..entry };
        self.push(Logged { entry, began: since, seen: now.at, is_carried: false, least });
    }

    fn push(&mut self, logged: Logged) {
        self.entries.push_back(logged);
        if self.entries.len() > MAX_ENTRIES {
            let over = self.entries.iter().position(|logged| !logged.entry.active).unwrap_or(0);
            let mut place = 0_usize;
            self.entries.retain(|_| {
                let is_over = place == over;
                place = place.saturating_add(1);
                !is_over
            });
        }
    }

    /// A full charge is an event without a duration.
    fn note_full(&mut self, view: &View, now: Now) {
        let since = view.history.since_full_s;
        let before = std::mem::replace(&mut self.since_full_s, since);
        let is_new =
            since.zip(before).is_some_and(|(since, before)| since < before && since <= JUST_FULL_S && before > 2 * JUST_FULL_S);
        if is_new && view.identity.kind != Kind::Bank {
            let at = now.unix.zip(since).map(|(unix, since)| unix.saturating_sub(since));
            let (id, name) = (view.identity.id.clone(), view.identity.name.clone());
            let entry =
                LogEntry { id, name, kind: "full".into(), what: "full".into(), at, ended: at, times: 1, ..LogEntry::default() };
            self.push(Logged { entry, began: now.at, seen: now.at, is_carried: false, least: Duration::ZERO });
            self.unsaved = self.unsaved.max(Some(Urgency::Later));
        }
    }

    /// The entries as of now, the oldest first.
    pub fn entries(&self, now: Now) -> impl DoubleEndedIterator<Item = LogEntry> + '_ {
        self.entries.iter().map(move |logged| {
            let mut entry = logged.entry.clone();
            if entry.active && !logged.is_carried {
                entry.lasted_s = entry.lasted_s.saturating_add(now.at.since(logged.began).as_secs());
                entry.at = entry.at.or(unix_at(logged.began, now));
            }
            entry
        })
    }

    /// The entries to write. One that lasts carries the present time as its end: if the program ends here, nothing later is known.
    pub(super) fn take_for_file(&mut self, now: Now) -> Vec<LogEntry> {
        self.unsaved = None;
        let noted =
            |entry: LogEntry| LogEntry { ended: if entry.active { now.unix.or(entry.ended) } else { entry.ended }, ..entry };
        self.entries(now).map(noted).collect()
    }

    /// How urgent a write is; `None`: nothing has changed.
    pub(super) fn urgency(&self) -> Option<Urgency> {
        self.unsaved
    }

    /// Whether something lasts, whose duration is not written yet.
    pub(super) fn is_active(&self) -> bool {
        self.entries.iter().any(|logged| logged.entry.active)
    }
}

/// Takes over the extreme and the level if `newer` is worse; says whether it is.
fn worsen(entry: &mut LogEntry, newer: &LogEntry, lower_is_worse: bool) -> bool {
    let is_worse = match (entry.value, newer.value) {
        (Some(old), Some(new)) => {
            if lower_is_worse {
                new < old
            } else {
                new > old
            }
        }
        (None, Some(_)) => true,
        _ => false,
    };
    if is_worse {
        (entry.value, entry.cell, entry.sensor) = (newer.value, newer.cell, newer.sensor);
    }
    let is_higher = newer.level > entry.level;
    entry.level = entry.level.max(newer.level);
    is_worse || is_higher
}

/// Ends an entry where it was last there.
fn end(logged: &mut Logged, now: Now) {
    logged.entry.active = false;
    if logged.is_carried {
        // Its end is the last that was written.
        logged.is_carried = false;
        return;
    }
    // A limit ended when it was last felt, all else with this view.
    let at = if logged.entry.kind == "limit" { logged.seen } else { now.at };
    logged.seen = at;
    logged.entry.at = logged.entry.at.or(unix_at(logged.began, now));
    logged.entry.ended = unix_at(at, now);
    logged.entry.lasted_s = logged.entry.lasted_s.saturating_add(at.since(logged.began).as_secs());
}
