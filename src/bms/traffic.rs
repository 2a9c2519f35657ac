//! Frames from recorded or overheard bytes: what `decode`, `replay` and the tests use in place of a live port.

use super::{Asked, DecodeError, Driver, Framing, Progress, Protocol, Request};
use crate::model::Reading;

/// Takes the bytes of a line and merges what they say into one reading per battery.
pub struct Traffic {
    driver: &'static Driver,
    framer: Box<dyn Protocol>,
    batteries: Vec<(Option<u8>, Box<dyn Protocol>, Reading)>,
    buffer: Vec<u8>,
    heard: Vec<Option<u8>>,
    /// The end of what was no frame: a request may have begun in it.
    tail: Vec<u8>,
    /// Whom the last request asked, as long as no answer came.
    asked: Option<u8>,
    /// Pauses are told: see [`Traffic::live`].
    timed: bool,
    /// The line was quiet since that request for longer than a board takes to answer.
    unanswered: bool,
    /// Whose echo is no request of another master.
    own: Option<u8>,
    /// Frames that passed their check.
    pub frames: usize,
    /// Requests of another master.
    pub requests: usize,
    /// Starts of frames whose check failed.
    pub damaged: usize,
    /// Bytes that belonged to no frame.
    pub skipped: usize,
    /// Why valid frames gave no values: the first of them, in order.
    pub declined: Vec<DecodeError>,
}

/// As long as the longest request, so that one that comes in pieces is seen whole.
const TAIL: usize = 16;

/// So many bytes tell whether something begins like a frame.
const TELLING: usize = 4;

/// Reasons kept in [`Traffic::declined`]; a recording of days must not fill the memory.
const MAX_DECLINED: usize = 64;

impl Traffic {
    /// Traffic of `driver`'s protocol.
    pub fn new(driver: &'static Driver) -> Self {
        let framer = (driver.new)(None);
        Self {
            driver,
            framer,
            batteries: Vec::new(),
            buffer: Vec::new(),
            heard: Vec::new(),
            tail: Vec::new(),
            asked: None,
            timed: false,
            unanswered: false,
            own: None,
            frames: 0,
            requests: 0,
            damaged: 0,
            skipped: 0,
            declined: Vec::new(),
        }
    }

    /// As [`Traffic::new`], for a line that is being listened to: [`Traffic::pause`] and [`Traffic::silence`] will tell when it
    /// was quiet.
    pub fn live(driver: &'static Driver) -> Self {
        Self { timed: true, ..Self::new(driver) }
    }

    /// Adds bytes and decodes every frame that is now complete.
    pub fn feed(&mut self, bytes: &[u8], asked: &[Request]) {
        self.buffer.extend_from_slice(bytes);
        while let Some(step) = self.step(false) {
            self.take(step, asked);
        }
    }

    /// Says that no more bytes come: what looked like the start of a frame was none.
    pub fn end(&mut self, asked: &[Request]) {
        while let Some(step) = self.step(true) {
            self.take(step, asked);
        }
    }

    /// Says that the line was quiet for longer than any pause in a frame. What has begun does not go on: a record that comes
    /// now belongs to another frame.
    pub fn pause(&mut self) {
        while let Some(step) = self.step(false).or(if self.buffer.is_empty() { None } else { Some(Framing::Skip(1)) }) {
            self.take(step, &[]);
        }
    }

    /// Says that the line was quiet for longer than a board takes to answer: whoever was asked last is not there.
    pub fn silence(&mut self) {
        self.unanswered = true;
    }

    /// Says that bytes may have been lost: what comes now has nothing to do with what came before.
    pub fn forget(&mut self) {
        self.skipped = self.skipped.saturating_add(self.buffer.len());
        self.buffer.clear();
        self.tail.clear();
        self.asked = None;
    }

    /// Says that this request was sent from here. Its answer is heard like any other.
    pub fn sent(&mut self, request: &[u8]) {
        (self.asked, self.unanswered) = (self.framer.asks(request), false);
        self.own = self.asked;
    }

    /// Whom the last request asked, as long as no frame came after it.
    pub fn asked(&self) -> Option<u8> {
        self.asked
    }

    /// Bytes that wait for the rest of their frame.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The batteries heard so far, in the order in which they spoke first.
    pub fn readings(&self) -> impl Iterator<Item = Reading> {
        self.batteries.iter().map(|(_, _, reading)| {
            let mut reading = reading.clone();
            reading.derive_power();
            reading
        })
    }

    /// The addresses that gave values since the last call.
    pub fn take_heard(&mut self) -> Vec<Option<u8>> {
        std::mem::take(&mut self.heard)
    }

