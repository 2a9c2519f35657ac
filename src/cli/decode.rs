//! `decode --bms NAME`: turns recorded bytes into readings.

use super::failure::{DECODE_INPUT_LIMIT, DecodeFailure, Failure};
use super::options::driver;
use crate::base::hex;
use crate::bms::bluetooth::of_recorded;
use crate::bms::frame_collector::FrameCollector;
use crate::bms::{DecodeError, Driver, Request};
use crate::model::Reading;
use crate::recording::candump;
use crate::terminal::output::Show;
use clap::Args;
use std::borrow::Cow;
use std::io::{Read, Write};
use std::time::Duration;

/// Decode recorded bytes: hex text on standard input, white space ignored; for a BMS on a CAN bus also candump lines
#[derive(Debug, Clone, Args)]
pub struct DecodeArgs {
    /// BMS family
    #[arg(long, value_name = "NAME", value_parser = driver)]
    pub bms: &'static Driver,
    /// A request that was sent, in hex; may be repeated. Then only replies to these requests count
    #[arg(long, value_name = "HEX", value_parser = sent)]
    pub sent: Vec<Request>,
    /// Print JSON lines on a terminal, too
    #[arg(long)]
    pub json: bool,
}

impl DecodeArgs {
    /// Decodes `input` and prints the readings.
    ///
    /// # Errors
    /// [`Failure::Decode`], [`Failure::Output`]
    pub fn run(&self, input: impl Read, out: &mut dyn Write, show: Show) -> Result<(), Failure> {
        let mut text = Vec::new();
        input.take(DECODE_INPUT_LIMIT.saturating_add(1)).read_to_end(&mut text).map_err(DecodeFailure::Input)?;
        if text.len() as u64 > DECODE_INPUT_LIMIT {
            return Err(DecodeFailure::TooLong.into());
        }
        let text = String::from_utf8_lossy(&text);
        let bytes = match candump::bytes(&text) {
            Some(bytes) => bytes,
            None => hex::decode(&text).map_err(DecodeFailure::Hex)?,
        };
        for reading in self.readings(&bytes)? {
            show.reading(out, &reading)?;
        }
        Ok(())
    }

    /// One reading per battery, merged over its frames.
    fn readings(&self, bytes: &[u8]) -> Result<Vec<Reading>, DecodeFailure> {
        let used = of_recorded(self.bms, self.sent.iter().map(|request| &*request.bytes).chain([bytes]));
        let sent: &[Request] = if std::ptr::eq(used, self.bms) { &self.sent } else { &[] };
        let mut traffic = FrameCollector::new(used);
        traffic.feed(bytes, sent);
        traffic.end(sent);
        let all: Vec<Reading> = traffic.readings().collect();
        let (mut readings, impossible): (Vec<_>, Vec<_>) = all.into_iter().partition(|reading| reading.contradiction().is_none());
        if let (true, Some(why)) = (readings.is_empty(), impossible.iter().find_map(Reading::contradiction)) {
            return Err(DecodeFailure::Contradiction { bms: self.bms.name, frames: traffic.frames, why });
        }
        let refusal = traffic.declined.iter().find(|error| matches!(error, DecodeError::Refused { .. }));
        // A refusal is an answer, too: the BMS is there. Which battery sent it is clear only when at most one gave values.
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
