//! The port's side of `run`: a blocking loop that finds the batteries and reads them in turn, or listens where a master polls them.

mod line;

use crate::base::time::Clock;
use crate::base::units::Moment;
use crate::bms::Transport;
use crate::link::{Backlog, Link, LinkError, OpenError, PollError, Port, transport};
use crate::model::{Command, LinkStats, Outcome, Reading};
use crate::probe::{self, Found, NotFound, ProbeError, Scope};
use line::{Ended, LineMembers};
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// Pause before a failed port is reopened.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Pauses before a Bluetooth device is connected again: the first, the longest, and how long a connection must have lasted for the
/// next pause to be the first one again. Each doubles the one before. Every new connection costs BlueZ and the D-Bus daemon memory, and
/// one that is refused keeps the owner's phone out.
const FIRST_RADIO_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_RADIO_PAUSE: Duration = Duration::from_secs(300);
const STEADY_CONNECTION: Duration = Duration::from_secs(120);
/// A long pause is slept in pieces, because the watchdog counts readings of the clock.
const PAUSE_PIECE: Duration = Duration::from_secs(20);

/// Pause before a port without a battery is searched again.
const SEARCH_INTERVAL: Duration = Duration::from_secs(30);

/// On a reopened port: time without an answer until another BMS is searched for, and time between these searches.
const DESERTED_AFTER: Duration = Duration::from_secs(5);
const DESERTED_SEARCH_INTERVAL: Duration = Duration::from_secs(60);

/// Events from the port's thread.
#[derive(Debug)]
pub enum PortEvent {
    /// Batteries found, with their first readings. They are numbered in the order of these events: those of the search first,
    /// others may join later, or replace them on a reopened port.
    Found(Vec<Found>),
    /// No known BMS answers.
    NotFound(NotFound),
    /// A reading of battery `number`.
    Reading {
        /// Number of the battery on this port.
        number: usize,
        /// The reading.
        reading: Box<Reading>,
        /// Its time, corrected by the delay of its answers.
        at: Moment,
        /// Line statistics since the last report.
        line: LinkStats,
    },
    /// A poll of battery `number` failed.
    Missed {
        /// Number of the battery on this port.
        number: usize,
        /// The reason.
        error: PollError,
        /// Line statistics since the last report.
        line: LinkStats,
    },
    /// Outcome of a command to battery `number`.
    CommandDone {
        /// Number of the battery on this port.
        number: usize,
        /// The outcome.
        outcome: Outcome,
    },
    /// Battery `number` has been cleaned up after an interrupted command.
    CleanedUp {
        /// Number of the battery on this port.
        number: usize,
    },
    /// The port cannot be opened.
    Closed(OpenError),
    /// The port failed while in use.
    Broken(LinkError),
}

/// A command to the BMS of battery `number`. One that had to wait too long is dropped: it is no longer expected.
#[derive(Debug, Clone, Copy)]
pub struct PortCommand {
    /// Number of the battery on this port.
    pub number: usize,
    /// The command; `None` only cleans up after an interrupted one.
    pub command: Option<Command>,
    /// Time of the request.
    pub at: Moment,
    /// Wall-clock time if known, seconds since 1970.
    pub unix: Option<u64>,
}

/// Maximum age of a command to carry out.
pub const MAX_COMMAND_AGE: Duration = Duration::from_secs(8);

/// Maximum age of a reading: its answers may be up to three seconds late, and it waits less than one for others of its round. An
/// older one is outdated: the program was suspended.
pub fn is_overtaken(at: Moment, now: Moment) -> bool {
    now.since(at) > Duration::from_secs(4)
}

/// Opens the port, again after every failure.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Port>, OpenError> + Send>;

/// The loop that reads one port.
pub struct PortWorker {
    /// Opens the port.
    pub open: Opener,
    /// BMS families and lines to try.
    pub scope: Scope,
    /// Read interval of a battery.
    pub interval: Duration,
    /// On a line with a master, insert requests for values that it does not poll.
    pub active_fill: bool,
    /// Channel of commands, if enabled.
    pub commands: Option<Receiver<PortCommand>>,
    /// Keep reopening a failed port; otherwise a failure ends the loop.
    pub persistent: bool,
    /// Keep searching a port without a battery; otherwise that ends the loop.
    pub searches_again: bool,
}

/// The next pause before a Bluetooth device is connected again.
struct RadioPause(Duration);

