//! Outputs of the driver.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod can;
mod conext;
mod dbus_items;
mod event_log;
mod health;
mod history;
mod metrics;
mod mqtt;
mod notifications;
mod openapi;
mod rs485;
#[path = "../support/mod.rs"]
mod support;
mod view;
mod web;
