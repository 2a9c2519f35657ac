//! State that survives a restart: one small JSON file per battery and per port, written rarely and atomically.
//!
//! The folder is on flash: a file is written at most once in ten minutes, after each per cent of counted SoC and on exit, and only
//! if it changed. A read-only or full disk loses this state, but does not affect the battery: it is logged once.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use crate::base::atomic_file::replace;
use crate::base::episode::Once;
use crate::base::printable::printable_json;
use crate::base::regular_file;
use crate::base::units::{Moment, Percent};
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Minimum time between two writes of one file (safety rule 15).
pub const WRITE_INTERVAL: Duration = Duration::from_secs(600);

/// Maximum size of a file to read, bytes; files written by this program are a hundredth of it.
const MAX_STATE_FILE: u64 = 200_000;

/// A change of the counted SoC that is written earlier, % (safety rule 15).
const SOC_STEP: f64 = 1.0;

/// Why state could not be saved or loaded.
#[derive(Debug, Error)]
pub enum StateError {
    /// The file cannot be written.
    #[error(
        "cannot save {path}: {source}; counters will start from the last saved state after a restart. Check free space and permissions there"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file exists, but cannot be read or parsed.
    #[error("cannot read {path}: {reason}; starting with new counters. Remove the file if this recurs")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

/// One state file.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    written: Option<(Moment, String)>,
    /// Counted SoC at the last write.
    soc: Option<Percent>,
    logged_failure: Once,
}

/// Path of the file for `name` in `folder`.
pub fn state_path(folder: &Path, name: &str) -> PathBuf {
    let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    folder.join(format!("{safe}.json"))
}

impl StateFile {
    /// The file for `name` (a battery's identity, a port) in `folder`. Does not create it.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self { path: state_path(folder, name), written: None, soc: None, logged_failure: Once::default() }
    }

    /// The saved state; the default if there is none.
    ///
    /// # Errors
    /// [`StateError::Read`] if a file exists but cannot be used.
    pub fn load<T: DeserializeOwned + Default>(&mut self) -> Result<T, StateError> {
        let text = regular_file::read_if_there(&self.path, MAX_STATE_FILE).map_err(|error| self.unreadable(&error))?;
        let Some(text) = text else { return Ok(T::default()) };
        // Names and reasons end up on terminals, pages and other systems; the file may contain anything.
        let value = serde_json::from_slice(&text).map(printable_json);
        value.and_then(serde_json::from_value).map_err(|error| self.unreadable(&error))
    }

    fn unreadable(&self, reason: &dyn std::fmt::Display) -> StateError {
        StateError::Read { path: self.path.clone(), reason: reason.to_string() }
    }

    /// Saves `value` if it changed and the last write is long enough ago, or if the counted `soc` has moved by 1 %.
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
            // Do not compare again with every reading.
            *looked = now;
            return Ok(());
        }
        let result = replace(&self.path, &text);
        // A failed write is also retried only after the interval, not every second.
        self.written = Some((now, if result.is_ok() { text } else { String::new() }));
        self.logged_failure.first_failure(result).map_err(|source| StateError::Write { path: self.path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::battery::PersistedState;
    use std::fs;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("dbus-bms-state-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    fn saved(ah: f64) -> PersistedState {
        let mut saved = PersistedState::default();
        saved.history.total_drawn_ah = ah;
        saved
    }

    #[test]
    fn writes_are_seldom_and_survive() {
        let folder = folder("seldom");
        let mut file = StateFile::new(&folder, "jbd/../etc");
        assert_eq!(file.load::<PersistedState>().unwrap(), PersistedState::default());
        file.save_if_due(&saved(1.0), None, Moment::from_secs(0.0)).unwrap();
        file.save_if_due(&saved(2.0), None, Moment::from_secs(599.0)).unwrap();
        assert_eq!(
            StateFile::new(&folder, "jbd/../etc").load::<PersistedState>().unwrap(),
            saved(1.0),
            "the second write came too soon"
        );
        file.save_if_due(&saved(3.0), None, Moment::from_secs(600.0)).unwrap();
        assert_eq!(StateFile::new(&folder, "jbd/../etc").load::<PersistedState>().unwrap(), saved(3.0));
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
        assert_eq!(StateFile::new(&folder, "jbd").load::<PersistedState>().unwrap(), saved(3.0));
    }

    #[test]
    fn what_is_no_plain_file_of_a_small_size_is_refused_and_does_not_hang() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let folder = folder("odd");
        fs::create_dir_all(&folder).unwrap();
        let place = folder.join("jbd.json");
        let refused = |what: &str| {
            let mut file = StateFile::new(&folder, "jbd");
            let error = file.load::<PersistedState>().unwrap_err().to_string();
            assert!(error.contains("jbd.json") && error.contains(what), "{error}");
            file.save(&saved(1.0), Moment::from_secs(0.0))
        };
        std::os::unix::fs::symlink("/dev/zero", &place).unwrap();
        assert!(refused("a link").is_err(), "nothing is written through it");
        fs::remove_file(&place).unwrap();
        mknodat(CWD, &place, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(refused("a pipe").is_err());
        fs::remove_file(&place).unwrap();
        fs::write(&place, vec![b' '; 20_000_000]).unwrap();
        assert!(refused("larger than").is_ok(), "a plain file is replaced");
        assert_eq!(StateFile::new(&folder, "jbd").load::<PersistedState>().unwrap(), saved(1.0));
        // Beside it, where the next file is prepared.
        mknodat(CWD, folder.join("jbd.json.new"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        StateFile::new(&folder, "jbd").save(&saved(2.0), Moment::from_secs(0.0)).unwrap();
        assert_eq!(StateFile::new(&folder, "jbd").load::<PersistedState>().unwrap(), saved(2.0));
    }

    #[test]
    fn a_damaged_file_is_an_error_with_its_path() {
        let folder = folder("damaged");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("jbd.json"), "{\"history\":").unwrap();
        let error = StateFile::new(&folder, "jbd").load::<PersistedState>().unwrap_err();
        assert!(error.to_string().contains("jbd.json"), "{error}");
    }
}
