//! How long answers take, learned per request, so that one read finds a whole answer instead of one byte after the other.

use std::time::Duration;

/// A request that was answered before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    what: &'static str,
    /// From the request to the end of the answer.
    pub(super) time: Duration,
    /// All bytes that came.
    pub(super) bytes: usize,
}

/// What was learned on one line.
#[derive(Debug, Default)]
pub(super) struct Pace {
    known: Vec<Expected>,
}

impl Pace {
    /// What the answer to `what` was like the last times.
    pub(super) fn expected(&self, what: &str) -> Option<Expected> {
        self.known.iter().copied().find(|known| known.what == what)
    }

    /// Learns from an answer. One that was complete at the first look may have been there for a while: the next look is a
    /// little earlier. One that was not tells how long it takes; the next look is a little later, so that it finds all of it.
    pub(super) fn learn(&mut self, what: &'static str, took: Duration, bytes: usize, at_first_look: bool) {
        let late = took.mul_f64(1.1);
        match self.known.iter_mut().find(|known| known.what == what) {
            Some(known) => {
                known.bytes = bytes;
                known.time = if at_first_look { known.time.mul_f64(0.98) } else { late };
            }
            None => self.known.push(Expected { what, time: late, bytes }),
        }
    }

    /// The last answer did not come as expected.
    pub(super) fn forget(&mut self, what: &str) {
        self.known.retain(|known| known.what != what);
    }
}
