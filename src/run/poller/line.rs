//! The batteries of one line: who is asked next, who is only heard, and who may join them.
//!
//! A battery is asked at its interval, one after the other. Where another master asks them all, nothing is sent and everything
//! is overheard; where a master only tells of itself, it is overheard between the requests to the others.

mod command;
mod overhear;

use super::{Poller, PortEvent};
use crate::bms::overheard::Overheard;
use crate::bms::{Driver, Protocol};
use crate::link::{Link, LinkError, PollError};
use crate::model::Reading;
use crate::probe::{self, Candidate, Found, is_asked};
use crate::units::Moment;
use std::time::Duration;

/// A battery that failed so often in a row no longer gets its turn on a line with others …
const PATIENCE: u32 = 3;
/// … but every so often: waiting for it costs the others their readings. One that is only heard is missed after this time.
const ABSENCE: Duration = Duration::from_secs(10);

/// A request to a battery that has just answered is repeated once; one to a battery that has not, never.
const TRIES: usize = 2;

/// Time between two looks at who may have joined, and the wait for one of them.
const LOOK: Duration = Duration::from_secs(5);
const LOOK_WAIT: Duration = Duration::from_millis(150);

/// Time between looks when everybody is there.
const NOBODY_ABSENT: Duration = Duration::from_secs(3600);

/// Readings wait for others of the same round for this time at most, and never for the next of their own battery. A poll takes
/// about as long as is said here.
const TOGETHER: Duration = Duration::from_millis(600);
const EXCHANGE: Duration = Duration::from_millis(70);

/// A line that is never quiet for the pause that boards want is used all the same after this time.
const NEVER_QUIET: Duration = Duration::from_secs(1);

/// One battery on the line.
struct Member {
    candidate: Candidate,
    protocol: Box<dyn Protocol>,
    known: Reading,
    /// When it is to be asked, or to be missed if it is only heard.
    due: Moment,
    asked_at: Moment,
    read_at: Moment,
    /// Polls that failed since the last reading.
    missed: u32,
    asked: bool,
    /// What was overheard that would change what lasts, and is not believed yet.
    doubted: Option<Reading>,
}

/// What the loop knows of a line.
pub(super) struct LineInUse {
    driver: &'static Driver,
    members: Vec<Member>,
    /// What is overheard, once somebody else was heard on the line.
    heard: Option<Overheard>,
    /// Another master asks: nothing may be sent.
    occupied: bool,
    requests: usize,
    /// When another master was heard last.
    master_at: Moment,
    /// When it may be listened for again.
    next_watch: Moment,
    next_look: Moment,
    /// Whom to look for next, among those that are absent.
    looked: usize,
    next_fill: Moment,
    filled: usize,
}

impl LineInUse {
    pub(super) fn new(found: &[Found], poller: &Poller, now: Moment) -> Self {
        let driver = found.first().map_or(&crate::bms::jbd::DRIVER, |found| found.candidate.driver);
        let overheard = found.iter().any(|found| found.overheard);
        let mut line = Self {
            driver,
            members: Vec::new(),
            heard: overheard.then(|| Overheard::new(driver)),
            occupied: overheard && found.iter().all(|found| found.overheard || !is_asked(&found.candidate)),
            requests: 0,
            master_at: now,
            next_watch: now,
            next_look: now.after(LOOK),
            looked: 0,
            next_fill: now,
            filled: 0,
        };
        found.iter().for_each(|found| line.add(found, poller, now));
        line
    }

    fn add(&mut self, found: &Found, poller: &Poller, now: Moment) {
        let asked = !found.overheard;
        self.members.push(Member {
            candidate: found.candidate,
            protocol: found.candidate.protocol(),
            known: found.reading.clone(),
            due: if asked { now.next_multiple_of(poller.interval) } else { now.after(ABSENCE) },
            asked_at: now,
            read_at: now,
            missed: 0,
            asked,
            doubted: None,
        });
    }

    /// Reads whoever is due next, until the port fails; `None` when nobody listens any more.
    pub(super) fn read(&mut self, poller: &Poller, link: &mut Link, tell: &mut impl FnMut(PortEvent) -> bool) -> Option<PortEvent> {
        if let Some(first) = self.members.first()
            && let Err(error) = link.prepare(first.candidate.line, self.driver.gap)
        {
            return Some(PortEvent::Broken(error));
        }
        let mut events = Vec::new();
        loop {
            let result = self.turn(poller, link);
            let failure = result.map(|more| events.extend(more)).err();
            if (failure.is_some() || self.is_time_to_tell(&events, poller, link)) && !events.drain(..).all(&mut *tell) {
                return None;
            }
            if let Some(error) = failure {
                return Some(PortEvent::Broken(error));
            }
        }
    }

    /// Readings that follow closely are told together: to be woken up for each costs more than to take it in. News of another
    /// kind is told at once.
    fn is_time_to_tell(&self, events: &[PortEvent], poller: &Poller, link: &Link) -> bool {
        let Some(PortEvent::Reading { at: oldest, .. }) = events.first() else { return !events.is_empty() };
        let others = events.iter().any(|event| !matches!(event, PortEvent::Reading { .. }));
        let next = self.wake(poller, link).max(link.now()).after(EXCHANGE);
        others || self.heard.is_some() || next.since(*oldest) > TOGETHER.min(poller.interval.saturating_sub(EXCHANGE))
    }

