//! How the output over CAN is doing, for those who show it.

use super::Profile;
use super::presence::Say;
use crate::view;
use tokio::sync::watch;

/// How the output is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The interface takes frames.
    pub up: bool,
    /// An inverter is heard; `None` = listened for less than ten seconds.
    pub heartbeat: Option<bool>,
    /// What is sent.
    pub says: Say,
}

impl Default for Status {
    fn default() -> Self {
        Self { up: false, heartbeat: None, says: Say::All }
    }
}

/// Tells how an output is doing.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// Its interface.
    pub interface: String,
    /// What it speaks.
    pub profile: &'static Profile,
    /// How it is doing now.
    pub status: watch::Receiver<Status>,
}

impl Reporter {
    /// As the other sinks show it.
    pub fn view(&self) -> view::Can {
        let Status { up, heartbeat, says } = *self.status.borrow();
        view::Can { interface: self.interface.clone(), profile: self.profile.name.into(), up, heartbeat, says: says.word().into() }
    }
}

impl Say {
    /// The word that shows use.
    pub fn word(self) -> &'static str {
        match self {
            Say::All => "all",
            Say::Off => "off",
            Say::Nothing => "nothing",
        }
    }
}
