//! Topics and payloads of systems that owners come from.

use super::message::Message;
use super::values::{is_fresh, number_of};
use crate::bms::jk_pb;
use crate::units::round;
use crate::view::{Kind, View};
use serde_json::{Map, Value as Json};
use std::sync::Arc;

/// BerryBMS tells all its devices in one object on one topic; each of ours is its `bms-ADDRESS`, or `bms-NUMBER` where the
/// battery has no address. Values that are not known are left out, as there.
pub fn berrybms(house: &[Arc<View>]) -> Option<Message> {
    let mut all = Map::new();
    for (number, view) in (1u32..).zip(house.iter().filter(|view| view.kind == Kind::Battery)) {
        if !is_fresh(view) {
            continue;
        }
        let mut key = format!("bms-{}", view.address.map_or(number, u32::from));
        if all.contains_key(&key) {
            // Two batteries of one address on two ports.
            key = format!("bms-{}", number.saturating_add(1000));
        }
        all.extend([(key, Json::Object(registers(view)))]);
    }
    (!all.is_empty()).then(|| Message::passing("berrybms", Json::Object(all).to_string()))
}

/// Its names for our numbers.
const REGISTERS: [(&str, &str); 7] = [
    ("BatVol", "voltage_v"),
    ("BatCurrent", "current_a"),
    ("SOCStateOfcharge", "soc_pct"),
    ("SOCCapRemain", "remaining_ah"),
    ("SOCCycleCount", "cycles"),
    ("CellCount", "cell_count"),
    ("DevAddr", "address"),
];

fn registers(view: &View) -> Map<String, Json> {
    let mut registers = Map::new();
    let mut add = |name: &str, value: Option<Json>| registers.extend(value.map(|value| (name.to_owned(), value)));
    for (theirs, ours) in REGISTERS {
        add(theirs, number_of(view, ours).map(number));
    }
    let cells = &view.cell_voltages_v;
    let count = f64::from(u32::try_from(cells.len()).unwrap_or(u32::MAX));
    add("CellVolAve", cells.iter().copied().reduce(|a, b| a + b).map(|sum| round(sum / count, 3).into()));
    for (place, volts) in cells.iter().enumerate() {
        add(&format!("CellVol{place}"), Some((*volts).into()));
    }
    add("name", Some(view.name.as_str().into()));
    add("SOCFullChargeCap", view.full_charge_ah.or(view.capacity_ah).map(Into::into));
    // The magnitude only, as the board has it.
    add("BatWatt", view.power_w.map(|watts| watts.abs().into()));
    let flag = |flag: Option<bool>| flag.map(|flag| u8::from(flag).into());
    add("BatChargeEN", flag(view.charge_fet));
    add("BatDisChargeEN", flag(view.discharge_fet));
    add("BalanSta", flag(view.balancing));
    add("ManufacturerDeviceID", view.model.clone().map(Into::into));
    add("HardwareVersion", view.hw_version.clone().map(Into::into));
    add("SoftwareVersion", view.sw_version.clone().map(Into::into));
    add("Alarms", view.alarms.as_ref().map(|alarms| alarms.0.iter().fold(0, |word, alarm| word | alarm_bit(&alarm.name)).into()));
    registers
}

/// Whole numbers without a fraction, as there.
fn number(value: f64) -> Json {
    if value.fract() == 0.0 && value.abs() < 1e9 { Json::from(value as i64) } else { value.into() }
}

/// The bit of a JK board's alarm word. What has none there sets the highest, so that the word shows that there is something.
fn alarm_bit(name: &str) -> u32 {
    let place = jk_pb::ALARMS.iter().position(|alarm| alarm.is_some_and(|(known, _)| known.key() == name));
    let place = place.and_then(|place| u32::try_from(place).ok()).unwrap_or(31);
    1u32.checked_shl(place).unwrap_or(0)
}

/// The current limits as the JK to Pylontech translator tells them, in A: those of the bank, else of the only battery. With
/// several batteries and no bank there is nobody whose limits these could be.
pub fn jk_pylon(house: &[Arc<View>]) -> Vec<Message> {
    let bank = house.iter().find(|view| view.kind == Kind::Bank);
    let Some(view) = bank.or(if let [only] = house { Some(only) } else { None }) else { return Vec::new() };
    let limits = [("Battery_charge_current_limit", view.limits.ccl_a), ("Battery_discharge_current_limit", view.limits.dcl_a)];
    let limits = limits.into_iter().filter_map(|(name, amps)| Some((name, amps?)));
    let mut messages: Vec<_> =
        limits.map(|(name, amps)| Message::passing(format!("jk_pylon/{name}"), round(amps, 1).to_string())).collect();
    let cut = u8::from(view.limits.ccl_why.starts_with("inverters oscillate"));
    messages.push(Message::passing("sems/oscillation_detected", cut.to_string()));
    messages
}
