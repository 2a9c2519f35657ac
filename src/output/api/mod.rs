//! The view: all data of one battery or bank that is published outside of D-Bus and CAN, as one documented JSON object.
//!
//! The web server, its events, MQTT and the hub work on this alone. What is unknown is absent. A view may come from this process
//! or from another one that serves a battery; it says itself how fresh it is. `docs/api.md` is generated from these tables.

mod alarm;
mod build;
mod device;
mod field;
mod health;
mod log;
mod metrics;
mod query;
mod shared;

pub use build::{BatteryInfo, ReadAt, bank_id};
pub(crate) use device::device_value;
pub use device::{DEVICE_KEYS, device_metrics, device_object};
pub use field::Field;
pub use health::{Health, HealthFinding, ShownHealth};
pub use log::LogEntry;
pub use metrics::{MetricName, metric_names, metrics};
pub use shared::Shared;

use crate::model::{self, Chemistry, Freshness, Level};
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
impl Member for Known<Option<f64>> {
    const IS_LIST: bool = true;
}
impl Member for Known<u8> {
    const IS_LIST: bool = true;
}
impl Member for Known<Alarm> {
    const IS_LIST: bool = true;
}

/// A list for which empty says something else than absent: no sensor, no alarm.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Known<T>(pub Vec<T>);

object! {
    /// One battery or bank.
    pub struct View {
        groups {
            /// What the battery is, and how it is connected.
            identity: Identity,
            /// Age of the data.
            state: State,
            /// The pack as a whole.
            pack: Pack,
            /// The cells.
            cells: Cells,
            /// Temperatures by place, humidity and heater.
            temperatures: Temperatures,
            /// FETs, balancer, and what the owner may switch.
            switches: Switches,
            /// What needs attention.
            notices: Notices,
            /// The BMS as it describes itself.
            device: Device,
            /// The BMS's protection settings and limits.
            settings: Settings,
        }
        /// Charge and discharge limits, and their reasons.
        limits: Limits = "object",
        /// Counters kept by this driver.
        history: History = "object",
        /// Quality of the line to the BMS.
        line: Line = "object",
        /// The CAN output, if there is one.
        can: Option<Can> = "object",
        /// The RS485 output, if there is one.
        rs485: Option<Rs485> = "object",
        /// Health of the cells, once something is known.
        health: Option<Shared<Health>> = "object",
        /// Members of a bank.
        modules: Option<Modules> = "object",
    }
}

object! {
    /// What the battery is, and how it is connected.
    pub struct Identity of (reading: model::Reading) and IdentityKeys {
        /// Permanent short name, used in API paths and MQTT topics. Letters, digits and `_`.
        id: String = "text",
        /// Name given by the owner, else the product.
        name: String = "text",
        /// `battery` or `bank`.
        kind: Kind = "text",
        /// D-Bus service, if it is on D-Bus.
        service: Option<String> = "text",
        /// Port or connection.
        connection: String = "text",
        /// Product, as identified by the driver.
        product: String = "text",
        /// `/DeviceInstance` on D-Bus.
        instance: Option<u16> = "number",
        /// ID of the bank it belongs to.
        bank: Option<String> = "text",
        /// `true`: its limits are sent to the system or to its bank; `false`: it is only observed.
        control: bool = "bool",
        bms: Option<Text> = reading.bms,
        address: Option<u8> = reading.address,
    }
}

object! {
    /// Age of the data.
    pub struct State {
        /// `fresh`, `stale` (values are unknown, charging fades), `silent` (cable warning), `lost` (cable alarm).
        freshness: Freshness = "text",
        /// Age of the last accepted reading.
        age_s: Option<f64> = "s",
        /// Cable alarm when no data arrives: `warning` or `alarm`.
        cable: Option<Level> = "text",
    }
}

