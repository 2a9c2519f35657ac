//! Everything that a sink shows.

use super::{Alarm, GxSetting, History, Level, Limits, LineState, LinkStats, Modules, Part, Reading, Replies, Switch};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// All that a sink shows of one battery.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The reading that passed the guard; measured values are unknown once they are stale.
    pub reading: Reading,
    /// Values computed from it.
    pub derived: Derived,
    /// Alarms of the BMS and our own, highest level per name.
    pub alarms: Vec<Alarm>,
    /// 0 while connected, then the cable alarm of the Silence table.
    pub cable: Option<Level>,
    /// How fresh the data is.
    pub freshness: Freshness,
    /// Counters over the battery's life.
    pub history: History,
    /// Seconds since the last full charge, when that is known.
    pub since_full: Option<Duration>,
    /// The line, since the start.
    pub link: LinkStats,
    /// The line, lately.
    pub line: LineState,
    /// How many requests were answered well, lately and over the day.
    pub replies: Replies,
    /// Cells in series that charge control has accepted.
    pub cell_count: Option<u8>,
    /// What the battery may be charged and discharged with.
    pub limits: Limits,
    /// What it tells its bank.
    pub part: Part,
    /// What it consists of, when it is a bank.
    pub modules: Option<Arc<Modules>>,
    /// What its owner has switched off or limited from here.
    pub owner: Arc<Owner>,
}

/// How fresh the data is (the stages of the contract's Silence table).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// Young enough to be published.
    Fresh,
    /// Too old: measured values are invalid, charging ends.
    Stale,
    /// Long silent: cable warning.
    Silent,
    /// Given up: cable alarm, not connected.
    #[default]
    Lost,
}

/// Values computed from a reading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Derived {
    /// Sum of the cell voltages.
    pub cell_sum: Option<Volts>,
    /// Lowest cell and its number, counted from 1.
    pub min_cell: Option<(Volts, usize)>,
    /// Highest cell and its number, counted from 1.
    pub max_cell: Option<(Volts, usize)>,
    /// Mean of the battery's temperature sensors.
    pub temperature: Option<Celsius>,
    /// Coldest sensor and its number, counted from 1.
    pub min_temperature: Option<(Celsius, usize)>,
    /// Hottest sensor and its number, counted from 1.
    pub max_temperature: Option<(Celsius, usize)>,
    /// Charge taken out since full, zero or negative.
    pub consumed: Option<AmpHours>,
    /// Smoothed current, positive charges.
    pub current_avg: Option<Amps>,
    /// Time until the configured floor (empty) at the smoothed current; `None` unless discharging.
    pub time_to_go: Option<Duration>,
    /// Time until each configured SoC level, in their order; `None` unless the battery moves towards it.
    pub time_to_soc: Vec<Option<Duration>>,
    /// SoC as the BMS says, whatever is shown.
    pub bms_soc: Option<Percent>,
    /// Charge left as the BMS says.
    pub bms_remaining: Option<AmpHours>,
    /// Estimated error of the counted SoC, while it is counted.
    pub soc_drift: Option<Percent>,
}

/// What an owner has switched off, or set for a while, through this program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// Switches that were put off from here.
    pub off: Vec<Switch>,
    /// The same in words.
    pub off_text: Vec<String>,
    /// Limits for a while, in words.
    pub overrides: Vec<String>,
    /// Settings of which the GX says something else than the configuration.
    pub gx: Vec<GxSetting>,
}
