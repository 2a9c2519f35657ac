//! Sorts the bytes that follow a request into echo, noise, foreign frames and the answer. No port, no clock.

use super::error::LinkError;
use crate::base::units::Moment;
use crate::bms::{Codec, DecodeError, Expected, Framing, Progress, Request};
use crate::model::Reading;

/// Longer than any frame: anything longer did not start with a frame.
const MAX_INPUT: usize = 4096;

/// Number of bytes that must match the start of a frame; fewer match by chance.
const FRAME_START_LEN: usize = 4;

/// The input of one exchange.
pub(super) struct Answer<'a> {
    protocol: &'a mut dyn Codec,
    request: &'a Request,
    /// The caller's reading, unchanged: data decoded in a failed exchange is dropped.
    known: &'a Reading,
    /// `known` updated by the frames so far.
    reading: Option<Reading>,
    input: Input,
    /// Bytes not yet searched for a frame after a false start.
    fresh: bool,
    echoed: bool,
    heard: usize,
    echo_bytes: usize,
    frames: usize,
    foreign: usize,
    broken: usize,
    /// Bytes that belong to no frame.
    noise: bool,
    short: Option<&'static str>,
    /// Frames of other batteries that send by themselves.
    others: Vec<OverheardFrame>,
    /// When the present bytes arrived.
    now: Moment,
}

/// A frame of another battery on a line of those that send by themselves, and when it arrived.
pub type OverheardFrame = (Moment, Box<[u8]>);

/// Frames of others that are kept in an exchange.
const MAX_OTHERS: usize = 8192;

impl<'a> Answer<'a> {
    /// Starts with `leftover` bytes, which a listening request inherits from the previous one.
    pub(super) fn new(protocol: &'a mut dyn Codec, request: &'a Request, known: &'a Reading, leftover: Input) -> Self {
        let heard = leftover.window().len();
        let echoed = request.bytes.is_empty();
        Self {
            protocol,
            request,
            known,
            reading: None,
            input: leftover,
            fresh: heard > 0,
            echoed,
            heard,
            echo_bytes: 0,
            frames: 0,
            foreign: 0,
            broken: 0,
            noise: false,
            short: None,
            others: Vec::new(),
            now: Moment::default(),
        }
    }

    /// The next bytes arrived at this moment.
    pub(super) fn arrived_at(&mut self, now: Moment) {
        self.now = now;
        self.protocol.arrived_at(now);
    }

