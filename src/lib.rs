//! Battery driver for Victron GX devices.
//!
//! ```text
//! thread per port (blocking)        one current-thread tokio runtime (`run`)
//! ┌──────┐  bytes  ┌──────┐ frame ┌─────────┐ Reading ┌────────────┐ Arc<Snapshot>
//! │ Port │ ──────▶ │ link │ ────▶ │   bms   │ ──────▶ │ battery    │ ──watch─┬───────────────▶ sink::dbus ──▶ GX, VRM
//! │      │ ◀────── │      │ ◀──── │ (pure)  │  plan   │ guard, soc │         ├───────────────▶ sink::can ───▶ inverter
//! └──────┘ request └──────┘       └─────────┘         │ charge     │         ├─▶ bank (pure) ─▶ as another battery
//!              ▲                                      │   (pure)   │         └─▶ view ─▶ house ┬▶ sink::web ───▶ dashboard
//!              │                                      └────────────┘                           ├▶ sink::mqtt, sink::domoticz
//!              └──Command── seat ◀──Order── commands::Door ◀── D-Bus, dashboard, `set`         └▶ history (courses)
//! ```
//! Data flows one way; nothing on the left knows anything on the right. What owners wish comes back by one way of its own: a door
//! per battery, which leads to its seat in `run`. Protocols, guard, state of charge, charge control and bank are pure: bytes, state
//! and time go in, values come out. Threads, clocks, sleeps and signals live in `runtime` alone.
//!
//! - Before the first reading `probe` finds out what answers on a port, and `config` says what its owner wants.
//! - `dbus-bms hub` (`run::hub`) is the right half alone: it fills its house with the batteries that other processes have on D-Bus.
//! - `record`, `replay` and `vector` keep what goes over a line and read it again; `sim` is a battery behind the same protocols;
//!   `doctor`, `support`, `migrate` and `demo` are for owners. `cli` has a file for each command.
//! - `model` is what all speak of (reading, alarms, limits, commands), in the `units` of its own; `state` are the files that survive,
//!   `quality` judges a line, `watchdog` ends a program that stands still, `meter` hears an SMA energy meter, `plot` draws, `draft`
//!   writes a file whole or not at all, `hex` and `civil` know bytes as text and dates.
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
pub mod watchdog;
