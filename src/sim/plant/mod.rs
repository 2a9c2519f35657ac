//! A complete installation over a day: the simulated battery with chargers, sun and loads, controlled by the real charge control.
//!
//! ```text
//!  sun, loads ──▶ chargers, inverter ──current──▶ pack with BMS ──readings (noise, steps, losses)──▶ Battery ──▶ limits
//!                        ▲                                                                                        │
//!                        └───────────────────────────── delay, lag ◀──────────────────────────────────────────────┘
//! ```
//! Pure and deterministic: everything follows from a seed, time is simulated. `simulate-day` shows a day; tests check the results.

pub mod charger;
pub mod control;
pub mod expectation;
pub mod figures;
pub mod limits;
pub mod profile;
pub mod run;
pub mod scenarios;
mod serialbattery;
