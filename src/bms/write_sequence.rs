//! Commands on the wire: the writes, their acknowledgements, and the reads that check whether the BMS obeyed.
//!
//! Each family with commands has them in a file of its own beside its decoder, which never contains a write. Their bytes are
//! confirmed by at least two independent public sources, named there; other commands are not offered.

use super::{Codec, DecodeError, Expected, Framing, Progress, Request};
use crate::model::Reading;

/// The frames that carry out a command.
pub struct WriteSequence {
    /// Decoder of the acknowledgements.
    pub acks: AckDecoder,
    /// The writes, in order; a refused one ends the sequence.
    pub requests: Vec<Request>,
    /// Sent afterwards, whatever the result of the writes.
    pub after: Vec<Request>,
    /// Reads for verification.
    pub read_back: Vec<Request>,
}

/// Decoder of acknowledgements, separate from the decoder of replies to reads, which knows nothing about writes.
#[derive(Debug, Clone, Copy)]
pub struct AckDecoder {
    /// Beginning and end of an acknowledgement; as [`Codec::framing`].
    pub framing: fn(&[u8]) -> Framing,
    /// Whether a frame acknowledges the request, and how.
    pub check_ack: fn(&Request, &[u8]) -> Result<Progress, DecodeError>,
}

impl Codec for AckDecoder {
    fn framing(&self, buf: &[u8]) -> Framing {
        (self.framing)(buf)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], _: &mut Reading) -> Result<Progress, DecodeError> {
        match expected {
            Expected::Request(request) => (self.check_ack)(request, frame),
            Expected::Any => Err(DecodeError::Foreign { what: "the answer to a write without a request" }),
        }
    }
}
