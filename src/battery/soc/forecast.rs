//! Forecasts: a smoothed current, and the times until empty and until given SoC levels.
//!
//! A time is published only if the present current has the matching direction: beside "charging", a time until empty from the
//! discharge a minute ago would be misleading.

use crate::base::units::{AmpHours, Amps, Moment, Percent};
use std::time::Duration;

/// Maximum time shown by Victron's shunts (10 days).
pub const MAX_TIME: Duration = Duration::from_secs(864_000);
/// Smaller currents count as none, A; the dashboard uses the same threshold for `charging` and `discharging`.
const MIN_CURRENT: f64 = 0.05;

/// Smoothed current: the mean of all readings at first, then an exponential average over the given time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Average {
    value: Option<Amps>,
    /// Time covered so far, at most the averaging time.
    seen: Duration,
    at: Option<Moment>,
}

impl Average {
    /// Adds a current. After more than `longest` without one the average restarts: earlier values no longer apply.
    pub fn add(&mut self, current: Option<Amps>, over: Duration, longest: Duration, now: Moment) {
        let Some(current) = current.filter(|current| current.get().is_finite()) else { return };
        let elapsed = self.at.replace(now).map(|at| now.since(at)).filter(|elapsed| *elapsed <= longest);
        match (self.value, elapsed) {
            (Some(average), Some(elapsed)) => {
                self.seen = self.seen.saturating_add(elapsed).min(over.max(elapsed));
                let share = elapsed.as_secs_f64() / self.seen.as_secs_f64().max(f64::MIN_POSITIVE);
                self.value = Some(average + (current - average) * share);
            }
            _ => (self.value, self.seen) = (Some(current), Duration::ZERO),
        }
    }

    /// The average; `None` before the first known current.
    pub fn get(&self) -> Option<Amps> {
        self.value
    }
}

/// Current of a battery: smoothed for the duration, present for the direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BatteryCurrent {
    /// Smoothed current, A; positive charges.
    pub average: Amps,
    /// Current of the last reading, A; positive charges.
    pub present: Amps,
}

impl BatteryCurrent {
    /// Both currents charge.
    fn charges(self) -> bool {
        self.average > Amps::ZERO && self.present.get() > MIN_CURRENT
    }
    /// Both currents discharge.
    fn discharges(self) -> bool {
        self.average < Amps::ZERO && self.present.get() < -MIN_CURRENT
    }
}

/// Time until `left` is drawn at this current; `None` unless discharging, zero if nothing is left.
pub fn time_to_go(left: AmpHours, flow: BatteryCurrent) -> Option<Duration> {
    if flow.discharges() { time(left.max(AmpHours::ZERO), flow.average) } else { None }
}

/// Time until `level`; `None` unless the battery moves towards it.
pub fn time_to_soc(level: u8, soc: Percent, capacity: AmpHours, flow: BatteryCurrent) -> Option<Duration> {
    let missing = capacity * ((f64::from(level) - soc.get()) / 100.0);
    let moves = if missing > AmpHours::ZERO { flow.charges() } else { missing < AmpHours::ZERO && flow.discharges() };
    if moves { time(missing, flow.average) } else { None }
}

/// Time in which the current moves this charge, in whole seconds, at most [`MAX_TIME`].
fn time(charge: AmpHours, average: Amps) -> Option<Duration> {
    let hours = charge.abs().get() / Some(average.abs().get()).filter(|current| *current > MIN_CURRENT)?;
    Duration::try_from_secs_f64((hours * 3600.0).round()).ok().map(|time| time.min(MAX_TIME))
}
