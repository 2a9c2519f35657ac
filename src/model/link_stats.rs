//! Statistics and state of the line to a battery.

use serde::Serialize;
use std::fmt;
use std::ops::AddAssign;

/// Statistics of the line to a battery; counters since start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LinkStats {
    /// Requests with a valid reply.
    pub ok: u64,
    /// Requests without a reply (each retry of `exchange`'s caller counts).
    pub lost: u64,
    /// Requests with a corrupted reply (bytes, but no valid frame).
    pub damaged: u64,
    /// Valid frames that are replies to something else.
    pub foreign: u64,
}

impl AddAssign for LinkStats {
    fn add_assign(&mut self, more: Self) {
        *self = self.combined(more, u64::saturating_add);
    }
}

impl LinkStats {
    /// Counts since `before`; after a restart of the counters they count from zero.
    pub fn since(self, before: Self) -> Self {
        self.combined(before, u64::saturating_sub)
    }

    fn combined(self, other: Self, with: fn(u64, u64) -> u64) -> Self {
        let Self { ok, lost, damaged, foreign } = self;
        Self {
            ok: with(ok, other.ok),
            lost: with(lost, other.lost),
            damaged: with(damaged, other.damaged),
            foreign: with(foreign, other.foreign),
        }
    }
}

/// State of the line to a battery over the last minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineState {
    /// Hardly any request fails.
    #[default]
    Good,
    /// Replies are corrupted.
    Damaging {
        /// At least this share of the requests fails, %, in coarse steps.
        percent: u8,
    },
    /// Replies are missing.
    Losing {
        /// At least this share of the requests fails, %, in coarse steps.
        percent: u8,
    },
    /// Replies arrive, but their values stay identical although current flows.
    Repeating,
}

impl fmt::Display for LineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineState::Good => f.write_str("good"),
            LineState::Damaging { percent } => {
                write!(f, "{percent} % or more of the answers come damaged, check ground, shield and termination")
            }
            LineState::Repeating => f.write_str("the BMS repeats the same values although current flows, restart it"),
            LineState::Losing { percent } => {
                write!(f, "{percent} % or more of the requests stay without answer, check plugs and wires")
            }
        }
    }
}
