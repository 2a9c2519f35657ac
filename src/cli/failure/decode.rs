//! Failures of `decode`.

use crate::base::hex::HexError;
use crate::bms::DecodeError;
use crate::cli::exit::Exit;
use thiserror::Error;

/// Maximum input of `decode`, bytes.
pub(in crate::cli) const DECODE_INPUT_LIMIT: u64 = 64 << 20;

/// Why nothing was decoded.
#[derive(Debug, Error)]
pub enum DecodeFailure {
    /// The input cannot be read.
    #[error("cannot read standard input: {0}; use a pipe or < FILE")]
    Input(std::io::Error),
    /// The input is too long.
    #[error("more than {} MB of hex text; give the input in parts", DECODE_INPUT_LIMIT >> 20)]
    TooLong,
    /// The input is not hex text.
    #[error("the input is not hex text: {0}; write bytes as in dda50300fffd77")]
    Hex(HexError),
    /// No frame passed its check.
    #[error("no valid {bms} frame in {bytes} bytes; check --bms, and that the recording contains complete replies")]
    NoFrame {
        /// Name of the family.
        bms: &'static str,
        /// Length of the input.
        bytes: usize,
    },
    /// The readings cannot be of this family's boards.
    #[error("{frames} valid {bms} frame(s), but {why}: check --bms, this is a different board or layout")]
    Contradiction {
        /// Name of the family.
        bms: &'static str,
        /// How many.
        frames: usize,
        /// What contradicts what.
        why: String,
    },
    /// There were valid frames, but none gave a value.
    #[error("{frames} valid {bms} frame(s), but no usable answer: {reason}{remedy}")]
    NoAnswer {
        /// Name of the family.
        bms: &'static str,
        /// How many.
        frames: usize,
        /// Why the last of them gave nothing.
        reason: DecodeError,
        /// What to do.
        remedy: &'static str,
    },
}

impl DecodeFailure {
    /// The exit code for this failure.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Input(_) | Self::TooLong | Self::Hex(_) => Exit::Usage,
            Self::NoFrame { .. } | Self::NoAnswer { .. } | Self::Contradiction { .. } => Exit::Nothing,
        }
    }
}
