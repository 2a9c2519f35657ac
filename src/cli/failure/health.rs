//! Why `health` shows nothing.

use crate::cli::exit::Exit;
use crate::health::{MAX_CELLS, MIN_CELLS};
use std::path::PathBuf;
use thiserror::Error;

/// Why there is no health of a battery to show.
#[derive(Debug, Error)]
pub enum HealthFailure {
    /// Too early.
    #[error(
        "{0}: nothing is known of its cells yet; resistances take a day with changing loads, the rest weeks, see docs/health.md"
    )]
    NothingKnown(String),
    /// A history was given.
    #[error(
        "{} is a battery's history: it has no single cells, and health is about them; give a file of `dbus-bms record`, or JSON lines of readings",
        .0.display()
    )]
    History(PathBuf),
    /// There was no reading that tells of cells.
    #[error(
        "no reading with the voltages of {MIN_CELLS} to {MAX_CELLS} cells was in the input; give a file of `dbus-bms record`, or JSON lines of \
         readings as `--help` shows them"
    )]
    NoReadings,
}

impl HealthFailure {
    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::NothingKnown(_) | Self::NoReadings => Exit::Nothing,
            Self::History(_) => Exit::Usage,
        }
    }
}
