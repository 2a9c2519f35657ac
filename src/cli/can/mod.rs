//! `can encode`, `can decode`, `can monitor`: the CAN output by hand.

mod decode;
mod encode;
mod monitor;
pub mod view;

pub use decode::DecodeCanArgs;
pub use encode::EncodeCanArgs;
pub use monitor::MonitorArgs;

use super::exit::{Exit, Failure};
use super::output::Show;
use crate::sink::can::{PROFILES, Profile};
use clap::Subcommand;
use std::io::{self, Write};
use thiserror::Error;

/// What to do with CAN frames.
#[derive(Debug, Clone, Subcommand)]
pub enum CanCommand {
    /// Write the frames that tell an inverter of a battery: a reading with limits as JSON on the standard input
    Encode(EncodeCanArgs),
    /// Show what an inverter would understand: candump lines on the standard input
    Decode(DecodeCanArgs),
    /// Listen on a CAN interface and show, live, what an inverter would understand
    Monitor(MonitorArgs),
}

/// Why a `can` command failed.
#[derive(Debug, Error)]
pub enum CanFailure {
    /// The input cannot be read.
    #[error("cannot read the standard input: {0}; give it by a pipe or with < FILE")]
    Input(io::Error),
    /// The input is no JSON that says something about a battery.
    #[error("the input is no JSON object of a battery: {0}; `dbus-bms can encode --help` names the keys")]
    Json(String),
    /// Nothing to encode.
    #[error("the input is empty; give a JSON object such as {{\"soc_pct\": 75, \"charge_voltage_v\": 55.2}}")]
    Empty,
    /// No frame of a battery or inverter was in the input.
    #[error("no frame of a battery or inverter in {lines} lines{wrong}; give lines such as `351#1402C012C012C201`")]
    Nothing {
        /// Lines of the input.
        lines: usize,
        /// What is wrong with the first of them, if it is no candump line.
        wrong: String,
    },
    /// The interface cannot be listened on.
    #[error("cannot listen on {interface}: {source}; `ip link` lists the CAN interfaces and whether they are up")]
    Interface {
        /// Its name.
        interface: String,
        /// What the operating system says.
        source: io::Error,
    },
}

impl CanFailure {
    /// The exit code that says it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Input(_) | Self::Json(_) | Self::Empty => Exit::Usage,
            Self::Nothing { .. } => Exit::Nothing,
            Self::Interface { .. } => Exit::Failed,
        }
    }
}

impl CanCommand {
    /// Does it.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Encode(args) => args.run(io::stdin().lock(), out),
            Self::Decode(args) => args.run(io::stdin().lock(), out, Show::choose(args.json)),
            Self::Monitor(args) => args.run(out, Show::choose(args.json)),
        }
    }
}

/// The profile of this name; clap adds the option to the error.
fn profile(name: &str) -> Result<&'static Profile, String> {
    crate::sink::can::profile(name)
        .ok_or_else(|| format!("there is no profile of this name; known are {}", PROFILES.map(|profile| profile.name).join(", ")))
}
