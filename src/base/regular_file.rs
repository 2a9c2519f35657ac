//! Reads the driver's own files without trusting them: a link may lead to a device, opening a pipe blocks, and a file may have any
//! size.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// Refuses anything that exists but is not a regular file.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] with an explanation; the error of the operating system if `path` cannot be examined.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_symlink() {
        "a link"
    } else if kind.is_dir() {
        "a folder"
    } else {
        "a pipe or a device"
    };
    Err(io::Error::new(ErrorKind::InvalidInput, format!("this is {what}, not a plain file")))
}

/// The content of a file as [`read`] gives it; `None` if there is no file.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_if_there(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    match read(path, most) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// The content of a regular file of at most `most` bytes.
///
/// # Errors
/// As [`check`]; [`ErrorKind::InvalidData`] for a larger file.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    check(path)?;
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > most {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("this is larger than {} kB", most / 1000)));
    }
    Ok(bytes)
}
