//! Data exchanged between batteries and their bank, and the summary of a bank.

use super::{Alarm, ByDirection, Level};
use crate::base::units::Volts;
use std::borrow::Cow;

/// Data of a battery for its bank, in addition to what is published for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MemberInfo {
    /// Counts accepted readings, which distinguishes a resting battery from a silent one; wraps.
    pub readings: u16,
    /// The highest charge voltage that is safe for the cells, in any charging phase; `None` = not above CVL.
    pub ceiling: Option<Volts>,
    /// The voltage to hold once all batteries are full.
    pub float: Option<Volts>,
}

/// Summary of a bank as a set of batteries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BankSummary {
    /// Batteries whose data is fresh.
    pub online: u16,
    /// Known batteries that are silent or absent.
    pub offline: u16,
    /// Batteries that forbid charging.
    pub blocking_charge: u16,
    /// Batteries that forbid discharging.
    pub blocking_discharge: u16,
    /// Battery and number of the lowest cell.
    pub min_cell: Option<String>,
    /// Battery and number of the highest cell.
    pub max_cell: Option<String>,
    /// Battery and number of the coldest sensor.
    pub min_temperature: Option<String>,
    /// Battery and number of the hottest sensor.
    pub max_temperature: Option<String>,
    /// Reasons of the limits, with the battery that sets them.
    pub reasons: Reasons,
    /// The batteries are in series.
    pub in_series: bool,
    /// Alarms of the bank itself; those of its batteries are shown by them.
    pub own_alarms: Vec<Alarm>,
    /// Cable alarm for batteries that cannot show it themselves, because they are not there.
    pub own_cable: Option<Level>,
    /// How much the charge of its batteries differs; `None`: unknown, or in series.
    pub charge_spread: Option<ChargeSpread>,
    /// Which battery is switched off so that their charge becomes equal; `None` unless configured.
    pub switching: Option<PackSwitch>,
    /// The batteries, in a fixed order.
    pub modules: Vec<BankModule>,
    /// The batteries that set CCL and DCL; `None`: the bank itself does.
    pub limited_by: ByDirection<Option<LimitingBattery>>,
}

impl BankSummary {
    /// Number of known batteries, silent and absent ones included.
    pub fn batteries(&self) -> u16 {
        self.online.saturating_add(self.offline)
    }
}

/// Difference of charge between the fullest and the emptiest battery of a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeSpread {
    /// The difference by their states of charge, tenths of an Ah.
    pub tenths_ah: u32,
    /// How sure it is that this is charge and not an error of the counters.
    pub confidence: Confidence,
    /// What to do.
    pub advice: String,
}

/// How far the switching of packs is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackSwitch {
    /// The state.
    pub state: SwitchingState,
    /// The battery that is switched.
    pub battery: Option<String>,
    /// Why it is in this state.
    pub reason: String,
}

/// States of the switching of packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchingState {
    /// No battery is switched off.
    Waiting,
    /// One is about to be switched off.
    Preparing,
    /// One does not charge.
    ChargeOff,
    /// One does not discharge.
    DischargeOff,
    /// One is about to be switched on again.
    Returning,
}

impl SwitchingState {
    /// Its name in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Preparing => "preparing",
            Self::ChargeOff => "charge_off",
            Self::DischargeOff => "discharge_off",
            Self::Returning => "returning",
        }
    }
}

/// How sure a difference of charge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Only the counters say so.
    Low,
    /// The cell voltages at rest say so, too.
    Medium,
    /// All counters were set by a full charge in the last week.
    High,
}

impl Confidence {
    /// Its name in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The battery that sets a limit of its bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitingBattery {
    /// Its name shown to the owner.
    pub label: String,
    /// The rule that sets its own limit, as text for the owner.
    pub why: Cow<'static, str>,
    /// The cell by which that rule acts, counted from 1.
    pub cell: Option<usize>,
}

/// One battery of a bank.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BankModule {
    /// Its permanent name: the id of a battery of this process, the D-Bus service of another one.
    pub name: String,
    /// Name shown to the owner.
    pub label: String,
    /// Its active alarms as last known; `None` if it never reported any, nor that there are none.
    pub alarms: Option<Vec<Alarm>>,
    /// Cable alarm: it has been silent or absent for long.
    pub cable: Option<Level>,
    /// Its data is fresh.
    pub online: bool,
}

/// Reasons of CVL, CCL and DCL, as text for the owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the limits are named after themselves")]
pub struct Reasons {
    pub cvl: Cow<'static, str>,
    pub ccl: Cow<'static, str>,
    pub dcl: Cow<'static, str>,
}