    /// Adds bytes and decodes every complete frame.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<Progress, LinkError> {
        self.heard = self.heard.saturating_add(bytes.len());
        self.fresh = true;
        self.input.extend(bytes);
        let progress = self.advance()?;
        if progress == Progress::Done || self.input.window().len() <= MAX_INPUT {
            return Ok(progress);
        }
        let progress = self.look_behind()?;
        self.input.skip(MAX_INPUT / 2);
        Ok(progress)
    }

    /// Whether bytes are waiting for the rest of a frame and were not yet searched by [`Answer::look_behind`].
    pub(super) fn is_doubtful(&self) -> bool {
        self.fresh && !self.input.window().is_empty()
    }

    /// Searches for complete frames behind an unfinished one, whose start may be false.
    pub(super) fn look_behind(&mut self) -> Result<Progress, LinkError> {
        self.fresh = false;
        while let Some(at) = self.hidden_frame() {
            self.broken = self.broken.saturating_add(1);
            self.noise = true;
            self.input.skip(at);
            if self.advance()? == Progress::Done {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::More)
    }

    fn hidden_frame(&self) -> Option<usize> {
        let window = self.input.window();
        let mut at: usize = 1;
        loop {
            let rest = window.get(at..).filter(|rest| !rest.is_empty())?;
            at = at.saturating_add(match self.framing(rest) {
                Framing::Frame(_) => return Some(at),
                Framing::Skip(n) => n.max(1),
                Framing::Incomplete => 1,
            });
        }
    }

    /// The complete answer: the reading, if a frame has changed it, the bytes behind it, and frames of others.
    pub(super) fn finish(self) -> (Option<Reading>, Input, Vec<OverheardFrame>) {
        (self.reading, self.input, self.others)
    }

    /// At the end of the input: the error that describes what was received instead of an answer.
    pub(super) fn failure(&self) -> LinkError {
        let begun = self.begins_like_a_frame(self.input.window());
        let noise = self.heard.saturating_sub(self.echo_bytes);
        match self {
            Self { frames: frames @ 1.., .. } => LinkError::Incomplete { frames: *frames },
            Self { short: Some(field), .. } => LinkError::Short { field },
            Self { broken: 1.., .. } => LinkError::Damaged,
            _ if begun => LinkError::Damaged,
            Self { foreign: frames @ 1.., .. } => LinkError::Foreign { frames: *frames },
            Self { heard: 0, .. } => LinkError::Silent,
            _ if noise == 0 => LinkError::EchoOnly,
            _ => LinkError::Noise { bytes: noise },
        }
    }

    /// Bytes received so far.
    pub(super) fn heard(&self) -> usize {
        self.heard
    }

    /// Valid frames that answer another request.
    pub(super) fn foreign(&self) -> usize {
        self.foreign
    }

    /// Something started like a frame, but was invalid.
    pub(super) fn is_damaged(&self) -> bool {
        self.broken > 0
    }

    /// Part of the input is not a frame, or not a complete one.
    pub(super) fn has_noise(&self) -> bool {
        self.noise || !self.input.window().is_empty()
    }

    /// The input ends in the start of a frame, and nothing was damaged.
    pub(super) fn is_arriving(&self) -> bool {
        self.broken == 0 && self.begins_like_a_frame(self.input.window())
    }

    /// Frames of the answer so far.
    pub(super) fn own_frames(&self) -> usize {
        self.frames
    }

    /// Frames with a valid check, of this answer or another.
    pub(super) fn frames(&self) -> usize {
        self.frames.saturating_add(self.foreign)
    }

    /// The request's echo came back.
    pub(super) fn has_echo(&self) -> bool {
        self.echo_bytes > 0
    }

    fn advance(&mut self) -> Result<Progress, LinkError> {
        while !self.input.window().is_empty() {
            if !self.echoed {
                match compare(self.input.window(), &self.request.bytes) {
                    Echo::Whole => {
                        self.echoed = true;
                        self.drop_echo(self.request.bytes.len());
                        continue;
                    }
                    Echo::Begun => break,
                    Echo::Other => {}
                }
            }
            match self.framing(self.input.window()) {
                Framing::Incomplete => break,
                Framing::Skip(n) => {
                    if !self.protocol.has_start() || self.begins_like_a_frame(self.input.window()) {
                        self.broken = self.broken.saturating_add(1);
                    }
                    self.noise = true;
                    self.input.skip(n.max(1));
                }
                Framing::Frame(range) => {
                    let progress = self.decode(range.start, range.end)?;
                    self.input.skip(range.end.max(1));
                    if progress == Progress::Done {
                        return Ok(Progress::Done);
                    }
                }
            }
        }
        Ok(Progress::More)
    }

    fn decode(&mut self, start: usize, end: usize) -> Result<Progress, LinkError> {
        let Some(frame) = self.input.window().get(start..end) else { return Ok(Progress::More) };
        let mut reading = self.reading.as_ref().unwrap_or(self.known).clone();
        match self.protocol.decode(Expected::Request(self.request), frame, &mut reading) {
            Ok(progress) => {
                self.frames = self.frames.saturating_add(1);
                self.reading = Some(reading);
                return Ok(progress);
            }
            Err(DecodeError::Refused { code }) => return Err(LinkError::Refused { code }),
            Err(DecodeError::Layout { what }) => return Err(LinkError::Layout { what }),
            // A sleeping BMS may echo as well, after the echo of the adapter.
            Err(DecodeError::Foreign { .. }) if frame == &*self.request.bytes => {
                self.echo_bytes = self.echo_bytes.saturating_add(frame.len());
            }
            Err(DecodeError::Foreign { .. }) => {
                self.foreign = self.foreign.saturating_add(1);
                if self.request.bytes.is_empty() && self.others.len() < MAX_OTHERS {
                    self.others.push((self.now, frame.into()));
                }
            }
            Err(DecodeError::Short { field }) => self.short = Some(field),
        }
        Ok(Progress::More)
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        self.protocol.framing_of_reply(std::slice::from_ref(self.request), buf)
    }

    fn drop_echo(&mut self, len: usize) {
        self.echo_bytes = self.echo_bytes.saturating_add(len);
        self.input.skip(len);
    }

    fn begins_like_a_frame(&self, bytes: &[u8]) -> bool {
        bytes.get(..FRAME_START_LEN).is_some_and(|head| self.framing(head) == Framing::Incomplete)
    }
}

enum Echo {
    Whole,
    Begun,
    Other,
}

fn compare(window: &[u8], request: &[u8]) -> Echo {
    match window.len() < request.len() {
        true if request.starts_with(window) => Echo::Begun,
        false if window.starts_with(request) => Echo::Whole,
        _ => Echo::Other,
    }
}

/// Received bytes; consuming from the front does not copy.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    start: usize,
}

impl Input {
    /// The bytes not yet consumed.
    pub(super) fn window(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Consumes `n` bytes.
    pub(super) fn skip(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.bytes.len());
    }

    /// Appends bytes.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::jbd::DRIVER;

    #[test]
    fn input_without_end_stays_within_bounds() {
        // Starts of frames that never end, and bytes that start nothing.
        for pattern in [&[0xDD, 0x03, 0x00, 0x80][..], &[0xDD], &[0x00]] {
            let mut protocol = (DRIVER.new)(None);
            let request = protocol.identify();
            let known = Reading::default();
            let mut answer = Answer::new(protocol.as_mut(), &request, &known, Input::default());
            for _ in 0..1000 {
                assert!(matches!(answer.add(&pattern.repeat(100)), Ok(Progress::More)));
                assert!(answer.input.bytes.len() <= 2 * MAX_INPUT);
            }
        }
    }

    #[test]
    fn a_protocol_that_never_finds_an_end_is_bounded_too() {
        struct Endless;
        impl Codec for Endless {
            fn framing(&self, _buf: &[u8]) -> Framing {
                Framing::Incomplete
            }

            fn decode(&mut self, _asked: Expected<'_>, _frame: &[u8], _into: &mut Reading) -> Result<Progress, DecodeError> {
                Ok(Progress::Done)
            }
        }
        let request = (DRIVER.new)(None).identify();
        let mut endless = Endless;
        let known = Reading::default();
        let mut answer = Answer::new(&mut endless, &request, &known, Input::default());
        for _ in 0..1000 {
            assert!(matches!(answer.add(&[0; 100]), Ok(Progress::More)));
            assert!(answer.input.bytes.len() <= 2 * MAX_INPUT);
        }
    }
}
