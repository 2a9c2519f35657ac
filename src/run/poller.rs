//! The port's side of `run`: a blocking loop that finds the batteries and reads them in turn, or hears them where a master asks.

mod line;

use crate::link::{Clock, Link, LinkError, OpenError, PollError, Port};
use crate::model::{Command, LinkStats, Outcome, Reading};
use crate::probe::{self, Found, NotFound, ProbeError, Scope};
use crate::units::Moment;
use line::LineInUse;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// How long a port that failed rests before it is opened again.
const REST: Duration = Duration::from_secs(1);

/// How long a port without a battery rests before it is searched again.
const SEARCH_AGAIN: Duration = Duration::from_secs(30);

/// What the port's thread tells the rest of the program.
#[derive(Debug)]
pub enum PortEvent {
    /// Batteries that were found, with their first readings. They are numbered in the order in which they are told: those of
    /// the search come first, others may join them later.
    Found(Vec<Found>),
    /// Nothing that is known answers.
    NotFound(NotFound),
    /// A reading of battery `number`.
    Reading {
        /// Its place among the batteries found.
        number: usize,
        /// What it said.
        reading: Box<Reading>,
        /// When: the readings of a round are told together.
        at: Moment,
        /// The line since the last report.
        line: LinkStats,
    },
    /// A poll of battery `number` failed.
    Missed {
        /// Its place among the batteries found.
        number: usize,
        /// Why.
        error: PollError,
        /// The line since the last report.
        line: LinkStats,
    },
    /// What became of a command to battery `number`.
    Obeyed {
        /// Its place among the batteries found.
        number: usize,
        /// What.
        outcome: Outcome,
    },
    /// What a command that was broken off may have left with battery `number` is put right.
    Tidied {
        /// Its place among the batteries found.
        number: usize,
    },
    /// The port cannot be opened.
    Closed(OpenError),
    /// The port failed while in use.
    Broken(LinkError),
}

/// Something that is to be told to the BMS of battery `number`. One that had to wait for long is dropped: nobody expects it any
/// more.
#[derive(Debug, Clone, Copy)]
pub struct PortOrder {
    /// Its place among the batteries found.
    pub number: usize,
    /// The command; `None` only puts right what one that was broken off may have left.
    pub command: Option<Command>,
    /// When it was given.
    pub at: Moment,
    /// The time if it is known, seconds since 1970.
    pub unix: Option<u64>,
}

/// An order that is older is not carried out.
pub const PATIENCE_OF_ORDERS: Duration = Duration::from_secs(8);

/// The readings of a round wait for each other for less than a second. One that waited longer was overtaken by time: the program
/// was suspended, and what it says is no longer so.
pub fn is_overtaken(at: Moment, now: Moment) -> bool {
    now.since(at) > Duration::from_secs(2)
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
    /// Where another master asks, requests are put in between for what it does not ask.
    pub active_fill: bool,
    /// Where commands come from, if they are enabled.
    pub orders: Option<Receiver<PortOrder>>,
    /// A port that fails is opened again for ever; otherwise its failure ends the loop.
    pub persistent: bool,
    /// A port without a battery is searched again for ever; otherwise that ends the loop.
    pub hopeful: bool,
}

impl Poller {
    /// Runs until `tell` returns false, the search finds nothing, or the port ends it.
    pub fn run<C: Clock + Clone + 'static>(mut self, clock: &C, mut tell: impl FnMut(PortEvent) -> bool) {
        let mut line = None;
        loop {
            let event = match (self.open)() {
                Ok(port) => self.use_port(port, clock, &mut line, &mut tell),
                Err(error) => Some(PortEvent::Closed(error)),
            };
            let Some(event) = event else { return };
            let (rest, goes_on) = match event {
                PortEvent::NotFound(_) => (SEARCH_AGAIN, self.hopeful),
                _ => (REST, self.persistent),
            };
            if !tell(event) || !goes_on {
                return;
            }
            clock.sleep(rest);
        }
    }

    /// Uses an open port until it fails; `None` when nobody listens any more.
    fn use_port<C: Clock + Clone + 'static>(
        &self,
        port: Box<dyn Port>,
        clock: &C,
        line: &mut Option<LineInUse>,
        tell: &mut impl FnMut(PortEvent) -> bool,
    ) -> Option<PortEvent> {
        let mut link = Link::new(port, Box::new(clock.clone()));
        let line = match line {
            Some(line) => line,
            none => {
                let found = match probe::search(&mut link, &self.scope) {
                    Ok(found) => found,
                    Err(ProbeError::NotFound(heard)) => return Some(PortEvent::NotFound(heard)),
                    Err(ProbeError::Port(error)) => return Some(PortEvent::Broken(error)),
                };
                // What other protocols were asked in the search says nothing about this line.
                link.take_stats();
                let line = none.insert(LineInUse::new(&found, self, clock.now()));
                if !tell(PortEvent::Found(found)) {
                    return None;
                }
                line
            }
        };
        line.read(self, &mut link, tell)
    }
}
