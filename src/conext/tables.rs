//! The registers of each device that are read, after Schneider's lists 990-6268B (XW), 990-6269A and 990-6270A (MPPT 60, 80),
//! 990-6278A (Battery Monitor), 990-6274A (AGS) and 990-6271B (gateway), as used by extrafu/berrybms and shorawitz/conext-api. The sums
//! of the gateway are from one source only.

use super::quantities::*;
use super::registers::Kind::{Flag, Kelvin16, Kelvin32, S32, U16, U32, Word};
use super::registers::{Kind, Register};
use crate::model::Quantity;

/// V and A on the wire.
const MILLI: f64 = 0.001;
/// Hz on the wire.
const CENTI: f64 = 0.01;

const STATES: &[(u16, &str)] =
    &[(0, "hibernating"), (1, "power save"), (2, "safe"), (3, "operating"), (4, "diagnostic"), (5, "remote off")];
/// States of an inverter.
pub(super) const INVERTER: &[(u16, &str)] = &[(1024, "invert"), (1025, "ac pass-through")];
/// States of a charger.
pub(super) const CHARGER: &[(u16, &str)] = &[
    (768, "not charging"),
    (769, "bulk"),
    (770, "absorption"),
    (773, "float"),
    (776, "disabled"),
    (777, "qualifying ac"),
    (786, "absorption done"),
];
const SWITCH: &[(u16, &str)] = &[(800, "open"), (801, "ac1"), (802, "ac2")];
const AGS_STATE: &[(u16, &str)] = &[
    (0, "quiet time"),
    (1, "automatic on"),
    (2, "automatic off"),
    (3, "manual on"),
    (4, "manual off"),
    (5, "shutdown"),
    (6, "external shutdown"),
    (7, "fault"),
    (8, "suspended"),
    (9, "not operating"),
];
/// Actions of the automatic generator start.
pub(super) const AGS_ACTION: &[(u16, &str)] = &[
    (0, "preheating"),
    (1, "start delay"),
    (2, "cranking"),
    (3, "starter cooling"),
    (4, "warming up"),
    (5, "cooling down"),
    (6, "spinning down"),
    (7, "bypass"),
    (8, "stopping"),
    (9, "running"),
    (10, "stopped"),
    (11, "crank delay"),
];
const AGS_MODE: &[(u16, &str)] = &[(0, "off"), (1, "on"), (2, "automatic"), (3, "on, then automatic")];

const fn of(at: u16, kind: Kind, quantity: &'static Quantity, berrybms: &'static str) -> Register {
    Register { at, kind, quantity, berrybms }
}

