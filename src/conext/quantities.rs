//! The quantities of Conext devices: one key has one meaning, whichever device or bus it comes from.

use crate::model::Quantity;
pub(super) use crate::model::quantity::{GENERATOR_POWER, GRID_POWER, LOAD_POWER, PV_POWER};

pub(super) const STATE: Quantity = Quantity::new("state", "State", "");
pub(super) const INVERTER_ENABLED: Quantity = Quantity::new("inverter_enabled", "Inverter allowed", "");
pub(super) const CHARGER_ENABLED: Quantity = Quantity::new("charger_enabled", "Charger allowed", "");
pub(super) const FAULTS: Quantity = Quantity::new("faults", "Faults", "");
pub(super) const WARNINGS: Quantity = Quantity::new("warnings", "Warnings", "");
pub(super) const INVERTER_STATE: Quantity = Quantity::new("inverter", "Inverter", "");
pub(super) const CHARGER_STATE: Quantity = Quantity::new("charger", "Charger", "");
pub(super) const AC_SOURCE: Quantity = Quantity::new("ac_source", "AC input in use", "");
pub(super) const DC_VOLTAGE: Quantity = Quantity::new("dc_voltage_v", "Battery-side voltage", "V");
pub(super) const DC_CURRENT: Quantity = Quantity::new("dc_current_a", "Battery-side current", "A");
pub(super) const DC_POWER: Quantity = Quantity::new("dc_power_w", "Battery-side power", "W");
pub(super) const BATTERY_TEMPERATURE: Quantity = Quantity::new("battery_temperature_c", "Battery temperature", "°C");
pub(super) const INVERT_CURRENT: Quantity = Quantity::new("invert_current_a", "Battery current to AC", "A");
pub(super) const INVERT_POWER: Quantity = Quantity::new("invert_power_w", "Battery power to AC", "W");
pub(super) const CHARGE_CURRENT: Quantity = Quantity::new("charge_current_a", "Charge current from AC", "A");
pub(super) const CHARGE_POWER: Quantity = Quantity::new("charge_power_w", "Charge power from AC", "W");
pub(super) const CHARGE_LEVEL: Quantity = Quantity::new("charge_level_pct", "Charge current of the most possible", "%");
pub(super) const GRID_FREQUENCY: Quantity = Quantity::new("grid_frequency_hz", "Grid frequency", "Hz");
pub(super) const GRID_VOLTAGE: Quantity = Quantity::new("grid_voltage_v", "Grid voltage", "V");
pub(super) const GRID_CURRENT: Quantity = Quantity::new("grid_current_a", "Grid current", "A");
pub(super) const AC1_POWER: Quantity = Quantity::new("ac1_power_w", "Power at AC1", "W");
pub(super) const GRID_L1_VOLTAGE: Quantity = Quantity::new("grid_l1_voltage_v", "Grid voltage L1", "V");
pub(super) const GRID_L2_VOLTAGE: Quantity = Quantity::new("grid_l2_voltage_v", "Grid voltage L2", "V");
pub(super) const GRID_L1_CURRENT: Quantity = Quantity::new("grid_l1_current_a", "Grid current L1", "A");
pub(super) const GRID_L2_CURRENT: Quantity = Quantity::new("grid_l2_current_a", "Grid current L2", "A");
pub(super) const GRID_OUT_VOLTAGE: Quantity = Quantity::new("grid_out_voltage_v", "Voltage out to the grid", "V");
pub(super) const GRID_OUT_CURRENT: Quantity = Quantity::new("grid_out_current_a", "Current out to the grid", "A");
pub(super) const GRID_OUT_FREQUENCY: Quantity = Quantity::new("grid_out_frequency_hz", "Frequency out to the grid", "Hz");
pub(super) const GRID_OUT_POWER: Quantity = Quantity::new("grid_out_power_w", "Power out to the grid", "W");
pub(super) const LOAD_VOLTAGE: Quantity = Quantity::new("load_voltage_v", "Load voltage", "V");
pub(super) const LOAD_CURRENT: Quantity = Quantity::new("load_current_a", "Load current", "A");
pub(super) const LOAD_FREQUENCY: Quantity = Quantity::new("load_frequency_hz", "Load frequency", "Hz");
pub(super) const LOAD_APPARENT: Quantity = Quantity::new("load_apparent_va", "Apparent load power", "VA");
pub(super) const GENERATOR_VOLTAGE: Quantity = Quantity::new("generator_voltage_v", "Generator voltage", "V");
pub(super) const GENERATOR_FREQUENCY: Quantity = Quantity::new("generator_frequency_hz", "Generator frequency", "Hz");
pub(super) const GENERATOR_APPARENT: Quantity = Quantity::new("generator_apparent_va", "Apparent generator power", "VA");
pub(super) const FROM_BATTERY_HOUR: Quantity =
    Quantity::new("register_energy_from_battery_hour_wh", "Energy from the battery (by the register's name), this hour", "Wh");
