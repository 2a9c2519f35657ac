//! Listening to a line on which others talk.

use super::{Link, LinkError};
use crate::bms::overheard::Overheard;
use crate::units::Moment;
use std::time::Duration;

/// A board sends its frame and the record behind it in one go. After a pause of this length the record of another may follow:
/// a JK board answers 38 ms after its request. Adapters hold bytes back for up to 16 ms.
const PAUSE: Duration = Duration::from_millis(30);

/// A board that has said nothing for so long after a request is not there.
const UNANSWERED: Duration = Duration::from_millis(60);

/// Bytes are looked at together rather than one by one, for this time.
const TOGETHER: Duration = Duration::from_millis(8);

/// When nobody has looked for so long, bytes may have been lost in between.
const STALL: Duration = Duration::from_millis(300);

impl Link {
    /// Waits for what comes next, but not beyond `until`, and hands it to `heard`.
    ///
    /// # Errors
    /// The port's.
    pub fn listen(&mut self, heard: &mut Overheard, until: Moment) -> Result<(), LinkError> {
        let start = self.clock.now();
        match self.listened {
            Some(last) if start.since(last) <= STALL => {}
            Some(_) => {
                self.port.clear()?;
                heard.forget();
            }
            None => heard.forget(),
        }
        let begun = heard.pending() > 0;
        let quiet = self.last_activity.map_or(PAUSE, |last| start.since(last));
        let left = until.since(start);
        let wait = if begun { left.min(PAUSE.saturating_sub(quiet)) } else { left };
        let mut buf = [0; 512];
        let n = self.receive(&mut buf, wait)?;
        let now = self.clock.now();
        if n > 0 {
            if quiet.saturating_add(now.since(start)) >= UNANSWERED {
                heard.silence();
            }
            let (frames, damaged) = heard.frames();
            heard.feed(buf.get(..n).unwrap_or_default());
            self.count_overheard(heard, frames, damaged);
            self.sleep(TOGETHER.min(until.since(now)));
        } else if begun && self.last_activity.is_none_or(|last| now.since(last) >= PAUSE) {
            let (frames, damaged) = heard.frames();
            heard.pause();
            self.count_overheard(heard, frames, damaged);
        }
        self.listened = Some(self.clock.now());
        Ok(())
    }

    /// Sends a request between those of another master; its answer is overheard like all others.
    ///
    /// # Errors
    /// The port's.
    pub fn put_in(&mut self, heard: &mut Overheard, request: &[u8]) -> Result<(), LinkError> {
        heard.sent(request);
        self.port.send(request)?;
        self.last_activity = Some(self.clock.now());
        Ok(())
    }

    fn count_overheard(&mut self, heard: &Overheard, frames: usize, damaged: usize) {
        let (frames_now, damaged_now) = heard.frames();
        let more = |now: usize, before: usize| u64::try_from(now.saturating_sub(before)).unwrap_or(u64::MAX);
        self.stats.ok = self.stats.ok.saturating_add(more(frames_now, frames));
        self.stats.damaged = self.stats.damaged.saturating_add(more(damaged_now, damaged));
    }
}
