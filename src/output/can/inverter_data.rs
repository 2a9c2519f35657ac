//! The data of a battery for an inverter, in the program's units: profiles encode it and [`crate::output::can::decode`] returns
//! it. The field names are the JSON keys of `can encode` and `can decode`, on which scripts rely.

use super::Config;
use super::details::{CellNumber, Details};
use super::item::{Item, add};
use super::requests::Requests;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::{Alarm, Derived, Level, Snapshot};
use serde::{Deserialize, Serialize};

/// The data sent over CAN; `None` = not sent. Positive current charges.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InverterData {
    /// Limits of charging and discharging.
    #[serde(flatten)]
    pub limits: InverterLimits,
    /// The state of the battery.
    #[serde(flatten)]
    pub state: InverterState,
    /// Alarms and warnings.
    #[serde(flatten)]
    pub active: ActiveAlarms,
    /// Permissions and requests.
    #[serde(flatten)]
    pub requests: RequestFlags,
    /// Names and numbers that identify the battery.
    #[serde(flatten)]
    pub identity: InverterIdentity,
    /// Capacity, remaining charge and energy.
    #[serde(flatten)]
    pub charge: ChargeData,
    /// The modules of the battery.
    #[serde(flatten)]
    pub modules: ModuleData,
    /// Extremes of cells and sensors.
    #[serde(flatten)]
    pub extremes: Extremes,
    /// What only some protocols send.
    #[serde(flatten)]
    pub details: Details,
}

/// Limits of charging and discharging.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InverterLimits {
    /// Charge voltage limit.
    #[serde(rename = "charge_voltage_v", skip_serializing_if = "Option::is_none")]
    pub charge_voltage: Option<Volts>,
    /// Charge current limit.
    #[serde(rename = "charge_current_limit_a", skip_serializing_if = "Option::is_none")]
    pub charge_current_limit: Option<Amps>,
    /// Discharge current limit; positive.
    #[serde(rename = "discharge_current_limit_a", skip_serializing_if = "Option::is_none")]
    pub discharge_current_limit: Option<Amps>,
    /// End-of-discharge voltage.
    #[serde(rename = "discharge_voltage_v", skip_serializing_if = "Option::is_none")]
    pub discharge_voltage: Option<Volts>,
}

/// The state of the battery.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InverterState {
    /// State of charge.
    #[serde(rename = "soc_pct", skip_serializing_if = "Option::is_none")]
    pub soc: Option<Percent>,
    /// State of charge in 0.01 %, if the profile has it.
    #[serde(rename = "soc_hires_pct", skip_serializing_if = "Option::is_none")]
    pub soc_hires: Option<Percent>,
    /// State of health.
    #[serde(rename = "soh_pct", skip_serializing_if = "Option::is_none")]
    pub soh: Option<Percent>,
    /// Pack voltage.
    #[serde(rename = "voltage_v", skip_serializing_if = "Option::is_none")]
    pub voltage: Option<Volts>,
    /// The last known voltage; not sent.
    #[serde(skip)]
    pub last_voltage: Option<Volts>,
    /// Pack current.
    #[serde(rename = "current_a", skip_serializing_if = "Option::is_none")]
    pub current: Option<Amps>,
    /// Battery temperature.
    #[serde(rename = "temperature_c", skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Celsius>,
}

/// Alarms and warnings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ActiveAlarms {
    /// Active alarms, in the order of their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<Item>>,
    /// Active warnings, in the order of their names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Vec<Item>>,
    /// Alarms reported as off (SMA and Victron distinguish them from unknown ones).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms_ok: Option<Vec<Item>>,
    /// Warnings reported as off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warnings_ok: Option<Vec<Item>>,
}

/// Permissions and requests.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestFlags {
    /// The battery may be charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charge_enable: Option<bool>,
    /// The battery may be discharged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discharge_enable: Option<bool>,
    /// Force charge, also from the grid: for inverters that let the battery switch off and can wake it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_charge_1: Option<bool>,
    /// Force charge, also from the grid: for inverters that must not let the battery switch off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_charge_2: Option<bool>,
    /// Request for a full charge, also from the grid: the battery has not been full for a long time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_charge_request: Option<bool>,
    /// Victron's request to charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_charge_victron: Option<bool>,
}

