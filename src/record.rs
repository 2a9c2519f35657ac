//! `record`: finds the batteries on a port, reads them for a while, and keeps all that goes over the line. What an owner sends
//! when something is wrong, and what becomes a test.

use crate::bms::{Driver, Line};
use crate::link::record::{Recorder, Tape};
use crate::link::{Clock, LinkError, OpenError, Port};
use crate::probe::{Candidate, NotFound, Scope};
use crate::run::poller::{Poller, PortEvent};
use crate::vector::{Direction, UNKNOWN, Vector};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Longest wait for a byte while listening.
const WAIT: Duration = Duration::from_millis(100);

/// What is to be recorded.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What may be on the port.
    pub scope: Scope,
    /// How it is heard.
    pub manner: Manner,
    /// How long, the search included.
    pub time: Duration,
    /// What the owner has to say about it.
    pub note: Option<String>,
}

/// Who speaks first.
#[derive(Debug, Clone)]
pub enum Manner {
    /// The batteries are searched for, then each is read at this interval.
    Ask {
        /// From reading to reading.
        interval: Duration,
    },
    /// Nothing is sent; each of these lines gets its share of the time.
    Listen {
        /// At least one.
        lines: Vec<Line>,
    },
}

/// What came of it.
#[derive(Debug)]
pub struct Recorded {
    /// The recording, without passwords, and with what this version reads out of it.
    pub recording: Vector,
    /// The batteries that answered.
    pub found: Vec<Candidate>,
    /// Full readings.
    pub readings: usize,
    /// Readings that failed.
    pub missed: usize,
    /// What was heard in place of a battery.
    pub not_found: Option<NotFound>,
    /// The port failed before the time was over.
    pub broken: Option<LinkError>,
}

/// Records what goes over `port` until the time is over or `stop` is set.
pub fn record<C: Clock + Clone + 'static>(port: Box<dyn Port>, clock: &C, plan: &Plan, stop: &'static AtomicBool) -> Recorded {
    let tape = Tape::new(clock.now(), plan.time, stop);
    let name = port.name().to_owned();
    let port = Box::new(Recorder::new(port, clock.clone(), tape.clone()));
    let mut session = Session::default();
    match &plan.manner {
        Manner::Ask { interval } => session.ask(port, clock, &plan.scope, *interval, &tape),
        Manner::Listen { lines } => session.listen(port, clock, lines, plan.time, &tape),
    }
    let recording = session.recording(&name, plan, &tape);
    let Session { found, readings, missed, not_found, broken, .. } = session;
    Recorded { recording, found, readings, missed, not_found, broken }
}

/// What has happened so far.
#[derive(Default)]
struct Session {
    found: Vec<Candidate>,
    readings: usize,
    missed: usize,
    last_miss: Option<String>,
    not_found: Option<NotFound>,
    broken: Option<LinkError>,
}

impl Session {
    fn ask<C: Clock + Clone + 'static>(&mut self, port: Box<dyn Port>, clock: &C, scope: &Scope, interval: Duration, tape: &Tape) {
        let mut port = Some(port);
        let open = move || port.take().ok_or_else(|| OpenError::Missing { name: "the port".to_owned() });
        let poller = Poller {
            open: Box::new(open),
            scope: scope.clone(),
            interval,
            active_fill: false,
            orders: None,
            persistent: false,
            hopeful: false,
        };
        poller.run(clock, |event| {
            let over = tape.is_over(clock.now());
            match event {
                PortEvent::Found(found) => {
                    self.readings = self.readings.saturating_add(found.len());
                    self.found.extend(found.iter().map(|found| found.candidate));
                }
                PortEvent::NotFound(heard) => self.not_found = Some(heard),
                PortEvent::Reading { .. } => self.readings = self.readings.saturating_add(1),
                PortEvent::Missed { error, .. } => {
                    self.missed = self.missed.saturating_add(1);
                    self.last_miss = Some(error.to_string());
                }
                // A tape that is over fails on purpose.
                PortEvent::Broken(error) if !over => self.broken = Some(error),
                PortEvent::Broken(_) | PortEvent::Closed(_) | PortEvent::Obeyed { .. } | PortEvent::Tidied { .. } => {}
            }
            !over
        });
    }

    fn listen<C: Clock>(&mut self, mut port: Box<dyn Port>, clock: &C, lines: &[Line], time: Duration, tape: &Tape) {
        let share = time / u32::try_from(lines.len()).unwrap_or(u32::MAX).max(1);
        let mut buf = [0; 512];
        let mut until = clock.now();
        for line in lines {
            until = until.after(share);
            let mut result = port.set_line(*line);
            while result.is_ok() && clock.now() < until {
                result = port.receive(&mut buf, WAIT.min(until.since(clock.now()))).map(drop);
            }
            match result {
                Err(_) if tape.is_over(clock.now()) => return,
                Err(error) => {
                    self.broken = Some(error.into());
                    return;
                }
                Ok(()) => {}
            }
        }
    }

    /// The tape as a recording.
    fn recording(&self, port: &str, plan: &Plan, tape: &Tape) -> Vector {
        let kind = if port.contains("://") { "TCP serial server" } else { "serial port" };
        // Who is only overheard, or not understood at all, answers no request of ours.
        let overheard = |candidate: &Candidate| candidate.protocol().identify().bytes.is_empty();
        let mut recording = Vector {
            bms: UNKNOWN.to_owned(),
            source: format!("recorded by {} {} on a {kind}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            recorded: true,
            note: self.note(plan),
            anything: self.found.is_empty() || self.found.iter().any(overheard),
            traffic: tape.take(),
            readings: Vec::new(),
        };
        recording.redact();
        let found = self.found.first().map(|candidate| candidate.driver);
        if let Some(driver) = found.or_else(|| speaker(&recording, &plan.scope.drivers)) {
            recording.expect_what_comes(driver);
        }
        recording
    }

    /// What a reader of the recording has to know; the name of the port, which may hold an address, is not among it.
    fn note(&self, plan: &Plan) -> Option<String> {
        let heard = self.not_found.clone().map(|heard| NotFound { port: "the port".to_owned(), ..heard }.to_string());
        let missed = self.last_miss.as_ref().map(|last| {
            let all = self.readings.saturating_add(self.missed);
            format!("{} of {all} readings failed, the last: {last}", self.missed)
        });
        let broken = self.broken.as_ref().map(|error| match error {
            LinkError::Vanished(_) => "the port vanished".to_owned(),
            error => error.to_string(),
        });
        let listened = match &plan.manner {
            Manner::Ask { .. } => None,
            Manner::Listen { lines } => {
                let speeds: Vec<String> = lines.iter().map(|line| line.baud.to_string()).collect();
                Some(format!("listened at {} baud for {} s, nothing was sent", speeds.join(", "), plan.time.as_secs()))
            }
        };
        let parts: Vec<String> = [plan.note.clone(), listened, heard, missed, broken].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// Whose frames are in the recording: of several drivers the one with the most.
fn speaker(recording: &Vector, drivers: &[&'static Driver]) -> Option<&'static Driver> {
    if let [only] = drivers {
        return Some(only);
    }
    let frames = |driver: &'static Driver| recording.play(driver).frames;
    let heard = recording.traffic.iter().any(|event| event.direction == Direction::Received);
    let counted = drivers.iter().filter(|_| heard).map(|driver| (frames(driver), *driver));
    // Of equals the first: the registry has its order for a reason.
    counted.filter(|(frames, _)| *frames > 0).rev().max_by_key(|(frames, _)| *frames).map(|(_, driver)| driver)
}
