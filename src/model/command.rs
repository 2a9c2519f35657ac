//! Commands of the owner to a BMS, and their outcomes.

use super::Reading;
use crate::base::units::Percent;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// A new SoC is confirmed if the BMS then reports one this close, %: a battery in use changes meanwhile.
const SOC_NEAR: f64 = 1.0;

/// An action that a BMS takes only on request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Command {
    /// Turns a switch on or off.
    Switch(Switch, bool),
    /// Sets the BMS's state of charge, 0 to 100 %.
    SetSoc(Percent),
}

/// A switch of a BMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// Permits charging, or not.
    Charge,
    /// Permits discharging, or not.
    Discharge,
    /// Permits cell balancing, or not.
    Balance,
}

impl Switch {
    /// All switches.
    pub const ALL: [Self; 3] = [Self::Charge, Self::Discharge, Self::Balance];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Discharge => "discharge",
            Self::Balance => "balance",
        }
    }

    /// The command that turns it on or off.
    pub fn to(self, on: bool) -> Command {
        Command::Switch(self, on)
    }
}

impl Command {
    /// Parses `charge off`, `soc 80`; `None` if the words are not a command.
    pub fn parse(what: &str, value: &str) -> Option<Self> {
        if what == "soc" {
            let soc = value.trim().trim_end_matches('%').trim().parse::<f64>().ok();
            return soc.filter(|soc| (0.0..=100.0).contains(soc)).map(|soc| Self::SetSoc(Percent::new(soc)));
        }
        let switch = Switch::ALL.into_iter().find(|switch| switch.name() == what)?;
        match value {
            "on" => Some(switch.to(true)),
            "off" => Some(switch.to(false)),
            _ => None,
        }
    }

    /// The switch that it changes, and the new state.
    pub fn switch(self) -> Option<(Switch, bool)> {
        match self {
            Self::Switch(switch, on) => Some((switch, on)),
            Self::SetSoc(_) => None,
        }
    }

    /// Whether a later reading shows that the BMS has carried it out. A switch is checked directly if the BMS reports it. Otherwise
    /// only the FET's state is known, and one held open by a protection does not show as on.
    pub fn is_shown_by(self, reading: &Reading) -> bool {
        match self {
            Self::Switch(Switch::Charge, on) => reading.fets.charge_switch.or(reading.fets.charge) == Some(on),
            Self::Switch(Switch::Discharge, on) => reading.fets.discharge_switch.or(reading.fets.discharge) == Some(on),
            Self::Switch(Switch::Balance, on) => reading.balancing.allowed == Some(on),
            Self::SetSoc(soc) => reading.soc.is_some_and(|shown| (shown - soc).abs().get() <= SOC_NEAR),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(switch, on) => write!(f, "{} {}", switch.name(), if *on { "on" } else { "off" }),
            Self::SetSoc(soc) => write!(f, "soc {}", soc.get()),
        }
    }
}

/// A waiting time as text: in whole seconds, minutes or hours, rounded up.
fn rounded_up(time: Duration) -> String {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

/// Outcome of a command. The text contains the remedy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Outcome {
    /// The BMS confirms it.
    #[error("done: the BMS shows it")]
    Done,
    /// Charge control has applied the owner's limit, without the BMS.
    #[error("in force from the next reading on")]
    InForce,
    /// The BMS refused.
    #[error("the BMS refused it (code {code:#04x}): it wants a password or does not have this; use the maker's app")]
    Refused {
        /// Error code.
        code: u8,
    },
    /// A later reading does not confirm it.
    #[error("not confirmed: what the BMS shows afterwards is not what was wanted. Look at the battery before you rely on it")]
    NotConfirmed,
    /// This family has no such command whose bytes are certain.
    #[error("this BMS has no such command, or none that is known for certain; use the maker's app")]
    NotSupported,
    /// Another master polls this line, and a command would collide.
    #[error("another master uses this line, so nothing is sent on it; use the maker's app")]
    Occupied,
    /// Too many recent commands.
    #[error("too many commands: wait {} and ask again (a BMS keeps its switches in a memory that wears out)", rounded_up(*.wait))]
    TooOften {
        /// Time until the next command is accepted.
        wait: Duration,
    },
    /// The previous command is still in progress.
    #[error("another command is under way: wait 20 s and ask again")]
    Busy,
    /// The battery cannot be reached.
    #[error("the battery cannot be reached now; try again when it answers")]
    Unreachable,
    /// A balancing charge, and none are configured.
    #[error("balancing charges are not configured: set `phases.balance_every_days` and ask again")]
    NotConfigured,
    /// Commands are not enabled.
    #[error("commands are off: set `enabled = true` in [commands] of the configuration")]
    Off,
}

