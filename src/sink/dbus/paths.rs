//! The table of paths: each with its unit and where its value comes from.
//!
//! It holds what systemcalc, the GUIs, Modbus, VRM and the drivers that aggregate batteries read, as far as this driver
//! knows it. A path that nobody reads or that would always be invalid has no row.

use super::alarms::{alarm, cable, error_code, state};
use super::item::{Context, Extent, Get, Item, Writable};
use super::value::{Format, Value};
use crate::model::{Freshness, GxSetting, Limit, LineState, Modules, Snapshot, Switch};
use crate::units::{Amps, Celsius, Volts};
use Extent::{CountedSoc, OwnSoc, PerSocLevel};
use std::borrow::Cow;
use std::time::Duration;

const PLAIN: Format = Format::Plain;
const VOLTS: Format = Format::Unit { decimals: 2, unit: "V" };
const CELL_VOLTS: Format = Format::Unit { decimals: 3, unit: "V" };
const AMPS: Format = Format::Unit { decimals: 2, unit: "A" };
const AVERAGE_AMPS: Format = Format::Unit { decimals: 1, unit: "A" };
const WATTS: Format = Format::Unit { decimals: 0, unit: "W" };
const AMP_HOURS: Format = Format::Unit { decimals: 2, unit: "Ah" };
const TOTAL_AMP_HOURS: Format = Format::Unit { decimals: 1, unit: "Ah" };
const ENERGY: Format = Format::Unit { decimals: 2, unit: "kWh" };
const PERCENT: Format = Format::Unit { decimals: 1, unit: "%" };
const DEGREES: Format = Format::Unit { decimals: 1, unit: "C" };
const SECONDS: Format = Format::Unit { decimals: 0, unit: "s" };

/// No limit of a battery is higher, in volts or amperes.
const HIGHEST_LIMIT: f64 = 10_000.0;

const fn row(path: &'static str, format: Format, value: Get) -> Item {
    Item { path, format, value, extent: Extent::Always, writable: Writable::No }
}

const fn of_soc(extent: Extent, path: &'static str, format: Format, value: Get) -> Item {
    Item { path, format, value, extent, writable: Writable::No }
}

const fn control(path: &'static str, format: Format, value: Get) -> Item {
    Item { path, format, value, extent: Extent::Controlling, writable: Writable::No }
}

const fn member(path: &'static str, format: Format, value: Get) -> Item {
    Item { path, format, value, extent: Extent::Member, writable: Writable::No }
}

const fn share(path: &'static str, writable: Writable, value: Get) -> Item {
    Item { path, format: AMPS, value, extent: Extent::Member, writable }
}

const fn per_cell(path: &'static str, format: Format, value: Get) -> Item {
    Item { path, format, value, extent: Extent::PerCell, writable: Writable::No }
}

const fn writable(path: &'static str, writable: Writable, value: Get) -> Item {
    Item { path, format: PLAIN, value, extent: Extent::Always, writable }
}

const fn commands(extent: Extent, path: &'static str, writable: Writable, value: Get) -> Item {
    Item { path, format: PLAIN, value, extent, writable }
}

const fn off(switch: Switch, path: &'static str, value: Get) -> Item {
    commands(Extent::Switch(switch), path, Writable::Off(switch), value)
}

