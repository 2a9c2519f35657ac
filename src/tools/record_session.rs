//! `record`: finds the batteries on a port, reads them for a while, and records all traffic, for a report by an owner or as a test.

use crate::base::time::Clock;
use crate::bms::{Driver, Line};
use crate::link::{LinkError, OpenError, Port};
use crate::probe::{Candidate, NotFound, Scope};
use crate::recording::capture::{Capture, CapturePort};
use crate::recording::file::{Direction, Recording, UNKNOWN};
use crate::service::port_worker::{PortEvent, PortWorker};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Maximum wait for a byte while listening.
const RECEIVE_SLICE: Duration = Duration::from_millis(100);

/// Parameters of a recording.
#[derive(Debug, Clone)]
pub struct RecordPlan {
    /// BMS families and lines to try.
    pub scope: Scope,
    /// Mode.
    pub mode: RecordMode,
    /// Duration, search included.
    pub time: Duration,
    /// The owner's note.
    pub note: Option<String>,
}

/// Whether requests are sent.
#[derive(Debug, Clone)]
pub enum RecordMode {
    /// Search for batteries, then read each at this interval.
    Ask {
        /// Read interval.
        interval: Duration,
    },
    /// Send nothing; each of these lines gets its share of the time.
    Listen {
        /// At least one.
        lines: Vec<Line>,
    },
}

/// Result of a recording.
#[derive(Debug)]
pub struct RecordResult {
    /// The recording without passwords, with the readings that this version decodes.
    pub recording: Recording,
    /// The batteries found.
    pub found: Vec<Candidate>,
    /// Number of complete readings.
    pub readings: usize,
    /// Number of failed readings.
    pub missed: usize,
    /// What was received instead of a battery.
    pub not_found: Option<NotFound>,
    /// The port failed before the end.
    pub broken: Option<LinkError>,
}

/// Records the traffic of `port` until the end of the time or until `stop` is set.
pub fn record<C: Clock + Clone + 'static>(
    port: Box<dyn Port>,
    clock: &C,
    plan: &RecordPlan,
    stop: &'static AtomicBool,
) -> RecordResult {
    let capture = Capture::new(clock.now(), plan.time, stop);
    let name = port.name().to_owned();
    let port = Box::new(CapturePort::new(port, clock.clone(), capture.clone()));
    let mut session = Session::default();
    match &plan.mode {
        RecordMode::Ask { interval } => session.ask(port, clock, &plan.scope, *interval, &capture),
        RecordMode::Listen { lines } => session.listen(port, clock, lines, plan.time, &capture),
    }
    let recording = session.recording(&name, plan, &capture);
    let Session { found, readings, missed, not_found, broken, .. } = session;
    RecordResult { recording, found, readings, missed, not_found, broken }
}

/// Progress of a recording.
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
    fn ask<C: Clock + Clone + 'static>(
        &mut self,
        port: Box<dyn Port>,
        clock: &C,
        scope: &Scope,
        interval: Duration,
        capture: &Capture,
    ) {
        let mut port = Some(port);
        let open = move || port.take().ok_or_else(|| OpenError::Missing { name: "the port".to_owned() });
        let worker = PortWorker {
            open: Box::new(open),
            scope: scope.clone(),
            interval,
            active_fill: false,
            commands: None,
            persistent: false,
            searches_again: false,
        };
        worker.run(clock, |event| {
            let over = capture.is_over(clock.now());
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
                // The end of the capture causes an error on purpose.
                PortEvent::Broken(error) if !over => self.broken = Some(error),
                PortEvent::Broken(_) | PortEvent::Closed(_) | PortEvent::CommandDone { .. } | PortEvent::CleanedUp { .. } => {}
            }
            !over
        });
    }

    fn listen<C: Clock>(&mut self, mut port: Box<dyn Port>, clock: &C, lines: &[Line], time: Duration, capture: &Capture) {
        let share = time.checked_div(u32::try_from(lines.len()).unwrap_or(u32::MAX)).unwrap_or(time);
        let mut buf = [0; 512];
        let mut until = clock.now();
        for line in lines {
            until = until.after(share);
            let mut result = port.set_line(*line);
            while result.is_ok() && clock.now() < until {
                result = port.receive(&mut buf, RECEIVE_SLICE.min(until.since(clock.now()))).map(drop);
            }
            match result {
                Err(_) if capture.is_over(clock.now()) => return,
                Err(error) => {
                    self.broken = Some(error.into());
                    return;
                }
                Ok(()) => {}
            }
        }
    }

    /// Converts the capture to a recording.
    fn recording(&self, port: &str, plan: &RecordPlan, capture: &Capture) -> Recording {
        let kind = match port.split_once("://") {
            Some(("ble", _)) => "Bluetooth device",
            Some(("can", _)) => "CAN interface",
            Some(_) => "TCP serial server",
            None => "serial port",
        };
        // A BMS that is only overheard, or not understood, does not reply to our requests.
        let overheard = |candidate: &Candidate| candidate.protocol().identify().bytes.is_empty();
        let mut recording = Recording {
            bms: UNKNOWN.to_owned(),
            source: format!("recorded by {} {} on a {kind}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            recorded: true,
            note: self.note(plan),
            any_valid_frame: self.found.is_empty() || self.found.iter().any(overheard),
            traffic: capture.take(),
            readings: Vec::new(),
            flight: None,
        };
        recording.redact();
        let found = self.found.first().map(|candidate| candidate.driver);
        if let Some(driver) = found.or_else(|| likely_driver(&recording, &plan.scope.drivers)) {
            recording.set_expected_readings(driver);
        }
        recording
    }

    /// Information for readers of the recording; without the port's name, which may contain an address.
    fn note(&self, plan: &RecordPlan) -> Option<String> {
        let heard = self.not_found.clone().map(|heard| NotFound { port: "the port".to_owned(), ..heard }.to_string());
        let missed = self.last_miss.as_ref().map(|last| {
            let all = self.readings.saturating_add(self.missed);
            format!("{} of {all} readings failed, the last: {last}", self.missed)
        });
        let broken = self.broken.as_ref().map(|error| match error {
            LinkError::Vanished(_) => "the port vanished".to_owned(),
            error => error.to_string(),
        });
        let listened = match &plan.mode {
            RecordMode::Ask { .. } => None,
            RecordMode::Listen { lines } => {
                let at = match lines.iter().all(|line| line.is_can()) {
                    true => "on the CAN bus".to_owned(),
                    false => format!("at {} baud", lines.iter().map(|line| line.baud.to_string()).collect::<Vec<_>>().join(", ")),
                };
                Some(format!("listened {at} for {} s, nothing was sent", plan.time.as_secs()))
            }
        };
        let parts: Vec<String> = [plan.note.clone(), listened, heard, missed, broken].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// The driver with the most frames in the recording.
fn likely_driver(recording: &Recording, drivers: &[&'static Driver]) -> Option<&'static Driver> {
    if let [only] = drivers {
        return Some(only);
    }
    let frames = |driver: &'static Driver| recording.play(driver).frames;
    let heard = recording.traffic.iter().any(|event| event.direction == Direction::Received);
    let counted = drivers.iter().filter(|_| heard).map(|driver| (frames(driver), *driver));
    // Of equal counts the first: the registry's order is deliberate.
    counted.filter(|(frames, _)| *frames > 0).rev().max_by_key(|(frames, _)| *frames).map(|(_, driver)| driver)
}
