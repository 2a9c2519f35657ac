//! Recordings and test vectors: traffic of a line, and the readings expected from it.
//!
//! ```json
//! {
//!   "bms": "jbd",
//!   "source": "where it comes from",
//!   "recorded": true,
//!   "note": "what is special, optional",
//!   "asked": "anything",
//!   "traffic": [
//!     {"t": 0.0, "sent": "dda50300fffd77"},
//!     {"t": 0.05, "received": "dd03…77"}
//!   ],
//!   "readings": [{"bms": "jbd", "voltage_v": 13.19}]
//! }
//! ```
//! `recorded` is false for bytes that were not sent by a device. `t` counts seconds from the start. An event may have a `baud`: the
//! line speed from here on. Without `asked` only replies to the sent requests count; with it (or if nothing was sent) every valid
//! frame does. `readings` is exactly the output of `decode`; an empty list means that no reading is expected. A file of the flight
//! recorder also has a [`flight`](super::flight).

use super::flight::Flight;
use crate::base::hex;
use crate::bms::bluetooth::of_recorded;
use crate::bms::frame_collector::FrameCollector;
use crate::bms::redaction::redact;
use crate::bms::{Driver, Request};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;
use thiserror::Error;

/// Maximum file size, bytes.
pub const MAX_FILE: usize = 16 << 20;
/// Maximum number of events in a file.
pub const MAX_EVENTS: usize = 100_000;
/// Maximum number of bytes in an event.
pub const MAX_EVENT: usize = 4096;
/// Maximum number of batteries in a file of the flight recorder: as many as fit on a line.
const MAX_BATTERIES: usize = 256;

/// Replaces the protocol name if the protocol is unknown.
pub const UNKNOWN: &str = "unknown";

/// A recording with its expected readings.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Protocol name, as in the registry, or [`UNKNOWN`].
    pub bms: String,
    /// Origin of the bytes: a file, a device, or how they were constructed.
    pub source: String,
    /// A device sent these bytes; false for derived or constructed ones.
    pub recorded: bool,
    /// Note about its special properties.
    pub note: Option<String>,
    /// Every valid frame counts, whether requested or not.
    pub any_valid_frame: bool,
    /// The traffic in order of time.
    pub traffic: Vec<Event>,
    /// Expected readings: one object per battery, with the keys of the JSON output.
    pub readings: Vec<Map<String, Value>>,
    /// What the flight recorder adds, if it wrote the recording.
    pub flight: Option<Flight>,
}

/// Bytes sent over the line in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Time since the start of the recording.
    pub at: Duration,
    /// Line speed from here on, if known and changed.
    pub baud: Option<u32>,
    /// Sender.
    pub direction: Direction,
    /// The bytes, 1 to [`MAX_EVENT`].
    pub bytes: Vec<u8>,
}

/// Sender of the bytes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The driver: a request.
    Sent,
    /// The other end.
    Received,
}

/// Why a file is not a recording.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// Not JSON, or a field is missing, unknown or of the wrong type; the text contains line and column.
    #[error("{file}: {error}. Give a recording, with bms, source, recorded, traffic and readings")]
    Json {
        /// The file's name.
        file: String,
        /// Error of the parser.
        error: serde_json::Error,
    },
    /// A field has an invalid value.
    #[error("{file}: {field}: {problem}; correct it, or record again")]
    Field {
        /// The file's name.
        file: String,
        /// The field, as in `traffic[3].received`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    bms: String,
    source: String,
    recorded: bool,
    note: Option<String>,
    asked: Option<String>,
    traffic: Vec<RawEvent>,
    readings: Vec<Map<String, Value>>,
    flight: Option<Flight>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    t: f64,
    baud: Option<u32>,
    sent: Option<String>,
    received: Option<String>,
}

