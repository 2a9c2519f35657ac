//! What survives a restart: one small JSON file per battery and per port, written seldom and whole.
//!
//! The folder is on flash: a file is written at most once in ten minutes, after each per cent of counted SoC and at exit, and
//! only when it changed. A read-only or full disk costs the memory, never the battery: it is said once, and the driver goes on.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use crate::draft::Draft;
use crate::units::{Moment, Percent};
use serde::{Serialize, de::DeserializeOwned};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Least time between two writes of one file (contract.md, "Files").
pub const WRITE_INTERVAL: Duration = Duration::from_secs(600);

/// A counted SoC that moved so far is worth a write before that, % (contract.md, "Files").
const SOC_STEP: f64 = 1.0;

/// Why state could not be kept or found again.
#[derive(Debug, Error)]
pub enum StateError {
    /// The file cannot be written.
    #[error(
        "cannot save {path}: {source}; counters will start from the last saved state after a restart. Check free space and permissions there"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file exists but cannot be read or understood.
    #[error("cannot read {path}: {reason}; starting with fresh counters. Remove the file if this comes again")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// One state file.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    written: Option<(Moment, String)>,
    /// Counted SoC at the last look that led to a write.
    soc: Option<Percent>,
    failing: bool,
}

impl StateFile {
    /// The file for `name` (a battery's identity, a port) in `folder`. Nothing is created yet.
    pub fn new(folder: &Path, name: &str) -> Self {
        let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        Self { path: folder.join(format!("{safe}.json")), written: None, soc: None, failing: false }
    }

    /// What was saved; the default when there is nothing.
    ///
    /// # Errors
    /// [`StateError::Read`] when there is a file that cannot be used.
    pub fn load<T: DeserializeOwned + Default>(&mut self) -> Result<T, StateError> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(error) => return Err(self.unreadable(&error)),
        };
        serde_json::from_str(&text).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, reason: &dyn std::fmt::Display) -> StateError {
        StateError::Read { path: self.path.clone(), reason: reason.to_string() }
    }

    /// Saves `value` if it changed and the last write is long enough ago, or `soc`, if it is counted, has moved by 1 %.
    ///
    /// # Errors
    /// [`StateError::Write`] for the first failure of an episode; later ones are silent.
    pub fn save_if_due(&mut self, value: &impl Serialize, soc: Option<Percent>, now: Moment) -> Result<(), StateError> {
        let moved = soc.zip(self.soc).is_some_and(|(soc, saved)| (soc - saved).abs().get() >= SOC_STEP);
        let due = moved || self.written.as_ref().is_none_or(|(at, _)| now.since(*at) >= WRITE_INTERVAL);
        if due || self.soc.is_none() {
            self.soc = soc;
        }
        if due { self.save(value, now) } else { Ok(()) }
    }

    /// Saves `value` now if it changed.
    ///
    /// # Errors
    /// As [`StateFile::save_if_due`].
    pub fn save(&mut self, value: &impl Serialize, now: Moment) -> Result<(), StateError> {
        let Ok(text) = serde_json::to_string_pretty(value) else { return Ok(()) };
        if let Some((looked, _)) = self.written.as_mut().filter(|(_, last)| *last == text) {
            // Not worth another look with every reading.
            *looked = now;
            return Ok(());
        }
        let result = replace(&self.path, &text);
        // A failed write waits for its turn as well: a full disk is not asked every second.
        self.written = Some((now, if result.is_ok() { text } else { String::new() }));
        let was_failing = std::mem::replace(&mut self.failing, result.is_err());
        match result {
            Err(source) if !was_failing => Err(StateError::Write { path: self.path.clone(), source }),
            _ => Ok(()),
        }
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Draft::begin(path)?.finish(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battery::Saved;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("dbus-bms-state-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn saved(ah: f64) -> Saved {
        let mut saved = Saved::default();
        saved.history.total_drawn_ah = ah;
        saved
    }

    #[test]
    fn writes_are_seldom_and_survive() {
        let folder = folder("seldom");
        let mut file = StateFile::new(&folder, "jbd/../etc");
        assert_eq!(file.load::<Saved>().unwrap(), Saved::default());
        file.save_if_due(&saved(1.0), None, Moment::from_secs(0.0)).unwrap();
        file.save_if_due(&saved(2.0), None, Moment::from_secs(599.0)).unwrap();
        assert_eq!(StateFile::new(&folder, "jbd/../etc").load::<Saved>().unwrap(), saved(1.0), "the second write came too soon");
        file.save_if_due(&saved(3.0), None, Moment::from_secs(600.0)).unwrap();
        assert_eq!(StateFile::new(&folder, "jbd/../etc").load::<Saved>().unwrap(), saved(3.0));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "and nothing else is left in the folder");
    }

    #[test]
    fn each_per_cent_of_counted_soc_is_worth_a_write_and_no_more() {
        let folder = folder("soc");
        let mut file = StateFile::new(&folder, "jbd");
        let (mut writes, mut last) = (0, None);
        // Half an hour in which the SoC falls by 9.6 % in all, swinging by 0.4 % all the way.
        for second in 0..=1800 {
            let swing = if second % 2 == 0 { 0.2 } else { -0.2 };
            let soc = Percent::new(80.0 - f64::from(second) / 1800.0 * 9.6 + swing);
            file.save_if_due(&saved(f64::from(second)), Some(soc), Moment::from_secs(f64::from(second))).unwrap();
            let written = file.written.as_ref().map(|(at, _)| *at);
            writes += u32::from(written != last);
            last = written;
        }
        assert_eq!(writes, 1 + 9, "the first, and one for each per cent; the ten minutes begin anew with each");
        file.save_if_due(&saved(0.0), Some(Percent::new(70.4)), Moment::from_secs(1801.0)).unwrap();
        assert_eq!(file.written.as_ref().map(|(at, _)| *at), last, "a standing SoC writes nothing");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_said_once() {
        let folder = folder("blocked");
        fs::write(&folder, "a file where the folder should be").unwrap();
        let mut file = StateFile::new(&folder, "jbd");
        assert!(file.save(&saved(1.0), Moment::from_secs(0.0)).is_err());
        assert!(file.save(&saved(2.0), Moment::from_secs(1.0)).is_ok(), "the same episode");
        fs::remove_file(&folder).unwrap();
        file.save(&saved(3.0), Moment::from_secs(2.0)).unwrap();
        assert_eq!(StateFile::new(&folder, "jbd").load::<Saved>().unwrap(), saved(3.0));
    }

    #[test]
    fn a_damaged_file_is_an_error_with_its_path() {
        let folder = folder("damaged");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("jbd.json"), "{\"history\":").unwrap();
        let error = StateFile::new(&folder, "jbd").load::<Saved>().unwrap_err();
        assert!(error.to_string().contains("jbd.json"), "{error}");
    }
}
