//! How a command ends: its exit code and, when something went wrong, one sentence.

use super::can::CanFailure;
use super::decode::DecodeFailure;
use super::replay::ReplayFailure;
use crate::config::ConfigError;
use crate::demo::DemoError;
use crate::link::OpenError;
use crate::migrate::Unfit;
use crate::run::RunError;
use crate::sim::SimError;
use crate::sink::dbus::DbusError;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Exit codes; scripts and serial-starter rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or stopped by a signal.
    Fine = 0,
    /// Something that no other code names, such as a full disk.
    Failed = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// No BMS found, nothing decoded.
    Nothing = 3,
    /// The port's device node vanished.
    PortGone = 4,
    /// D-Bus was absent, the name taken, or the connection lost, where D-Bus is required.
    BusGone = 5,
    /// The program stood still and has ended itself.
    Stuck = crate::watchdog::EXIT_CODE,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed, in words that say what to do.
#[derive(Debug, Error)]
pub enum Failure {
    /// The configuration, or an option that stands for one of its keys.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// `config migrate` of something else.
    #[error("{}: {unfit}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        unfit: Unfit,
    },
    /// `run` without a port.
    #[error("no port: name one (`dbus-bms run /dev/ttyUSB0`), or set `ports` in the configuration")]
    NoPort,
    /// `decode`
    #[error(transparent)]
    Decode(#[from] DecodeFailure),
    /// `can`
    #[error(transparent)]
    Can(#[from] CanFailure),
    /// `replay`
    #[error(transparent)]
    Replay(#[from] ReplayFailure),
    /// `run`, `probe`, `read`, `record`
    #[error(transparent)]
    Run(#[from] RunError),
    /// `demo`
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// `simulate`
    #[error(transparent)]
    Simulate(#[from] SimError),
    /// `limits`
    #[error("line {number} of the input: {error}; each line is a JSON object of facts, see `dbus-bms limits --help`")]
    Line {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// `set` or `override` with something that is none, or not sure enough.
    #[error("{0}")]
    Wish(String),
    /// `set` or `override` that was not done.
    #[error("{wish}: {text}")]
    NotDone {
        /// What was wanted.
        wish: String,
        /// What became of it.
        text: String,
        /// Because it is not enabled.
        off: bool,
    },
    /// A file that was asked for could not be written.
    #[error("cannot write {}: {source}; choose another place", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// `status` without a battery.
    #[error("no battery is on D-Bus; `dbus-bms doctor` shows why")]
    NoBattery,
    /// `doctor` has found something.
    #[error("{problems} to set right: see the lines marked PROBLEM")]
    Unwell {
        /// How many.
        problems: usize,
    },
    /// What was to be printed could not be.
    #[error("cannot write the output: {0}; check that the disk is not full")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The exit code that says it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Unfit { .. } | Self::NoPort | Self::Wish(_) | Self::NotDone { off: true, .. } => Exit::Usage,
            Self::Decode(failure) => failure.exit(),
            Self::Can(failure) => failure.exit(),
            Self::Replay(failure) => failure.exit(),
            Self::Run(RunError::NothingFound(_)) | Self::NoBattery => Exit::Nothing,
            Self::Run(RunError::PortGone(_) | RunError::Open(OpenError::Missing { .. })) => Exit::PortGone,
            Self::Run(RunError::Bus(DbusError::Address(_) | DbusError::NoSession)) | Self::Line { .. } => Exit::Usage,
            Self::Run(RunError::Bus(_)) => Exit::BusGone,
            Self::Run(RunError::Open(OpenError::NotSerial { .. } | OpenError::Address { .. })) => Exit::Usage,
            Self::Run(RunError::Open(_) | RunError::System(_))
            | Self::Demo(_)
            | Self::Simulate(_)
            | Self::File { .. }
            | Self::NotDone { off: false, .. }
            | Self::Unwell { .. }
            | Self::Output(_) => Exit::Failed,
        }
    }

    /// True when the reader of a pipe has seen enough (`… | head`): nothing went wrong.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Writes a file that the owner asked for.
///
/// # Errors
/// [`Failure::File`]
pub(super) fn write_file(path: &Path, content: &str) -> Result<(), Failure> {
    std::fs::write(path, content).map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// Writes a file that must not be there yet.
///
/// # Errors
/// [`Failure::File`]
pub(super) fn write_new_file(path: &Path, content: &str) -> Result<(), Failure> {
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = file.and_then(|mut file| io::Write::write_all(&mut file, content.as_bytes()));
    written.map_err(|source| Failure::File { path: path.to_owned(), source })
}
