//! How a line has been doing lately: words for the owner that change with the state, not with every reading. Pure.

mod replies;

pub(crate) use replies::Tally;

use crate::model::{LineState, LinkStats};
use crate::units::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// What happened in the last minutes counts, in pieces of one minute.
const PIECE: Duration = Duration::from_secs(60);
const PIECES: usize = 10;

/// The line counts as disturbed from this share of failed requests on, if there were so many; and no longer under that share.
const BEGINS: f64 = 0.02;
const AT_LEAST: u64 = 10;
const ENDS: f64 = 0.01;

/// Shares as they are told, %: the highest one that is reached.
const TOLD: [u8; 5] = [50, 20, 10, 5, 2];

/// The line of one battery over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quality {
    /// The counters at the last look.
    counted: LinkStats,
    pieces: VecDeque<(Moment, LinkStats)>,
    episode: Option<Episode>,
    state: LineState,
}

/// A time of disturbance.
#[derive(Debug, Clone, Copy)]
struct Episode {
    since: Moment,
    counters: LinkStats,
}

impl Quality {
    /// Takes in the counters since start. Returns a sentence for the log when a disturbance begins or ends.
    pub(crate) fn count(&mut self, counters: LinkStats, now: Moment) -> Option<String> {
        let news = difference(counters, self.counted);
        self.counted = counters;
        match self.pieces.back_mut() {
            Some((since, piece)) if now.since(*since) < PIECE => *piece += news,
            _ => self.pieces.push_back((now, news)),
        }
        while self.pieces.len() > PIECES || self.pieces.front().is_some_and(|(at, _)| now.since(*at) > PIECE * PIECES as u32) {
            self.pieces.pop_front();
        }
        self.judge(now)
    }

    /// The BMS says nothing at all: that is another matter, and what was lost meanwhile tells nothing of the line.
    pub(crate) fn forget(&mut self, counters: LinkStats) {
        self.counted = counters;
        self.pieces.clear();
    }

    /// How the line is.
    pub(crate) fn state(&self) -> LineState {
        self.state
    }

    fn judge(&mut self, now: Moment) -> Option<String> {
        let mut lately = LinkStats::default();
        self.pieces.iter().for_each(|(_, piece)| lately += *piece);
        let failed = lately.damaged.saturating_add(lately.lost);
        let share = failed as f64 / lately.ok.saturating_add(failed).max(1) as f64;
        match self.episode {
            None if failed >= AT_LEAST && share >= BEGINS => {
                self.episode = Some(Episode { since: now, counters: self.counted });
                self.state = state(lately, share);
                Some(format!("the line is disturbed: {}", self.state))
            }
            Some(episode) if share < ENDS => {
                self.episode = None;
                self.state = LineState::Good;
                Some(self.farewell(episode, now))
            }
            Some(_) => {
                self.state = state(lately, share);
                None
            }
            None => None,
        }
    }

    fn farewell(&self, episode: Episode, now: Moment) -> String {
        let LinkStats { ok, lost, damaged, .. } = difference(self.counted, episode.counters);
        let minutes = now.since(episode.since).as_secs().div_ceil(60);
        let asked = ok.saturating_add(lost).saturating_add(damaged);
        format!(
            "the line is good again after {minutes} minutes; of {asked} requests {damaged} were answered damaged, {lost} not at all"
        )
    }
}

fn state(lately: LinkStats, share: f64) -> LineState {
    let percent = TOLD.into_iter().find(|told| share * 100.0 >= f64::from(*told)).unwrap_or(1);
    match lately.damaged > lately.lost {
        true => LineState::Damaging { percent },
        false => LineState::Losing { percent },
    }
}

/// What was counted since `before`; counters that started again count from zero.
fn difference(now: LinkStats, before: LinkStats) -> LinkStats {
    LinkStats {
        ok: now.ok.saturating_sub(before.ok),
        lost: now.lost.saturating_sub(before.lost),
        damaged: now.damaged.saturating_sub(before.damaged),
        foreign: now.foreign.saturating_sub(before.foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that is asked twice a second; of a hundred requests so many come damaged and so many are lost.
    struct Line(Quality, LinkStats, u64);

    impl Line {
        fn new() -> Self {
            Self(Quality::default(), LinkStats::default(), 0)
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
