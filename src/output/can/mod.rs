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
mod details;
mod fault_log;
pub(crate) mod feed;
pub(crate) mod growatt;
mod heartbeat;
mod interface;
mod inverter;
mod inverter_data;
mod item;
mod luxpower;
pub(crate) mod pylontech;
mod pylontech_1_3;
mod pylontech_2;
mod requests;
mod serve;
mod sma;
mod sol_ark;
mod status;
mod victron;
pub(crate) mod wire;

pub use crate::bms::can::{BusError, Frame, Line, LineError, Record, parse_line};
pub use config::{AlarmPolicy, Config, CurrentSign};
pub use data_age::{DataAge, Transmission};
pub use decode::{Decoder, Understood};
pub use details::{CellNumber, Details};
pub use growatt::BatteryActivity;
pub use inverter::Inverter;
pub use inverter_data::{
    ActiveAlarms, ChargeData, Extremes, InverterData, InverterIdentity, InverterLimits, InverterState, ModuleData, RequestFlags,
    sorted,
};
pub use item::Item;
pub use requests::Requests;
pub use serve::{listen, serve};
pub use status::{Reporter, Status};

use std::fmt;
use std::ops::RangeInclusive;
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
pub const PROFILES: [&Profile; 8] = [
    &pylontech::PROFILE,
    &pylontech_1_3::PROFILE,
    &pylontech_2::PROFILE,
    &sma::PROFILE,
    &victron::PROFILE,
    &luxpower::PROFILE,
    &growatt::PROFILE,
    &sol_ark::PROFILE,
];

/// The profile with this name.
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.into_iter().find(|profile| profile.name == name)
}

/// Charge voltages of batteries for inverters, V.
pub const CHARGE_VOLTAGES: RangeInclusive<f64> = 10.0..=1000.0;

/// The frames for `data`, with the settings of the configuration.
///
/// None if the charge voltage is given, but is no battery's: in a frame it would be a command, and without its frame the inverter
/// would keep the last limits. Without any frame its timeout applies.
pub fn encode(data: &InverterData, config: &Config) -> Vec<Frame> {
    let frames = config.profile.frames;
    if !feed::is_sendable(data) {
        return Vec::new();
    }
    let frames = match config.alarms {
        AlarmPolicy::Alarms => frames(data, config),
        AlarmPolicy::Warnings => frames(&data.clone().with_warnings_only(), config),
    };
    if config.pad { frames.iter().map(wire::padded).collect() } else { frames }
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
