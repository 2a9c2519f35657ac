//! The snapshot of a battery, for all outputs.

use super::{
    Alarm, BankSummary, ByDirection, CellHealth, ChargeExcess, GxSetting, History, Level, LimitingCells, Limits, LineState,
    LinkStats, MemberInfo, Reading, ReplyRates, Switch,
};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Everything that an output shows of one battery. By default nothing is known: the battery is lost, and all limits are 0.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The reading that passed the guard; measured values are unknown once they are stale.
    pub reading: Reading,
    /// Values computed from it.
    pub derived: Derived,
    /// Alarms of the BMS and our own, highest level per name.
    pub alarms: Vec<Alarm>,
    /// The cable alarm of safety rule 11; `None` while connected.
    pub cable: Option<Level>,
    /// How fresh the data is.
    pub freshness: Freshness,
    /// Counters over the battery's life.
    pub history: History,
    /// Time since the last full charge, if known.
    pub since_full: Option<Duration>,
    /// Line statistics since the start.
    pub link: LinkStats,
    /// Recent state of the line.
    pub line: LineState,
    /// Shares of requests with a valid answer: last minute, hour and day.
    pub reply_rates: ReplyRates,
    /// Cells in series that charge control has accepted.
    pub cell_count: Option<u8>,
    /// The most that the currents may be by configuration and protections of the BMS, before any other rule; `None`: unknown.
    pub maximum: ByDirection<Option<Amps>>,
    /// The limits, with their reasons.
    pub limits: Limits,
    /// The cells by which they are limited.
    pub limiting_cells: LimitingCells,
    /// Data for its bank.
    pub member_info: MemberInfo,
    /// Health of its cells, once something is known of it.
    pub cell_health: Option<Arc<CellHealth>>,
    /// Its composition, if it is a bank.
    pub bank_summary: Option<Arc<BankSummary>>,
    /// Switches and limits set by the owner through this driver.
    pub user_overrides: Arc<UserOverrides>,
}

/// How fresh the data is: the stages of safety rule 11 (docs/safety-rules.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Freshness {
    /// Fresh enough to be published.
    Fresh,
    /// Too old: measured values are invalid, charging fades out.
    Stale,
    /// Silent for long: cable warning.
    Silent,
    /// Given up: cable alarm, not connected.
    #[default]
    Lost,
}

impl Freshness {
    /// The cable alarm of a battery whose data is in this stage.
    pub fn cable(self) -> Option<Level> {
        match self {
            Self::Fresh | Self::Stale => None,
            Self::Silent => Some(Level::Warning),
            Self::Lost => Some(Level::Alarm),
        }
    }
}

/// Values computed from a reading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Derived {
    /// Sum of the cell voltages.
    pub cell_sum: Option<Volts>,
    /// Lowest cell and its number, counted from 1; 0: unknown.
    pub min_cell: Option<(Volts, usize)>,
    /// Highest cell and its number, counted from 1; 0: unknown.
    pub max_cell: Option<(Volts, usize)>,
    /// The temperature sensors in their positions while one is missing that was present before; else empty.
    pub sensors: Vec<Option<Celsius>>,
    /// Configured names of the sensors, by position; empty: no name.
    pub sensor_names: Arc<[String]>,
    /// Numbers of the ignored sensors, counted from 1; they are left out of the next three values.
    pub ignored_sensors: Vec<usize>,
    /// Mean of the battery's temperature sensors.
    pub temperature: Option<Celsius>,
    /// Coldest sensor and its number, counted from 1.
    pub min_temperature: Option<(Celsius, usize)>,
    /// Hottest sensor and its number, counted from 1.
    pub max_temperature: Option<(Celsius, usize)>,
    /// Charge drawn since full, zero or negative.
    pub consumed: Option<AmpHours>,
    /// Smoothed current, positive charges.
    pub current_avg: Option<Amps>,
    /// Time until the configured floor (empty) at the smoothed current; `None` unless discharging.
    pub time_to_go: Option<Duration>,
    /// Time until full, if it can be foreseen; `None` unless charging.
    pub time_to_full: Option<Duration>,
    /// Time until each configured SoC level, in their order; `None` unless the battery moves towards it.
    pub time_to_soc: Vec<Option<Duration>>,
    /// The BMS's own SoC, whatever is shown.
    pub bms_soc: Option<Percent>,
    /// The BMS's own remaining charge.
    pub bms_remaining: Option<AmpHours>,
    /// Chargers have exceeded the published limit for half a minute and still do, or did a minute ago.
    pub charge_excess: Option<ChargeExcess>,
    /// Estimated error of the counted SoC, while it is counted.
    pub soc_drift: Option<Percent>,
}

/// Switches and temporary limits set by the owner through this driver.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserOverrides {
    /// Switches switched off.
    pub switched_off: Vec<Switch>,
    /// The same as text.
    pub switched_off_text: Vec<String>,
    /// Temporary limits, as text.
    pub overrides: Vec<String>,
    /// Settings that differ between the GX and the configuration.
    pub gx_settings: Vec<GxSetting>,
    /// The temporary limits, one by one.
    pub active: Vec<ActiveOverride>,
    /// What is switched off, one by one.
    pub off: Vec<SwitchOff>,
}

/// A temporary limit, or the request for a full charge, that is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveOverride {
    /// `ccl`, `dcl` or `full`.
    pub kind: &'static str,
    /// The limit; `None` for a full charge.
    pub limit: Option<Amps>,
    /// Its whole duration.
    pub duration: Duration,
    /// Its end, seconds since 1970, if the clock is set.
    pub until_unix: Option<u64>,
    /// Who set it.
    pub by: String,
}

/// A switch that was switched off through this driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchOff {
    /// The switch.
    pub switch: Switch,
    /// When, seconds since 1970, if the clock was set.
    pub since_unix: Option<u64>,
    /// By whom.
    pub by: String,
    /// The BMS has not shown it.
    pub uncertain: bool,
}
