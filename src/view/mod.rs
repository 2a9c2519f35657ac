//! The view: all that is told of one battery or bank outside of D-Bus and CAN, as one documented JSON object.
//!
//! The web server, its events, MQTT and the hub work on this alone. What is unknown is absent. A view may come from this process
//! or from another one that serves a battery; it says itself how fresh it is. `docs/api.md` is generated from these tables.

mod alarm;
mod build;
mod field;
mod metrics;

pub use build::{About, ReadAt, bank_id};
pub use field::Field;
pub use metrics::{metric_names, metrics};

use crate::model::{Chemistry, Freshness, Level};
use field::{Member, object};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Text that is constant here, and was received elsewhere.
type Text = Cow<'static, str>;

/// What a view is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One BMS.
    #[default]
    Battery,
    /// Several batteries as one.
    Bank,
}

impl Member for Kind {}
impl Member for Freshness {
    const IS_NUMBER: bool = true;
    /// 0 fresh to 3 lost.
    fn number(&self) -> Option<f64> {
        Some(f64::from(*self as u8))
    }
}
impl Member for Level {
    const IS_NUMBER: bool = true;
    /// 1 warning, 2 alarm.
    fn number(&self) -> Option<f64> {
        Some(match self {
            Self::Warning => 1.0,
            Self::Alarm => 2.0,
        })
    }
}
impl Member for Chemistry {}
/// A list that may be known to be empty.
impl Member for Known<f64> {}
impl Member for Known<u8> {}
impl Member for Known<Alarm> {}

/// A list for which empty says something else than absent: no sensor, no alarm.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Known<T>(pub Vec<T>);

object! {
    /// One battery or bank.
    pub struct View {
        /// Short name that stays: in addresses of the API and in topics. Letters, digits and `_`.
        id: String = "text",
        /// The owner's name for it, else what it is.
        name: String = "text",
        /// `battery` or `bank`.
        kind: Kind = "text",
        /// Its D-Bus service, where it is on D-Bus.
        service: Option<String> = "text",
        /// How it is attached.
        connection: String = "text",
        /// What the driver takes it for.
        product: String = "text",
        /// `/DeviceInstance` on D-Bus.
        instance: Option<u16> = "number",
        /// Id of the bank that it belongs to.
        bank: Option<String> = "text",
        /// `true`: its limits are told to the system or to its bank; `false`: only observing.
        control: bool = "bool",
        /// `fresh`, `stale` (values are unknown, charging fades), `silent` (cable warning), `lost` (cable alarm).
        freshness: Freshness = "text",
        /// Age of the last accepted reading.
        age_s: Option<f64> = "s",
        /// Cable alarm because no data comes: `warning` or `alarm`.
        cable: Option<Level> = "text",

        /// Name of the protocol.
        bms: Option<Text> = "text",
        /// Bus address.
        address: Option<u8> = "number",
        /// Pack voltage.
        voltage_v: Option<f64> = "V",
        /// Pack current; positive charges.
        current_a: Option<f64> = "A",
        /// Pack power; positive charges.
        power_w: Option<f64> = "W",
        /// State of charge.
        soc_pct: Option<f64> = "%",
        /// State of health.
        soh_pct: Option<f64> = "%",
        /// Charge left.
        remaining_ah: Option<f64> = "Ah",
        /// Installed capacity.
        capacity_ah: Option<f64> = "Ah",
        /// Capacity as the BMS has learned it.
        full_charge_ah: Option<f64> = "Ah",
        /// Charge cycles.
        cycles: Option<u32> = "number",
        /// Cells in series as the BMS says.
        cell_count: Option<u8> = "number",
        /// Cell voltages, cell 1 first. 0 is a broken sense wire.
        cell_voltages_v: Vec<f64> = "V",
        /// `false`: only the first cells are known.
        cells_complete: Option<bool> = "bool",
        /// Lowest cell.
        cell_min_v: Option<f64> = "V",
        /// Its number, from 1.
        cell_min_no: Option<u16> = "number",
        /// Highest cell.
        cell_max_v: Option<f64> = "V",
        /// Its number, from 1.
        cell_max_no: Option<u16> = "number",
        /// Highest less lowest cell.
        cell_delta_v: Option<f64> = "V",
        /// Sum of the cell voltages.
        cell_sum_v: Option<f64> = "V",
        /// Temperature sensors in the BMS's order; an empty list: none is fitted.
        temperatures_c: Option<Known<f64>> = "°C",
        /// Mean of them.
        temperature_c: Option<f64> = "°C",
        /// Coldest of them.
        temperature_min_c: Option<f64> = "°C",
        /// Hottest of them.
        temperature_max_c: Option<f64> = "°C",
        /// MOSFET temperature.
        mos_temperature_c: Option<f64> = "°C",
        /// Relative humidity inside the BMS.
        humidity_pct: Option<f64> = "%",
        /// The charge FET conducts.
        charge_fet: Option<bool> = "bool",
        /// The discharge FET conducts.
        discharge_fet: Option<bool> = "bool",
        /// The owner lets it be charged: the switch in the BMS's settings.
        charge_switch: Option<bool> = "bool",
        /// The owner lets it be discharged, as above.
        discharge_switch: Option<bool> = "bool",
        /// A cell is being balanced.
        balancing: Option<bool> = "bool",
        /// The cells being balanced, from 1.
        balancing_cells: Option<Known<u8>> = "number",
        /// The BMS's settings let it balance.
        balance_allowed: Option<bool> = "bool",
        /// Balancing current.
        balance_current_a: Option<f64> = "A",
        /// Active alarms and warnings; an empty list: none. Absent: not known.
        alarms: Option<Known<Alarm>> = "list",
        /// Information that is no alarm.
        notes: Vec<Text> = "text",

