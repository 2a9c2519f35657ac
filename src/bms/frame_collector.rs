//! Frames from recorded or overheard bytes, for `decode`, `replay` and the tests, in place of a live port.

use super::{DecodeError, Driver, Expected, Framing, Progress, Protocol, Request};
use crate::base::units::Moment;
use crate::model::Reading;
use ::bytes::BytesMut;

/// Receives the bytes of a line and merges their values into one reading per battery.
pub struct FrameCollector {
    driver: &'static Driver,
    framer: Box<dyn Protocol>,
    batteries: Vec<(Option<u8>, Box<dyn Protocol>, Reading)>,
    buffer: BytesMut,
    heard: Vec<Option<u8>>,
    /// The last bytes outside of frames: they may contain the start of a request.
    tail: Vec<u8>,
    /// Address of the last request, until a reply arrives.
    asked: Option<u8>,
    /// Pauses are reported: see [`FrameCollector::live`].
    timed: bool,
    /// The line has been quiet since that request for longer than a board's response time.
    unanswered: bool,
    /// Address of our own request, whose echo is not a request of another master.
    own: Option<u8>,
    /// Time of the bytes, if it is known.
    now: Option<Moment>,
    /// Valid frames.
    pub frames: usize,
    /// Requests of another master.
    pub requests: usize,
    /// Frame starts with a wrong check.
    pub damaged: usize,
    /// Bytes outside of frames.
    pub skipped: usize,
    /// Errors of valid frames without values: the first ones, in order.
    pub declined: Vec<DecodeError>,
}

/// Length of the longest request, so that a request received in pieces is recognised.
const TAIL: usize = 18;

/// Number of bytes that decide whether something begins like a frame.
const TELLING: usize = 4;

/// Maximum number of errors in [`FrameCollector::declined`], to bound the memory for a recording of days.
const MAX_DECLINED: usize = 64;

impl FrameCollector {
    /// A collector for `driver`'s protocol.
    pub fn new(driver: &'static Driver) -> Self {
        let framer = (driver.new)(None);
        Self {
            driver,
            framer,
            batteries: Vec::new(),
            buffer: BytesMut::new(),
            heard: Vec::new(),
            tail: Vec::new(),
            asked: None,
            timed: false,
            unanswered: false,
            own: None,
            now: None,
            frames: 0,
            requests: 0,
            damaged: 0,
            skipped: 0,
            declined: Vec::new(),
        }
    }

    /// As [`FrameCollector::new`], for a live line: the caller reports its pauses with [`FrameCollector::pause`] and
    /// [`FrameCollector::silence`].
    pub fn live(driver: &'static Driver) -> Self {
        Self { timed: true, ..Self::new(driver) }
    }

    /// The next bytes arrive at this time of a recording.
    pub fn arrived_at(&mut self, now: Moment) {
        self.now = Some(now);
        self.batteries.iter_mut().for_each(|(_, protocol, _)| protocol.arrived_at(now));
    }

    /// Adds bytes and decodes every complete frame.
    pub fn feed(&mut self, bytes: &[u8], asked: &[Request]) {
        self.buffer.extend_from_slice(bytes);
        while let Some(step) = self.step(false, asked) {
            self.take(step, asked);
        }
    }

    /// Reports the end of the data: an incomplete frame will not be completed.
    pub fn end(&mut self, asked: &[Request]) {
        while let Some(step) = self.step(true, asked) {
            self.take(step, asked);
        }
        self.batteries.iter_mut().for_each(|(_, protocol, reading)| protocol.conclude(reading));
        let has_declined = !self.declined.is_empty();
        let driver = self.driver.name;
        self.batteries.retain(|(address, _, reading)| !has_declined || *reading != Reading::new(driver, *address));
    }

    /// Reports a pause longer than any within a frame: an incomplete frame will not be continued, and an acknowledge that arrives
    /// now belongs to another frame.
    pub fn pause(&mut self) {
        while let Some(step) = self.step(false, &[]).or(if self.buffer.is_empty() { None } else { Some(Framing::Skip(1)) }) {
            self.take(step, &[]);
        }
    }

    /// Reports a pause longer than a board's response time: the board asked last is absent.
    pub fn silence(&mut self) {
        self.unanswered = true;
    }

    /// Reports that bytes may have been lost: the following ones are unrelated to the previous ones.
    pub fn forget(&mut self) {
        self.skipped = self.skipped.saturating_add(self.buffer.len());
        self.buffer.clear();
        self.tail.clear();
        self.asked = None;
    }

    /// Reports a request sent by the driver. Its reply is handled like any other.
    pub fn sent(&mut self, request: &[u8]) {
        (self.asked, self.unanswered) = (self.request_target(request), false);
        self.own = self.asked;
    }

    /// Address of the last request, until a frame arrives.
    pub fn asked(&self) -> Option<u8> {
        self.asked
    }

    /// Number of bytes of an incomplete frame.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The batteries received so far, in order of their first frame.
    pub fn readings(&self) -> impl Iterator<Item = Reading> {
        self.batteries.iter().map(|(_, _, reading)| {
            let mut reading = reading.clone();
            reading.derive_power();
            reading
        })
    }

    /// Addresses with new values since the last call.
    pub fn take_heard(&mut self) -> Vec<Option<u8>> {
        std::mem::take(&mut self.heard)
    }