/// All paths, by subject.
pub(crate) static ITEMS: &[Item] = &[
    // Who and where
    row("/Mgmt/ProcessName", PLAIN, |c, _, _| known(&c.process_name, "dbus-bms")),
    row("/Mgmt/ProcessVersion", PLAIN, |c, _, _| known(&c.process_version, "unknown")),
    row("/Mgmt/Connection", PLAIN, |c, _, _| known(&c.connection, "unknown")),
    row("/DeviceInstance", PLAIN, |c, _, _| Value::count(c.device_instance)),
    row("/ProductId", Format::Hex, |_, _, _| Value::Int(0)),
    row("/ProductName", PLAIN, |c, _, _| known(&c.product_name, "BMS")),
    row("/FirmwareVersion", PLAIN, |_, s, _| known(s.reading.sw_version.as_deref().unwrap_or_default(), "unknown")),
    row("/HardwareVersion", PLAIN, |_, s, _| Value::text(s.reading.hw_version.as_deref())),
    row("/Serial", PLAIN, |c, s, _| Value::text(c.serial.as_deref().or(s.reading.serial_number.as_deref()))),
    row("/DeviceName", PLAIN, |_, s, _| Value::text(s.reading.model.as_deref())),
    row("/Manufacturer", PLAIN, |c, _, _| Value::text(c.manufacturer.as_deref())),
    row("/Family", PLAIN, |c, _, _| Value::text(c.family.as_deref())),
    writable("/CustomName", Writable::CustomName, |c, _, _| Value::text(Some(&c.custom_name))),
    row("/Connected", PLAIN, |_, s, _| Value::flag(Some(s.freshness != Freshness::Lost))),
    row("/ConnectionInformation", PLAIN, |_, s, _| line_state(s)),
    row("/State", PLAIN, |_, s, _| state(s)),
    row("/ErrorCode", PLAIN, |_, s, _| error_code(s)),
    // Measurements
    row("/Dc/0/Voltage", VOLTS, |_, s, _| volts(s.reading.voltage)),
    row("/Dc/0/Current", AMPS, |_, s, _| number(s.reading.current.map(Amps::get))),
    row("/CurrentAvg", AVERAGE_AMPS, |_, s, _| number(s.derived.current_avg.map(Amps::get))),
    row("/Dc/0/Power", WATTS, |_, s, _| number(s.reading.power.map(|power| power.get()))),
    row("/Dc/0/Temperature", DEGREES, |_, s, _| degrees(s.derived.temperature)),
    row("/Soc", PERCENT, |_, s, _| number(s.reading.soc.map(|soc| soc.get()))),
    of_soc(OwnSoc, "/SocBms", PERCENT, |_, s, _| number(s.derived.bms_soc.map(|soc| soc.get()))),
    row("/Soh", PERCENT, |_, s, _| number(s.reading.soh.map(|soh| soh.get()))),
    row("/Capacity", AMP_HOURS, |_, s, _| number(s.reading.remaining.map(|charge| charge.get()))),
    of_soc(OwnSoc, "/CapacityBms", AMP_HOURS, |_, s, _| number(s.derived.bms_remaining.map(|charge| charge.get()))),
    row("/InstalledCapacity", AMP_HOURS, |_, s, _| number(s.reading.capacity.map(|charge| charge.get()))),
    row("/ConsumedAmphours", AMP_HOURS, |_, s, _| drawn(s.derived.consumed.map(|charge| charge.get()))),
    row("/TimeToGo", SECONDS, |_, s, _| whole_minutes(s.derived.time_to_go)),
    of_soc(PerSocLevel, "/TimeToSoC/", SECONDS, |_, s, level| whole_minutes(s.derived.time_to_soc.get(level).copied().flatten())),
    row("/Balancing", PLAIN, |_, s, _| Value::flag(s.reading.balancing)),
    // Limits and their reasons
    control("/Info/MaxChargeVoltage", VOLTS, |_, s, _| limit(s.limits.cvl.value.get())),
    control("/Info/MaxChargeCurrent", AMPS, |_, s, _| limit(s.limits.ccl.value.get())),
    control("/Info/MaxDischargeCurrent", AMPS, |_, s, _| limit(s.limits.dcl.value.get())),
    control("/Info/MaxChargeCellVoltage", CELL_VOLTS, |_, s, _| cell_limit(s)),
    row("/Info/BatteryLowVoltage", VOLTS, |_, s, _| limit(s.limits.low_voltage.get())),
    row("/Info/ChargeMode", PLAIN, |c, s, _| charge_mode(c, s)),
    row("/Info/ChargeLimitation", PLAIN, |c, s, _| reason(c, s.limits.ccl, s.modules.as_ref().map(|m| &*m.reasons.ccl))),
    row("/Info/DischargeLimitation", PLAIN, |c, s, _| reason(c, s.limits.dcl, s.modules.as_ref().map(|m| &*m.reasons.dcl))),
    row("/Info/GxSettings", PLAIN, |_, s, _| list(s.owner.gx.iter().map(GxSetting::text))),
    row("/Io/AllowToCharge", PLAIN, |c, s, _| Value::flag(may_charge(c, s))),
    row("/Io/AllowToDischarge", PLAIN, |c, s, _| Value::flag(may_discharge(c, s))),
    row("/Io/AllowToBalance", PLAIN, |_, s, _| Value::flag(s.reading.balance_allowed)),
    // Commands, where they are enabled; the older pages of dbus-serialbattery look for them below /Io.
    commands(Extent::Commands, "/Settings/HasSettings", Writable::No, |_, _, _| Value::Int(1)),
    off(Switch::Charge, "/Settings/ForceChargingOff", |_, s, _| is_off(s, Switch::Charge)),
    off(Switch::Discharge, "/Settings/ForceDischargingOff", |_, s, _| is_off(s, Switch::Discharge)),
    off(Switch::Balance, "/Settings/TurnBalancingOff", |_, s, _| is_off(s, Switch::Balance)),
    off(Switch::Charge, "/Io/ForceChargingOff", |_, s, _| is_off(s, Switch::Charge)),
    off(Switch::Discharge, "/Io/ForceDischargingOff", |_, s, _| is_off(s, Switch::Discharge)),
    off(Switch::Balance, "/Io/TurnBalancingOff", |_, s, _| is_off(s, Switch::Balance)),
    commands(Extent::SetSoc, "/Settings/ResetSocTo", Writable::ResetSocTo, |c, _, _| Value::Int(c.soc_to_set.unwrap_or(100))),
    commands(Extent::SetSoc, "/Settings/ResetSocToApply", Writable::ResetSocToApply, |_, _, _| Value::Int(0)),
    commands(Extent::Commands, "/Commands/SwitchedOff", Writable::No, |_, s, _| list(s.owner.off_text.iter().cloned())),
    commands(Extent::Commands, "/Commands/Overrides", Writable::No, |_, s, _| list(s.owner.overrides.iter().cloned())),
    // What a member tells its bank, and the bank its member
    member("/Bank/Name", PLAIN, |c, _, _| Value::text(c.member_of.as_deref())),
    member("/Bank/Readings", PLAIN, |_, s, _| Value::count(s.part.readings)),
    member("/Bank/State", PLAIN, |_, s, _| Value::text(Some(stage(s)))),
    member("/Bank/Phase", PLAIN, |_, s, _| Value::text(Some(s.limits.mode.text()))),
    member("/Bank/MaxChargeVoltage", VOLTS, |_, s, _| limit(s.limits.cvl.value.get())),
    member("/Bank/MaxChargeCurrent", AMPS, |_, s, _| limit(s.limits.ccl.value.get())),
    member("/Bank/MaxDischargeCurrent", AMPS, |_, s, _| limit(s.limits.dcl.value.get())),
    member("/Bank/ChargeVoltageCeiling", VOLTS, |_, s, _| volts(s.part.ceiling)),
    member("/Bank/FloatVoltage", VOLTS, |_, s, _| volts(s.part.float)),
    share("/Bank/ShareCharge", Writable::ShareCharge, |c, _, _| number(c.share.0)),
    share("/Bank/ShareDischarge", Writable::ShareDischarge, |c, _, _| number(c.share.1)),
    // Inside the battery
    row("/System/NrOfCellsPerBattery", PLAIN, |_, s, _| {
        s.cell_count.or(s.reading.cell_count).filter(|count| *count > 0).map_or(Value::Invalid, Value::count)
    }),
    row("/System/NrOfModulesOnline", PLAIN, |_, s, _| modules(s, |m| m.online, Some(s.freshness == Freshness::Fresh))),
    row("/System/NrOfModulesOffline", PLAIN, |_, s, _| modules(s, |m| m.offline, Some(s.freshness != Freshness::Fresh))),
    row("/System/NrOfModulesBlockingCharge", PLAIN, |c, s, _| modules(s, |m| m.blocking_charge, may_charge(c, s).map(|may| !may))),
    row("/System/NrOfModulesBlockingDischarge", PLAIN, |c, s, _| {
        modules(s, |m| m.blocking_discharge, may_discharge(c, s).map(|may| !may))
    }),
    row("/System/MinCellVoltage", CELL_VOLTS, |_, s, _| volts(s.derived.min_cell.map(|(voltage, _)| voltage))),
    row("/System/MaxCellVoltage", CELL_VOLTS, |_, s, _| volts(s.derived.max_cell.map(|(voltage, _)| voltage))),
    row("/System/MinVoltageCellId", PLAIN, |_, s, _| {
        place(s, |m| m.min_cell.as_deref(), "C", s.derived.min_cell.map(|(_, number)| number))
    }),
    row("/System/MaxVoltageCellId", PLAIN, |_, s, _| {
        place(s, |m| m.max_cell.as_deref(), "C", s.derived.max_cell.map(|(_, number)| number))
    }),
    row("/System/MinCellTemperature", DEGREES, |_, s, _| degrees(s.derived.min_temperature.map(|(heat, _)| heat))),
    row("/System/MaxCellTemperature", DEGREES, |_, s, _| degrees(s.derived.max_temperature.map(|(heat, _)| heat))),
    row("/System/MinTemperatureCellId", PLAIN, |_, s, _| {
        place(s, |m| m.min_temperature.as_deref(), "T", s.derived.min_temperature.map(|(_, number)| number))
    }),
    row("/System/MaxTemperatureCellId", PLAIN, |_, s, _| {
        place(s, |m| m.max_temperature.as_deref(), "T", s.derived.max_temperature.map(|(_, number)| number))
    }),
    row("/System/MOSTemperature", DEGREES, |_, s, _| degrees(s.reading.mos_temperature)),
    row("/System/Temperature1", DEGREES, |_, s, _| sensor(s, 0)),
    row("/System/Temperature2", DEGREES, |_, s, _| sensor(s, 1)),
    row("/System/Temperature3", DEGREES, |_, s, _| sensor(s, 2)),
    row("/System/Temperature4", DEGREES, |_, s, _| sensor(s, 3)),
    per_cell("/Voltages/Cell", CELL_VOLTS, |_, s, cell| volts(cells(s).get(cell).copied())),
    row("/Voltages/Sum", VOLTS, |_, s, _| volts(s.derived.cell_sum)),
    row("/Voltages/Diff", CELL_VOLTS, |_, s, _| cell_spread(s)),
    per_cell("/Balances/Cell", PLAIN, |_, s, cell| Value::flag(balanced(s, cell))),
    row("/Settings/HasTemperature", PLAIN, |_, s, _| {
        Value::flag(s.reading.temperatures.as_ref().map(|sensors| !sensors.is_empty()))
    }),
    // Alarms
    row("/Alarms/LowVoltage", PLAIN, |_, s, _| alarm(s, "LowVoltage")),
    row("/Alarms/HighVoltage", PLAIN, |_, s, _| alarm(s, "HighVoltage")),
    row("/Alarms/LowCellVoltage", PLAIN, |_, s, _| alarm(s, "LowCellVoltage")),
    row("/Alarms/HighCellVoltage", PLAIN, |_, s, _| alarm(s, "HighCellVoltage")),
    row("/Alarms/LowSoc", PLAIN, |_, s, _| alarm(s, "LowSoc")),
    row("/Alarms/HighChargeCurrent", PLAIN, |_, s, _| alarm(s, "HighChargeCurrent")),
    row("/Alarms/HighDischargeCurrent", PLAIN, |_, s, _| alarm(s, "HighDischargeCurrent")),
    row("/Alarms/CellImbalance", PLAIN, |_, s, _| alarm(s, "CellImbalance")),
    row("/Alarms/InternalFailure", PLAIN, |_, s, _| alarm(s, "InternalFailure")),
    row("/Alarms/HighChargeTemperature", PLAIN, |_, s, _| alarm(s, "HighChargeTemperature")),
    row("/Alarms/LowChargeTemperature", PLAIN, |_, s, _| alarm(s, "LowChargeTemperature")),
    row("/Alarms/HighTemperature", PLAIN, |_, s, _| alarm(s, "HighTemperature")),
    row("/Alarms/LowTemperature", PLAIN, |_, s, _| alarm(s, "LowTemperature")),
    row("/Alarms/HighInternalTemperature", PLAIN, |_, s, _| alarm(s, "HighInternalTemperature")),
    row("/Alarms/Contactor", PLAIN, |_, s, _| alarm(s, "Contactor")),
    row("/Alarms/BmsCable", PLAIN, |_, s, _| cable(s)),
    // History
    row("/History/DeepestDischarge", AMP_HOURS, |_, s, _| drawn(s.history.deepest_discharge_ah)),
    row("/History/LastDischarge", AMP_HOURS, |_, s, _| drawn(s.history.last_discharge_ah)),
    row("/History/TotalAhDrawn", TOTAL_AMP_HOURS, |_, s, _| Value::Double(s.history.total_drawn_ah)),
    row("/History/ChargeCycles", PLAIN, |_, s, _| s.reading.cycles.map_or(Value::Invalid, Value::count)),
    row("/History/MinimumVoltage", VOLTS, |_, s, _| number(s.history.min_voltage)),
    row("/History/MaximumVoltage", VOLTS, |_, s, _| number(s.history.max_voltage)),
    row("/History/MinimumCellVoltage", CELL_VOLTS, |_, s, _| number(s.history.min_cell_voltage)),
    row("/History/MaximumCellVoltage", CELL_VOLTS, |_, s, _| number(s.history.max_cell_voltage)),
    row("/History/MinimumTemperature", DEGREES, |_, s, _| number(s.history.min_temperature)),
    row("/History/MaximumTemperature", DEGREES, |_, s, _| number(s.history.max_temperature)),
    row("/History/DischargedEnergy", ENERGY, |_, s, _| Value::Double(s.history.discharged_kwh)),
    row("/History/ChargedEnergy", ENERGY, |_, s, _| Value::Double(s.history.charged_kwh)),
    row("/History/LowVoltageAlarms", PLAIN, |_, s, _| Value::count(s.history.low_voltage_alarms)),
    row("/History/HighVoltageAlarms", PLAIN, |_, s, _| Value::count(s.history.high_voltage_alarms)),
    row("/History/TimeSinceLastFullCharge", SECONDS, |_, s, _| whole_minutes(s.since_full)),
    of_soc(CountedSoc, "/History/AutomaticSyncs", PLAIN, |_, s, _| Value::count(s.history.automatic_syncs)),
    row("/History/CanBeCleared", PLAIN, |_, _, _| Value::Int(1)),
    // Like Victron's own devices: written, never read.
    writable("/History/Clear", Writable::ClearHistory, |_, _, _| Value::Invalid),
];

