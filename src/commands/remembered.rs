//! What of commands survives this program: a switch that is off stays off in the BMS, whoever reads it next.

use super::Overrides;
use crate::civil::utc;
use crate::model::{Command, Switch};
use crate::state::StateFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What the names of these files begin with.
const PREFIX: &str = "commands-";

/// A switch that was put off from here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Off {
    /// When, seconds since 1970, if the clock was known.
    pub since_unix: Option<u64>,
    /// Who wanted it.
    pub by: String,
    /// The command line that puts it on again.
    pub release: String,
}

/// The file of one battery.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// Its port.
    pub port: String,
    /// Its address, where it has one.
    pub address: Option<u8>,
    /// What is off.
    pub off: BTreeMap<Switch, Off>,
    /// A command is being carried out, or was when the program ended.
    pub under_way: bool,
    /// What charge control is told for a while.
    pub overrides: Overrides,
}

impl Remembered {
    /// The file of the battery with this identity.
    pub fn file(folder: &Path, identity: &str) -> StateFile {
        StateFile::new(folder, &format!("{PREFIX}{identity}"))
    }

    /// All that is remembered in a folder, by identity.
    pub fn all(folder: &Path) -> Vec<(String, Self)> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut all: Vec<(String, Self)> = names
            .filter_map(|name| {
                let identity = name.strip_prefix(PREFIX)?.strip_suffix(".json")?.to_owned();
                let remembered = Self::file(folder, &identity).load().ok()?;
                Some((identity, remembered))
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// The battery has done `command`, or may have. True if that is worth saving.
    pub fn note(&mut self, command: Command, certain: bool, by: &str, unix: Option<u64>) -> bool {
        let Some((switch, on)) = command.switch() else { return false };
        if on {
            // What may still be off is not forgotten.
            return certain && self.off.remove(&switch).is_some();
        }
        let address = self.address.map(|address| format!(" --address {address}")).unwrap_or_default();
        let release = format!("dbus-bms set {} on {}{address}", switch.name(), self.port);
        let off = Off { since_unix: unix, by: by.to_owned(), release };
        self.off.insert(switch, off);
        true
    }

    /// What is off, one line each.
    pub fn describe(&self) -> Vec<String> {
        let since = |off: &Off| off.since_unix.map(|unix| format!(" since {}", utc(unix))).unwrap_or_default();
        self.off.iter().map(|(switch, off)| format!("{} switched off{} by {}", switch.name(), since(off), off.by)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_is_kept_until_it_is_certainly_on() {
        let mut kept = Remembered { port: "/dev/ttyUSB0".into(), address: Some(2), ..Remembered::default() };
        assert!(kept.note(Command::Charge(false), true, "D-Bus :1.7", Some(1_795_686_065)));
        assert!(kept.note(Command::Discharge(false), false, "command line", None), "it may be off");
        assert!(!kept.note(Command::Charge(true), false, "x", None), "it may still be off");
        let text = serde_json::to_string(&kept).unwrap();
        let mut kept: Remembered = serde_json::from_str(&text).unwrap();
        assert_eq!(
            kept.describe(),
            ["charge switched off since 2026-11-26 09:41 UTC by D-Bus :1.7", "discharge switched off by command line"]
        );
        assert_eq!(kept.off[&Switch::Charge].release, "dbus-bms set charge on /dev/ttyUSB0 --address 2");
        assert!(kept.note(Command::Charge(true), true, "x", None));
        assert_eq!(kept.off.len(), 1);
    }
}
