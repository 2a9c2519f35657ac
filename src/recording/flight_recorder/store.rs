//! The files of the flight recorder: few, of a bounded size, and written rarely, because they are on flash.

use crate::base::atomic_file::replace;
use crate::base::regular_file;
use crate::base::time::Now;
use crate::base::units::Moment;
use crate::recording::file::Recording;
use serde::Serialize;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// The folder in the state folder.
pub const FLIGHT_FOLDER: &str = "flight-recorder";
/// Maximum number of files; the oldest is removed.
pub const MAX_FILES: usize = 8;
/// Maximum size of a file, bytes; a longer one is not written.
const MAX_BYTES: usize = 1 << 20;
/// Minimum time between two files of a port.
const MIN_INTERVAL: Duration = Duration::from_secs(300);
/// Maximum number of files of a port in a day, and of those for a minor reason.
const MAX_PER_DAY: usize = 6;
const MAX_MINOR_PER_DAY: usize = 2;
const DAY: Duration = Duration::from_secs(86_400);
const NAME: &str = "flight-";

/// Why a file could not be written.
#[derive(Debug, Error)]
#[error("cannot write {path} of the flight recorder: {source}; check free space and permissions there")]
pub(super) struct FlightError {
    path: PathBuf,
    source: io::Error,
}

/// Where files are written, and when the last ones were. Clones share that.
#[derive(Debug, Clone)]
pub struct FlightStore {
    folder: PathBuf,
    triggered: Arc<Mutex<VecDeque<(Moment, bool)>>>,
}

/// A file in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FlightFile {
    /// Its name.
    pub file: String,
    /// When it was written, seconds since 1970; `None`: the clock was not set.
    pub at: Option<u64>,
    /// Its size, bytes.
    pub bytes: u64,
    /// Why it was written.
    pub why: String,
}

impl FlightStore {
    pub(super) fn new(state_folder: &Path) -> Self {
        Self { folder: state_folder.join(FLIGHT_FOLDER), triggered: Arc::default() }
    }

    /// Whether a file may be written now; then it counts as written.
    pub(super) fn allows(&self, is_minor: bool, now: Moment) -> bool {
        let mut triggered = self.triggered.lock().unwrap_or_else(PoisonError::into_inner);
        triggered.retain(|(at, _)| now.since(*at) < DAY);
        let minor = triggered.iter().filter(|(_, is_minor)| *is_minor).count();
        // A minor one does not keep others waiting.
        let mut alike = triggered.iter().rev().filter(|(_, before)| is_minor || !before);
        let is_soon = alike.next().is_some_and(|(at, _)| now.since(*at) < MIN_INTERVAL);
        let allowed = !is_soon && triggered.len() < MAX_PER_DAY && (!is_minor || minor < MAX_MINOR_PER_DAY);
        if allowed {
            triggered.push_back((now, is_minor));
        }
        allowed
    }

    /// Writes the recording, unless as many were written in the last day by earlier runs, and removes the oldest files.
    pub(super) fn write(&self, recording: Recording, now: Now) -> Result<(), FlightError> {
        let files = list(&self.folder);
        let is_recent = |file: &&FlightFile| now.unix.zip(file.at).is_some_and(|(now, at)| now.saturating_sub(at) < DAY.as_secs());
        if files.iter().filter(is_recent).count() >= MAX_FILES {
            log::debug!("flight recorder: not written, because {MAX_FILES} files were in a day");
            return Ok(());
        }
        let text = recording.text();
        if text.len() > MAX_BYTES {
            log::debug!("flight recorder: {} bytes are too many for a file", text.len());
            return Ok(());
        }
        let number = now.unix.unwrap_or_else(|| now.at.since_origin().as_secs());
        let path = self.folder.join(format!("{NAME}{number:010}.json"));
        replace(&path, &text).map_err(|source| FlightError { path: path.clone(), source })?;
        log::info!("flight recorder: {} ({})", path.display(), recording.note.as_deref().unwrap_or_default());
        // The list is sorted, the newest first.
        for old in files.iter().skip(MAX_FILES.saturating_sub(1)) {
            let _ = std::fs::remove_file(self.folder.join(&old.file));
        }
        Ok(())
    }
}

/// A number of seconds below this is not a time since 1970, but one since the start.
const FIRST_UNIX: u64 = 1_000_000_000;

/// The files in this folder, the newest first; none if there is no such folder.
pub fn list(folder: &Path) -> Vec<FlightFile> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<FlightFile> = entries
        .filter_map(|entry| {
            let file = entry.file_name().into_string().ok().filter(|name| is_name(name))?;
            let about = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let number = file.strip_prefix(NAME)?.strip_suffix(".json")?.parse::<u64>().ok()?;
            let at = (number >= FIRST_UNIX).then_some(number);
            Some(FlightFile { why: reason(&entry.path()), file, at, bytes: about.len() })
        })
        .collect();
    files.sort_by(|a, b| b.file.cmp(&a.file));
    files
}

/// The text of one of them; `None`: there is none of this name.
pub fn read(folder: &Path, name: &str) -> Option<String> {
    let bytes = is_name(name).then(|| regular_file::read(&folder.join(name), MAX_BYTES as u64).ok()).flatten()?;
    String::from_utf8(bytes).ok()
}

/// Names in requests are compared with this form before they become a path.
fn is_name(name: &str) -> bool {
    let number = name.strip_prefix(NAME).and_then(|rest| rest.strip_suffix(".json"));
    number.is_some_and(|number| (1..=20).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The note of a recording, from its beginning.
fn reason(path: &Path) -> String {
    use std::io::Read;
    let mut begin = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(4096).read_to_end(&mut begin));
    let text = String::from_utf8_lossy(&begin);
    let note = text.lines().find_map(|line| line.trim().strip_prefix("\"note\": ")?.strip_suffix(','));
    let note = note.filter(|_| read.is_ok()).and_then(|note| serde_json::from_str::<String>(note).ok());
    crate::base::printable::printable(&note.unwrap_or_default(), 300)
}
