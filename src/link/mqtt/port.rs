//! A port whose bytes are the messages of one topic.
//!
//! A thread keeps the connection and passes on the newest message only: an older one is of no use. What is no present JSON object is
//! dropped there, with its reason kept for the owner.

use super::age::{Age, Progress};
use super::connection::Connection;
use super::{Broker, ReceivedMessage};
use crate::base::runtime::{self, now};
use crate::bms::json;
use crate::link::{LinkError, OpenError, Port};
use serde::Deserialize;
use serde_json::Value;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Beginning of the names of these ports.
pub const SCHEME: &str = "mqtt://";

/// Timestamps above this are in milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// What has come since a message was passed on last, in the order of what tells most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Nothing {
    #[default]
    NotConnected,
    NoMessage,
    Kept,
    Old,
    NoJson,
}

impl Nothing {
    /// In words, with the remedy.
    fn text(self) -> &'static str {
        match self {
            Self::NotConnected => {
                "there is no connection to the broker. Check that it runs, host and TCP port in the name of the port, and user and password in `[mqtt]`"
            }
            Self::NoMessage => "nothing was published. Check that the sender runs, and the topic in the name of the port",
            Self::Kept => {
                "only messages came that the broker had kept and that may have any age. Let the sender run, and publish without retain"
            }
            Self::Old => "only messages with an old or repeated `timestamp` came. Check clock and network of the sender",
            Self::NoJson => {
                "messages came that are no JSON object of at most 4 kB. Check the sender, and the topic in the name of the port"
            }
        }
    }
}

/// Between the thread and the port.
#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    message: Option<Vec<u8>>,
    nothing: Nothing,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, message: Vec<u8>) {
        self.lock().message = Some(message);
        self.filled.notify_all();
    }

    fn tell(&self, nothing: Nothing) {
        let mut state = self.lock();
        state.nothing = state.nothing.max(nothing);
    }

    /// The newest message, waiting for it.
    fn take(&self, wait: Duration) -> Option<Vec<u8>> {
        let state = self.lock();
        let waited = self.filled.wait_timeout_while(state, wait, |state| state.message.is_none());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let message = state.message.take();
        if message.is_some() {
            state.nothing = Nothing::NoMessage;
        }
        message
    }
}

/// A subscription; it reconnects by itself, and ends when dropped.
pub struct Mqtt {
    name: String,
    slot: Arc<Slot>,
    rest: Vec<u8>,
    /// Dropping it ends the thread.
    _running: oneshot::Sender<()>,
}

impl Mqtt {
    /// Subscribes to `mqtt://HOST[:PORT]/TOPIC`, with login and encryption of `broker`.
    ///
    /// # Errors
    /// The name is wrong, or the operating system refuses a thread.
    pub fn subscribe(name: &str, broker: &Broker) -> Result<Self, OpenError> {
        static PORTS: AtomicU32 = AtomicU32::new(0);
        let (host, port, topic) = address(name).ok_or_else(|| OpenError::MqttAddress { name: without_login(name) })?;
        let broker = Broker { host, port, in_port_name: true, ..broker.clone() };
        // Two clients of the same ID disconnect each other.
        let part = format!("-battery{}", PORTS.fetch_add(1, Ordering::Relaxed));
        let slot = Arc::<Slot>::default();
        let (running, ended) = oneshot::channel();
        let filled = Arc::clone(&slot);
        runtime::spawn("mqtt", move || {
            let kept = runtime::block_on(keep(&broker, &part, topic, &filled, ended));
            if let Err(error) = kept {
                log::warn!("MQTT does not start: {error}; restart the driver");
            }
        })
        .map_err(|source| OpenError::Failed { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), slot, rest: Vec::new(), _running: running })
    }
}

/// Passes messages on until the port is dropped.
async fn keep(broker: &Broker, part: &str, topic: String, slot: &Slot, mut ended: oneshot::Receiver<()>) {
    let mut connection = Connection::start(broker, part, None, vec![topic]);
    let mut progress = Progress::default();
    loop {
        let heard = tokio::select! {
            heard = connection.next() => heard,
            _ = &mut ended => return,
        };
        match heard {
            Some(heard) => match judge(&heard, &mut progress) {
                Ok(message) => slot.fill(message),
                Err(nothing) => slot.tell(nothing),
            },
            None if connection.number() != 0 => slot.tell(Nothing::NoMessage),
            None => slot.lock().nothing = Nothing::NotConnected,
        }
    }
}

