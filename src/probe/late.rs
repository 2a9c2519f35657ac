//! Answers that come later than a search waits for them.
//!
//! A search cannot wait half a second for each of some fifty requests. A late answer falls into the time of a later request, which takes
//! it for noise, perhaps at another speed. Whoever was asked shortly before is then asked again, with all the time that its boards need.

use super::{Candidate, PortActivity};
use crate::base::units::Moment;
use std::time::Duration;

/// No board that was recorded or described needs longer for an answer.
const LATEST_ANSWER: Duration = Duration::from_millis(800);

/// Answer timeout of a candidate that is asked again.
pub(super) const LATE_TIMEOUT: Duration = Duration::from_millis(650);

/// Most candidates that are asked again: on a line with noise from time to time, all of them would be.
const MOST_SUSPECTS: usize = 8;

/// The candidates that have not answered, and those of them that may have answered late.
#[derive(Default)]
pub(super) struct LateAnswers {
    silent: Vec<(Candidate, Moment)>,
    suspects: Vec<Candidate>,
    asked_again: Vec<Candidate>,
}

impl LateAnswers {
    /// `candidate` was asked at `asked`; `heard` is what came afterwards, and `before` whether bytes came before the request.
    pub(super) fn note(&mut self, candidate: Candidate, asked: Moment, heard: &PortActivity, before: bool) {
        let is_silent = matches!(heard, PortActivity::Silence | PortActivity::Echo);
        self.silent.retain(|(_, at)| asked.since(*at) < LATEST_ANSWER);
        if !is_silent || before {
            // The latest first: it is the most likely one.
            let late = std::mem::take(&mut self.silent).into_iter().rev().map(|(candidate, _)| candidate);
            let late = late.filter(|candidate| !self.asked_again.contains(candidate));
            let room = MOST_SUSPECTS.saturating_sub(self.asked_again.len());
            self.suspects.extend(late.take(room));
        }
        if is_silent {
            self.silent.push((candidate, asked));
        }
    }

    /// Those to ask again, each once.
    pub(super) fn take(&mut self) -> Vec<Candidate> {
        self.asked_again.extend(&self.suspects);
        std::mem::take(&mut self.suspects)
    }
}
