//! Table of paths with units and sources of their values.
//!
//! It contains what systemcalc, the GUIs, Modbus, VRM and the drivers that aggregate batteries are known to read. A path that is
//! not read or always invalid has no row.

use super::alarms::{alarm, balancer_status, bank_module, cable, error_code, module_alarm, module_cable, state};
use super::item::{Extent, Get, Item, Writable};
use super::values::{
    balanced, batteries, cell_limit, cell_spread, cells, charge_mode, charge_request, degrees, drawn, is_off, known, limit,
    line_state, list, may_charge, may_discharge, modules, number, place, reason, sensor, sensor_name, stage, volts, whole_minutes,
};
use crate::base::units::Amps;
use crate::dbus::value::{Format, Value};
use crate::model::{BankSummary, Freshness, GxSetting, Switch};
use Extent::{CountedSoc, OwnSoc, PerSocLevel};

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

/// `/ProductId` of a battery: the GX shows this driver's pages for devices with this number (`gui-v2/build.py`).
///
/// Not in use by others as far as known. Not 0, which has no pages; not dbus-serialbattery's 0xBA77, whose pages would open here;
/// none of those for which Victron's systemcalc changes limits or settings of a battery (0xB0xx), nor of Victron's own products.
pub const BATTERY_PRODUCT_ID: i32 = 0xDB05;

/// `/ProductId` of a bank, which has different pages.
pub const BANK_PRODUCT_ID: i32 = 0xDB06;

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

const fn of_bank(path: &'static str, format: Format, value: Get) -> Item {
    Item { path, format, value, extent: Extent::Bank, writable: Writable::No }
}

