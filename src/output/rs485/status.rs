//! State of the RS485 output, for other outputs.

use super::Protocol;
use crate::base::units::{Moment, round};
use crate::output::api;
use crate::output::can::Transmission;
use std::collections::BTreeSet;
use tokio::sync::watch;

/// Kinds of requests that are remembered at most: more than an inverter has.
const MAX_REQUESTS: usize = 16;

/// State of the output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The port is open.
    pub up: bool,
    /// Why it is not.
    pub fault: Option<String>,
    /// An inverter asks; `None` = listening for less than half a minute.
    pub heartbeat: Option<bool>,
    /// What is replied.
    pub transmission: Transmission,
    /// The last request that had a reply.
    pub asked_at: Option<Moment>,
    /// Kinds of requests that had a reply.
    pub requests: BTreeSet<String>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            up: false,
            fault: None,
            heartbeat: None,
            transmission: Transmission::Full,
            asked_at: None,
            requests: BTreeSet::new(),
        }
    }
}

impl Status {
    /// Takes a request that has a reply.
    pub(super) fn asked(&mut self, request: String, now: Moment) {
        self.asked_at = Some(now);
        if self.requests.len() < MAX_REQUESTS {
            self.requests.insert(request);
        }
    }
}

/// Reports the state of an output.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// Its port.
    pub port: String,
    /// Its protocol.
    pub protocol: &'static Protocol,
    /// Its present state.
    pub status: watch::Receiver<Status>,
}

impl Reporter {
    /// The form shown by other outputs at `now`.
    pub fn view(&self, now: Moment) -> api::Rs485 {
        let Status { up, fault, heartbeat, transmission, asked_at, requests } = self.status.borrow().clone();
        api::Rs485 {
            port: self.port.clone(),
            protocol: self.protocol.name.into(),
            up,
            fault,
            heartbeat,
            says: transmission.word().into(),
            asked_age_s: asked_at.map(|at| round(now.since(at).as_secs_f64(), 1)),
            requests: requests.into_iter().map(Into::into).collect(),
        }
    }
}
