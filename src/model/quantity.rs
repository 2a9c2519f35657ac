//! Quantities that several kinds of devices of the house have in common. A source uses these for what they mean, so that outputs
//! can show the house as a whole, and adds quantities of its own beside them.

use super::house_device::Quantity;

/// Power at the grid connection, positive from the grid.
pub const GRID_POWER: Quantity = Quantity::new("grid_power_w", "Grid power", "W");
/// Mean of the last ten values of the same.
pub const GRID_POWER_AVERAGE: Quantity = Quantity::new("grid_power_avg_w", "Grid power, mean of ten values", "W");
/// Power of the solar panels.
pub const PV_POWER: Quantity = Quantity::new("pv_power_w", "Solar power", "W");
/// Power of the loads.
pub const LOAD_POWER: Quantity = Quantity::new("load_power_w", "Load", "W");
/// Power of a generator.
pub const GENERATOR_POWER: Quantity = Quantity::new("generator_power_w", "Generator power", "W");
/// Power of the battery at this device, positive charges.
pub const BATTERY_POWER: Quantity = Quantity::new("battery_power_w", "Battery power", "W");
/// Current of the battery at this device, positive charges.
pub const BATTERY_CURRENT: Quantity = Quantity::new("battery_current_a", "Battery current", "A");
/// Voltage of the battery at this device.
pub const BATTERY_VOLTAGE: Quantity = Quantity::new("battery_voltage_v", "Battery voltage", "V");
/// State of charge as this device has it.
pub const BATTERY_SOC: Quantity = Quantity::new("battery_soc_pct", "State of charge", "%");

/// All of them with their meanings.
pub const SHARED: [(&Quantity, &str); 9] = [
    (&GRID_POWER, "Power at the grid connection, positive from the grid."),
    (&GRID_POWER_AVERAGE, "Mean of the last ten values of the same."),
    (&PV_POWER, "Power of the solar panels."),
    (&LOAD_POWER, "Power of the loads."),
    (&GENERATOR_POWER, "Power of a generator."),
    (&BATTERY_POWER, "Power of the battery at this device, positive charges."),
    (&BATTERY_CURRENT, "Current of the battery at this device, positive charges."),
    (&BATTERY_VOLTAGE, "Voltage of the battery at this device."),
    (&BATTERY_SOC, "State of charge as this device has it."),
];
