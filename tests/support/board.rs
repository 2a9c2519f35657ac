//! The far end of a port: a board that replies to requests on a pty or over TCP and records what it receives.
#![allow(clippy::disallowed_methods, reason = "boards live in threads and in real time")]

use dbus_bms::link::Port;
use dbus_bms::link::pty::Pty;
use dbus_bms::recording::file::{Direction, Recording};
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Unit, responder};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// Interval at which a board checks whether to end.
const LOOK: Duration = Duration::from_millis(20);

/// Takes bytes as they arrive and returns those to send.
pub(crate) type Answers = Box<dyn FnMut(&[u8]) -> Vec<u8> + Send>;

/// A board on a line. Dropping it pulls the plug: the device node disappears, the connection is closed.
pub(crate) struct Board {
    /// The port for the program.
    pub(crate) port: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    silent: AtomicBool,
    heard: Mutex<Vec<u8>>,
}

impl Board {
    /// A board on a pty at `link`.
    pub(crate) fn on_pty(link: &Path, mut answers: Answers) -> Self {
        let mut pty = Pty::open(link).unwrap();
        Self::start(link.display().to_string(), move |shared| {
            let mut buf = [0; 256];
            while !shared.stopped() {
                let count = pty.receive(&mut buf, LOOK).unwrap();
                let reply = shared.hear(&buf[..count], &mut answers);
                pty.send(&reply).unwrap();
            }
        })
    }

    /// A board behind a raw TCP serial server.
    pub(crate) fn on_tcp(mut answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = format!("tcp://{}", listener.local_addr().unwrap());
        Self::start(port, move |shared| {
            while !shared.stopped() {
                match listener.accept() {
                    Ok((stream, _)) => converse(stream, shared, &mut answers),
                    Err(_) => sleep(LOOK),
                }
            }
        })
    }

    fn start(port: String, body: impl FnOnce(&Shared) + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        Self { port, shared, thread: Some(spawn(move || body(&theirs))) }
    }

    /// Makes it silent from now on, or lets it reply again.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::Relaxed);
    }

    /// All bytes sent to it.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// How many times `request` was sent to it.
    pub(crate) fn count(&self, request: &[u8]) -> usize {
        self.heard().windows(request.len()).filter(|window| *window == request).count()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn hear(&self, input: &[u8], answers: &mut Answers) -> Vec<u8> {
        self.heard.lock().unwrap().extend_from_slice(input);
        let reply = answers(input);
        if self.silent.load(Ordering::Relaxed) { Vec::new() } else { reply }
    }
}

fn converse(mut stream: TcpStream, shared: &Shared, answers: &mut Answers) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LOOK)).unwrap();
    let mut buf = [0; 256];
    while !shared.stopped() {
        let count = match stream.read(&mut buf) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        };
        if stream.write_all(&shared.hear(&buf[..count], answers)).is_err() {
            return;
        }
    }
}

/// The recorded replies of the vectors with these names; a request unknown to one may be in the next.
pub(crate) fn replay(names: &[&str]) -> Answers {
    answer(names.iter().flat_map(|name| pairs(&vector(name))).collect())
}

/// As [`replay`], with the identification of a JK board, which is not in any recording.
pub(crate) fn replay_jk(name: &str, volts: f64) -> Answers {
    let frame = |command: u8, kind: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 18).unwrap().to_be_bytes();
        let mut frame = [&[0x4E, 0x57][..], &length, &[0, 0, 0, 0, command, if kind == 0 { 3 } else { 0 }, kind], content].concat();
        frame.extend([0, 0, 0, 0, 0x68, 0, 0]);
        let sum: u16 = frame.iter().map(|byte| u16::from(*byte)).sum();
        frame.extend(sum.to_be_bytes());
        frame
    };
    let [high, low] = ((volts * 100.0).round() as u16).to_be_bytes();
    let mut all = pairs(&vector(name));
    all.push((frame(3, 0, &[0x83]), frame(3, 1, &[0x83, high, low])));
    answer(all)
}

/// The frames of a recorded Daly session, each as the reply to its command.
pub(crate) fn replay_daly(name: &str) -> Answers {
    let received = vector(name).received();
    let mut all: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for frame in received.chunks_exact(13) {
        let mut request = vec![0xA5, 0x40, frame[2], 8, 0, 0, 0, 0, 0, 0, 0, 0];
        request.push(request.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
        match all.iter_mut().find(|(known, _)| *known == request) {
            Some((_, reply)) => reply.extend_from_slice(frame),
            None => all.push((request, frame.to_vec())),
        }
    }
    answer(all)
}

fn answer(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Answers {
    let longest = pairs.iter().map(|(request, _)| request.len()).max().unwrap();
    let mut buffer: Vec<u8> = Vec::new();
    Box::new(move |input| {
        buffer.extend_from_slice(input);
        let mut replies = Vec::new();
        while let Some((end, reply)) = first_request(&buffer, &pairs) {
            replies.extend_from_slice(reply);
            buffer.drain(..end);
        }
        buffer.drain(..buffer.len().saturating_sub(longest));
        replies
    })
}

/// A recording of `tests/vectors`, such as `jbd/readme-4s`.
pub(crate) fn vector(name: &str) -> Recording {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Recording::parse(name, &std::fs::read_to_string(&path).unwrap()).unwrap()
}

/// Each request of a recording with its reply.
fn pairs(vector: &Recording) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for event in &vector.traffic {
        match (event.direction, pairs.last_mut()) {
            (Direction::Sent, _) => pairs.push((event.bytes.clone(), Vec::new())),
            (Direction::Received, Some((_, reply))) => reply.extend_from_slice(&event.bytes),
            (Direction::Received, None) => {}
        }
    }
    pairs
}

/// The first known request in `buffer`: where it ends, and its reply.
fn first_request<'a>(buffer: &[u8], pairs: &'a [(Vec<u8>, Vec<u8>)]) -> Option<(usize, &'a [u8])> {
    let places = pairs.iter().filter_map(|(request, reply)| {
        let place = buffer.windows(request.len()).position(|window| window == request.as_slice())?;
        Some((place + request.len(), reply.as_slice()))
    });
    places.min_by_key(|(end, _)| *end)
}

/// A simulated JBD battery of 16 cells with changing values.
pub(crate) fn simulated() -> Answers {
    simulated_as("jbd")
}

/// The same behind another protocol.
pub(crate) fn simulated_as(bms: &str) -> Answers {
    let mut board = responder(bms).unwrap();
    let mut units = [Unit::new(1, &PackConfig::default(), Scenario::default())];
    let mut last = Instant::now();
    Box::new(move |input| {
        let now = Instant::now();
        units[0].advance(now - std::mem::replace(&mut last, now));
        board.answer(input, &mut units).into_iter().flat_map(|reply| reply.bytes).collect()
    })
}

/// There is no board.
pub(crate) fn nobody() -> Answers {
    Box::new(|_| Vec::new())
}

/// A device that is not a BMS replies to every request with 40 bytes.
pub(crate) fn noise() -> Answers {
    Box::new(|input| if input.is_empty() { Vec::new() } else { [0x55, 0x13, 0xA7, 0x00, 0xF1].repeat(8) })
}
