//! What the parts of the program say to each other: `Reading` (what the BMS said), `Snapshot` (everything a sink shows).
//!
//! Unknown is `None` (or an empty list), never 0 and never an old value. Positive current charges.

mod command;
mod gx_setting;

pub use command::{Command, NoCommand, Outcome, Switch};
pub use gx_setting::GxSetting;

use crate::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// One reading of one battery, as the BMS reported it; in a [`Snapshot`] as it passed the guard and the owner's settings. The field names are those of the JSON output (contract.md).
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Reading {
    /// Protocol name, as in the registry (`jbd`).
    pub bms: &'static str,
    /// Bus address; `None` where the protocol has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<u8>,
    /// Pack voltage.
    #[serde(rename = "voltage_v", skip_serializing_if = "Option::is_none")]
    pub voltage: Option<Volts>,
    /// Pack current, positive charges.
    #[serde(rename = "current_a", skip_serializing_if = "Option::is_none")]
    pub current: Option<Amps>,
    /// Pack power: what the BMS says (some boards give the magnitude only), else voltage times current, rounded to 0.1 W.
    #[serde(rename = "power_w", skip_serializing_if = "Option::is_none")]
    pub power: Option<Watts>,
    /// State of charge, 0 to 100.
    #[serde(rename = "soc_pct", skip_serializing_if = "Option::is_none")]
    pub soc: Option<Percent>,
    /// State of health, 0 to 100.
    #[serde(rename = "soh_pct", skip_serializing_if = "Option::is_none")]
    pub soh: Option<Percent>,
    /// Charge left.
    #[serde(rename = "remaining_ah", skip_serializing_if = "Option::is_none")]
    pub remaining: Option<AmpHours>,
    /// Configured or nominal capacity.
    #[serde(rename = "capacity_ah", skip_serializing_if = "Option::is_none")]
    pub capacity: Option<AmpHours>,
    /// Capacity as the BMS has learned it; below nominal on an aged pack.
    #[serde(rename = "full_charge_ah", skip_serializing_if = "Option::is_none")]
    pub full_charge: Option<AmpHours>,
    /// Charge cycles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u32>,
    /// Cells in series as the BMS states them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell_count: Option<u8>,
    /// Cell voltages, cell 1 first; empty when unknown. 0 V is a broken sense wire.
    #[serde(rename = "cell_voltages_v", skip_serializing_if = "Vec::is_empty")]
    pub cells: Vec<Volts>,
    /// False when only the first cells arrived; such a set never reaches D-Bus, charge control or CAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells_complete: Option<bool>,
    /// Temperature sensors in the BMS's order; an empty list says that none is fitted.
    #[serde(rename = "temperatures_c", skip_serializing_if = "Option::is_none")]
    pub temperatures: Option<Vec<Celsius>>,
    /// MOSFET temperature.
    #[serde(rename = "mos_temperature_c", skip_serializing_if = "Option::is_none")]
    pub mos_temperature: Option<Celsius>,
    /// The charge FET conducts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge_fet: Option<bool>,
    /// The discharge FET conducts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discharge_fet: Option<bool>,
    /// The owner lets the battery be charged: the switch in the BMS's settings, where it tells of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge_switch: Option<bool>,
    /// The owner lets the battery be discharged, as above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discharge_switch: Option<bool>,
    /// At least one cell is being balanced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balancing: Option<bool>,
    /// The cells being balanced, counted from 1, where the BMS tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balancing_cells: Option<Vec<u8>>,
    /// The BMS's settings let it balance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance_allowed: Option<bool>,
    /// Balancing current.
    #[serde(rename = "balance_current_a", skip_serializing_if = "Option::is_none")]
    pub balance_current: Option<Amps>,
    /// Active alarms and warnings; `None` when the BMS was not heard on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<Alarm>>,
    /// Information that is no alarm: default password, software FET lock, FET switched off by remote.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Cow<'static, str>>,
    /// Model text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number, if it is not a factory default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// The text that tells the board apart for dbus-serialbattery, where that is another one; the owner may have written it, so
    /// it is shown nowhere.
    #[serde(skip)]
    pub label: Option<String>,
    /// Hardware version text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hw_version: Option<String>,
    /// Firmware version text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sw_version: Option<String>,
    /// Production date, `YYYY-MM-DD` as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub production_date: Option<String>,
    /// Relative humidity inside the BMS.
    #[serde(rename = "humidity_pct", skip_serializing_if = "Option::is_none")]
    pub humidity: Option<Percent>,
    /// Protection settings and limits that the BMS reports.
    #[serde(flatten)]
    pub settings: BmsSettings,
}

