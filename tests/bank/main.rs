//! Rules of a bank, one test per row of docs/bank.md (`table.rs`), and properties that hold for any behaviour of its members.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod currents;
mod properties;
mod rig;
mod silence;
mod table;
mod values;
mod voltage;