object! {
    /// The pack as a whole.
    pub struct Pack of (reading: model::Reading) and PackKeys {
        voltage_v: Option<f64> = reading.voltage,
        current_a: Option<f64> = reading.current,
        power_w: Option<f64> = reading.power,
        soc_pct: Option<f64> = reading.soc,
        soh_pct: Option<f64> = reading.soh,
        remaining_ah: Option<f64> = reading.remaining,
        capacity_ah: Option<f64> = reading.capacity,
        full_charge_ah: Option<f64> = reading.full_charge,
        design_ah: Option<f64> = reading.design,
        cycles: Option<u32> = reading.cycles,
        throughput_ah: Option<f64> = reading.throughput,
        /// Charge drawn since full; zero or negative.
        consumed_ah: Option<f64> = "Ah",
        /// Smoothed current; positive charges.
        current_avg_a: Option<f64> = "A",
        /// Time until empty at the smoothed current; only while discharging.
        time_to_go_s: Option<u64> = "s",
        /// Time until full; absent unless charging, and while it cannot be foreseen: it needs two full charges to learn from, and a steady
        /// current.
        time_to_full_s: Option<u64> = "s",
        /// State of charge as reported by the BMS, even if another value is shown.
        bms_soc_pct: Option<f64> = "%",
        /// Estimated error of a counted state of charge.
        soc_drift_pct: Option<f64> = "%",
    }
}

object! {
    /// The cells.
    pub struct Cells of (reading: model::Reading) and CellsKeys {
        cell_count: Option<u8> = reading.cell_count,
        cell_voltages_v: Vec<f64> = reading.cells,
        highest_cell_v: Option<f64> = reading.highest_cell,
        lowest_cell_v: Option<f64> = reading.lowest_cell,
        cells_complete: Option<bool> = reading.cells_complete,
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
    }
}

object! {
    /// Temperatures by place, humidity and heater.
    pub struct Temperatures of (reading: model::Reading, temperatures: model::Temperatures) and TemperaturesKeys {
        temperatures_c: Option<Known<Option<f64>>> = temperatures.sensors,
        /// Configured names of the sensors, in the same order; an empty text: no name.
        temperature_names: Vec<String> = "text",
        /// Numbers of the sensors, from 1, that do not limit anything (`temperatures_ignored`) and are left out of the next three.
        temperatures_ignored: Vec<usize> = "number",
        /// Mean of the sensors.
        temperature_c: Option<f64> = "°C",
        /// Coldest sensor.
        temperature_min_c: Option<f64> = "°C",
        /// Hottest sensor.
        temperature_max_c: Option<f64> = "°C",
        mos_temperature_c: Option<f64> = temperatures.mos,
        board_temperature_c: Option<f64> = temperatures.board,
        environment_temperature_c: Option<f64> = temperatures.environment,
        humidity_pct: Option<f64> = reading.humidity,
        heating: Option<bool> = reading.heating,
        heating_current_a: Option<f64> = reading.heating_current,
    }
}

object! {
    /// FETs, balancer, and what the owner may switch.
    pub struct Switches of (fets: model::Fets, balancing: model::Balancing) and SwitchesKeys {
        charge_fet: Option<bool> = fets.charge,
        discharge_fet: Option<bool> = fets.discharge,
        charge_switch: Option<bool> = fets.charge_switch,
        discharge_switch: Option<bool> = fets.discharge_switch,
        balancing: Option<bool> = balancing.active,
        balancing_cells: Option<Known<u8>> = balancing.cells,
        balance_allowed: Option<bool> = balancing.allowed,
        balance_current_a: Option<f64> = balancing.current,
        /// Supported commands (`charge`, `discharge`, `balance`, `soc`, and `override` for temporary limits); absent: commands are disabled.
        commands: Vec<Text> = "text",
        /// What was switched off through this driver, and by whom.
        switched_off: Vec<Text> = "text",
        /// Temporary limits set by the owner.
        overrides: Vec<Text> = "text",
        /// The same one by one.
        overrides_set: Vec<OverrideSet> = "list",
        /// What was switched off, one by one.
        switched_off_by: Vec<SwitchedOff> = "list",
    }
}

