//! Why `health` shows nothing.

use crate::cli::exit::Exit;
use thiserror::Error;

/// Why there is no health of a battery to show.
#[derive(Debug, Error)]
pub enum HealthFailure {
    /// No battery service has this name.
    #[error(
        "no battery on D-Bus has \"{wanted}\" in its name (there: {there}); name a port or a service that `dbus-bms status` shows, and leave the \
         driver running"
    )]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// The services.
        there: String,
    },
    /// Several have it.
    #[error("\"{wanted}\" fits several batteries, name one of them: {found}")]
    Several {
        /// What was asked for.
        wanted: String,
        /// The services.
        found: String,
    },
    /// It does not answer questions of this kind.
    #[error("{0} is served by another driver, or did not answer in time; `dbus-bms doctor` shows which driver it is")]
    OtherDriver(String),
    /// Too early.
    #[error(
        "{0}: nothing is known of its cells yet; resistances take a day with changing loads, the rest weeks, see docs/health.md"
    )]
    NothingKnown(String),
}

impl HealthFailure {
    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Unknown { .. } | Self::OtherDriver(_) | Self::NothingKnown(_) => Exit::Nothing,
            Self::Several { .. } => Exit::Usage,
        }
    }
}
