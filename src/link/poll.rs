//! One full reading: the requests of a protocol's plan, each repeated when the line spoils it.

use super::{Link, LinkError};
use crate::bms::{Protocol, Request};
use crate::model::Reading;
use std::time::Duration;
use thiserror::Error;

/// How often a request is made that a reading cannot do without.
const TRIES: usize = 3;

/// How often a request is made that a reading can do without.
const OPTIONAL_TRIES: usize = 2;

/// Time that a poll spends on requests that fail; a dead BMS costs no more.
const LOSS_BUDGET: Duration = Duration::from_secs(2);

/// A reading failed.
#[derive(Debug, Error)]
#[error("no {what} (asked {tries} times): {error}")]
pub struct PollError {
    /// The request that failed.
    pub what: &'static str,
    /// How often it was made.
    pub tries: usize,
    /// What came the last time.
    #[source]
    pub error: LinkError,
}

impl Link {
    /// Asks for everything that makes a reading. `known` is the previous reading, or an empty one with the battery's names.
    ///
    /// # Errors
    /// The first required request that stays without answer; no part of the reading is then returned.
    pub fn poll(&mut self, protocol: &mut dyn Protocol, known: &Reading) -> Result<Reading, PollError> {
        let mut reading = known.next();
        let mut lost = Duration::ZERO;
        for request in protocol.plan(known) {
            if let Err(failure) = self.insist(protocol, &request, &mut reading, &mut lost) {
                if request.required || failure.error.is_port() {
                    return Err(failure);
                }
                log::debug!("{}: {failure}", self.name());
            }
        }
        reading.derive_power();
        Ok(reading)
    }

    /// Makes a request until it is answered, refused, or tries or time are used up.
    fn insist(
        &mut self,
        protocol: &mut dyn Protocol,
        request: &Request,
        reading: &mut Reading,
        lost: &mut Duration,
    ) -> Result<(), PollError> {
        let most = if request.required { TRIES } else { OPTIONAL_TRIES };
        let mut tries: usize = 0;
        loop {
            let start = self.clock.now();
            let Err(error) = self.exchange(protocol, request, reading) else { return Ok(()) };
            tries = tries.saturating_add(1);
            *lost = lost.saturating_add(self.clock.now().since(start));
            let hopeless = match error {
                LinkError::Refused { .. } | LinkError::Vanished(_) | LinkError::Io(_) => true,
                // Many boards never answer what they do not know; a reading need not wait for that twice.
                LinkError::Silent | LinkError::EchoOnly => !request.required,
                _ => false,
            };
            if hopeless || tries >= most || lost.saturating_add(request.timeout) > LOSS_BUDGET {
                return Err(PollError { what: request.what, tries, error });
            }
        }
    }
}
