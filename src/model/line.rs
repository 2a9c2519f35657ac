//! How the line to a battery is doing.

use serde::Serialize;
use std::fmt;
use std::ops::AddAssign;

/// How the line to a battery is doing; counters since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LinkStats {
    /// Requests that were answered.
    pub ok: u64,
    /// Requests without an answer (after the retries of `exchange`'s caller each try counts).
    pub lost: u64,
    /// Requests whose answer came damaged (bytes, but no frame that passes its check).
    pub damaged: u64,
    /// Valid frames that answer something else.
    pub foreign: u64,
}

impl AddAssign for LinkStats {
    fn add_assign(&mut self, more: Self) {
        self.ok += more.ok;
        self.lost += more.lost;
        self.damaged += more.damaged;
        self.foreign += more.foreign;
    }
}

/// How the line to a battery has been doing in the last minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineState {
    /// Hardly a request fails.
    #[default]
    Good,
    /// Answers come damaged.
    Damaging {
        /// At least so many of the requests fail, %, in coarse steps.
        percent: u8,
    },
    /// Requests stay without answer.
    Losing {
        /// At least so many of the requests fail, %, in coarse steps.
        percent: u8,
    },
}

impl fmt::Display for LineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineState::Good => f.write_str("good"),
            LineState::Damaging { percent } => {
                write!(f, "{percent} % or more of the answers come damaged, check ground, shield and termination")
            }
            LineState::Losing { percent } => {
                write!(f, "{percent} % or more of the requests stay without answer, check plugs and wires")
            }
        }
    }
}
