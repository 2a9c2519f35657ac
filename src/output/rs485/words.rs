//! Numbers on RS485: 16 bits, the high byte first, saturating, with the rounding of the CAN output.

use crate::base::units::Celsius;
use crate::output::can::{InverterData, Item, wire};

/// A measured value.
pub(super) fn unsigned(value: f64, steps: f64) -> u16 {
    u16::from_le_bytes(wire::unsigned(value, steps))
}

/// A signed measured value.
pub(super) fn signed(value: f64, steps: f64) -> u16 {
    u16::from_le_bytes(wire::signed(value, steps))
}

/// A voltage or charge that must not be exceeded.
pub(super) fn at_most(value: f64, steps: f64) -> u16 {
    u16::from_le_bytes(wire::at_most_unsigned(value, steps))
}

/// A current that must not be exceeded, at most 32767 steps.
pub(super) fn at_most_current(value: f64, steps: f64) -> u16 {
    u16::from_le_bytes(wire::at_most_current(value, steps))
}

/// A lowest voltage.
pub(super) fn at_least(value: f64, steps: f64) -> u16 {
    u16::from_le_bytes(wire::at_least_unsigned(value, steps))
}

/// State of charge or of health, %.
pub(super) fn percent(value: f64) -> u16 {
    u16::from_le_bytes(wire::whole_percent(value))
}

/// 0.1 K above absolute zero, 2731 at 0 °C; an unknown temperature is 0 °C, as on CAN.
pub(super) fn deci_kelvin(celsius: Option<Celsius>) -> u16 {
    unsigned(celsius.map_or(0.0, Celsius::get) + 273.1, 10.0)
}

/// Alarms that forbid charging; the inverters that ask for limits only do not ask for alarms.
const STOPS_CHARGING: [Item; 4] =
    [Item::HighVoltage, Item::HighChargeCurrent, Item::HighChargeTemperature, Item::LowChargeTemperature];
/// Alarms that forbid discharging.
const STOPS_DISCHARGING: [Item; 2] = [Item::LowVoltage, Item::HighDischargeCurrent];
/// Alarms that forbid both.
const STOPS_BOTH: [Item; 6] =
    [Item::HighTemperature, Item::LowTemperature, Item::ShortCircuit, Item::BmsInternal, Item::Contactor, Item::General];

/// The same data with what its alarms forbid: limits of 0 and no permission.
pub(super) fn with_alarms(data: &InverterData) -> InverterData {
    let is_active = |items: &[Item]| items.iter().any(|item| data.alarm(*item));
    let both = is_active(&STOPS_BOTH);
    let mut stopped = data.clone();
    if both || is_active(&STOPS_CHARGING) {
        stopped.requests.charge_enable = Some(false);
    }
    if both || is_active(&STOPS_DISCHARGING) {
        stopped.requests.discharge_enable = Some(false);
    }
    stopped
}

/// A word in which each active item sets its bits.
pub(super) fn bits(table: &[(Item, u16)], is_active: impl Fn(Item) -> bool) -> u16 {
    table.iter().filter(|(item, _)| is_active(*item)).fold(0, |word, (_, bits)| word | bits)
}
