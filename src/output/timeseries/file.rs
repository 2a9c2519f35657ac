//! The file of one battery's course: of fixed size, written in place, rarely.
//!
//! A read-only, full or damaged disk only loses the course over a restart: it is logged once, and writing is retried.

use super::cells::{self, CellCourse};
use super::course::Course;
use super::record::{HEAD, Piece, SIZE};
use crate::base::episode::Once;
use crate::base::regular_file;
use crate::base::time::Now;
use crate::base::units::Moment;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Minimum time between two writes.
pub const INTERVAL: Duration = Duration::from_secs(3600);

/// Why the course could not be saved or loaded.
#[derive(Debug, Error)]
pub enum CourseError {
    /// The file cannot be written.
    #[error(
        "cannot save {path}: {source}; charts will lose unsaved data when the program ends. Check free space and permissions there"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file exists, but cannot be read.
    #[error("cannot read {path}: {source}; starting new charts. Remove the file if this recurs")]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
}

/// The file.
#[derive(Debug, Clone)]
pub struct CourseFile {
    path: PathBuf,
    /// Time of the last write or attempt.
    written: Moment,
    /// The complete file has to be written: it does not exist, or a write failed.
    anew: bool,
    logged_failure: Once,
}

impl CourseFile {
    /// The file of the battery `id` in `folder`. Does not create it.
    pub fn new(folder: &Path, id: &str, now: Moment) -> Self {
        Self { path: folder.join(format!("{id}.history")), written: now, anew: true, logged_failure: Once::default() }
    }

    /// Loads the file into `course`.
    ///
    /// # Errors
    /// [`CourseError::Read`] if a file exists but cannot be read.
    pub fn load(&mut self, course: &mut Course) -> Result<(), CourseError> {
        let unreadable = |source| CourseError::Read { path: self.path.clone(), source };
        if let Some(bytes) = regular_file::read_if_there(&self.path, SIZE as u64).map_err(unreadable)? {
            self.anew = bytes.len() != SIZE || !bytes.starts_with(&HEAD);
            course.load(&bytes);
        }
        Ok(())
    }

    /// The file of the cells of the battery `id` in `folder`.
    fn cells_path(&self) -> PathBuf {
        self.path.with_extension("cells")
    }

    /// The course of the cells at the end of the last run; an empty one if there is none.
    ///
    /// # Errors
    /// [`CourseError::Read`] if a file exists but cannot be read.
    pub fn load_cells(&self, now: Now) -> Result<CellCourse, CourseError> {
        let path = self.cells_path();
        let bytes =
            regular_file::read_if_there(&path, cells::MAX_BYTES as u64).map_err(|source| CourseError::Read { path, source })?;
        Ok(bytes.map_or_else(CellCourse::default, |bytes| CellCourse::load(&bytes, now)))
    }

    /// The write of the cells' course, at the end of the program.
    pub fn end_cells(&self, cells: &mut CellCourse, now: Now) -> Option<Job> {
        let piece = cells.take_for_file(now)?;
        let size = piece.bytes.len() as u64;
        Some(Job { path: self.cells_path(), pieces: vec![piece], size: Some(size), head: None })
    }

    /// Whether a write is due.
    pub fn is_due(&self, now: Moment) -> bool {
        now.since(self.written) >= INTERVAL
    }

    /// The write for the new data of `course`, if any. `last`: at the end of the program.
    pub fn begin(&mut self, course: &mut Course, now: Now, last: bool) -> Option<Job> {
        self.written = now.at;
        let new = course.unsaved(now, last);
        let pieces = if self.anew { course.whole() } else { new };
        (!pieces.is_empty()).then(|| Job {
            path: self.path.clone(),
            pieces,
            size: self.anew.then_some(SIZE as u64),
            head: self.anew.then_some(HEAD),
        })
    }

    /// Records the result of a write.
    ///
    /// # Errors
    /// [`CourseError::Write`] for the first failure of an episode; later ones are silent.
    pub fn finish(&mut self, result: io::Result<()>) -> Result<(), CourseError> {
        // After a failure everything is written the next time.
        self.anew = result.is_err();
        self.logged_failure.first_failure(result).map_err(|source| CourseError::Write { path: self.path.clone(), source })
    }
}

/// A pending write, for a thread that may block.
#[derive(Debug)]
pub struct Job {
    path: PathBuf,
    pieces: Vec<Piece>,
    /// The size that the file gets.
    size: Option<u64>,
    /// The start that the file gets.
    head: Option<[u8; 32]>,
}

impl Job {
    /// Writes to the file.
    ///
    /// # Errors
    /// Error of the operating system.
    pub fn run(&self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        match regular_file::check(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
        if let Some(size) = self.size {
            file.set_len(size)?;
        }
        if let Some(head) = &self.head {
            file.write_all_at(head, 0)?;
        }
        for piece in &self.pieces {
            file.write_all_at(&piece.bytes, piece.at)?;
        }
        file.sync_data()
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }
}
