//! How long it takes: a smoothed current, and the times until empty and until given levels.
//!
//! A time is told only while the present current goes its way, too: whoever reads "charging" beside it is not told when the
//! battery will be empty because it was discharged a minute ago.

use crate::units::{AmpHours, Amps, Moment, Percent};
use std::time::Duration;

/// Victron's shunts show no longer time (10 days).
pub const LONGEST: Duration = Duration::from_secs(864_000);
/// Less current goes nowhere, A; the dashboard's word for it (`charging`, `discharging`) has the same bound.
const LEAST: f64 = 0.05;

/// The smoothed current: the mean of all readings at first, then an exponential average over the given time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Average {
    value: Option<Amps>,
    /// Time that went into it, at most the averaging time.
    seen: Duration,
    at: Option<Moment>,
}

impl Average {
    /// Takes in a current. After more than `longest` without one it starts anew: what was before tells nothing of now.
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

    /// The average; `None` before a current was known.
    pub fn get(&self) -> Option<Amps> {
        self.value
    }
}

/// The current of a battery: smoothed for the length of a time, present for its direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// Smoothed, A; positive charges.
    pub average: Amps,
    /// Of the last reading, A; positive charges.
    pub present: Amps,
}

impl Flow {
    /// Both charge.
    fn charges(self) -> bool {
        self.average > Amps::ZERO && self.present.get() > LEAST
    }
    /// Both discharge.
    fn discharges(self) -> bool {
        self.average < Amps::ZERO && self.present.get() < -LEAST
    }
}

/// Time until `left` is drawn at this current; `None` unless discharging, zero when nothing is left.
pub fn time_to_go(left: AmpHours, flow: Flow) -> Option<Duration> {
    if flow.discharges() { time(left.max(AmpHours::ZERO), flow.average) } else { None }
}

/// Time until `level`; `None` unless the battery moves towards it.
pub fn time_to_soc(level: u8, soc: Percent, capacity: AmpHours, flow: Flow) -> Option<Duration> {
    let missing = capacity * ((f64::from(level) - soc.get()) / 100.0);
    let moves = if missing > AmpHours::ZERO { flow.charges() } else { missing < AmpHours::ZERO && flow.discharges() };
    if moves { time(missing, flow.average) } else { None }
}

/// Time in which the current moves this charge, in whole seconds, at most [`LONGEST`].
fn time(charge: AmpHours, average: Amps) -> Option<Duration> {
    let hours = charge.abs().get() / Some(average.abs().get()).filter(|current| *current > LEAST)?;
    Duration::try_from_secs_f64((hours * 3600.0).round()).ok().map(|time| time.min(LONGEST))
}