impl RadioPause {
    /// The pause after a connection that `lasted` this long.
    fn after(&mut self, lasted: Duration) -> Duration {
        let pause = if lasted >= STEADY_CONNECTION { FIRST_RADIO_PAUSE } else { self.0 };
        self.0 = pause.saturating_mul(2).min(LONGEST_RADIO_PAUSE);
        pause
    }
}

fn sleep(clock: &impl Clock, time: Duration) {
    let end = clock.now().after(time);
    loop {
        let left = end.since(clock.now());
        if left.is_zero() {
            return;
        }
        clock.sleep(left.min(PAUSE_PIECE));
    }
}

impl PortWorker {
    /// Runs until `report` returns false, the search finds nothing, or the port fails.
    pub fn run<C: Clock + Clone + 'static>(mut self, clock: &C, mut report: impl FnMut(PortEvent) -> bool) {
        let (mut line, mut backlog) = (None, Backlog::default());
        let mut radio_pause = RadioPause(FIRST_RADIO_PAUSE);
        loop {
            let (mut wireless, start) = (false, clock.now());
            let event = match (self.open)() {
                Ok(port) => {
                    wireless = transport(port.name()) == Transport::Bluetooth;
                    let mut link = Link::new(port, Box::new(clock.clone()));
                    let open_requests = std::mem::take(&mut backlog);
                    // A serial server may still hold answers to requests from before the connection broke; a radio cannot.
                    if !wireless {
                        link.resume(open_requests);
                    }
                    let event = self.use_port(&mut link, &mut line, &mut report);
                    backlog = link.into_backlog();
                    event
                }
                Err(error) => Some(PortEvent::Closed(error)),
            };
            let Some(event) = event else { return };
            let (rest, goes_on) = match event {
                PortEvent::NotFound(_) if wireless => (radio_pause.after(Duration::ZERO), self.searches_again),
                PortEvent::NotFound(_) => (SEARCH_INTERVAL, self.searches_again),
                PortEvent::Closed(OpenError::Bluetooth { .. }) => (radio_pause.after(Duration::ZERO), self.persistent),
                _ if wireless => (radio_pause.after(clock.now().since(start)), self.persistent),
                _ => (REOPEN_PAUSE, self.persistent),
            };
            if !report(event) || !goes_on {
                return;
            }
            sleep(clock, rest);
        }
    }

    /// Uses an open port until it fails; `None` if the receiver is gone. If none of the known batteries answers on a reopened port,
    /// another BMS may be connected, and is searched for.
    fn use_port(
        &self,
        link: &mut Link,
        line: &mut Option<LineMembers>,
        report: &mut impl FnMut(PortEvent) -> bool,
    ) -> Option<PortEvent> {
        let mut returned = true;
        let known = match line {
            Some(known) => known,
            none => {
                returned = false;
                let found = match probe::search(link, &self.scope) {
                    Ok(found) => found,
                    Err(ProbeError::NotFound(heard)) => return Some(PortEvent::NotFound(heard)),
                    Err(ProbeError::Port(error)) => return Some(PortEvent::Broken(error)),
                };
                // Requests of other protocols during the search say nothing about this line.
                link.take_stats();
                let Some(members) = LineMembers::new(&found, link.now()) else {
                    return Some(PortEvent::NotFound(NotFound::new(link.name())));
                };
                let known = none.insert(members);
                if !report(PortEvent::Found(found)) {
                    return None;
                }
                known
            }
        };
        let mut deserted_after = DESERTED_AFTER;
        loop {
            match known.read(self, link, returned.then_some(deserted_after), report) {
                Ended::Unwanted => return None,
                Ended::Failed(error) => return Some(PortEvent::Broken(error)),
                Ended::Deserted => {}
            }
            deserted_after = DESERTED_SEARCH_INTERVAL;
            let scope = Scope { remembered: Some(known.first()), ..self.scope.clone() };
            let found = match probe::search(link, &scope) {
                Ok(found) => found,
                Err(ProbeError::NotFound(_)) => continue,
                Err(ProbeError::Port(error)) => return Some(PortEvent::Broken(error)),
            };
            link.take_stats();
            if !found.iter().any(|found| known.has(&found.candidate))
                && let Some(replacement) = known.replaced_by(&found, link.now())
            {
                *known = replacement;
                returned = false;
                if !report(PortEvent::Found(found)) {
                    return None;
                }
            }
        }
    }
}
