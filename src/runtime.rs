//! The only file with threads, clocks, sleeps and signals; everything else gets time as an argument.
#![allow(clippy::disallowed_methods, reason = "this is the file where they are allowed")]

use crate::link::Clock;
use crate::units::Moment;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The computer's monotonic clock; its origin is the first use.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        Moment::new(ORIGIN.get_or_init(Instant::now).elapsed())
    }
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
