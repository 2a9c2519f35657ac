//! Both ends of the SoC, full and empty, where it is known without counting.

use super::{Config, Input};
use crate::base::units::{AmpHours, Amps, Moment};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A pack this close below its charge voltage, V per cell, counts as charged: voltage drop in cables, and tolerances of chargers.
const TOLERANCE: f64 = 0.010;
/// A pack further below it, V per cell, is not full even if charge control says so: charge control also ends a charge because of a
/// single high cell.
const MAX_BELOW_DECLARED: f64 = 0.050;
/// In an empty pack the mean cell is at most this far above the lowest, V, as in an LFP pack at 10 % under load. A single weak cell
/// under a strong load, or one that is empty long before the others, ends the discharge but does not mean an empty pack.
const MAX_MEAN_ABOVE_EMPTY: f64 = 0.2;
/// Smaller currents are sensor noise and not a discharge, A.
const MIN_DISCHARGE: f64 = 0.1;

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
    /// Text for the log.
    pub(super) fn text(self) -> &'static str {
        match self {
            End::Full => "full",
            End::Empty => "empty",
        }
    }
}

/// Since when the conditions of each end hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct EndDetector {
    full_since: Option<Moment>,
    empty_since: Option<Moment>,
    at: Option<Moment>,
}

impl EndDetector {
    /// The end that the battery has reached, if any.
    pub(super) fn step(&mut self, config: &Config, input: &Input<'_>) -> Option<End> {
        let now = input.now;
        if self.at.replace(now).is_none_or(|at| now.since(at) > input.longest) {
            (self.full_since, self.empty_since) = (None, None);
        }
        let declared = input.became_full && is_at(config, input, MAX_BELOW_DECLARED);
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

/// The pack is at its charge voltage, or at most this far below per cell.
fn is_at(config: &Config, input: &Input<'_>, below: f64) -> bool {
    let wanted = config.full_cell.or(input.charge_cell);
    wanted.zip(input.mean_cell()).is_some_and(|(wanted, cell)| cell >= wanted.get() - below)
}

/// The pack is at its charge voltage and hardly takes any current.
fn is_full(config: &Config, input: &Input<'_>) -> bool {
    let small = |(current, capacity): (Amps, AmpHours)| current.abs().get() <= config.tail_c * capacity.get();
    is_at(config, input, TOLERANCE) && input.reading.current.zip(input.capacity).is_some_and(small)
}

/// The lowest cell is at the end of discharge and the others are close to it, while current is drawn.
fn is_empty(config: &Config, input: &Input<'_>) -> bool {
    let lowest = input.reading.cells.iter().map(|cell| cell.get()).reduce(f64::min);
    let (Some(least), Some(lowest), Some(mean)) = (config.empty_cell.or(input.min_cell), lowest, input.mean_cell()) else {
        return false;
    };
    lowest <= least.get()
        && mean <= least.get() + MAX_MEAN_ABOVE_EMPTY
        && input.reading.current.is_some_and(|current| current < Amps::new(-MIN_DISCHARGE))
}
