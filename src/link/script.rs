//! A port that plays a script in simulated time: what tests use in place of a BMS, a line and a clock.

use super::{Clock, Port, vanished};
use crate::bms::Line;
use crate::units::Moment;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A clock that moves only when somebody sleeps or waits. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct SimClock(Arc<AtomicU64>);

impl SimClock {
    fn advance_to(&self, moment: Moment) {
        self.0.fetch_max(nanos(moment.since_origin()), Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Moment {
        Moment::new(Duration::from_nanos(self.0.load(Ordering::Relaxed)))
    }
    fn sleep(&self, time: Duration) {
        self.advance_to(self.now().after(time));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Bytes that arrive some time after their cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// How long after the request.
    pub after: Duration,
    /// What arrives, all at once.
    pub bytes: Vec<u8>,
}

impl Sound {
    /// `bytes` after so many milliseconds.
    pub fn after_ms(ms: u64, bytes: &[u8]) -> Self {
        Self { after: Duration::from_millis(ms), bytes: bytes.to_vec() }
    }

    /// One sound for each of the bytes, at the pace of `line`: what a bare UART delivers.
    pub fn trickle(self, line: Line) -> Vec<Self> {
        let at = |count: usize| self.after.saturating_add(line.time_of(count));
        self.bytes.iter().enumerate().map(|(index, byte)| Self { after: at(index), bytes: vec![*byte] }).collect()
    }
}

/// What was done to a script port, for a test to look at.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// What was sent, and when.
    pub sent: Vec<(Moment, Vec<u8>)>,
    /// The lines that were set.
    pub lines: Vec<Line>,
    /// Calls of `receive`, each of which is a wake-up.
    pub receives: usize,
}

/// What answers: gets the bytes sent and the line they were sent on.
pub type Responder = Box<dyn FnMut(&[u8], Line) -> Vec<Sound> + Send>;

/// As much as a tty holds for a reader; what is more is lost.
const TTY_BUFFER: usize = 4095;

/// A scripted port. Clones made before use by [`ScriptPort::record`] show what happened.
pub struct ScriptPort {
    clock: SimClock,
    line: Line,
    responder: Responder,
    coming: Vec<(Moment, Vec<u8>)>,
    arrived: VecDeque<u8>,
    babble: Option<(Moment, Duration, Vec<u8>)>,
    vanishes: Option<Moment>,
    record: Arc<Mutex<Record>>,
}

impl ScriptPort {
    /// A port on `clock` with `responder` at the other end.
    pub fn new(clock: &SimClock, responder: impl FnMut(&[u8], Line) -> Vec<Sound> + Send + 'static) -> Self {
        Self {
            clock: clock.clone(),
            line: Line { baud: 9600 },
            responder: Box::new(responder),
            coming: Vec::new(),
            arrived: VecDeque::new(),
            babble: None,
            vanishes: None,
            record: Arc::default(),
        }
    }

    /// A port where nothing ever answers.
    pub fn silent(clock: &SimClock) -> Self {
        Self::new(clock, |_, _| Vec::new())
    }

    /// A port where each of the `(request, answer)` pairs holds, `ms` milliseconds after the request.
    pub fn answering(clock: &SimClock, ms: u64, pairs: &[(&[u8], &[u8])]) -> Self {
        let pairs: Vec<(Vec<u8>, Vec<u8>)> = pairs.iter().map(|(request, answer)| (request.to_vec(), answer.to_vec())).collect();
        Self::new(clock, move |sent, _| {
            pairs.iter().filter(|(request, _)| request == sent).map(|(_, answer)| Sound::after_ms(ms, answer)).collect()
        })
    }

    /// Lets `bytes` arrive at a moment, unasked.
    pub fn at(mut self, moment: Moment, bytes: &[u8]) -> Self {
        self.schedule(moment, bytes.to_vec());
        self
    }

    /// Lets `bytes` arrive again and again, from a moment on.
    pub fn babbling(mut self, from: Moment, every: Duration, bytes: &[u8]) -> Self {
        self.babble = Some((from, every.max(Duration::from_nanos(1)), bytes.to_vec()));
        self
    }

    /// Lets the device vanish at a moment.
    pub fn vanishing(mut self, at: Moment) -> Self {
        self.vanishes = Some(at);
        self
    }

    /// What is done to the port from now on.
    pub fn record(&self) -> Arc<Mutex<Record>> {
        Arc::clone(&self.record)
    }

    fn note(&self, write: impl FnOnce(&mut Record)) {
        write(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn schedule(&mut self, moment: Moment, bytes: Vec<u8>) {
        let place = self.coming.partition_point(|(at, _)| *at <= moment);
        self.coming.insert(place, (moment, bytes));
    }

    fn is_there(&self) -> io::Result<()> {
        match self.vanishes {
            Some(moment) if moment <= self.clock.now() => Err(vanished(self.name())),
            _ => Ok(()),
        }
    }

    /// Moves what has come by now into the buffer.
    fn arrive(&mut self) {
        let now = self.clock.now();
        let due = self.coming.partition_point(|(at, _)| *at <= now);
        for (_, bytes) in self.coming.drain(..due) {
            self.arrived.extend(bytes);
        }
        if let Some((next, every, bytes)) = &mut self.babble {
            while *next <= now {
                if self.arrived.len() < TTY_BUFFER {
                    self.arrived.extend(bytes.iter());
                }
                *next = next.after(*every);
            }
        }
        self.arrived.truncate(TTY_BUFFER);
    }

    fn next_event(&self) -> Option<Moment> {
        let coming = self.coming.first().map(|(at, _)| *at);
        let babble = self.babble.as_ref().map(|(next, _, _)| *next);
        [coming, babble, self.vanishes].into_iter().flatten().min()
    }
}

impl Port for ScriptPort {
    fn name(&self) -> &str {
        "script"
    }

    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.is_there()?;
        self.line = line;
        self.note(|record| record.lines.push(line));
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_there()?;
        let now = self.clock.now();
        self.note(|record| record.sent.push((now, bytes.to_vec())));
        for sound in (self.responder)(bytes, self.line) {
            self.schedule(now.after(sound.after), sound.bytes);
        }
        Ok(())
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        self.note(|record| record.receives = record.receives.saturating_add(1));
        self.arrive();
        if self.arrived.is_empty() {
            let latest = self.clock.now().after(wait);
            self.clock.advance_to(self.next_event().map_or(latest, |event| event.min(latest)));
            self.arrive();
        }
        self.is_there()?;
        let n = self.arrived.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(self.arrived.drain(..n)) {
            *to = from;
        }
        Ok(n)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.is_there()?;
        self.arrive();
        self.arrived.clear();
        Ok(())
    }
}
