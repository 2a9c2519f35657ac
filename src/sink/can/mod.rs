//! The CAN sink: a battery as inverters that are not Victron's know it.
//!
//! ```text
//!   snapshots ──▶ told (what to say; presence decides whether) ──▶ profile ──▶ frames ──▶ serve ──▶ socket ──▶ inverter
//!                                                        decode ◀── frames ◀──────────────────── heartbeat ◀──┘
//! ```
//! Everything but `serve` and `interface` is pure. **A new profile is one file and its line in [`PROFILES`].**
#![deny(clippy::indexing_slicing)]

mod bus_error;
mod config;
mod decode;
mod frame;
mod heartbeat;
mod interface;
mod item;
mod presence;
mod pylontech;
mod pylontech_1_3;
mod requests;
mod serve;
mod sma;
mod status;
mod told;
mod trouble;
mod victron;
mod wire;

pub use bus_error::BusError;
pub use config::{AlarmPolicy, Config, CurrentSign};
pub use decode::{Decoder, Inverter, Understood};
pub use frame::{Frame, Line, LineError, parse_line};
pub use item::Item;
pub use presence::{Presence, Say};
pub use requests::Requests;
pub use serve::{listen, serve};
pub use status::{Reporter, Status};
pub use told::{Told, sorted};

use std::fmt;
use std::time::Duration;

/// How a kind of inverter wants to be told of a battery.
pub struct Profile {
    /// Name in the configuration and on the command line.
    pub name: &'static str,
    /// What it is, for people.
    pub label: &'static str,
    /// Name of the maker, where the owner gives none.
    pub manufacturer: &'static str,
    /// Time from one frame of an id to the next.
    pub period: Duration,
    /// Time from one frame of a set to the next.
    pub spacing: Duration,
    /// The set of frames, in the order in which they are sent.
    pub frames: fn(&Told, &Config) -> Vec<Frame>,
}

/// All profiles.
pub const PROFILES: [&Profile; 4] = [&pylontech::PROFILE, &pylontech_1_3::PROFILE, &sma::PROFILE, &victron::PROFILE];

/// The profile of this name.
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.into_iter().find(|profile| profile.name == name)
}

/// The frames that say `told`, as the configuration wants it.
pub fn encode(told: &Told, config: &Config) -> Vec<Frame> {
    let frames = config.profile.frames;
    match config.alarms {
        AlarmPolicy::Alarms => frames(told, config),
        AlarmPolicy::Warnings => frames(&told.clone().with_warnings_only(), config),
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Profiles are told apart by name.
impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
