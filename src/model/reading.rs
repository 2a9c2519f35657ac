//! Values reported by a BMS.

use super::table::{Table as _, table};
use super::{Alarm, AlarmName, BmsSettings, Lasting, Level, Open, ProductionDate};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use std::borrow::Cow;

/// Maximum plausible difference between the sum of the cells and the pack voltage, as a fraction of it.
const MOST_APART: f64 = 0.2;

table! {
    /// One reading of one battery as reported by the BMS; in a [`Snapshot`](crate::model::Snapshot) after guard and settings. On
    /// the keys of its JSON scripts rely.
    pub struct Reading, described by ReadingFields {
        /// Name of the protocol.
        /// As in the registry: `jbd`.
        bms: &'static str = Identity("bms", "text", ""),
        /// Bus address.
        /// `None` where the protocol has none.
        address: Option<u8> = Identity("address", "number", "address"),
        /// Pack voltage.
        voltage: Option<Volts> = Measured("voltage_v", "V", ""),
        /// Pack current; positive charges.
        current: Option<Amps> = Measured("current_a", "A", ""),
        /// Pack power; positive charges.
        /// As reported by the BMS (some boards only report the magnitude), else voltage times current, rounded to 0.1 W.
        power: Option<Watts> = Measured("power_w", "W", ""),
        /// State of charge.
        /// 0 to 100.
        soc: Option<Percent> = Measured("soc_pct", "%", "SoC"),
        /// State of health.
        /// 0 to 100.
        soh: Option<Percent> = Measured("soh_pct", "%", "SoH"),
        /// Remaining charge.
        remaining: Option<AmpHours> = Measured("remaining_ah", "Ah", ""),
        /// Installed capacity: remaining and drawn charge refer to it.
        /// As the board itself refers to it: configured or nominal, or learned.
        capacity: Option<AmpHours> = Constant("capacity_ah", "Ah", "capacity"),
        /// Capacity as learned by the BMS.
        /// Below nominal on an aged pack.
        full_charge: Option<AmpHours> = Measured("full_charge_ah", "Ah", "full charge"),
        /// Capacity as designed: rated by the maker, or set at the installation.
        /// Of a BMS that reports a learned one beside it; one of both is the installed capacity, too.
        design: Option<AmpHours> = Constant("design_ah", "Ah", "design"),
        /// Charge cycles.
        cycles: Option<u32> = Measured("cycles", "number", ""),
        /// Charge that went through the battery since it was new, as counted by the BMS.
        /// Once through is drawn and charged again: with it BMSs count their cycles.
        throughput: Option<AmpHours> = Measured("throughput_ah", "Ah", "throughput"),
        /// Number of cells in series, as reported by the BMS.
        cell_count: Option<u8> = Constant("cell_count", "number", ""),
        /// Cell voltages, cell 1 first. 0 is a broken sense wire.
        /// Empty when unknown.
        cells: Vec<Volts> = Measured("cell_voltages_v", "V", ""),
        /// Highest cell voltage, of a BMS that reports the extremes only.
        /// Beside single cells the worse of both counts.
        highest_cell: Option<Volts> = Measured("highest_cell_v", "V", "highest cell"),
        /// Lowest cell voltage, of a BMS that reports the extremes only.
        lowest_cell: Option<Volts> = Measured("lowest_cell_v", "V", "lowest cell"),
        /// `false`: only the first cells are known.
        /// Such a set never reaches D-Bus, charge control or CAN.
        cells_complete: Option<bool> = Measured("cells_complete", "bool", ""),
        /// The heater of the battery is on.
        /// If the BMS reports it.
        heating: Option<bool> = Measured("heating", "bool", ""),
        /// Current of the heater, while it is on.
        /// As measured by the BMS.
        heating_current: Option<Amps> = Measured("heating_current_a", "A", "heater"),
        /// Active alarms and warnings. An empty list: none; absent: unknown.
        alarms: Option<Vec<Alarm>> = Measured("alarms", "list", ""),
        /// Notes of the BMS that are not alarms.
        /// Default password, software FET lock, FET switched off by remote.
        notes: Vec<Cow<'static, str>> = Measured("notes", "text", ""),
        /// Relative humidity inside the BMS.
        humidity: Option<Percent> = Measured("humidity_pct", "%", "humidity"),
    }
    groups {
        /// What identifies the BMS and the battery.
        device: Device described by DeviceFields,
        /// The switches of the battery: MOSFETs or contactors.
        fets: Fets described by FetsFields,
        /// The balancer.
        balancing: Balancing described by BalancingFields,
        /// Temperatures by place.
        temperatures: Temperatures described by TemperaturesFields,
    }
    beside {
        /// The text that identifies the board for dbus-serialbattery, if it is not another field; the owner may have written it, so
        /// it is not shown anywhere.
        #[serde(skip)]
        label: Option<String>,
        /// Protection settings and limits that the BMS reports.
        #[serde(flatten)]
        settings: BmsSettings,
        /// Inputs that the BMS certainly has and has not sent yet.
        #[serde(skip)]
        awaited: Awaited,
        /// The BMS reports no single cells, so none are waited for. Set by the decoder.
        #[serde(skip)]
        without_cells: bool,
        /// Values that the owner has to decide about, see [`Reading::leave_open`].
        #[serde(skip)]
        open: Vec<Open>,
    }
}

