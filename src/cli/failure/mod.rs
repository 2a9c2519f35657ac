//! Why a command failed: one sentence with the remedy, and the exit code.

mod can;
mod decode;
mod find;
mod health;
mod replay;
mod verify;

pub(super) use can::CanFailure;
pub(super) use decode::{DECODE_INPUT_LIMIT, DecodeFailure};
pub(super) use find::FindFailure;
pub(super) use health::HealthFailure;
pub(super) use replay::{ReplayFailure, TEST_FOLDER};
pub(super) use verify::VerifyFailure;

use super::exit::Exit;
use crate::config::ConfigError;
use crate::config::import::ImportError;
use crate::dbus::DbusError;
use crate::link::can::CanFault;
use crate::link::{BluetoothError, OpenError};
use crate::service::RunError;
use crate::sim::SimError;
use crate::tools::demo::DemoError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a command failed, with the remedy.
#[derive(Debug, Error)]
pub enum Failure {
    /// The configuration, or an option that overrides one of its keys.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `config migrate` of an unknown format.
    #[error("{}: {error}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ImportError,
    },
    /// `run` without a port.
    #[error("no port given: name one (`dbus-bms run /dev/ttyUSB0`), or set `ports` in the configuration")]
    NoPort,
    /// `decode`
    #[error(transparent)]
    Decode(#[from] DecodeFailure),
    /// `can`
    #[error(transparent)]
    Can(#[from] CanFailure),
    /// `health`, `set`, `override`
    #[error(transparent)]
    Find(#[from] FindFailure),
    /// `health`
    #[error(transparent)]
    Health(#[from] HealthFailure),
    /// `replay`
    #[error(transparent)]
    Replay(#[from] ReplayFailure),
    /// `verify`
    #[error(transparent)]
    Verify(#[from] VerifyFailure),
    /// `run`, `probe`, `read`, `record`
    #[error(transparent)]
    Run(#[from] RunError),
    /// `scan-ble`
    #[error(transparent)]
    Bluetooth(#[from] BluetoothError),
    /// `demo`
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// `simulate`
    #[error(transparent)]
    Simulate(#[from] SimError),
    /// `limits`, `health`
    #[error("line {number} of the input: {error}; each line must be a JSON object of measured values; `--help` shows one")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// `set` or `override` with an invalid or unconfirmed request.
    #[error("{0}")]
    Request(String),
    /// `set` or `override` was not carried out.
    #[error("{request}: {text}")]
    NotDone {
        /// The request.
        request: String,
        /// The outcome.
        text: String,
        /// True if commands are not enabled.
        off: bool,
    },
    /// The requested file could not be written.
    #[error("cannot write {}: {source}; choose another path", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// `status` without a battery.
    #[error("no battery on D-Bus; `dbus-bms doctor` shows why")]
    NoBattery,
    /// `doctor` found problems.
    #[error("{problems} problem(s) found: see the lines marked PROBLEM")]
    Unwell {
        /// How many.
        problems: usize,
    },
    /// The output could not be written.
    #[error("cannot write the output: {0}; check that the disk is not full")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The exit code for this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Import { .. } | Self::NoPort | Self::Request(_) | Self::NotDone { off: true, .. } => {
                Exit::Usage
            }
            Self::Decode(failure) => failure.exit(),
            Self::Can(failure) => failure.exit(),
            Self::Find(failure) => failure.exit(),
            Self::Health(failure) => failure.exit(),
            Self::Replay(failure) => failure.exit(),
            Self::Verify(failure) => failure.exit(),
            Self::Run(RunError::NothingFound(_)) | Self::NoBattery => Exit::Nothing,
            Self::Run(
                RunError::PortGone(_) | RunError::Open(OpenError::Missing { .. } | OpenError::Can { fault: CanFault::Missing, .. }),
            ) => Exit::PortGone,
            Self::Simulate(
                SimError::UnknownBms { .. }
                | SimError::Cells { .. }
                | SimError::Addresses { .. }
                | SimError::ReadScenario { .. }
                | SimError::Scenario(_),
            ) => Exit::Usage,
            Self::Run(RunError::Bus(DbusError::Address(_) | DbusError::NoSession)) | Self::Line { .. } => Exit::Usage,
            Self::Demo(DemoError::Bms { .. }) => Exit::Usage,
            Self::Run(RunError::Bus(_)) => Exit::BusGone,
            Self::Run(RunError::Open(
                OpenError::NotSerial { .. }
                | OpenError::Address { .. }
                | OpenError::BluetoothAddress { .. }
                | OpenError::CanName { .. }
                | OpenError::MqttAddress { .. },
            )) => Exit::Usage,
            Self::Run(RunError::Open(_) | RunError::System(_))
            | Self::Bluetooth(_)
            | Self::Demo(_)
            | Self::Simulate(SimError::Pty(_) | SimError::Can(_) | SimError::Line(_))
            | Self::File { .. }
            | Self::NotDone { off: false, .. }
            | Self::Unwell { .. }
            | Self::Output(_) => Exit::Failed,
        }
    }

    /// True if the reader closed the pipe (`… | head`): not a failure.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Writes a file that the user asked for.
///
/// # Errors
/// [`Failure::File`]
pub(super) fn write_file(path: &Path, content: &str) -> Result<(), Failure> {
    std::fs::write(path, content).map_err(|source| Failure::File { path: path.to_owned(), source })?;
    // Not on standard output, which may be read by a program.
    log::info!("written: {}", path.display());
    Ok(())
}

/// Writes a file that must not exist yet.
///
/// # Errors
/// [`Failure::File`]
pub(super) fn write_new_file(path: &Path, content: &str) -> Result<(), Failure> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| io::Write::write_all(&mut file, content.as_bytes()));
    written.map_err(|source| Failure::File { path: path.to_owned(), source })
}
