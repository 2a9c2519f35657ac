//! Watchdog for hanging loops. A process that hangs would keep its name and its limits on the bus, and nothing would restart it: it
//! has to exit.
//!
//! Pure: each loop counts its turns ([`Turns`]), and [`Watchdog::tick`] counts ticks without a turn, without reading a clock. A
//! computer that slept, or a process that was stopped as a whole, had no ticks either.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Time between two ticks.
pub const TICK: Duration = Duration::from_secs(5);
/// Maximum ticks without a turn of the loop that serves batteries (a minute); it wakes up every few seconds in any case.
pub const EVENT_LOOP: u32 = 12;
/// The same for the thread of a port (three minutes), which may wait a minute between two readings and another for the answer.
pub const PORT: u32 = 36;
/// After this many ticks without a turn the supervisor is no longer notified.
const IN_DOUBT: u32 = 4;
/// The exit code of a program that hangs.
pub const EXIT_CODE: u8 = 6;

/// Turn counter of one loop; monitored until dropped.
#[derive(Debug, Clone)]
pub struct Turns(Arc<AtomicU32>);

impl Turns {
    /// Counts a turn of the loop.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Loop {
    name: String,
    max_ticks: u32,
    turns: Weak<AtomicU32>,
    last: u32,
    stood: u32,
}

/// The monitored loops.
#[derive(Debug, Default)]
pub struct Watchdog(Mutex<Vec<Loop>>);

/// Result of a tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tick {
    /// All loops turn.
    AllTurn,
    /// A loop has not turned for a while.
    InDoubt,
    /// This loop hangs.
    Stands(String),
}

impl Watchdog {
    /// Monitors another loop, `name` in the log, that must turn within `max_ticks` ticks.
    pub fn watch(&self, name: &str, max_ticks: u32) -> Turns {
        let turns = Arc::new(AtomicU32::new(0));
        let watched = Loop { name: name.to_owned(), max_ticks, turns: Arc::downgrade(&turns), last: 0, stood: 0 };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
        Turns(turns)
    }

    /// Advances by one tick.
    pub fn tick(&self) -> Tick {
        let mut loops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A loop that has ended does not have to turn.
        loops.retain_mut(|watched| {
            let Some(turns) = watched.turns.upgrade().map(|turns| turns.load(Ordering::Relaxed)) else { return false };
            watched.stood = if turns == watched.last { watched.stood.saturating_add(1) } else { 0 };
            watched.last = turns;
            true
        });
        let stands = loops.iter().find(|watched| watched.stood >= watched.max_ticks);
        match stands {
            Some(watched) => Tick::Stands(watched.name.clone()),
            None if loops.iter().any(|watched| watched.stood >= IN_DOUBT) => Tick::InDoubt,
            None => Tick::AllTurn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_is_named_and_one_that_turns_or_has_ended_is_not() {
        let dog = Watchdog::default();
        let (turning, ended, standing) = (dog.watch("bus", 12), dog.watch("ttyUSB0", 12), dog.watch("ttyUSB1", 36));
        drop(ended);
        for tick in 1..36 {
            turning.count();
            assert_eq!(dog.tick(), if tick < 4 { Tick::AllTurn } else { Tick::InDoubt }, "{tick}");
        }
        turning.count();
        assert_eq!(dog.tick(), Tick::Stands("ttyUSB1".into()));
        standing.count();
        assert_eq!(dog.tick(), Tick::AllTurn, "it was only slow");
    }

    #[test]
    fn turns_may_be_as_seldom_as_the_patience_allows() {
        let dog = Watchdog::default();
        let turns = dog.watch("bus", EVENT_LOOP);
        for _ in 0..100 {
            turns.count();
            for _ in 0..EVENT_LOOP {
                assert_ne!(dog.tick(), Tick::Stands("bus".into()));
            }
        }
        assert_eq!(dog.tick(), Tick::Stands("bus".into()));
    }
}