/// Settings and limits that a BMS reports about itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BmsSettings {
    /// Cell chemistry as the BMS is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chemistry: Option<Chemistry>,
    /// Cell over-voltage protection.
    #[serde(rename = "cell_ovp_v", skip_serializing_if = "Option::is_none")]
    pub cell_ovp: Option<Volts>,
    /// Cell under-voltage protection.
    #[serde(rename = "cell_uvp_v", skip_serializing_if = "Option::is_none")]
    pub cell_uvp: Option<Volts>,
    /// Pack over-voltage protection.
    #[serde(rename = "pack_ovp_v", skip_serializing_if = "Option::is_none")]
    pub pack_ovp: Option<Volts>,
    /// Pack under-voltage protection.
    #[serde(rename = "pack_uvp_v", skip_serializing_if = "Option::is_none")]
    pub pack_uvp: Option<Volts>,
    /// Charge over-current protection.
    #[serde(rename = "charge_ocp_a", skip_serializing_if = "Option::is_none")]
    pub charge_ocp: Option<Amps>,
    /// Discharge over-current protection.
    #[serde(rename = "discharge_ocp_a", skip_serializing_if = "Option::is_none")]
    pub discharge_ocp: Option<Amps>,
    /// Charge current that the BMS asks for; 0 forbids.
    #[serde(rename = "bms_ccl_a", skip_serializing_if = "Option::is_none")]
    pub charge_limit: Option<Amps>,
    /// Discharge current that the BMS asks for; 0 forbids.
    #[serde(rename = "bms_dcl_a", skip_serializing_if = "Option::is_none")]
    pub discharge_limit: Option<Amps>,
}

impl Reading {
    /// An empty reading of `bms` at `address`.
    pub fn new(bms: &'static str, address: Option<u8>) -> Self {
        Self { bms, address, ..Self::default() }
    }

    /// An empty reading for the next poll that keeps what does not change: names, versions, dates, settings, capacity.
    pub fn next(&self) -> Self {
        Self {
            bms: self.bms,
            address: self.address,
            capacity: self.capacity,
            cell_count: self.cell_count,
            model: self.model.clone(),
            serial_number: self.serial_number.clone(),
            label: self.label.clone(),
            hw_version: self.hw_version.clone(),
            sw_version: self.sw_version.clone(),
            production_date: self.production_date.clone(),
            settings: self.settings.clone(),
            ..Self::default()
        }
    }

    /// As [`next`](Self::next), with the owner's switches, which some boards tell of in few polls only.
    pub fn next_poll(&self) -> Self {
        Self {
            charge_switch: self.charge_switch,
            discharge_switch: self.discharge_switch,
            balance_allowed: self.balance_allowed,
            ..self.next()
        }
    }

    /// Takes over what does not change from another reading of the same battery, as far as this one does not say it.
    pub fn inherit(&mut self, other: &Self) {
        fn fill<T: Clone>(slot: &mut Option<T>, value: &Option<T>) {
            if slot.is_none() {
                slot.clone_from(value);
            }
        }
        fill(&mut self.capacity, &other.capacity);
        fill(&mut self.cell_count, &other.cell_count);
        fill(&mut self.model, &other.model);
        fill(&mut self.serial_number, &other.serial_number);
        fill(&mut self.label, &other.label);
        fill(&mut self.hw_version, &other.hw_version);
        fill(&mut self.sw_version, &other.sw_version);
        fill(&mut self.production_date, &other.production_date);
        fill(&mut self.charge_switch, &other.charge_switch);
        fill(&mut self.discharge_switch, &other.discharge_switch);
        fill(&mut self.balance_allowed, &other.balance_allowed);
        if self.settings == BmsSettings::default() {
            self.settings = other.settings.clone();
        }
    }

    /// Raises an alarm; of two levels the higher stays.
    pub fn raise(&mut self, name: AlarmName, level: Level) {
        let alarms = self.alarms.get_or_insert_default();
        match alarms.iter_mut().find(|alarm| alarm.name == name) {
            Some(alarm) => alarm.level = alarm.level.max(level),
            None => alarms.push(Alarm { name, level }),
        }
    }

    /// Adds a note once.
    pub fn note(&mut self, text: impl Into<Cow<'static, str>>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Fills `power` from voltage and current where the BMS does not say it.
    pub fn derive_power(&mut self) {
        if self.power.is_some() {
            return;
        }
        self.power = match (self.voltage, self.current) {
            (Some(v), Some(a)) => Some(Watts::new(v.get() * a.get()).rounded(1)),
            _ => None,
        };
    }

    /// The reading of `blocks` equal batteries in parallel of which the BMS sees one: an estimate.
    pub fn multiplied(mut self, blocks: u8) -> Self {
        let factor = f64::from(blocks.max(1));
        if factor == 1.0 {
            return self;
        }
        for ah in [&mut self.remaining, &mut self.capacity, &mut self.full_charge] {
            *ah = ah.map(|ah| ah * factor);
        }
        let BmsSettings { charge_ocp, discharge_ocp, charge_limit, discharge_limit, .. } = &mut self.settings;
        for amps in [&mut self.current, charge_ocp, discharge_ocp, charge_limit, discharge_limit] {
            *amps = amps.map(|amps| amps * factor);
        }
        self.power = None;
        self.note("currents and capacities are estimates: one of several parallel batteries is measured");
        self
    }

    /// All that D-Bus needs before the service may appear: voltage, current, SoC and every cell.
    pub fn is_complete(&self) -> bool {
        self.voltage.is_some()
            && self.current.is_some()
            && self.soc.is_some()
            && !self.cells.is_empty()
            && self.cells_complete != Some(false)
    }
}

/// Cell chemistry; decides the voltages of charge control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Chemistry {
    /// Lithium iron phosphate.
    Lfp,
    /// Nickel manganese cobalt and other "ternary" cells.
    Nmc,
    /// Lithium titanate.
    Lto,
}

