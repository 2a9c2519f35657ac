//! How requests reach a battery: every input (D-Bus, dashboard, hub) holds a [`CommandHandle`] and gets an answer to each.

use super::Override;
use crate::base::units::Amps;
use crate::model::{Command, Outcome, Reply};
use std::fmt;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// Time limit of a request: a command, its repetition, and other traffic on the line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A request of the owner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ControlRequest {
    /// A command to the BMS.
    Command(Command),
    /// A temporary override of charge control.
    Override(Override),
}

/// The text is not a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not a command.
    #[error("{what:?} {value:?} is not a command: there are charge, discharge and balance, each on or off, and soc with 0 to 100")]
    Command {
        /// What was to be set.
        what: String,
        /// To what.
        value: String,
    },
    /// Not an override.
    #[error("unknown override {0:?}: use `charge-to-100`, `balance`, `ccl AMPS for SECONDS`, `dcl AMPS for SECONDS` or `clear`")]
    Override(String),
}

impl RequestError {
    /// `what` and `value` are no command.
    pub fn command(what: &str, value: &str) -> Self {
        Self::Command { what: what.to_owned(), value: value.to_owned() }
    }
}

impl ControlRequest {
    /// Parses a request of D-Bus or the dashboard: `charge` `off`, `soc` `80`, `override` `ccl 20 for 43200`.
    ///
    /// # Errors
    /// [`RequestError`] lists the valid requests.
    pub fn parse(what: &str, value: &str) -> Result<Self, RequestError> {
        if what != "override" {
            return Command::parse(what, value).map(Self::Command).ok_or_else(|| RequestError::command(what, value));
        }
        let wrong = || RequestError::Override(value.to_owned());
        let words: Vec<&str> = value.split_whitespace().collect();
        let limit = |amps: &str, seconds: &str| {
            let amps = amps.trim_end_matches(['A', 'a']).parse::<f64>().ok().filter(|amps| (0.0..=5000.0).contains(amps))?;
            let seconds = seconds.parse::<u64>().ok().filter(|seconds| (1..=Override::MAX_SECONDS).contains(seconds))?;
            Some((Amps::new(amps), Duration::from_secs(seconds)))
        };
        let wanted = match words.as_slice() {
            ["charge-to-100"] => Some(Override::ChargeTo100),
            ["balance"] => Some(Override::Balance),
            ["clear"] => Some(Override::Clear),
            ["ccl", amps, "for", seconds] => limit(amps, seconds).map(|(amps, time)| Override::Ccl(amps, time)),
            ["dcl", amps, "for", seconds] => limit(amps, seconds).map(|(amps, time)| Override::Dcl(amps, time)),
            _ => None,
        };
        wanted.map(Self::Override).ok_or_else(wrong)
    }

    /// For people: `charge off`, `charge current at most 20 A for 12 h`.
    pub fn describe(&self) -> String {
        match self {
            Self::Command(command) => command.to_string(),
            Self::Override(wanted) => wanted.describe(),
        }
    }

    /// The text form for [`ControlRequest::parse`].
    pub fn words(self) -> (String, String) {
        match self {
            Self::Command(command) => {
                let text = command.to_string();
                let (what, value) = text.split_once(' ').unwrap_or((&text, ""));
                (what.to_owned(), value.to_owned())
            }
            Self::Override(wanted) => ("override".to_owned(), wanted.to_string()),
        }
    }
}

impl fmt::Display for ControlRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => command.fmt(f),
            Self::Override(wanted) => write!(f, "override {wanted}"),
        }
    }
}

/// A request on its way to the battery's task.
#[derive(Debug)]
pub struct PendingRequest {
    /// What is wanted.
    pub request: ControlRequest,
    /// The requester, for the log.
    pub by: String,
    /// Channel for the answer.
    pub answer: oneshot::Sender<Reply>,
}

/// Sends requests to one battery.
#[derive(Debug, Clone)]
pub struct CommandHandle {
    battery: usize,
    requests: mpsc::Sender<(usize, PendingRequest)>,
}

impl CommandHandle {
    /// A handle for the battery with this number, on the channel shared by all.
    pub fn new(battery: usize, requests: mpsc::Sender<(usize, PendingRequest)>) -> Self {
        Self { battery, requests }
    }

    /// Sends a request and waits until it is known what became of it.
    pub async fn send(&self, request: ControlRequest, by: String) -> Reply {
        let (answer, answered) = oneshot::channel();
        // If the queue is full, refuse now: a stale request must not run later.
        if self.requests.try_send((self.battery, PendingRequest { request, by, answer })).is_err() {
            return Outcome::Unreachable.into();
        }
        match tokio::time::timeout(REQUEST_TIMEOUT, answered).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) | Err(_) => Outcome::Unreachable.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_requests_and_back() {
        for (what, value) in [
            ("charge", "off"),
            ("soc", "80"),
            ("override", "charge-to-100"),
            ("override", "clear"),
            ("override", "ccl 20 for 43200"),
            ("override", "balance"),
            ("override", "dcl 0 for 60"),
        ] {
            let request = ControlRequest::parse(what, value).unwrap();
            assert_eq!(request.words(), (what.to_owned(), value.to_owned()));
        }
        for value in ["", "ccl", "ccl 20", "ccl -1 for 60", "ccl NaN for 60", "ccl 20 for 0", "ccl 20 for 99999999", "cvl 50 for 9"]
        {
            assert!(ControlRequest::parse("override", value).is_err(), "{value}");
        }
        assert!(ControlRequest::parse("fets", "off").is_err());
    }

    /// Also with a code and words that this version does not have.
    #[test]
    fn what_another_process_answers_is_passed_on_as_it_came() {
        let told = Reply { code: 42, text: "not before Monday: wait 3 h (code 0x17)".to_owned() };
        let expected = told.clone();
        let replied = crate::base::runtime::block_on(async move {
            let (requests, mut received) = mpsc::channel(1);
            let other = async move {
                if let Some((_, PendingRequest { answer, .. })) = received.recv().await {
                    answer.send(told).unwrap();
                }
            };
            let handle = CommandHandle::new(0, requests);
            tokio::join!(handle.send(ControlRequest::Override(Override::Clear), "test".to_owned()), other).0
        });
        assert_eq!(replied.unwrap(), expected);
    }
}
