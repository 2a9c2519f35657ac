//! Ports, the exchange of frames and the search for a BMS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bluetooth;
mod broadcasters;
mod confirmation;
mod link;
mod modbus_tcp;
mod ports;
mod probe;
mod start;
#[path = "../support/mod.rs"]
mod support;
