//! Progress of a command that takes long: one line on the terminal that is written anew each second. Nothing in pipes and files.

use crate::base::runtime;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Time until the first line, and between two.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is said about how far it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extent {
    /// Of a time, s.
    Seconds(u64),
    /// Time that has passed; nobody knows how long it takes.
    Unknown,
    /// Of a number of things, counted by [`Progress::step`].
    Count(u64, &'static str),
}

/// Shows on the terminal how far a command is, until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    done: Arc<AtomicU64>,
    /// The thread, and what tells it to end and that it has removed the line; none if there is no terminal.
    shown: Option<(Sender<()>, Receiver<()>)>,
}

impl Progress {
    /// Starts with `what` is done. Shows something only if standard error is a terminal.
    pub(crate) fn start(what: &'static str, extent: Extent) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let is_terminal = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        if !is_terminal {
            return Self { done, shown: None };
        }
        let (alive, dropped) = channel();
        let (removed, is_removed) = channel();
        let counted = Arc::clone(&done);
        let started = runtime::spawn("progress", move || {
            let since = runtime::now().at;
            let mut shows = false;
            while dropped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let text = line(what, extent, runtime::now().at.since(since).as_secs(), counted.load(Ordering::Relaxed));
                // The cursor stays at the start, so that a line of the log takes its place.
                shows = write!(io::stderr(), "{text}\x1b[K\r").is_ok();
            }
            if shows {
                let _ = write!(io::stderr(), "\x1b[K");
            }
            let _ = removed.send(());
        });
        // Without a thread there is no progress to see, and the command works.
        Self { done, shown: started.is_ok().then_some((alive, is_removed)) }
    }

    /// One more is done.
    pub(crate) fn step(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    /// Removes the line before anything else is written.
    fn drop(&mut self) {
        if let Some((alive, removed)) = self.shown.take() {
            drop(alive);
            let _ = removed.recv_timeout(INTERVAL);
        }
    }
}

fn line(what: &str, extent: Extent, passed: u64, done: u64) -> String {
    match extent {
        Extent::Seconds(all) => format!("{what}: {} of {all} s", passed.min(all)),
        Extent::Unknown => format!("{what}: {passed} s"),
        Extent::Count(all, unit) => format!("{what}: {} of {all} {unit}", done.min(all)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_says_more_than_everything() {
        assert_eq!(line("recording", Extent::Seconds(60), 12, 0), "recording: 12 of 60 s");
        assert_eq!(line("recording", Extent::Seconds(60), 61, 0), "recording: 60 of 60 s");
        assert_eq!(line("searching", Extent::Unknown, 61, 0), "searching: 61 s");
        assert_eq!(line("simulating", Extent::Count(24, "hours"), 3, 7), "simulating: 7 of 24 hours");
    }
}
