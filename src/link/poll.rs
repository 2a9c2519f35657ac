//! One full reading: the requests of a protocol's plan, each repeated if the line corrupts it.

use super::confirm::{agreed, brings_static_data, is_near, median};
use super::{Link, LinkError};
use crate::base::units::Moment;
use crate::bms::{Protocol, Request};
use crate::model::Reading;
use std::time::Duration;
use thiserror::Error;

/// Attempts for a required request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryLimits {
    most: usize,
    /// … if nothing comes back at all.
    silent: usize,
    /// Longest time to listen for what a battery sends by itself.
    listen: Duration,
}

impl RetryLimits {
    /// For a battery alone on its line.
    pub const ALONE: Self = Self { most: 3, silent: 3, listen: Duration::MAX };
    /// For a battery on a shared line. What it sends by itself is kept while others are read.
    pub const SHARED: Self = Self { most: 3, silent: 2, listen: Duration::from_secs(2) };
    /// … that did not answer the last time.
    pub const ABSENT: Self = Self { most: 1, silent: 1, listen: Duration::from_millis(200) };
}

/// Attempts for an optional request.
const OPTIONAL_TRIES: usize = 2;

/// Maximum answers to one request in search of two that agree.
const MAX_ANSWERS: usize = 4;

/// Time limit for failing requests in a row, so for polling a dead BMS.
const LOSS_BUDGET: Duration = Duration::from_secs(2);

/// Maximum duration of a reading: its first answers would be stale after that.
const MAX_POLL_TIME: Duration = Duration::from_secs(6);

/// A reading failed.
#[derive(Debug, Error)]
#[error("no {what}{}: {error}", if *tries > 0 { format!(" (asked {tries} times)") } else { String::new() })]
pub struct PollError {
    /// The request that failed.
    pub what: &'static str,
    /// Number of attempts.
    pub tries: usize,
    /// The last error.
    #[source]
    pub error: LinkError,
}

/// Which answers need a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmation {
    Nothing,
    /// Static data of a battery that was never read. Its measured values have to agree with the next reading before anything is
    /// published.
    StaticData,
    Everything,
    /// As `Everything`, on a line that need not be disturbed: values that keep changing must not make the battery unreadable.
    Always,
}

impl Confirmation {
    /// Only a request can be repeated.
    fn covers(self, request: &Request) -> bool {
        let wanted = match self {
            Confirmation::Nothing => false,
            Confirmation::StaticData => !request.required,
            Confirmation::Everything | Confirmation::Always => true,
        };
        wanted && !request.bytes.is_empty()
    }
}

/// `known` with lists as long as those of `answer`, where each element is the answer to a request of its own.
fn begun(known: &Reading, answer: &Reading) -> Reading {
    let mut begun = Reading { cells_complete: answer.cells_complete, ..known.clone() };
    begun.cells.truncate(answer.cells.len());
    if let (Some(sensors), Some(so_far)) = (&mut begun.temperatures.sensors, &answer.temperatures.sensors) {
        sensors.truncate(so_far.len());
    }
    begun
}

/// Time lost in a poll, and remaining attempts.
struct RetryBudget {
    limits: RetryLimits,
    /// Since the last answer.
    in_row: Duration,
    /// Deadline of the whole poll.
    latest: Moment,
}

impl RetryBudget {
    fn forbids(&self, more: Duration, now: Moment) -> bool {
        self.in_row.saturating_add(more) > LOSS_BUDGET || now.after(more) > self.latest
    }
}

impl Link {
    /// As [`Link::poll_within`], for a battery alone on its line.
    ///
    /// # Errors
    /// As [`Link::poll_within`].
    pub fn poll(&mut self, protocol: &mut dyn Protocol, known: &Reading) -> Result<Reading, PollError> {
        self.poll_within(RetryLimits::ALONE, protocol, known)
    }

