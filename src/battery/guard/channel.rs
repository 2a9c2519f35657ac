//! Guard for one quantity over time.

use crate::base::units::{Moment, round};
use crate::battery::charge::cells::PLAUSIBLE_CELL;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Number of agreeing readings that confirm a jump.
const AGREEING_READINGS: u32 = 3;
/// Alternatively, the time for which readings agree.
const AGREED_FOR: Duration = Duration::from_secs(5);
/// After this time charge control takes the doubtful value into account.
const DOUBTED_FOR: Duration = Duration::from_secs(2);
/// An accepted value that was not confirmed for this long becomes unknown.
pub(super) const HELD_FOR: Duration = Duration::from_secs(10);

/// Valid range and rate of change of a quantity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub range: (f64, f64),
    /// Change within one second (and at least per reading) that is accepted without confirmation.
    pub step: f64,
    /// As `step`, as a fraction of the accepted value.
    pub share: f64,
}

const fn bounds(range: RangeInclusive<f64>, step: f64) -> Bounds {
    Bounds { range: (*range.start(), *range.end()), step, share: 0.0 }
}

pub(super) const VOLTAGE: Bounds = Bounds { share: 0.01, ..bounds(1.0..=1000.0, 0.05) };
pub(super) const CELL: Bounds = bounds(PLAUSIBLE_CELL..=5.0, 0.030);
pub(super) const TEMPERATURE: Bounds = bounds(-60.0..=120.0, 3.0);
pub(super) const MOS_TEMPERATURE: Bounds = bounds(-60.0..=180.0, 10.0);
pub(super) const PERCENT: Bounds = bounds(0.0..=100.0, 3.0);
/// May jump, but only within the range.
pub(super) const CURRENT: Bounds = bounds(-3000.0..=3000.0, f64::INFINITY);
pub(super) const CHARGE: Bounds = Bounds { share: 0.03, ..bounds(0.0..=100_000.0, 0.5) };
/// No balancer moves more than this; balancing is switched on and off.
pub(super) const BALANCE: Bounds = bounds(-50.0..=50.0, f64::INFINITY);
/// No heater of a battery takes more; it is switched on and off.
pub(super) const HEATER: Bounds = bounds(-100.0..=100.0, f64::INFINITY);
/// Charge over the battery's life.
pub(super) const THROUGHPUT: Bounds = bounds(0.0..=10_000_000.0, 5.0);
/// Counters, which increase by one at a time.
pub(super) const COUNTER: Bounds = bounds(0.0..=1_000_000.0, 1.0);
pub(super) const HUMIDITY: Bounds = bounds(0.0..=100.0, f64::INFINITY);
/// Settings and counts: every change needs confirmation.
pub(super) const EXACT: Bounds = bounds(0.0..=100_000.0, 0.0);

impl Bounds {
    pub(super) fn allow(self, value: f64) -> bool {
        value.is_finite() && (self.range.0..=self.range.1).contains(&value)
    }

    /// How far a value may move in this time: at least one second's worth, at most ten.
    fn reach(self, from: f64, elapsed: Duration) -> f64 {
        (self.step + self.share * from.abs()) * elapsed.as_secs_f64().clamp(1.0, 10.0) + 1e-9
    }
}

/// The reading that a value belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadingContext {
    pub now: Moment,
    /// The whole reading is doubtful: new values in it are not accepted, however often they are repeated.
    pub suspect: bool,
    /// How long an accepted value replaces a doubtful one; longer than [`HELD_FOR`] for charge control alone.
    pub held_for: Duration,
}

/// State of one quantity.
#[derive(Debug, Clone, Default)]
pub(super) struct Channel {
    accepted: Option<(f64, Moment)>,
    doubt: Option<Doubt>,
}

#[derive(Debug, Clone, Copy)]
struct Doubt {
    value: f64,
    /// Readings that agree on `value`, and since when.
    agreeing: u32,
    agreed_since: Moment,
    /// Consecutive doubtful readings, and since when.
    readings: u32,
    since: Moment,
}

