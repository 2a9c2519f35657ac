//! What has to be known to give a battery back to dbus-serialbattery: its entry as it was, in a file of the state folder.
//!
//! The file is also the claim on the entry: it is created before anything is changed, and only one battery can create it.

use super::entries::{Held, INSTANCE, PREFIX, class_and_instance, served};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// How the files begin.
const FILE: &str = "old-";
/// That driver deletes what it has not seen for 30 days; an entry that comes close gets the present time when it goes back.
const FORGOTTEN_AFTER: u64 = 25 * 86_400;

/// A setting with all that makes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name in the group.
    pub name: String,
    /// Its value.
    pub value: Held,
    /// Its default.
    pub default: Held,
    /// Least and most; both 0 where there are none.
    pub limits: (Held, Held),
    /// Changes are not logged.
    pub silent: bool,
}

/// An entry of that driver as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The battery of ours that has taken it over, as a group of the settings.
    pub device: String,
    /// Its group.
    pub group: String,
    /// Its DeviceInstance.
    pub instance: u16,
    /// All of its settings.
    pub settings: Vec<Kept>,
}

/// A setting to be put back.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It is gone: make it anew, as it was.
    Make(Kept),
    /// It is there, with another value.
    Set(String, Held),
}

impl Record {
    /// Keeps it, if no other battery has the entry. True also where this battery has it already.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn claim(&self, folder: &Path) -> io::Result<bool> {
        fs::create_dir_all(folder)?;
        let path = file(folder, &self.group);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Self::read(&path).is_some_and(|record| record.device == self.device));
            }
            Err(error) => return Err(error),
        };
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a record is worse than none.
            let _ = fs::remove_file(&path);
        }
        written.map(|()| true)
    }

    /// All that are kept in a folder.
    pub fn all(folder: &Path) -> Vec<Self> {
        let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FILE));
        let mut records: Vec<Self> = paths.filter(ours).filter_map(|path| Self::read(&path)).collect();
        records.sort_by(|a, b| a.group.cmp(&b.group));
        records
    }

    /// It is not needed any more.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn forget(&self, folder: &Path) -> io::Result<()> {
        fs::remove_file(file(folder, &self.group))
    }

    fn read(path: &Path) -> Option<Self> {
        let record: Self = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
        record.group.starts_with(PREFIX).then_some(record)
    }

    /// What makes the entry what it was, where `held` gives the present value of each setting. What that driver itself has
    /// written meanwhile stays.
    pub fn steps(&self, held: impl Fn(&str) -> Option<Held>, unix: Option<u64>) -> Vec<Step> {
        let mut steps = Vec::new();
        for kept in &self.settings {
            let is_instance = kept.name == INSTANCE;
            let present = held(&kept.name);
            let old = |value: &Held| {
                let seen = value.text().parse::<u64>().ok();
                kept.name == "LastSeen" && unix.zip(seen).is_some_and(|(now, seen)| now.saturating_sub(seen) > FORGOTTEN_AFTER)
            };
            let seen_now = || unix.and_then(|now| i64::try_from(now).ok()).map(Held::Whole);
            match present {
                None => {
                    let value =
                        if old(&kept.value) { seen_now().unwrap_or_else(|| kept.value.clone()) } else { kept.value.clone() };
                    steps.push(Step::Make(Kept { value, ..kept.clone() }));
                }
                Some(value) if is_instance && is_parked(&value) => {
                    steps.push(Step::Set(kept.name.clone(), Held::Text(served(self.instance))));
                }
                Some(value) if old(&value) => steps.extend(seen_now().map(|now| Step::Set(kept.name.clone(), now))),
                Some(_) => {}
            }
        }
        steps
    }
}

fn is_parked(value: &Held) -> bool {
    let text = value.text();
    class_and_instance(&text).is_some_and(|(_, instance)| served(instance) != text)
}

fn file(folder: &Path, group: &str) -> PathBuf {
    folder.join(format!("{FILE}{}.json", crate::link::word(group)))
}
