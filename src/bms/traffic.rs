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
    /// Frames that passed their check.
    pub frames: usize,
    /// Bytes that belonged to no frame.
    pub skipped: usize,
    /// Why valid frames gave no values: the first of them, in order.
    pub declined: Vec<DecodeError>,
}

/// Reasons kept in [`Traffic::declined`]; a recording of days must not fill the memory.
const MAX_DECLINED: usize = 64;

impl Traffic {
    /// Traffic of `driver`'s protocol.
    pub fn new(driver: &'static Driver) -> Self {
        let framer = (driver.new)(None);
        let (batteries, buffer, heard, declined) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { driver, framer, batteries, buffer, heard, frames: 0, skipped: 0, declined }
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
                let next = reading.next();
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
                self.buffer.drain(..n);
            }
            Framing::Frame(range) => {
                self.skipped = self.skipped.saturating_add(range.start);
                let end = range.end.clamp(1, self.buffer.len());
                let taken: Vec<u8> = self.buffer.drain(..end).collect();
                if let Some(frame) = taken.get(range) {
                    self.frames = self.frames.saturating_add(1);
                    self.decode(frame, asked);
                }
            }
        }
    }

    fn decode(&mut self, frame: &[u8], asked: &[Request]) {
        let address = self.framer.source(frame);
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
                if self.declined.len() < MAX_DECLINED {
                    self.declined.push(error);
                }
                if *reading == Reading::new(self.driver.name, address) {
                    self.batteries.remove(index);
                }
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
