//! Atomic file replacement: after a power cut either the old or the new file is there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Replaces or creates the file `path` with this text, and its folder.
///
/// # Errors
/// Error of the operating system; an old file is then unchanged.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    AtomicFile::begin(path)?.finish(text)
}

/// A temporary file beside the one to replace; removed if it is not completed.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl AtomicFile {
    /// Starts to replace or create `path`.
    ///
    /// # Errors
    /// The folder is not writable, or `path` is not a file.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        // A rename would replace a device by a file.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is not a regular file"));
        }
        let mut beside = OsString::from(path);
        beside.push(".new");
        let beside = PathBuf::from(beside);
        // Never write into an existing temporary file: it may be left over from an interrupted write, or a link or a pipe.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self { path: path.to_owned(), file: File::create_new(&beside)?, beside }),
        }
    }

    /// Writes the text and replaces the old file.
    ///
    /// # Errors
    /// Error of the operating system; the old file is then unchanged.
    pub(crate) fn finish(mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        // The rename is on disk only once the folder is synced. Not every file system can do that; the file is in place anyway.
        if let Some(folder) = self.path.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        // After the rename there is no temporary file to remove.
        let _ = fs::remove_file(&self.beside);
    }
}
