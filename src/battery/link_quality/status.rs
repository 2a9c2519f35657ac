//! Everything about a battery's line that a snapshot contains.

use super::{LinkQuality, ReplyRateCounter};
use crate::base::units::{AmpHours, Moment};
use crate::battery::guard::FrozenBms;
use crate::model::{LineState, LinkStats, Reading, ReplyRates};

/// Counters and state of one battery's line.
#[derive(Debug, Default)]
pub(crate) struct LineStatus {
    counters: LinkStats,
    quality: LinkQuality,
    reply_rates: ReplyRateCounter,
    frozen_bms: FrozenBms,
    /// The BMS repeats the same reading under load.
    frozen: bool,
}

impl LineStatus {
    /// Whether the BMS repeats identical values although current flows; also returns a log message when that begins or ends.
    pub(crate) fn is_frozen(&mut self, reading: &Reading, capacity: Option<AmpHours>, now: Moment) -> (bool, Option<&'static str>) {
        let before = std::mem::replace(&mut self.frozen, self.frozen_bms.is_frozen(reading, capacity, now));
        let notice = match (before, self.frozen) {
            (false, true) => Some(
                "the BMS has said the very same for two minutes although current flows: it hangs, and counts as silent from now on. \
                 Restart the BMS",
            ),
            (true, false) => Some("the BMS says something new again: its values count again"),
            _ => None,
        };
        (self.frozen, notice)
    }

    /// Adds the counters since start, at a reading. `was_silent`: requests lost before it say nothing about the line's quality.
    /// Returns a log message when a disturbance begins or ends.
    pub(crate) fn answered(&mut self, counters: LinkStats, was_silent: bool, now: Moment) -> Option<String> {
        self.counters = counters;
        if was_silent {
            self.quality.forget(counters);
        }
        let notice = self.quality.count(counters, now);
        self.reply_rates.count(counters, now);
        notice
    }

    /// Adds the counters since start, without a reading.
    pub(crate) fn tick(&mut self, counters: LinkStats, is_silent: bool, now: Moment) {
        self.counters = counters;
        if is_silent {
            self.quality.forget(counters);
        }
        self.reply_rates.count(counters, now);
    }

    /// Counters since start.
    pub(crate) fn counters(&self) -> LinkStats {
        self.counters
    }

    /// Recent state of the line.
    pub(crate) fn state(&self) -> LineState {
        if self.frozen { LineState::Repeating } else { self.quality.state() }
    }

    /// Shares of requests with a valid reply.
    pub(crate) fn reply_rates(&self) -> ReplyRates {
        self.reply_rates.rates()
    }
}
