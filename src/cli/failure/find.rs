//! Why it is not clear which battery is meant.

use crate::cli::exit::Exit;
use thiserror::Error;

/// Why the battery that was named cannot be used.
#[derive(Debug, Error)]
pub enum FindFailure {
    /// No battery is called so.
    #[error(
        "no battery on D-Bus is {wanted:?}{}; give its port, its service or its name as `dbus-bms status` shows it, and leave the driver running",
        listed(there)
    )]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// The services.
        there: String,
    },
    /// Several are.
    #[error("{wanted:?} is several batteries: choose one with --address, or one of these: {found}")]
    Several {
        /// What was asked for.
        wanted: String,
        /// The services.
        found: String,
    },
    /// It does not answer questions of this kind.
    #[error("{0} is served by another driver, or did not answer in time; `dbus-bms doctor` shows which driver it is")]
    OtherDriver(String),
}

fn listed(services: &str) -> String {
    if services.is_empty() { String::new() } else { format!(" (there is {services})") }
}

impl FindFailure {
    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Unknown { .. } | Self::OtherDriver(_) => Exit::Nothing,
            Self::Several { .. } => Exit::Usage,
        }
    }
}
