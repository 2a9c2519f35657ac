//! CAN output to inverters of other makers than Victron.
//!
//! ```text
//!   snapshots ──▶ inverter_data (what; data_age decides whether) ──▶ profile ──▶ frames ──▶ serve ──▶ socket ──▶ inverter
//!                                                        decode ◀── frames ◀──────────────────── heartbeat ◀──┘
//! ```
//! Everything but `serve` and `interface` is pure. **A new profile is one file and its line in [`PROFILES`].**
#![deny(clippy::indexing_slicing)]

mod config;
mod data_age;
mod decode;
mod fault_log;
mod heartbeat;
mod interface;
mod inverter_data;
mod item;
mod pylontech;
mod pylontech_1_3;
mod requests;
mod serve;
mod sma;
mod status;
mod victron;
mod wire;

pub use crate::bms::can::{BusError, Frame, Line, LineError, parse_line};
pub use config::{AlarmPolicy, Config, CurrentSign};
pub use data_age::{DataAge, Transmission};
pub use decode::{Decoder, Inverter, Understood};
pub use inverter_data::{
    ActiveAlarms, ChargeData, Extremes, InverterData, InverterIdentity, InverterLimits, InverterState, ModuleData, RequestFlags,
    sorted,
};
pub use item::Item;
pub use requests::Requests;
pub use serve::{listen, serve};
pub use status::{Reporter, Status};

use std::fmt;
use std::time::Duration;

/// A protocol for inverters.
pub struct Profile {
    /// Name in the configuration and on the command line.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Default manufacturer name.
    pub manufacturer: &'static str,
    /// Time from one frame of an id to the next.
    pub period: Duration,
    /// Time from one frame of a set to the next.
    pub spacing: Duration,
    /// The set of frames, in the order of sending.
    pub frames: fn(&InverterData, &Config) -> Vec<Frame>,
}

/// All profiles.
pub const PROFILES: [&Profile; 4] = [&pylontech::PROFILE, &pylontech_1_3::PROFILE, &sma::PROFILE, &victron::PROFILE];

/// The profile with this name.
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.into_iter().find(|profile| profile.name == name)
}

/// The frames for `data`, with the settings of the configuration.
pub fn encode(data: &InverterData, config: &Config) -> Vec<Frame> {
    let frames = config.profile.frames;
    match config.alarms {
        AlarmPolicy::Alarms => frames(data, config),
        AlarmPolicy::Warnings => frames(&data.clone().with_warnings_only(), config),
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Profiles are compared by name.
impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
