//! Battery driver for Victron GX devices.
//!
//! ```text
//! thread per port (blocking)        one current-thread tokio runtime (`service`)
//! ┌──────┐  bytes  ┌──────┐ frame ┌─────────┐ Reading ┌────────────┐ Arc<Snapshot>
//! │ port │ ──────▶ │ link │ ────▶ │   bms   │ ──────▶ │ battery    │ ──watch─┬──────────────▶ dbus ─────────▶ GX, VRM
//! │      │ ◀────── │      │ ◀──── │ (pure)  │  plan   │ guard, soc │         ├────▶ output::can, rs485 ─────▶ inverter
//! └──────┘ request └──────┘       └─────────┘         │ charge     │         ├─▶ bank (pure) ▶ as another battery
//!              ▲                                      │   (pure)   │         └─▶ output::api ▶ output::registry ┬▶ output::web ──▶ dashboard
//!              │                                      └────────────┘                                            ├▶ output::mqtt, domoticz
//!              └─ Command ─ service::battery_task ◀─ PendingRequest ─ control::CommandHandle ◀─ D-Bus, web, set └▶ output::timeseries
//! ```
//! Data flows one way. Requests of the owner take a separate way back: a [`control::CommandHandle`] per battery, which leads to its
//! task in `service`. Protocols, guard, state of charge, charge control and bank are pure: bytes, state and time go in, values
//! come out. Threads, clocks, sleeps and signals live in `base::runtime` only.
//!
//! A folder uses only the folders in the rows below its own; `tests/docs/layers.rs` checks the imports:
//!
//! ```text
//! cli                                  one file per command
//! tools                                doctor, support, demo, charts, recording on request
//! service                              the running driver: ports, batteries, bank, start and stop
//! config, dbus                         settings; D-Bus services, our own and others
//! output, takeover                     CAN, RS485, MQTT, dashboard, API; what dbus-serialbattery left behind
//! bank, conext, control, generator, probe, recording, sim, terminal  several batteries as one; Schneider's devices; requests of owners; when a generator runs; search for a BMS; recordings of a line, flight recorder; simulated batteries; tables
//! battery, house, link                 one battery over time; devices of the house; one request to a port and its answer
//! health                               health of the cells from everyday readings
//! bms                                  protocols of the BMS families
//! model                                readings, alarms, limits, commands
//! base                                 units, time, files, text
//! ```
//! - Before the first reading `probe` finds out which BMS answers on a port, with the settings of `config`.
//! - `dbus-bms hub` (`service::hub`) is the right half only: its registry holds the batteries that other processes serve on D-Bus.
//!
//! `docs/glossary.md` explains the terms (CVL, bank, guard, line, reading, snapshot …), `docs/safety-rules.md` has the rules that
//! comments refer to by number.
//!
//! Nothing panics on any input: calls that could are denied here and in `Cargo.toml`; `docs/panics.md` lists the calls that panic
//! on certain arguments, and why they cannot here.
#![deny(clippy::indexing_slicing, clippy::string_slice, clippy::unreachable, clippy::unimplemented, clippy::get_unwrap)]

pub mod bank;
pub mod base;
pub mod battery;
pub mod bms;
pub mod cli;
pub mod conext;
pub mod config;
pub mod control;
pub mod dbus;
pub mod generator;
pub mod health;
pub mod house;
pub mod link;
pub mod model;
pub mod output;
pub mod probe;
pub mod recording;
pub mod service;
pub mod sim;
pub mod takeover;
pub mod terminal;
pub mod tools;