/// An active alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What is wrong.
    pub name: AlarmName,
    /// How bad it is.
    pub level: Level,
}

/// How bad an alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Attention; the BMS still lets current flow.
    Warning,
    /// The protection has acted, or something is broken.
    Alarm,
}

/// The names of alarms, the same in JSON, on CAN and in the docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it; docs/alarms describes each for owners")]
pub enum AlarmName {
    CellHighVoltage,
    CellLowVoltage,
    HighVoltage,
    LowVoltage,
    HighTemperature,
    LowTemperature,
    HighChargeTemperature,
    LowChargeTemperature,
    HighMosTemperature,
    HighChargeCurrent,
    HighDischargeCurrent,
    ShortCircuit,
    CellImbalance,
    LowSoc,
    BmsInternal,
    ChargeFetFault,
    DischargeFetFault,
    SensorFault,
    Communication,
    Contactor,
}

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

impl std::fmt::Display for LineState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

impl std::ops::AddAssign for LinkStats {
    fn add_assign(&mut self, more: Self) {
        self.ok += more.ok;
        self.lost += more.lost;
        self.damaged += more.damaged;
        self.foreign += more.foreign;
    }
}

/// A published limit and the rule that set it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit<T> {
    /// The limit; always finite and never negative.
    pub value: T,
    /// The winning rule, in words for the owner.
    pub why: &'static str,
}

/// What the battery may be charged and discharged with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Charge voltage limit.
    pub cvl: Limit<Volts>,
    /// Charge current limit.
    pub ccl: Limit<Amps>,
    /// Discharge current limit.
    pub dcl: Limit<Amps>,
    /// Voltage at which discharging should end, for inverters that want one.
    pub low_voltage: Volts,
    /// Phase of charging.
    pub mode: Mode,
}

/// Phase of charging, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Charging up to the charge voltage.
    Bulk,
    /// Holding the charge voltage until the battery is full.
    Absorption,
    /// Full; the voltage is let down.
    Float,
    /// The battery's data is not trusted or not fresh; charging is held back.
    Hold,
}

impl Mode {
    /// The word that GUIs show.
    pub fn text(self) -> &'static str {
        match self {
            Mode::Bulk => "Bulk",
            Mode::Absorption => "Absorption",
            Mode::Float => "Float",
            Mode::Hold => "Hold",
        }
    }

    /// The word in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Mode::Bulk => "bulk",
            Mode::Absorption => "absorption",
            Mode::Float => "float",
            Mode::Hold => "hold",
        }
    }
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

/// Counters over the battery's life with this driver; they survive restarts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Deepest discharge below full, Ah, negative.
    pub deepest_discharge_ah: Option<f64>,
    /// Deepest point of the present discharge, Ah, negative.
    pub last_discharge_ah: Option<f64>,
    /// Charge drawn in all, Ah, negative.
    pub total_drawn_ah: f64,
    /// Lowest pack voltage, V.
    pub min_voltage: Option<f64>,
    /// Highest pack voltage, V.
    pub max_voltage: Option<f64>,
    /// Lowest cell voltage, V.
    pub min_cell_voltage: Option<f64>,
    /// Highest cell voltage, V.
    pub max_cell_voltage: Option<f64>,
    /// Lowest temperature, °C.
    pub min_temperature: Option<f64>,
    /// Highest temperature, °C.
    pub max_temperature: Option<f64>,
    /// Energy taken out, kWh.
    pub discharged_kwh: f64,
    /// Energy put in, kWh.
    pub charged_kwh: f64,
    /// Times that a low-voltage alarm began.
    pub low_voltage_alarms: u32,
    /// Times that a high-voltage alarm began.
    pub high_voltage_alarms: u32,
    /// Times that the counted SoC was set to full or empty.
    pub automatic_syncs: u32,
    /// Wall-clock time of the last full charge, seconds since 1970; only once the clock was trusted.
    pub last_full_unix: Option<u64>,
    /// The present discharge has begun (since the last full charge).
    pub discharging: bool,
    /// A low-voltage alarm is active.
    #[serde(skip)]
    pub low_voltage_active: bool,
    /// A high-voltage alarm is active.
    #[serde(skip)]
    pub high_voltage_active: bool,
}

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
