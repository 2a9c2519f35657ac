//! A port that records all traffic with times.

use crate::base::time::Clock;
use crate::base::units::Moment;
use crate::bms::Line;
use crate::link::{Port, drain};
use crate::recording::file::{Direction, Event, MAX_EVENT, MAX_EVENTS};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Maximum number of recorded bytes: in hex they fill half of the longest file that can be read.
pub const MAX_BYTES: usize = crate::recording::file::MAX_FILE / 4;

/// A wait is split into slices of this length, so that the end of the recording is noticed soon.
const RECEIVE_SLICE: Duration = Duration::from_millis(100);

/// Recorded traffic of a line. Clones share the same capture.
#[derive(Debug, Clone)]
pub struct Capture {
    buffer: Arc<Mutex<CaptureBuffer>>,
    stop: &'static AtomicBool,
    start: Moment,
    end: Moment,
}

#[derive(Debug, Default)]
struct CaptureBuffer {
    events: Vec<Event>,
    bytes: usize,
    /// Speed of the line, and whether the next event has to contain it.
    baud: Option<u32>,
    is_new: bool,
}

impl Capture {
    /// A capture that starts at `start` and ends after `time`, when it is full, or when `stop` is set.
    pub fn new(start: Moment, time: Duration, stop: &'static AtomicBool) -> Self {
        Self { buffer: Arc::default(), stop, start, end: start.after(time) }
    }

    /// Whether recording has ended.
    pub fn is_over(&self, now: Moment) -> bool {
        now >= self.end || self.stop.load(Ordering::Relaxed) || self.lock(|buffer| buffer.is_full())
    }

    /// Returns the recorded events, with times from the start, and empties the capture.
    pub fn take(&self) -> Vec<Event> {
        self.lock(|buffer| std::mem::take(&mut buffer.events))
    }

    fn lock<T>(&self, access: impl FnOnce(&mut CaptureBuffer) -> T) -> T {
        access(&mut self.buffer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn append(&self, now: Moment, direction: Direction, bytes: &[u8]) {
        self.lock(|buffer| {
            for bytes in bytes.chunks(MAX_EVENT) {
                if buffer.is_full() {
                    return;
                }
                let baud = buffer.baud.filter(|_| std::mem::take(&mut buffer.is_new));
                buffer.bytes = buffer.bytes.saturating_add(bytes.len());
                buffer.events.push(Event { at: now.since(self.start), baud, direction, bytes: bytes.to_vec() });
            }
        });
    }

    fn set_line_speed(&self, line: Line) {
        if line.is_can() {
            return;
        }
        self.lock(|buffer| {
            buffer.is_new |= buffer.baud != Some(line.baud);
            buffer.baud = Some(line.baud);
        });
    }
}

impl CaptureBuffer {
    fn is_full(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.bytes >= MAX_BYTES
    }
}

/// A port with a running capture. After the end of the capture every call fails, which ends the user of the port.
pub struct CapturePort<C> {
    port: Box<dyn Port>,
    clock: C,
    capture: Capture,
}

impl<C: Clock> CapturePort<C> {
    /// Records the traffic of `port`.
    pub fn new(port: Box<dyn Port>, clock: C, capture: Capture) -> Self {
        Self { port, clock, capture }
    }

    fn check(&self) -> io::Result<()> {
        if self.capture.is_over(self.clock.now()) { Err(io::Error::other("the recording is over")) } else { Ok(()) }
    }
}

impl<C: Clock> Port for CapturePort<C> {
    fn name(&self) -> &str {
        self.port.name()
    }

    fn families(&self) -> Option<&[&'static str]> {
        self.port.families()
    }

    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.check()?;
        self.port.set_line(line)?;
        self.capture.set_line_speed(line);
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        self.port.send(bytes)?;
        self.capture.append(self.clock.now(), Direction::Sent, bytes);
        Ok(())
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let latest = self.clock.now().after(wait);
        loop {
            self.check()?;
            let left = latest.since(self.clock.now());
            let n = self.port.receive(buf, left.min(RECEIVE_SLICE))?;
            if n > 0 {
                self.capture.append(self.clock.now(), Direction::Received, buf.get(..n).unwrap_or_default());
            }
            if n > 0 || left <= RECEIVE_SLICE {
                return Ok(n);
            }
        }
    }

    /// Discarded bytes may be the most informative ones: record them first.
    fn clear(&mut self) -> io::Result<()> {
        drain(self)?;
        self.port.clear()
    }
}
