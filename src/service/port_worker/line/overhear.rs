//! A line with another master: collects overheard data, detects the master, and inserts requests between its own.

use super::{ABSENT_POLL_INTERVAL, LineMembers};
use crate::base::units::Moment;
use crate::bms::sniffer::Sniffer;
use crate::link::{Link, LinkError};
use crate::model::Reading;
use crate::probe::{Candidate, Found, is_asked};
use crate::service::port_worker::{PortEvent, PortWorker};
use std::time::Duration;

/// Time to detect another master, which sends at least every 220 ms.
const MASTER_LISTEN_TIME: Duration = Duration::from_millis(250);
/// Interval of listening for one.
const MASTER_LISTEN_INTERVAL: Duration = Duration::from_secs(5);
/// A master silent for this time is gone.
const MASTER_GONE_AFTER: Duration = Duration::from_secs(20);

/// A master waits 220 ms for a missing board. An inserted request must leave time for its answer: latest start after the pause
/// that boards need.
const FILL_WINDOW: Duration = Duration::from_millis(30);
/// Minimum time between two inserted requests.
const FILL_INTERVAL: Duration = Duration::from_secs(2);

impl LineMembers {
    /// Listens until `wake` at the latest, and handles the frames received.
    pub(super) fn listen(&mut self, wake: Moment, worker: &PortWorker, link: &mut Link) -> Result<Vec<PortEvent>, LinkError> {
        let Some(heard) = &mut self.heard else { return Ok(Vec::new()) };
        link.listen(heard, wake)?;
        let (readings, requests) = (heard.take(), heard.requests());
        let now = link.now();
        if requests > self.requests {
            (self.requests, self.master_at) = (requests, now);
            self.occupy(now);
        } else if self.occupied && worker.active_fill && now.since(self.master_at) > MASTER_GONE_AFTER {
            self.take_over(link, now);
        }
        Ok(readings.into_iter().filter_map(|reading| self.handle_reading(reading, worker, link)).collect())
    }

    /// Listens for another master.
    pub(super) fn watch(&mut self, link: &mut Link) -> Result<(), LinkError> {
        let mut heard = Sniffer::new(self.first.driver);
        let until = link.now().after(MASTER_LISTEN_TIME);
        while link.now() < until {
            link.listen(&mut heard, until)?;
        }
        self.next_watch = until.after(MASTER_LISTEN_INTERVAL);
        self.requests = heard.requests();
        if self.requests > 0 {
            log::info!("{}: another master polls this line; listening only from now on", link.name());
            self.master_at = until;
            self.occupy(until);
        }
        if self.requests > 0 || heard.frames().0 > 0 {
            self.heard = Some(heard);
        }
        Ok(())
    }

    /// Stops sending and leaves the line to the other master.
    fn occupy(&mut self, now: Moment) {
        if std::mem::replace(&mut self.occupied, true) {
            return;
        }
        for member in self.members.iter_mut().filter(|member| member.asked) {
            (member.asked, member.due) = (false, now.after(ABSENT_POLL_INTERVAL));
        }
    }

    /// Polls the batteries of a master that is gone.
    fn take_over(&mut self, link: &Link, now: Moment) {
        log::warn!("{}: the master of this line is silent; polling its batteries until it is back. Check the master", link.name());
        self.occupied = false;
        for member in self.members.iter_mut().filter(|member| is_asked(&member.candidate)) {
            (member.asked, member.due) = (true, now);
        }
    }

    /// Handles an overheard reading: of a known battery, even if it is polled as well, or of one that joins.
    fn handle_reading(&mut self, mut reading: Reading, worker: &PortWorker, link: &mut Link) -> Option<PortEvent> {
        let now = link.now();
        let known = self.members.iter_mut().enumerate().find(|(_, member)| member.candidate.address == reading.address);
        let Some((number, member)) = known else {
            let address = reading.address?;
            let wanted = worker.scope.addresses.is_empty() || worker.scope.addresses.contains(&address);
            let candidate = Candidate { address: Some(address), ..self.first };
            return wanted
                .then(|| self.join(Found { candidate, reading, elapsed: Duration::ZERO, overheard: true, also: Vec::new() }, now));
        };
        reading.inherit(&member.known);
        // The checksum is a plain sum, which one in a few hundred corrupted frames passes: a changed capacity or setting must be
        // received twice.
        if member.known.is_static_data_changed(&reading) {
            let before = member.doubted.replace(reading.clone());
            if before.is_none_or(|before| before.is_static_data_changed(&reading)) {
                log::debug!("{}: a setting of address {:?} has changed; waiting for it again", link.name(), reading.address);
                return None;
            }
        }
        member.doubted = None;
        // A battery that was just heard need not be polled.
        member.due =
            if member.asked { member.due.max(now.next_multiple_of(worker.interval)) } else { now.after(ABSENT_POLL_INTERVAL) };
        (member.read_at, member.silent, member.known) = (now, 0, reading);
        let number = self.base.saturating_add(number);
        Some(PortEvent::Reading { number, reading: Box::new(member.known.clone()), at: now, line: link.take_stats() })
    }

    /// While the master waits for a missing board, requests from another one what the master does not poll: its identity, or its
    /// values if they are overdue.
    pub(super) fn fill(&mut self, link: &mut Link) -> Result<(), LinkError> {
        let (now, ready) = (link.now(), link.ready_at());
        let Some(heard) = &mut self.heard else { return Ok(()) };
        if heard.asked().is_none() || now < ready.max(self.next_fill) || now > ready.after(FILL_WINDOW) {
            return Ok(());
        }
        self.next_fill = now.after(FILL_INTERVAL);
        for _ in 0..self.members.len() {
            let turn = self.filled.checked_rem(self.members.len()).unwrap_or(0);
            self.filled = self.filled.wrapping_add(1);
            let Some(member) = self.members.get_mut(turn).filter(|member| is_asked(&member.candidate)) else { continue };
            let overdue = now.since(member.read_at) > ABSENT_POLL_INTERVAL;
            let plan = member.protocol.plan(&member.known);
            if let Some(request) = plan.iter().find(|request| !request.required || overdue) {
                log::debug!("{}: {} of address {:?} put in", link.name(), request.what, member.candidate.address);
                return link.put_in(heard, &request.bytes);
            }
        }
        Ok(())
    }
}
