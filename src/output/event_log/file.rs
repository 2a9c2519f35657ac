//! The file of one battery's log: replaced as a whole, rarely.
//!
//! At most one write in ten minutes after an alarm, a silence or a command, one in an hour otherwise, and one at the end of the program;
//! none if nothing has changed. A read-only, full or damaged disk only loses the log over a restart: it is logged once.

use super::entries::{EventLog, Urgency};
use super::limited::{LimitedDay, LimitedTimes};
use crate::base::episode::Once;
use crate::base::printable::printable_json;
use crate::base::regular_file;
use crate::base::time::Now;
use crate::base::units::Moment;
use crate::output::api::LogEntry;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Minimum time between two writes.
const SOON: Duration = Duration::from_secs(600);
/// The same if nothing urgent has changed.
const LATER: Duration = Duration::from_secs(3600);
/// Maximum size of a file to read, bytes.
const MAX_BYTES: u64 = 200_000;

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Content {
    entries: Vec<LogEntry>,
    limited: Vec<LimitedDay>,
}

/// What is kept of one battery.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SavedEvents {
    /// Its event log.
    pub log: EventLog,
    /// The times for which it was limited.
    pub limited: LimitedTimes,
}

/// Why the log could not be saved or loaded.
#[derive(Debug, Error)]
pub enum LogFileError {
    /// The file cannot be written.
    #[error(
        "cannot save {path}: {source}; the event log will lose unsaved events when the program ends. Check free space and permissions there"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file exists, but cannot be read.
    #[error("cannot read {path}: {reason}; starting a new event log. Remove the file if this recurs")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
}

/// The file.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// Time of the last write or attempt.
    written: Option<Moment>,
    logged_failure: Once,
}

impl LogFile {
    /// The file of the battery `id` in `folder`. Does not create it.
    pub fn new(folder: &Path, id: &str) -> Self {
        Self { path: folder.join(format!("{id}.events")), written: None, logged_failure: Once::default() }
    }

    /// What is in the file; nothing if there is none. Days begin `offset_h` hours from UTC.
    ///
    /// # Errors
    /// [`LogFileError::Read`] if a file exists but cannot be read.
    pub fn load(&self, offset_h: f64, now: Moment) -> Result<SavedEvents, LogFileError> {
        let unreadable =
            |reason: &dyn std::fmt::Display| LogFileError::Read { path: self.path.clone(), reason: reason.to_string() };
        let text = regular_file::read_if_there(&self.path, MAX_BYTES).map_err(|error| unreadable(&error))?;
        let Some(text) = text else { return Ok(SavedEvents::new(Content::default(), offset_h, now)) };
        // Names end up on pages and in other systems; the file may contain anything.
        let content = serde_json::from_slice(&text).map(printable_json).and_then(serde_json::from_value::<Content>);
        content.map(|content| SavedEvents::new(content, offset_h, now)).map_err(|error| unreadable(&error))
    }

    /// The text to write if a write is due. `last`: at the end of the program.
    pub fn begin(&mut self, kept: &mut SavedEvents, now: Now, last: bool) -> Option<String> {
        let SavedEvents { log, limited } = kept;
        let urgency = log.urgency().max(limited.is_unsaved().then_some(Urgency::Later));
        // What lasts is worth a write at the end, for its duration.
        if urgency.is_none() && !(last && log.is_active()) {
            return None;
        }
        let interval = if urgency == Some(Urgency::Soon) { SOON } else { LATER };
        if !last && self.written.is_some_and(|at| now.at.since(at) < interval) {
            return None;
        }
        self.written = Some(now.at);
        // Texts and finite numbers: it cannot fail.
        limited.take_unsaved();
        serde_json::to_string(&Content { entries: log.take_for_file(now), limited: limited.days() }).ok()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Records the result of a write.
    ///
    /// # Errors
    /// [`LogFileError::Write`] for the first failure of an episode; later ones are silent.
    pub fn finish(&mut self, result: io::Result<()>) -> Result<(), LogFileError> {
        self.logged_failure.first_failure(result).map_err(|source| LogFileError::Write { path: self.path.clone(), source })
    }
}

impl SavedEvents {
    fn new(content: Content, offset_h: f64, now: Moment) -> Self {
        let Content { entries, limited } = content;
        Self { log: EventLog::loaded(entries, now), limited: LimitedTimes::loaded(limited, offset_h) }
    }
}
