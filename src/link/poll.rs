//! One full reading: the requests of a protocol's plan, each repeated when the line spoils it.

use super::agreement::{agreed, changes_what_lasts, is_near};
use super::{Link, LinkError};
use crate::bms::{Protocol, Request};
use crate::model::Reading;
use crate::units::Moment;
use std::time::Duration;
use thiserror::Error;

/// How often a request is made that a reading cannot do without.
const TRIES: usize = 3;

/// How often a request is made that a reading can do without.
const OPTIONAL_TRIES: usize = 2;

/// How many answers to one request are heard in search of two that agree.
const MOST_ANSWERS: usize = 4;

/// Time that a poll spends on requests that fail, one after the other; a dead BMS costs no more.
const LOSS_BUDGET: Duration = Duration::from_secs(2);

/// A reading is made within this time, or not at all: what was asked first would be old by then.
const LONGEST: Duration = Duration::from_secs(6);

/// A reading failed.
#[derive(Debug, Error)]
#[error("no {what}{}: {error}", if *tries > 0 { format!(" (asked {tries} times)") } else { String::new() })]
pub struct PollError {
    /// The request that failed.
    pub what: &'static str,
    /// How often it was made.
    pub tries: usize,
    /// What came the last time.
    #[source]
    pub error: LinkError,
}

/// Which answers count only when they are proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Nothing,
    /// Names and settings of a battery that was never read: they stay.
    WhatLasts,
    Everything,
}

impl Proof {
    /// Only what was asked for can be asked for again.
    fn covers(self, request: &Request) -> bool {
        let wanted = match self {
            Proof::Nothing => false,
            Proof::WhatLasts => !request.required,
            Proof::Everything => true,
        };
        wanted && !request.bytes.is_empty()
    }
}

/// The time that a poll has lost, and how often a request may be made.
struct Lost {
    tries: usize,
    /// Since the last answer.
    in_row: Duration,
    /// When there is no time left for anything.
    latest: Moment,
}

impl Lost {
    fn forbids(&self, more: Duration, now: Moment) -> bool {
        self.in_row.saturating_add(more) > LOSS_BUDGET || now.after(more) > self.latest
    }
}

impl Link {
    /// As [`Link::poll_within`], with patience: for a battery that has its line for itself.
    ///
    /// # Errors
    /// As [`Link::poll_within`].
    pub fn poll(&mut self, protocol: &mut dyn Protocol, known: &Reading) -> Result<Reading, PollError> {
        self.poll_within(TRIES, protocol, known)
    }

    /// Asks for everything that makes a reading, at most `tries` times each. `known` is the previous reading, or an empty one
    /// with the battery's names.
    ///
    /// On a disturbed line, and where something is new that will last, answers count only when repeated (`agreement.rs`).
    ///
    /// # Errors
    /// The first required request that stays without answer; no part of the reading is then returned.
    pub fn poll_within(&mut self, tries: usize, protocol: &mut dyn Protocol, known: &Reading) -> Result<Reading, PollError> {
        let plan = protocol.plan(known);
        let proof = match protocol.is_weak() {
            false => Proof::Nothing,
            true if self.is_disturbed() => Proof::Everything,
            true if known.voltage.is_none() => Proof::WhatLasts,
            true => Proof::Nothing,
        };
        let reading = self.ask_all(protocol, &plan, known, proof, tries)?;
        if proof == Proof::Everything || !changes_what_lasts(known, &reading) {
            return Ok(reading);
        }
        log::debug!("{}: capacity, a name or a setting is not what it was; asking again", self.name());
        protocol.restart();
        self.ask_all(protocol, &plan, known, Proof::Everything, tries)
    }

    fn ask_all(
        &mut self,
        protocol: &mut dyn Protocol,
        plan: &[Request],
        known: &Reading,
        proof: Proof,
        tries: usize,
    ) -> Result<Reading, PollError> {
        let mut reading = known.next_poll();
        let mut lost = Lost { tries, in_row: Duration::ZERO, latest: self.clock.now().after(LONGEST) };
        for request in plan {
            let result = if proof.covers(request) {
                self.insist_on_proof(protocol, request, known, &mut reading, &mut lost)
            } else {
                self.insist(protocol, request, &mut reading, &mut lost)
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

    /// Makes a request until its answer agrees with what is known, or two answers agree.
    fn insist_on_proof(
        &mut self,
        protocol: &mut dyn Protocol,
        request: &Request,
        known: &Reading,
        reading: &mut Reading,
        lost: &mut Lost,
    ) -> Result<(), PollError> {
        let mut answers: Vec<Reading> = Vec::new();
        while answers.len() < MOST_ANSWERS {
            let mut answer = reading.clone();
            self.insist(protocol, request, &mut answer, lost)?;
            // The next answer is to owe nothing to this one.
            protocol.restart();
            if is_near(&answer, known) {
                *reading = answer;
                return Ok(());
            }
            answers.push(answer);
            if let Some(agreed) = agreed(&answers) {
                reading.clone_from(agreed);
                return Ok(());
            }
        }
        Err(PollError { what: request.what, tries: answers.len(), error: LinkError::Contradictory })
    }

    /// Makes a request until it is answered, refused, or tries or time are used up.
    fn insist(
        &mut self,
        protocol: &mut dyn Protocol,
        request: &Request,
        reading: &mut Reading,
        lost: &mut Lost,
    ) -> Result<(), PollError> {
        let most = if request.required { lost.tries } else { lost.tries.min(OPTIONAL_TRIES) };
        let mut tries: usize = 0;
        loop {
            let start = self.clock.now();
            let Err(error) = self.exchange(protocol, request, reading) else {
                lost.in_row = Duration::ZERO;
                return Ok(());
            };
            tries = tries.saturating_add(1);
            lost.in_row = lost.in_row.saturating_add(self.clock.now().since(start));
            let hopeless = match error {
                LinkError::Refused { .. } | LinkError::Vanished(_) | LinkError::Io(_) => true,
                // Many boards never answer what they do not know; a reading need not wait for that twice.
                LinkError::Silent | LinkError::EchoOnly => !request.required,
                _ => false,
            };
            if hopeless || tries >= most || lost.forbids(request.timeout, self.clock.now()) {
                return Err(PollError { what: request.what, tries, error });
            }
        }
    }
}
