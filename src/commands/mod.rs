//! What owners ask of a battery: commands to its BMS, and limits of their own for a while.
//!
//! ```text
//! D-Bus paths ──┐                          ┌─ rate, enabled? ─▶ port ─▶ BMS ─▶ read back ─┐
//! D-Bus method ─┼─▶ Door ─▶ battery's seat ┤                                              ├─▶ Outcome
//! dashboard ────┘                          └─ override ─▶ charge control (only restricts) ┘
//! ```
//! A switch that was put off from here is remembered on disk until it is on again ([`Remembered`]): it stays off when this
//! program is gone.

mod door;
mod gate;
mod overrides;
mod remembered;

pub use door::{Door, Order, Wish, WishError};
pub use gate::Gate;
pub use overrides::{Override, Overrides};
pub use remembered::{Off, Remembered};

use crate::bms::Protocol;
use crate::model::{Command, Reading, Switch};
use crate::units::Percent;

/// Which commands a battery can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// In the order of [`Switch::ALL`].
    pub switches: [bool; 3],
    /// Its state of charge can be set.
    pub soc: bool,
}

impl Abilities {
    /// What `protocol` has words for.
    pub fn of(protocol: &dyn Protocol, reading: &Reading) -> Self {
        // Some boards are told the time along with the rest; any will do to ask.
        const SOME_TIME: Option<u64> = Some(1_767_225_600);
        let able = |command| protocol.encode(command, reading, SOME_TIME, true).is_some();
        Self { switches: Switch::ALL.map(|switch| able(switch.to(false))), soc: able(Command::SetSoc(Percent::new(50.0))) }
    }

    /// Whether it has this switch.
    pub fn has(self, switch: Switch) -> bool {
        Switch::ALL.into_iter().zip(self.switches).any(|(known, able)| known == switch && able)
    }

    /// The names of what it has.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let switches = Switch::ALL.into_iter().filter(move |switch| self.has(*switch)).map(Switch::name);
        switches.chain(self.soc.then_some("soc"))
    }

    /// Whether it has any.
    pub fn any(self) -> bool {
        self.soc || self.switches.contains(&true)
    }
}