object! {
    /// What needs attention.
    pub struct Notices of (reading: model::Reading) and NoticesKeys {
        alarms: Option<Known<Alarm>> = reading.alarms,
        notes: Vec<Text> = reading.notes,
        /// Chargers exceed the published charge current limit for half a minute or more: current, limit and reason of the limit.
        charge_excess: Option<String> = "text",
        /// Settings whose value on the GX differs from the configuration; absent: none.
        gx_settings: Vec<GxSetting> = "list",
    }
}

object! {
    /// The BMS as it describes itself.
    pub struct Device of (device: model::Device) {
        model: Option<String> = device.model,
        serial_number: Option<String> = device.serial_number,
        hw_version: Option<String> = device.hw_version,
        sw_version: Option<String> = device.sw_version,
        production_date: Option<String> = device.production_date,
    }
}

object! {
    /// The BMS's protection settings and limits.
    pub struct Settings of (settings: model::BmsSettings) {
        chemistry: Option<Chemistry> = settings.chemistry,
        cell_ovp_v: Option<f64> = settings.cell_ovp,
        cell_uvp_v: Option<f64> = settings.cell_uvp,
        pack_ovp_v: Option<f64> = settings.pack_ovp,
        pack_uvp_v: Option<f64> = settings.pack_uvp,
        charge_ocp_a: Option<f64> = settings.charge_ocp,
        discharge_ocp_a: Option<f64> = settings.discharge_ocp,
        bms_ccl_a: Option<f64> = settings.charge_limit,
        bms_dcl_a: Option<f64> = settings.discharge_limit,
        bms_cvl_v: Option<f64> = settings.voltage_limit,
    }
}

object! {
    /// A temporary limit, or the request for a full charge.
    pub struct OverrideSet {
        /// `ccl`, `dcl` or `full`.
        kind: Text = "text",
        /// The limit; absent for a full charge.
        value_a: Option<f64> = "A",
        /// Its whole duration.
        of_s: u64 = "s",
        /// Its end, since 1970; absent while the clock is not set.
        until: Option<u64> = "s",
        /// Who set it.
        by: String = "text",
    }
}

object! {
    /// A switch that was switched off.
    pub struct SwitchedOff {
        /// `charge`, `discharge` or `balance`.
        what: Text = "text",
        /// When, since 1970, if the clock was set.
        since: Option<u64> = "s",
        /// By whom.
        by: String = "text",
        /// The BMS has not shown it.
        uncertain: bool = "bool",
    }
}

object! {
    /// A limit with what sets it.
    pub struct LimitDetail {
        /// The limit, in A or V.
        value: Option<f64> = "number",
        /// The rule that sets it, as a name: the words of its reason with `_` between them.
        rule: Text = "text",
        /// The battery of a bank that sets it; absent: the bank itself.
        battery: Option<String> = "text",
        /// The cell by which the rule acts, from 1.
        cell: Option<u16> = "number",
        /// What it is without any rule: configuration and over-current protection.
        max: Option<f64> = "number",
        /// Since when this rule sets it, since 1970; absent while the clock is not set.
        since: Option<u64> = "s",
    }
}

object! {
    /// A battery of a bank.
    pub struct BankMember {
        /// Its `id`, if it is served by the same process.
        id: Option<String> = "text",
        /// Its D-Bus service otherwise.
        service: Option<String> = "text",
        /// Its name.
        name: String = "text",
        /// Its data is fresh.
        online: bool = "bool",
        /// It has been silent or absent for long: `warning`.
        cable: Option<Level> = "text",
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
        /// Names of the batteries of a bank that raise it.
        batteries: Vec<String> = "text",
        /// Number of the cell, from 1.
        cell: Option<u16> = "number",
        /// Number of the temperature sensor, from 1.
        sensor: Option<u16> = "number",
        /// The value that it is about, in V, A, °C or %.
        value: Option<f64> = "number",
        /// Since when it has been active, since 1970; absent while the clock is not set.
        since: Option<u64> = "s",
    }
}

