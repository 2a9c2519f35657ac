//! How many commands a battery may be given: its BMS keeps switches in a memory that wears out, and a loop that went wild
//! somewhere must not switch a battery to and fro.
//!
//! Putting on again what was put off from here is not held up by that: no battery has to stay off because of a number. A BMS that
//! shows it is not asked again, as nothing is then left to release; only for one that never does there is a pace of its own.

use crate::units::Moment;
use std::collections::VecDeque;
use std::time::Duration;

const MINUTE: (usize, Duration) = (6, Duration::from_secs(60));
const DAY: (usize, Duration) = (100, Duration::from_secs(86_400));
/// Releases have more room than all that can have been put off before: that is at most what [`MINUTE`] allows and one of each
/// switch. Beyond a hundred a day, which only a BMS sees that shows none of them, one a minute is left.
const RELEASES: (usize, Duration) = (12, Duration::from_secs(60));
const HOPELESS: (usize, Duration) = (1, Duration::from_secs(60));

/// Counts the commands of one battery.
#[derive(Debug, Default)]
pub struct Gate {
    commands: VecDeque<Moment>,
    releases: VecDeque<Moment>,
}

impl Gate {
    /// Lets one more command through, which then counts. `release` puts on again what was put off from here.
    ///
    /// # Errors
    /// The time after which it would be let through.
    pub fn admit(&mut self, release: bool, now: Moment) -> Result<(), Duration> {
        let given = if release { &mut self.releases } else { &mut self.commands };
        given.retain(|at| now.since(*at) < DAY.1);
        let rules = match (release, given.len() < DAY.0) {
            (false, _) => [MINUTE, DAY],
            (true, true) => [RELEASES; 2],
            (true, false) => [HOPELESS; 2],
        };
        let wait = rules.iter().filter_map(|rule| wait(given, *rule, now)).max();
        wait.map_or_else(
            || {
                given.push_back(now);
                Ok(())
            },
            Err,
        )
    }
}

/// How long until the last but so many of `given` leave this span of time; `None` when there is room now.
fn wait(given: &VecDeque<Moment>, (most, span): (usize, Duration), now: Moment) -> Option<Duration> {
    let first = given.len().checked_sub(most)?;
    given.get(first).map(|at| span.saturating_sub(now.since(*at))).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_a_minute_and_a_hundred_a_day() {
        let mut gate = Gate::default();
        let at = |seconds: u32| Moment::from_secs(f64::from(seconds));
        let admitted = (0..60).filter(|second| gate.admit(false, at(*second)).is_ok()).count();
        assert_eq!(admitted, 6);
        assert!(gate.admit(false, at(61)).is_ok(), "a minute later");
        let day = (100..86_000).filter(|second| second % 12 == 0 && gate.admit(false, at(*second)).is_ok()).count();
        assert_eq!(admitted + 1 + day, 100);
        assert!(gate.admit(false, at(86_400 + 2)).is_ok(), "the first ones are a day old");
    }

    #[test]
    fn a_refusal_says_after_what_time_there_is_room_again() {
        let mut gate = Gate::default();
        let at = Moment::from_secs;
        for second in 0..6 {
            gate.admit(false, at(f64::from(second))).unwrap();
        }
        assert_eq!(gate.admit(false, at(10.5)), Err(Duration::from_secs_f64(49.5)));
        assert_eq!(gate.admit(false, at(60.0)), Ok(()));
        let last = (1..).map(|count| 60.0 + 10.0 * f64::from(count)).find(|second| {
            let refused = gate.admit(false, at(*second));
            refused.is_err_and(|wait| wait > Duration::from_secs(60))
        });
        let last = last.unwrap();
        assert_eq!(gate.admit(false, at(last)), Err(Duration::from_secs_f64(86_400.0 - last)), "the first of the day was at 0");
    }

    #[test]
    fn what_was_put_off_can_always_be_put_on_again() {
        let mut gate = Gate::default();
        // The wildest that there can be: each off is followed by its release, as fast as a BMS takes them, for a day.
        let (mut offs, mut second) = (0, 0.0);
        while second < 86_400.0 {
            let now = Moment::from_secs(second);
            if gate.admit(false, now).is_ok() {
                offs += 1;
                assert_eq!(gate.admit(true, now), Ok(()), "{second}");
            }
            second += 1.0;
        }
        assert_eq!(offs, 100);
    }

    #[test]
    fn a_bms_that_never_shows_a_release_is_not_worn_out() {
        let mut gate = Gate::default();
        let admitted = (0..86_400).filter(|second| gate.admit(true, Moment::from_secs(f64::from(*second))).is_ok()).count();
        assert!((1400..1600).contains(&admitted), "{admitted}");
    }
}
