//! Time as an argument: the present time, and a clock for the code that runs at a port.

use super::units::Moment;
use std::time::Duration;

/// The present time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// On the monotonic clock.
    pub at: Moment,
    /// Seconds since 1970, once the wall clock can be trusted.
    pub unix: Option<u64>,
}

/// Clock for the code that runs at a port. The real one is in `runtime`; tests use their own.
pub trait Clock: Send {
    /// The present moment.
    fn now(&self) -> Moment;
    /// Sleeps for `time`.
    fn sleep(&self, time: Duration);
}