/// The bytes of a present message.
fn judge(heard: &ReceivedMessage, progress: &mut Progress) -> Result<Vec<u8>, Nothing> {
    #[derive(Deserialize)]
    struct Stamped {
        #[serde(default)]
        timestamp: Value,
    }
    let text = std::str::from_utf8(&heard.payload).map_err(|_| Nothing::NoJson)?;
    let Stamped { timestamp } = serde_json::from_str(text).map_err(|_| Nothing::NoJson)?;
    let seconds = timestamp.as_f64().map(|stamp| if stamp > MILLISECONDS_FROM { stamp / 1000.0 } else { stamp });
    match progress.judge(seconds, heard.old, now().at) {
        Age::New => json::message(&on_one_line(text)).ok_or(Nothing::NoJson),
        Age::Kept => Err(Nothing::Kept),
        Age::Old => Err(Nothing::Old),
    }
}

/// Valid JSON without white space outside of its texts.
fn on_one_line(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let keep = |c: &char| {
        let here = in_text;
        match (*c, in_text && !escaped) {
            ('"', _) if !escaped => in_text = !in_text,
            ('\\', true) => {
                escaped = true;
                return true;
            }
            _ => {}
        }
        escaped = false;
        here || !c.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

/// Host, TCP port and topic in a name. A topic is a single one: two batteries must not share a port.
fn address(name: &str) -> Option<(String, Option<u16>, String)> {
    let (server, topic) = name.strip_prefix(SCHEME)?.split_once('/')?;
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => (host, Some(port.parse().ok()?)),
        _ => (server, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let wrong = host.is_empty() || host.contains('@') || topic.is_empty() || topic.contains(['+', '#', '\0']);
    (!wrong).then(|| (host.to_owned(), port, topic.to_owned()))
}

/// The name without user and password, which do not belong there.
fn without_login(name: &str) -> String {
    match name.rsplit_once('@') {
        Some((_, rest)) => format!("{SCHEME}…@{rest}"),
        None => name.to_owned(),
    }
}

impl Port for Mqtt {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "nothing is sent to a battery over MQTT"))
    }

    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        if self.rest.is_empty() {
            let Some(message) = self.slot.take(wait) else { return Ok(0) };
            self.rest = message;
        }
        let n = self.rest.len().min(buf.len());
        buf.iter_mut().zip(self.rest.drain(..n)).for_each(|(to, from)| *to = from);
        Ok(n)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.rest.clear();
        self.slot.lock().message = None;
        Ok(())
    }

    fn silence(&self) -> LinkError {
        LinkError::NoMessage { why: self.slot.lock().nothing.text() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_host_and_one_topic_and_no_login() {
        let of = |host: &str, port, topic: &str| Some((host.to_owned(), port, topic.to_owned()));
        assert_eq!(address("mqtt://localhost/home/battery"), of("localhost", None, "home/battery"));
        assert_eq!(address("mqtt://10.0.0.5:1884/b"), of("10.0.0.5", Some(1884), "b"));
        assert_eq!(address("mqtt://[fd00::1]:1883/b"), of("fd00::1", Some(1883), "b"));
        for wrong in
            ["mqtt://", "mqtt://host", "mqtt://host/", "mqtt:///b", "mqtt://h:x/b", "mqtt://h/+/b", "mqtt://h/#", "mqtt://u:p@h/b"]
        {
            assert_eq!(address(wrong), None, "{wrong}");
        }
        assert_eq!(without_login("mqtt://user:secret@host/b"), "mqtt://…@host/b");
    }

    #[test]
    fn only_white_space_outside_of_texts_is_dropped() {
        assert_eq!(on_one_line("{ \"a\" :\n\t[1, 2],\"b c\": \"x \\\" y\\\\\" }"), "{\"a\":[1,2],\"b c\":\"x \\\" y\\\\\"}");
    }

    #[test]
    fn the_newest_message_is_passed_on_in_pieces() {
        let slot = Arc::<Slot>::default();
        let (running, _ended) = oneshot::channel();
        let mut port = Mqtt { name: String::new(), slot: Arc::clone(&slot), rest: Vec::new(), _running: running };
        assert_eq!(port.receive(&mut [0; 8], Duration::ZERO).unwrap(), 0);
        slot.fill(vec![1; 20]);
        slot.fill((0..10).collect());
        let mut buf = [0; 8];
        assert_eq!(port.receive(&mut buf, Duration::ZERO).unwrap(), 8);
        assert_eq!(buf, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(port.receive(&mut buf, Duration::ZERO).unwrap(), 2);
        slot.fill(vec![1]);
        port.clear().unwrap();
        assert_eq!(port.receive(&mut buf, Duration::ZERO).unwrap(), 0);
    }
}
