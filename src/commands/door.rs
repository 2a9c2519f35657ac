//! The way in: every sink that takes wishes has a [`Door`] to the battery, and gets an answer to each.

use super::Override;
use crate::model::{Command, NoCommand, Outcome};
use crate::units::Amps;
use std::fmt;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// How long a wish may take: a command, its second try, and what the line is busy with.
const LONGEST: Duration = Duration::from_secs(20);

/// What an owner wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wish {
    /// The BMS is to do something.
    Command(Command),
    /// Charge control is to do something for a while.
    Override(Override),
}

/// Words that are no wish.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WishError {
    /// No command.
    #[error(transparent)]
    Command(#[from] NoCommand),
    /// No override.
    #[error("{0:?} is no override: there are `charge-to-100`, `ccl AMPS for SECONDS`, `dcl AMPS for SECONDS` and `clear`")]
    Override(String),
}

impl Wish {
    /// Reads what D-Bus and the dashboard send: `charge` `off`, `soc` `80`, `override` `ccl 20 for 43200`.
    ///
    /// # Errors
    /// [`WishError`] says what there is.
    pub fn parse(what: &str, value: &str) -> Result<Self, WishError> {
        if what != "override" {
            return Ok(Self::Command(Command::parse(what, value)?));
        }
        let wrong = || WishError::Override(value.to_owned());
        let words: Vec<&str> = value.split_whitespace().collect();
        let limit = |amps: &str, seconds: &str| {
            let amps = amps.trim_end_matches(['A', 'a']).parse::<f64>().ok().filter(|amps| (0.0..=5000.0).contains(amps))?;
            let seconds = seconds.parse::<u64>().ok().filter(|seconds| (1..=Override::LONGEST).contains(seconds))?;
            Some((Amps::new(amps), Duration::from_secs(seconds)))
        };
        let wanted = match words.as_slice() {
            ["charge-to-100"] => Some(Override::ChargeTo100),
            ["clear"] => Some(Override::Clear),
            ["ccl", amps, "for", seconds] => limit(amps, seconds).map(|(amps, time)| Override::Ccl(amps, time)),
            ["dcl", amps, "for", seconds] => limit(amps, seconds).map(|(amps, time)| Override::Dcl(amps, time)),
            _ => None,
        };
        wanted.map(Self::Override).ok_or_else(wrong)
    }

    /// The words that [`Wish::parse`] understands.
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

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => command.fmt(f),
            Self::Override(wanted) => write!(f, "override {wanted}"),
        }
    }
}

/// A wish on its way.
#[derive(Debug)]
pub struct Order {
    /// What is wanted.
    pub wish: Wish,
    /// Who wants it, for the log.
    pub by: String,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Outcome>,
}

/// The way to one battery.
#[derive(Debug, Clone)]
pub struct Door {
    battery: usize,
    orders: mpsc::Sender<(usize, Order)>,
}

impl Door {
    /// The way to the battery of this number, through the channel that all have in common.
    pub fn new(battery: usize, orders: mpsc::Sender<(usize, Order)>) -> Self {
        Self { battery, orders }
    }

    /// Hands in a wish and waits for what becomes of it.
    pub async fn ask(&self, wish: Wish, by: String) -> Outcome {
        let (answer, answered) = oneshot::channel();
        // Who is not taken in at once is not to be carried out later.
        if self.orders.try_send((self.battery, Order { wish, by, answer })).is_err() {
            return Outcome::Unreachable;
        }
        match tokio::time::timeout(LONGEST, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Outcome::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_wishes_and_back() {
        for (what, value) in [
            ("charge", "off"),
            ("soc", "80"),
            ("override", "charge-to-100"),
            ("override", "clear"),
            ("override", "ccl 20 for 43200"),
            ("override", "dcl 0 for 60"),
        ] {
            let wish = Wish::parse(what, value).unwrap();
            assert_eq!(wish.words(), (what.to_owned(), value.to_owned()));
        }
        for value in ["", "ccl", "ccl 20", "ccl -1 for 60", "ccl NaN for 60", "ccl 20 for 0", "ccl 20 for 99999999", "cvl 50 for 9"]
        {
            assert!(Wish::parse("override", value).is_err(), "{value}");
        }
        assert!(Wish::parse("fets", "off").is_err());
    }
}