    /// Sends all requests of a reading, with the attempts that `limits` allows. `known` is the previous reading, or an empty one
    /// with the battery's names.
    ///
    /// On a disturbed line, for changed static data, and with a check that misses much, answers count only when confirmed
    /// (`confirm.rs`).
    ///
    /// # Errors
    /// The first required request without an answer; then no part of the reading is returned.
    pub fn poll_within(&mut self, limits: RetryLimits, protocol: &mut dyn Protocol, known: &Reading) -> Result<Reading, PollError> {
        let plan = protocol.plan(known);
        // A first reading without starts of frames has nothing else that vouches for it.
        let always = protocol.needs_confirmation() || !protocol.has_start() && known.cells.is_empty();
        let fully = if always { Confirmation::Always } else { Confirmation::Everything };
        let confirmation = match protocol.has_weak_checksum() {
            false => Confirmation::Nothing,
            true if always || self.is_disturbed() => fully,
            true if known.voltage.is_none() => Confirmation::StaticData,
            true => Confirmation::Nothing,
        };
        let reading = self.ask_all(protocol, &plan, known, confirmation, limits)?;
        let contradiction = reading.contradiction();
        let doubt = match &contradiction {
            Some(why) => why,
            None if confirmation == fully || !known.is_static_data_changed(&reading) => return Ok(reading),
            None => "capacity, a name or a setting is not what it was",
        };
        log::debug!("{}: {doubt}; repeating the request", self.name());
        protocol.reset();
        let reading = self.ask_all(protocol, &plan, known, fully, limits)?;
        match (reading.contradiction(), plan.first()) {
            (Some(why), Some(request)) => {
                Err(PollError { what: request.what, tries: limits.most, error: LinkError::Impossible { why } })
            }
            _ => Ok(reading),
        }
    }

    fn ask_all(
        &mut self,
        protocol: &mut dyn Protocol,
        plan: &[Request],
        known: &Reading,
        confirmation: Confirmation,
        limits: RetryLimits,
    ) -> Result<Reading, PollError> {
        let mut reading = known.next_poll();
        self.lateness = Duration::ZERO;
        let mut budget = RetryBudget { limits, in_row: Duration::ZERO, latest: self.clock.now().after(MAX_POLL_TIME) };
        for request in plan {
            let result = if confirmation.covers(request) {
                self.require_confirmation(protocol, request, known, confirmation, &mut reading, &mut budget)
            } else {
                self.retry(protocol, request, &mut reading, &mut budget)
            };
            if let Err(failure) = result {
                if request.required || failure.error.is_port() {
                    return Err(failure);
                }
                log::debug!("{}: {failure}", self.name());
            }
        }
        reading.derive_power();
        Ok(reading)
    }

    /// Repeats a request until its answer agrees with known data, or two answers agree.
    fn require_confirmation(
        &mut self,
        protocol: &mut dyn Protocol,
        request: &Request,
        known: &Reading,
        confirmation: Confirmation,
        reading: &mut Reading,
        budget: &mut RetryBudget,
    ) -> Result<(), PollError> {
        let mut answers: Vec<Reading> = Vec::new();
        while answers.len() < MAX_ANSWERS {
            let mut answer = reading.clone();
            self.retry(protocol, request, &mut answer, budget)?;
            // The next answer must not depend on this one.
            protocol.reset();
            let suffices = match confirmation {
                Confirmation::StaticData => !brings_static_data(&answer, reading),
                _ if protocol.has_start() => is_near(&answer, known),
                _ => is_near(&answer, &begun(known, &answer)),
            };
            if suffices {
                *reading = answer;
                return Ok(());
            }
            answers.push(answer);
            if let Some(agreed) = agreed(&answers) {
                reading.clone_from(agreed);
                return Ok(());
            }
        }
        match median(&answers).filter(|_| confirmation == Confirmation::Always) {
            Some(median) => {
                *reading = median;
                Ok(())
            }
            None => Err(PollError { what: request.what, tries: answers.len(), error: LinkError::Contradictory }),
        }
    }

    /// Repeats a request until it is answered or refused, or attempts or time are used up.
    fn retry(
        &mut self,
        protocol: &mut dyn Protocol,
        request: &Request,
        reading: &mut Reading,
        budget: &mut RetryBudget,
    ) -> Result<(), PollError> {
        let shortened;
        let request = if request.bytes.is_empty() && request.timeout > budget.limits.listen {
            shortened = Request { timeout: budget.limits.listen, ..request.clone() };
            &shortened
        } else {
            request
        };
        let most = if request.required { budget.limits.most } else { budget.limits.most.min(OPTIONAL_TRIES) };
        let mut tries: usize = 0;
        loop {
            let start = self.clock.now();
            let Err(error) = self.exchange(protocol, request, reading) else {
                budget.in_row = Duration::ZERO;
                return Ok(());
            };
            // After an answer that was too old, let the line settle before the next request.
            tries = tries.saturating_add(usize::from(!matches!(error, LinkError::Late { .. })));
            budget.in_row = budget.in_row.saturating_add(self.clock.now().since(start));
            let hopeless = match error {
                LinkError::Refused { .. } => true,
                _ if error.is_port() => true,
                // Many boards never answer unknown requests: do not wait for that twice.
                LinkError::Silent | LinkError::NoMessage { .. } | LinkError::EchoOnly => {
                    !request.required || tries >= budget.limits.silent
                }
                _ => false,
            };
            if hopeless || tries >= most || budget.forbids(request.timeout, self.clock.now()) {
                return Err(PollError { what: request.what, tries, error });
            }
        }
    }
}
