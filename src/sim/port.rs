//! A simulated line as a port, on any clock: hours of a chain pass in seconds.

use super::fault::{Faults, Injector};
use super::line::answer;
use super::{Reply, Responder, Unit};
use crate::base::time::Clock;
use crate::base::units::Moment;
use crate::bms::Line;
use crate::link::Port;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Time from a request to the first byte of its reply.
const ANSWER_LATENCY: Duration = Duration::from_millis(38);
/// Bytes that arrive together, as from a UART's buffer.
const BYTES_AT_ONCE: usize = 16;
/// Size of a tty's receive buffer; further bytes are lost.
const TTY_BUFFER: usize = 4095;

/// Data shared by a simulated line and its observer.
pub struct SharedLine {
    /// The batteries.
    pub units: Vec<Unit>,
    /// What was sent to the line, and when.
    pub sent: Vec<(Moment, Vec<u8>)>,
}

/// A port with a simulation at the other end.
pub struct SimPort<C> {
    clock: C,
    responder: Box<dyn Responder>,
    shared: Arc<Mutex<SharedLine>>,
    injector: Injector,
    start: Moment,
    /// Time up to which the batteries have been simulated.
    simulated_until: Moment,
    in_flight: VecDeque<(Moment, Vec<u8>)>,
    arrived: VecDeque<u8>,
    line: Option<Line>,
}

impl<C: Clock> SimPort<C> {
    /// A line with these batteries.
    pub fn new(clock: C, responder: Box<dyn Responder>, units: Vec<Unit>, faults: Faults, seed: u64) -> Self {
        let start = clock.now();
        let shared = Arc::new(Mutex::new(SharedLine { units, sent: Vec::new() }));
        let injector = Injector::new(faults, seed);
        let (in_flight, arrived) = (VecDeque::new(), VecDeque::new());
        Self { clock, responder, shared, injector, start, simulated_until: start, in_flight, arrived, line: None }
    }

    /// The other end, to observe and modify it.
    pub fn shared_line(&self) -> Arc<Mutex<SharedLine>> {
        Arc::clone(&self.shared)
    }

    /// Performs all events due by now.
    fn advance(&mut self) {
        let now = self.clock.now();
        let shared = Arc::clone(&self.shared);
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let word = self.responder.next_unsolicited_at().map(|at| self.start.after(at)).filter(|at| *at <= now);
            let moment = word.unwrap_or(now).max(self.simulated_until);
            shared.units.iter_mut().for_each(|unit| unit.advance(moment.since(self.simulated_until)));
            self.simulated_until = moment;
            let replies = self.responder.unsolicited(moment.since(self.start), &mut shared.units);
            self.say(moment, replies);
            if word.is_none() {
                break;
            }
        }
        let due = self.in_flight.partition_point(|(at, _)| *at <= now);
        for (_, bytes) in self.in_flight.drain(..due) {
            self.arrived.extend(bytes);
        }
        self.arrived.truncate(TTY_BUFFER);
    }

    /// Queues replies for sending, each byte at its time.
    fn say(&mut self, from: Moment, replies: Vec<Reply>) {
        let line = self.responder.line();
        let silent = self.injector.silent(from.since(self.start));
        let mut at = from;
        for reply in replies.into_iter().flat_map(|reply| self.injector.apply(reply)) {
            at = at.after(reply.after);
            for bytes in reply.bytes.chunks(BYTES_AT_ONCE) {
                at = at.after(line.time_of(bytes.len()));
                if !silent {
                    let place = self.in_flight.partition_point(|(known, _)| *known <= at);
                    self.in_flight.insert(place, (at, bytes.to_vec()));
                }
            }
        }
    }
}

impl<C: Clock> Port for SimPort<C> {
    fn name(&self) -> &str {
        "simulated"
    }

    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.line = Some(line);
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.advance();
        let shared = Arc::clone(&self.shared);
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        shared.sent.push((now, bytes.to_vec()));
        if self.line.is_none_or(|line| line == self.responder.line()) {
            let replies = answer(self.responder.as_mut(), bytes, &mut shared.units, &mut self.injector);
            self.say(now.after(self.responder.line().time_of(bytes.len())).after(ANSWER_LATENCY), replies);
        }
        Ok(())
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let until = self.clock.now().after(wait);
        loop {
            self.advance();
            let now = self.clock.now();
            if !self.arrived.is_empty() || now >= until {
                let n = self.arrived.len().min(buf.len());
                for (to, from) in buf.iter_mut().zip(self.arrived.drain(..n)) {
                    *to = from;
                }
                return Ok(n);
            }
            let word = self.responder.next_unsolicited_at().map(|at| self.start.after(at));
            let byte = self.in_flight.front().map(|(at, _)| *at);
            let next = [word, byte].into_iter().flatten().filter(|at| *at > now).min().map_or(until, |at| at.min(until));
            self.clock.sleep(next.since(now));
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.advance();
        self.arrived.clear();
        Ok(())
    }
}
