//! A line on which others talk: taking what is heard, noticing another master, and putting requests in between.

use super::{ABSENCE, LineInUse};
use crate::bms::overheard::Overheard;
use crate::link::{Link, LinkError, changes_what_lasts};
use crate::model::Reading;
use crate::probe::{Candidate, Found, is_asked};
use crate::run::poller::{Poller, PortEvent};
use crate::units::Moment;
use std::time::Duration;

/// Time to hear another master: it asks at least every 220 ms.
const MASTER: Duration = Duration::from_millis(250);
/// Time between two times of listening for one.
const WATCH: Duration = Duration::from_secs(5);
/// A master that was silent for so long is gone.
const GONE: Duration = Duration::from_secs(20);

/// A master waits 220 ms for a board that is not there. A request that is put in must leave time for its answer: it goes out at
/// most so long after the pause that boards want.
const OPPORTUNITY: Duration = Duration::from_millis(30);
/// Least time between two requests that are put in.
const BETWEEN: Duration = Duration::from_secs(2);

impl LineInUse {
    /// Listens until `wake` at most, and takes what was heard.
    pub(super) fn listen(&mut self, wake: Moment, poller: &Poller, link: &mut Link) -> Result<Vec<PortEvent>, LinkError> {
        let Some(heard) = &mut self.heard else { return Ok(Vec::new()) };
        link.listen(heard, wake)?;
        let (readings, requests) = (heard.take(), heard.requests());
        let now = link.now();
        if requests > self.requests {
            (self.requests, self.master_at) = (requests, now);
            self.occupy(now);
        } else if self.occupied && poller.active_fill && now.since(self.master_at) > GONE {
            self.take_over(link, now);
        }
        Ok(readings.into_iter().filter_map(|reading| self.take(reading, poller, link)).collect())
    }

    /// Listens for another master.
    pub(super) fn watch(&mut self, link: &mut Link) -> Result<(), LinkError> {
        let mut heard = Overheard::new(self.driver);
        let until = link.now().after(MASTER);
        while link.now() < until {
            link.listen(&mut heard, until)?;
        }
        self.next_watch = until.after(WATCH);
        self.requests = heard.requests();
        if self.requests > 0 {
            log::info!("{}: another master asks the batteries of this line; from now on they are only listened to", link.name());
            self.master_at = until;
            self.occupy(until);
        }
        if self.requests > 0 || heard.frames().0 > 0 {
            self.heard = Some(heard);
        }
        Ok(())
    }

    /// Leaves the line to the other master.
    fn occupy(&mut self, now: Moment) {
        if std::mem::replace(&mut self.occupied, true) {
            return;
        }
        for member in self.members.iter_mut().filter(|member| member.asked) {
            (member.asked, member.due) = (false, now.after(ABSENCE));
        }
    }

    /// Asks the batteries of a master that is gone.
    fn take_over(&mut self, link: &Link, now: Moment) {
        log::warn!(
            "{}: the master of this line is silent; its batteries are asked from here until it is back. Check the master",
            link.name()
        );
        self.occupied = false;
        for member in self.members.iter_mut().filter(|member| is_asked(&member.candidate)) {
            (member.asked, member.due) = (true, now);
        }
    }

    /// What an overheard reading is news of: a battery that is known, also if it is asked as well, or one that joins them.
    fn take(&mut self, mut reading: Reading, poller: &Poller, link: &mut Link) -> Option<PortEvent> {
        let now = link.now();
        let known = self.members.iter_mut().enumerate().find(|(_, member)| member.candidate.address == reading.address);
        let Some((number, member)) = known else {
            let address = reading.address?;
            let wanted = poller.scope.addresses.is_empty() || poller.scope.addresses.contains(&address);
            let candidate = Candidate { address: Some(address), ..self.members.first()?.candidate };
            return wanted.then(|| self.join(Found { candidate, reading, elapsed: Duration::ZERO, overheard: true }, poller, now));
        };
        reading.inherit(&member.known);
        // The check is a sum, which one damaged frame in some hundred passes: a capacity or setting that is not what it was has
        // to be heard twice.
        if changes_what_lasts(&member.known, &reading) {
            let before = member.doubted.replace(reading.clone());
            if before.is_none_or(|before| changes_what_lasts(&before, &reading)) {
                log::debug!(
                    "{}: a setting of address {:?} is not what it was; it has to be heard again",
                    link.name(),
                    reading.address
                );
                return None;
            }
        }
        member.doubted = None;
        // A battery that has just spoken need not be asked.
        member.due = if member.asked { member.due.max(now.next_multiple_of(poller.interval)) } else { now.after(ABSENCE) };
        (member.read_at, member.missed, member.known) = (now, 0, reading);
        Some(PortEvent::Reading { number, reading: Box::new(member.known.clone()), at: now, line: link.take_stats() })
    }

    /// While the master waits for a board that is not there, asks another one for what the master does not ask: who it is, or
    /// its values if they are overdue.
    pub(super) fn fill(&mut self, link: &mut Link) -> Result<(), LinkError> {
        let (now, ready) = (link.now(), link.ready_at());
        let Some(heard) = &mut self.heard else { return Ok(()) };
        if heard.asked().is_none() || now < ready.max(self.next_fill) || now > ready.after(OPPORTUNITY) {
            return Ok(());
        }
        self.next_fill = now.after(BETWEEN);
        for _ in 0..self.members.len() {
            let turn = self.filled.checked_rem(self.members.len()).unwrap_or(0);
            self.filled = self.filled.wrapping_add(1);
            let Some(member) = self.members.get_mut(turn).filter(|member| is_asked(&member.candidate)) else { continue };
            let overdue = now.since(member.read_at) > ABSENCE;
            let plan = member.protocol.plan(&member.known);
            if let Some(request) = plan.iter().find(|request| !request.required || overdue) {
                log::debug!("{}: {} of address {:?} put in", link.name(), request.what, member.candidate.address);
                return link.put_in(heard, &request.bytes);
            }
        }
        Ok(())
    }
}
