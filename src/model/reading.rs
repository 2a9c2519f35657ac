//! What a BMS says.

use super::{Alarm, AlarmName, BmsSettings, Level};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use serde::Serialize;
use std::borrow::Cow;

/// One reading of one battery, as the BMS reported it; in a [`Snapshot`](super::Snapshot) as it passed the guard and the owner's settings. The field names are those of the JSON output (contract.md).
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
    /// What the BMS certainly has and has not told yet.
    #[serde(skip)]
    pub awaited: Awaited,
}

/// Inputs of charge control that a BMS certainly has (it announces them, or every board of its family has them) and that no reply
/// has told since the start. A decoder sets them with each reading and goes on asking; until they are known charge control is
/// cautious, as for an input that was there and is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Awaited {
    /// The temperatures of sensors that are announced.
    pub temperatures: bool,
    /// The protection settings.
    pub settings: bool,
    /// The installed capacity.
    pub capacity: bool,
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