    /// Waits for the next thing to do, and does it.
    fn turn(&mut self, poller: &Poller, link: &mut Link) -> Result<Vec<PortEvent>, LinkError> {
        let wake = self.wake(poller, link);
        let mut events = match self.heard.is_some() {
            true => self.listen(wake, poller, link)?,
            false => Vec::new(),
        };
        // Who waits for orders wakes up for the first one.
        let wait = if self.heard.is_some() { link.now() } else { wake };
        events.extend(self.obey_until(wait, poller, link)?);
        let now = link.now();
        // Of those whose time has come the one that has waited longest.
        let waiting = self.members.iter().enumerate().filter(|(_, member)| member.ready(link) <= now);
        let next = waiting.min_by_key(|(_, member)| member.asked_at).map(|(number, _)| number);
        match next {
            Some(number) => events.extend(self.serve(number, poller, link)?),
            None if self.next_look <= now && !self.occupied => events.extend(self.look(poller, link)?),
            None if poller.active_fill && self.occupied => self.fill(link)?,
            None => {}
        }
        Ok(events)
    }

    /// When there is something to do next.
    fn wake(&self, poller: &Poller, link: &Link) -> Moment {
        let turn = self.members.iter().map(|member| member.ready(link)).min();
        let look = (!self.occupied).then_some(self.next_look);
        let fill = Some(link.ready_at()).filter(|ready| poller.active_fill && self.occupied && *ready > link.now());
        [turn, look, fill].into_iter().flatten().min().unwrap_or_else(|| link.now().after(ABSENCE))
    }

    /// A battery's turn: it is asked, or missed if it is only heard.
    fn serve(&mut self, number: usize, poller: &Poller, link: &mut Link) -> Result<Option<PortEvent>, LinkError> {
        let several = self.members.len() > 1;
        let Some(member) = self.members.get_mut(number) else { return Ok(None) };
        if !member.asked {
            return Ok(Some(member.miss(number, link)));
        }
        let event = member.ask(number, several, poller.interval, link)?;
        let troubled = match &event {
            PortEvent::Reading { line, .. } => line.damaged > 0 || line.foreign > 0,
            _ => true,
        };
        if troubled && !self.driver.listen.is_zero() && self.heard.is_none() && self.next_watch <= link.now() {
            self.watch(link)?;
        }
        Ok(Some(event))
    }

    /// Looks for one of those who may have been switched on since.
    fn look(&mut self, poller: &Poller, link: &mut Link) -> Result<Option<PortEvent>, LinkError> {
        let now = link.now();
        let present: Vec<Candidate> = self.members.iter().map(|member| member.candidate).collect();
        let absent = probe::absent(&poller.scope, &present);
        let Some(candidate) = absent.get(self.looked.checked_rem(absent.len()).unwrap_or(0)).copied() else {
            self.next_look = now.after(NOBODY_ABSENT);
            return Ok(None);
        };
        self.looked = self.looked.wrapping_add(1);
        self.next_look = now.after(LOOK);
        if !is_asked(&candidate) {
            if self.heard.is_none() {
                self.watch(link)?;
            }
            return Ok(None);
        }
        let looked = probe::confirm(link, &candidate, LOOK_WAIT)?;
        // That nobody is there says nothing about the line.
        link.take_stats();
        let Ok(reading) = looked else { return Ok(None) };
        Ok(Some(self.join(Found { candidate, reading, elapsed: Duration::ZERO, overheard: false }, poller, link.now())))
    }

    /// A battery that was not there at the start.
    fn join(&mut self, found: Found, poller: &Poller, now: Moment) -> PortEvent {
        self.add(&found, poller, now);
        self.next_look = now.after(LOOK);
        PortEvent::Found(vec![found])
    }
}

impl Member {
    /// When it can be served, if the line stays as quiet as it is.
    fn ready(&self, link: &Link) -> Moment {
        if self.asked { self.due.max(link.ready_at().min(self.due.after(NEVER_QUIET))) } else { self.due }
    }

    fn ask(&mut self, number: usize, several: bool, interval: Duration, link: &mut Link) -> Result<PortEvent, LinkError> {
        let start = link.now();
        // All ports have these moments in common, so that the program wakes up for them together. A poll that took too long is
        // not made up for.
        (self.asked_at, self.due) = (start, start.next_multiple_of(interval));
        let polled = match (several, self.missed) {
            (false, _) => link.poll(self.protocol.as_mut(), &self.known),
            (true, 0) => link.poll_within(TRIES, self.protocol.as_mut(), &self.known),
            (true, _) => link.poll_within(1, self.protocol.as_mut(), &self.known),
        };
        match polled {
            Ok(reading) => {
                (self.missed, self.read_at, self.known) = (0, link.now(), reading);
                Ok(PortEvent::Reading { number, reading: Box::new(self.known.clone()), at: self.read_at, line: link.take_stats() })
            }
            Err(PollError { error, .. }) if error.is_port() => Err(error),
            Err(error) => {
                self.missed = self.missed.saturating_add(1);
                if several && self.missed >= PATIENCE {
                    self.due = self.due.max(link.now().after(ABSENCE));
                }
                Ok(PortEvent::Missed { number, error, line: link.take_stats() })
            }
        }
    }

    fn miss(&mut self, number: usize, link: &mut Link) -> PortEvent {
        self.missed = self.missed.saturating_add(1);
        self.due = link.now().after(ABSENCE);
        let error = PollError { what: "frame", tries: 0, error: LinkError::Unheard };
        PortEvent::Missed { number, error, line: link.take_stats() }
    }
}
