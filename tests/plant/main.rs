//! Charge control in a closed loop with a simulated plant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod full;
mod generator;
mod health;
mod packs;
mod partner;
mod plant;
mod plant_goals;