/// A text that may never be invalid or empty.
fn known<'a>(text: &'a str, otherwise: &'static str) -> Value<'a> {
    Value::text(Some(if text.trim().is_empty() { otherwise } else { text }))
}

fn number(value: Option<f64>) -> Value<'static> {
    value.map_or(Value::Invalid, Value::Double)
}

/// What has been switched off from here stands on 1.
fn is_off(snapshot: &Snapshot, switch: Switch) -> Value<'static> {
    Value::flag(Some(snapshot.owner.off.contains(&switch)))
}

/// Texts in one line; invalid when there is none.
fn list(texts: impl Iterator<Item = String>) -> Value<'static> {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() { Value::Invalid } else { Value::Text(Cow::Owned(texts.join("; "))) }
}

/// Charge taken out, which Victron counts below zero.
fn drawn(charge: Option<f64>) -> Value<'static> {
    number(charge.map(|charge| if charge > 0.0 { 0.0 } else { charge }))
}

fn volts(value: Option<Volts>) -> Value<'static> {
    number(value.map(Volts::get))
}

fn degrees(value: Option<Celsius>) -> Value<'static> {
    number(value.map(Celsius::get))
}

/// A limit is always a finite number: chargers run free on an invalid one, and obey 0. So an impossible one becomes 0.
fn limit(value: f64) -> Value<'static> {
    Value::Double(if (0.0..=HIGHEST_LIMIT).contains(&value) { value } else { 0.0 })
}

