//! Command line, configuration and migration.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod cli;
mod config;
mod migrate;
#[path = "../support/mod.rs"]
mod support;
mod table;