        /// Charge taken out since full, zero or negative.
        consumed_ah: Option<f64> = "Ah",
        /// Smoothed current; positive charges.
        current_avg_a: Option<f64> = "A",
        /// Time until empty at the smoothed current; only while discharging.
        time_to_go_s: Option<u64> = "s",
        /// State of charge as the BMS says, whatever is shown.
        bms_soc_pct: Option<f64> = "%",
        /// Estimated error of a counted state of charge.
        soc_drift_pct: Option<f64> = "%",

        /// The commands that it takes (`charge`, `discharge`, `balance`, `soc`); absent: none, or they are not enabled.
        commands: Vec<Text> = "text",
        /// What was switched off from here, and by whom.
        switched_off: Vec<Text> = "text",
        /// Limits that its owner has set for a while.
        overrides: Vec<Text> = "text",
        /// Settings of which the GX says something else than the configuration; absent: none.
        gx_settings: Vec<GxSetting> = "list",

        /// What it may be charged and discharged with, and why.
        limits: Limits = "object",
        /// Counters over its life with this driver.
        history: History = "object",
        /// How the line to it is doing.
        line: Line = "object",
        /// The output over CAN, where there is one.
        can: Option<Can> = "object",
        /// What a bank consists of.
        modules: Option<Modules> = "object",

        /// Model as the BMS says.
        model: Option<String> = "text",
        /// Serial number.
        serial_number: Option<String> = "text",
        /// Hardware version.
        hw_version: Option<String> = "text",
        /// Firmware version.
        sw_version: Option<String> = "text",
        /// Production date, `YYYY-MM-DD`, or `YYYY-MM` where the BMS tells no day.
        production_date: Option<String> = "text",
        /// Cell chemistry as the BMS is set.
        chemistry: Option<Chemistry> = "text",
        /// Cell over-voltage protection.
        cell_ovp_v: Option<f64> = "V",
        /// Cell under-voltage protection.
        cell_uvp_v: Option<f64> = "V",
        /// Pack over-voltage protection.
        pack_ovp_v: Option<f64> = "V",
        /// Pack under-voltage protection.
        pack_uvp_v: Option<f64> = "V",
        /// Charge over-current protection.
        charge_ocp_a: Option<f64> = "A",
        /// Discharge over-current protection.
        discharge_ocp_a: Option<f64> = "A",
        /// Charge current that the BMS asks for; 0 forbids.
        bms_ccl_a: Option<f64> = "A",
        /// Discharge current that the BMS asks for; 0 forbids.
        bms_dcl_a: Option<f64> = "A",
    }
}

object! {
    /// An active alarm.
    pub struct Alarm {
        /// Name, as in the list below.
        name: Text = "text",
        /// `warning` or `alarm`.
        level: Option<Level> = "text",
        /// What is wrong, in plain words.
        text: Text = "text",
        /// What to do.
        remedy: Text = "text",
    }
}

object! {
    /// A setting of which the GX says something else than the configuration.
    pub struct GxSetting {
        /// Its key in the configuration.
        key: Text = "text",
        /// Its name on the GX.
        name: Text = "text",
        /// Whose value holds: `gx` or `configuration`.
        holds: Text = "text",
        /// What the GX says.
        gx: Text = "text",
        /// What the configuration says; absent: it does not set it.
        configuration: Option<Text> = "text",
        /// Why what the GX says is refused.
        refused: Option<Text> = "text",
        /// All that in a sentence.
        text: Text = "text",
        /// What to do.
        remedy: Text = "text",
    }
}

