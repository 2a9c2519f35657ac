//! Listens to a line with another master.

use super::{Link, LinkError};
use crate::base::units::Moment;
use crate::bms::sniffer::Sniffer;
use std::time::Duration;

/// A board sends a frame and the record behind it without a pause. After a pause of this length another board's record may follow:
/// a JK board answers 38 ms after its request. Adapters hold bytes back for up to 16 ms.
const RECORD_PAUSE: Duration = Duration::from_millis(30);

/// A board silent for this time after a request is absent.
const ABSENT_AFTER: Duration = Duration::from_millis(60);

/// Bytes are collected for this time before they are examined.
const GATHER_TIME: Duration = Duration::from_millis(8);

/// If the port was not read for this time, bytes may have been lost.
const MAX_LISTEN_GAP: Duration = Duration::from_millis(300);

impl Link {
    /// Waits for the next frames, at most until `until`, and passes them to `heard`.
    ///
    /// # Errors
    /// The port's.
    pub fn listen(&mut self, heard: &mut Sniffer, until: Moment) -> Result<(), LinkError> {
        let start = self.clock.now();
        match self.listened {
            Some(last) if start.since(last) <= MAX_LISTEN_GAP => {}
            Some(_) => {
                self.port.clear()?;
                heard.forget();
            }
            None => heard.forget(),
        }
        let begun = heard.pending() > 0;
        let quiet = self.last_activity.map_or(RECORD_PAUSE, |last| start.since(last));
        let left = until.since(start);
        let wait = if begun { left.min(RECORD_PAUSE.saturating_sub(quiet)) } else { left };
        let mut buf = [0; 512];
        let n = self.receive(&mut buf, wait)?;
        let now = self.clock.now();
        if n > 0 {
            if quiet.saturating_add(now.since(start)) >= ABSENT_AFTER {
                heard.silence();
            }
            let (frames, damaged) = heard.frames();
            heard.feed(buf.get(..n).unwrap_or_default());
            self.count_overheard(heard, frames, damaged);
            self.sleep(GATHER_TIME.min(until.since(now)));
        } else if begun && self.last_activity.is_none_or(|last| now.since(last) >= RECORD_PAUSE) {
            let (frames, damaged) = heard.frames();
            heard.pause();
            self.count_overheard(heard, frames, damaged);
        }
        self.listened = Some(self.clock.now());
        Ok(())
    }

    /// Whether any byte arrives until then, at whatever speed it was sent.
    ///
    /// # Errors
    /// The port's.
    pub fn hears_anything(&mut self, until: Moment) -> Result<bool, LinkError> {
        self.listened = None;
        let mut buf = [0; 64];
        loop {
            let left = until.since(self.clock.now());
            if self.receive(&mut buf, left)? > 0 {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
        }
    }

    /// Inserts a request between those of another master; its answer is overheard like all others.
    ///
    /// # Errors
    /// The port's.
    pub fn put_in(&mut self, heard: &mut Sniffer, request: &[u8]) -> Result<(), LinkError> {
        heard.sent(request);
        self.port.send(request)?;
        self.last_activity = Some(self.clock.now());
        Ok(())
    }

    fn count_overheard(&mut self, heard: &Sniffer, frames: usize, damaged: usize) {
        let (frames_now, damaged_now) = heard.frames();
        let more = |now: usize, before: usize| u64::try_from(now.saturating_sub(before)).unwrap_or(u64::MAX);
        self.stats.ok = self.stats.ok.saturating_add(more(frames_now, frames));
        self.stats.damaged = self.stats.damaged.saturating_add(more(damaged_now, damaged));
    }
}
