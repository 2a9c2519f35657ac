//! An episode of repeated failures: logged at its beginning and once more at its end.

use super::units::Moment;
use std::time::Duration;

/// Maximum number of causes logged per episode: with ever new causes, further log lines are of no use.
const MAX_LOGGED_CAUSES: usize = 4;

/// Failures from the first one to the next success. `Cause` identifies the fault, if that may change meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct Episode<Cause = ()> {
    present: Option<Present<Cause>>,
}

#[derive(Debug, Clone)]
struct Present<Cause> {
    since: Moment,
    failures: u64,
    logged: Vec<Cause>,
}

/// An episode that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Time from its first failure to its end.
    pub(crate) lasted: Duration,
    /// Number of failures.
    pub(crate) failures: u64,
    /// It was logged, so its end should be logged, too.
    pub(crate) logged: bool,
}

impl<Cause> Default for Episode<Cause> {
    fn default() -> Self {
        Self { present: None }
    }
}

impl<Cause: PartialEq> Episode<Cause> {
    /// Neither a failure nor a success since `now`.
    pub(crate) fn begun(now: Moment) -> Self {
        Self { present: Some(Present { since: now, failures: 0, logged: Vec::new() }) }
    }

    /// Records a failure, which begins or continues an episode. Returns the number of failures in the episode.
    pub(crate) fn failed(&mut self, now: Moment) -> u64 {
        let present = self.present.get_or_insert_with(|| Present { since: now, failures: 0, logged: Vec::new() });
        present.failures = present.failures.saturating_add(1);
        present.failures
    }

    /// Whether to log `cause`: it was not logged in this episode yet. It then counts as logged. Always false outside of an episode.
    pub(crate) fn is_news(&mut self, cause: Cause) -> bool {
        let Some(present) = &mut self.present else { return false };
        let is_news = present.logged.len() < MAX_LOGGED_CAUSES && !present.logged.contains(&cause);
        if is_news {
            present.logged.push(cause);
        }
        is_news
    }

    /// Duration of the present episode; 0 without one.
    pub(crate) fn lasted(&self, now: Moment) -> Duration {
        self.present.as_ref().map_or(Duration::ZERO, |present| now.since(present.since))
    }

    /// Records a success; returns the episode that it ends, if any.
    pub(crate) fn ended(&mut self, now: Moment) -> Option<Ended> {
        let Present { since, failures, logged } = self.present.take()?;
        Some(Ended { lasted: now.since(since), failures, logged: !logged.is_empty() })
    }
}

/// A log message, or any other action, to be executed once until [`reset`](Self::reset).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Once(bool);

impl Once {
    /// True the first time.
    pub(crate) fn first(&mut self) -> bool {
        !std::mem::replace(&mut self.0, true)
    }

    /// The first failure of an episode, which a success ends; later ones are no error.
    pub(crate) fn first_failure<E>(&mut self, result: Result<(), E>) -> Result<(), E> {
        match result {
            Ok(()) => {
                self.reset();
                Ok(())
            }
            Err(error) if self.first() => Err(error),
            Err(_) => Ok(()),
        }
    }

    /// Allows another first time. True if there was one before.
    pub(crate) fn reset(&mut self) -> bool {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Moment {
        Moment::from_secs(seconds)
    }

    #[test]
    fn an_episode_lasts_from_its_first_failure_to_the_next_success() {
        let mut episode = Episode::default();
        assert_eq!(episode.ended(at(1.0)), None);
        assert!(!episode.is_news(()), "nothing is wrong");
        assert_eq!([episode.failed(at(2.0)), episode.failed(at(4.0))], [1, 2]);
        assert_eq!(episode.lasted(at(5.0)), Duration::from_secs(3));
        assert!(episode.is_news(()) && !episode.is_news(()));
        let ended = Ended { lasted: Duration::from_secs(6), failures: 2, logged: true };
        assert_eq!((episode.ended(at(8.0)), episode.ended(at(9.0))), (Some(ended), None));
        assert_eq!((episode.failed(at(10.0)), episode.lasted(at(10.0))), (1, Duration::ZERO), "another one");
        assert!(episode.ended(at(11.0)).is_some_and(|ended| !ended.logged));
        let mut started = Episode::begun(at(20.0));
        assert_eq!((started.failed(at(21.0)), started.lasted(at(50.0))), (1, Duration::from_secs(30)));
        assert!(started.is_news(()), "as in any other");
    }

    #[test]
    fn every_cause_is_logged_once_and_the_fifth_never() {
        let mut episode = Episode::default();
        episode.failed(at(1.0));
        let news: Vec<u32> = [1, 2, 1, 3, 2, 4, 5, 6].into_iter().filter(|cause| episode.is_news(*cause)).collect();
        assert_eq!(news, [1, 2, 3, 4]);
        episode.ended(at(2.0));
        episode.failed(at(3.0));
        assert!(episode.is_news(1), "another episode");
    }

    #[test]
    fn of_several_failures_in_a_row_the_first_one_is_an_error() {
        let mut once = Once::default();
        let results = [Err(1), Err(2), Ok(()), Err(3), Err(4)];
        assert_eq!(results.map(|result| once.first_failure(result)), [Err(1), Ok(()), Ok(()), Err(3), Ok(())]);
    }

    #[test]
    fn once_is_once_until_it_is_reset() {
        let mut once = Once::default();
        assert_eq!([once.reset(), once.first(), once.first(), once.reset(), once.first()], [false, true, false, true, true]);
    }
}
