//! Progress of a command that takes long.

use crate::base::runtime;
use std::io::{self, IsTerminal};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Logs every ten seconds how much of the time has passed, until it is dropped; only on a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Dropping it ends the thread.
    _alive: Option<Sender<()>>,
}

impl Progress {
    /// Starts with `what` is done, and the whole time in seconds.
    pub(crate) fn start(what: &'static str, seconds: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self { _alive: None };
        }
        let (alive, dropped) = channel();
        let started = runtime::spawn("progress", move || {
            let mut passed = INTERVAL;
            while dropped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) && passed.as_secs() < seconds {
                log::info!("{what}: {} of {seconds} s", passed.as_secs());
                passed = passed.saturating_add(INTERVAL);
            }
        });
        // Without a thread there is no progress to see, and the command works.
        Self { _alive: started.is_ok().then_some(alive) }
    }
}
