//! Sinks: where snapshots go. Each has a pure half (tables, frames, texts) with golden tests and a thin half that does I/O.
//!
//! A failing sink never stops the battery, and a failing battery makes every sink say so.

pub mod can;
pub mod dbus;
pub mod domoticz;
pub mod mqtt;
pub mod web;

use tokio::sync::watch;

/// Tells a sink when the program ends.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<()>);

impl Stop {
    /// With the end that stops by being dropped.
    pub fn new() -> (watch::Sender<()>, Self) {
        let (stop, stopped) = watch::channel(());
        (stop, Self(stopped))
    }

    /// Waits until the program ends. Dropping the future loses nothing.
    pub async fn asked(&mut self) {
        // Nothing is ever sent: an error says that the other end is gone, which is what is waited for.
        while self.0.changed().await.is_ok() {}
    }
}
