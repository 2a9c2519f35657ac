//! A port with prepared replies in simulated time, for tests instead of a BMS, a line and a clock.

use crate::base::time::Clock;
use crate::base::units::Moment;
use crate::bms::Line;
use crate::link::{Port, vanished};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A clock that advances only by sleeping and waiting. Clones show the same time.
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

/// Bytes that arrive some time after a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimedBytes {
    /// Delay after the request.
    pub after: Duration,
    /// The bytes, which arrive together.
    pub bytes: Vec<u8>,
}

impl TimedBytes {
    /// `bytes` after `ms` milliseconds.
    pub fn after_ms(ms: u64, bytes: &[u8]) -> Self {
        Self { after: Duration::from_millis(ms), bytes: bytes.to_vec() }
    }

    /// One entry per byte, at the speed of `line`: the behaviour of a bare UART.
    pub fn trickle(self, line: Line) -> Vec<Self> {
        let at = |count: usize| self.after.saturating_add(line.time_of(count));
        self.bytes.iter().enumerate().map(|(index, byte)| Self { after: at(index), bytes: vec![*byte] }).collect()
    }
}

/// Calls to a replay port, for tests.
#[derive(Debug, Clone, Default)]
pub struct PortLog {
    /// Bytes sent, and when.
    pub sent: Vec<(Moment, Vec<u8>)>,
    /// Line settings that were applied.
    pub lines: Vec<Line>,
    /// Number of `receive` calls, each of which is a wake-up.
    pub receives: usize,
}

/// The other end: called with the bytes sent and the line that they were sent on.
pub type Responder = Box<dyn FnMut(&[u8], Line) -> Vec<TimedBytes> + Send>;

/// Size of a tty's receive buffer; further bytes are lost.
const TTY_BUFFER: usize = 4095;

/// A port with prepared replies. [`ReplayPort::log`] shows the calls to it.
pub struct ReplayPort {
    clock: SimClock,
    line: Line,
    responder: Responder,
    coming: Vec<(Moment, Vec<u8>)>,
    arrived: VecDeque<u8>,
    repeated: Option<(Moment, Duration, Vec<u8>)>,
    vanishes: Option<Moment>,
    log: Arc<Mutex<PortLog>>,
}

impl ReplayPort {
    /// A port on `clock` with `responder` at the other end.
    pub fn new(clock: &SimClock, responder: impl FnMut(&[u8], Line) -> Vec<TimedBytes> + Send + 'static) -> Self {
        Self {
            clock: clock.clone(),
            line: Line { baud: 9600 },
            responder: Box::new(responder),
            coming: Vec::new(),
            arrived: VecDeque::new(),
            repeated: None,
            vanishes: None,
            log: Arc::default(),
        }
    }

    /// A port without any replies.
    pub fn silent(clock: &SimClock) -> Self {
        Self::new(clock, |_, _| Vec::new())
    }

    /// A port with `(request, answer)` pairs; each answer arrives `ms` milliseconds after its request.
    pub fn answering(clock: &SimClock, ms: u64, pairs: &[(&[u8], &[u8])]) -> Self {
        let pairs: Vec<(Vec<u8>, Vec<u8>)> = pairs.iter().map(|(request, answer)| (request.to_vec(), answer.to_vec())).collect();
        Self::new(clock, move |sent, _| {
            pairs.iter().filter(|(request, _)| request == sent).map(|(_, answer)| TimedBytes::after_ms(ms, answer)).collect()
        })
    }

    /// Lets `bytes` arrive at this time, unsolicited.
    pub fn at(mut self, moment: Moment, bytes: &[u8]) -> Self {
        self.schedule(moment, bytes.to_vec());
        self
    }

    /// Lets `bytes` arrive periodically from this time on.
    pub fn repeating(mut self, from: Moment, every: Duration, bytes: &[u8]) -> Self {
        self.repeated = Some((from, every.max(Duration::from_nanos(1)), bytes.to_vec()));
        self
    }

    /// Lets the device disappear at this time.
    pub fn vanishing(mut self, at: Moment) -> Self {
        self.vanishes = Some(at);
        self
    }

    /// Log of all further calls.
    pub fn log(&self) -> Arc<Mutex<PortLog>> {
        Arc::clone(&self.log)
    }

    fn write_log(&self, write: impl FnOnce(&mut PortLog)) {
        write(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner));
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

    /// Moves the bytes that have arrived by now into the buffer.
    fn arrive(&mut self) {
        let now = self.clock.now();
        let due = self.coming.partition_point(|(at, _)| *at <= now);
        for (_, bytes) in self.coming.drain(..due) {
            self.arrived.extend(bytes);
        }
        if let Some((next, every, bytes)) = &mut self.repeated {
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
        let repeated = self.repeated.as_ref().map(|(next, _, _)| *next);
        [coming, repeated, self.vanishes].into_iter().flatten().min()
    }
}

impl Port for ReplayPort {
    fn name(&self) -> &str {
        "script"
    }

    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.is_there()?;
        self.line = line;
        self.write_log(|log| log.lines.push(line));
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_there()?;
        let now = self.clock.now();
        self.write_log(|log| log.sent.push((now, bytes.to_vec())));
        for timed_bytes in (self.responder)(bytes, self.line) {
            self.schedule(now.after(timed_bytes.after), timed_bytes.bytes);
        }
        Ok(())
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        self.write_log(|log| log.receives = log.receives.saturating_add(1));
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
