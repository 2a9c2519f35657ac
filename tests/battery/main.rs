//! The pure core: guard, state of charge, charge control.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod ceiling;
mod cell_health;
mod chain;
mod charge;
mod chargers;
mod commands;
mod direction;
mod doubt;
mod external;
mod guard;
mod oscillation;
mod phases;
mod sensors;
mod silence;
mod soc;
mod soc_battery;
#[path = "../support/mod.rs"]
mod support;
mod without_cells;
