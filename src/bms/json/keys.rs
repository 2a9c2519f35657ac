//! The keys of a message: the table in `docs/mqtt.md` is this one.

use super::alarms;
use super::values::{
    balancing_cells, cell_objects, cells, cells_complete, flag, history, notes, number, production_date, text, whole,
};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use crate::model::{Chemistry, Reading};
use serde::Deserialize;
use serde_json::Value;

/// A key.
#[derive(Debug)]
pub struct Key {
    /// Its names: that of our own JSON first; the first one that a message has counts.
    pub names: &'static [&'static str],
    /// Form and range of its values.
    pub form: &'static str,
    /// Meaning.
    pub doc: &'static str,
    /// What a value of another form counts as.
    pub(super) otherwise: &'static str,
    /// It is a value of a battery: a message without any is of something else.
    pub(super) counts: bool,
    /// Adds a value; false if it has another form or is out of its range.
    pub(super) read: fn(&Value, &mut Reading) -> bool,
}

/// Stores a value that has the right form.
fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let right = value.is_some();
    *place = value;
    right
}

const fn key(names: &'static [&'static str], form: &'static str, doc: &'static str, read: fn(&Value, &mut Reading) -> bool) -> Key {
    Key { names, form, doc, otherwise: "it is unknown", counts: true, read }
}

/// A key that says nothing about the battery itself, or nothing that is used.
const fn aside(names: &'static [&'static str], doc: &'static str) -> Key {
    Key { names, form: "anything", doc, otherwise: "", counts: false, read: |_, _| true }
}

const PERCENT: &str = "a number from 0 to 100";
const BOOL: &str = "true or false (or 1 or 0)";
const TEXT: &str = "a text";
const CELSIUS: &str = "a number from -60 to 200";
const AMPS: &str = "a number from -5000 to 5000";
const LIMIT: &str = "a number from 0 to 5000";
const PACK: &str = "a number from 0 to 1000";
const CELL: &str = "a number from 0 to 5";
const CHARGE: &str = "a number from 0 to 100000";
const COUNT: &str = "a whole number from 0 to 1000000";

fn percent(value: &Value) -> Option<Percent> {
    number(value, 0.0, 100.0).map(Percent::new)
}
fn pack(value: &Value) -> Option<Volts> {
    number(value, 0.0, 1000.0).map(Volts::new)
}
fn cell(value: &Value) -> Option<Volts> {
    number(value, 0.0, 5.0).map(Volts::new)
}
fn amps(value: &Value) -> Option<Amps> {
    number(value, -5000.0, 5000.0).map(Amps::new)
}
fn limit(value: &Value) -> Option<Amps> {
    number(value, 0.0, 5000.0).map(Amps::new)
}
fn charge(value: &Value) -> Option<AmpHours> {
    number(value, 0.0, 100_000.0).map(AmpHours::new)
}
fn celsius(value: &Value) -> Option<Celsius> {
    number(value, -60.0, 200.0).map(Celsius::new)
}

/// A capacity; 0 is none.
fn capacity(value: &Value) -> Option<AmpHours> {
    charge(value).filter(|charge| charge.get() > 0.0)
}

/// A limit that the battery asks for. One that is not understood is 0: it must not be lost.
fn ask<T>(place: &mut Option<T>, value: Option<T>, none: T) -> bool {
    let right = value.is_some();
    *place = Some(value.unwrap_or(none));
    right
}

/// One more temperature sensor.
fn sensor(value: &Value, into: &mut Reading) -> bool {
    let sensor = celsius(value);
    into.temperatures.sensors.get_or_insert_default().extend(sensor);
    sensor.is_some()
}

/// `temperatures_c`; `null` is a missing sensor.
fn temperatures(value: &Value, into: &mut Reading) -> bool {
    let Some(list) = value.as_array().filter(|list| list.len() <= 16) else { return false };
    into.temperatures.sensors = Some(list.iter().filter_map(celsius).collect());
    list.iter().all(|sensor| sensor.is_null() || celsius(sensor).is_some())
}