    /// The complete readings. As for a poll, a battery's next reading starts with the constant data.
    pub fn take_complete(&mut self) -> Vec<Reading> {
        let complete = self.batteries.iter_mut().filter(|(_, _, reading)| reading.is_complete());
        complete.map(|(_, protocol, reading)| taken(protocol.as_mut(), reading)).collect()
    }

    /// As [`FrameCollector::take_complete`], of one battery; of the only one whatever its address, as not all frames contain it.
    pub fn take_complete_of(&mut self, address: Option<u8>) -> Option<Reading> {
        let alone = self.batteries.len() == 1;
        let mut complete = self.batteries.iter_mut().filter(|(_, _, reading)| reading.is_complete());
        let found = complete.find(|(_, _, reading)| alone || reading.address == address);
        found.map(|(_, protocol, reading)| taken(protocol.as_mut(), reading))
    }

    fn step(&self, at_end: bool, asked: &[Request]) -> Option<Framing> {
        let rest: &[u8] = &self.buffer;
        if rest.is_empty() {
            return None;
        }
        let mut step = self.framer.framing_of_reply(asked, rest);
        if at_end && step == Framing::Incomplete {
            // No more of the latest reply will come.
            let earlier = (1..asked.len()).filter_map(|place| asked.get(place..));
            let mut steps = earlier.map(|asked| self.framer.framing_of_reply(asked, rest));
            let whole = steps.find(|step| matches!(step, Framing::Frame(_)));
            step = whole.unwrap_or_else(|| self.framer.framing_at_end(rest));
        }
        (step != Framing::Incomplete).then_some(step)
    }

    /// Takes the next `n` bytes, at least one, or fewer at the end.
    fn take_bytes(&mut self, n: usize) -> BytesMut {
        self.buffer.split_to(n.max(1).min(self.buffer.len()))
    }

    fn take(&mut self, step: Framing, asked: &[Request]) {
        match step {
            Framing::Incomplete => {}
            Framing::Skip(n) => {
                let begun = self.buffer.get(..TELLING).is_some_and(|head| self.framer.framing(head) == Framing::Incomplete);
                self.damaged = self.damaged.saturating_add(usize::from(begun));
                let skipped = self.take_bytes(n);
                self.skipped = self.skipped.saturating_add(skipped.len());
                self.tail.extend_from_slice(&skipped);
                self.look_for_requests();
            }
            Framing::Frame(range) => {
                self.skipped = self.skipped.saturating_add(range.start);
                let taken = self.take_bytes(range.end);
                self.tail.clear();
                if let Some(frame) = taken.get(range) {
                    self.frames = self.frames.saturating_add(1);
                    self.attribute(frame, asked);
                }
            }
        }
    }

    fn request_target(&self, bytes: &[u8]) -> Option<u8> {
        self.framer.sniff()?.request_target(bytes)
    }

    /// Looks for requests in bytes outside of frames.
    fn look_for_requests(&mut self) {
        let (mut start, mut answered): (usize, usize) = (0, 0);
        while let Some(rest) = self.tail.get(start..).filter(|rest| !rest.is_empty()) {
            start = start.saturating_add(1);
            if let Some(address) = self.request_target(rest) {
                (self.asked, self.unanswered) = (Some(address), false);
                if self.own.take() != Some(address) {
                    self.requests = self.requests.saturating_add(1);
                }
                answered = start;
            }
        }
        self.tail.drain(..answered.max(self.tail.len().saturating_sub(TAIL)));
    }

    /// Assigns a frame to the battery that it names, unless another one was asked last: then bytes were lost in between. A frame
    /// from an address that is never asked counts only if the board asked last has replied or is absent.
    fn attribute(&mut self, frame: &[u8], requests: &[Request]) {
        let address = self.framer.source(frame);
        let can_be_asked = address.is_some_and(|address| self.driver.addresses.contains(&address));
        match self.asked.take() {
            Some(asked) if address != Some(asked) && (can_be_asked || (self.timed && !self.unanswered)) => {
                self.decline(DecodeError::Foreign { what: "a frame after a request to another board" });
            }
            _ => match self.framer.packs(frame).as_slice() {
                [] => self.decode(address, frame, requests),
                packs => packs.iter().for_each(|pack| self.decode(self.framer.source(pack), pack, requests)),
            },
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
                let mut protocol = (self.driver.new)(address);
                self.now.into_iter().for_each(|now| protocol.arrived_at(now));
                self.batteries.push((address, protocol, Reading::new(self.driver.name, address)));
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
                // A frame of another layout tells what its sender is.
                if !matches!(error, DecodeError::Layout { .. }) && *reading == Reading::new(self.driver.name, address) {
                    self.batteries.remove(index);
                }
                self.decline(error);
            }
        }
    }
}

fn taken(protocol: &mut dyn Protocol, reading: &mut Reading) -> Reading {
    // The requests were sent by another master; this call only resets the decoder.
    let _ = protocol.plan(reading);
    let next = reading.next_poll();
    let mut taken = std::mem::replace(reading, next);
    taken.derive_power();
    taken
}

/// Decodes a frame as the reply to any of `asked`, or as any reply if that is empty.
fn answer(protocol: &mut dyn Protocol, frame: &[u8], asked: &[Request], into: &mut Reading) -> Result<Progress, DecodeError> {
    let mut result = match asked {
        [] => return protocol.decode(Expected::Any, frame, into),
        _ => Err(DecodeError::Foreign { what: "no request given" }),
    };
    for request in asked {
        let mut merged = into.clone();
        result = protocol.decode(Expected::Request(request), frame, &mut merged);
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
