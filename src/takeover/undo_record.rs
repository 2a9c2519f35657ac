//! Data to give a battery back to dbus-serialbattery: its original entry, in a file of the state folder.
//!
//! The file is also the claim on the entry: it is created before anything is changed, and only one battery can create it.

use super::entries::{INSTANCE, PREFIX, SettingValue, battery_setting, class_and_instance};
use crate::base::regular_file;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Prefix of the files.
const FILE: &str = "old-";
/// Maximum file size, bytes; files written are a tenth of it.
const LARGEST: u64 = 200_000;
/// That driver deletes entries not seen for 30 days; an entry close to that age gets the present time when it is given back.
const FORGOTTEN_AFTER: u64 = 25 * 86_400;

/// A setting with its attributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedSetting {
    /// Its name in the group.
    pub name: String,
    /// Its value.
    pub value: SettingValue,
    /// Its default.
    pub default: SettingValue,
    /// Minimum and maximum; both 0 if there are none.
    pub limits: (SettingValue, SettingValue),
    /// Changes are not logged.
    pub silent: bool,
}

/// An original entry of that driver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndoRecord {
    /// The battery of this driver that has taken it over, as a group of the settings.
    pub device: String,
    /// Its group.
    pub group: String,
    /// Its DeviceInstance.
    pub instance: u16,
    /// All of its settings.
    pub settings: Vec<SavedSetting>,
}

/// A setting to restore.
#[derive(Debug, Clone, PartialEq)]
pub enum UndoStep {
    /// It is missing: add it with its original attributes.
    Make(SavedSetting),
    /// It has another value.
    Set(String, SettingValue),
}

impl UndoRecord {
    /// Saves the record, unless another battery has claimed the entry. True also if this battery has already claimed it.
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
            // An incomplete record is worse than none.
            let _ = fs::remove_file(&path);
        }
        written.map(|()| true)
    }

    /// All records in a folder.
    pub fn all(folder: &Path) -> Vec<Self> {
        let paths = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FILE));
        let mut records: Vec<Self> = paths.filter(ours).filter_map(|path| Self::read(&path)).collect();
        records.sort_by(|a, b| a.group.cmp(&b.group));
        records
    }

    /// Deletes the record, which is no longer needed.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn forget(&self, folder: &Path) -> io::Result<()> {
        fs::remove_file(file(folder, &self.group))
    }

    fn read(path: &Path) -> Option<Self> {
        let record: Self = serde_json::from_slice(&regular_file::read(path, LARGEST).ok()?).ok()?;
        record.group.starts_with(PREFIX).then_some(record)
    }

    /// Steps that restore the original entry; `value_of` returns the present value of each setting. Values changed by that driver
    /// itself meanwhile stay.
    pub fn steps(&self, value_of: impl Fn(&str) -> Option<SettingValue>, unix: Option<u64>) -> Vec<UndoStep> {
        let mut steps = Vec::new();
        for saved in &self.settings {
            let is_instance = saved.name == INSTANCE;
            let present = value_of(&saved.name);
            let old = |value: &SettingValue| {
                let seen = value.text().parse::<u64>().ok();
                saved.name == "LastSeen" && unix.zip(seen).is_some_and(|(now, seen)| now.saturating_sub(seen) > FORGOTTEN_AFTER)
            };
            let seen_now = || unix.and_then(|now| i64::try_from(now).ok()).map(SettingValue::Integer);
            match present {
                None => {
                    let value =
                        if old(&saved.value) { seen_now().unwrap_or_else(|| saved.value.clone()) } else { saved.value.clone() };
                    steps.push(UndoStep::Make(SavedSetting { value, ..saved.clone() }));
                }
                Some(value) if is_instance && is_taken_over(&value) => {
                    steps.push(UndoStep::Set(saved.name.clone(), SettingValue::Text(battery_setting(self.instance))));
                }
                Some(value) if old(&value) => steps.extend(seen_now().map(|now| UndoStep::Set(saved.name.clone(), now))),
                Some(_) => {}
            }
        }
        steps
    }
}

fn is_taken_over(value: &SettingValue) -> bool {
    let text = value.text();
    class_and_instance(&text).is_some_and(|(_, instance)| battery_setting(instance) != text)
}

fn file(folder: &Path, group: &str) -> PathBuf {
    folder.join(format!("{FILE}{}.json", crate::link::word(group)))
}
