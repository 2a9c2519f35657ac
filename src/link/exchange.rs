//! One request, one answer: the only loop that reads a port.

use super::answer::{Answer, Input};
use super::error::LinkError;
use super::pace::Pace;
use super::{Clock, Port};
use crate::bms::{Line, Progress, Protocol, Request};
use crate::model::{LinkStats, Reading};
use crate::units::Moment;
use std::io;
use std::time::Duration;

/// A pause of this length and twenty byte times ends whatever was being sent.
const PAUSE: Duration = Duration::from_millis(50);

/// When the line is quiet for so long behind a damaged answer, nothing more comes.
const GIVE_UP: Duration = Duration::from_millis(150);

/// Quiet time wanted after a request that was not answered: the answer may still be under way.
const AFTER_LOSS: Duration = Duration::from_millis(30);

/// A line that damaged an answer counts as disturbed for so long: what passes a weak check by chance is one of hundreds.
const DISTURBED: Duration = Duration::from_secs(600);

/// Overheard bytes older than this are stale.
const STALE: Duration = Duration::from_millis(100);

/// A port in use: the line, its clock, what was learned about it and how it is doing.
pub struct Link {
    pub(super) port: Box<dyn Port>,
    pub(super) clock: Box<dyn Clock>,
    line: Option<Line>,
    gap: Duration,
    pub(super) stats: LinkStats,
    pace: Pace,
    leftover: Input,
    pub(super) last_activity: Option<Moment>,
    unanswered: bool,
    echoes: bool,
    damaged_at: Option<Moment>,
    /// When [`Link::listen`] looked last, unless something else has read the port since.
    pub(super) listened: Option<Moment>,
}

impl Link {
    /// A link over `port`; [`Link::prepare`] sets the line before the first request.
    pub fn new(port: Box<dyn Port>, clock: Box<dyn Clock>) -> Self {
        Self {
            port,
            clock,
            line: None,
            gap: Duration::ZERO,
            stats: LinkStats::default(),
            pace: Pace::default(),
            leftover: Input::default(),
            last_activity: None,
            unanswered: false,
            echoes: false,
            damaged_at: None,
            listened: None,
        }
    }

    /// The port's name.
    pub fn name(&self) -> &str {
        self.port.name()
    }

    /// The present moment on the link's clock.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Does nothing until then.
    pub fn sleep_until(&self, moment: Moment) {
        self.sleep(moment.since(self.clock.now()));
    }

    /// This line returns our own requests (a half-duplex adapter, or a sleeping Daly).
    pub fn echoes(&self) -> bool {
        self.echoes
    }

    /// An answer came damaged not long ago.
    pub(super) fn is_disturbed(&self) -> bool {
        self.damaged_at.is_some_and(|at| self.clock.now().since(at) < DISTURBED)
    }

    /// How the line is doing, since the start or the last [`Link::take_stats`].
    pub fn stats(&self) -> LinkStats {
        self.stats
    }

    /// The counters since the last call, for the battery that was polled; they start again at zero.
    pub fn take_stats(&mut self) -> LinkStats {
        std::mem::take(&mut self.stats)
    }

    /// When the next request can go out, if the line stays quiet until then.
    pub fn ready_at(&self) -> Moment {
        self.last_activity.map_or(Moment::default(), |last| last.after(self.gap))
    }

    /// Sets the line and the quiet time before requests; does nothing when they are already so.
    ///
    /// # Errors
    /// The port's.
    pub fn prepare(&mut self, line: Line, gap: Duration) -> Result<(), LinkError> {
        self.gap = gap;
        if self.line != Some(line) {
            self.port.set_line(line)?;
            self.line = Some(line);
            self.pace = Pace::default();
            self.leftover = Input::default();
            // What was heard at another speed says nothing about this one.
            self.damaged_at = None;
        }
        Ok(())
    }

    /// Sends `request` and decodes its answer into `into`, which stays as it is on any error. Returns within the request's
    /// timeout and the gap, whatever comes. A request without bytes only listens.
    ///
    /// # Errors
    /// What came in place of the answer.
    pub fn exchange(&mut self, protocol: &mut dyn Protocol, request: &Request, into: &mut Reading) -> Result<(), LinkError> {
        self.listened = None;
        let leftover = if request.bytes.is_empty() { self.keep_fresh()? } else { self.send(&request.bytes)? };
        let mut answer = Answer::new(protocol, request, into, leftover);
        let result = self.await_answer(&mut answer, request);
        self.count(&answer, &result);
        let (reading, leftover) = answer.finish();
        match result {
            Ok(()) => {
                self.leftover = leftover;
                if let Some(reading) = reading {
                    *into = reading;
                }
            }
            Err(_) => self.pace.forget(request.what),
        }
        log::trace!("{}: {}: {result:?}", self.port.name(), request.what);
        result
    }

    fn send(&mut self, bytes: &[u8]) -> Result<Input, LinkError> {
        self.wait_for_quiet()?;
        self.leftover = Input::default();
        self.port.send(bytes)?;
        self.last_activity = Some(self.clock.now());
        Ok(Input::default())
    }

