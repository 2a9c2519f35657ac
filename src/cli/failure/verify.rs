//! Failures of `verify`.

use crate::cli::exit::Exit;
use crate::tools::signature::SignatureError;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why a file does not count as part of a release.
#[derive(Debug, Error)]
pub enum VerifyFailure {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; check its name", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The given key file holds something else.
    #[error("{} holds no public keys: give a file that `minisign -G` wrote", path.display())]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// There is no signature.
    #[error("{}: not signed: {} is missing; take both from the release page", path.display(), signature.display())]
    Unsigned {
        /// The file.
        path: PathBuf,
        /// Where the signature should be.
        signature: PathBuf,
    },
    /// The signature is not valid here.
    #[error("{}: {error}", path.display())]
    Signature {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: SignatureError,
    },
}

impl VerifyFailure {
    /// The exit code for this failure. `install.sh` relies on it: without a known signature the owner may decide, a wrong one is
    /// refused.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Key { .. } => Exit::Usage,
            Self::Unsigned { .. } | Self::Signature { error: SignatureError::NoKey | SignatureError::UnknownKey, .. } => {
                Exit::Nothing
            }
            Self::Read { .. } | Self::Signature { .. } => Exit::Failed,
        }
    }
}
