//! Commands on the wire: the writes, what acknowledges them, and what is read to see whether the BMS obeyed.
//!
//! Each family that has commands keeps them in a file of its own beside its decoder, which never meets a write. Their bytes are
//! certain from at least two independent public sources, named there; a command that is not is not offered.

use super::{Asked, DecodeError, Framing, Progress, Protocol, Request};
use crate::model::Reading;

/// What makes a BMS carry out a command.
pub struct Orders {
    /// Understands the answers to the writes.
    pub acks: Acks,
    /// The writes, in their order; one that is refused ends them.
    pub requests: Vec<Request>,
    /// Sent afterwards, whatever became of the requests.
    pub after: Vec<Request>,
    /// What is read then.
    pub read_back: Vec<Request>,
}

/// The decoder of the answers to writes: apart from those to reads, so that reading knows nothing of it.
#[derive(Debug, Clone, Copy)]
pub struct Acks {
    /// Where an answer begins and ends; as [`Protocol::framing`].
    pub framing: fn(&[u8]) -> Framing,
    /// Whether a frame answers the request, and how.
    pub judge: fn(&Request, &[u8]) -> Result<Progress, DecodeError>,
}

impl Protocol for Acks {
    fn identify(&self) -> Request {
        Request { what: "nothing", bytes: [].as_slice().into(), timeout: std::time::Duration::ZERO, required: false }
    }

    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        Vec::new()
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        (self.framing)(buf)
    }

    fn decode(&mut self, asked: Asked<'_>, frame: &[u8], _: &mut Reading) -> Result<Progress, DecodeError> {
        match asked {
            Asked::Request(request) => (self.judge)(request, frame),
            Asked::Anything => Err(DecodeError::Foreign { what: "the answer to a write that nobody made" }),
        }
    }
}
