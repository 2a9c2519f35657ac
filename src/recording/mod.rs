//! Recordings of a line: file format, capture, replay, and a port that plays one.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod candump;
pub mod capture;
pub mod file;
pub mod replay;
pub mod replay_port;
pub mod session;
