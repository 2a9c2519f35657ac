//! The rules of a bank, one test for each row of docs/bank.md, and the properties that hold whatever its members say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod currents;
mod properties;
mod rig;
mod silence;
mod table;
mod values;
mod voltage;