    /// Lets the line be quiet for the gap, then drops all input: an answer that comes now answers nothing that is asked later.
    fn wait_for_quiet(&mut self) -> io::Result<()> {
        let gap = if self.unanswered { self.gap.max(AFTER_LOSS) } else { self.gap };
        // A line that is never quiet must not hold us.
        let latest = self.clock.now().after(gap.saturating_mul(2).saturating_add(STALE));
        let mut buf = [0; 256];
        while !gap.is_zero() && self.clock.now() < latest {
            // Nobody has to be woken up for a byte that is not wanted.
            let quiet_at = self.last_activity.map_or(Moment::default(), |last| last.after(gap));
            self.sleep(quiet_at.since(self.clock.now()));
            if self.receive(&mut buf, Duration::ZERO)? == 0 {
                return Ok(());
            }
        }
        self.port.clear()
    }

    /// What a listening request may still use: bytes that came just now.
    fn keep_fresh(&mut self) -> io::Result<Input> {
        let leftover = std::mem::take(&mut self.leftover);
        if self.last_activity.is_some_and(|last| self.clock.now().since(last) <= STALE) {
            return Ok(leftover);
        }
        self.port.clear()?;
        Ok(Input::default())
    }

    fn await_answer(&mut self, answer: &mut Answer<'_>, request: &Request) -> Result<(), LinkError> {
        let start = self.clock.now();
        let expected = self.pace.expected(request.what).filter(|_| !request.bytes.is_empty());
        // At least a quarter of the time is left for an answer that is later than ever.
        let nap = expected.map_or(Duration::ZERO, |expected| expected.time.min(request.timeout.mul_f64(0.75)));
        self.sleep(nap);
        let mut progress = answer.take(&[])?;
        let mut looks: usize = 0;
        let mut buf = [0; 512];
        while progress == Progress::More {
            let left = request.timeout.saturating_sub(self.clock.now().since(start));
            if left.is_zero() {
                progress = answer.look_behind()?;
                break;
            }
            let n = self.receive(&mut buf, left.min(self.patience(answer)))?;
            if n == 0 {
                progress = answer.look_behind()?;
                if progress == Progress::More && answer.is_damaged() && self.is_quiet() {
                    break;
                }
                continue;
            }
            looks = looks.saturating_add(1);
            progress = answer.take(buf.get(..n).unwrap_or_default())?;
            if progress == Progress::More {
                let missing = expected.map_or(0, |expected| expected.bytes.saturating_sub(answer.heard()));
                self.gather(missing, request.timeout.saturating_sub(self.clock.now().since(start)));
            }
        }
        if progress == Progress::More {
            return Err(answer.verdict());
        }
        if !request.bytes.is_empty() {
            self.pace.learn(request.what, self.clock.now().since(start), answer.heard(), looks == 1 && expected.is_some());
        }
        Ok(())
    }

    /// How long to wait for the next byte before looking at what there is.
    fn patience(&self, answer: &Answer<'_>) -> Duration {
        match answer {
            answer if answer.is_doubtful() => self.pause(),
            answer if answer.is_damaged() => GIVE_UP,
            _ => Duration::MAX,
        }
    }

    fn is_quiet(&self) -> bool {
        self.last_activity.is_some_and(|last| self.clock.now().since(last) >= GIVE_UP)
    }

    /// Lets some bytes come together, rather than waking up for each: those known to be missing, else eight.
    fn gather(&self, missing: usize, left: Duration) {
        let bytes = if missing == 0 { 8 } else { missing };
        self.sleep(self.time_of(bytes).max(Duration::from_millis(1)).min(left));
    }

    fn count(&mut self, answer: &Answer<'_>, result: &Result<(), LinkError>) {
        let stats = &mut self.stats;
        stats.foreign = stats.foreign.saturating_add(u64::try_from(answer.foreign()).unwrap_or(u64::MAX));
        let mut damaged = answer.is_damaged();
        let counter = match result {
            Ok(()) | Err(LinkError::Refused { .. }) => &mut stats.ok,
            Err(
                LinkError::Silent
                | LinkError::Unheard
                | LinkError::EchoOnly
                | LinkError::Foreign { .. }
                | LinkError::Vanished(_)
                | LinkError::Io(_),
            ) => &mut stats.lost,
            Err(_) => {
                damaged = true;
                &mut stats.damaged
            }
        };
        *counter = counter.saturating_add(1);
        if damaged {
            self.damaged_at = Some(self.clock.now());
        }
        self.echoes |= answer.has_echo();
        self.unanswered = result.is_err();
    }

    pub(super) fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let n = self.port.receive(buf, wait)?;
        if n > 0 {
            self.last_activity = Some(self.clock.now());
        }
        Ok(n)
    }

    pub(super) fn sleep(&self, time: Duration) {
        if !time.is_zero() {
            self.clock.sleep(time);
        }
    }

    fn time_of(&self, bytes: usize) -> Duration {
        self.line.unwrap_or(Line { baud: 9600 }).time_of(bytes)
    }

    fn pause(&self) -> Duration {
        PAUSE.saturating_add(self.time_of(20))
    }
}
