//! What was heard on a port where no BMS was found, in one sentence for the owner.

use super::Candidate;
use crate::link::LinkError;
use std::fmt;
use std::time::Duration;

/// What came instead of a battery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Silence,
    /// Our own request.
    Echo,
    /// Bytes without a frame.
    Noise {
        /// How many.
        bytes: usize,
    },
    /// Valid frames that answer something else.
    Foreign,
    /// Something like a frame of this BMS whose check failed.
    Damaged,
    /// The BMS declined to tell what it is.
    Refused {
        /// Its code.
        code: u8,
    },
    /// It identified itself, but gave no reading that can be true.
    Unconfirmed(String),
}

impl Heard {
    /// How near this is to a battery.
    fn weight(&self) -> u8 {
        match self {
            Heard::Silence => 0,
            Heard::Echo => 1,
            Heard::Noise { .. } => 2,
            Heard::Foreign => 3,
            Heard::Damaged => 4,
            Heard::Refused { .. } => 5,
            Heard::Unconfirmed(_) => 6,
        }
    }

    fn remedy(&self) -> &'static str {
        match self {
            Heard::Silence => {
                "Check that the BMS is awake, that its UART or RS485 port is enabled in its app, and the wiring (RX/TX or A/B, ground)."
            }
            Heard::Echo => "The adapter works; the BMS is asleep, switched off or not connected (try A and B swapped).",
            Heard::Noise { .. } => {
                "Bytes come, but at no known speed or from an unknown device: check A/B, ground and the protocol set in the BMS."
            }
            Heard::Foreign => "Another master or program is talking on this line: only one may.",
            Heard::Damaged => "A BMS answers, but the line damages it: check ground, shield, termination and cable length.",
            Heard::Refused { .. } => "A BMS is there but wants a password or does not know this request.",
            Heard::Unconfirmed(_) => "A BMS seems to be there: try again, and if it stays so please send a recording.",
        }
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Heard::Silence => f.write_str("silence"),
            Heard::Echo => f.write_str("only our own requests"),
            Heard::Noise { bytes } => write!(f, "noise ({bytes} bytes)"),
            Heard::Foreign => f.write_str("answers to other requests"),
            Heard::Damaged => f.write_str("damaged frames"),
            Heard::Refused { code } => write!(f, "a refusal (code {code:#04x})"),
            Heard::Unconfirmed(why) => write!(f, "an identification, but {why}"),
        }
    }
}

impl From<&LinkError> for Heard {
    fn from(error: &LinkError) -> Self {
        match error {
            LinkError::Silent | LinkError::Unheard | LinkError::Vanished(_) | LinkError::Io(_) => Heard::Silence,
            LinkError::EchoOnly => Heard::Echo,
            LinkError::Noise { bytes } => Heard::Noise { bytes: *bytes },
            LinkError::Foreign { .. } => Heard::Foreign,
            LinkError::Damaged | LinkError::Contradictory | LinkError::Incomplete { .. } | LinkError::Short { .. } => {
                Heard::Damaged
            }
            LinkError::Refused { code } => Heard::Refused { code: *code },
        }
    }
}

/// The outcome of a search that found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFound {
    /// The port.
    pub port: String,
    /// Per driver and baud rate what came nearest to a battery, in the order of trying.
    pub heard: Vec<(&'static str, u32, Heard)>,
    /// How long the search took.
    pub elapsed: Duration,
}

impl NotFound {
    pub(super) fn new(port: &str) -> Self {
        Self { port: port.to_owned(), heard: Vec::new(), elapsed: Duration::ZERO }
    }

    pub(super) fn after(self, elapsed: Duration) -> Self {
        Self { elapsed, ..self }
    }

    /// Remembers the nearest of all that a driver heard at a speed.
    pub(super) fn note(&mut self, candidate: &Candidate, heard: Heard) {
        let (label, baud) = (candidate.driver.label, candidate.line.baud);
        match self.heard.iter_mut().find(|(known, at, _)| (*known, *at) == (label, baud)) {
            Some((_, _, nearest)) if nearest.weight() < heard.weight() => *nearest = heard,
            Some(_) => {}
            None => self.heard.push((label, baud, heard)),
        }
    }

    /// What came nearest to a battery.
    pub fn nearest(&self) -> &Heard {
        self.heard.iter().map(|(_, _, heard)| heard).max_by_key(|heard| heard.weight()).unwrap_or(&Heard::Silence)
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no BMS answered on {} in {:.1} s (", self.port, self.elapsed.as_secs_f64())?;
        for (index, (label, baud, heard)) in self.heard.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{label} at {baud}: {heard}")?;
        }
        write!(f, "). {}", self.nearest().remedy())
    }
}

impl std::error::Error for NotFound {}