object! {
    /// A setting of which the GX says something else than the configuration.
    pub struct GxSetting {
        /// Key in the configuration.
        key: Text = "text",
        /// Name on the GX.
        name: Text = "text",
        /// Whose value applies: `gx` or `configuration`.
        holds: Text = "text",
        /// Value on the GX.
        gx: Text = "text",
        /// Value in the configuration; absent: not set.
        configuration: Option<Text> = "text",
        /// Why the value on the GX is refused.
        refused: Option<Text> = "text",
        /// The same as a sentence.
        text: Text = "text",
        /// What to do.
        remedy: Text = "text",
    }
}

object! {
    /// What a battery may be charged and discharged with.
    pub struct Limits {
        /// Charge voltage limit. Limits are absent only if the battery's own process does not answer.
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
        /// CVL with what sets it.
        cvl: Option<LimitDetail> = "object",
        /// CCL with what sets it.
        ccl: Option<LimitDetail> = "object",
        /// DCL with what sets it.
        dcl: Option<LimitDetail> = "object",
    }
}

object! {
    /// Counters over a battery's life with this driver.
    pub struct History {
        /// Energy charged.
        charged_kwh: f64 = "kWh",
        /// Energy discharged.
        discharged_kwh: f64 = "kWh",
        /// Total charge drawn; negative.
        total_drawn_ah: f64 = "Ah",
        /// Deepest discharge below full; negative.
        deepest_discharge_ah: Option<f64> = "Ah",
        /// Deepest point of the present discharge; negative.
        last_discharge_ah: Option<f64> = "Ah",
        /// Charge drawn in a cycle on average; negative.
        average_discharge_ah: Option<f64> = "Ah",
        /// How often the SoC fell to 0 %.
        full_discharges: Option<u32> = "number",
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
        /// Number of low-voltage alarms.
        low_voltage_alarms: u32 = "number",
        /// Number of high-voltage alarms.
        high_voltage_alarms: u32 = "number",
        /// How often the counted state of charge was set to full or empty.
        automatic_syncs: u32 = "number",
        /// Time since the last full charge.
        since_full_s: Option<u64> = "s",
    }
}

object! {
    /// How the line to a battery is doing.
    pub struct Line {
        /// Last ten minutes: `good`, `damaging`, `losing`, or `repeating`: the same values again and again while current flows.
        state: Text = "text",
        /// The same in words, with the remedy.
        text: Text = "text",
        /// Share of requests with a valid answer in the last minute; silence counts as no answer.
        good_minute_pct: Option<f64> = "%",
        /// The same in the last hour.
        good_hour_pct: Option<f64> = "%",
        /// The same in the last 24 hours, or since the start.
        good_day_pct: Option<f64> = "%",
        /// Requests answered since the start.
        ok: u64 = "number",
        /// Requests without an answer.
        lost: u64 = "number",
        /// Damaged answers.
        damaged: u64 = "number",
        /// Answers to other requests.
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
        /// The interface accepts frames.
        up: bool = "bool",
        /// An inverter was detected; absent: not known yet.
        heartbeat: Option<bool> = "bool",
        /// What is sent: `all`, `off` (limits of 0) or `nothing`.
        says: Text = "text",
    }
}

object! {
    /// The output over RS485 to an inverter that asks.
    pub struct Rs485 {
        /// Port.
        port: String = "text",
        /// Protocol.
        protocol: Text = "text",
        /// The port is open.
        up: bool = "bool",
        /// Why the port is not open.
        fault: Option<String> = "text",
        /// An inverter asks; absent: not known yet.
        heartbeat: Option<bool> = "bool",
        /// What is replied: `all`, `off` (limits of 0) or `nothing`.
        says: Text = "text",
        /// Time since the last request that had a reply.
        asked_age_s: Option<f64> = "s",
        /// Requests that had a reply since the start, by command or registers: they tell which kind of inverter asks.
        requests: Vec<Text> = "list",
    }
}

