//! State of the CAN output, for other outputs.

use super::Profile;
use super::data_age::Transmission;
use crate::output::api;
use tokio::sync::watch;

/// State of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The interface takes frames.
    pub up: bool,
    /// An inverter was detected; `None` = listening for less than ten seconds.
    pub heartbeat: Option<bool>,
    /// What it sends.
    pub transmission: Transmission,
}

impl Default for Status {
    fn default() -> Self {
        Self { up: false, heartbeat: None, transmission: Transmission::Full }
    }
}

/// Reports the state of an output.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// Its interface.
    pub interface: String,
    /// Its profile.
    pub profile: &'static Profile,
    /// Its present state.
    pub status: watch::Receiver<Status>,
}

impl Reporter {
    /// The form shown by other outputs.
    pub fn view(&self) -> api::Can {
        let Status { up, heartbeat, transmission } = *self.status.borrow();
        api::Can {
            interface: self.interface.clone(),
            profile: self.profile.name.into(),
            up,
            heartbeat,
            says: transmission.word().into(),
        }
    }
}

impl Transmission {
    /// The word used in outputs.
    pub fn word(self) -> &'static str {
        match self {
            Transmission::Full => "all",
            Transmission::ZeroLimits => "off",
            Transmission::Silent => "nothing",
        }
    }
}