/// Names and numbers that identify the battery.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InverterIdentity {
    /// Manufacturer name, up to 8 characters; some inverters choose their rules by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// Product or family, up to 8 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// Name of the BMS, first 8 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bms_name_1: Option<String>,
    /// Name of the BMS, the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bms_name_2: Option<String>,
    /// Serial number, up to 16 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// Product id (Victron) or kind of battery (SMA).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_or_type_u16: Option<u16>,
    /// Firmware version, two bytes in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fw_bytes_2_3: Option<String>,
    /// Hardware version (Victron) or manufacturer number (SMA).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hw_or_mfr_u16: Option<u16>,
}

/// Capacity, remaining charge and energy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ChargeData {
    /// Capacity; for Victron the remaining charge.
    #[serde(rename = "capacity_ah", skip_serializing_if = "Option::is_none")]
    pub capacity: Option<AmpHours>,
    /// Remaining charge.
    #[serde(rename = "remaining_ah", skip_serializing_if = "Option::is_none")]
    pub remaining: Option<AmpHours>,
    /// Installed capacity.
    #[serde(rename = "installed_capacity_ah", skip_serializing_if = "Option::is_none")]
    pub installed_capacity: Option<AmpHours>,
    /// Total energy charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_charged_kwh: Option<f64>,
    /// Total energy discharged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_discharged_kwh: Option<f64>,
}

/// The modules of the battery.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModuleData {
    /// Modules of the battery (Pylontech).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_count: Option<u8>,
    /// The two bytes after the module count, in hex: `504e` ("PN") from Pylontech.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail_pn: Option<String>,
    /// Modules online (Victron).
    #[serde(rename = "modules_online", skip_serializing_if = "Option::is_none")]
    pub online: Option<u16>,
    /// Modules that block charging.
    #[serde(rename = "modules_blocking_charge", skip_serializing_if = "Option::is_none")]
    pub blocking_charge: Option<u16>,
    /// Modules that block discharging.
    #[serde(rename = "modules_blocking_discharge", skip_serializing_if = "Option::is_none")]
    pub blocking_discharge: Option<u16>,
    /// Modules offline.
    #[serde(rename = "modules_offline", skip_serializing_if = "Option::is_none")]
    pub offline: Option<u16>,
}

/// Extremes of cells and sensors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Extremes {
    /// Lowest cell, mV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cell_mv: Option<u16>,
    /// Highest cell, mV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cell_mv: Option<u16>,
    /// Coldest sensor, K.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cell_temp_k: Option<u16>,
    /// Hottest sensor, K.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cell_temp_k: Option<u16>,
    /// Name of the lowest cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cell_v_id: Option<String>,
    /// Name of the highest cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cell_v_id: Option<String>,
    /// Name of the coldest sensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_cell_t_id: Option<String>,
    /// Name of the hottest sensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cell_t_id: Option<String>,
}

impl InverterData {
    /// From a snapshot and the charge requests.
    pub fn of(snapshot: &Snapshot, config: &Config, requests: Requests) -> Self {
        let (reading, limits) = (&snapshot.reading, &snapshot.limits);
        let (alarms, warnings) = sorted(&snapshot.alarms);
        let (may_charge, may_discharge) = (limits.ccl.value > Amps::ZERO, limits.dcl.value > Amps::ZERO);
        let (name_1, name_2) = halves(reading.device.model.as_deref());
        Self {
            limits: InverterLimits {
                charge_voltage: Some(limits.cvl.value),
                charge_current_limit: Some(limits.ccl.value),
                discharge_current_limit: Some(limits.dcl.value),
                discharge_voltage: Some(limits.low_voltage),
            },
            state: InverterState {
                soc: reading.soc,
                soh: reading.soh,
                voltage: reading.voltage,
                current: reading.current,
                temperature: snapshot.derived.temperature,
                ..InverterState::default()
            },
            active: ActiveAlarms { alarms: Some(alarms), warnings: Some(warnings), ..ActiveAlarms::default() },
            requests: RequestFlags {
                charge_enable: Some(may_charge),
                discharge_enable: Some(may_discharge),
                force_charge_1: Some(requests.force_1 && may_charge),
                force_charge_2: Some(requests.force_2 && may_charge),
                full_charge_request: Some(requests.full && may_charge),
                force_charge_victron: None,
            },
            identity: InverterIdentity {
                manufacturer: config.manufacturer.clone(),
                bms_name_1: name_1,
                bms_name_2: name_2,
                serial_number: reading.device.serial_number.clone(),
                ..InverterIdentity::default()
            },
            charge: ChargeData {
                capacity: reading.capacity,
                remaining: reading.remaining,
                installed_capacity: None,
                energy_charged_kwh: Some(snapshot.history.charged_kwh),
                energy_discharged_kwh: Some(snapshot.history.discharged_kwh),
            },
            modules: ModuleData::of(snapshot, config, may_charge, may_discharge),
            extremes: Extremes::of(snapshot),
            details: details(snapshot),
        }
    }

