//! Failures of `replay`.

use crate::cli::exit::Exit;
use crate::recording::anonymous::AnonymousError;
use crate::recording::file::RecordingError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Where tests look for recordings, from the folder of the source.
pub(in crate::cli) const TEST_FOLDER: &str = "tests/vectors";

/// Why a recording cannot be shown or turned into a test.
#[derive(Debug, Error)]
pub enum ReplayFailure {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; give a file that `dbus-bms record` wrote")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// Not a recording.
    #[error(transparent)]
    Format(#[from] RecordingError),
    /// The BMS family is unknown.
    #[error("{path} is from an unknown BMS ({bms:?}); add --bms NAME to try one")]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it says.
        bms: String,
    },
    /// The test's name would make a bad file name.
    #[error(
        "{name:?} is not a valid test name: use lower-case letters, digits, '-' and '.', as in jk-b2a20s-charging; set it with --name"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The support bundle has no recording.
    #[error("{path} contains no recording, as the flight recorder has written none; add --port PORT to `dbus-bms support`")]
    Empty {
        /// The bundle.
        path: PathBuf,
    },
    /// It contains personal data that cannot be replaced.
    #[error("{path} is not written: {source}")]
    Anonymous {
        /// The test.
        path: PathBuf,
        /// What is left.
        source: AnonymousError,
    },
    /// No folder of tests.
    #[error("no folder {TEST_FOLDER} here: run this in the source folder")]
    NoTests,
    /// A test of that name exists.
    #[error("{path} already exists: choose another name with --name, or remove it first")]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

impl ReplayFailure {
    /// The exit code for this failure.
    pub fn exit(&self) -> Exit {
        Exit::Usage
    }
}
