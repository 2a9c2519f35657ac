//! The web server: the page, the API, events and metrics, out of the house's views.
//!
//! ```text
//! house ──views──▶ answer (pure: a request's head and what is known in, an answer out) ──▶ server ──▶ browser
//!                  guard (hosts, token)   assets (the page)   events (a stream of views)
//! ```
//! Nobody is trusted: heads, bodies, connections and times are bounded, and a browser that does not read is dropped.
#![deny(clippy::indexing_slicing)]

mod answer;
mod assets;
mod config;
mod connection;
mod events;
mod guard;
mod server;

pub use answer::{Answer, Body, Head, History, ROUTES, World, answer};
pub use config::Config;
pub use server::serve;
