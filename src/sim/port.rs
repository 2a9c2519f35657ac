//! A simulated line as a port of its own, in whatever time its clock tells: hours of a chain pass in seconds.

use super::fault::{Faults, Injector};
use super::line::answer;
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::link::{Clock, Port};
use crate::units::Moment;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Time from a request to the first byte of its answer.
const LATENCY: Duration = Duration::from_millis(38);
/// Bytes that arrive together, as from a UART's buffer.
const TOGETHER: usize = 16;
/// As much as a tty holds for a reader; what is more is lost.
const TTY_BUFFER: usize = 4095;

/// What a simulated line and its observer share.
pub struct Far {
    /// The batteries.
    pub units: Vec<Unit>,
    /// What was sent to the line, and when.
    pub sent: Vec<(Moment, Vec<u8>)>,
}

/// A port whose other end is simulated.
pub struct SimPort<C> {
    clock: C,
    responder: Box<dyn Responder>,
    far: Arc<Mutex<Far>>,
    injector: Injector,
    start: Moment,
    /// Up to when the batteries have lived.
    lived: Moment,
    coming: VecDeque<(Moment, Vec<u8>)>,
    arrived: VecDeque<u8>,
    line: Option<Line>,
}

impl<C: Clock> SimPort<C> {
    /// A line with these batteries.
    pub fn new(clock: C, responder: Box<dyn Responder>, units: Vec<Unit>, faults: Faults, seed: u64) -> Self {
        let start = clock.now();
        let far = Arc::new(Mutex::new(Far { units, sent: Vec::new() }));
        let injector = Injector::new(faults, seed);
        let (coming, arrived) = (VecDeque::new(), VecDeque::new());
        Self { clock, responder, far, injector, start, lived: start, coming, arrived, line: None }
    }

    /// The other end, to look at and to change.
    pub fn far(&self) -> Arc<Mutex<Far>> {
        Arc::clone(&self.far)
    }

    /// Lets everything happen that is due by now.
    fn live(&mut self) {
        let now = self.clock.now();
        let far = Arc::clone(&self.far);
        let mut far = far.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let word = self.responder.next_word().map(|at| self.start.after(at)).filter(|at| *at <= now);
            let moment = word.unwrap_or(now).max(self.lived);
            far.units.iter_mut().for_each(|unit| unit.advance(moment.since(self.lived)));
            self.lived = moment;
            let replies = self.responder.unasked(moment.since(self.start), &mut far.units);
            self.say(moment, replies);
            if word.is_none() {
                break;
            }
        }
        let due = self.coming.partition_point(|(at, _)| *at <= now);
        for (_, bytes) in self.coming.drain(..due) {
            self.arrived.extend(bytes);
        }
        self.arrived.truncate(TTY_BUFFER);
    }

    /// Puts replies on the way, each byte at its time.
    fn say(&mut self, from: Moment, replies: Vec<Reply>) {
        let line = self.responder.line();
        let silent = self.injector.silent(from.since(self.start));
        let mut at = from;
        for reply in replies.into_iter().flat_map(|reply| self.injector.apply(reply)) {
            at = at.after(reply.after);
            for bytes in reply.bytes.chunks(TOGETHER) {
                at = at.after(line.time_of(bytes.len()));
                if !silent {
                    let place = self.coming.partition_point(|(known, _)| *known <= at);
                    self.coming.insert(place, (at, bytes.to_vec()));
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
        self.live();
        let far = Arc::clone(&self.far);
        let mut far = far.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        far.sent.push((now, bytes.to_vec()));
        if self.line.is_none_or(|line| line == self.responder.line()) {
            let replies = answer(self.responder.as_mut(), bytes, &mut far.units, &mut self.injector);
            self.say(now.after(self.responder.line().time_of(bytes.len())).after(LATENCY), replies);
        }
        Ok(())
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let until = self.clock.now().after(wait);
        loop {
            self.live();
            let now = self.clock.now();
            if !self.arrived.is_empty() || now >= until {
                let n = self.arrived.len().min(buf.len());
                for (to, from) in buf.iter_mut().zip(self.arrived.drain(..n)) {
                    *to = from;
                }
                return Ok(n);
            }
            let word = self.responder.next_word().map(|at| self.start.after(at));
            let byte = self.coming.front().map(|(at, _)| *at);
            let next = [word, byte].into_iter().flatten().filter(|at| *at > now).min().map_or(until, |at| at.min(until));
            self.clock.sleep(next.since(now));
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.live();
        self.arrived.clear();
        Ok(())
    }
}
