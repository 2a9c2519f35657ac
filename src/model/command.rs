//! What an owner can tell a BMS to do, and what became of it.

use super::Reading;
use crate::units::Percent;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// A SoC that was set counts as taken over when the BMS then shows one so near, %: a battery in use moves on meanwhile.
const SOC_NEAR: f64 = 1.0;

/// Something that a BMS does only because somebody wants it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Lets the battery be charged, or not: the charge switch.
    Charge(bool),
    /// Lets the battery be discharged, or not: the discharge switch.
    Discharge(bool),
    /// Lets the cells be balanced, or not.
    Balance(bool),
    /// Sets the BMS's state of charge, 0 to 100 %.
    SetSoc(Percent),
}

/// A switch of a BMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// The charge switch.
    Charge,
    /// The discharge switch.
    Discharge,
    /// The balancer.
    Balance,
}

impl Switch {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Charge, Self::Discharge, Self::Balance];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Discharge => "discharge",
            Self::Balance => "balance",
        }
    }

    /// The command that puts it on or off.
    pub fn to(self, on: bool) -> Command {
        match self {
            Self::Charge => Command::Charge(on),
            Self::Discharge => Command::Discharge(on),
            Self::Balance => Command::Balance(on),
        }
    }
}

/// Words that are no command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what:?} {value:?} is no command: there are charge, discharge and balance, each on or off, and soc with 0 to 100")]
pub struct NoCommand {
    /// What was to be set.
    pub what: String,
    /// To what.
    pub value: String,
}

impl Command {
    /// Reads `charge off`, `soc 80`.
    ///
    /// # Errors
    /// [`NoCommand`] says what there is.
    pub fn parse(what: &str, value: &str) -> Result<Self, NoCommand> {
        let wrong = || NoCommand { what: what.to_owned(), value: value.to_owned() };
        if what == "soc" {
            let soc = value.trim().trim_end_matches('%').trim().parse::<f64>().ok();
            return soc.filter(|soc| (0.0..=100.0).contains(soc)).map(|soc| Self::SetSoc(Percent::new(soc))).ok_or_else(wrong);
        }
        let switch = Switch::ALL.into_iter().find(|switch| switch.name() == what).ok_or_else(wrong)?;
        match value {
            "on" => Ok(switch.to(true)),
            "off" => Ok(switch.to(false)),
            _ => Err(wrong()),
        }
    }

    /// The switch that it moves, and where to.
    pub fn switch(self) -> Option<(Switch, bool)> {
        match self {
            Self::Charge(on) => Some((Switch::Charge, on)),
            Self::Discharge(on) => Some((Switch::Discharge, on)),
            Self::Balance(on) => Some((Switch::Balance, on)),
            Self::SetSoc(_) => None,
        }
    }

    /// Whether a reading made afterwards shows that the BMS has done it. A switch shows itself where the BMS tells of it; else
    /// only what its FET does is known, and one that a protection holds open is not shown as on.
    pub fn is_shown_by(self, reading: &Reading) -> bool {
        match self {
            Self::Charge(on) => reading.charge_switch.or(reading.charge_fet) == Some(on),
            Self::Discharge(on) => reading.discharge_switch.or(reading.discharge_fet) == Some(on),
            Self::Balance(on) => reading.balance_allowed == Some(on),
            Self::SetSoc(soc) => reading.soc.is_some_and(|shown| (shown - soc).abs().get() <= SOC_NEAR),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.switch(), self) {
            (Some((switch, on)), _) => write!(f, "{} {}", switch.name(), if on { "on" } else { "off" }),
            (None, Self::SetSoc(soc)) => write!(f, "soc {}", soc.get()),
            (None, _) => Ok(()),
        }
    }
}

/// A time to wait, as people say it: in whole seconds, minutes or hours, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    seconds: u64,
}

impl Wait {
    /// At least so long.
    pub fn at_least(time: Duration) -> Self {
        let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
        let step = match seconds {
            ..120 => 1,
            120..7200 => 60,
            _ => 3600,
        };
        Self { seconds: seconds.div_ceil(step).saturating_mul(step) }
    }

    /// The one that a text of ours tells; a minute where it tells none.
    fn told(text: &str) -> Self {
        let mut words = text.split_whitespace().skip_while(|word| *word != "wait").skip(1);
        let number = words.next().and_then(|word| word.parse::<u64>().ok());
        let unit = match words.next() {
            Some("min") => 60,
            Some("h") => 3600,
            _ => 1,
        };
        Self { seconds: number.map_or(60, |number| number.saturating_mul(unit)) }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seconds {
            seconds @ ..120 => write!(f, "{seconds} s"),
            seconds @ 120..7200 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{} h", seconds / 3600),
        }
    }
}

/// What the text of [`Outcome::InForce`] begins with.
const IN_FORCE: &str = "in force";