/// All keys, in the order in which they are read.
pub const SCHEMA: &[Key] = &[
    key(&["voltage_v", "voltage"], PACK, "Pack voltage, V.", |v, r| put(&mut r.voltage, pack(v))),
    key(&["current_a", "current"], AMPS, "Pack current, A; positive charges.", |v, r| put(&mut r.current, amps(v))),
    key(&["power_w"], "a number from -1000000 to 1000000", "Pack power, W. Not given: voltage times current.", |v, r| {
        put(&mut r.power, number(v, -1e6, 1e6).map(Watts::new))
    }),
    key(&["soc_pct", "soc"], PERCENT, "State of charge, %.", |v, r| put(&mut r.soc, percent(v))),
    key(&["soh_pct", "soh"], PERCENT, "State of health, %.", |v, r| put(&mut r.soh, percent(v))),
    key(&["remaining_ah", "capacity_remain"], CHARGE, "Remaining charge, Ah.", |v, r| put(&mut r.remaining, charge(v))),
    key(&["capacity_ah", "capacity"], CHARGE, "Installed capacity, Ah.", |v, r| put(&mut r.capacity, capacity(v))),
    key(&["full_charge_ah"], CHARGE, "Capacity as learned by the BMS, Ah.", |v, r| put(&mut r.full_charge, capacity(v))),
    key(&["design_ah"], CHARGE, "Capacity as designed, Ah, beside a learned one.", |v, r| put(&mut r.design, capacity(v))),
    key(&["cycles"], COUNT, "Charge cycles.", |v, r| put(&mut r.cycles, whole(v, 0, 1_000_000))),
    key(&["throughput_ah"], "a number from 0 to 1000000000", "Charge that went through the battery, Ah.", |v, r| {
        put(&mut r.throughput, number(v, 0.0, 1e9).map(AmpHours::new))
    }),
    key(&["cell_count"], "a whole number from 1 to 64", "Number of cells in series.", |v, r| {
        put(&mut r.cell_count, whole(v, 1, 64).and_then(|count| u8::try_from(count).ok()))
    }),
    Key { counts: false, ..key(&["cells_complete"], BOOL, "`false`: only the first cells are known.", cells_complete) },
    key(
        &["cell_voltages_v"],
        "a list of 1 to 64 numbers from 0 to 5",
        "Cell voltages, V, cell 1 first. 0 is a broken sense wire.",
        cells,
    ),
    key(
        &["cells"],
        "a list of 1 to 64 objects",
        "The cells of dbus-serialbattery's format: `{\"voltage\": 3.31, \"balance\": false}`.",
        cell_objects,
    ),
    key(&["highest_cell_v"], CELL, "Highest cell voltage, V, of a battery without single cells.", |v, r| {
        put(&mut r.highest_cell, cell(v))
    }),
    key(&["lowest_cell_v"], CELL, "Lowest cell voltage, V, of a battery without single cells.", |v, r| {
        put(&mut r.lowest_cell, cell(v))
    }),
    key(
        &["temperatures_c"],
        "a list of numbers from -60 to 200",
        "Temperature sensors, °C; `null` is a missing one.",
        temperatures,
    ),
    key(&["temperature_1"], CELSIUS, "Temperature sensors one by one, °C.", sensor),
    key(&["temperature_2"], CELSIUS, "The second.", sensor),
    key(&["temperature_3"], CELSIUS, "The third.", sensor),
    key(&["temperature_4"], CELSIUS, "The fourth.", sensor),
    key(&["mos_temperature_c", "temperature_mos"], CELSIUS, "MOSFET temperature, °C.", |v, r| {
        put(&mut r.temperatures.mos, celsius(v))
    }),
    key(&["board_temperature_c"], CELSIUS, "Temperature of the BMS's board, °C. Shown only.", |v, r| {
        put(&mut r.temperatures.board, celsius(v))
    }),
    key(&["environment_temperature_c"], CELSIUS, "Temperature inside of the battery's case, °C. Shown only.", |v, r| {
        put(&mut r.temperatures.environment, celsius(v))
    }),
    key(&["charge_fet"], BOOL, "Charge FET on; `false` forbids charging.", |v, r| put(&mut r.fets.charge, flag(v))),
    key(&["discharge_fet"], BOOL, "Discharge FET on; `false` forbids discharging.", |v, r| put(&mut r.fets.discharge, flag(v))),
    key(&["charge_switch"], BOOL, "Charging allowed by the switch in the BMS's settings.", |v, r| {
        put(&mut r.fets.charge_switch, flag(v))
    }),
    key(&["discharge_switch"], BOOL, "Discharging allowed by the switch in the BMS's settings.", |v, r| {
        put(&mut r.fets.discharge_switch, flag(v))
    }),
    key(&["balancing"], BOOL, "The BMS is balancing.", |v, r| put(&mut r.balancing.active, flag(v))),
    key(
        &["balancing_cells"],
        "a list of whole numbers from 1 to 64",
        "Numbers of the cells being balanced, from 1.",
        balancing_cells,
    ),
    key(&["balance_allowed", "balance_fet"], BOOL, "Balancing allowed.", |v, r| put(&mut r.balancing.allowed, flag(v))),
    key(&["balance_current_a"], AMPS, "Balancing current, A.", |v, r| put(&mut r.balancing.current, amps(v))),
    key(&["heating"], BOOL, "The heater of the battery is on.", |v, r| put(&mut r.heating, flag(v))),
    key(&["heating_current_a", "heater_current"], AMPS, "Current of the heater, A.", |v, r| put(&mut r.heating_current, amps(v))),
    key(
        &["alarms"],
        "a list of objects",
        "Active alarms, `{\"name\": \"low_soc\", \"level\": \"warning\"}`; level `warning` or `alarm`, names as in [alarms.md](alarms.md).",
        alarms::listed,
    ),
    key(&["protection"], "an object", "Alarms in dbus-serialbattery's format: 0 none, 1 warning, 2 alarm.", alarms::protection),
    Key { counts: false, ..key(&["notes"], "a list of texts", "Notes that are no alarms.", notes) },
    key(&["model"], TEXT, "Model.", |v, r| put(&mut r.device.model, text(v))),
    key(&["serial_number"], TEXT, "Serial number: it identifies the battery.", |v, r| put(&mut r.device.serial_number, text(v))),
    key(&["hw_version", "hardware_version"], TEXT, "Hardware version.", |v, r| put(&mut r.device.hw_version, text(v))),
    key(&["sw_version"], TEXT, "Firmware version.", |v, r| put(&mut r.device.sw_version, text(v))),
    key(&["production_date", "production"], TEXT, "Production date, `YYYY-MM-DD`.", production_date),
    key(&["humidity_pct"], PERCENT, "Relative humidity inside the BMS, %.", |v, r| put(&mut r.humidity, percent(v))),
    key(&["chemistry"], "\"lfp\", \"nmc\", \"lto\" or \"sodium\"", "Cell chemistry.", |v, r| {
        put(&mut r.settings.chemistry, Chemistry::deserialize(v).ok())
    }),
    key(&["cell_ovp_v"], CELL, "Cell over-voltage protection, V.", |v, r| put(&mut r.settings.cell_ovp, cell(v))),
    key(&["cell_uvp_v"], CELL, "Cell under-voltage protection, V.", |v, r| put(&mut r.settings.cell_uvp, cell(v))),
    key(&["pack_ovp_v"], PACK, "Pack over-voltage protection, V.", |v, r| put(&mut r.settings.pack_ovp, pack(v))),
    key(&["pack_uvp_v", "min_battery_voltage_bms"], PACK, "Pack under-voltage protection, V.", |v, r| {
        put(&mut r.settings.pack_uvp, pack(v))
    }),
    key(&["charge_ocp_a"], LIMIT, "Charge over-current protection, A.", |v, r| put(&mut r.settings.charge_ocp, limit(v))),
    key(&["discharge_ocp_a"], LIMIT, "Discharge over-current protection, A.", |v, r| put(&mut r.settings.discharge_ocp, limit(v))),
    Key {
        otherwise: "it counts as 0",
        ..key(
            &["bms_ccl_a", "bms_ccl", "max_battery_charge_current"],
            LIMIT,
            "Charge current that the battery asks for, A; obeyed, never raised; 0 forbids charging.",
            |v, r| ask(&mut r.settings.charge_limit, limit(v), Amps::ZERO),
        )
    },
    Key {
        otherwise: "it counts as 0",
        ..key(
            &["bms_dcl_a", "bms_dcl", "max_battery_discharge_current"],
            LIMIT,
            "Discharge current that the battery asks for, A; obeyed, never raised; 0 forbids discharging.",
            |v, r| ask(&mut r.settings.discharge_limit, limit(v), Amps::ZERO),
        )
    },
    Key {
        otherwise: "it counts as 0",
        ..key(
            &["bms_cvl_v", "bms_cvl", "max_battery_voltage_bms"],
            PACK,
            "Charge voltage that the battery asks for, V; obeyed, never raised.",
            |v, r| ask(&mut r.settings.voltage_limit, pack(v), Volts::ZERO),
        )
    },
    Key {
        counts: false,
        ..key(&["history"], "an object", "dbus-serialbattery's history; of it `charge_cycles` is used.", history)
    },
    Key {
        counts: false,
        ..key(&["timestamp"], "a number", "Time of the values, s or ms; see below.", |v, _| number(v, 0.0, 1e15).is_some())
    },
    aside(&["bms"], "Not used: it is always `json`."),
    aside(&["address"], "Not used."),
    aside(
        &["custom_field", "heater_fet", "heater_power", "heater_temperature_start", "heater_temperature_stop"],
        "Of dbus-serialbattery's format; not used.",
    ),
];
