//! Which program publishes which battery, so that two programs on one broker never mix theirs. Pure.
//!
//! Each program has a topic for its availability, which is also that of its last will, and writes its key to `…/program` of each
//! battery (retained). A battery that an online program has claimed is left to it.

use super::config::Config;
use super::message::availability;
use crate::base::units::Moment;
use crate::link::mqtt::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Longest wait for the claims that the broker has kept; it may not let this program read them.
const CLAIMS_TIMEOUT: Duration = Duration::from_secs(3);
/// No house has more; a broker that sends more is broken.
const MAX_CLAIMS: usize = 512;

/// State of the claims.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    /// Other programs that are online.
    online: BTreeSet<String>,
    /// Batteries claimed by other programs, and by which.
    foreign: BTreeMap<String, String>,
    /// Batteries claimed by this program, as the broker says.
    own: BTreeSet<String>,
    /// All kept claims have arrived.
    is_ready: bool,
    connected_at: Option<Moment>,
    /// The broker says that this program is offline: the will of its previous run came late.
    is_denied: bool,
    /// Batteries that were reported as claimed elsewhere.
    reported: BTreeSet<String>,
}

impl Ownership {
    /// A new connection: nothing is known yet.
    pub(super) fn connected(&mut self) {
        *self = Self { reported: std::mem::take(&mut self.reported), ..Self::default() };
    }

    /// Whether batteries may be published now.
    pub(super) fn is_ready(&mut self, now: Moment) -> bool {
        let since = *self.connected_at.get_or_insert(now);
        self.is_ready || now.since(since) >= CLAIMS_TIMEOUT
    }

    /// Availability of a program.
    pub(super) fn program(&mut self, key: &str, is_online: bool, is_kept: bool, config: &Config) {
        if key == config.program.key {
            // Claims were asked for before this was published, so they are here.
            if !is_kept {
                self.is_ready |= is_online;
                self.is_denied = !is_online;
            }
        } else if !is_online {
            self.online.remove(key);
        } else if self.online.len() < MAX_CLAIMS {
            self.online.insert(key.to_owned());
        }
    }

    /// The claim of a battery; an empty key takes it back.
    pub(super) fn claim(&mut self, battery: &str, key: &str, config: &Config) {
        self.own.remove(battery);
        self.foreign.remove(battery);
        if key.is_empty() || self.own.len().max(self.foreign.len()) >= MAX_CLAIMS {
            return;
        }
        if key == config.program.key {
            self.own.insert(battery.to_owned());
        } else {
            self.foreign.insert(battery.to_owned(), key.to_owned());
        }
    }

    /// The online program that publishes this battery, if it is another one.
    pub(super) fn other(&self, battery: &str) -> Option<&str> {
        self.foreign.get(battery).filter(|key| self.online.contains(*key)).map(String::as_str)
    }

    /// Whether to report that another program publishes this battery: once each time.
    pub(super) fn reports(&mut self, battery: &str) -> bool {
        self.reported.insert(battery.to_owned())
    }

    /// This program publishes the battery now.
    pub(super) fn is_mine(&mut self, battery: &str) {
        self.reported.remove(battery);
    }

    /// That this program is online, if the broker says otherwise.
    pub(super) fn objection(&mut self, config: &Config) -> Option<Message> {
        std::mem::take(&mut self.is_denied).then(|| Message::retained(config.availability(), availability(true)))
    }

    /// Claims of the previous run for batteries that are not there now.
    pub(super) fn stale(&mut self, is_there: impl Fn(&str) -> bool) -> Vec<String> {
        let stale: Vec<_> = self.own.iter().filter(|battery| !is_there(battery)).cloned().collect();
        stale.iter().for_each(|battery| _ = self.own.remove(battery));
        stale
    }
}

/// Topic of a battery's or device's claim.
fn topic(config: &Config, battery: &str) -> String {
    format!("{}/{battery}/program", config.topic)
}

/// Claims a battery or device for this program.
pub(super) fn claimed(config: &Config, battery: &str) -> Message {
    Message::retained(topic(config, battery), config.program.key.as_str())
}

/// It is gone: its availability, and the end of the claim.
pub(super) fn released(config: &Config, battery: &str) -> [Message; 2] {
    [
        Message::retained(format!("{}/{battery}/availability", config.topic), availability(false)),
        Message::retained(topic(config, battery), ""),
    ]
}
