//! Time until full. Pure: readings and time go in.
//!
//! ```text
//! charge missing to 95 % ÷ smoothed current  +  how long the last charges took from there to full  =  time to full
//! ```
//! The last part of a charge is not missing charge by current: the current tapers, and the voltage is held until the battery is
//! full. How long that takes is learned from the last charges of this battery. A time is given only if it has proved steady: the end
//! that was foreseen has not moved for at least a third of the time that is left, and the learned charges agree. Sun that rises or
//! falls moves it, so nothing is shown then.

use crate::base::units::{AmpHours, Amps, Moment, Percent};
use std::collections::VecDeque;
use std::time::Duration;

/// From this SoC on the rest of a charge is learned, not computed, %.
const TAIL_FROM: f64 = 95.0;
/// Number of charges remembered.
const MAX_TAILS: usize = 10;
/// Number of charges to have seen before a time is given.
const MIN_TAILS: usize = 2;
/// A tail outside of these times is not one of a usual charge.
const SHORTEST_TAIL: Duration = Duration::from_secs(60);
const LONGEST_TAIL: Duration = Duration::from_secs(8 * 3600);
/// Interval of the remembered forecasts.
const STEP: Duration = Duration::from_secs(120);
/// Maximum number of them: more than the longest time that is ever given.
const MAX_STEPS: usize = 120;
/// The end may have moved by this share of the time that is left.
const STEADY_SHARE: f64 = 0.07;
/// A forecast has to have been steady for this share of the time that is left, and for [`MIN_STEADY`].
const PROVED_SHARE: f64 = 0.34;
const MIN_STEADY: Duration = Duration::from_secs(600);
/// A shorter time is not given: it would be wrong by more than its fifth.
const SHORTEST: Duration = Duration::from_secs(1200);
/// A smaller current, as a share of the capacity per hour, is no charge that ends within a foreseeable time.
const LEAST_RATE: f64 = 0.02;
/// Smaller present currents do not charge, A.
const LEAST_CURRENT: f64 = 0.05;

/// Input of a reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct FullInput {
    /// SoC.
    pub(super) soc: Option<Percent>,
    /// Charge left.
    pub(super) left: Option<AmpHours>,
    /// Capacity.
    pub(super) capacity: Option<AmpHours>,
    /// Smoothed current, positive charges.
    pub(super) average: Option<Amps>,
    /// Present current, positive charges.
    pub(super) present: Option<Amps>,
    /// Charge control has just found the battery full.
    pub(super) is_full: bool,
}

/// Forecast of a battery.
#[derive(Debug, Clone, Default)]
pub(super) struct FullForecast {
    /// Times from 95 % to full of the last charges, s; the newest last.
    tails: VecDeque<u32>,
    /// When the present charge reached 95 %.
    tail_since: Option<Moment>,
    /// Whether 95 % was reached from below since the start; otherwise the time of reaching it is unknown.
    was_below: bool,
    /// It has been found full, and has not been discharged since.
    is_full: bool,
    /// Foreseen ends, the newest last, with the times of foreseeing.
    ends: VecDeque<(Moment, Moment)>,
    left: Option<Duration>,
}

impl FullForecast {
    /// With the learned times of an earlier run, s.
    pub(super) fn restored(tails: &[u32]) -> Self {
        let skip = tails.len().saturating_sub(MAX_TAILS);
        let usual = |tail: &u32| (SHORTEST_TAIL..=LONGEST_TAIL).contains(&Duration::from_secs(u64::from(*tail)));
        Self { tails: tails.iter().skip(skip).copied().filter(usual).collect(), ..Self::default() }
    }

    /// The learned times, for the next run.
    pub(super) fn tails(&self) -> Vec<u32> {
        self.tails.iter().copied().collect()
    }

