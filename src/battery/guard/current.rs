//! Guard for the current: it may jump at once, but a large jump has to show in the voltage.

use super::channel::{Bounds, CURRENT, Channel, GuardedValue, ReadingContext};
use crate::battery::charge::FALLBACK_CAPACITY_AH;

/// A jump up to this fraction of the capacity per hour, and at most this many A, is too small to show in the voltage.
const UNCONFIRMED_SHARE: f64 = 0.1;
const UNCONFIRMED_MAX: f64 = 20.0;
/// The same in A while other values of the reading are doubtful: it may be another battery's reading.
const UNCONFIRMED_IN_DOUBT: f64 = 1.0;
/// 1 C moves the voltage of any pack by 1 % at 0.12 mΩ per 280 Ah cell, the lowest resistance in practice; half of that is
/// required.
const MOVED_BY_1C: f64 = 0.005;
/// After this many doubtful readings in a row the current is accepted in any case: a load that changes with each reading.
const CHANGING_LOAD_READINGS: u32 = 3;

/// State of the current.
#[derive(Debug, Clone, Default)]
pub(super) struct CurrentGuard {
    channel: Channel,
    /// The last jump that was not accepted, and the number of consecutive ones.
    doubted: Option<(f64, u32)>,
}

/// Other values of a reading that confirm or contradict a jump of the current.
#[derive(Debug, Clone, Copy)]
pub(super) struct CurrentEvidence {
    /// Relative change of pack voltage and mean cell, positive upwards.
    pub moved: [Option<f64>; 2],
    /// Installed capacity, Ah.
    pub capacity: Option<f64>,
    /// Another value of the reading is held.
    pub in_doubt: bool,
}

impl CurrentGuard {
    /// Accepts at once a jump that the voltage confirms or that is small; any other once a second reading repeats it.
    pub(super) fn check(&mut self, value: Option<f64>, evidence: CurrentEvidence, context: ReadingContext) -> GuardedValue {
        let jump = value.zip(self.channel.last()).map_or(0.0, |(value, last)| value - last);
        let agreed = self.doubted.is_some_and(|(before, times)| before * jump > 0.0 || times >= CHANGING_LOAD_READINGS - 1);
        let believed = (agreed && !context.suspect) || jump.abs() <= evidence.free(jump);
        let step = if believed { f64::INFINITY } else { 0.0 };
        let judged = self.channel.check(value, Bounds { step, ..CURRENT }, context);
        let times = self.doubted.map_or(0, |(_, times)| times);
        self.doubted = (judged.held && !judged.impossible).then_some((jump, times.saturating_add(1)));
        judged
    }
}

impl CurrentEvidence {
    /// How many A the current may jump in this direction.
    fn free(&self, jump: f64) -> f64 {
        let capacity = self.capacity.unwrap_or(FALLBACK_CAPACITY_AH);
        if self.in_doubt {
            return UNCONFIRMED_IN_DOUBT;
        }
        let moved = self.moved.iter().flatten().map(|moved| moved * jump.signum()).fold(0.0, f64::max);
        (capacity * moved / MOVED_BY_1C).max((capacity * UNCONFIRMED_SHARE).min(UNCONFIRMED_MAX)).max(UNCONFIRMED_IN_DOUBT)
    }
}
