//! The two ends of a battery, where its SoC is known without counting.

use super::{Config, Input};
use crate::units::{AmpHours, Amps, Moment};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A pack so far under its charge voltage, V per cell, counts as there: what cables and chargers' tolerances take.
const TOLERANCE: f64 = 0.010;
/// Farther under it, V per cell, a pack is not full whoever says so: charge control gives up on a single high cell, too.
const DOUBTFUL: f64 = 0.050;
/// The mean cell of an empty pack stands at most so far above its lowest, V: an LFP pack at 10 % under load does. One weak cell
/// under a strong load, or one that runs empty long before the others, ends the discharge but does not empty the pack.
const ALL_LOW: f64 = 0.2;
/// Less is no discharge but a sensor's noise, A.
const DRAWN: f64 = 0.1;

/// An end of the battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// 100 %
    Full,
    /// 0 %
    Empty,
}

impl End {
    /// The SoC there, %.
    pub fn soc(self) -> f64 {
        match self {
            End::Full => 100.0,
            End::Empty => 0.0,
        }
    }
    /// The word for the log.
    pub(super) fn text(self) -> &'static str {
        match self {
            End::Full => "full",
            End::Empty => "empty",
        }
    }
}

/// Since when the conditions of the ends hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Watch {
    full_since: Option<Moment>,
    empty_since: Option<Moment>,
    at: Option<Moment>,
}

impl Watch {
    /// The end at which the battery is.
    pub(super) fn step(&mut self, config: &Config, input: &Input<'_>) -> Option<End> {
        let now = input.now;
        if self.at.replace(now).is_none_or(|at| now.since(at) > input.longest) {
            (self.full_since, self.empty_since) = (None, None);
        }
        let declared = input.became_full && is_at(config, input, DOUBTFUL);
        let full = lasts(&mut self.full_since, is_full(config, input), now, config.full_after);
        let empty = lasts(&mut self.empty_since, is_empty(config, input), now, config.empty_after);
        match (declared || full, empty) {
            (true, _) => Some(End::Full),
            (false, true) => Some(End::Empty),
            (false, false) => None,
        }
    }
}

fn lasts(since: &mut Option<Moment>, holds: bool, now: Moment, time: Duration) -> bool {
    if !holds {
        *since = None;
        return false;
    }
    now.since(*since.get_or_insert(now)) >= time
}

/// The pack stands at its charge voltage, or at most so far below per cell.
fn is_at(config: &Config, input: &Input<'_>, below: f64) -> bool {
    let wanted = config.full_cell.or(input.charge_cell);
    wanted.zip(input.mean_cell()).is_some_and(|(wanted, cell)| cell >= wanted.get() - below)
}

/// The pack stands at its charge voltage and takes next to nothing.
fn is_full(config: &Config, input: &Input<'_>) -> bool {
    let small = |(current, capacity): (Amps, AmpHours)| current.abs().get() <= config.tail_c * capacity.get();
    is_at(config, input, TOLERANCE) && input.reading.current.zip(input.capacity).is_some_and(small)
}

/// The lowest cell stands at its end of discharge, and the others are near theirs, while current is drawn.
fn is_empty(config: &Config, input: &Input<'_>) -> bool {
    let lowest = input.reading.cells.iter().map(|cell| cell.get()).reduce(f64::min);
    let (Some(least), Some(lowest), Some(mean)) = (config.empty_cell.or(input.min_cell), lowest, input.mean_cell()) else {
        return false;
    };
    lowest <= least.get()
        && mean <= least.get() + ALL_LOW
        && input.reading.current.is_some_and(|current| current < Amps::new(-DRAWN))
}