object! {
    /// What a battery may be charged and discharged with.
    pub struct Limits {
        /// Charge voltage limit. Limits are absent only when the battery's own process is not heard.
        cvl_v: Option<f64> = "V",
        /// Charge current limit.
        ccl_a: Option<f64> = "A",
        /// Discharge current limit.
        dcl_a: Option<f64> = "A",
        /// Phase of charging: `bulk`, `absorption`, `float` or `hold` (data is not fresh or not trusted).
        mode: Text = "text",
        /// The rule that sets CVL.
        cvl_why: Text = "text",
        /// The rule that sets CCL.
        ccl_why: Text = "text",
        /// The rule that sets DCL.
        dcl_why: Text = "text",
    }
}

object! {
    /// Counters over a battery's life with this driver.
    pub struct History {
        /// Energy put in.
        charged_kwh: f64 = "kWh",
        /// Energy taken out.
        discharged_kwh: f64 = "kWh",
        /// Charge drawn in all, negative.
        total_drawn_ah: f64 = "Ah",
        /// Deepest discharge below full, negative.
        deepest_discharge_ah: Option<f64> = "Ah",
        /// Deepest point of the present discharge, negative.
        last_discharge_ah: Option<f64> = "Ah",
        /// Lowest pack voltage.
        voltage_min_v: Option<f64> = "V",
        /// Highest pack voltage.
        voltage_max_v: Option<f64> = "V",
        /// Lowest cell voltage.
        cell_min_v: Option<f64> = "V",
        /// Highest cell voltage.
        cell_max_v: Option<f64> = "V",
        /// Lowest temperature.
        temperature_min_c: Option<f64> = "°C",
        /// Highest temperature.
        temperature_max_c: Option<f64> = "°C",
        /// Times that a low-voltage alarm began.
        low_voltage_alarms: u32 = "number",
        /// Times that a high-voltage alarm began.
        high_voltage_alarms: u32 = "number",
        /// Times that a counted state of charge was set to full or empty.
        automatic_syncs: u32 = "number",
        /// Time since the last full charge.
        since_full_s: Option<u64> = "s",
    }
}

object! {
    /// How the line to a battery is doing.
    pub struct Line {
        /// `good`, `damaging` or `losing`, in the last ten minutes.
        state: Text = "text",
        /// The same in words, with what to do.
        text: Text = "text",
        /// Requests that were answered well in the last minute; silence counts as not answered.
        good_minute_pct: Option<f64> = "%",
        /// In the last hour.
        good_hour_pct: Option<f64> = "%",
        /// In the last 24 hours, or since the start.
        good_day_pct: Option<f64> = "%",
        /// Requests answered since the start.
        ok: u64 = "number",
        /// Requests without an answer.
        lost: u64 = "number",
        /// Answers that came damaged.
        damaged: u64 = "number",
        /// Answers to something else.
        foreign: u64 = "number",
    }
}

object! {
    /// The output over CAN to an inverter.
    pub struct Can {
        /// Interface.
        interface: String = "text",
        /// Profile.
        profile: Text = "text",
        /// The interface takes frames.
        up: bool = "bool",
        /// An inverter is heard. Absent: not decided yet.
        heartbeat: Option<bool> = "bool",
        /// `all`, `off` (limits 0) or `nothing`.
        says: Text = "text",
    }
}

object! {
    /// What a bank consists of.
    pub struct Modules {
        /// Batteries with fresh data.
        online: u16 = "number",
        /// Batteries that are silent or away.
        offline: u16 = "number",
        /// Batteries that do not let themselves be charged.
        blocking_charge: u16 = "number",
        /// Batteries that do not let themselves be discharged.
        blocking_discharge: u16 = "number",
        /// Battery and number of the lowest cell.
        cell_min: Option<String> = "text",
        /// Battery and number of the highest cell.
        cell_max: Option<String> = "text",
        /// Battery and number of the coldest sensor.
        temperature_min: Option<String> = "text",
        /// Battery and number of the hottest sensor.
        temperature_max: Option<String> = "text",
    }
}

/// One object of the JSON: where it hangs, its title, its keys as (key, unit, meaning).
pub type Section = (&'static str, &'static str, Vec<(&'static str, &'static str, &'static str)>);

/// All objects with their keys, for the documentation.
pub fn sections() -> Vec<Section> {
    fn rows<T>(fields: &[Field<T>]) -> Vec<(&'static str, &'static str, &'static str)> {
        fields.iter().map(|field| (field.key, field.unit, field.doc)).collect()
    }
    vec![
        ("", "A battery or a bank", rows(View::FIELDS)),
        ("limits", "Limits", rows(Limits::FIELDS)),
        ("alarms[]", "An alarm", rows(Alarm::FIELDS)),
        ("gx_settings[]", "A setting of which the GX says something else", rows(GxSetting::FIELDS)),
        ("history", "History", rows(History::FIELDS)),
        ("line", "Line", rows(Line::FIELDS)),
        ("can", "CAN", rows(Can::FIELDS)),
        ("modules", "What a bank consists of", rows(Modules::FIELDS)),
    ]
}
