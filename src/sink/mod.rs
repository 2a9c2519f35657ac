//! Sinks: where snapshots go. Each has a pure half (tables, frames, texts) with golden tests and a thin half that does I/O.
//!
//! A failing sink never stops the battery, and a failing battery makes every sink say so.

pub mod can;
pub mod dbus;