pub(super) const FROM_BATTERY_DAY: Quantity =
    Quantity::new("register_energy_from_battery_today_wh", "Energy from the battery (by the register's name), today", "Wh");
pub(super) const FROM_BATTERY_WEEK: Quantity =
    Quantity::new("register_energy_from_battery_week_wh", "Energy from the battery (by the register's name), this week", "Wh");
pub(super) const FROM_BATTERY_MONTH: Quantity =
    Quantity::new("register_energy_from_battery_month_wh", "Energy from the battery (by the register's name), this month", "Wh");
pub(super) const FROM_BATTERY_LIFE: Quantity =
    Quantity::counter("register_energy_from_battery_life_wh", "Energy from the battery (by the register's name), in all", "Wh");
pub(super) const TO_BATTERY_REGISTER_HOUR: Quantity =
    Quantity::new("register_energy_to_battery_hour_wh", "Energy to the battery (by the register's name), this hour", "Wh");
pub(super) const TO_BATTERY_REGISTER_DAY: Quantity =
    Quantity::new("register_energy_to_battery_today_wh", "Energy to the battery (by the register's name), today", "Wh");
pub(super) const TO_BATTERY_REGISTER_WEEK: Quantity =
    Quantity::new("register_energy_to_battery_week_wh", "Energy to the battery (by the register's name), this week", "Wh");
pub(super) const TO_BATTERY_REGISTER_MONTH: Quantity =
    Quantity::new("register_energy_to_battery_month_wh", "Energy to the battery (by the register's name), this month", "Wh");
pub(super) const TO_BATTERY_REGISTER_LIFE: Quantity =
    Quantity::counter("register_energy_to_battery_life_wh", "Energy to the battery (by the register's name), in all", "Wh");
