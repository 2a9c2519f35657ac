//! The web server: dashboard, API, events and metrics, from the registry's views.
//!
//! ```text
//! registry ──views──▶ answer (pure: a request's head and what is known in, an answer out) ──▶ server (axum) ──▶ browser
//!                     guard (hosts, token)   assets (the page)   events (a stream of views)
//! ```
//! No client is trusted: heads, bodies, connections and times are bounded, and a browser that does not read is dropped.
#![deny(clippy::indexing_slicing)]

mod admission;
mod answer;
mod assets;
mod config;
mod connection;
mod encoding;
mod events;
mod guard;
mod openapi;
mod server;

pub use answer::{Answer, Body, Head, History, Log, OfBattery, ROUTES, World, answer};
pub use config::Config;
pub use openapi::openapi;
pub use server::{Kept, serve};
