//! Whether chargers keep to the published charge current limit. It only observes: no limit depends on it.
//!
//! A GX can pass the limit on and chargers can still ignore it: DVCC is off, solar chargers may feed into the grid, or a charger is
//! not connected to the GX. The owner then sees a limit and a higher current, but not the reason.

use crate::base::episode::Episode;
use crate::base::units::{Amps, Moment};
use crate::model::{ChargeExcess, Limit};
use std::time::Duration;

/// A current above the limit is reported after this time.
const REPORTED_AFTER: Duration = Duration::from_secs(30);
/// An episode ends after the current has been within the limit for this time, so that clouds do not begin a new one each.
const ENDED_AFTER: Duration = Duration::from_secs(60);
/// Chargers may take this long to follow a lower limit.
const REACTION_TIME: Duration = Duration::from_secs(15);
/// Deviations of sensors and chargers, A, and as a fraction of the limit.
const TOLERANCE_A: f64 = 1.0;
const TOLERANCE: f64 = 0.05;

/// Observes charge current and limit over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChargerWatch {
    exceeding: Episode,
    /// Start of the time within the limit.
    within_since: Option<Moment>,
    /// The limit that chargers have had time to follow, and since when it applies.
    limit: Option<(Limit<Amps>, Moment)>,
    observed_at: Option<Moment>,
    excess: Option<ChargeExcess>,
}

impl ChargerWatch {
    /// Takes a measured current and the limit that was published until then. Without an observation for more than `longest`, the
    /// time above the limit starts anew. Returns a line for the log at the beginning and at the end of an episode.
    pub(crate) fn observe(
        &mut self,
        current: Option<Amps>,
        published: Limit<Amps>,
        longest: Duration,
        now: Moment,
    ) -> Option<String> {
        let limit = self.followed_limit(published, now);
        let current = current?;
        if self.observed_at.replace(now).is_some_and(|at| now.since(at) > longest) && self.excess.is_none() {
            self.exceeding.ended(now);
        }
        if current.get() > limit.value.get() * (1.0 + TOLERANCE) + TOLERANCE_A {
            self.within_since = None;
            self.exceeding.failed(now);
            if self.exceeding.lasted(now) < REPORTED_AFTER || !self.exceeding.is_news(()) {
                return None;
            }
            let excess = ChargeExcess { current: current.rounded(1), limit: limit.value.rounded(1), why: limit.why };
            self.excess = Some(excess);
            return Some(excess.sentence());
        }
        let within_for = now.since(*self.within_since.get_or_insert(now));
        if self.excess.is_some() && within_for < ENDED_AFTER {
            return None;
        }
        self.exceeding.ended(now);
        self.excess.take().map(|_| "chargers keep to the charge current limit again".to_owned())
    }

    /// The excess of the present episode, once reported.
    pub(crate) fn excess(&self) -> Option<ChargeExcess> {
        self.excess
    }

    /// A higher limit applies at once, a lower one after the reaction time.
    fn followed_limit(&mut self, published: Limit<Amps>, now: Moment) -> Limit<Amps> {
        let (limit, since) = self.limit.unwrap_or((published, now));
        let applies = published.value >= limit.value || now.since(since) >= REACTION_TIME;
        let (limit, since) = if applies { (published, now) } else { (limit, since) };
        self.limit = Some((limit, since));
        limit
    }
}
