//! Why a `can` command failed.

use crate::base::units::Volts;
use crate::cli::exit::Exit;
use crate::output::can::CHARGE_VOLTAGES;
use std::io;
use thiserror::Error;

/// Why a `can` command failed.
#[derive(Debug, Error)]
pub enum CanFailure {
    /// The input cannot be read.
    #[error("cannot read standard input: {0}; use a pipe or < FILE")]
    Input(io::Error),
    /// The input is not a JSON object with battery values.
    #[error("the input is not a JSON object with battery values: {0}; `dbus-bms can encode --help` lists the keys")]
    Json(String),
    /// Nothing to encode.
    #[error("empty input; give a JSON object such as {{\"soc_pct\": 75, \"charge_voltage_v\": 55.2}}")]
    Empty,
    /// A charge voltage for which nothing is ever sent.
    #[error(
        "the charge voltage of {0} is no battery's, and nothing is sent for it; give `charge_voltage_v` between {min} and {max} V",
        min = CHARGE_VOLTAGES.start(),
        max = CHARGE_VOLTAGES.end()
    )]
    ChargeVoltage(Volts),
    /// The input held no frame of a battery or inverter.
    #[error("no battery or inverter frame in {lines} lines{wrong}; give lines such as `351#1402C012C012C201`")]
    Nothing {
        /// Lines of the input.
        lines: usize,
        /// What is wrong with the first line that is not a candump line, if there is one.
        wrong: String,
    },
    /// Listening on the interface failed.
    #[error("cannot listen on {interface}: {source}; `ip link` lists the CAN interfaces and whether they are up")]
    Interface {
        /// Its name.
        interface: String,
        /// Error of the operating system.
        source: io::Error,
    },
}

impl CanFailure {
    /// The exit code for this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Input(_) | Self::Json(_) | Self::Empty | Self::ChargeVoltage(_) => Exit::Usage,
            Self::Nothing { .. } => Exit::Nothing,
            Self::Interface { .. } => Exit::Failed,
        }
    }
}