/// XW+ and XW Pro.
#[rustfmt::skip]
pub(super) const XW: &[Register] = &[
    of(0x40, Word(STATES), &STATE, ""),
    of(0x47, Flag, &INVERTER_ENABLED, ""),
    of(0x48, Flag, &CHARGER_ENABLED, ""),
    of(0x4B, Flag, &FAULTS, ""),
    of(0x4C, Flag, &WARNINGS, ""),
    of(0x50, U32(MILLI), &DC_VOLTAGE, "BatteryVoltage"),
    of(0x52, S32(MILLI), &DC_CURRENT, "BatteryCurrent"),
    of(0x54, S32(1.0), &DC_POWER, ""),
    of(0x56, Kelvin16, &BATTERY_TEMPERATURE, ""),
    of(0x58, U32(MILLI), &INVERT_CURRENT, ""),
    of(0x5A, U32(1.0), &INVERT_POWER, ""),
    of(0x5C, U32(MILLI), &CHARGE_CURRENT, "ChargeDCCurrent"),
    of(0x5E, U32(1.0), &CHARGE_POWER, "ChargeDCPower"),
    of(0x60, U16(1.0), &CHARGE_LEVEL, ""),
    of(0x61, U16(CENTI), &GRID_FREQUENCY, ""),
    of(0x62, U32(MILLI), &GRID_VOLTAGE, ""),
    of(0x64, S32(MILLI), &GRID_CURRENT, ""),
    of(0x66, S32(1.0), &AC1_POWER, ""),
    of(0x6C, U32(1.0), &GRID_POWER, "GridACInputPower"),
    of(0x6E, U32(MILLI), &GRID_L1_VOLTAGE, ""),
    of(0x70, S32(MILLI), &GRID_L2_CURRENT, ""),
    of(0x72, U32(MILLI), &GRID_L2_VOLTAGE, ""),
    of(0x74, S32(MILLI), &GRID_L1_CURRENT, ""),
    of(0x7A, Word(INVERTER), &INVERTER_STATE, ""),
    of(0x7B, Word(CHARGER), &CHARGER_STATE, ""),
    of(0x7E, U32(MILLI), &GRID_OUT_VOLTAGE, ""),
    of(0x80, U32(MILLI), &GRID_OUT_CURRENT, ""),
    of(0x82, U16(CENTI), &GRID_OUT_FREQUENCY, ""),
    of(0x84, U32(1.0), &GRID_OUT_POWER, ""),
    of(0x8C, U32(MILLI), &LOAD_VOLTAGE, ""),
    of(0x96, S32(MILLI), &LOAD_CURRENT, ""),
    of(0x98, U16(CENTI), &LOAD_FREQUENCY, ""),
    of(0x9A, S32(1.0), &LOAD_POWER, ""),
    of(0xA0, U32(1.0), &LOAD_APPARENT, "LoadACPowerApparent"),
    of(0xA2, U32(MILLI), &GENERATOR_VOLTAGE, ""),
    of(0xA6, U16(CENTI), &GENERATOR_FREQUENCY, ""),
    of(0xAC, U32(1.0), &GENERATOR_POWER, ""),
    of(0xBA, U32(1.0), &GENERATOR_APPARENT, "GeneratorACPowerApparent"),
    of(0xC0, Word(SWITCH), &AC_SOURCE, ""),
    of(0xD0, U32(1.0), &FROM_BATTERY_HOUR, "EnergyFromBatteryThisHour"),
    of(0xD4, U32(1.0), &FROM_BATTERY_DAY, "EnergyFromBatteryToday"),
    of(0xD6, U32(1.0), &DISCHARGE_ACTIVE, "BatteryDischargeActiveToday"),
    of(0xD8, U32(1.0), &FROM_BATTERY_WEEK, "EnergyFromBatteryThisWeek"),
    of(0xDC, U32(1.0), &FROM_BATTERY_MONTH, "EnergyFromBatteryThisMonth"),
    of(0xE4, U32(1.0), &FROM_BATTERY_LIFE, ""),
    of(0xE8, U32(1.0), &TO_BATTERY_REGISTER_HOUR, "EnergyToBatteryThisHour"),
    of(0xEC, U32(1.0), &TO_BATTERY_REGISTER_DAY, "EnergyToBatteryToday"),
    of(0xEE, U32(1.0), &CHARGE_ACTIVE, "BatteryChargeActiveToday"),
    of(0xF0, U32(1.0), &TO_BATTERY_REGISTER_WEEK, "EnergyToBatteryThisWeek"),
    of(0xF4, U32(1.0), &TO_BATTERY_REGISTER_MONTH, "EnergyToBatteryThisMonth"),
    of(0xFC, U32(1.0), &TO_BATTERY_REGISTER_LIFE, ""),
    of(0x100, U32(1.0), &GRID_IN_HOUR, "GridInputEnergyThisHour"),
    of(0x104, U32(1.0), &GRID_IN_DAY, "GridInputEnergyToday"),
    of(0x106, U32(1.0), &GRID_IN_ACTIVE, "GridInputActiveToday"),
    of(0x108, U32(1.0), &GRID_IN_WEEK, "GridInputEnergyThisWeek"),
    of(0x10C, U32(1.0), &GRID_IN_MONTH, "GridInputEnergyThisMonth"),
    of(0x114, U32(1.0), &GRID_IN_LIFE, ""),
    of(0x11C, U32(1.0), &GRID_OUT_DAY, ""),
    of(0x12C, U32(1.0), &GRID_OUT_LIFE, ""),
    of(0x130, U32(1.0), &LOAD_HOUR, "LoadOutputEnergyThisHour"),
    of(0x134, U32(1.0), &LOAD_DAY, "LoadOutputEnergyToday"),
    of(0x138, U32(1.0), &LOAD_WEEK, "LoadOutputEnergyThisWeek"),
    of(0x13C, U32(1.0), &LOAD_MONTH, "LoadOutputEnergyThisMonth"),
    of(0x144, U32(1.0), &LOAD_LIFE, ""),
    of(0x148, U32(1.0), &GENERATOR_HOUR, "GeneratorInputEnergyThisHour"),
    of(0x14C, U32(1.0), &GENERATOR_DAY, "GeneratorInputEnergyToday"),
    of(0x14E, U32(1.0), &GENERATOR_ACTIVE, "GeneratorInputActiveToday"),
    of(0x150, U32(1.0), &GENERATOR_WEEK, "GeneratorInputEnergyThisWeek"),
    of(0x154, U32(1.0), &GENERATOR_MONTH, "GeneratorInputEnergyThisMonth"),
    of(0x15C, U32(1.0), &GENERATOR_LIFE, ""),
];

