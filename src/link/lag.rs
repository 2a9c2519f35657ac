//! A lagging line: which request an answer belongs to, and when answers can be trusted again.

use super::answer::Answer;
use super::backlog::{Backlog, LagState, LateAnswers};
use super::exchange::{FRAME_PAUSE, STALE_INPUT};
use super::{Link, LinkError};
use crate::base::units::Moment;
use crate::bms::{Codec, Request};
use crate::model::Reading;
use std::io;
use std::time::Duration;

/// Quiet time required after an unanswered request: the answer may still be in transit.
const QUIET_AFTER_LOSS: Duration = Duration::from_millis(30);

/// A lagging line has to be quiet for twice the interval of its answers plus this time, because its delay varies and an answer may
/// be lost …
const LAG_QUIET: Duration = Duration::from_millis(1500);
/// … but a single request waits for that at most this long.
const MAX_SETTLING: Duration = Duration::from_secs(2);
/// Quiet time required after the answer that proves the line prompt again.
const QUIET_AFTER_RECOVERY: Duration = Duration::from_millis(700);

impl Link {
    /// Adopts the open requests of an earlier connection.
    pub fn resume(&mut self, backlog: Backlog) {
        self.backlog = backlog;
    }

    /// The open requests, for the next connection.
    pub fn into_backlog(self) -> Backlog {
        self.backlog
    }

    /// As [`Link::exchange`], for an identification: an answer to any earlier request is accepted as well.
    ///
    /// # Errors
    /// As [`Link::exchange`].
    pub fn identify(&mut self, protocol: &mut dyn Codec, request: &Request, into: &mut Reading) -> Result<(), LinkError> {
        let lag = self.backlog.lag;
        match self.exchange(protocol, request, into) {
            Err(LinkError::Late { .. }) if lag == LagState::None => {
                self.backlog.lag = lag;
                Ok(())
            }
            result => result,
        }
    }

    /// Determines which request was answered, and rejects the answer to an old one.
    pub(super) fn judge_age(
        &mut self,
        result: Result<(), LinkError>,
        answer: &Answer<'_>,
        sent: Moment,
        request: &Request,
    ) -> Result<(), LinkError> {
        match &result {
            Ok(()) | Err(LinkError::Refused { .. } | LinkError::Short { .. } | LinkError::Layout { .. }) => {
                let (answered, now) = (self.backlog.close(sent, &request.bytes), self.clock.now());
                if Backlog::is_too_old(answered, request.timeout, now) {
                    self.backlog.lag = LagState::Lagging(now);
                    return Err(LinkError::Late { seconds: now.since(answered).as_secs() });
                }
                if answered < sent {
                    self.lateness = self.lateness.max(now.since(answered));
                }
            }
            // An answer arrived, but its request is unknown.
            Err(LinkError::Incomplete { .. }) => self.backlog.close_any(sent, &request.bytes),
            Err(LinkError::Damaged) if answer.is_damaged() && self.is_quiet() => {
                self.backlog.close_any(sent, &request.bytes);
            }
            Err(_) => self.backlog.add(sent, &request.bytes),
        }
        result
    }

    /// Waits until the line has been quiet for the gap, then drops all input, which cannot belong to a later request. Returns
    /// whether an answer arrived, while that matters.
    pub(super) fn wait_for_quiet(&mut self, protocol: &mut dyn Codec, request: &Request, known: &Reading) -> io::Result<bool> {
        let doubtful = !self.backlog.is_empty() || self.backlog.lag != LagState::None;
        let gap = self.gap.max(match self.backlog.lag {
            LagState::Recovering => QUIET_AFTER_RECOVERY,
            _ if doubtful || self.unanswered => QUIET_AFTER_LOSS,
            _ => Duration::ZERO,
        });
        let heard_at = self.last_activity.unwrap_or_default();
        // A line that is never quiet must not block the driver.
        let latest = self.clock.now().after(gap.saturating_mul(2).saturating_add(STALE_INPUT));
        let (mut buf, mut late) = ([0; 256], LateAnswers::behind(std::mem::take(&mut self.leftover)));
        if doubtful {
            late.add(protocol, request, known, &[], &mut self.backlog);
        }
        while !gap.is_zero() && self.clock.now() < latest {
            // Sleep instead of waking up for every unwanted byte.
            let quiet_at = self.last_activity.map_or(Moment::default(), |last| last.after(gap));
            self.sleep(quiet_at.since(self.clock.now()));
            let n = self.receive(&mut buf, Duration::ZERO)?;
            if n == 0 {
                // After an answer, if nothing has arrived since.
                let needed = self.backlog.request_interval().saturating_add(FRAME_PAUSE);
                if !self.unanswered && self.last_activity == Some(heard_at) && self.clock.now().since(heard_at) > needed {
                    self.backlog.clear();
                }
                return Ok(late.end(protocol));
            }
            if doubtful {
                late.add(protocol, request, known, buf.get(..n).unwrap_or_default(), &mut self.backlog);
            }
        }
        self.port.clear()?;
        Ok(late.end(protocol))
    }

    /// Waits until a lagging line has been quiet for so long that no answer can be in transit any more.
    pub(super) fn settle(&mut self, protocol: &mut dyn Codec, request: &Request, known: &Reading) -> Result<(), LinkError> {
        let latest = self.clock.now().after(MAX_SETTLING);
        let (mut buf, mut late) = ([0; 256], LateAnswers::default());
        while let LagState::Lagging(late_at) = self.backlog.lag {
            let (now, quiet_at) =
                (self.clock.now(), late_at.after(self.backlog.request_interval().saturating_mul(2)).after(LAG_QUIET));
            if now >= quiet_at {
                self.backlog.clear();
                self.backlog.lag = LagState::Recovering;
                break;
            }
            if now >= latest {
                late.end(protocol);
                return Err(LinkError::Late { seconds: 0 });
            }
            let n = self.receive(&mut buf, quiet_at.min(latest).since(now))?;
            if late.add(protocol, request, known, buf.get(..n).unwrap_or_default(), &mut self.backlog) {
                self.backlog.lag = LagState::Lagging(self.clock.now());
            }
        }
        late.end(protocol);
        Ok(())
    }
}