    /// The same with limits of 0 and no requests, for a battery without fresh data. Keeps the state of charge of `last`, because an
    /// inverter without one switches off or starts to charge; measured values are unknown.
    pub fn zero_limits(self, last: &Self) -> Self {
        // Unchanged: charge voltage, alarms, names and counters.
        Self {
            limits: InverterLimits {
                charge_voltage: self.limits.charge_voltage,
                charge_current_limit: Some(Amps::ZERO),
                discharge_current_limit: Some(Amps::ZERO),
                discharge_voltage: self.limits.discharge_voltage.filter(|low| *low > Volts::ZERO).or(last.limits.discharge_voltage),
            },
            state: InverterState {
                soc: last.state.soc,
                soc_hires: last.state.soc_hires,
                soh: last.state.soh,
                last_voltage: last.state.voltage,
                voltage: None,
                current: None,
                temperature: None,
            },
            requests: RequestFlags {
                charge_enable: Some(false),
                discharge_enable: Some(false),
                force_charge_1: Some(false),
                force_charge_2: Some(false),
                full_charge_request: Some(false),
                force_charge_victron: Some(false),
            },
            charge: ChargeData {
                remaining: last.charge.remaining,
                capacity: self.charge.capacity.or(last.charge.capacity),
                ..self.charge
            },
            modules: ModuleData { blocking_charge: self.modules.online, blocking_discharge: self.modules.online, ..self.modules },
            extremes: Extremes {
                min_cell_mv: None,
                max_cell_mv: None,
                min_cell_temp_k: None,
                max_cell_temp_k: None,
                ..self.extremes
            },
            details: last.details.without_measured_values(),
            active: self.active,
            identity: self.identity,
        }
    }

    /// The charge current limit: 0 if charging is not enabled or the limit unknown.
    pub(crate) fn charge_amps(&self) -> f64 {
        amps(self.limits.charge_current_limit, self.requests.charge_enable)
    }

    /// As [`charge_amps`](Self::charge_amps), discharging.
    pub(crate) fn discharge_amps(&self) -> f64 {
        amps(self.limits.discharge_current_limit, self.requests.discharge_enable)
    }

    /// Whether the battery may be charged: the flag, else by its limit.
    pub(crate) fn may_charge(&self) -> bool {
        self.requests.charge_enable.unwrap_or(self.charge_amps() > 0.0)
    }

    /// Whether the battery may be discharged: the flag, else by its limit.
    pub(crate) fn may_discharge(&self) -> bool {
        self.requests.discharge_enable.unwrap_or(self.discharge_amps() > 0.0)
    }

    /// True when `item` is an active alarm.
    pub(crate) fn alarm(&self, item: Item) -> bool {
        self.active.alarms.as_ref().is_some_and(|items| items.contains(&item))
    }

    /// True when `item` is an active warning.
    pub(crate) fn warning(&self, item: Item) -> bool {
        self.active.warnings.as_ref().is_some_and(|items| items.contains(&item))
    }

    /// The same with every alarm as a warning.
    pub(crate) fn with_warnings_only(mut self) -> Self {
        for item in self.active.alarms.take().unwrap_or_default() {
            add(self.active.warnings.get_or_insert_default(), item);
        }
        self.active.alarms = Some(Vec::new());
        self
    }
}

/// Alarms and warnings by their names on CAN.
pub fn sorted(all: &[Alarm]) -> (Vec<Item>, Vec<Item>) {
    let (mut alarms, mut warnings) = (Vec::new(), Vec::new());
    for alarm in all {
        let Some(item) = Item::of(alarm.name) else { continue };
        match alarm.level {
            Level::Alarm => add(&mut alarms, item),
            Level::Warning => add(&mut warnings, item),
        }
    }
    (alarms, warnings)
}