/// The outputs to inverters as a view shows them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InverterOutputs {
    /// Over CAN, if there is one.
    pub can: Option<Can>,
    /// Over RS485, if there is one.
    pub rs485: Option<Rs485>,
}

object! {
    /// Members of a bank.
    pub struct Modules {
        /// All of them, by their permanent names.
        members: Vec<BankMember> = "list",
        /// Batteries with fresh data.
        online: u16 = "number",
        /// Batteries that are silent or missing.
        offline: u16 = "number",
        /// Batteries that block charging.
        blocking_charge: u16 = "number",
        /// Batteries that block discharging.
        blocking_discharge: u16 = "number",
        /// Battery and number of the lowest cell.
        cell_min: Option<String> = "text",
        /// Battery and number of the highest cell.
        cell_max: Option<String> = "text",
        /// Battery and number of the coldest sensor.
        temperature_min: Option<String> = "text",
        /// Battery and number of the hottest sensor.
        temperature_max: Option<String> = "text",
        /// Difference of charge between the fullest and the emptiest battery, by their states of charge; batteries in parallel only.
        charge_spread_ah: Option<f64> = "Ah",
        /// How sure it is that this is charge: `low` (only the counters say so), `medium` (the cell voltages at rest, too), `high` (all
        /// counters were set by a full charge in the last week).
        charge_spread_confidence: Option<Text> = "text",
        /// What to do about it.
        charge_spread_advice: Option<String> = "text",
        /// Switching of packs for equal charge: `waiting`, `preparing`, `charge_off`, `discharge_off` or `returning`. Missing unless
        /// `bank.equal_charge` is set.
        switching_state: Option<Text> = "text",
        /// The battery that is switched.
        switching_battery: Option<String> = "text",
        /// Why the switching is in this state.
        switching_reason: Option<String> = "text",
    }
}

