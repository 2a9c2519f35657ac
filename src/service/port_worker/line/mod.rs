//! The batteries of one line: which one is polled next, which one is only listened to, and which one may join.
//!
//! Batteries are polled one after the other, each at its interval. Where another master polls them, nothing is sent and the
//! driver only listens; a master that only broadcasts its own data is listened to between the polls of the others.

mod command;
mod overhear;

use super::{PortEvent, PortWorker};
use crate::base::units::Moment;
use crate::bms::Protocol;
use crate::bms::sniffer::Sniffer;
use crate::link::{Link, LinkError, PollError, RetryLimits};
use crate::model::Reading;
use crate::probe::{self, Candidate, Found, is_asked};
use std::time::Duration;

/// After this many unanswered polls in a row a battery loses its regular turn on a line with others …
const MAX_SILENT_POLLS: u32 = 3;
/// … and is polled at this interval only, because waiting for it delays the others. A battery only listened to counts as missed
/// after this time.
const ABSENT_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// Time between two checks for a battery that may have joined, and the timeout of one.
const JOIN_CHECK_INTERVAL: Duration = Duration::from_secs(5);
const JOIN_CHECK_TIMEOUT: Duration = Duration::from_millis(150);

/// Time between these checks while no battery is absent.
const JOIN_CHECK_INTERVAL_COMPLETE: Duration = Duration::from_secs(3600);

/// Readings wait for others of the same round for this time at most, and never for the next of their own battery.
const MAX_ROUND_WAIT: Duration = Duration::from_millis(600);
/// Assumed duration of a poll, for a battery that was not polled yet.
const POLL_DURATION: Duration = Duration::from_millis(70);
/// Decay per poll of the excess duration of an earlier, longer poll.
const POLL_DURATION_DECAY: f64 = 0.9;

/// Maximum wait for the quiet pause that boards need; a line that is never quiet is used after that.
const MAX_QUIET_WAIT: Duration = Duration::from_secs(1);

/// One battery on the line.
struct Member {
    candidate: Candidate,
    protocol: Box<dyn Protocol>,
    known: Reading,
    /// When to poll it, or when to count it as missed if it is only listened to.
    due: Moment,
    asked_at: Moment,
    read_at: Moment,
    /// Maximum duration of recent polls.
    poll_duration: Duration,
    /// Unanswered polls in a row. Corrupted answers do not count as absence.
    silent: u32,
    asked: bool,
    /// Only read in the search so far: the second reading follows at once, because nothing is published before two agree.
    is_new: bool,
    /// Overheard changes of static data that still need a confirmation.
    doubted: Option<Reading>,
}

/// Why the loop ended.
pub(super) enum Ended {
    /// The receiver is gone.
    Unwanted,
    /// The port failed.
    Failed(LinkError),
    /// No battery answered for the given time.
    Deserted,
}

/// State of a line.
pub(super) struct LineMembers {
    /// The battery found first; all others have its driver and line settings.
    first: Candidate,
    /// The number of the first of them; batteries replaced by another BMS have lower ones.
    base: usize,
    members: Vec<Member>,
    /// Collector of overheard frames, once another master was heard.
    heard: Option<Sniffer>,
    /// Another master polls the line: nothing may be sent.
    occupied: bool,
    requests: usize,
    /// When another master was heard last.
    master_at: Moment,
    /// When to listen for it again.
    next_watch: Moment,
    next_join_check: Moment,
    /// Counts the checks for absent batteries, which take turns.
    join_checks: usize,
    next_fill: Moment,
    filled: usize,
}

impl LineMembers {
    /// The line of these batteries; `None` if there are none.
    pub(super) fn new(found: &[Found], now: Moment) -> Option<Self> {
        let first = found.first()?.candidate;
        let overheard = found.iter().any(|found| found.overheard);
        let mut line = Self {
            first,
            base: 0,
            members: Vec::new(),
            heard: overheard.then(|| Sniffer::new(first.driver)),
            occupied: overheard && found.iter().all(|found| found.overheard || !is_asked(&found.candidate)),
            requests: 0,
            master_at: now,
            next_watch: now,
            next_join_check: now.after(JOIN_CHECK_INTERVAL),
            join_checks: 0,
            next_fill: now,
            filled: 0,
        };
        found.iter().for_each(|found| line.add(found, now));
        Some(line)
    }

    /// A line on which a different BMS was found.
    pub(super) fn replaced_by(&self, found: &[Found], now: Moment) -> Option<Self> {
        Some(Self { base: self.base.saturating_add(self.members.len()), ..Self::new(found, now)? })
    }

    /// The battery found first.
    pub(super) fn first(&self) -> Candidate {
        self.first
    }

