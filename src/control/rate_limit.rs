//! Rate limit of commands to a battery: its BMS stores switches in a memory that wears out, and a runaway automation must not
//! toggle a battery.
//!
//! Switching on again what this driver has switched off has a separate, larger limit, so that no battery has to stay off because
//! of it.

use crate::base::units::Moment;
use std::collections::VecDeque;
use std::time::Duration;

const PER_MINUTE: (usize, Duration) = (6, Duration::from_secs(60));
const PER_DAY: (usize, Duration) = (100, Duration::from_secs(86_400));
/// Releases per minute: more than can have been switched off before, which is at most [`PER_MINUTE`] plus one of each switch.
/// Beyond a hundred a day, which only happens to a BMS that never confirms any, one per minute is left.
const RELEASES_PER_MINUTE: (usize, Duration) = (12, Duration::from_secs(60));
const RELEASES_BEYOND_DAY: (usize, Duration) = (1, Duration::from_secs(60));

/// Counts the commands of one battery.
#[derive(Debug, Default)]
pub struct RateLimiter {
    commands: VecDeque<Moment>,
    releases: VecDeque<Moment>,
}

impl RateLimiter {
    /// Counts one more command. `release` switches on again what this driver has switched off.
    ///
    /// # Errors
    /// The time after which it would be allowed.
    pub fn try_acquire(&mut self, release: bool, now: Moment) -> Result<(), Duration> {
        let given = if release { &mut self.releases } else { &mut self.commands };
        given.retain(|at| now.since(*at) < PER_DAY.1);
        let rules = match (release, given.len() < PER_DAY.0) {
            (false, _) => [PER_MINUTE, PER_DAY],
            (true, true) => [RELEASES_PER_MINUTE; 2],
            (true, false) => [RELEASES_BEYOND_DAY; 2],
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

/// Time until fewer than the maximum of `given` are within this time span; `None` if that is the case now.
fn wait(given: &VecDeque<Moment>, (most, span): (usize, Duration), now: Moment) -> Option<Duration> {
    let first = given.len().checked_sub(most)?;
    given.get(first).map(|at| span.saturating_sub(now.since(*at))).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_a_minute_and_a_hundred_a_day() {
        let mut limiter = RateLimiter::default();
        let at = |seconds: u32| Moment::from_secs(f64::from(seconds));
        let acquired = (0..60).filter(|second| limiter.try_acquire(false, at(*second)).is_ok()).count();
        assert_eq!(acquired, 6);
        assert!(limiter.try_acquire(false, at(61)).is_ok(), "a minute later");
        let day = (100..86_000).filter(|second| second % 12 == 0 && limiter.try_acquire(false, at(*second)).is_ok()).count();
        assert_eq!(acquired + 1 + day, 100);
        assert!(limiter.try_acquire(false, at(86_400 + 2)).is_ok(), "the first ones are a day old");
    }

    #[test]
    fn a_refusal_says_after_what_time_there_is_room_again() {
        let mut limiter = RateLimiter::default();
        let at = Moment::from_secs;
        for second in 0..6 {
            limiter.try_acquire(false, at(f64::from(second))).unwrap();
        }
        assert_eq!(limiter.try_acquire(false, at(10.5)), Err(Duration::from_secs_f64(49.5)));
        assert_eq!(limiter.try_acquire(false, at(60.0)), Ok(()));
        let last = (1..).map(|count| 60.0 + 10.0 * f64::from(count)).find(|second| {
            let refused = limiter.try_acquire(false, at(*second));
            refused.is_err_and(|wait| wait > Duration::from_secs(60))
        });
        let last = last.unwrap();
        assert_eq!(
            limiter.try_acquire(false, at(last)),
            Err(Duration::from_secs_f64(86_400.0 - last)),
            "the first of the day was at 0"
        );
    }

    #[test]
    fn what_was_put_off_can_always_be_put_on_again() {
        let mut limiter = RateLimiter::default();
        // The wildest that there can be: each off is followed by its release, as fast as a BMS takes them, for a day.
        let (mut offs, mut second) = (0, 0.0);
        while second < 86_400.0 {
            let now = Moment::from_secs(second);
            if limiter.try_acquire(false, now).is_ok() {
                offs += 1;
                assert_eq!(limiter.try_acquire(true, now), Ok(()), "{second}");
            }
            second += 1.0;
        }
        assert_eq!(offs, 100);
    }

    #[test]
    fn a_bms_that_never_shows_a_release_is_not_worn_out() {
        let mut limiter = RateLimiter::default();
        let acquired =
            (0..86_400).filter(|second| limiter.try_acquire(true, Moment::from_secs(f64::from(*second))).is_ok()).count();
        assert!((1400..1600).contains(&acquired), "{acquired}");
    }
}
