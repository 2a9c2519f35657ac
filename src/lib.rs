//! Battery driver for Victron GX devices.
//!
//! ```text
//!             thread per port (blocking)                          one current-thread tokio runtime
//! ┌──────┐  bytes  ┌──────┐ frame ┌──────────┐ Reading ┌───────────────┐ Arc<Snapshot> ┌────────────────┐
//! │ Port │ ──────▶ │ link │ ────▶ │ protocol │ ──────▶ │ battery guard │ ────watch───▶ │ sinks: dbus    │
//! │      │ ◀────── │      │ ◀──── │  (pure)  │  plan   │ charge (pure) │ ◀──commands── │ can mqtt web   │
//! └──────┘ request └──────┘       └──────────┘         └───────────────┘               └────────────────┘
//! ```
//! Data flows one way; nothing on the left knows anything on the right. Protocols, guard and charge control are pure:
//! bytes, state and time go in, values come out. Threads, clocks, sleeps and signals live in `runtime` alone.
//!
//! Nothing panics on any input: what could is denied here and in `Cargo.toml`, and the calls that panic on certain arguments are
//! listed with their reasons in `docs/panics.md`.
#![deny(clippy::indexing_slicing, clippy::string_slice, clippy::unreachable, clippy::unimplemented, clippy::get_unwrap)]

pub mod bank;
pub mod battery;
pub mod bms;
pub mod charge;
mod civil;
pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
pub mod doctor;
mod draft;
pub mod guard;
pub mod hex;
pub mod history;
pub mod house;
pub mod link;
mod meter;
pub mod migrate;
pub mod model;
pub mod plot;
pub mod probe;
mod quality;
pub mod record;
pub mod replay;
pub mod run;
pub mod runtime;
pub mod sim;
pub mod sink;
pub mod soc;
pub mod state;
pub mod support;
pub mod units;
pub mod vector;
pub mod view;