    /// Whether this battery is known.
    pub(super) fn has(&self, other: &Candidate) -> bool {
        self.first.driver.name == other.driver.name && self.members.iter().any(|member| member.candidate.address == other.address)
    }

    fn add(&mut self, found: &Found, now: Moment) {
        let asked = !found.overheard;
        self.members.push(Member {
            candidate: found.candidate,
            protocol: found.candidate.protocol(),
            known: found.reading.clone(),
            due: if asked { now } else { now.after(ABSENT_POLL_INTERVAL) },
            asked_at: now,
            read_at: now,
            poll_duration: POLL_DURATION,
            silent: 0,
            asked,
            is_new: true,
            doubted: None,
        });
    }

    /// Reads the battery that is due next, until the port fails, the receiver is gone, or none has answered for `deserted_after`.
    pub(super) fn read(
        &mut self,
        worker: &PortWorker,
        link: &mut Link,
        mut deserted_after: Option<Duration>,
        report: &mut impl FnMut(PortEvent) -> bool,
    ) -> Ended {
        if let Err(error) = self.first.prepare(link) {
            return Ended::Failed(error);
        }
        let (mut events, mut since, start) = (Vec::new(), link.now(), link.now());
        loop {
            let result = self.turn(worker, link);
            if events.is_empty() {
                since = link.now();
            }
            let failure = result.map(|more| events.extend(more)).err();
            if matches!(events.last(), Some(PortEvent::Reading { .. } | PortEvent::Found(_))) {
                deserted_after = None;
            }
            if (failure.is_some() || self.is_time_to_report(&events, since, link)) && !events.drain(..).all(&mut *report) {
                return Ended::Unwanted;
            }
            if let Some(error) = failure {
                return Ended::Failed(error);
            }
            // Where another master polls, nothing may be sent.
            if deserted_after.is_some_and(|deserted_after| link.now().since(start) > deserted_after) && !self.occupied {
                return Ended::Deserted;
            }
        }
    }

    /// Readings in quick succession are reported together: waking up for each costs more than handling it. Other events are
    /// reported at once. The first reading has been waiting `since` this time; after a poll of several seconds it would be
    /// outdated.
    fn is_time_to_report(&self, events: &[PortEvent], since: Moment, link: &Link) -> bool {
        let mut waiting = Vec::new();
        for event in events {
            let PortEvent::Reading { number, .. } = event else { return true };
            waiting.push(*number);
        }
        if waiting.is_empty() || self.heard.is_some() {
            return !waiting.is_empty();
        }
        let now = link.now();
        let turns = self.members.iter().enumerate().map(|(index, member)| (member.ready(link).max(now), member.asked_at, index));
        let next = turns.min().and_then(|(at, _, index)| Some((at, index, self.members.get(index)?)));
        next.is_none_or(|(at, index, member)| {
            waiting.contains(&self.base.saturating_add(index)) || at.after(member.poll_duration).since(since) > MAX_ROUND_WAIT
        })
    }

    /// Waits for the next thing to do, and does it.
    fn turn(&mut self, worker: &PortWorker, link: &mut Link) -> Result<Vec<PortEvent>, LinkError> {
        let wake = self.wake(worker, link);
        let mut events = match self.heard.is_some() {
            true => self.listen(wake, worker, link)?,
            false => Vec::new(),
        };
        // Waiting for commands ends with the first one.
        let wait = if self.heard.is_some() { link.now() } else { wake };
        events.extend(self.run_commands_until(wait, worker, link)?);
        let now = link.now();
        // Of those that are due, the one that has waited longest.
        let waiting = self.members.iter().enumerate().filter(|(_, member)| member.ready(link) <= now);
        let next = waiting.min_by_key(|(_, member)| member.asked_at).map(|(number, _)| number);
        match next {
            Some(number) => events.extend(self.serve(number, worker, link)?),
            None if self.next_join_check <= now && !self.occupied => events.extend(self.check_for_joiner(worker, link)?),
            None if worker.active_fill && self.occupied => self.fill(link)?,
            None => {}
        }
        self.pass_on_overheard(link);
        Ok(events)
    }

    /// Batteries that send by themselves do so while another one is read, too.
    fn pass_on_overheard(&mut self, link: &mut Link) {
        for (at, frame) in link.take_overheard() {
            for member in &mut self.members {
                member.protocol.arrived_at(at);
                member.protocol.overhear(&frame);
            }
        }
    }

    /// Time of the next action.
    fn wake(&self, worker: &PortWorker, link: &Link) -> Moment {
        let turn = self.members.iter().map(|member| member.ready(link)).min();
        let join_check = (!self.occupied).then_some(self.next_join_check);
        let fill = Some(link.ready_at()).filter(|ready| worker.active_fill && self.occupied && *ready > link.now());
        [turn, join_check, fill].into_iter().flatten().min().unwrap_or_else(|| link.now().after(ABSENT_POLL_INTERVAL))
    }

