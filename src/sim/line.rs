//! The line of a simulated BMS: takes requests from a port and sends replies after the BMS's latency, at the speed of the wire.

use super::fault::{Faults, Injector};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::link::{Clock, Port};
use crate::units::Moment;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a line is quiet before a request that was begun counts as broken off; also how fast `stop` is seen.
const QUIET: Duration = Duration::from_millis(100);
/// Paced bytes go out in pieces of about this time: as smooth as a UART's buffer, at few wake-ups.
const PIECE: Duration = Duration::from_millis(5);

/// How a line behaves.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Bytes take their time on the wire, and requests at another baud rate are not understood.
    pub pace: bool,
    /// Time from a request to the first byte of its reply.
    pub latency: Duration,
    /// What goes wrong.
    pub faults: Faults,
    /// Chooses which replies are hit.
    pub seed: u64,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { pace: false, latency: Duration::from_millis(20), faults: Faults::default(), seed: 0 }
    }
}

/// Answers requests on `port` until `stop`.
///
/// # Errors
/// What the port says when it breaks.
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
        let wait = responder.next_word().map_or(QUIET, |at| start.after(at).since(clock.now()).min(QUIET));
        let count = port.receive(&mut buf, wait)?;
        let now = clock.now();
        units.iter_mut().for_each(|unit| unit.advance(now.since(last)));
        last = now;
        let wire = Wire { clock, line: options.pace.then(|| responder.line()), stop };
        let words = responder.unasked(now.since(start), units);
        let silent = injector.silent(now.since(start));
        for word in words.into_iter().flat_map(|word| injector.apply(word)).filter(|_| !silent) {
            wire.send(port, &word)?;
        }
        let input = buf.get(..count).unwrap_or_default();
        if input.is_empty() {
            if now.since(heard_at) >= QUIET {
                responder.quiet();
            }
            continue;
        }
        heard_at = now;
        let writes = responder.writes();
        let replies = answer(responder, input, units, &mut injector);
        if responder.writes() > writes {
            log::warn!("the request {} would change a BMS", crate::hex::encode(input));
        }
        if injector.silent(now.since(start)) {
            continue;
        }
        // The request was still on the wire for its own time.
        wire.wait(options.latency.saturating_add(wire.time_of(input.len())));
        for reply in replies.into_iter().flat_map(|reply| injector.apply(reply)) {
            wire.send(port, &reply)?;
        }
    }
    Ok(())
}

/// The replies to `input`, some of them about a battery that shows nonsense.
pub(super) fn answer(responder: &mut dyn Responder, input: &[u8], units: &mut [Unit], injector: &mut Injector) -> Vec<Reply> {
    let truths: Vec<_> =
        units.iter_mut().map(|unit| injector.nonsense(unit.pack.shown()).map(|nonsense| unit.pack.show(nonsense))).collect();
    let replies = responder.answer(input, units);
    for (unit, truth) in units.iter_mut().zip(truths) {
        truth.map(|truth| unit.pack.show(truth));
    }
    replies
}

/// The way from the BMS to the port; without a line it takes no time.
struct Wire<'a> {
    clock: &'a dyn Clock,
    line: Option<Line>,
    stop: &'a AtomicBool,
}

impl Wire<'_> {
    fn time_of(&self, bytes: usize) -> Duration {
        self.line.map(|line| line.time_of(bytes)).unwrap_or_default()
    }

    /// Lets `time` pass, but looks for `stop`.
    fn wait(&self, time: Duration) {
        self.until(self.clock.now().after(time));
    }

    fn until(&self, end: Moment) {
        loop {
            let left = end.since(self.clock.now()).min(QUIET);
            if left.is_zero() || self.stop.load(Ordering::Relaxed) {
                return;
            }
            self.clock.sleep(left);
        }
    }

    /// Sends a reply so that each byte arrives when its last bit would.
    fn send(&self, port: &mut dyn Port, reply: &Reply) -> io::Result<()> {
        self.wait(reply.after);
        let Some(line) = self.line else { return port.send(&reply.bytes) };
        let piece = PIECE.as_nanos().checked_div(line.time_of(1).as_nanos()).and_then(|count| usize::try_from(count).ok());
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
