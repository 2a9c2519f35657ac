//! What batteries tell the bank that they belong to, and a bank of them.

use crate::units::Volts;
use std::borrow::Cow;

/// What a battery tells the bank it belongs to, beyond what everybody sees.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Part {
    /// Counts accepted readings, so that a resting battery can be told from a silent one; wraps.
    pub readings: u16,
    /// The highest charge voltage that the safety of the cells allows, whatever phase charging is in; `None` = not above CVL.
    pub ceiling: Option<Volts>,
    /// The voltage to hold when all is full.
    pub float: Option<Volts>,
}

/// What there is to say of a bank as a set of batteries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Modules {
    /// Batteries whose data is fresh.
    pub online: u16,
    /// Batteries that are known and silent, or away.
    pub offline: u16,
    /// Batteries that do not let themselves be charged.
    pub blocking_charge: u16,
    /// Batteries that do not let themselves be discharged.
    pub blocking_discharge: u16,
    /// Battery and number of the lowest cell.
    pub min_cell: Option<String>,
    /// Battery and number of the highest cell.
    pub max_cell: Option<String>,
    /// Battery and number of the coldest sensor.
    pub min_temperature: Option<String>,
    /// Battery and number of the hottest sensor.
    pub max_temperature: Option<String>,
    /// Why the limits are as they are, with the battery that sets them.
    pub reasons: Reasons,
}

/// Why CVL, CCL and DCL are as they are, in words for the owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the limits are named after themselves")]
pub struct Reasons {
    pub cvl: Cow<'static, str>,
    pub ccl: Cow<'static, str>,
    pub dcl: Cow<'static, str>,
}
