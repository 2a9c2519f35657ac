//! Signals the end of the program to everything that has to finish first.

use tokio::sync::watch;

/// Signals the end of the program to a task.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<()>);

impl Stop {
    /// Also returns the sender; dropping it signals the end.
    pub fn new() -> (watch::Sender<()>, Self) {
        let (stop, stopped) = watch::channel(());
        (stop, Self(stopped))
    }

    /// Waits until the program ends. Dropping the future loses nothing.
    pub async fn asked(&mut self) {
        // Nothing is ever sent: an error means that the sender was dropped, which is the signal.
        while self.0.changed().await.is_ok() {}
    }
}
