//! What is kept over restarts: of a battery, and of a port.

use crate::battery::Saved;
use crate::bms::{DRIVERS, Line};
use crate::probe::{Candidate, Found};
use crate::state::StateFile;
use crate::units::Moment;
use serde::{Deserialize, Serialize};

/// What is kept of a battery over restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) battery: Saved,
    /// DeviceInstance the last time.
    pub(super) instance: Option<u16>,
    /// The owner's name for it.
    pub(super) custom_name: Option<String>,
}

/// The last hit on a port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Hit {
    bms: String,
    baud: u32,
    address: Option<u8>,
}

/// What answered on the port the last time.
pub(in crate::run) fn last_hit(file: &mut StateFile) -> Option<Candidate> {
    let hit: Hit = file.load().ok()?;
    let driver = DRIVERS.iter().copied().find(|driver| driver.name == hit.bms)?;
    Some(Candidate { driver, line: Line { baud: hit.baud }, address: hit.address })
}

/// Remembers what answered, so that it is tried first the next time.
pub(in crate::run) fn remember_hit(file: &mut StateFile, found: &Found, now: Moment) {
    let Candidate { driver, line, address } = found.candidate;
    let hit = Hit { bms: driver.name.to_owned(), baud: line.baud, address };
    if let Err(error) = file.save(&hit, now) {
        log::warn!("{error}");
    }
}
