//! Whether a message is a present one. Pure: neither our wall clock nor that of the sender has to be right, only the sender's progress
//! counts.
//!
//! A message with a `timestamp` is new if it is later than the last one, and not later here than its timestamp says, measured by the
//! quickest message so far. Without one, a message is new unless the broker had kept it: then it may have any age.

use crate::base::units::Moment;
use std::time::Duration;

/// A message that is later than this, compared with the quickest one, s, is old.
const MAX_LATENESS_S: f64 = 10.0;
/// Two messages keep step if the times between them differ by less than this here and at the sender, s.
const STEP_TOLERANCE_S: f64 = 2.0;
/// A sender whose messages keep step for this time has set its clock: what it says now is the present.
const STEADY_FOR: Duration = Duration::from_secs(10);

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// A present one.
    New,
    /// Kept by the broker; nothing shows its age.
    Kept,
    /// Repeated, or late.
    Old,
}

/// The progress of a sender.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Timestamp of the last new message, s.
    newest: Option<f64>,
    /// Smallest difference between our time and a timestamp, s.
    quickest: Option<f64>,
    /// The last message with a timestamp.
    before: Option<(Moment, f64)>,
    /// Start of the messages that keep step.
    steady_since: Option<Moment>,
}

impl Progress {
    /// Judges a message that arrives now, with its timestamp in seconds.
    pub(super) fn judge(&mut self, timestamp: Option<f64>, kept: bool, now: Moment) -> Age {
        let Some(stamp) = timestamp else { return if kept { Age::Kept } else { Age::New } };
        let here = now.since_origin().as_secs_f64();
        let in_step = self
            .before
            .is_some_and(|(at, before)| stamp > before && (stamp - before - now.since(at).as_secs_f64()).abs() <= STEP_TOLERANCE_S);
        self.before = Some((now, stamp));
        let since = *self.steady_since.get_or_insert(now);
        if !in_step {
            self.steady_since = Some(now);
        }
        let late = here - stamp;
        let is_steady = in_step && now.since(since) >= STEADY_FOR;
        let is_new = match (self.newest, self.quickest) {
            (Some(newest), Some(quickest)) => stamp > newest && late - quickest <= MAX_LATENESS_S,
            // Of a first message that was kept nothing is known.
            _ => !kept || in_step,
        };
        if !is_new && !is_steady {
            return if kept && self.newest.is_none() { Age::Kept } else { Age::Old };
        }
        self.newest = Some(stamp);
        self.quickest = Some(if is_new { self.quickest.map_or(late, |quickest| quickest.min(late)) } else { late });
        Age::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Judges messages given as time here, timestamp and whether the broker had kept it; `N`, `K` or `O` for each.
    fn course(messages: &[(f64, Option<f64>, bool)]) -> String {
        let mut progress = Progress::default();
        let judge = |(at, stamp, kept): &(f64, Option<f64>, bool)| match progress.judge(*stamp, *kept, Moment::from_secs(*at)) {
            Age::New => 'N',
            Age::Kept => 'K',
            Age::Old => 'O',
        };
        messages.iter().map(judge).collect()
    }

    /// One message a second from `start` on, each `late` s after its timestamp.
    fn stream(start: f64, count: u32, clock: f64, late: f64) -> Vec<(f64, Option<f64>, bool)> {
        (0..count).map(f64::from).map(|second| (start + second + late, Some(clock + start + second), false)).collect()
    }

    #[test]
    fn without_a_timestamp_only_what_the_broker_kept_is_of_unknown_age() {
        assert_eq!(course(&[(0.0, None, true), (1.0, None, false), (2.0, None, true), (3.0, None, false)]), "KNKN");
    }

    #[test]
    fn a_repeated_or_earlier_message_is_old() {
        assert_eq!(
            course(&[(0.0, Some(50.0), false), (1.0, Some(50.0), false), (1.5, Some(49.0), false), (2.0, Some(52.0), false)]),
            "NOON"
        );
    }

    #[test]
    fn a_kept_message_is_new_only_by_the_progress_of_its_sender() {
        // Kept for an hour, then new ones; and after another connection the one that is known already, and one of the meantime.
        let hour = [(0.0, Some(1000.0), true), (5.0, Some(4605.0), false), (6.0, Some(4605.0), true), (7.0, Some(4606.0), true)];
        assert_eq!(course(&hour), "KNON");
        // A bridge that marks every message as kept.
        let bridge = [(0.0, Some(1000.0), true), (5.0, Some(4605.0), true), (6.0, Some(4606.0), true), (7.0, Some(4607.0), true)];
        assert_eq!(course(&bridge), "KKNN");
    }

    #[test]
    fn messages_that_waited_are_old_up_to_the_last_seconds() {
        let mut messages = stream(0.0, 10, 500.0, 0.0);
        // Sixty seconds of them at once.
        messages.extend((10..70).map(|second| (70.0, Some(500.0 + f64::from(second)), false)));
        let course = course(&messages);
        assert_eq!(course, format!("{}{}{}", "N".repeat(10), "O".repeat(50), "N".repeat(10)));
    }

    #[test]
    fn a_clock_that_was_set_counts_after_some_steady_seconds() {
        for change in [-3600.0, 3600.0] {
            let mut messages = stream(0.0, 5, 10_000.0, 0.0);
            messages.extend(stream(5.0, 30, 10_000.0 + change, 0.0));
            let course = course(&messages);
            let expected =
                if change > 0.0 { "N".repeat(35) } else { format!("{}{}{}", "N".repeat(5), "O".repeat(10), "N".repeat(20)) };
            assert_eq!(course, expected);
        }
    }

    #[test]
    fn clocks_that_drift_apart_change_nothing() {
        let drifting: Vec<_> = (0..200_000u32).map(f64::from).map(|s| (s, Some(s * 0.9999), false)).collect();
        assert!(!course(&drifting).contains('O'));
    }
}
