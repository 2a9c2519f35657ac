//! Sends one request and receives one answer: the only loop that reads a port.

use super::Port;
use super::answer::{Answer, Input, OverheardFrame};
use super::backlog::{Backlog, LagState};
use super::error::LinkError;
use super::response_times::ResponseTimes;
use crate::base::time::Clock;
use crate::base::units::Moment;
use crate::bms::can::IdFilter;
use crate::bms::{Codec, Line, Progress, Request};
use crate::model::{LinkStats, Reading};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// A pause of this plus twenty byte times ends any transmission.
pub(super) const FRAME_PAUSE: Duration = Duration::from_millis(50);

/// Quiet time after a corrupted answer that ends it.
const QUIET_AFTER_DAMAGE: Duration = Duration::from_millis(150);

/// Time for which a line counts as disturbed after a corrupted answer: one in hundreds passes a weak check by chance.
const DISTURBED_FOR: Duration = Duration::from_secs(600);

/// Wait for the rest of an answer that is not complete at the usual time, as a part of that time.
const SHORT_WAIT: f64 = 0.05;

/// Overheard bytes older than this are stale.
pub(super) const STALE_INPUT: Duration = Duration::from_millis(100);

/// Overheard frames that wait for their batteries. Earlier ones would be too old.
const MAX_OVERHEARD: usize = 8192;

/// A port in use: line, clock, response times and statistics.
pub struct Link {
    pub(super) port: Box<dyn Port>,
    pub(super) clock: Box<dyn Clock>,
    line: Option<Line>,
    filter: &'static [IdFilter],
    pub(super) gap: Duration,
    pub(super) stats: LinkStats,
    response_times: ResponseTimes,
    pub(super) leftover: Input,
    pub(super) last_activity: Option<Moment>,
    heard_at: Option<Moment>,
    pub(super) unanswered: bool,
    pub(super) backlog: Backlog,
    /// Largest delay of the answers in the current reading.
    pub(super) lateness: Duration,
    echoes: bool,
    damaged_at: Option<Moment>,
    /// See [`Link::take_overheard`].
    overheard: VecDeque<OverheardFrame>,
    /// Last read by [`Link::listen`], unless something else has read the port since.
    pub(super) listened: Option<Moment>,
}

impl Link {
    /// A link over `port`; [`Link::prepare`] sets the line before the first request.
    pub fn new(port: Box<dyn Port>, clock: Box<dyn Clock>) -> Self {
        Self {
            port,
            clock,
            line: None,
            filter: &[],
            gap: Duration::ZERO,
            stats: LinkStats::default(),
            response_times: ResponseTimes::default(),
            leftover: Input::default(),
            last_activity: None,
            heard_at: None,
            unanswered: false,
            backlog: Backlog::default(),
            lateness: Duration::ZERO,
            echoes: false,
            damaged_at: None,
            overheard: VecDeque::new(),
            listened: None,
        }
    }

    /// Time of the last reading: now, or earlier by the delay of its answers.
    pub fn read_at(&self) -> Moment {
        Moment::new(self.clock.now().since_origin().saturating_sub(self.lateness))
    }

    /// The port's name.
    pub fn name(&self) -> &str {
        self.port.name()
    }

    /// The only BMS families that may be on the port; `None` = any.
    pub fn families(&self) -> Option<&[&'static str]> {
        self.port.families()
    }

    /// The present moment on the link's clock.
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Sleeps until then.
    pub fn sleep_until(&self, moment: Moment) {
        self.sleep(moment.since(self.clock.now()));
    }

    /// This line echoes requests (a half-duplex adapter, or a sleeping Daly).
    pub fn echoes(&self) -> bool {
        self.echoes
    }

    /// An answer was corrupted recently.
    pub(super) fn is_disturbed(&self) -> bool {
        self.damaged_at.is_some_and(|at| self.clock.now().since(at) < DISTURBED_FOR)
    }

    /// Line statistics since the start or the last [`Link::take_stats`].
    pub fn stats(&self) -> LinkStats {
        self.stats
    }

    /// Takes the counters since the last call, for the battery that was polled, and resets them.
    pub fn take_stats(&mut self) -> LinkStats {
        std::mem::take(&mut self.stats)
    }

    /// Takes the frames of others since the last call, on a line of batteries that send by themselves.
    pub fn take_overheard(&mut self) -> VecDeque<OverheardFrame> {
        std::mem::take(&mut self.overheard)
    }