/// MPPT 60 and 80. An MPPT 60 has no sensor for the current and power of its modules: both stay 0 for ever.
#[rustfmt::skip]
pub(super) const MPPT: &[Register] = &[
    of(0x40, Word(STATES), &STATE, ""),
    of(0x44, Flag, &FAULTS, ""),
    of(0x45, Flag, &WARNINGS, ""),
    of(0x49, Word(CHARGER), &CHARGER_STATE, ""),
    of(0x4C, U32(MILLI), &PV_VOLTAGE, "PVVoltage"),
    of(0x4E, U32(MILLI), &PV_CURRENT, "PVCurrent"),
    of(0x50, U32(1.0), &PV_POWER, "PVPower"),
    of(0x56, Kelvin16, &BATTERY_TEMPERATURE, ""),
    of(0x58, S32(MILLI), &DC_VOLTAGE, "DCOutputVoltage"),
    of(0x5A, S32(MILLI), &DC_CURRENT, "DCOutputCurrent"),
    of(0x5C, U32(1.0), &DC_POWER, "DCOutputPower"),
    of(0x70, U32(1.0), &PV_HOUR, "EnergyFromPVThisHour"),
    of(0x74, U32(1.0), &PV_DAY, "EnergyFromPVToday"),
    of(0x76, U32(1.0), &ACTIVE, "PVInputActiveToday"),
    of(0x78, U32(1.0), &PV_WEEK, "EnergyFromPVThisWeek"),
    of(0x7C, U32(1.0), &PV_MONTH, "EnergyFromPVThisMonth"),
    of(0x80, U32(1.0), &PV_YEAR, "EnergyFromPVThisYear"),
    of(0x84, U32(1.0), &PV_LIFE, ""),
    of(0x88, U32(1.0), &TO_BATTERY_HOUR, "EnergyToBatteryThisHour"),
    of(0x8C, U32(1.0), &TO_BATTERY_DAY, "EnergyToBatteryToday"),
    of(0x90, U32(1.0), &TO_BATTERY_WEEK, "EnergyToBatteryThisWeek"),
    of(0x94, U32(1.0), &TO_BATTERY_MONTH, "EnergyToBatteryThisMonth"),
    of(0x98, U32(1.0), &TO_BATTERY_YEAR, "EnergyToBatteryThisYear"),
    of(0x9C, U32(1.0), &TO_BATTERY_LIFE, "EnergyToBatteryLifetime"),
];