/// Times are shown in whole minutes, so that they do not change with every reading.
fn whole_minutes(time: Option<Duration>) -> Value<'static> {
    time.map(|time| time.as_secs()).map_or(Value::Invalid, |seconds| Value::count(seconds.saturating_sub(seconds % 60)))
}

/// The cells of a complete set; a part of one is not shown.
fn cells(snapshot: &Snapshot) -> &[Volts] {
    if snapshot.reading.cells_complete == Some(false) { &[] } else { &snapshot.reading.cells }
}

fn cell_spread(snapshot: &Snapshot) -> Value<'static> {
    match (snapshot.derived.max_cell, snapshot.derived.min_cell) {
        (Some((highest, _)), Some((lowest, _))) => volts(Some(highest - lowest)),
        _ => Value::Invalid,
    }
}

/// The charge voltage per cell, once the number of cells is agreed.
fn cell_limit(snapshot: &Snapshot) -> Value<'static> {
    let cells = snapshot.cell_count.filter(|count| *count > 0);
    cells.map_or(Value::Invalid, |cells| limit(snapshot.limits.cvl.value.get() / f64::from(cells)))
}

/// A number of batteries: those of a bank, else whether it is this one.
fn modules(snapshot: &Snapshot, of_bank: fn(&Modules) -> u16, alone: Option<bool>) -> Value<'static> {
    match &snapshot.modules {
        Some(modules) => Value::count(of_bank(modules)),
        None => Value::flag(alone),
    }
}

