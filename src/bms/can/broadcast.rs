//! Frames of boards that send by themselves, of which nothing is requested.

use super::Record;
use crate::bms::{DecodeError, Expected, Framing};

/// A record at the start of the received bytes; `is_begun` tells whether they begin one of the family, and `fits` whether a whole one
/// is a frame of the family.
pub(crate) fn framing(buf: &[u8], is_begun: bool, fits: impl Fn(&Record) -> bool) -> Framing {
    match buf.get(..Record::LEN) {
        _ if !is_begun => Framing::Skip(1),
        None => Framing::Incomplete,
        Some(bytes) if Record::parse(bytes).is_some_and(|record| fits(&record)) => Framing::Frame(0..Record::LEN),
        Some(_) => Framing::Skip(1),
    }
}

/// The record that was received.
///
/// # Errors
/// [`DecodeError::Foreign`] if it is none, or something was requested.
pub(crate) fn received(expected: Expected<'_>, frame: &[u8]) -> Result<Record, DecodeError> {
    if let Expected::Request(request) = expected
        && !request.bytes.is_empty()
    {
        return Err(DecodeError::Foreign { what: "a frame that nobody asked for" });
    }
    Record::parse(frame).ok_or(DecodeError::Foreign { what: "no CAN frame" })
}