impl Recording {
    /// Parses the text of `file`, whose name is used in errors only.
    ///
    /// # Errors
    /// [`RecordingError`] names the file and the field.
    pub fn parse(file: &str, text: &str) -> Result<Self, RecordingError> {
        let wrong = |field: &str, problem: String| RecordingError::Field { file: file.into(), field: field.into(), problem };
        if text.len() > MAX_FILE {
            return Err(wrong("size", format!("{} bytes; at most {MAX_FILE} are read", text.len())));
        }
        let raw: Raw = serde_json::from_str(text).map_err(|error| RecordingError::Json { file: file.into(), error })?;
        if raw.bms.is_empty() || raw.source.is_empty() {
            return Err(wrong("bms, source", "both must say something".into()));
        }
        if raw.asked.as_deref().is_some_and(|asked| asked != "anything") {
            return Err(wrong("asked", "may only be \"anything\"; leave it out to count replies to the sent requests".into()));
        }
        if raw.traffic.len() > MAX_EVENTS {
            return Err(wrong("traffic", format!("{} events; at most {MAX_EVENTS} are read", raw.traffic.len())));
        }
        let mut traffic: Vec<Event> = Vec::with_capacity(raw.traffic.len());
        for (index, event) in raw.traffic.iter().enumerate() {
            let after = traffic.last().map(|last| last.at).unwrap_or_default();
            let event = event.check(after).map_err(|(field, problem)| wrong(&format!("traffic[{index}].{field}"), problem))?;
            traffic.push(event);
        }
        let Raw { bms, source, recorded, note, asked, readings, flight, .. } = raw;
        if flight.as_ref().is_some_and(|flight| flight.decisions.len() > MAX_EVENTS || flight.batteries.len() > MAX_BATTERIES) {
            let most = format!("at most {MAX_EVENTS} decisions of {MAX_BATTERIES} batteries are read");
            return Err(wrong("flight", most));
        }
        Ok(Self { bms, source, recorded, note, any_valid_frame: asked.is_some(), traffic, readings, flight })
    }

    /// The file's text: one line per event and per value, so that a change affects one line.
    pub fn text(&self) -> String {
        let mut text = String::from("{\n");
        let mut field = |key: &str, value: Value| {
            let _ = writeln!(text, "  \"{key}\": {value},");
        };
        field("bms", self.bms.as_str().into());
        field("source", self.source.as_str().into());
        field("recorded", self.recorded.into());
        if let Some(note) = &self.note {
            field("note", note.as_str().into());
        }
        if self.any_valid_frame {
            field("asked", "anything".into());
        }
        if let Some(flight) = &self.flight {
            let _ = writeln!(text, "  \"flight\": {},", flight.text());
        }
        let events = self.traffic.iter().map(Event::text).collect();
        let readings = self.readings.iter().map(reading_text).collect();
        let _ = write!(text, "  \"traffic\": {},\n  \"readings\": {}\n}}\n", list(events), list(readings));
        text
    }

    /// The requests whose replies count; empty if every valid frame counts.
    pub fn requests(&self) -> Vec<Request> {
        let sent = self.traffic.iter().filter(|event| !self.any_valid_frame && event.direction == Direction::Sent);
        let mut requests: Vec<Request> = Vec::new();
        for event in sent {
            if !requests.iter().any(|known| *known.bytes == *event.bytes) {
                let bytes = Cow::Owned(event.bytes.clone());
                requests.push(Request { what: "recorded request", bytes, timeout: Duration::ZERO, required: false });
            }
        }
        requests
    }

    /// All bytes received from the other end.
    pub fn received(&self) -> Vec<u8> {
        let received = self.traffic.iter().filter(|event| event.direction == Direction::Received);
        received.flat_map(|event| event.bytes.iter().copied()).collect()
    }

    /// Overwrites the passwords of all known protocols; must be called before a recording is written or shown.
    pub fn redact(&mut self) {
        for direction in [Direction::Sent, Direction::Received] {
            let of_direction = |event: &&mut Event| event.direction == direction;
            let mut stream: Vec<u8> = self.traffic.iter_mut().filter(of_direction).flat_map(|event| event.bytes.clone()).collect();
            redact(&mut stream);
            let mut rest = stream.as_slice();
            for event in self.traffic.iter_mut().filter(of_direction) {
                if let Some((bytes, behind)) = rest.split_at_checked(event.bytes.len()) {
                    event.bytes.copy_from_slice(bytes);
                    rest = behind;
                }
            }
        }
    }

    /// Sets the expected readings to those decoded by `driver`.
    pub fn set_expected_readings(&mut self, driver: &'static Driver) {
        self.bms = driver.name.to_owned();
        let readings = self.play(driver).readings().filter_map(|reading| serde_json::to_value(reading).ok()).collect::<Vec<_>>();
        self.readings =
            readings.into_iter().filter_map(|value| if let Value::Object(map) = value { Some(map) } else { None }).collect();
    }

    /// The driver that decodes it as a recording of `driver`'s family, and the requests whose replies count. Where a board has another
    /// driver on Bluetooth, it sends by itself: every frame counts.
    pub(crate) fn decoded_by(&self, driver: &'static Driver) -> (&'static Driver, Vec<Request>) {
        let received = self.received();
        let sent = self.traffic.iter().filter(|event| event.direction == Direction::Sent).map(|event| event.bytes.as_slice());
        let used = of_recorded(driver, sent.chain([received.as_slice()]));
        (used, if std::ptr::eq(used, driver) { self.requests() } else { Vec::new() })
    }

