//! Describes what was received on a port without a BMS, in one sentence for the owner.

use super::Candidate;
use crate::bms::{Line, Transport};
use crate::link::{LinkError, transport};
use std::fmt;
use std::time::Duration;

/// On a CAN bus nothing else than silence can be told from a battery.
const CAN_REMEDY: &str = "Check that the battery is awake and its CAN protocol is chosen in its app, the bit rate of the interface (Daly \
                          250 kbit/s), CAN_H, CAN_L and ground, and the resistors at both ends.";

/// What was received instead of a battery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortActivity {
    /// Nothing.
    Silence,
    /// No message that counts, on a topic; what came instead.
    NoMessage(&'static str),
    /// The echo of the request.
    Echo,
    /// Bytes without a frame.
    Noise {
        /// How many.
        bytes: usize,
    },
    /// Valid frames that answer another request.
    Foreign,
    /// Something like a frame of this BMS with a failed check.
    Damaged,
    /// The BMS refused to identify itself.
    Refused {
        /// Its code.
        code: u8,
    },
    /// It identified itself, but this request got no valid answer.
    Unread(&'static str),
    /// It identified itself, but its reading is impossible.
    Unconfirmed(String),
}

impl PortActivity {
    /// Rank: how close this is to a battery.
    fn weight(&self) -> u8 {
        match self {
            PortActivity::Silence | PortActivity::NoMessage(_) => 0,
            PortActivity::Echo => 1,
            PortActivity::Noise { .. } => 2,
            PortActivity::Foreign => 3,
            PortActivity::Damaged => 4,
            PortActivity::Refused { .. } => 5,
            PortActivity::Unread(_) => 6,
            PortActivity::Unconfirmed(_) => 7,
        }
    }

    /// A BMS is present, and a later answer may be valid.
    pub(super) fn is_worth_retrying(&self) -> bool {
        matches!(self, PortActivity::Damaged | PortActivity::Unread(_))
    }

    fn remedy(&self) -> &'static str {
        match self {
            PortActivity::Silence => {
                "Check that the BMS is awake, that its UART or RS485 port is enabled in its app, and the wiring (RX/TX or A/B, ground)."
            }
            PortActivity::NoMessage(_) => "Publish a message by hand to try it: docs/mqtt.md has an example.",
            PortActivity::Echo => "The adapter works; the BMS is asleep, switched off or not connected (try A and B swapped).",
            PortActivity::Noise { .. } => {
                "Bytes come, but at no known speed or from an unknown device: check A/B, ground and the protocol set in the BMS."
            }
            PortActivity::Foreign => "Another master or program is talking on this line: only one may.",
            PortActivity::Damaged | PortActivity::Unread(_) => {
                "A BMS answers, but the line damages it: check ground, shield, termination and cable length."
            }
            PortActivity::Refused { .. } => "A BMS is there but wants a password or does not know this request.",
            PortActivity::Unconfirmed(_) => "A BMS seems to be there: try again, and if it stays so please send a recording.",
        }
    }
}

/// On Bluetooth the way is right, as the device has the services of a BMS.
const WIRELESS_REMEDY: &str = "Set `bluetooth.password` if the app of the BMS asks for one, and `bms` if it is an untested family; \
    try the adapter closer to the battery.";

impl fmt::Display for PortActivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortActivity::Silence => f.write_str("silence"),
            PortActivity::NoMessage(why) => f.write_str(why),
            PortActivity::Echo => f.write_str("only the requests' echo"),
            PortActivity::Noise { bytes } => write!(f, "noise ({bytes} bytes)"),
            PortActivity::Foreign => f.write_str("answers to other requests"),
            PortActivity::Damaged => f.write_str("damaged frames"),
            PortActivity::Refused { code } => write!(f, "a refusal (code {code:#04x})"),
            PortActivity::Unread(what) => write!(f, "an identification, but no {what} came"),
            PortActivity::Unconfirmed(why) => write!(f, "an identification, but {why}"),
        }
    }
}

impl From<&LinkError> for PortActivity {
    fn from(error: &LinkError) -> Self {
        match error {
            LinkError::Silent | LinkError::Unheard | LinkError::Vanished(_) | LinkError::Disconnected(_) | LinkError::Io(_) => {
                PortActivity::Silence
            }
            LinkError::NoMessage { why } => PortActivity::NoMessage(why),
            LinkError::EchoOnly => PortActivity::Echo,
            LinkError::Noise { bytes } => PortActivity::Noise { bytes: *bytes },
            LinkError::Foreign { .. } | LinkError::Late { .. } => PortActivity::Foreign,
            LinkError::Impossible { why } => PortActivity::Unconfirmed(why.clone()),
            LinkError::Layout { what } => PortActivity::Unconfirmed(format!("the BMS sends {what}, which is not supported")),
            LinkError::Damaged | LinkError::Contradictory | LinkError::Incomplete { .. } | LinkError::Short { .. } => {
                PortActivity::Damaged
            }
            LinkError::Refused { code } => PortActivity::Refused { code: *code },
        }
    }
}

/// The result of a search that found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    /// The port.
    pub port: String,
    /// Per driver and line the closest result to a battery, in the order of the search.
    pub heard: Vec<(&'static str, Line, PortActivity)>,
    /// Duration of the search.
    pub elapsed: Duration,
}

impl NotFound {
    pub(crate) fn new(port: &str) -> Self {
        Self { port: port.to_owned(), heard: Vec::new(), elapsed: Duration::ZERO }
    }

    pub(super) fn after(self, elapsed: Duration) -> Self {
        Self { elapsed, ..self }
    }

    /// Keeps the closest result of a driver at a speed.
    pub(super) fn record(&mut self, candidate: &Candidate, heard: PortActivity) {
        let (label, line) = (candidate.driver.label, candidate.line);
        match self.heard.iter_mut().find(|(known, at, _)| (*known, *at) == (label, line)) {
            Some((_, _, nearest)) if nearest.weight() < heard.weight() => *nearest = heard,
            Some(_) => {}
            None => self.heard.push((label, line, heard)),
        }
    }

    /// Whether anything came on this line that is not an echo.
    pub(super) fn has_heard(&self, line: Line) -> bool {
        self.heard.iter().any(|(_, at, heard)| *at == line && heard.weight() > PortActivity::Echo.weight())
    }

    /// The closest result to a battery.
    pub fn nearest(&self) -> &PortActivity {
        self.heard.iter().map(|(_, _, heard)| heard).max_by_key(|heard| heard.weight()).unwrap_or(&PortActivity::Silence)
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no BMS answered on {} in {:.1} s (", self.port, self.elapsed.as_secs_f64())?;
        let wireless = transport(&self.port) == Transport::Bluetooth;
        for (index, (label, line, heard)) in self.heard.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            match (heard, line.is_can()) {
                (PortActivity::NoMessage(why), _) => write!(f, "{separator}{label}: {why}")?,
                (_, true) => write!(f, "{separator}{label} over CAN: {heard}")?,
                (_, false) if wireless => write!(f, "{separator}{label}: {heard}")?,
                (_, false) => write!(f, "{separator}{label} at {}: {heard}", line.baud)?,
            }
        }
        let over_can = self.heard.iter().any(|(_, line, _)| line.is_can());
        let nearest = self.nearest();
        let remedy = match nearest {
            PortActivity::Unconfirmed(_) => nearest.remedy(),
            _ if over_can => CAN_REMEDY,
            _ if wireless => WIRELESS_REMEDY,
            _ => nearest.remedy(),
        };
        write!(f, "). {remedy}")
    }
}

impl std::error::Error for NotFound {}
