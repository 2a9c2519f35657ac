//! Recordings of a line: file format, capture, flight recorder, replay, and a port that plays one.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod anonymous;
pub mod candump;
pub mod capture;
pub mod file;
pub mod flight;
pub mod flight_recorder;
pub mod replay;
pub mod replay_port;