/// Result of the guard for one value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GuardedValue {
    /// The accepted value: the present one, or an earlier one that replaces it.
    pub accepted: Option<f64>,
    /// The accepted value if it was confirmed within [`HELD_FOR`].
    pub published: Option<f64>,
    /// A value that charge control considers beside the accepted one. Never an impossible one: that says nothing about the battery.
    pub doubtful: Option<f64>,
    /// The value is held: an earlier value replaces it, or it is not certain yet.
    pub held: bool,
    /// The value is outside the range of its sensor.
    pub impossible: bool,
    /// As `impossible`, for more than a moment.
    pub broken: bool,
}

impl GuardedValue {
    /// The value is invalid and nothing replaces it: treated as not reported.
    pub(super) fn is_missing(&self) -> bool {
        self.impossible && self.accepted.is_none()
    }
    /// The same value with `by` added, as the owner corrects its sensor.
    pub(super) fn shifted(self, by: f64) -> Self {
        let shift = |value: f64| if by == 0.0 { value } else { round(value + by, 3) };
        Self {
            accepted: self.accepted.map(shift),
            published: self.published.map(shift),
            doubtful: self.doubtful.map(shift),
            ..self
        }
    }
    pub(super) fn low(&self) -> Option<f64> {
        least([self.accepted, self.doubtful].into_iter().flatten(), f64::min)
    }
    pub(super) fn high(&self) -> Option<f64> {
        least([self.accepted, self.doubtful].into_iter().flatten(), f64::max)
    }
}

pub(super) fn least(values: impl Iterator<Item = f64>, pick: fn(f64, f64) -> f64) -> Option<f64> {
    values.reduce(pick)
}

impl Channel {
    pub(super) fn check(&mut self, value: Option<f64>, bounds: Bounds, context: ReadingContext) -> GuardedValue {
        let Some(value) = value else {
            self.doubt = None;
            return GuardedValue::default();
        };
        let possible = bounds.allow(value);
        if possible && self.is_near(value, bounds, context) {
            return self.accept(value, context.now);
        }
        let doubt = self.update_doubt(value, bounds, context.now);
        let agreed = doubt.agreeing >= AGREEING_READINGS || context.now.since(doubt.agreed_since) >= AGREED_FOR;
        if possible && agreed && !context.suspect {
            return self.accept(value, context.now);
        }
        let accepted = self.held_value(context.now, context.held_for);
        // Without an accepted value to replace it, a doubtful value counts at once.
        let weighs = doubt.readings >= 2 || context.now.since(doubt.since) >= DOUBTED_FOR || accepted.is_none();
        GuardedValue {
            accepted,
            published: self.held_value(context.now, HELD_FOR),
            doubtful: (weighs && possible).then_some(value),
            held: possible || accepted.is_some(),
            impossible: !possible,
            broken: weighs && !possible,
        }
    }

    /// The accepted value, while it may replace doubtful ones.
    pub(super) fn held_value(&self, now: Moment, longest: Duration) -> Option<f64> {
        self.accepted.filter(|(_, at)| now.since(*at) <= longest).map(|(accepted, _)| accepted)
    }

    /// The last accepted value, however old.
    pub(super) fn last(&self) -> Option<f64> {
        self.accepted.map(|(accepted, _)| accepted)
    }

    fn accept(&mut self, value: f64, now: Moment) -> GuardedValue {
        self.accepted = Some((value, now));
        self.doubt = None;
        GuardedValue { accepted: Some(value), published: Some(value), ..GuardedValue::default() }
    }

    /// In a reading that is doubtful as a whole, elapsed time does not widen the allowed step.
    fn is_near(&self, value: f64, bounds: Bounds, context: ReadingContext) -> bool {
        self.accepted.is_none_or(|(accepted, at)| {
            let elapsed = if context.suspect { Duration::ZERO } else { context.now.since(at) };
            (value - accepted).abs() <= bounds.reach(accepted, elapsed)
        })
    }

    fn update_doubt(&mut self, value: f64, bounds: Bounds, now: Moment) -> Doubt {
        let next = match self.doubt {
            Some(doubt) if (value - doubt.value).abs() <= bounds.reach(doubt.value, Duration::ZERO) => {
                Doubt { value, agreeing: doubt.agreeing.saturating_add(1), readings: doubt.readings.saturating_add(1), ..doubt }
            }
            Some(doubt) => Doubt { value, agreeing: 1, agreed_since: now, readings: doubt.readings.saturating_add(1), ..doubt },
            None => Doubt { value, agreeing: 1, agreed_since: now, readings: 1, since: now },
        };
        self.doubt = Some(next);
        next
    }
}
