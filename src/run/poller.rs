//! The port's side of `run`: a blocking loop that finds the batteries and reads them in turn.

use crate::bms::Protocol;
use crate::link::{Clock, Link, LinkError, OpenError, PollError, Port};
use crate::model::{LinkStats, Reading};
use crate::probe::{self, Candidate, Found, NotFound, ProbeError, Scope};
use crate::units::Moment;
use std::time::Duration;

/// How long a port that failed rests before it is opened again.
const REST: Duration = Duration::from_secs(1);

/// A battery that failed so often in a row no longer gets its turn on a line with others …
const PATIENCE: u32 = 3;
/// … but every so often: waiting for it costs the others their readings.
const ABSENCE: Duration = Duration::from_secs(10);

/// What the port's thread tells the rest of the program.
#[derive(Debug)]
pub enum PortEvent {
    /// The batteries on this port, in the order of their numbers, with their first readings.
    Found(Vec<Found>),
    /// Nothing that is known answers.
    NotFound(NotFound),
    /// A reading of battery `number`.
    Reading {
        /// Its place in `Found`.
        number: usize,
        /// What it said.
        reading: Box<Reading>,
        /// The line since the last report.
        line: LinkStats,
    },
    /// A poll of battery `number` failed.
    Missed {
        /// Its place in `Found`.
        number: usize,
        /// Why.
        error: PollError,
        /// The line since the last report.
        line: LinkStats,
    },
    /// The port cannot be opened.
    Closed(OpenError),
    /// The port failed while in use.
    Broken(LinkError),
}

/// Opens the port, anew after every failure.
pub type Opener = Box<dyn FnMut() -> Result<Box<dyn Port>, OpenError> + Send>;

/// What the loop works with.
pub struct Poller {
    /// Opens the port.
    pub open: Opener,
    /// What to look for.
    pub scope: Scope,
    /// Time from reading to reading of one battery.
    pub interval: Duration,
    /// A port that fails is opened again for ever; otherwise its failure ends the loop.
    pub persistent: bool,
}

/// One battery in the loop.
struct Polled {
    candidate: Candidate,
    protocol: Box<dyn Protocol>,
    known: Reading,
    due: Moment,
    /// Polls that failed since the last reading.
    missed: u32,
}

impl Poller {
    /// Runs until `tell` returns false, the search finds nothing, or the port ends it.
    pub fn run<C: Clock + Clone + 'static>(mut self, clock: &C, mut tell: impl FnMut(PortEvent) -> bool) {
        let mut batteries = Vec::new();
        loop {
            let event = match (self.open)() {
                Ok(port) => self.use_port(port, clock, &mut batteries, &mut tell),
                Err(error) => Some(PortEvent::Closed(error)),
            };
            let Some(event) = event else { return };
            let final_word = matches!(event, PortEvent::NotFound(_));
            if !tell(event) || final_word || !self.persistent {
                return;
            }
            clock.sleep(REST);
        }
    }

    /// Uses an open port until it fails; `None` when nobody listens any more.
    fn use_port<C: Clock + Clone + 'static>(
        &self,
        port: Box<dyn Port>,
        clock: &C,
        batteries: &mut Vec<Polled>,
        tell: &mut impl FnMut(PortEvent) -> bool,
    ) -> Option<PortEvent> {
        let mut link = Link::new(port, Box::new(clock.clone()));
        if batteries.is_empty() {
            let found = match probe::search(&mut link, &self.scope) {
                Ok(found) => found,
                Err(ProbeError::NotFound(heard)) => return Some(PortEvent::NotFound(heard)),
                Err(ProbeError::Port(error)) => return Some(PortEvent::Broken(error)),
            };
            let now = clock.now();
            batteries.extend(found.iter().map(|found| Polled {
                candidate: found.candidate,
                protocol: found.candidate.protocol(),
                known: found.reading.clone(),
                due: now.after(self.interval),
                missed: 0,
            }));
            // What other protocols were asked in the search says nothing about this line.
            link.take_stats();
            if !tell(PortEvent::Found(found)) {
                return None;
            }
        }
        self.read_in_turn(&mut link, clock, batteries, tell)
    }

    /// Reads whoever is due next, until the port fails; `None` when nobody listens any more.
    fn read_in_turn<C: Clock>(
        &self,
        link: &mut Link,
        clock: &C,
        batteries: &mut [Polled],
        tell: &mut impl FnMut(PortEvent) -> bool,
    ) -> Option<PortEvent> {
        let several = batteries.len() > 1;
        loop {
            let (number, battery) = batteries.iter_mut().enumerate().min_by_key(|(_, battery)| battery.due)?;
            clock.sleep(battery.due.since(clock.now()));
            // From start to start; a poll that took too long is not made up for.
            battery.due = battery.due.after(self.interval).max(clock.now());
            let event = match poll(link, battery) {
                Ok(()) => {
                    battery.missed = 0;
                    PortEvent::Reading { number, reading: Box::new(battery.known.clone()), line: link.take_stats() }
                }
                Err(PollError { error, .. }) if error.is_port() => return Some(PortEvent::Broken(error)),
                Err(error) => {
                    battery.missed = battery.missed.saturating_add(1);
                    if several && battery.missed >= PATIENCE {
                        battery.due = battery.due.max(clock.now().after(ABSENCE));
                    }
                    PortEvent::Missed { number, error, line: link.take_stats() }
                }
            };
            if !tell(event) {
                return None;
            }
        }
    }
}

fn poll(link: &mut Link, battery: &mut Polled) -> Result<(), PollError> {
    let Candidate { driver, line, .. } = battery.candidate;
    link.prepare(line, driver.gap).map_err(|error| PollError { what: "line settings", tries: 1, error })?;
    battery.known = link.poll(battery.protocol.as_mut(), &battery.known)?;
    Ok(())
}
