//! Why `health` shows nothing.

use crate::cli::exit::Exit;
use thiserror::Error;

/// Why there is no health of a battery to show.
#[derive(Debug, Error)]
pub enum HealthFailure {
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
            Self::NothingKnown(_) => Exit::Nothing,
        }
    }
}