/// Where an extreme is: `C7` for the seventh cell, `T2` for the second sensor; in a bank with the battery's name before it.
fn place<'a>(snapshot: &'a Snapshot, in_bank: fn(&Modules) -> Option<&str>, kind: &str, number: Option<usize>) -> Value<'a> {
    if let Some(modules) = &snapshot.modules {
        return Value::text(in_bank(modules));
    }
    number.map_or(Value::Invalid, |number| Value::Text(Cow::Owned(format!("{kind}{number}"))))
}

fn sensor(snapshot: &Snapshot, index: usize) -> Value<'static> {
    degrees(snapshot.reading.temperatures.as_ref().and_then(|sensors| sensors.get(index)).copied())
}

/// Whether a cell is being balanced; known for all cells when none is.
fn balanced(snapshot: &Snapshot, cell: usize) -> Option<bool> {
    let reading = &snapshot.reading;
    let active = |list: &Vec<u8>| list.iter().any(|number| usize::from(*number) == cell.saturating_add(1));
    reading.balancing_cells.as_ref().map(active).or(reading.balancing.filter(|balancing| !balancing))
}

/// Whether the battery takes charge: its FET conducts, and the limit that we publish is not zero.
fn may_charge(context: &Context, snapshot: &Snapshot) -> Option<bool> {
    permission(context, snapshot.reading.charge_fet, snapshot.limits.ccl.value)
}