pub(super) const GRID_IN_HOUR: Quantity = Quantity::new("grid_in_hour_wh", "Energy from the grid, this hour", "Wh");
pub(super) const GRID_IN_DAY: Quantity = Quantity::new("grid_in_today_wh", "Energy from the grid, today", "Wh");
pub(super) const GRID_IN_WEEK: Quantity = Quantity::new("grid_in_week_wh", "Energy from the grid, this week", "Wh");
pub(super) const GRID_IN_MONTH: Quantity = Quantity::new("grid_in_month_wh", "Energy from the grid, this month", "Wh");
pub(super) const GRID_IN_LIFE: Quantity = Quantity::counter("grid_in_life_wh", "Energy from the grid, in all", "Wh");
pub(super) const GRID_OUT_DAY: Quantity = Quantity::new("grid_out_today_wh", "Energy to the grid, today", "Wh");
pub(super) const GRID_OUT_LIFE: Quantity = Quantity::counter("grid_out_life_wh", "Energy to the grid, in all", "Wh");
pub(super) const LOAD_HOUR: Quantity = Quantity::new("load_hour_wh", "Energy of the loads, this hour", "Wh");
pub(super) const LOAD_DAY: Quantity = Quantity::new("load_today_wh", "Energy of the loads, today", "Wh");
pub(super) const LOAD_WEEK: Quantity = Quantity::new("load_week_wh", "Energy of the loads, this week", "Wh");
pub(super) const LOAD_MONTH: Quantity = Quantity::new("load_month_wh", "Energy of the loads, this month", "Wh");
pub(super) const LOAD_LIFE: Quantity = Quantity::counter("load_life_wh", "Energy of the loads, in all", "Wh");
pub(super) const GENERATOR_HOUR: Quantity = Quantity::new("generator_hour_wh", "Energy of the generator, this hour", "Wh");
pub(super) const GENERATOR_DAY: Quantity = Quantity::new("generator_today_wh", "Energy of the generator, today", "Wh");
pub(super) const GENERATOR_WEEK: Quantity = Quantity::new("generator_week_wh", "Energy of the generator, this week", "Wh");
pub(super) const GENERATOR_MONTH: Quantity = Quantity::new("generator_month_wh", "Energy of the generator, this month", "Wh");
pub(super) const GENERATOR_LIFE: Quantity = Quantity::counter("generator_life_wh", "Energy of the generator, in all", "Wh");
pub(super) const PV_HOUR: Quantity = Quantity::new("pv_energy_hour_wh", "Energy of the modules, this hour", "Wh");
pub(super) const PV_DAY: Quantity = Quantity::new("pv_energy_today_wh", "Energy of the modules, today", "Wh");
pub(super) const PV_WEEK: Quantity = Quantity::new("pv_energy_week_wh", "Energy of the modules, this week", "Wh");
pub(super) const PV_MONTH: Quantity = Quantity::new("pv_energy_month_wh", "Energy of the modules, this month", "Wh");
pub(super) const PV_YEAR: Quantity = Quantity::new("pv_energy_year_wh", "Energy of the modules, this year", "Wh");
pub(super) const PV_LIFE: Quantity = Quantity::counter("pv_energy_life_wh", "Energy of the modules, in all", "Wh");
pub(super) const TO_BATTERY_HOUR: Quantity = Quantity::new("to_battery_hour_wh", "Energy to the battery, this hour", "Wh");
pub(super) const TO_BATTERY_DAY: Quantity = Quantity::new("to_battery_today_wh", "Energy to the battery, today", "Wh");
pub(super) const TO_BATTERY_WEEK: Quantity = Quantity::new("to_battery_week_wh", "Energy to the battery, this week", "Wh");
pub(super) const TO_BATTERY_MONTH: Quantity = Quantity::new("to_battery_month_wh", "Energy to the battery, this month", "Wh");
pub(super) const TO_BATTERY_YEAR: Quantity = Quantity::new("to_battery_year_wh", "Energy to the battery, this year", "Wh");
pub(super) const TO_BATTERY_LIFE: Quantity = Quantity::counter("to_battery_life_wh", "Energy to the battery, in all", "Wh");
pub(super) const DISCHARGE_ACTIVE: Quantity = Quantity::new("discharge_active_today_s", "Time of discharging today", "s");
pub(super) const CHARGE_ACTIVE: Quantity = Quantity::new("charge_active_today_s", "Time of charging today", "s");
pub(super) const GRID_IN_ACTIVE: Quantity = Quantity::new("grid_active_today_s", "Time with grid power today", "s");
pub(super) const GENERATOR_ACTIVE: Quantity = Quantity::new("generator_active_today_s", "Time with generator power today", "s");
pub(super) const ACTIVE: Quantity = Quantity::new("active_today_s", "Time with sun today", "s");
pub(super) const PV_VOLTAGE: Quantity = Quantity::new("pv_voltage_v", "Voltage of the modules", "V");
pub(super) const PV_CURRENT: Quantity = Quantity::new("pv_current_a", "Current of the modules", "A");
pub(super) const VOLTAGE: Quantity = Quantity::new("voltage_v", "Battery voltage", "V");
pub(super) const CURRENT: Quantity = Quantity::new("current_a", "Battery current", "A");
pub(super) const TEMPERATURE: Quantity = Quantity::new("temperature_c", "Temperature", "°C");
pub(super) const SOC: Quantity = Quantity::new("soc_pct", "State of charge", "%");
pub(super) const MIDPOINT_1: Quantity = Quantity::new("midpoint_1_v", "Midpoint 1", "V");
pub(super) const MIDPOINT_2: Quantity = Quantity::new("midpoint_2_v", "Midpoint 2", "V");
pub(super) const MIDPOINT_3: Quantity = Quantity::new("midpoint_3_v", "Midpoint 3", "V");
pub(super) const REMAINING: Quantity = Quantity::new("remaining_ah", "Remaining charge", "Ah");
pub(super) const REMOVED: Quantity = Quantity::new("removed_ah", "Removed charge", "Ah");
pub(super) const TIME_TO_FULL: Quantity = Quantity::new("time_to_full_s", "Time to full", "s");
pub(super) const TIME_TO_EMPTY: Quantity = Quantity::new("time_to_empty_s", "Time to empty", "s");
pub(super) const CYCLES: Quantity = Quantity::new("cycles", "Charge cycles", "");
pub(super) const CAPACITY: Quantity = Quantity::new("capacity_ah", "Capacity", "Ah");
pub(super) const AGS_STATUS: Quantity = Quantity::new("ags_state", "Automatic generator start", "");
pub(super) const AGS_DOES: Quantity = Quantity::new("action", "Action of the generator start", "");
pub(super) const AGS_REASON: Quantity = Quantity::new("reason_number", "Number of the reason", "");
pub(super) const AGS_MODE_SET: Quantity = Quantity::new("generator_mode", "Generator mode", "");
pub(super) const AGS_START_BY_SOC: Quantity = Quantity::new("start_by_soc", "Starts by state of charge itself", "");
pub(super) const AGS_STOP_BY_SOC: Quantity = Quantity::new("stop_by_soc", "Stops by state of charge itself", "");
pub(super) const AGS_MOST_RUN: Quantity = Quantity::new("most_run_min", "Longest run", "min");
pub(super) const AGS_START_SOC: Quantity = Quantity::new("start_soc_pct", "State of charge at which it starts itself", "%");
pub(super) const AGS_STOP_SOC: Quantity = Quantity::new("stop_soc_pct", "State of charge at which it stops itself", "%");

