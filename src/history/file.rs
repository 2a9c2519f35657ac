//! The file of one battery's course: of fixed size, written in place, seldom.
//!
//! A read-only, full or damaged disk costs the memory over a restart and nothing else: it is said once, and tried again.

use super::course::Course;
use super::record::{HEAD, Piece, SIZE};
use crate::battery::Now;
use crate::units::Moment;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Least time between two writes.
pub const INTERVAL: Duration = Duration::from_secs(3600);

/// Why the course could not be kept or found again.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file cannot be written.
    #[error(
        "cannot save {path}: {source}; the charts lose what is not saved when the program ends. Check free space and permissions there"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is there and cannot be read.
    #[error("cannot read {path}: {source}; the charts begin anew. Remove the file if this comes again")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// The file.
#[derive(Debug, Clone)]
pub struct HistoryFile {
    path: PathBuf,
    /// When it was written last, or was to be.
    written: Moment,
    /// The whole is to be written: there is no file, or not all got there.
    anew: bool,
    failing: bool,
}

impl HistoryFile {
    /// The file of the battery `id` in `folder`. Nothing is created yet.
    pub fn new(folder: &Path, id: &str, now: Moment) -> Self {
        Self { path: folder.join(format!("{id}.history")), written: now, anew: true, failing: false }
    }

    /// Reads what is there into `course`.
    ///
    /// # Errors
    /// [`HistoryError::Read`] when there is a file that cannot be read.
    pub fn load(&mut self, course: &mut Course) -> Result<(), HistoryError> {
        let read = File::open(&self.path).and_then(|file| {
            let mut bytes = Vec::new();
            file.take(SIZE as u64).read_to_end(&mut bytes).map(|_| bytes)
        });
        match read {
            Ok(bytes) => {
                self.anew = bytes.len() != SIZE || !bytes.starts_with(&HEAD);
                course.load(&bytes);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(HistoryError::Read { path: self.path.clone(), source }),
        }
    }

    /// Whether it is time to write.
    pub fn is_due(&self, now: Moment) -> bool {
        now.since(self.written) >= INTERVAL
    }

    /// What is to be written of `course`, if anything is new. `last`: nothing comes after.
    pub fn begin(&mut self, course: &mut Course, now: Now, last: bool) -> Option<Job> {
        self.written = now.at;
        let new = course.unsaved(now, last);
        let pieces = if self.anew { course.whole() } else { new };
        (!pieces.is_empty()).then(|| Job { path: self.path.clone(), pieces, anew: self.anew })
    }

    /// Notes how the writing ended.
    ///
    /// # Errors
    /// [`HistoryError::Write`] for the first failure of an episode; later ones are silent.
    pub fn finish(&mut self, result: io::Result<()>) -> Result<(), HistoryError> {
        // What did not get there is written with the whole the next time.
        self.anew = result.is_err();
        let was_failing = std::mem::replace(&mut self.failing, result.is_err());
        match result {
            Err(source) if !was_failing => Err(HistoryError::Write { path: self.path.clone(), source }),
            _ => Ok(()),
        }
    }
}

/// A write that is to be done, by whoever may wait for a disk.
#[derive(Debug)]
pub struct Job {
    path: PathBuf,
    pieces: Vec<Piece>,
    anew: bool,
}

impl Job {
    /// Writes.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn run(&self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
        if self.anew {
            file.set_len(SIZE as u64)?;
            file.write_all_at(&HEAD, 0)?;
        }
        for piece in &self.pieces {
            file.write_all_at(&piece.bytes, piece.at)?;
        }
        file.sync_data()
    }

    /// How many bytes that are.
    pub fn size(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }
}
