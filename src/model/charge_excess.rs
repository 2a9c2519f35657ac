//! A charge current above the published limit.

use crate::base::units::Amps;

/// What to check then.
pub const CHARGE_EXCESS_REMEDY: &str = "check that DVCC is on, whether feed-in of DC-coupled PV leaves solar chargers without a limit, and for chargers that the GX does not control";

/// Chargers exceeded the published charge current limit for half a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChargeExcess {
    /// Current at the end of that time.
    pub current: Amps,
    /// The published limit.
    pub limit: Amps,
    /// The rule that set it.
    pub why: &'static str,
}

impl ChargeExcess {
    /// Current and limit.
    pub fn text(&self) -> String {
        let Self { current, limit, why } = self;
        format!("chargers exceed the charge current limit for half a minute, {current:.1} instead of {limit:.1} set by {why}")
    }

    /// The same with what to check.
    pub fn sentence(&self) -> String {
        format!("{}; {CHARGE_EXCESS_REMEDY}", self.text())
    }
}