/// One object of the JSON: where it hangs, its title, its keys as (key, unit, meaning).
pub type Section = (&'static str, &'static str, Vec<(&'static str, &'static str, &'static str)>);

/// Visits the objects of a view; a group's keys stand among those of the view, so its place is empty.
trait Visitor {
    /// The object at `place`, as far as a view has it.
    fn object<T>(&mut self, place: &'static str, title: &'static str, fields: &'static [Field<T>], of: fn(&View) -> Option<&T>);
}

fn each_object(visitor: &mut impl Visitor) {
    visitor.object("", "A battery or a bank", Identity::FIELDS, |view| Some(&view.identity));
    visitor.object("", "Age of the data", State::FIELDS, |view| Some(&view.state));
    visitor.object("", "The pack", Pack::FIELDS, |view| Some(&view.pack));
    visitor.object("", "Cells", Cells::FIELDS, |view| Some(&view.cells));
    visitor.object("", "Temperatures", Temperatures::FIELDS, |view| Some(&view.temperatures));
    visitor.object("", "Switches", Switches::FIELDS, |view| Some(&view.switches));
    visitor.object("", "Alarms and notes", Notices::FIELDS, |view| Some(&view.notices));
    visitor.object("", "The BMS", Device::FIELDS, |view| Some(&view.device));
    visitor.object("", "Protection settings of the BMS", Settings::FIELDS, |view| Some(&view.settings));
    visitor.object("", "Objects in the view", View::FIELDS, |view| Some(view));
    visitor.object("limits", "Limits", Limits::FIELDS, |view| Some(&view.limits));
    visitor.object("history", "History", History::FIELDS, |view| Some(&view.history));
    visitor.object("line", "Line", Line::FIELDS, |view| Some(&view.line));
    visitor.object("can", "CAN", Can::FIELDS, |view| view.can.as_ref());
    visitor.object("rs485", "RS485 to an inverter", Rs485::FIELDS, |view| view.rs485.as_ref());
    visitor.object("health", "Health of the cells", Health::FIELDS, |view| view.health.as_deref());
    visitor.object("modules", "Members of a bank", Modules::FIELDS, |view| view.modules.as_ref());
}

fn rows<T>(fields: &[Field<T>]) -> Vec<(&'static str, &'static str, &'static str)> {
    fields.iter().map(|field| (field.key, field.unit, field.doc)).collect()
}

/// A key for the description of the API.
#[derive(Debug, Clone, Copy)]
pub struct SchemaKey {
    /// The key in the JSON.
    pub key: &'static str,
    /// Unit of a number, or the type.
    pub unit: &'static str,
    /// Meaning.
    pub doc: &'static str,
    /// One value, or several.
    pub kind: KeyKind,
}

/// How many values a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// One.
    One,
    /// A list.
    List,
}

fn schema_keys<T>(fields: &[Field<T>]) -> Vec<SchemaKey> {
    let kind = |is_list: bool| if is_list { KeyKind::List } else { KeyKind::One };
    fields.iter().map(|field| SchemaKey { key: field.key, unit: field.unit, doc: field.doc, kind: kind(field.is_list) }).collect()
}

/// All objects with their keys, for the description of the API: place and keys.
pub fn schemas() -> Vec<(&'static str, Vec<SchemaKey>)> {
    struct Lister(Vec<(&'static str, Vec<SchemaKey>)>);
    impl Visitor for Lister {
        fn object<T>(&mut self, place: &'static str, _: &'static str, fields: &'static [Field<T>], _: fn(&View) -> Option<&T>) {
            self.0.push((place, schema_keys(fields)));
        }
    }
    let mut lister = Lister(Vec::new());
    each_object(&mut lister);
    lister.0.push(("modules.members[]", schema_keys(BankMember::FIELDS)));
    lister.0.push(("limits.ccl", schema_keys(LimitDetail::FIELDS)));
    lister.0.push(("overrides_set[]", schema_keys(OverrideSet::FIELDS)));
    lister.0.push(("switched_off_by[]", schema_keys(SwitchedOff::FIELDS)));
    lister.0.push(("alarms[]", schema_keys(Alarm::FIELDS)));
    lister.0.push(("log.entries[]", schema_keys(LogEntry::FIELDS)));
    lister.0.push(("gx_settings[]", schema_keys(GxSetting::FIELDS)));
    lister.0
}

/// All objects with their keys, for the documentation.
pub fn sections() -> Vec<Section> {
    struct Lister(Vec<Section>);
    impl Visitor for Lister {
        fn object<T>(&mut self, place: &'static str, title: &'static str, fields: &'static [Field<T>], _: fn(&View) -> Option<&T>) {
            self.0.push((place, title, rows(fields)));
        }
    }
    let mut lister = Lister(Vec::new());
    each_object(&mut lister);
    lister.0.push(("modules.members[]", "A battery of a bank", rows(BankMember::FIELDS)));
    lister.0.push(("health.findings[]", "A finding about the cells", rows(HealthFinding::FIELDS)));
    lister.0.push(("limits.ccl", "A limit with what sets it; `limits.cvl` and `limits.dcl` likewise", rows(LimitDetail::FIELDS)));
    lister.0.push(("overrides_set[]", "A temporary limit", rows(OverrideSet::FIELDS)));
    lister.0.push(("switched_off_by[]", "A switch that is off", rows(SwitchedOff::FIELDS)));
    lister.0.push(("alarms[]", "An alarm", rows(Alarm::FIELDS)));
    lister.0.push(("log.entries[]", "An entry of the event log", rows(LogEntry::FIELDS)));
    lister.0.push(("gx_settings[]", "A setting that differs on the GX", rows(GxSetting::FIELDS)));
    lister.0
}