fn may_discharge(context: &Context, snapshot: &Snapshot) -> Option<bool> {
    permission(context, snapshot.reading.discharge_fet, snapshot.limits.dcl.value)
}

fn permission(context: &Context, fet: Option<bool>, limit: Amps) -> Option<bool> {
    if context.control { Some(fet != Some(false) && limit.get() > 0.0) } else { fet }
}

/// Phase of charging and what sets the charge voltage.
fn charge_mode(context: &Context, snapshot: &Snapshot) -> Value<'static> {
    let (mode, cvl) = (snapshot.limits.mode.text(), snapshot.limits.cvl);
    let why = snapshot.modules.as_ref().map_or(cvl.why, |modules| &modules.reasons.cvl);
    Value::Text(match (context.tells_limits(), why) {
        (true, "") => Cow::Borrowed(mode),
        (true, why) => Cow::Owned(format!("{mode}: {why}")),
        (false, why) => Cow::Owned(format!("Observing, would be {mode} at {:.2}: {why}", cvl.value)),
    })
}

/// What sets a current limit; who only observes says which limit it would set.
fn reason<'a>(context: &Context, limit: Limit<Amps>, in_bank: Option<&'a str>) -> Value<'a> {
    Value::Text(match context.tells_limits() {
        true => Cow::Borrowed(in_bank.unwrap_or(limit.why)),
        false => Cow::Owned(format!("Observing, would be {:.1}: {}", limit.value, limit.why)),
    })
}

/// How fresh the data is, for the bank.
fn stage(snapshot: &Snapshot) -> &'static str {
    match snapshot.freshness {
        Freshness::Fresh => "fresh",
        Freshness::Stale => "stale",
        Freshness::Silent => "silent",
        Freshness::Lost => "lost",
    }
}

/// How the line is doing, in words that change only with the state.
fn line_state(snapshot: &Snapshot) -> Value<'static> {
    if let Some(modules) = &snapshot.modules {
        let all = if modules.offline == 0 { "all batteries answer" } else { "not all batteries answer" };
        return Value::Text(Cow::Borrowed(all));
    }
    Value::Text(match (snapshot.freshness, snapshot.line) {
        (Freshness::Fresh, LineState::Good) => Cow::Borrowed("answers"),
        (Freshness::Fresh, line) => Cow::Owned(format!("answers; {line}")),
        (Freshness::Stale, _) => Cow::Borrowed("no answer"),
        (Freshness::Silent, _) => Cow::Borrowed("no answer for a minute, check the cable"),
        (Freshness::Lost, _) => Cow::Borrowed("no answer for minutes, check cable and BMS"),
    })
}