impl ModuleData {
    /// For a bank as it counts them, else as configured.
    fn of(snapshot: &Snapshot, config: &Config, may_charge: bool, may_discharge: bool) -> Self {
        let (online, offline, blocking) = match (&snapshot.bank_summary, config.module_count) {
            (Some(bank), None) => (bank.online, bank.offline, [bank.blocking_charge, bank.blocking_discharge]),
            (_, count) => (u16::from(count.unwrap_or(1)), 0, [0, 0]),
        };
        // If a limit is 0, all modules block.
        let blocks = |may: bool, some: u16| if may { some.min(online) } else { online };
        let [charge, discharge] = blocking;
        Self {
            module_count: Some(u8::try_from(online.max(1)).unwrap_or(u8::MAX)),
            tail_pn: None,
            online: Some(online),
            blocking_charge: Some(blocks(may_charge, charge)),
            blocking_discharge: Some(blocks(may_discharge, discharge)),
            offline: Some(offline),
        }
    }
}

impl Extremes {
    fn of(snapshot: &Snapshot) -> Self {
        let Derived { min_cell, max_cell, min_temperature, max_temperature, .. } = &snapshot.derived;
        let bank = snapshot.bank_summary.as_deref();
        Self {
            min_cell_mv: min_cell.map(|(volts, _)| milli(volts)),
            max_cell_mv: max_cell.map(|(volts, _)| milli(volts)),
            min_cell_temp_k: min_temperature.map(|(celsius, _)| kelvin(celsius)),
            max_cell_temp_k: max_temperature.map(|(celsius, _)| kelvin(celsius)),
            min_cell_v_id: id('C', min_cell.map(|(_, number)| number), bank.map(|bank| &bank.min_cell)),
            max_cell_v_id: id('C', max_cell.map(|(_, number)| number), bank.map(|bank| &bank.max_cell)),
            min_cell_t_id: id('T', min_temperature.map(|(_, number)| number), bank.map(|bank| &bank.min_temperature)),
            max_cell_t_id: id('T', max_temperature.map(|(_, number)| number), bank.map(|bank| &bank.max_temperature)),
        }
    }
}

fn details(snapshot: &Snapshot) -> Details {
    let (reading, derived) = (&snapshot.reading, &snapshot.derived);
    let number = |number: usize| u16::try_from(number).ok().filter(|number| *number > 0).map(CellNumber::Of);
    Details {
        max_cell_temperature: derived.max_temperature.map(|(celsius, _)| celsius),
        min_cell_temperature: derived.min_temperature.map(|(celsius, _)| celsius),
        max_cell_v_number: derived.max_cell.and_then(|(_, place)| number(place)),
        min_cell_v_number: derived.min_cell.and_then(|(_, place)| number(place)),
        max_cell_t_number: derived.max_temperature.and_then(|(_, place)| number(place)),
        min_cell_t_number: derived.min_temperature.and_then(|(_, place)| number(place)),
        cells_mv: (!reading.cells.is_empty()).then(|| reading.cells.iter().copied().map(milli).collect()),
        temperatures: reading.temperatures.sensors.clone(),
        mos_temperature: reading.temperatures.mos,
        board_temperature: reading.temperatures.board,
        cell_count: snapshot.cell_count.or(reading.cell_count),
        cycles: reading.cycles,
        balancing: reading.balancing.active,
        ..Details::default()
    }
}

/// The name of a cell or sensor: its number, in a bank with its battery.
fn id(letter: char, number: Option<usize>, in_bank: Option<&Option<String>>) -> Option<String> {
    match in_bank {
        Some(name) => name.as_deref().map(short),
        None => number.filter(|number| *number > 0).map(|number| format!("{letter}{number}")),
    }
}

/// `Garage C7` within the eight characters of a frame: the battery's name is cut to fit.
fn short(name: &str) -> String {
    let Some((battery, cell)) = name.rsplit_once(' ') else { return name.to_owned() };
    let room = 7usize.saturating_sub(cell.chars().count());
    let battery: String = battery.chars().take(room).collect();
    format!("{} {cell}", battery.trim_end())
}

fn amps(limit: Option<Amps>, enabled: Option<bool>) -> f64 {
    match enabled {
        Some(false) => 0.0,
        // NaN allows nothing.
        _ => limit.map_or(0.0, |limit| limit.get().max(0.0)),
    }
}

fn milli(volts: Volts) -> u16 {
    (volts.get() * 1000.0).round() as u16
}

/// Whole kelvin, as Victron requires; 14 °C are 287.
fn kelvin(celsius: Celsius) -> u16 {
    (celsius.get() + 273.15).round() as u16
}

/// A name in two parts of 8 characters.
fn halves(name: Option<&str>) -> (Option<String>, Option<String>) {
    let Some(name) = name else { return (None, None) };
    let part = |skip| Some(name.chars().skip(skip).take(8).collect::<String>()).filter(|part| !part.is_empty());
    (part(0), part(8))
}
