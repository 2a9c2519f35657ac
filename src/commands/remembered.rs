//! What of commands survives this program: a switch that is off stays off in the BMS, whoever reads it next.

use super::Overrides;
use crate::civil::utc;
use crate::model::{Command, Outcome, Switch};
use crate::state::{StateError, StateFile};
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
    /// It may be off: the BMS did not show it, or nobody was there any more to look.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
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
    /// What that command puts off. On disk before the BMS is told, as nobody may be there to write it down afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    intended: Option<(Switch, Off)>,
    /// What charge control is told for a while.
    pub overrides: Overrides,
}

impl Remembered {
    /// The file of the battery with this identity.
    pub fn file(folder: &Path, identity: &str) -> StateFile {
        StateFile::new(folder, &format!("{PREFIX}{identity}"))
    }

    /// What is remembered. What was about to be put off when the program ended may be off.
    ///
    /// # Errors
    /// There is a file that cannot be used.
    pub fn load(file: &mut StateFile) -> Result<Self, StateError> {
        let mut remembered: Self = file.load()?;
        remembered.doubt();
        Ok(remembered)
    }

    /// All that is remembered in a folder, by identity.
    pub fn all(folder: &Path) -> Vec<(String, Self)> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut all: Vec<(String, Self)> = names
            .filter_map(|name| {
                let identity = name.strip_prefix(PREFIX)?.strip_suffix(".json")?.to_owned();
                let remembered = Self::load(&mut Self::file(folder, &identity)).ok()?;
                Some((identity, remembered))
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Whether `command` puts on again what was put off from here.
    pub fn releases(&self, command: Command) -> bool {
        command.switch().is_some_and(|(switch, on)| on && self.off.contains_key(&switch))
    }

    /// The BMS is about to be told `command`. To be saved before it is.
    pub fn begin(&mut self, command: Command, by: &str, unix: Option<u64>) {
        self.under_way = true;
        let off = command.switch().filter(|(_, on)| !on);
        self.intended = off.map(|(switch, _)| (switch, Off { uncertain: true, ..self.put_off(switch, by, unix) }));
    }

    /// What became of it.
    pub fn end(&mut self, command: Command, outcome: Outcome, by: &str, unix: Option<u64>) {
        (self.under_way, self.intended) = (false, None);
        let certain = outcome == Outcome::Done;
        match command.switch() {
            Some((switch, false)) if certain || outcome == Outcome::NotConfirmed => {
                let off = Off { uncertain: !certain, ..self.put_off(switch, by, unix) };
                self.off.insert(switch, off);
            }
            // What may still be off is not forgotten.
            Some((switch, true)) if certain => drop(self.off.remove(&switch)),
            _ => {}
        }
    }

    /// Nobody will say what became of the command that is under way: the BMS may have done it.
    pub fn doubt(&mut self) {
        if let Some((switch, off)) = self.intended.take() {
            self.off.entry(switch).or_insert(off);
        }
    }

    fn put_off(&self, switch: Switch, by: &str, unix: Option<u64>) -> Off {
        let address = self.address.map(|address| format!(" --address {address}")).unwrap_or_default();
        let release = format!("dbus-bms set {} on {}{address}", switch.name(), self.port);
        Off { since_unix: unix, by: by.to_owned(), release, uncertain: false }
    }

    /// What is off, one line each.
    pub fn describe(&self) -> Vec<String> {
        let since = |off: &Off| off.since_unix.map(|unix| format!(" since {}", utc(unix))).unwrap_or_default();
        let how = |off: &Off| if off.uncertain { "perhaps switched" } else { "switched" };
        self.off.iter().map(|(switch, off)| format!("{} {} off{} by {}", switch.name(), how(off), since(off), off.by)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_is_kept_until_it_is_certainly_on() {
        let mut kept = Remembered { port: "/dev/ttyUSB0".into(), address: Some(2), ..Remembered::default() };
        kept.end(Command::Charge(false), Outcome::Done, "D-Bus :1.7", Some(1_795_686_065));
        kept.end(Command::Discharge(false), Outcome::NotConfirmed, "command line", None);
        kept.end(Command::Charge(true), Outcome::NotConfirmed, "x", None);
        let text = serde_json::to_string(&kept).unwrap();
        let mut kept: Remembered = serde_json::from_str(&text).unwrap();
        assert_eq!(
            kept.describe(),
            ["charge switched off since 2026-11-26 09:41 UTC by D-Bus :1.7", "discharge perhaps switched off by command line"]
        );
        assert_eq!(kept.off[&Switch::Charge].release, "dbus-bms set charge on /dev/ttyUSB0 --address 2");
        kept.end(Command::Charge(true), Outcome::Done, "x", None);
        assert_eq!(kept.off.len(), 1);
    }

    #[test]
    fn what_was_about_to_be_put_off_may_be_off_unless_it_certainly_is_not() {
        let begun = || {
            let mut kept = Remembered { port: "/dev/ttyUSB0".into(), ..Remembered::default() };
            kept.begin(Command::Charge(false), "x", None);
            assert!(kept.under_way && kept.off.is_empty());
            kept
        };
        for (outcome, off) in [
            (Outcome::Done, Some(false)),
            (Outcome::NotConfirmed, Some(true)),
            (Outcome::Refused { code: 0x82 }, None),
            (Outcome::NotSupported, None),
            (Outcome::Occupied, None),
            (Outcome::Unreachable, None),
        ] {
            let mut kept = begun();
            kept.end(Command::Charge(false), outcome, "x", None);
            kept.doubt();
            assert_eq!(kept.off.get(&Switch::Charge).map(|off| off.uncertain), off, "{outcome}");
        }
        let mut kept = begun();
        kept.doubt();
        assert!(kept.releases(Command::Charge(true)) && !kept.releases(Command::Discharge(true)));
        assert!(!kept.releases(Command::Charge(false)));
        // One that was certainly off before stays so.
        kept.end(Command::Charge(false), Outcome::Done, "y", None);
        kept.begin(Command::Charge(false), "z", None);
        kept.doubt();
        assert_eq!(kept.describe(), ["charge switched off by y"]);
    }
}
