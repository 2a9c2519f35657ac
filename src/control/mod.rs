//! Requests of the owner to a battery: commands to its BMS, and temporary limits.
//!
//! ```text
//! D-Bus paths ──┐                                   ┌─ rate, enabled? ─▶ port ─▶ BMS ─▶ read back ─┐
//! D-Bus method ─┼─▶ CommandHandle ─▶ battery's task ┤                                              ├─▶ Outcome ─▶ Reply
//! dashboard ────┘                                   └─ override ─▶ charge control (restricts) ─────┘
//! ```
//! A switch that this driver has switched off is persisted until it is on again ([`PersistedCommands`]): it stays off in the BMS
//! after the driver has ended.

mod handle;
mod overrides;
mod persisted;
mod rate_limit;

pub use handle::{CommandHandle, ControlRequest, PendingRequest, RequestError};
pub use overrides::{Override, Overrides};
pub use persisted::{PersistedCommands, SwitchedOff};
pub use rate_limit::RateLimiter;

use crate::base::units::Percent;
use crate::bms::Protocol;
use crate::model::{Command, Reading, Switch};

/// The commands that a battery supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// In the order of [`Switch::ALL`].
    pub switches: [bool; 3],
    /// Its state of charge can be set.
    pub soc: bool,
    /// Temporary limits are accepted, which need no command of the BMS.
    pub overrides: bool,
}

impl Abilities {
    /// The commands that `protocol` supports.
    pub fn of(protocol: &dyn Protocol, reading: &Reading) -> Self {
        // Some boards need the time with a command; any value is good enough for this check.
        const SOME_TIME: Option<u64> = Some(1_767_225_600);
        let commands = protocol.commands();
        let able = |command| commands.is_some_and(|commands| commands.encode(command, reading, SOME_TIME, true).is_some());
        Self {
            switches: Switch::ALL.map(|switch| able(switch.to(false))),
            soc: able(Command::SetSoc(Percent::new(50.0))),
            overrides: false,
        }
    }

    /// Whether it has this switch.
    pub fn has(self, switch: Switch) -> bool {
        Switch::ALL.into_iter().zip(self.switches).any(|(known, able)| known == switch && able)
    }

    /// The names of its commands.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let switches = Switch::ALL.into_iter().filter(move |switch| self.has(*switch)).map(Switch::name);
        switches.chain(self.soc.then_some("soc")).chain(self.overrides.then_some("override"))
    }

    /// Whether the BMS supports any.
    pub fn any(self) -> bool {
        self.soc || self.switches.contains(&true)
    }
}