    /// When a byte was last received.
    pub fn heard_at(&self) -> Option<Moment> {
        self.heard_at
    }

    /// When the next request can go out, if the line stays quiet until then.
    pub fn ready_at(&self) -> Moment {
        self.last_activity.map_or(Moment::default(), |last| last.after(self.gap))
    }

    /// Sets the line and the quiet time before requests, if they differ.
    ///
    /// # Errors
    /// The port's.
    pub fn prepare(&mut self, line: Line, gap: Duration) -> Result<(), LinkError> {
        self.gap = gap;
        if self.line != Some(line) {
            self.port.set_line(line)?;
            self.line = Some(line);
            self.response_times = ResponseTimes::default();
            self.leftover = Input::default();
            // Results at another speed say nothing about this one.
            self.damaged_at = None;
        }
        Ok(())
    }

    /// Receives only these CAN frames from now on.
    ///
    /// # Errors
    /// The port's.
    pub fn filter(&mut self, ids: &'static [IdFilter]) -> Result<(), LinkError> {
        if self.filter != ids {
            self.port.filter(ids)?;
            self.filter = ids;
        }
        Ok(())
    }

    /// Sends `request` and decodes its answer into `into`, which is unchanged on any error. Returns within the request's timeout
    /// plus the gap in any case; an answer that has partly arrived may take twice the timeout. A request without bytes
    /// only listens.
    ///
    /// After an answer that was too old, the line must be quiet for a few seconds, and then answer in time once; that answer is
    /// discarded.
    ///
    /// # Errors
    /// What was received instead of the answer.
    pub fn exchange(&mut self, protocol: &mut dyn Codec, request: &Request, into: &mut Reading) -> Result<(), LinkError> {
        if self.backlog.lag != LagState::None && !request.bytes.is_empty() {
            self.settle(protocol, request, into)?;
            self.exchange_once(protocol, request, &mut into.clone())?;
            protocol.reset();
        }
        self.exchange_once(protocol, request, into)?;
        self.backlog.lag = LagState::None;
        Ok(())
    }

    /// As [`Link::exchange`], but always sends the request exactly once.
    pub(super) fn exchange_once(
        &mut self,
        protocol: &mut dyn Codec,
        request: &Request,
        into: &mut Reading,
    ) -> Result<(), LinkError> {
        self.listened = None;
        let listening = request.bytes.is_empty();
        let leftover = if listening { self.keep_fresh()? } else { self.send(protocol, request, into)? };
        let sent = self.clock.now();
        let mut answer = Answer::new(protocol, request, into, leftover);
        let mut result = self.await_answer(&mut answer, request);
        if matches!(result, Err(LinkError::Silent)) {
            result = Err(self.port.silence());
        }
        if !listening {
            result = self.judge_age(result, &answer, sent, request);
        }
        self.count(&answer, &result);
        let (reading, leftover, overheard) = answer.finish();
        self.overheard.extend(overheard);
        while self.overheard.len() > MAX_OVERHEARD {
            self.overheard.pop_front();
        }
        if result.is_ok() || !listening {
            self.leftover = leftover;
        }
        match result {
            Ok(()) => {
                if let Some(reading) = reading {
                    *into = reading;
                }
            }
            Err(_) => self.response_times.forget(request.what),
        }
        log::trace!("{}: {}: {result:?}", self.port.name(), request.what);
        result
    }

    fn send(&mut self, protocol: &mut dyn Codec, request: &Request, known: &Reading) -> Result<Input, LinkError> {
        if self.wait_for_quiet(protocol, request, known)? && self.backlog.lag != LagState::None {
            self.backlog.lag = LagState::Lagging(self.clock.now());
            return Err(LinkError::Late { seconds: 0 });
        }
        self.port.send(&request.bytes)?;
        self.last_activity = Some(self.clock.now());
        Ok(Input::default())
    }

    /// Bytes received just now, which a listening request may still use.
    fn keep_fresh(&mut self) -> io::Result<Input> {
        let leftover = std::mem::take(&mut self.leftover);
        if self.last_activity.is_some_and(|last| self.clock.now().since(last) <= STALE_INPUT) {
            return Ok(leftover);
        }
        self.port.clear()?;
        Ok(Input::default())
    }

