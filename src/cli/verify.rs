//! `verify FILE`: whether a file is part of a release of this project.

use super::failure::{Failure, VerifyFailure};
use crate::tools::signature::{Keys, MAX_TEXT_BYTES, Signed};
use clap::Args;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

/// Check that FILE is what the makers of dbus-bms signed, with the release keys built into this program
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
    /// File to check: an archive of a release
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Its signature [default: FILE.minisig]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    /// Check against the keys in this file of minisign instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

impl VerifyArgs {
    /// Checks the file and prints what was signed, on one line.
    ///
    /// # Errors
    /// [`Failure::Verify`], [`Failure::Output`]
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        let Signed { key, comment } = self.check()?;
        writeln!(out, "{}: signed as \"{comment}\" with the key {key}", self.file.display())?;
        Ok(())
    }

    fn check(&self) -> Result<Signed, VerifyFailure> {
        let keys = match &self.key {
            None => Keys::of_releases(),
            Some(path) => Keys::parse(&text(path)?).ok_or_else(|| VerifyFailure::Key { path: path.clone() })?,
        };
        let beside = || {
            let mut name = self.file.clone().into_os_string();
            name.push(".minisig");
            PathBuf::from(name)
        };
        let signature = self.signature.clone().unwrap_or_else(beside);
        let unreadable = |source| VerifyFailure::Read { path: self.file.clone(), source };
        let content = File::open(&self.file).map_err(unreadable)?;
        let signature = match text(&signature) {
            Err(VerifyFailure::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(VerifyFailure::Unsigned { path: self.file.clone(), signature });
            }
            text => text?,
        };
        keys.verify(content, &signature).map_err(|error| VerifyFailure::Signature { path: self.file.clone(), error })
    }
}

/// The start of a small text file; characters that are no text are replaced, and then nothing fits.
fn text(path: &Path) -> Result<String, VerifyFailure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_TEXT_BYTES).read_to_end(&mut bytes));
    read.map_err(|source| VerifyFailure::Read { path: path.to_owned(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