const fn of_module(path: &'static str, value: Get) -> Item {
    Item { path, format: PLAIN, value, extent: Extent::PerModule, writable: Writable::No }
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

/// All paths by subject.
pub(crate) static ITEMS: &[Item] = &[
    // Identity
    row("/Mgmt/ProcessName", PLAIN, |c, _, _| known(&c.process_name, "dbus-bms")),
    row("/Mgmt/ProcessVersion", PLAIN, |c, _, _| known(&c.process_version, "unknown")),
    row("/Mgmt/Connection", PLAIN, |c, _, _| known(&c.connection, "unknown")),
    row("/DeviceInstance", PLAIN, |c, _, _| Value::count(c.device_instance)),
    row("/ProductId", Format::Hex, |_, s, _| {
        Value::Int(if s.bank_summary.is_some() { BANK_PRODUCT_ID } else { BATTERY_PRODUCT_ID })
    }),
    row("/ProductName", PLAIN, |c, _, _| known(&c.product_name, "BMS")),
    row("/FirmwareVersion", PLAIN, |_, s, _| known(s.reading.device.sw_version.as_deref().unwrap_or_default(), "unknown")),
    row("/HardwareVersion", PLAIN, |_, s, _| Value::text(s.reading.device.hw_version.as_deref())),
    row("/Serial", PLAIN, |c, s, _| Value::text(c.serial.as_deref().or(s.reading.device.serial_number.as_deref()))),
    row("/DeviceName", PLAIN, |_, s, _| Value::text(s.reading.device.model.as_deref())),
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
    row("/Balancing", PLAIN, |_, s, _| Value::flag(s.reading.balancing.active)),
    // As dbus-serialbattery calls it; read by our pages on the GX.
    row("/Heating", PLAIN, |_, s, _| Value::flag(s.reading.heating)),
    // Limits and their reasons
    control("/Info/MaxChargeVoltage", VOLTS, |_, s, _| limit(s.limits.cvl.value.get())),
    control("/Info/MaxChargeCurrent", AMPS, |_, s, _| limit(s.limits.ccl.value.get())),
    control("/Info/MaxDischargeCurrent", AMPS, |_, s, _| limit(s.limits.dcl.value.get())),
    control("/Info/MaxChargeCellVoltage", CELL_VOLTS, |_, s, _| cell_limit(s)),
    control("/Info/ChargeRequest", PLAIN, charge_request),
    row("/Info/BatteryLowVoltage", VOLTS, |_, s, _| limit(s.limits.low_voltage.get())),
    row("/Info/ChargeMode", PLAIN, |c, s, _| charge_mode(c, s)),
    row("/Info/ChargeLimitation", PLAIN, |c, s, _| reason(c, s.limits.ccl, s.bank_summary.as_ref().map(|m| &*m.reasons.ccl))),
    row("/Info/DischargeLimitation", PLAIN, |c, s, _| reason(c, s.limits.dcl, s.bank_summary.as_ref().map(|m| &*m.reasons.dcl))),
    row("/Info/GxSettings", PLAIN, |_, s, _| list(s.user_overrides.gx_settings.iter().map(GxSetting::text))),
    row("/Io/AllowToCharge", PLAIN, |c, s, _| Value::flag(may_charge(c, s))),
    row("/Io/AllowToDischarge", PLAIN, |c, s, _| Value::flag(may_discharge(c, s))),
    row("/Io/AllowToBalance", PLAIN, |_, s, _| Value::flag(s.reading.balancing.allowed)),
    // Commands, if enabled; the older pages of dbus-serialbattery expect them below /Io. No /Settings/HasSettings: the page that it
    // opens on the GX is about Victron's own battery monitors, and empty here.
    off(Switch::Charge, "/Settings/ForceChargingOff", |_, s, _| is_off(s, Switch::Charge)),
    off(Switch::Discharge, "/Settings/ForceDischargingOff", |_, s, _| is_off(s, Switch::Discharge)),
    off(Switch::Balance, "/Settings/TurnBalancingOff", |_, s, _| is_off(s, Switch::Balance)),
    off(Switch::Charge, "/Io/ForceChargingOff", |_, s, _| is_off(s, Switch::Charge)),
    off(Switch::Discharge, "/Io/ForceDischargingOff", |_, s, _| is_off(s, Switch::Discharge)),
    off(Switch::Balance, "/Io/TurnBalancingOff", |_, s, _| is_off(s, Switch::Balance)),
    commands(Extent::SetSoc, "/Settings/ResetSocTo", Writable::ResetSocTo, |c, _, _| Value::Int(c.soc_to_set.unwrap_or(100))),
    commands(Extent::SetSoc, "/Settings/ResetSocToApply", Writable::ResetSocToApply, |_, _, _| Value::Int(0)),
    commands(Extent::Commands, "/Commands/SwitchedOff", Writable::No, |_, s, _| {
        list(s.user_overrides.switched_off_text.iter().cloned())
    }),
    commands(Extent::Commands, "/Commands/Overrides", Writable::No, |_, s, _| list(s.user_overrides.overrides.iter().cloned())),
    // Data exchanged between a member and its bank
    member("/Bank/Name", PLAIN, |c, _, _| Value::text(c.member_of.as_deref())),
    member("/Bank/Readings", PLAIN, |_, s, _| Value::count(s.member_info.readings)),
    member("/Bank/State", PLAIN, |_, s, _| Value::text(Some(stage(s)))),
    member("/Bank/Phase", PLAIN, |_, s, _| Value::text(Some(s.limits.mode.text()))),
    member("/Bank/MaxChargeVoltage", VOLTS, |_, s, _| limit(s.limits.cvl.value.get())),
    member("/Bank/MaxChargeCurrent", AMPS, |_, s, _| limit(s.limits.ccl.value.get())),
    member("/Bank/MaxDischargeCurrent", AMPS, |_, s, _| limit(s.limits.dcl.value.get())),
    member("/Bank/ChargeVoltageCeiling", VOLTS, |_, s, _| volts(s.member_info.ceiling)),
    member("/Bank/FloatVoltage", VOLTS, |_, s, _| volts(s.member_info.float)),
    share("/Bank/ShareCharge", Writable::ShareCharge, |c, _, _| number(c.share.charge)),
    share("/Bank/ShareDischarge", Writable::ShareDischarge, |c, _, _| number(c.share.discharge)),
    // Battery internals
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
    row("/System/MOSTemperature", DEGREES, |_, s, _| degrees(s.reading.temperatures.mos)),
    row("/System/Temperature1", DEGREES, |_, s, _| sensor(s, 0)),
    row("/System/Temperature2", DEGREES, |_, s, _| sensor(s, 1)),
    row("/System/Temperature3", DEGREES, |_, s, _| sensor(s, 2)),
    row("/System/Temperature4", DEGREES, |_, s, _| sensor(s, 3)),
    row("/System/Temperature1Name", PLAIN, |_, s, _| sensor_name(s, 0)),
    row("/System/Temperature2Name", PLAIN, |_, s, _| sensor_name(s, 1)),
    row("/System/Temperature3Name", PLAIN, |_, s, _| sensor_name(s, 2)),
    row("/System/Temperature4Name", PLAIN, |_, s, _| sensor_name(s, 3)),
    per_cell("/Voltages/Cell", CELL_VOLTS, |_, s, cell| volts(cells(s).get(cell).copied())),
    row("/Voltages/Sum", VOLTS, |_, s, _| volts(s.derived.cell_sum)),
    row("/Voltages/Diff", CELL_VOLTS, |_, s, _| cell_spread(s)),
    per_cell("/Balances/Cell", PLAIN, |_, s, cell| Value::flag(balanced(s, cell))),
    row("/Settings/Device", PLAIN, |c, _, _| Value::text(c.settings_group.as_deref())),
    row("/Settings/HasTemperature", PLAIN, |_, s, _| {
        Value::flag(s.reading.temperatures.sensors.as_ref().map(|sensors| !sensors.is_empty()))
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
    row("/Alarms/BatteryTemperatureSensor", PLAIN, |_, s, _| alarm(s, "BatteryTemperatureSensor")),
    row("/Alarms/Contactor", PLAIN, |_, s, _| alarm(s, "Contactor")),
    row("/Alarms/BmsCable", PLAIN, |_, s, _| cable(s)),
    // The batteries of a bank
    of_bank("/System/NrOfBatteries", PLAIN, |_, s, _| batteries(s, BankSummary::batteries)),
    of_bank("/System/BatteriesParallel", PLAIN, |_, s, _| batteries(s, |bank| if bank.in_series { 1 } else { bank.batteries() })),
    of_bank("/System/BatteriesSeries", PLAIN, |_, s, _| batteries(s, |bank| if bank.in_series { bank.batteries() } else { 1 })),
    of_bank("/Balancer/Status", PLAIN, |_, s, _| balancer_status(s)),
    of_module("/Diagnostics/Module#/Id", |_, s, module| Value::text(bank_module(s, module).map(|module| module.label.as_str()))),
    of_module("/Diagnostics/Module#/Alarms/LowVoltage", |_, s, module| module_alarm(s, module, "LowVoltage")),
    of_module("/Diagnostics/Module#/Alarms/HighVoltage", |_, s, module| module_alarm(s, module, "HighVoltage")),
    of_module("/Diagnostics/Module#/Alarms/LowCellVoltage", |_, s, module| module_alarm(s, module, "LowCellVoltage")),
    of_module("/Diagnostics/Module#/Alarms/HighCellVoltage", |_, s, module| module_alarm(s, module, "HighCellVoltage")),
    of_module("/Diagnostics/Module#/Alarms/LowSoc", |_, s, module| module_alarm(s, module, "LowSoc")),
    of_module("/Diagnostics/Module#/Alarms/HighChargeCurrent", |_, s, module| module_alarm(s, module, "HighChargeCurrent")),
    of_module("/Diagnostics/Module#/Alarms/HighDischargeCurrent", |_, s, module| module_alarm(s, module, "HighDischargeCurrent")),
    of_module("/Diagnostics/Module#/Alarms/CellImbalance", |_, s, module| module_alarm(s, module, "CellImbalance")),
    of_module("/Diagnostics/Module#/Alarms/InternalFailure", |_, s, module| module_alarm(s, module, "InternalFailure")),
    of_module("/Diagnostics/Module#/Alarms/HighChargeTemperature", |_, s, module| module_alarm(s, module, "HighChargeTemperature")),
    of_module("/Diagnostics/Module#/Alarms/LowChargeTemperature", |_, s, module| module_alarm(s, module, "LowChargeTemperature")),
    of_module("/Diagnostics/Module#/Alarms/HighTemperature", |_, s, module| module_alarm(s, module, "HighTemperature")),
    of_module("/Diagnostics/Module#/Alarms/LowTemperature", |_, s, module| module_alarm(s, module, "LowTemperature")),
    of_module("/Diagnostics/Module#/Alarms/HighInternalTemperature", |_, s, module| {
        module_alarm(s, module, "HighInternalTemperature")
    }),
    of_module("/Diagnostics/Module#/Alarms/BatteryTemperatureSensor", |_, s, module| {
        module_alarm(s, module, "BatteryTemperatureSensor")
    }),
    of_module("/Diagnostics/Module#/Alarms/Contactor", |_, s, module| module_alarm(s, module, "Contactor")),
    of_module("/Diagnostics/Module#/Alarms/BmsCable", |_, s, module| module_cable(s, module)),
    // History
    row("/History/DeepestDischarge", AMP_HOURS, |_, s, _| drawn(s.history.deepest_discharge_ah)),
    row("/History/LastDischarge", AMP_HOURS, |_, s, _| drawn(s.history.last_discharge_ah)),
    row("/History/AverageDischarge", AMP_HOURS, |_, s, _| drawn(s.history.discharges.average_ah())),
    row("/History/FullDischarges", PLAIN, |_, s, _| s.history.discharges.full.map_or(Value::Invalid, Value::count)),
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
    // Like Victron's own devices: write-only.
    writable("/History/Clear", Writable::ClearHistory, |_, _, _| Value::Invalid),
];