table! {
    /// What identifies the BMS and the battery.
    pub struct Device, described by DeviceFields {
        /// Model, as reported by the BMS.
        model: Option<String> = Constant("model", "text", ""),
        /// Serial number.
        /// If it is not a factory default.
        serial_number: Option<String> = Constant("serial_number", "text", "serial"),
        /// Hardware version.
        hw_version: Option<String> = Constant("hw_version", "text", "hardware"),
        /// Firmware version.
        sw_version: Option<String> = Constant("sw_version", "text", "firmware"),
        /// Production date: `YYYY-MM-DD`, or `YYYY-MM` if the BMS reports no day.
        /// Here as written by the BMS.
        production_date: Option<ProductionDate> = Constant("production_date", "text", "made"),
    }
}

table! {
    /// The switches of the battery: MOSFETs or contactors.
    pub struct Fets, described by FetsFields {
        /// Charge FET on.
        charge: Option<bool> = Measured("charge_fet", "bool", "charge"),
        /// Discharge FET on.
        discharge: Option<bool> = Measured("discharge_fet", "bool", "discharge"),
        /// Charging allowed by the switch in the BMS's settings.
        /// If the BMS reports it.
        charge_switch: Option<bool> = Switch("charge_switch", "bool", ""),
        /// Discharging allowed by the switch in the BMS's settings.
        discharge_switch: Option<bool> = Switch("discharge_switch", "bool", ""),
    }
}

table! {
    /// The balancer.
    pub struct Balancing, described by BalancingFields {
        /// The BMS is balancing.
        active: Option<bool> = Measured("balancing", "bool", ""),
        /// Numbers of the cells being balanced, from 1.
        /// If the BMS reports it.
        cells: Option<Vec<u8>> = Measured("balancing_cells", "number", ""),
        /// Balancing allowed in the BMS's settings.
        allowed: Option<bool> = Switch("balance_allowed", "bool", ""),
        /// Balancing current.
        current: Option<Amps> = Measured("balance_current_a", "A", "balance current"),
    }
}

table! {
    /// Temperatures by place.
    pub struct Temperatures, described by TemperaturesFields {
        /// Temperature sensors in the BMS's order. An empty list: none is fitted; `null`: a missing sensor.
        /// Here missing ones are omitted.
        sensors: Option<Vec<Celsius>> = Measured("temperatures_c", "°C", ""),
        /// MOSFET temperature.
        mos: Option<Celsius> = Measured("mos_temperature_c", "°C", "MOSFET"),
        /// Temperature of the BMS's board or balancer.
        /// Shown only: limits depend on the battery and the MOSFETs.
        board: Option<Celsius> = Measured("board_temperature_c", "°C", "board"),
        /// Temperature inside of the battery's case, beside the cells.
        /// Shown only, as `board`.
        environment: Option<Celsius> = Measured("environment_temperature_c", "°C", "case"),
    }
}