    /// Decodes the recording with `driver`.
    pub fn play(&self, driver: &'static Driver) -> FrameCollector {
        let (driver, mut asked) = self.decoded_by(driver);
        let mut traffic = FrameCollector::new(driver);
        for event in &self.traffic {
            match event.direction {
                Direction::Sent => move_to_front(&mut asked, event),
                Direction::Received => traffic.feed(&event.bytes, &asked),
            }
        }
        traffic.end(&asked);
        traffic
    }
}

/// Moves the request of `event` to the front: a reply that does not identify its request belongs to the last one.
pub(crate) fn move_to_front(asked: &mut [Request], event: &Event) {
    if let Some(place) = asked.iter().position(|request| *request.bytes == *event.bytes)
        && let Some(before) = asked.get_mut(..=place)
    {
        before.rotate_right(1);
    }
}

impl RawEvent {
    /// The event, or the invalid field and the reason.
    fn check(&self, after: Duration) -> Result<Event, (&'static str, String)> {
        let (field, direction, text) = match (&self.sent, &self.received) {
            (Some(text), None) => ("sent", Direction::Sent, text),
            (None, Some(text)) => ("received", Direction::Received, text),
            _ => return Err(("sent, received", "exactly one of them must be there".into())),
        };
        let at = Duration::try_from_secs_f64(self.t).map_err(|error| ("t", error.to_string()))?;
        if at < after {
            return Err(("t", format!("{} s lies before the event above", self.t)));
        }
        let bytes = hex::decode(text).map_err(|error| (field, error.to_string()))?;
        if bytes.is_empty() || bytes.len() > MAX_EVENT {
            return Err((field, format!("{} bytes; an event has 1 to {MAX_EVENT}", bytes.len())));
        }
        Ok(Event { at, baud: self.baud, direction, bytes })
    }
}

impl Event {
    fn text(&self) -> String {
        let key = if self.direction == Direction::Sent { "sent" } else { "received" };
        // Milliseconds are finer than the gaps on a serial line and keep the text short and stable.
        let seconds = crate::base::units::round(self.at.as_secs_f64(), 3);
        let baud = self.baud.map(|baud| format!("\"baud\": {baud}, ")).unwrap_or_default();
        format!("    {{\"t\": {seconds:?}, {baud}\"{key}\": \"{}\"}}", hex::encode(&self.bytes))
    }
}

fn reading_text(reading: &Map<String, Value>) -> String {
    let lines: Vec<String> = reading.iter().map(|(key, value)| format!("      {}: {value}", Value::from(key.as_str()))).collect();
    format!("    {{\n{}\n    }}", lines.join(",\n"))
}

fn list(items: Vec<String>) -> String {
    if items.is_empty() { "[]".into() } else { format!("[\n{}\n  ]", items.join(",\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "bms": "jbd",
  "source": "constructed",
  "recorded": false,
  "traffic": [
    {"t": 0.0, "sent": "dda50300fffd77"},
    {"t": 0.05, "received": "dd038000ff8077"}
  ],
  "readings": [
    {
      "bms": "jbd",
      "soc_pct": 12.5
    }
  ]
}
"#;

    #[test]
    fn what_is_written_is_what_was_read() {
        assert_eq!(Recording::parse("a.json", TEXT).unwrap().text(), TEXT);
    }

    #[test]
    fn errors_name_the_file_and_the_field() {
        for (from, to, expected) in [
            ("dd038000", "dd03800x", "a.json: traffic[1].received: 'x'"),
            ("0.05", "-1.0", "a.json: traffic[1].t"),
            ("\"t\": 0.0,", "\"t\": 1.0,", "a.json: traffic[1].t: 0.05 s lies before"),
            ("\"sent\": \"dda50300fffd77\"", "\"sent\": \"\"", "a.json: traffic[0].sent: 0 bytes"),
            ("\"sent\"", "\"said\"", "a.json: unknown field `said`"),
            ("\"recorded\": false,", "", "a.json: missing field `recorded`"),
            ("\"recorded\": false", "\"recorded\": false, \"asked\": \"03\"", "a.json: asked: may only be"),
        ] {
            let error = Recording::parse("a.json", &TEXT.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn only_what_was_sent_is_asked_for_unless_anything_is() {
        let mut vector = Recording::parse("a.json", TEXT).unwrap();
        assert_eq!(vector.requests().len(), 1);
        vector.any_valid_frame = true;
        assert!(vector.requests().is_empty());
    }
}