/// All of them, for the documentation.
pub const ALL: &[&Quantity] = &[
    &STATE,
    &INVERTER_ENABLED,
    &CHARGER_ENABLED,
    &FAULTS,
    &WARNINGS,
    &INVERTER_STATE,
    &CHARGER_STATE,
    &AC_SOURCE,
    &DC_VOLTAGE,
    &DC_CURRENT,
    &DC_POWER,
    &BATTERY_TEMPERATURE,
    &INVERT_CURRENT,
    &INVERT_POWER,
    &CHARGE_CURRENT,
    &CHARGE_POWER,
    &CHARGE_LEVEL,
    &GRID_FREQUENCY,
    &GRID_VOLTAGE,
    &GRID_CURRENT,
    &AC1_POWER,
    &GRID_POWER,
    &GRID_L1_VOLTAGE,
    &GRID_L2_VOLTAGE,
    &GRID_L1_CURRENT,
    &GRID_L2_CURRENT,
    &GRID_OUT_VOLTAGE,
    &GRID_OUT_CURRENT,
    &GRID_OUT_FREQUENCY,
    &GRID_OUT_POWER,
    &LOAD_VOLTAGE,
    &LOAD_CURRENT,
    &LOAD_FREQUENCY,
    &LOAD_POWER,
    &LOAD_APPARENT,
    &GENERATOR_VOLTAGE,
    &GENERATOR_FREQUENCY,
    &GENERATOR_POWER,
    &GENERATOR_APPARENT,
    &FROM_BATTERY_HOUR,
    &FROM_BATTERY_DAY,
    &FROM_BATTERY_WEEK,
    &FROM_BATTERY_MONTH,
    &FROM_BATTERY_LIFE,
    &TO_BATTERY_REGISTER_HOUR,
    &TO_BATTERY_REGISTER_DAY,
    &TO_BATTERY_REGISTER_WEEK,
    &TO_BATTERY_REGISTER_MONTH,
    &TO_BATTERY_REGISTER_LIFE,
    &GRID_IN_HOUR,
    &GRID_IN_DAY,
    &GRID_IN_WEEK,
    &GRID_IN_MONTH,
    &GRID_IN_LIFE,
    &GRID_OUT_DAY,
    &GRID_OUT_LIFE,
    &LOAD_HOUR,
    &LOAD_DAY,
    &LOAD_WEEK,
    &LOAD_MONTH,
    &LOAD_LIFE,
    &GENERATOR_HOUR,
    &GENERATOR_DAY,
    &GENERATOR_WEEK,
    &GENERATOR_MONTH,
    &GENERATOR_LIFE,
    &PV_HOUR,
    &PV_DAY,
    &PV_WEEK,
    &PV_MONTH,
    &PV_YEAR,
    &PV_LIFE,
    &TO_BATTERY_HOUR,
    &TO_BATTERY_DAY,
    &TO_BATTERY_WEEK,
    &TO_BATTERY_MONTH,
    &TO_BATTERY_YEAR,
    &TO_BATTERY_LIFE,
    &DISCHARGE_ACTIVE,
    &CHARGE_ACTIVE,
    &GRID_IN_ACTIVE,
    &GENERATOR_ACTIVE,
    &ACTIVE,
    &PV_VOLTAGE,
    &PV_CURRENT,
    &PV_POWER,
    &VOLTAGE,
    &CURRENT,
    &TEMPERATURE,
    &SOC,
    &MIDPOINT_1,
    &MIDPOINT_2,
    &MIDPOINT_3,
    &REMAINING,
    &REMOVED,
    &TIME_TO_FULL,
    &TIME_TO_EMPTY,
    &CYCLES,
    &CAPACITY,
    &AGS_STATUS,
    &AGS_DOES,
    &AGS_REASON,
    &AGS_MODE_SET,
    &AGS_START_BY_SOC,
    &AGS_STOP_BY_SOC,
    &AGS_MOST_RUN,
    &AGS_START_SOC,
    &AGS_STOP_SOC,
];