/// Inputs of charge control that a BMS certainly has (it announces them, or every board of its family has them) and that no reply
/// has contained since the start. A decoder sets them with each reading and keeps requesting them; until they are known charge
/// control is cautious, as for an input that was present and is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Awaited {
    /// Temperatures of announced sensors.
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

    /// An empty reading for the next poll, with the constant data: names, versions, dates, settings, capacity.
    pub fn next(&self) -> Self {
        self.next_with(Lasting::Constant)
    }

    /// What is left of it once it is stale: nothing that was measured. The capacity stays, even of a BMS that measures it.
    pub fn stale(&self) -> Self {
        Self { capacity: self.capacity, ..self.next() }
    }

    /// As [`next`](Self::next), with the owner's switches, which some boards report in few polls only.
    pub fn next_poll(&self) -> Self {
        self.next_with(Lasting::Switch)
    }

    fn next_with(&self, least: Lasting) -> Self {
        Self { label: self.label.clone(), settings: self.settings.clone(), ..self.lasting(least) }
    }

    /// Copies constant data that is unknown here from another reading of the same battery.
    pub fn inherit(&mut self, other: &Self) {
        self.fill_from(other);
        if self.label.is_none() {
            self.label.clone_from(&other.label);
        }
        self.settings.fill_from(&other.settings);
        // Data that was copied is no longer awaited.
        let chemistry = self.settings.chemistry;
        self.awaited.settings &= other.awaited.settings || self.settings == BmsSettings { chemistry, ..BmsSettings::default() };
        self.awaited.capacity &= self.capacity.is_none();
    }

    /// `answer` has a different or no value for constant data (a capacity, name or protection). The limits reported by a BMS change
    /// at any time and are not included.
    pub fn is_static_data_changed(&self, answer: &Self) -> bool {
        self.is_constant_changed(answer) || self.settings.is_constant_changed(&answer.settings)
    }

    /// Describes a contradiction between pack voltage and cells too large for a single battery: the reply belongs to another board,
    /// or is corrupted with a valid check. Recorded boards differ by up to 18 %, because their pack voltage is not calibrated.
    /// Broken sense wires, empty cells and a BMS that restarts with zeros are left to the guard.
    pub fn contradiction(&self) -> Option<String> {
        if let (Some(lowest), Some(highest)) = (self.lowest_cell, self.highest_cell)
            && lowest > highest
        {
            return Some(format!("its lowest cell has {lowest}, but the highest {highest}"));
        }
        let voltage = self.voltage.filter(|voltage| voltage.get() >= 1.0)?;
        let whole = !self.cells.is_empty() && self.cells_complete != Some(false);
        if !whole || !self.cells.iter().all(|cell| (1.0..5.0).contains(&cell.get())) {
            return None;
        }
        let sum: f64 = self.cells.iter().map(|cell| cell.get()).sum();
        let tolerance = (MOST_APART * voltage.get()).max(1.0);
        ((sum - voltage.get()).abs() > tolerance).then(|| format!("its cells sum up to {sum:.2} V, but the pack to {voltage}"))
    }

    /// Raises an alarm; of two levels the higher one is kept.
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

    /// Remaining charge: as reported by the BMS, else computed from the SoC with this capacity.
    pub fn charge_left(&self, capacity: Option<AmpHours>) -> Option<AmpHours> {
        self.remaining.or_else(|| Some(capacity? * (self.soc?.get() / 100.0)))
    }

    /// Fills `power` from voltage and current if the BMS does not report it.
    pub fn derive_power(&mut self) {
        if self.power.is_some() {
            return;
        }
        self.power = match (self.voltage, self.current) {
            (Some(v), Some(a)) => Some(Watts::new(v.get() * a.get()).rounded(1)),
            _ => None,
        };
    }

    /// The reading of `blocks` equal batteries in parallel, of which the BMS measures one: an estimate.
    pub fn multiplied(mut self, blocks: u8) -> Self {
        let factor = f64::from(blocks.max(1));
        if factor == 1.0 {
            return self;
        }
        self.scale_by(factor);
        self.power = None;
        self.note("currents and capacities are estimates: one of several parallel batteries is measured");
        self
    }

    /// Every field is named, so that a new current or charge cannot be forgotten.
    #[rustfmt::skip]
    fn scale_by(&mut self, factor: f64) {
        let Self {
            current, remaining, capacity, full_charge, design, throughput, settings,
            // Computed again.
            power: _,
            // Its current applies to the cells of one battery.
            balancing: _,
            // Each has a heater of its own.
            heating: _, heating_current: _,
            bms: _, address: _, voltage: _, soc: _, soh: _, cycles: _, cell_count: _, cells: _, cells_complete: _, highest_cell: _,
            lowest_cell: _, without_cells: _, temperatures: _, fets: _, alarms: _, notes: _, device: _, humidity: _, label: _, awaited: _,
            // Decided before.
            open: _,
        } = self;
        let BmsSettings {
            charge_ocp, discharge_ocp, charge_limit, discharge_limit,
            chemistry: _, cell_ovp: _, cell_uvp: _, pack_ovp: _, pack_uvp: _, voltage_limit: _,
        } = settings;
        for charge in [remaining, capacity, full_charge, design, throughput] {
            *charge = charge.map(|charge| charge * factor);
        }
        for amps in [current, charge_ocp, discharge_ocp, charge_limit, discharge_limit] {
            *amps = amps.map(|amps| amps * factor);
        }
    }

    /// All values that D-Bus needs before the service may appear: voltage, current, SoC and every cell, if the BMS reports cells. A
    /// current whose direction is still to be decided counts.
    pub fn is_complete(&self) -> bool {
        self.voltage.is_some()
            && (self.current.is_some() || self.open_direction().is_some())
            && self.soc.is_some()
            && self.has_its_cells()
            && self.cells_complete != Some(false)
    }

    /// The cells are known, or the BMS reports none.
    pub fn has_its_cells(&self) -> bool {
        self.without_cells || !self.cells.is_empty()
    }
}
