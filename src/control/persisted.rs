//! State of commands that survives a restart: a switch that is off stays off in the BMS.

use super::Overrides;
use crate::base::calendar::utc;
use crate::base::state_file::{StateError, StateFile};
use crate::model::{Command, Outcome, Switch, SwitchOff};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Prefix of the file names.
const FILE_PREFIX: &str = "commands-";

/// A switch that this driver has switched off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SwitchedOff {
    /// When, seconds since 1970, if the clock was set.
    pub since_unix: Option<u64>,
    /// The requester.
    pub by: String,
    /// The command line that switches it on again.
    pub release: String,
    /// Uncertain: the BMS did not show it, or the driver ended before it could check.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
}

/// The persisted state of one battery.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PersistedCommands {
    /// Its port.
    pub port: String,
    /// Its address, if it has one.
    pub address: Option<u8>,
    /// The switches that are off.
    pub off: BTreeMap<Switch, SwitchedOff>,
    /// A command is in progress, or was when the program ended.
    pub under_way: bool,
    /// The switch that this command switches off. On disk before the BMS receives it, because the driver may end meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    intended: Option<(Switch, SwitchedOff)>,
    /// The temporary overrides.
    pub overrides: Overrides,
}

impl PersistedCommands {
    /// The file of the battery with this identity.
    pub fn file(folder: &Path, identity: &str) -> StateFile {
        StateFile::new(folder, &format!("{FILE_PREFIX}{identity}"))
    }

    /// The saved state. A switch that was being switched off when the program ended may be off.
    ///
    /// # Errors
    /// A file exists, but cannot be used.
    pub fn load(file: &mut StateFile) -> Result<Self, StateError> {
        let mut persisted: Self = file.load()?;
        persisted.doubt();
        Ok(persisted)
    }

    /// All saved states in a folder, by identity.
    pub fn all(folder: &Path) -> Vec<(String, Self)> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut all: Vec<(String, Self)> = names
            .filter_map(|name| {
                let identity = name.strip_prefix(FILE_PREFIX)?.strip_suffix(".json")?.to_owned();
                let persisted = Self::load(&mut Self::file(folder, &identity)).ok()?;
                Some((identity, persisted))
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Whether `command` switches something on again that this driver has switched off.
    pub fn releases(&self, command: Command) -> bool {
        command.switch().is_some_and(|(switch, on)| on && self.off.contains_key(&switch))
    }

    /// Records that `command` is about to be sent. Must be saved before that.
    pub fn begin(&mut self, command: Command, by: &str, unix: Option<u64>) {
        self.under_way = true;
        let off = command.switch().filter(|(_, on)| !on);
        self.intended = off.map(|(switch, _)| (switch, SwitchedOff { uncertain: true, ..self.put_off(switch, by, unix) }));
    }

    /// Records its outcome.
    pub fn end(&mut self, command: Command, outcome: Outcome, by: &str, unix: Option<u64>) {
        (self.under_way, self.intended) = (false, None);
        let certain = outcome == Outcome::Done;
        match command.switch() {
            Some((switch, false)) if certain || outcome == Outcome::NotConfirmed => {
                let off = SwitchedOff { uncertain: !certain, ..self.put_off(switch, by, unix) };
                self.off.insert(switch, off);
            }
            // Keep what may still be off.
            Some((switch, true)) if certain => drop(self.off.remove(&switch)),
            _ => {}
        }
    }

    /// The outcome of the command in progress will stay unknown: the BMS may have carried it out.
    pub fn doubt(&mut self) {
        if let Some((switch, off)) = self.intended.take() {
            self.off.entry(switch).or_insert(off);
        }
    }

    fn put_off(&self, switch: Switch, by: &str, unix: Option<u64>) -> SwitchedOff {
        let address = self.address.map(|address| format!(" --address {address}")).unwrap_or_default();
        let release = format!("dbus-bms set {} on {}{address}", switch.name(), self.port);
        SwitchedOff { since_unix: unix, by: by.to_owned(), release, uncertain: false }
    }

    /// The switches that are off.
    pub fn switches_off(&self) -> Vec<SwitchOff> {
        let off = self.off.iter().map(|(switch, off)| SwitchOff {
            switch: *switch,
            since_unix: off.since_unix,
            by: off.by.clone(),
            uncertain: off.uncertain,
        });
        off.collect()
    }

    /// The switches that are off, one line each.
    pub fn describe(&self) -> Vec<String> {
        let since = |off: &SwitchedOff| off.since_unix.map(|unix| format!(" since {}", utc(unix))).unwrap_or_default();
        let how = |off: &SwitchedOff| if off.uncertain { "perhaps switched" } else { "switched" };
        self.off.iter().map(|(switch, off)| format!("{} {} off{} by {}", switch.name(), how(off), since(off), off.by)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_is_kept_until_it_is_certainly_on() {
        let mut persisted = PersistedCommands { port: "/dev/ttyUSB0".into(), address: Some(2), ..PersistedCommands::default() };
        persisted.end(Switch::Charge.to(false), Outcome::Done, "D-Bus :1.7", Some(1_795_686_065));
        persisted.end(Switch::Discharge.to(false), Outcome::NotConfirmed, "command line", None);
        persisted.end(Switch::Charge.to(true), Outcome::NotConfirmed, "x", None);
        let text = serde_json::to_string(&persisted).unwrap();
        let mut persisted: PersistedCommands = serde_json::from_str(&text).unwrap();
        assert_eq!(
            persisted.describe(),
            ["charge switched off since 2026-11-26 09:41 UTC by D-Bus :1.7", "discharge perhaps switched off by command line"]
        );
        assert_eq!(persisted.off[&Switch::Charge].release, "dbus-bms set charge on /dev/ttyUSB0 --address 2");
        persisted.end(Switch::Charge.to(true), Outcome::Done, "x", None);
        assert_eq!(persisted.off.len(), 1);
    }

    #[test]
    fn what_was_about_to_be_put_off_may_be_off_unless_it_certainly_is_not() {
        let begun = || {
            let mut persisted = PersistedCommands { port: "/dev/ttyUSB0".into(), ..PersistedCommands::default() };
            persisted.begin(Switch::Charge.to(false), "x", None);
            assert!(persisted.under_way && persisted.off.is_empty());
            persisted
        };
        for (outcome, off) in [
            (Outcome::Done, Some(false)),
            (Outcome::NotConfirmed, Some(true)),
            (Outcome::Refused { code: 0x82 }, None),
            (Outcome::NotSupported, None),
            (Outcome::Occupied, None),
            (Outcome::Unreachable, None),
        ] {
            let mut persisted = begun();
            persisted.end(Switch::Charge.to(false), outcome, "x", None);
            persisted.doubt();
            assert_eq!(persisted.off.get(&Switch::Charge).map(|off| off.uncertain), off, "{outcome}");
        }
        let mut persisted = begun();
        persisted.doubt();
        assert!(persisted.releases(Switch::Charge.to(true)) && !persisted.releases(Switch::Discharge.to(true)));
        assert!(!persisted.releases(Switch::Charge.to(false)));
        // One that was certainly off before stays so.
        persisted.end(Switch::Charge.to(false), Outcome::Done, "y", None);
        persisted.begin(Switch::Charge.to(false), "z", None);
        persisted.doubt();
        assert_eq!(persisted.describe(), ["charge switched off by y"]);
    }
}
