//! The whole program on a bus, with simulated boards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bank_dbus;
mod bank_local;
mod bluetooth;
mod can_ble;
mod commands_dbus;
mod dbus;
mod demo;
mod doctor;
mod external_dbus;
mod flight_recorder;
mod gx_settings;
mod health;
mod hub;
mod once;
mod oscillation_dbus;
mod partner_dbus;
mod partner_mqtt;
mod recording_cli;
mod rs485;
mod run;
mod run_faults;
mod run_trouble;
mod secrets;
mod several;
mod status;
#[path = "../support/mod.rs"]
mod support;
mod takeover;
mod takeover_dbus;
