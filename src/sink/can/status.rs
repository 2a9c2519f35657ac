//! How the output over CAN is doing, for those who show it.

use super::presence::Say;

/// How the output is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The interface takes frames.
    pub up: bool,
    /// An inverter is heard; `None` = listened for less than ten seconds.
    pub heartbeat: Option<bool>,
    /// What is sent.
    pub says: Say,
}

impl Default for Status {
    fn default() -> Self {
        Self { up: false, heartbeat: None, says: Say::All }
    }
}

impl Say {
    /// The word that shows use.
    pub fn word(self) -> &'static str {
        match self {
            Say::All => "all",
            Say::Off => "off",
            Say::Nothing => "nothing",
        }
    }
}