    /// The readings that are complete. As in a poll, the next one of that battery begins with what does not change.
    pub fn take_complete(&mut self) -> Vec<Reading> {
        let complete = self.batteries.iter_mut().filter(|(_, _, reading)| reading.is_complete());
        complete
            .map(|(_, protocol, reading)| {
                // Its requests were made by somebody else; what counts is that the decoder begins anew.
                let _ = protocol.plan(reading);
                let next = reading.next_poll();
                let mut taken = std::mem::replace(reading, next);
                taken.derive_power();
                taken
            })
            .collect()
    }

    fn step(&self, at_end: bool) -> Option<Framing> {
        if self.buffer.is_empty() {
            return None;
        }
        let step = if at_end { self.framer.framing_at_end(&self.buffer) } else { self.framer.framing(&self.buffer) };
        (step != Framing::Incomplete).then_some(step)
    }

    fn take(&mut self, step: Framing, asked: &[Request]) {
        match step {
            Framing::Incomplete => {}
            Framing::Skip(n) => {
                let n = n.clamp(1, self.buffer.len());
                self.skipped = self.skipped.saturating_add(n);
                let begun = self.buffer.get(..TELLING).is_some_and(|head| self.framer.framing(head) == Framing::Incomplete);
                self.damaged = self.damaged.saturating_add(usize::from(begun));
                self.tail.extend(self.buffer.drain(..n));
                self.look_for_requests();
            }
            Framing::Frame(range) => {
                self.skipped = self.skipped.saturating_add(range.start);
                let end = range.end.clamp(1, self.buffer.len());
                let taken: Vec<u8> = self.buffer.drain(..end).collect();
                self.tail.clear();
                if let Some(frame) = taken.get(range) {
                    self.frames = self.frames.saturating_add(1);
                    self.attribute(frame, asked);
                }
            }
        }
    }

    /// Requests in what was no frame.
    fn look_for_requests(&mut self) {
        let mut start: usize = 0;
        while let Some(rest) = self.tail.get(start..).filter(|rest| !rest.is_empty()) {
            start = start.saturating_add(1);
            if let Some(address) = self.framer.asks(rest) {
                (self.asked, self.unanswered) = (Some(address), false);
                if self.own.take() != Some(address) {
                    self.requests = self.requests.saturating_add(1);
                }
                self.tail.drain(..start);
                start = 0;
            }
        }
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
    }

    /// Takes a frame for the battery that it names, unless another one was asked: then the line has lost what was between. One
    /// that nobody asks speaks only when those who were asked have answered, or are not there.
    fn attribute(&mut self, frame: &[u8], requests: &[Request]) {
        let address = self.framer.source(frame);
        let can_be_asked = address.is_some_and(|address| self.driver.addresses.contains(&address));
        match self.asked.take() {
            Some(asked) if address != Some(asked) && (can_be_asked || (self.timed && !self.unanswered)) => {
                self.decline(DecodeError::Foreign { what: "a frame after a request to another board" });
            }
            _ => self.decode(address, frame, requests),
        }
    }

    fn decline(&mut self, why: DecodeError) {
        if self.declined.len() < MAX_DECLINED {
            self.declined.push(why);
        }
    }

    fn decode(&mut self, address: Option<u8>, frame: &[u8], asked: &[Request]) {
        let index = match self.batteries.iter().position(|(known, _, _)| *known == address) {
            Some(index) => index,
            None => {
                self.batteries.push((address, (self.driver.new)(address), Reading::new(self.driver.name, address)));
                self.batteries.len().saturating_sub(1)
            }
        };
        let Some((_, protocol, reading)) = self.batteries.get_mut(index) else { return };
        let mut merged = reading.clone();
        match answer(protocol.as_mut(), frame, asked, &mut merged) {
            Ok(_) => {
                *reading = merged;
                if !self.heard.contains(&address) {
                    self.heard.push(address);
                }
            }
            Err(error) => {
                if *reading == Reading::new(self.driver.name, address) {
                    self.batteries.remove(index);
                }
                self.decline(error);
            }
        }
    }
}

/// Decodes a frame as the answer to any of `asked`, or to anything when nothing was given.
fn answer(protocol: &mut dyn Protocol, frame: &[u8], asked: &[Request], into: &mut Reading) -> Result<Progress, DecodeError> {
    let mut result = match asked {
        [] => return protocol.decode(Asked::Anything, frame, into),
        _ => Err(DecodeError::Foreign { what: "no request given" }),
    };
    for request in asked {
        let mut merged = into.clone();
        result = protocol.decode(Asked::Request(request), frame, &mut merged);
        match result {
            Ok(_) => {
                *into = merged;
                break;
            }
            Err(DecodeError::Foreign { .. }) => {}
            Err(_) => break,
        }
    }
    result
}
