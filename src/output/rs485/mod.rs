//! RS485 output to inverters without a usable CAN interface: this driver is a battery there, and answers what the inverter asks.
//!
//! ```text
//!   port ──bytes──▶ responder ──request──▶ protocol (request + InverterData ──▶ reply) ──▶ responder (token bucket) ──▶ port
//! ```
//! The protocols are pure functions without clock and I/O; `serve` is the I/O. The data and its age are those of the CAN output.
//! **A new protocol is one file and its line in [`PROTOCOLS`].**
#![deny(clippy::indexing_slicing)]

mod config;
mod eg4_ll;
mod growatt;
mod ownership;
mod pi30;
mod pylontech;
mod registers;
mod responder;
mod serve;
mod status;
mod voltronic;
mod words;

pub use config::Config;
pub use ownership::owner;
pub use responder::Responder;
pub use serve::serve;
pub use status::{Reporter, Status};

use crate::bms::Framing;
use crate::output::can::InverterData;
use std::fmt;
use std::time::Duration;

/// A protocol in which an inverter asks its battery.
pub struct Protocol {
    /// Name in the configuration.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Default speed.
    pub baud: u32,
    /// Default address of the battery.
    pub address: u8,
    /// Looks for a request at the start of the received bytes.
    pub framing: fn(&[u8]) -> Framing,
    /// The reply to a request; `None` = no reply, because the request is not for this battery or the data for it is missing.
    pub answer: fn(&[u8], u8, &InverterData) -> Option<Vec<u8>>,
    /// What a request asks for: its command, or its registers.
    pub asks: fn(&[u8]) -> String,
    /// What is sent unasked; `None` = only replies.
    pub says: Option<&'static Says>,
}

/// What a battery sends without being asked.
pub struct Says {
    /// Time from one message to the next.
    pub every: Duration,
    /// The message; `None` = nothing, because the data for it is missing.
    pub message: fn(&InverterData) -> Option<Vec<u8>>,
    /// Whether a frame of the inverter takes it; others refuse it.
    pub is_taken: fn(&[u8]) -> bool,
}

/// All protocols.
pub const PROTOCOLS: [&Protocol; 5] =
    [&pylontech::PROTOCOL, &growatt::PROTOCOL, &voltronic::PROTOCOL, &eg4_ll::PROTOCOL, &pi30::PROTOCOL];

/// The protocol with this name.
pub fn protocol(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.into_iter().find(|protocol| protocol.name == name)
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Protocols are compared by name.
impl PartialEq for Protocol {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
