//! Whether a battery publishes its limits itself or leaves them to a bank.

use crate::config::Settings;
use crate::service::can_output::LimitScope;

/// Publisher of the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Membership {
    /// None: the limits are only shown.
    ObserveOnly,
    /// The battery.
    Alone,
    /// The bank of this name in this process, so its members never need to publish limits in its place.
    OfBankHere(String),
    /// The bank of this name in another process; its members publish limits in its place while it is gone.
    OfBankElsewhere(String),
}

impl Membership {
    pub(super) fn new(settings: &Settings) -> Self {
        let bank = &settings.bank;
        match (settings.control, settings.member_of_bank) {
            (false, _) => Self::ObserveOnly,
            (true, false) => Self::Alone,
            (true, true) if bank.in_run => Self::OfBankHere(bank.name.clone()),
            (true, true) => Self::OfBankElsewhere(bank.name.clone()),
        }
    }

    /// The bank that publishes the limits instead of this battery.
    pub(super) fn bank(&self) -> Option<&str> {
        match self {
            Self::ObserveOnly | Self::Alone => None,
            Self::OfBankHere(name) | Self::OfBankElsewhere(name) => Some(name),
        }
    }

    /// The bank whose absence makes this battery publish limits.
    pub(super) fn watched_bank(&self) -> Option<&str> {
        match self {
            Self::OfBankElsewhere(name) => Some(name),
            Self::ObserveOnly | Self::Alone | Self::OfBankHere(_) => None,
        }
    }

    /// The limits are in use, directly or in the bank.
    pub(super) fn has_control(&self) -> bool {
        *self != Self::ObserveOnly
    }

    /// The D-Bus service has the paths of the limits.
    pub(super) fn serves_limits(&self) -> bool {
        matches!(self, Self::Alone | Self::OfBankElsewhere(_))
    }

    /// Kind of limits for the output to an inverter.
    pub(super) fn scope(&self) -> LimitScope {
        match self {
            Self::ObserveOnly => LimitScope::ObserveOnly,
            Self::Alone => LimitScope::Installation,
            Self::OfBankHere(_) | Self::OfBankElsewhere(_) => LimitScope::BankMember,
        }
    }
}