/// What became of a command. The text says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Outcome {
    /// The BMS shows that it did it.
    #[error("done: the BMS shows it")]
    Done,
    /// Charge control does as the owner wants, without the BMS.
    #[error("{IN_FORCE} from the next reading on")]
    InForce,
    /// The BMS declined.
    #[error("the BMS refused it (code {code:#04x}): it wants a password or does not have this; use the maker's app")]
    Refused {
        /// Its code.
        code: u8,
    },
    /// A reading made afterwards does not show it.
    #[error("not confirmed: what the BMS shows afterwards is not what was wanted. Look at the battery before you rely on it")]
    NotConfirmed,
    /// This family has no such command whose bytes are certain.
    #[error("this BMS has no such command, or none that is known for certain; use the maker's app")]
    NotSupported,
    /// Somebody else asks on this line, and a command would collide.
    #[error("another master uses this line, so nothing is sent on it; use the maker's app")]
    Occupied,
    /// Too many commands came lately.
    #[error("too many commands: wait {wait} and ask again (a BMS keeps its switches in a memory that wears out)")]
    TooOften {
        /// How long there is no room for another one.
        wait: Wait,
    },
    /// The one before is not done yet.
    #[error("another command is under way: wait 20 s and ask again")]
    Busy,
    /// The battery cannot be reached.
    #[error("the battery cannot be reached now; try again when it answers")]
    Unreachable,
    /// Commands are not enabled.
    #[error("commands are off: set `enabled = true` in [commands] of the configuration")]
    Off,
}

impl Outcome {
    /// It was done.
    pub fn is_done(self) -> bool {
        self.code() == 0
    }

    /// A number that tells failures apart, 0 for done.
    pub fn code(self) -> i32 {
        match self {
            Self::Done | Self::InForce => 0,
            // 1 and 2 are what D-Bus items answer to writes that are never possible.
            Self::Refused { .. } => 3,
            Self::NotConfirmed => 4,
            Self::NotSupported => 5,
            Self::Occupied => 6,
            Self::TooOften { .. } => 7,
            Self::Unreachable => 8,
            Self::Off => 9,
            Self::Busy => 10,
        }
    }

    /// What another process says with [`code`](Self::code) and text; what is not understood is no success.
    pub fn told(code: i32, text: &str) -> Self {
        let refusal = || text.split_once("code 0x").and_then(|(_, rest)| u8::from_str_radix(rest.get(..2)?, 16).ok());
        match code {
            0 if text.starts_with(IN_FORCE) => Self::InForce,
            0 => Self::Done,
            3 => Self::Refused { code: refusal().unwrap_or_default() },
            5 => Self::NotSupported,
            6 => Self::Occupied,
            7 => Self::TooOften { wait: Wait::told(text) },
            8 => Self::Unreachable,
            9 => Self::Off,
            10 => Self::Busy,
            _ => Self::NotConfirmed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_commands_and_back() {
        for (what, value, command) in [
            ("charge", "off", Command::Charge(false)),
            ("discharge", "on", Command::Discharge(true)),
            ("balance", "off", Command::Balance(false)),
            ("soc", "80", Command::SetSoc(Percent::new(80.0))),
        ] {
            assert_eq!(Command::parse(what, value).unwrap(), command);
            assert_eq!(command.to_string(), format!("{what} {value}"));
        }
        for (what, value) in [("charge", ""), ("charge", "0"), ("soc", "101"), ("soc", "NaN"), ("soc", "-1"), ("fets", "on")] {
            assert!(Command::parse(what, value).is_err(), "{what} {value}");
        }
    }

    #[test]
    fn outcomes_survive_the_way_through_another_process() {
        use Outcome::{Busy, Done, InForce, NotConfirmed, NotSupported, Occupied, Off, Refused, TooOften, Unreachable};
        let refused = Refused { code: 0x82 };
        for outcome in [Done, InForce, refused, NotConfirmed, NotSupported, Occupied, Unreachable, Off, Busy] {
            assert_eq!(Outcome::told(outcome.code(), &outcome.to_string()), outcome);
        }
        for (seconds, words) in
            [(0.2, "wait 1 s"), (59.0, "wait 59 s"), (119.5, "wait 2 min"), (3601.0, "wait 61 min"), (80_000.0, "wait 23 h")]
        {
            let outcome = TooOften { wait: Wait::at_least(Duration::from_secs_f64(seconds)) };
            assert!(outcome.to_string().contains(words), "{outcome}");
            assert_eq!(Outcome::told(7, &outcome.to_string()), outcome);
        }
        assert_eq!(Outcome::told(7, "").to_string(), TooOften { wait: Wait::told("wait 60 s") }.to_string());
        assert_eq!(Outcome::told(1, "read only"), NotConfirmed);
        assert_eq!(Outcome::told(3, "no code 0x"), Refused { code: 0 });
    }

    #[test]
    fn a_switch_that_the_bms_tells_of_counts_more_than_its_fet() {
        let mut reading = Reading { charge_fet: Some(false), ..Reading::default() };
        assert!(Command::Charge(false).is_shown_by(&reading) && !Command::Charge(true).is_shown_by(&reading));
        reading.charge_switch = Some(true);
        assert!(Command::Charge(true).is_shown_by(&reading), "a protection holds the FET open");
        assert!(!Command::Charge(false).is_shown_by(&reading), "that FET is open for another reason");
        assert!(!Command::Discharge(false).is_shown_by(&reading), "nothing is known of it");
    }
}
