//! A file that is written whole or not at all: a power cut leaves the old one or the new one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A new file beside the one that it will replace; it goes away if it is not finished.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl Draft {
    /// Begins to replace `path`, or to create it.
    ///
    /// # Errors
    /// The folder cannot be written, or `path` is something else than a file.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        // A rename would put a file in the place of a device.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no regular file"));
        }
        let mut beside = OsString::from(path);
        beside.push(".new");
        let beside = PathBuf::from(beside);
        Ok(Self { path: path.to_owned(), file: File::create(&beside)?, beside })
    }

    /// Puts a file with this text in its place.
    ///
    /// # Errors
    /// What the operating system says; the old file is then still there.
    pub(crate) fn finish(mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_all()?;
        fs::rename(&self.beside, &self.path)?;
        // The new name is on disk only with the folder. Not every file system can do that; the file is in its place all the same.
        if let Some(folder) = self.path.parent().and_then(|folder| File::open(folder).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After the rename there is nothing left to remove.
        let _ = fs::remove_file(&self.beside);
    }
}
