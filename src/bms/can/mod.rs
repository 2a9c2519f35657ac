//! CAN frames, and the records in which ports carry them.
//!
//! A port on a CAN bus is a stream of records of 13 bytes, so that recordings, replay and framing are those of a serial line:
//!
//! ```text
//! id u32, high byte first, highest bit set if it has 29 bits | u8 length | 8 bytes of data, filled up with zeros
//! ```
//! The check of a frame is that of the CAN controller, which passes on whole frames only.

mod broadcast;
mod bus_error;
mod frame;
mod last_frames;
mod record;

pub(crate) use broadcast::{framing, received};
pub use bus_error::BusError;
pub use frame::{Frame, Line, LineError, parse_line, parse_record};
pub(crate) use last_frames::LastFrames;
pub use record::{IdFilter, Record, signed_word, word};