    /// Takes a reading.
    pub(super) fn observe(&mut self, input: &FullInput, now: Moment) {
        self.learn(input, now);
        let end = self.left_now(input, now).map(|left| now.after(left));
        let Some(end) = end else {
            self.ends.clear();
            self.left = None;
            return;
        };
        if self.ends.back().is_none_or(|(at, _)| now.since(*at) >= STEP) {
            self.ends.push_back((now, end));
            if self.ends.len() > MAX_STEPS {
                self.ends.pop_front();
            }
        }
        let left = end.since(now);
        self.left = (left >= SHORTEST && self.has_proved(end, left, now) && self.tails_agree(left)).then_some(left);
    }

    /// Time until full; `None`: not charging, or not foreseeable.
    pub(super) fn time_to_full(&self) -> Option<Duration> {
        self.left
    }

    /// Nothing is foreseen any more, because no reading arrives.
    pub(super) fn forget(&mut self) {
        self.ends.clear();
        self.left = None;
        self.tail_since = None;
        self.was_below = false;
    }

    fn learn(&mut self, input: &FullInput, now: Moment) {
        let Some(soc) = input.soc.map(Percent::get) else { return };
        if soc < TAIL_FROM {
            (self.was_below, self.tail_since, self.is_full) = (true, None, false);
        } else if self.was_below && self.tail_since.is_none() && !self.is_full {
            self.tail_since = Some(now);
        }
        if input.is_full {
            if let Some(tail) = self.tail_since.take().map(|since| now.since(since))
                && (SHORTEST_TAIL..=LONGEST_TAIL).contains(&tail)
            {
                self.tails.extend(u32::try_from(tail.as_secs()).ok());
                if self.tails.len() > MAX_TAILS {
                    self.tails.pop_front();
                }
            }
            (self.is_full, self.was_below) = (true, false);
        }
    }

    /// Median of the learned times, and half the distance of the outermost of the last five.
    fn usual_tail(&self) -> Option<(Duration, Duration)> {
        if self.tails.len() < MIN_TAILS {
            return None;
        }
        let mut sorted: Vec<u32> = self.tails.iter().rev().take(5).copied().collect();
        sorted.sort_unstable();
        let middle = sorted.get(sorted.len() / 2)?;
        let spread = sorted.last()?.saturating_sub(*sorted.first()?) / 2;
        Some((Duration::from_secs(u64::from(*middle)), Duration::from_secs(u64::from(spread))))
    }

    /// What is left by the present current and the learned times.
    fn left_now(&self, input: &FullInput, now: Moment) -> Option<Duration> {
        let (tail, _) = self.usual_tail()?;
        let (average, capacity) = (input.average?.get(), input.capacity?.get());
        if self.is_full || input.present?.get() <= LEAST_CURRENT || average <= 0.0 {
            return None;
        }
        if let Some(since) = self.tail_since {
            // Longer than usual: nobody knows.
            return tail.checked_sub(now.since(since)).filter(|left| !left.is_zero());
        }
        if average < capacity * LEAST_RATE {
            return None;
        }
        let left = input.left.map_or(input.soc?.get() / 100.0 * capacity, AmpHours::get);
        let missing = (capacity * TAIL_FROM / 100.0 - left).max(0.0);
        let charging = Duration::try_from_secs_f64(missing / average * 3600.0).ok()?;
        Some(charging.saturating_add(tail))
    }

    /// The end has not moved for long enough.
    fn has_proved(&self, end: Moment, left: Duration, now: Moment) -> bool {
        let seconds = left.as_secs_f64();
        let is_near = |other: Moment| other.since(end).max(end.since(other)).as_secs_f64() <= seconds * STEADY_SHARE;
        let first = self.ends.iter().rev().take_while(|(_, other)| is_near(*other)).last();
        first.is_some_and(|(since, _)| now.since(*since).as_secs_f64() >= MIN_STEADY.as_secs_f64().max(seconds * PROVED_SHARE))
    }

    fn tails_agree(&self, left: Duration) -> bool {
        self.usual_tail().is_some_and(|(_, spread)| spread.as_secs_f64() <= left.as_secs_f64() * STEADY_SHARE)
    }
}
