//! Requests not answered in time. Their answers may still arrive: from a serial server that queues, over a slow radio link, after
//! the process was stopped. A line keeps its order, so an answer belongs to the oldest open request of its kind.

use super::answer::{Answer, Input};
use crate::base::units::Moment;
use crate::bms::{Codec, Progress, Request};
use crate::model::Reading;
use std::time::Duration;

/// Maximum age of a request for its answer to count as current. A failed poll takes two seconds.
const MAX_ANSWER_AGE: Duration = Duration::from_secs(3);

/// Maximum number of open requests, those of a minute. The oldest is always kept, because the age of an answer counts from it.
const MAX_OPEN_REQUESTS: usize = 128;

/// Maximum interval of requests that counts for how long a lagging line has to be quiet. Longer ones are pauses.
const MAX_REQUEST_INTERVAL: Duration = Duration::from_secs(5);

/// State of the answers on this line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum LagState {
    /// Answers arrive in time.
    #[default]
    None,
    /// An answer at this time was too old: more of them may follow.
    Lagging(Moment),
    /// No more old answers have arrived. The next one only proves that the line is prompt again.
    Recovering,
}

/// The open requests of one line; a reopened connection inherits them.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Send time and bytes of each, oldest first.
    open: Vec<(Moment, Vec<u8>)>,
    /// Send time of the last answered request before those.
    before: Option<Moment>,
    pub(super) lag: LagState,
}

impl Backlog {
    /// No answer is pending.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Adds a request without an answer.
    pub(super) fn add(&mut self, sent: Moment, bytes: &[u8]) {
        if self.open.len() >= MAX_OPEN_REQUESTS {
            self.open.remove(1);
        }
        self.open.push((sent, bytes.to_vec()));
    }

    /// An answer arrived to a request with these bytes, last sent at `sent`. Returns the send time of the request it belongs to;
    /// earlier requests will not be answered any more.
    pub(super) fn close(&mut self, sent: Moment, bytes: &[u8]) -> Moment {
        if let Some(answered) = self.close_unasked(bytes) {
            self.add(sent, bytes);
            return answered;
        }
        self.open.clear();
        self.before = Some(sent);
        sent
    }

    /// As [`Backlog::close`], for an answer that arrived while none was expected.
    pub(super) fn close_unasked(&mut self, bytes: &[u8]) -> Option<Moment> {
        let place = self.open.iter().position(|(_, open)| open == bytes)?;
        self.before = self.open.get(place).map(|(at, _)| *at);
        self.open.drain(..=place);
        self.before
    }

    /// Something unreadable arrived after this request that must have been an answer.
    pub(super) fn close_any(&mut self, sent: Moment, bytes: &[u8]) {
        self.add(sent, bytes);
        self.before = self.open.first().map(|(at, _)| *at);
        self.open.remove(0);
    }

    /// Drops all open requests: none will be answered any more.
    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.before = None;
    }

    /// Whether an answer to a request sent at that time is too old; `timeout` is the time it may take.
    pub(super) fn is_too_old(sent: Moment, timeout: Duration, now: Moment) -> bool {
        now.since(sent) > MAX_ANSWER_AGE.max(timeout)
    }

    /// Interval of answers on a lagging line: at most that of the requests.
    pub(super) fn request_interval(&self) -> Duration {
        let times = || self.before.into_iter().chain(self.open.iter().map(|(at, _)| *at));
        let distances = times().zip(times().skip(1)).map(|(earlier, later)| later.since(earlier));
        distances.filter(|distance| *distance <= MAX_REQUEST_INTERVAL).max().unwrap_or_default()
    }
}

/// Answers that arrive while none is expected.
#[derive(Default)]
pub(super) struct LateAnswers {
    input: Input,
    heard: bool,
}

impl LateAnswers {
    /// `leftover` bytes arrived after the last answer.
    pub(super) fn behind(leftover: Input) -> Self {
        Self { input: leftover, heard: false }
    }

    /// Adds received bytes; none means a pause. Returns whether they completed a frame of an answer.
    pub(super) fn add(
        &mut self,
        protocol: &mut dyn Codec,
        request: &Request,
        known: &Reading,
        bytes: &[u8],
        backlog: &mut Backlog,
    ) -> bool {
        let (mut bytes, mut frames) = (bytes, false);
        loop {
            let mut answer = Answer::new(protocol, request, known, std::mem::take(&mut self.input));
            let taken = if bytes.is_empty() { answer.look_behind() } else { answer.add(bytes) };
            frames |= answer.frames() > 0 || taken.is_err();
            self.input = answer.finish().1;
            match taken {
                Ok(Progress::More) => break,
                Ok(Progress::Done) | Err(_) => backlog.close_unasked(&request.bytes),
            };
            bytes = &[];
        }
        self.heard |= frames;
        frames
    }

    /// Ends the input, so that the next answer does not depend on it. Returns whether any answer arrived.
    pub(super) fn end(self, protocol: &mut dyn Codec) -> bool {
        if self.heard {
            protocol.reset();
        }
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [u8; 1] = [1];
    const OTHER: [u8; 1] = [2];

    fn at(seconds: f64) -> Moment {
        Moment::from_secs(seconds)
    }

    #[test]
    fn an_answer_belongs_to_the_oldest_request_of_its_kind() {
        let mut backlog = Backlog::default();
        for (sent, bytes) in [(0.0, ALL), (1.0, OTHER), (2.0, ALL)] {
            backlog.add(at(sent), &bytes);
        }
        assert_eq!(backlog.close(at(3.0), &OTHER), at(1.0));
        assert_eq!(backlog.close(at(4.0), &ALL), at(2.0), "what was asked before an answered request is lost");
        assert_eq!(backlog.close(at(5.0), &ALL), at(4.0), "the request before is open still");
        backlog.clear();
        assert_eq!(backlog.close(at(6.0), &ALL), at(6.0));
    }

    #[test]
    fn a_long_silence_needs_no_more_memory_and_keeps_its_oldest_request() {
        let mut backlog = Backlog::default();
        (0..1000).for_each(|second| backlog.add(at(f64::from(second)), &ALL));
        assert_eq!(backlog.open.len(), MAX_OPEN_REQUESTS);
        assert_eq!(backlog.close(at(2000.0), &ALL), at(0.0));
    }

    #[test]
    fn the_rhythm_is_the_longest_distance_of_requests_but_for_a_break() {
        let mut backlog = Backlog::default();
        for sent in [0.0, 60.0, 60.5, 61.5, 62.0] {
            backlog.add(at(sent), &ALL);
        }
        assert_eq!(backlog.request_interval(), Duration::from_secs(1));
    }
}