impl Outcome {
    /// A number that identifies a failure, 0 for done.
    pub fn code(self) -> i32 {
        match self {
            Self::Done | Self::InForce => 0,
            // 1 and 2 are the replies of D-Bus items to writes that are never valid.
            Self::Refused { .. } => 3,
            Self::NotConfirmed => 4,
            Self::NotSupported => 5,
            Self::Occupied => 6,
            Self::TooOften { .. } => 7,
            Self::Unreachable => 8,
            Self::Off => 9,
            Self::Busy => 10,
            Self::NotConfigured => 11,
        }
    }
}

/// The reply to a request. A reply of another process is passed on unchanged; its text is never parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 0 for done, otherwise the number of the failure: [`Outcome::code`].
    pub code: i32,
    /// The outcome, and the remedy.
    pub text: String,
}

impl Reply {
    /// The request was carried out.
    pub fn is_done(&self) -> bool {
        self.code == 0
    }
}

impl From<Outcome> for Reply {
    fn from(outcome: Outcome) -> Self {
        Self { code: outcome.code(), text: outcome.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Fets;

    #[test]
    fn words_become_commands_and_back() {
        for (what, value, command) in [
            ("charge", "off", Switch::Charge.to(false)),
            ("discharge", "on", Switch::Discharge.to(true)),
            ("balance", "off", Switch::Balance.to(false)),
            ("soc", "80", Command::SetSoc(Percent::new(80.0))),
        ] {
            assert_eq!(Command::parse(what, value), Some(command));
            assert_eq!(command.to_string(), format!("{what} {value}"));
        }
        for (what, value) in [("charge", ""), ("charge", "0"), ("soc", "101"), ("soc", "NaN"), ("soc", "-1"), ("fets", "on")] {
            assert!(Command::parse(what, value).is_none(), "{what} {value}");
        }
    }

    #[test]
    fn a_wait_is_said_in_whole_units_and_never_too_short() {
        for (seconds, words) in
            [(0.2, "wait 1 s"), (59.0, "wait 59 s"), (119.5, "wait 2 min"), (3601.0, "wait 61 min"), (80_000.0, "wait 23 h")]
        {
            let reply = Reply::from(Outcome::TooOften { wait: Duration::from_secs_f64(seconds) });
            assert!(reply.text.contains(words) && reply.code == 7 && !reply.is_done(), "{reply:?}");
        }
    }

    #[test]
    fn a_switch_that_the_bms_tells_of_counts_more_than_its_fet() {
        let mut reading = Reading { fets: Fets { charge: Some(false), ..Fets::default() }, ..Reading::default() };
        assert!(Switch::Charge.to(false).is_shown_by(&reading) && !Switch::Charge.to(true).is_shown_by(&reading));
        reading.fets.charge_switch = Some(true);
        assert!(Switch::Charge.to(true).is_shown_by(&reading), "a protection holds the FET open");
        assert!(!Switch::Charge.to(false).is_shown_by(&reading), "that FET is open for another reason");
        assert!(!Switch::Discharge.to(false).is_shown_by(&reading), "nothing is known of it");
    }
}