    /// A battery's turn: polls it, or counts it as missed if it is only listened to.
    fn serve(&mut self, number: usize, worker: &PortWorker, link: &mut Link) -> Result<Option<PortEvent>, LinkError> {
        let several = self.members.len() > 1;
        let base = self.base;
        let Some(member) = self.members.get_mut(number) else { return Ok(None) };
        let number = base.saturating_add(number);
        if !member.asked {
            return Ok(Some(member.miss(number, link)));
        }
        let event = member.ask(number, several, worker.interval, link)?;
        let troubled = match &event {
            PortEvent::Reading { line, .. } => line.damaged > 0 || line.foreign > 0,
            _ => true,
        };
        if troubled && !self.first.driver.listen.is_zero() && self.heard.is_none() && self.next_watch <= link.now() {
            self.watch(link)?;
        }
        Ok(Some(event))
    }

    /// Polls one of the absent batteries, which may have been switched on since.
    fn check_for_joiner(&mut self, worker: &PortWorker, link: &mut Link) -> Result<Option<PortEvent>, LinkError> {
        let now = link.now();
        let present: Vec<Candidate> = self.members.iter().map(|member| member.candidate).collect();
        let absent = probe::absent(&worker.scope, &present);
        let Some(candidate) = absent.get(self.join_checks.checked_rem(absent.len()).unwrap_or(0)).copied() else {
            self.next_join_check = now.after(JOIN_CHECK_INTERVAL_COMPLETE);
            return Ok(None);
        };
        self.join_checks = self.join_checks.wrapping_add(1);
        self.next_join_check = now.after(JOIN_CHECK_INTERVAL);
        if !is_asked(&candidate) {
            if self.heard.is_none() {
                self.watch(link)?;
            }
            return Ok(None);
        }
        let answer = probe::confirm(link, &candidate, JOIN_CHECK_TIMEOUT)?;
        // An absent battery says nothing about the line's quality.
        link.take_stats();
        let Ok(reading) = answer else { return Ok(None) };
        Ok(Some(self.join(Found { candidate, reading, elapsed: Duration::ZERO, overheard: false, also: Vec::new() }, link.now())))
    }

    /// Adds a battery that was absent at the start.
    fn join(&mut self, found: Found, now: Moment) -> PortEvent {
        self.add(&found, now);
        self.next_join_check = now.after(JOIN_CHECK_INTERVAL);
        PortEvent::Found(vec![found])
    }
}

impl Member {
    /// When the line can be used, if it stays as quiet as it is.
    fn ready(&self, link: &Link) -> Moment {
        if self.asked { self.due.max(link.ready_at().min(self.due.after(MAX_QUIET_WAIT))) } else { self.due }
    }

    fn ask(&mut self, number: usize, several: bool, interval: Duration, link: &mut Link) -> Result<PortEvent, LinkError> {
        let start = link.now();
        // All ports share these moments, so that the program wakes up once for all. A poll that took too long is not made up for.
        // The second reading is reported without waiting for the third.
        let rest = if std::mem::take(&mut self.is_new) { MAX_ROUND_WAIT.min(interval) } else { Duration::ZERO };
        (self.asked_at, self.due) = (start, start.after(rest).next_multiple_of(interval));
        let limits = match self.silent {
            _ if !several => RetryLimits::ALONE,
            0 => RetryLimits::SHARED,
            _ => RetryLimits::ABSENT,
        };
        let polled = link.poll_within(limits, self.protocol.as_mut(), &self.known);
        self.poll_duration = link.now().since(start).max(self.poll_duration.mul_f64(POLL_DURATION_DECAY));
        match polled {
            Ok(reading) => {
                (self.silent, self.read_at, self.known) = (0, link.read_at(), reading);
                Ok(PortEvent::Reading { number, reading: Box::new(self.known.clone()), at: self.read_at, line: link.take_stats() })
            }
            Err(PollError { error, .. }) if error.is_port() => Err(error),
            Err(error) => {
                let line = link.take_stats();
                self.silent = if line.ok > 0 || line.damaged > 0 { 0 } else { self.silent.saturating_add(1) };
                if several && self.silent >= MAX_SILENT_POLLS {
                    self.due = self.due.max(link.now().after(ABSENT_POLL_INTERVAL));
                }
                Ok(PortEvent::Missed { number, error, line })
            }
        }
    }

    fn miss(&mut self, number: usize, link: &mut Link) -> PortEvent {
        self.due = link.now().after(ABSENT_POLL_INTERVAL);
        let error = PollError { what: "frame", tries: 0, error: LinkError::Unheard };
        PortEvent::Missed { number, error, line: link.take_stats() }
    }
}
