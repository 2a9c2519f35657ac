//! The line of a simulated BMS: receives requests from a port and sends replies after the BMS's latency, at the line speed.

use super::fault::{Faults, Injector};
use super::{Reply, Responder, Unit};
use crate::base::time::Clock;
use crate::base::units::Moment;
use crate::bms::Line;
use crate::link::Port;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Idle time after which an incomplete request is dropped; also the polling interval of `stop`.
const REQUEST_GAP: Duration = Duration::from_millis(100);
/// Paced bytes are sent in chunks of about this duration: as smooth as a UART's buffer, with few wake-ups.
const WAIT_STEP: Duration = Duration::from_millis(5);

/// Behaviour of a line.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Bytes take their transmission time, and requests at another baud rate are not understood.
    pub pace: bool,
    /// Time from a request to the first byte of its reply.
    pub latency: Duration,
    /// Faults of the line.
    pub faults: Faults,
    /// Chooses the affected replies.
    pub seed: u64,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { pace: false, latency: Duration::from_millis(20), faults: Faults::default(), seed: 0 }
    }
}

/// Replies to requests on `port` until `stop`.
///
/// # Errors
/// Error of the port when it fails.
pub fn serve(
    port: &mut dyn Port,
    clock: &dyn Clock,
    responder: &mut dyn Responder,
    units: &mut [Unit],
    options: &ServeOptions,
    stop: &AtomicBool,
) -> io::Result<()> {
    if options.pace {
        port.set_line(responder.line())?;
    }
    let mut injector = Injector::new(options.faults.clone(), options.seed);
    let start = clock.now();
    let (mut last, mut heard_at) = (start, start);
    let mut buf = [0; 256];
    while !stop.load(Ordering::Relaxed) {
        let wait = responder.next_unsolicited_at().map_or(REQUEST_GAP, |at| start.after(at).since(clock.now()).min(REQUEST_GAP));
        let count = port.receive(&mut buf, wait)?;
        let now = clock.now();
        units.iter_mut().for_each(|unit| unit.advance(now.since(last)));
        last = now;
        let paced = PacedLine { clock, line: options.pace.then(|| responder.line()), stop };
        let words = responder.unsolicited(now.since(start), units);
        let silent = injector.silent(now.since(start));
        for word in words.into_iter().flat_map(|word| injector.apply(word)).filter(|_| !silent) {
            paced.send(port, &word)?;
        }
        let input = buf.get(..count).unwrap_or_default();
        if input.is_empty() {
            if now.since(heard_at) >= REQUEST_GAP {
                responder.quiet();
            }
            continue;
        }
        heard_at = now;
        let writes = responder.writes();
        let replies = answer(responder, input, units, &mut injector);
        if responder.writes() > writes {
            log::warn!("the request {} would change a BMS", crate::base::hex::encode(input));
        }
        if injector.silent(now.since(start)) {
            continue;
        }
        // The request itself still needs its transmission time.
        paced.wait(options.latency.saturating_add(paced.time_of(input.len())));
        for reply in replies.into_iter().flat_map(|reply| injector.apply(reply)) {
            paced.send(port, &reply)?;
        }
    }
    Ok(())
}

/// Replies to `input`, some of them with nonsense values.
pub(super) fn answer(responder: &mut dyn Responder, input: &[u8], units: &mut [Unit], injector: &mut Injector) -> Vec<Reply> {
    let truths: Vec<_> = units
        .iter_mut()
        .map(|unit| injector.nonsense(unit.pack.reported()).map(|nonsense| unit.pack.replace_reported(nonsense)))
        .collect();
    let replies = responder.answer(input, units);
    for (unit, truth) in units.iter_mut().zip(truths) {
        truth.map(|truth| unit.pack.replace_reported(truth));
    }
    replies
}

/// The line from the BMS to the port; without a baud rate, transmission takes no time.
struct PacedLine<'a> {
    clock: &'a dyn Clock,
    line: Option<Line>,
    stop: &'a AtomicBool,
}

impl PacedLine<'_> {
    fn time_of(&self, bytes: usize) -> Duration {
        self.line.map(|line| line.time_of(bytes)).unwrap_or_default()
    }

    /// Waits for `time` while checking `stop`.
    fn wait(&self, time: Duration) {
        self.until(self.clock.now().after(time));
    }

    fn until(&self, end: Moment) {
        loop {
            let left = end.since(self.clock.now()).min(REQUEST_GAP);
            if left.is_zero() || self.stop.load(Ordering::Relaxed) {
                return;
            }
            self.clock.sleep(left);
        }
    }

    /// Sends a reply so that each byte arrives at the time of its last bit.
    fn send(&self, port: &mut dyn Port, reply: &Reply) -> io::Result<()> {
        self.wait(reply.after);
        let Some(line) = self.line else { return port.send(&reply.bytes) };
        let piece = WAIT_STEP.as_nanos().checked_div(line.time_of(1).as_nanos()).and_then(|count| usize::try_from(count).ok());
        let start = self.clock.now();
        let mut sent = 0usize;
        for bytes in reply.bytes.chunks(piece.unwrap_or(1).max(1)) {
            sent = sent.saturating_add(bytes.len());
            self.until(start.after(line.time_of(sent)));
            port.send(bytes)?;
        }
        Ok(())
    }
}
