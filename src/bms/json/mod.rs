//! A battery whose values another program publishes: one JSON object per message of an MQTT topic.
//!
//! ```text
//! message    1E | JSON object without control characters | 0A     at most 4096 bytes, as in RFC 7464
//! ```
//! The port adds the two bytes and passes on only messages that are known to be new: see [`crate::link::mqtt`]. The keys are those of
//! the [reading's JSON](crate::model::Reading), and those of dbus-serialbattery's generic MQTT BMS
//! (mr-manuel/venus-os_dbus-serialbattery, `bms/generic_mqtt.py` and `test/example_mqtt_data_full.json`): see [`SCHEMA`]. Nothing is
//! ever sent.

pub(crate) mod alarms;
mod keys;
mod object;
mod values;

use super::bytes::skip_to;
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
pub use keys::{Key, SCHEMA};
use object::Object;
use serde::de::IgnoredAny;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "json",
    label: "JSON over MQTT",
    boards: "any battery whose values another program publishes as JSON, also in the format of dbus-serialbattery's generic MQTT BMS",
    // A broker has no line settings.
    lines: &[Line { baud: 115_200 }],
    listed_lines_only: true,
    addresses: &[],
    gap: Duration::ZERO,
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    evidence: Evidence::OwnFormat,
    transports: &[Transport::Mqtt],
    new: |_| Box::new(Json),
};

/// First byte of a message.
pub(crate) const START: u8 = 0x1E;
/// Last byte of a message.
pub(crate) const END: u8 = b'\n';
/// Longest message, with both.
pub(crate) const MAX_MESSAGE: usize = 4096;

/// A sender that is slower than this is silent by the rules of silence, too.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// The decoder has no state: every message is complete.
#[derive(Debug)]
struct Json;

/// The bytes of a message with this content; `None` if it is too long, or no JSON object without control characters.
pub(crate) fn message(json: &str) -> Option<Vec<u8>> {
    let bytes = [&[START], json.as_bytes(), &[END]].concat();
    (Json.framing(&bytes) == Framing::Frame(0..bytes.len()) && json.starts_with('{')).then_some(bytes)
}

impl Codec for Json {
    fn framing(&self, buf: &[u8]) -> Framing {
        let Some((START, behind)) = buf.split_first().map(|(first, behind)| (*first, behind)) else {
            return if buf.is_empty() { Framing::Incomplete } else { skip_to(START, buf) };
        };
        match behind.iter().take(MAX_MESSAGE.saturating_sub(1)).position(|byte| *byte < 0x20) {
            None if buf.len() < MAX_MESSAGE => Framing::Incomplete,
            Some(end) if behind.get(end) == Some(&END) && is_json(behind.get(..end).unwrap_or_default()) => {
                Framing::Frame(0..end.saturating_add(2))
            }
            _ => skip_to(START, buf),
        }
    }

    fn decode(&mut self, _: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let text = frame.strip_prefix(&[START]).and_then(|frame| frame.strip_suffix(&[END])).unwrap_or_default();
        let object: Object = serde_json::from_slice(text).map_err(|_| DecodeError::Foreign { what: "no JSON object" })?;
        if values::read(&object, into) {
            Ok(Progress::Done)
        } else {
            Err(DecodeError::Layout { what: "JSON without a key of docs/mqtt.md" })
        }
    }
}

impl Protocol for Json {
    fn identify(&self) -> Request {
        Request::only_listen("message", MESSAGE_TIMEOUT)
    }

    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        vec![self.identify()]
    }

    /// The network's checks and the form of JSON are stronger than a sum.
    fn has_weak_checksum(&self) -> bool {
        false
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_object_within_bounds() {
        assert!(message(r#"{"voltage_v":52.8}"#).is_some());
        for wrong in ["", "{", "[1]", "5", "{}{}", "{\"a\":\n1}", r#"{"a":NaN}"#] {
            assert_eq!(message(wrong), None, "{wrong}");
        }
        assert_eq!(message(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_MESSAGE))), None);
    }
}