/// Battery Monitor. Its state of health (0x4E) is always 0 and therefore not read.
#[rustfmt::skip]
pub(super) const BATTERY_MONITOR: &[Register] = &[
    of(0x40, Word(STATES), &STATE, ""),
    of(0x46, U32(MILLI), &VOLTAGE, "BatteryVoltage"),
    of(0x48, S32(MILLI), &CURRENT, "BatteryCurrent"),
    of(0x4A, Kelvin32, &TEMPERATURE, ""),
    of(0x4C, U32(1.0), &SOC, "BatterySOC"),
    of(0x52, U32(MILLI), &MIDPOINT_1, "BatteryMidpoint1Voltage"),
    of(0x54, U32(MILLI), &MIDPOINT_2, "BatteryMidpoint2Voltage"),
    of(0x56, U32(MILLI), &MIDPOINT_3, "BatteryMidpoint3Voltage"),
    of(0x58, U32(1.0), &REMAINING, "BatteryCapacityRemaining"),
    of(0x5A, U32(1.0), &REMOVED, "BatteryCapacityRemoved"),
    of(0x5E, U32(1.0), &TIME_TO_FULL, ""),
    of(0x60, U32(1.0), &TIME_TO_EMPTY, ""),
    of(0x6E, U32(1.0), &CYCLES, ""),
    of(0x92, U16(1.0), &CAPACITY, "BatteryCapacity"),
];

/// Automatic generator start.
#[rustfmt::skip]
pub(super) const AGS: &[Register] = &[
    of(0x40, Word(STATES), &STATE, ""),
    of(0x42, Word(AGS_STATE), &AGS_STATUS, ""),
    of(0x43, Word(AGS_ACTION), &AGS_DOES, ""),
    of(0x44, U16(1.0), &AGS_REASON, ""),
    of(0x46, Flag, &FAULTS, ""),
    of(0x47, Flag, &WARNINGS, ""),
    of(GENERATOR_MODE, Word(AGS_MODE), &AGS_MODE_SET, ""),
    of(0x55, Flag, &AGS_START_BY_SOC, ""),
    of(0x56, Flag, &AGS_STOP_BY_SOC, ""),
    of(0x6A, U16(1.0), &AGS_MOST_RUN, ""),
    of(0x87, U16(1.0), &AGS_STOP_SOC, ""),
    of(0x88, U16(1.0), &AGS_START_SOC, ""),
];

/// The generator mode of the automatic generator start: 0 off, 1 on, 2 automatic.
pub const GENERATOR_MODE: u16 = 0x4D;

/// Sums of the gateway over all devices.
#[rustfmt::skip]
pub(super) const GATEWAY: &[Register] = &[
    of(0x42, U32(1.0), &GENERATOR_POWER, ""),
    of(0x44, U32(1.0), &PV_POWER, ""),
    of(0x46, U32(1.0), &CHARGE_POWER, ""),
    of(0x48, U32(MILLI), &CHARGE_CURRENT, ""),
    of(0x4A, U32(1.0), &INVERT_POWER, ""),
    of(0x4C, U32(MILLI), &GRID_VOLTAGE, ""),
    of(0x4E, U16(CENTI), &GRID_FREQUENCY, ""),
    of(0x52, U32(1.0), &GRID_POWER, ""),
    of(0x58, U32(1.0), &GRID_OUT_POWER, ""),
    of(0x5E, S32(1.0), &LOAD_POWER, ""),
    of(0x68, U32(MILLI), &LOAD_VOLTAGE, ""),
    of(0x6C, U32(MILLI), &LOAD_CURRENT, ""),
    of(0x9C, U32(MILLI), &DC_VOLTAGE, ""),
    of(0x9E, Kelvin16, &BATTERY_TEMPERATURE, ""),
];
