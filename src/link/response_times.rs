//! Response times, learned per request, so that one read finds a whole answer instead of single bytes.

use std::time::Duration;

/// A request with a known response time.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExpectedAnswer {
    what: &'static str,
    /// From the request to the end of the answer.
    pub(super) time: Duration,
    /// All bytes received.
    pub(super) bytes: usize,
}

/// What a read is too late or too early by costs at most this time: on a line with many batteries it adds up.
const MAX_LATER: Duration = Duration::from_millis(15);
const MAX_EARLIER: Duration = Duration::from_millis(3);

/// Response times of one line.
#[derive(Debug, Default)]
pub(super) struct ResponseTimes {
    known: Vec<ExpectedAnswer>,
}

impl ResponseTimes {
    /// The expected answer to `what`.
    pub(super) fn expected(&self, what: &str) -> Option<ExpectedAnswer> {
        self.known.iter().copied().find(|known| known.what == what)
    }

    /// Learns from an answer. One that was complete at the first read may have been ready earlier: the next read is a little
    /// earlier. One that was incomplete shows the time it takes: the next read is a little later, to find all of it.
    pub(super) fn learn(&mut self, what: &'static str, took: Duration, bytes: usize, at_first_look: bool) {
        let late = took.saturating_add(took.mul_f64(0.1).min(MAX_LATER));
        match self.known.iter_mut().find(|known| known.what == what) {
            Some(known) => {
                known.bytes = bytes;
                known.time =
                    if at_first_look { known.time.saturating_sub(known.time.mul_f64(0.02).min(MAX_EARLIER)) } else { late };
            }
            None => self.known.push(ExpectedAnswer { what, time: late, bytes }),
        }
    }

    /// The last answer did not arrive as expected.
    pub(super) fn forget(&mut self, what: &str) {
        self.known.retain(|known| known.what != what);
    }
}
