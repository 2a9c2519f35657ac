//! State of a line over the last minutes, as text for the owner that changes with the state and not with every reading. Pure.

mod reply_rates;
mod status;

pub(crate) use reply_rates::ReplyRateCounter;
pub(crate) use status::LineStatus;

use crate::base::units::Moment;
use crate::model::{LineState, LinkStats};
use std::collections::VecDeque;
use std::time::Duration;

/// Requests of the last minutes count, in buckets of one minute.
const BUCKET: Duration = Duration::from_secs(60);
const BUCKETS: u32 = 10;

/// The line counts as disturbed once this share of requests fails, with a minimum number of failures, and until the share is below
/// the lower threshold.
const BEGINS_AT_SHARE: f64 = 0.02;
const MIN_FAILURES: u64 = 10;
const ENDS_BELOW_SHARE: f64 = 0.01;

/// Displayed shares, %: the highest one that is reached.
const SHOWN_PERCENTS: [u8; 5] = [50, 20, 10, 5, 2];

/// State of one battery's line.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkQuality {
    /// Counters at the previous call.
    counted: LinkStats,
    buckets: VecDeque<(Moment, LinkStats)>,
    episode: Option<Disturbance>,
    state: LineState,
}

/// A period of disturbance.
#[derive(Debug, Clone, Copy)]
struct Disturbance {
    since: Moment,
    counters: LinkStats,
}

impl LinkQuality {
    /// Adds the counters since start. Returns a log message when a disturbance begins or ends.
    pub(crate) fn count(&mut self, counters: LinkStats, now: Moment) -> Option<String> {
        let news = counters.since(self.counted);
        self.counted = counters;
        match self.buckets.back_mut() {
            Some((since, bucket)) if now.since(*since) < BUCKET => *bucket += news,
            _ => self.buckets.push_back((now, news)),
        }
        let is_old = |(at, _): &(Moment, LinkStats)| now.since(*at) > BUCKET.saturating_mul(BUCKETS);
        while self.buckets.len() > BUCKETS as usize || self.buckets.front().is_some_and(is_old) {
            self.buckets.pop_front();
        }
        self.assess(now)
    }

    /// Drops the counts while the BMS is completely silent: requests lost meanwhile say nothing about the line's quality.
    pub(crate) fn forget(&mut self, counters: LinkStats) {
        self.counted = counters;
        self.buckets.clear();
    }

    /// State of the line.
    pub(crate) fn state(&self) -> LineState {
        self.state
    }

    fn assess(&mut self, now: Moment) -> Option<String> {
        let mut lately = LinkStats::default();
        self.buckets.iter().for_each(|(_, bucket)| lately += *bucket);
        let failed = lately.damaged.saturating_add(lately.lost);
        let share = failed as f64 / lately.ok.saturating_add(failed).max(1) as f64;
        match self.episode {
            None if failed >= MIN_FAILURES && share >= BEGINS_AT_SHARE => {
                self.episode = Some(Disturbance { since: now, counters: self.counted });
                self.state = state(lately, share);
                Some(format!("the line is disturbed: {}", self.state))
            }
            Some(episode) if share < ENDS_BELOW_SHARE => {
                self.episode = None;
                self.state = LineState::Good;
                Some(self.end_notice(episode, now))
            }
            Some(_) => {
                self.state = state(lately, share);
                None
            }
            None => None,
        }
    }

    fn end_notice(&self, episode: Disturbance, now: Moment) -> String {
        let LinkStats { ok, lost, damaged, .. } = self.counted.since(episode.counters);
        let minutes = now.since(episode.since).as_secs().div_ceil(60);
        let asked = ok.saturating_add(lost).saturating_add(damaged);
        format!(
            "the line is good again after {minutes} minutes; of {asked} requests {damaged} were answered damaged, {lost} not at all"
        )
    }
}

fn state(lately: LinkStats, share: f64) -> LineState {
    let percent = SHOWN_PERCENTS.into_iter().find(|told| share * 100.0 >= f64::from(*told)).unwrap_or(1);
    match lately.damaged > lately.lost {
        true => LineState::Damaging { percent },
        false => LineState::Losing { percent },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]

    use super::*;

    /// A line with two requests per second: of every hundred, this many replies are corrupted and this many are lost.
    struct Line(LinkQuality, LinkStats, u64);

    impl Line {
        fn new() -> Self {
            Self(LinkQuality::default(), LinkStats::default(), 0)
        }
        fn run(&mut self, seconds: u64, damaged: u64, lost: u64) -> Vec<String> {
            let mut said = Vec::new();
            for _ in 0..seconds {
                for _ in 0..2 {
                    self.2 += 1;
                    let counter = match self.2 * 37 % 100 {
                        place if place < damaged => &mut self.1.damaged,
                        place if place < damaged + lost => &mut self.1.lost,
                        _ => &mut self.1.ok,
                    };
                    *counter += 1;
                }
                said.extend(self.0.count(self.1, Moment::new(Duration::from_millis(self.2 * 500))));
            }
            said
        }
    }

    #[test]
    fn a_disturbance_is_one_sentence_at_its_begin_and_one_at_its_end() {
        let mut line = Line::new();
        assert!(line.run(3600, 0, 0).is_empty());
        let begins = line.run(3600, 6, 1);
        assert_eq!(begins.len(), 1, "{begins:#?}");
        assert!(begins[0].contains("damaged, check ground"), "{begins:#?}");
        assert_eq!(line.0.state(), LineState::Damaging { percent: 5 });
        let ends = line.run(3600, 0, 0);
        assert_eq!(ends.len(), 1, "{ends:#?}");
        assert!(ends[0].starts_with("the line is good again after"), "{ends:#?}");
        assert_eq!(line.0.state(), LineState::Good);
    }

    #[test]
    fn a_reply_lost_now_and_then_is_no_disturbance() {
        let mut line = Line::new();
        assert!(line.run(36_000, 0, 1).is_empty());
        assert_eq!(line.0.state(), LineState::Good);
    }

    #[test]
    fn silence_is_not_counted() {
        let mut line = Line::new();
        line.run(600, 0, 0);
        line.1.lost += 500;
        line.0.forget(line.1);
        assert!(line.run(600, 0, 0).is_empty());
    }

    #[test]
    fn what_is_told_changes_seldom() {
        let mut line = Line::new();
        let mut states = Vec::new();
        for _ in 0..3600 {
            line.run(1, 4, 3);
            states.push(line.0.state());
        }
        let changes = states.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes < 10, "{changes}");
    }
}
