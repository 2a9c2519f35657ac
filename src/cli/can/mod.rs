//! `can encode`, `can decode`, `can monitor`: tools for the CAN output.

mod decode;
mod encode;
mod monitor;
pub mod view;

pub use decode::DecodeCanArgs;
pub use encode::EncodeCanArgs;
pub use monitor::MonitorArgs;

use super::failure::{CanFailure, Failure};
use crate::output::can::{PROFILES, Profile};
use crate::terminal::input::StandardInput;
use crate::terminal::output::Show;
use clap::Subcommand;
use std::io::Write;

/// Subcommands for CAN frames.
#[derive(Debug, Clone, Subcommand)]
pub enum CanCommand {
    /// Encode a reading with limits (JSON on standard input) into CAN frames for an inverter
    Encode(EncodeCanArgs),
    /// Show what an inverter would understand from candump lines on standard input
    Decode(DecodeCanArgs),
    /// Listen on a CAN interface and show live what an inverter would understand
    Monitor(MonitorArgs),
}

impl CanCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Encode(args) => args.run(StandardInput::new("readings as JSON objects"), out),
            Self::Decode(args) => args.run(StandardInput::new("lines of candump"), out, Show::choose(args.json)),
            Self::Monitor(args) => args.run(out, Show::choose(args.json)),
        }
    }
}

/// The profile of this name; clap adds the option to the error.
fn profile(name: &str) -> Result<&'static Profile, String> {
    crate::output::can::profile(name)
        .ok_or_else(|| format!("unknown profile; expected one of {}", PROFILES.map(|profile| profile.name).join(", ")))
}
