//! State of a battery and of a port that survives a restart.

use crate::base::printable::printable_name;
use crate::base::state_file::StateFile;
use crate::base::units::Moment;
use crate::battery::{Battery, PersistedState};
use crate::bms::{DRIVERS, Line};
use crate::probe::{Candidate, Found};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// State of a battery that survives a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct BatteryState {
    #[serde(flatten)]
    battery: PersistedState,
    /// Last DeviceInstance.
    instance: Option<u16>,
    /// Custom name set by the owner.
    custom_name: Option<String>,
}

/// The saved state of a battery, and its file.
pub(super) struct SavedState {
    file: StateFile,
    state: BatteryState,
}

impl SavedState {
    /// The saved state of the battery `id`; the default if it cannot be read.
    pub(super) fn load(folder: &Path, id: &str) -> Self {
        let mut file = StateFile::new(folder, id);
        let state = file.load().unwrap_or_else(|error| {
            log::warn!("{error}");
            BatteryState::default()
        });
        Self { file, state }
    }

    /// State of the battery itself.
    pub(super) fn battery(&self) -> &PersistedState {
        &self.state.battery
    }

    /// Last DeviceInstance, if it had one.
    pub(super) fn instance(&self) -> Option<u16> {
        self.state.instance
    }

    pub(super) fn set_instance(&mut self, instance: u16) {
        self.state.instance = Some(instance);
    }

    /// Custom name set by the owner, without unprintable characters.
    pub(super) fn custom_name(&self) -> Option<String> {
        self.state.custom_name.as_deref().map(printable_name)
    }

    pub(super) fn set_custom_name(&mut self, name: String) {
        self.state.custom_name = Some(name);
    }

    /// Saves it with the present state of `battery`, if that is due or `at_once`.
    pub(super) fn save(&mut self, battery: &Battery, at_once: bool, now: Moment) {
        self.state.battery = battery.persisted_state();
        let result =
            if at_once { self.file.save(&self.state, now) } else { self.file.save_if_due(&self.state, battery.counted_soc(), now) };
        if let Err(error) = result {
            log::warn!("{error}");
        }
    }
}

/// The BMS that answered last on a port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct LastHit {
    bms: String,
    baud: u32,
    address: Option<u8>,
}

/// The BMS that answered last on the port.
pub(in crate::service) fn last_hit(file: &mut StateFile) -> Option<Candidate> {
    let hit: LastHit = file.load().ok()?;
    let driver = DRIVERS.iter().copied().find(|driver| driver.name == hit.bms)?;
    Some(Candidate { driver, line: Line { baud: hit.baud }, address: hit.address })
}

/// Saves which BMS answered, to try it first the next time.
pub(in crate::service) fn save_hit(file: &mut StateFile, found: &Found, now: Moment) {
    let Candidate { driver, line, address } = found.candidate;
    let hit = LastHit { bms: driver.name.to_owned(), baud: line.baud, address };
    if let Err(error) = file.save(&hit, now) {
        log::warn!("{error}");
    }
}
