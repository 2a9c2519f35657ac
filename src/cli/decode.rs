//! `decode --bms NAME`: recorded bytes in, readings out.

use super::exit::{Exit, Failure};
use super::options::driver;
use super::output::Show;
use crate::bms::traffic::Traffic;
use crate::bms::{DecodeError, Driver, Request};
use crate::hex::{self, HexError};
use crate::model::Reading;
use clap::Args;
use std::borrow::Cow;
use std::io::{Read, Write};
use std::time::Duration;
use thiserror::Error;

/// Decode recorded bytes: hex text on the standard input, white space ignored
#[derive(Debug, Clone, Args)]
pub struct DecodeArgs {
    /// BMS family
    #[arg(long, value_name = "NAME", value_parser = driver)]
    pub bms: &'static Driver,
    /// A request that was sent, in hex; may be repeated. Only replies to these count then
    #[arg(long, value_name = "HEX", value_parser = sent)]
    pub sent: Vec<Request>,
    /// JSON lines, also on a terminal
    #[arg(long)]
    pub json: bool,
}

/// Why nothing was decoded.
#[derive(Debug, Error)]
pub enum DecodeFailure {
    /// The input cannot be read.
    #[error("cannot read the standard input: {0}; give it by a pipe or with < FILE")]
    Input(std::io::Error),
    /// The input is no hex text.
    #[error("the input is not hex text: {0}; give bytes as in dda50300fffd77")]
    Hex(HexError),
    /// No frame passed its check.
    #[error(
        "no valid {bms} frame in {bytes} bytes; check --bms, and that the recording holds the replies from their first to their last byte"
    )]
    NoFrame {
        /// Name of the family.
        bms: &'static str,
        /// Length of the input.
        bytes: usize,
    },
    /// Frames were there, and none of them gave anything.
    #[error("{frames} valid {bms} frame(s) and no answer in them: {reason}{remedy}")]
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
    /// The exit code that says it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Input(_) | Self::Hex(_) => Exit::Usage,
            Self::NoFrame { .. } | Self::NoAnswer { .. } => Exit::Nothing,
        }
    }
}

impl DecodeArgs {
    /// Decodes `input` and prints the readings.
    ///
    /// # Errors
    /// [`Failure::Decode`], [`Failure::Output`]
    pub fn run(&self, mut input: impl Read, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let mut text = Vec::new();
        input.read_to_end(&mut text).map_err(DecodeFailure::Input)?;
        let bytes = hex::decode(&String::from_utf8_lossy(&text)).map_err(DecodeFailure::Hex)?;
        for reading in self.readings(&bytes)? {
            show.reading(out, &reading)?;
        }
        Ok(())
    }

    /// One reading per battery, merged over its frames.
    fn readings(&self, bytes: &[u8]) -> Result<Vec<Reading>, DecodeFailure> {
        let mut traffic = Traffic::new(self.bms);
        traffic.feed(bytes, &self.sent);
        traffic.end(&self.sent);
        let mut readings: Vec<Reading> = traffic.readings().collect();
        let refusal = traffic.declined.iter().find(|error| matches!(error, DecodeError::Refused { .. }));
        // A refusal is an answer, too: the BMS is there. Whose it is, is known only where no or one battery gave values.
        if let (Some(refusal), [] | [_]) = (refusal, readings.as_slice()) {
            let mut reading = readings.pop().unwrap_or_else(|| Reading::new(self.bms.name, None));
            reading.note(refusal.to_string());
            readings.push(reading);
        }
        match (readings.is_empty(), traffic.declined.pop()) {
            (false, _) => Ok(readings),
            (true, None) => Err(DecodeFailure::NoFrame { bms: self.bms.name, bytes: bytes.len() }),
            (true, Some(reason)) => {
                let remedy = if self.sent.is_empty() { "" } else { "; leave out --sent to see all replies" };
                Err(DecodeFailure::NoAnswer { bms: self.bms.name, frames: traffic.frames, reason, remedy })
            }
        }
    }
}

/// A request from its hex text.
fn sent(text: &str) -> Result<Request, String> {
    let bytes = hex::decode(text).map_err(|error| error.to_string())?;
    if bytes.is_empty() {
        return Err("a request has at least one byte".to_owned());
    }
    Ok(Request { what: "given request", bytes: Cow::Owned(bytes), timeout: Duration::ZERO, required: false })
}