    fn await_answer(&mut self, answer: &mut Answer<'_>, request: &Request) -> Result<(), LinkError> {
        let start = self.clock.now();
        let expected = self.response_times.expected(request.what).filter(|_| !request.bytes.is_empty());
        // Leave at least a quarter of the time for an unusually late answer.
        let before_answer = expected.map_or(Duration::ZERO, |expected| expected.time.min(request.timeout.mul_f64(0.75)));
        self.sleep(before_answer);
        answer.arrived_at(start);
        let mut progress = answer.add(&[])?;
        let (mut reads, mut frames): (usize, usize) = (0, 0);
        let mut latest = start.after(request.timeout);
        let last = start.after(request.timeout.saturating_mul(2));
        let mut buf = [0; 512];
        while progress == Progress::More {
            if answer.own_frames() > frames {
                frames = answer.own_frames();
                latest = self.clock.now().after(request.timeout).min(last);
            }
            let left = latest.since(self.clock.now());
            if left.is_zero() {
                // At 9600 baud a long frame takes a quarter of a second: one that is arriving may take twice the timeout.
                if answer.is_arriving() && !self.is_quiet() && self.clock.now() < last {
                    latest = self.clock.now().after(FRAME_PAUSE).min(last);
                    continue;
                }
                progress = answer.look_behind()?;
                break;
            }
            let n = self.receive(&mut buf, left.min(self.wait_for_bytes(answer)))?;
            if n == 0 {
                progress = answer.look_behind()?;
                if progress == Progress::More && answer.is_damaged() && self.is_quiet() {
                    break;
                }
                continue;
            }
            reads = reads.saturating_add(1);
            answer.arrived_at(self.clock.now());
            progress = answer.add(buf.get(..n).unwrap_or_default())?;
            if progress == Progress::More {
                let missing = expected.map_or(0, |expected| expected.bytes.saturating_sub(answer.heard()));
                // An adapter passes bytes on in blocks: those that are missing at the usual time are mostly there already.
                let most = expected.map_or(Duration::MAX, |expected| expected.time.mul_f64(SHORT_WAIT));
                self.gather(missing, most.min(latest.since(self.clock.now())));
            }
        }
        if progress == Progress::More {
            return Err(answer.failure());
        }
        if !request.bytes.is_empty() {
            self.response_times.learn(
                request.what,
                self.clock.now().since(start),
                answer.heard(),
                reads == 1 && expected.is_some(),
            );
        }
        Ok(())
    }

    /// Wait for the next byte before the input is examined.
    fn wait_for_bytes(&self, answer: &Answer<'_>) -> Duration {
        match answer {
            answer if answer.is_doubtful() => self.pause(),
            answer if answer.is_damaged() => QUIET_AFTER_DAMAGE,
            _ => Duration::MAX,
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.last_activity.is_some_and(|last| self.clock.now().since(last) >= QUIET_AFTER_DAMAGE)
    }

    /// Waits for several bytes instead of waking up for each: the number known to be missing, else eight.
    fn gather(&self, missing: usize, left: Duration) {
        let bytes = if missing == 0 { 8 } else { missing };
        self.sleep(self.time_of(bytes).max(Duration::from_millis(1)).min(left));
    }

    fn count(&mut self, answer: &Answer<'_>, result: &Result<(), LinkError>) {
        let stats = &mut self.stats;
        stats.foreign = stats.foreign.saturating_add(u64::try_from(answer.foreign()).unwrap_or(u64::MAX));
        let mut damaged = answer.is_damaged();
        let counter = match result {
            Ok(()) | Err(LinkError::Refused { .. } | LinkError::Layout { .. }) => &mut stats.ok,
            Err(
                LinkError::Silent
                | LinkError::NoMessage { .. }
                | LinkError::Unheard
                | LinkError::EchoOnly
                | LinkError::Late { .. }
                | LinkError::Foreign { .. }
                | LinkError::Vanished(_)
                | LinkError::Disconnected(_)
                | LinkError::Io(_),
            ) => &mut stats.lost,
            // Frames of it that are late or lost whole damage none of the others.
            Err(LinkError::Incomplete { .. }) => {
                damaged |= answer.has_noise();
                &mut stats.damaged
            }
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
            self.heard_at = Some(self.clock.now());
            self.last_activity = self.heard_at;
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
        FRAME_PAUSE.saturating_add(self.time_of(20))
    }
}
