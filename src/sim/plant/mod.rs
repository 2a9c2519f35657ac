//! A whole installation over a day: the simulated battery with chargers, sun and loads, driven by the real charge control.
//!
//! ```text
//!  sun, loads ──▶ chargers, inverter ──current──▶ pack with BMS ──readings (noise, steps, losses)──▶ Battery ──▶ limits
//!                        ▲                                                                                        │
//!                        └───────────────────────────── delay, lag ◀──────────────────────────────────────────────┘
//! ```
//! Pure and deterministic: a seed decides everything, time is simulated. `simulate-day` shows a day, tests hold it to account.

pub mod charger;
pub mod control;
pub mod expectation;
pub mod figures;
pub mod profile;
pub mod run;
pub mod scenarios;
