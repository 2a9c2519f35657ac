//! A port that keeps what goes over it, with times.

use super::{Clock, Port};
use crate::bms::Line;
use crate::units::Moment;
use crate::vector::{Direction, Event, MAX_EVENT, MAX_EVENTS};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most bytes that are kept: twice as many hex digits are half of the longest file that is read again.
pub const MAX_BYTES: usize = crate::vector::MAX_FILE / 4;

/// A wait is cut into pieces of this length, to notice soon that the recording is over.
const PATIENCE: Duration = Duration::from_millis(100);

/// A server that never stops talking must not hold us: so many reads of 512 bytes are more than a tty holds.
const DRAIN: usize = 16;

/// What went over a line. Clones are the same tape.
#[derive(Debug, Clone)]
pub struct Tape {
    kept: Arc<Mutex<Kept>>,
    stop: &'static AtomicBool,
    start: Moment,
    end: Moment,
}

#[derive(Debug, Default)]
struct Kept {
    events: Vec<Event>,
    bytes: usize,
    /// Speed of the line, and whether the next event has to tell it.
    baud: Option<u32>,
    is_new: bool,
}

impl Tape {
    /// A tape that starts at `start` and ends after `time`, when it is full, or when `stop` is set.
    pub fn new(start: Moment, time: Duration, stop: &'static AtomicBool) -> Self {
        Self { kept: Arc::default(), stop, start, end: start.after(time) }
    }

    /// Whether nothing more is recorded at this moment.
    pub fn is_over(&self, now: Moment) -> bool {
        now >= self.end || self.stop.load(Ordering::Relaxed) || self.with(|kept| kept.is_full())
    }

    /// What was recorded, with times from the start; the tape is empty after that.
    pub fn take(&self) -> Vec<Event> {
        self.with(|kept| std::mem::take(&mut kept.events))
    }

    fn with<T>(&self, access: impl FnOnce(&mut Kept) -> T) -> T {
        access(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, now: Moment, direction: Direction, bytes: &[u8]) {
        self.with(|kept| {
            for bytes in bytes.chunks(MAX_EVENT) {
                if kept.is_full() {
                    return;
                }
                let baud = kept.baud.filter(|_| std::mem::take(&mut kept.is_new));
                kept.bytes = kept.bytes.saturating_add(bytes.len());
                kept.events.push(Event { at: now.since(self.start), baud, direction, bytes: bytes.to_vec() });
            }
        });
    }

    fn note_line(&self, line: Line) {
        self.with(|kept| {
            kept.is_new |= kept.baud != Some(line.baud);
            kept.baud = Some(line.baud);
        });
    }
}

impl Kept {
    fn is_full(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.bytes >= MAX_BYTES
    }
}

/// A port with a tape running. When the tape is over every call fails, so that whatever uses the port ends.
pub struct Recorder<C> {
    port: Box<dyn Port>,
    clock: C,
    tape: Tape,
}

impl<C: Clock> Recorder<C> {
    /// Records what goes over `port`.
    pub fn new(port: Box<dyn Port>, clock: C, tape: Tape) -> Self {
        Self { port, clock, tape }
    }

    fn check(&self) -> io::Result<()> {
        if self.tape.is_over(self.clock.now()) { Err(io::Error::other("the recording is over")) } else { Ok(()) }
    }
}

impl<C: Clock> Port for Recorder<C> {
    fn name(&self) -> &str {
        self.port.name()
    }

    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.check()?;
        self.port.set_line(line)?;
        self.tape.note_line(line);
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        self.port.send(bytes)?;
        self.tape.keep(self.clock.now(), Direction::Sent, bytes);
        Ok(())
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let latest = self.clock.now().after(wait);
        loop {
            self.check()?;
            let left = latest.since(self.clock.now());
            let n = self.port.receive(buf, left.min(PATIENCE))?;
            if n > 0 {
                self.tape.keep(self.clock.now(), Direction::Received, buf.get(..n).unwrap_or_default());
            }
            if n > 0 || left <= PATIENCE {
                return Ok(n);
            }
        }
    }

    /// What nobody wants to read may be what tells most: it is recorded, then dropped.
    fn clear(&mut self) -> io::Result<()> {
        let mut buf = [0; 512];
        for _ in 0..DRAIN {
            if self.receive(&mut buf, Duration::ZERO)? < buf.len() {
                break;
            }
        }
        self.port.clear()
    }
}
