//! Topics and payloads of other systems, for compatibility.

use crate::base::units::{Moment, round};
use crate::bms::bits::Bit;
use crate::bms::jk_pb::alarms;
use crate::conext;
use crate::link::mqtt::Message;
use crate::model::HouseDevice;
use crate::output::api::{Kind, View};
use crate::output::domoticz::Update;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;

/// BerryBMS publishes all its devices in one object on one topic; each battery is a `bms-ADDRESS`, or `bms-NUMBER` without an
/// address, and Conext devices have their serial number. Unknown values are left out, as there.
pub fn berrybms(views: &[Arc<View>], devices: &[Arc<HouseDevice>], now: Moment) -> Option<Message> {
    let mut all = Map::new();
    for (number, view) in (1u32..).zip(views.iter().filter(|view| view.identity.kind == Kind::Battery)) {
        if !view.is_fresh() {
            continue;
        }
        let mut key = format!("bms-{}", view.identity.address.map_or(number, u32::from));
        if all.contains_key(&key) {
            // Two batteries with the same address on two ports.
            key = format!("bms-{}", number.saturating_add(1000));
        }
        all.extend([(key, Json::Object(registers(view)))]);
    }
    all.extend(devices.iter().filter_map(|device| conext::berrybms(device, now)).map(|(key, values)| (key, Json::Object(values))));
    (!all.is_empty()).then(|| Message::passing("berrybms", Json::Object(all).to_string()))
}

/// Its names for our keys.
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
        add(theirs, view.number_of(ours).map(number));
    }
    let cells = &view.cells.cell_voltages_v;
    let count = f64::from(u32::try_from(cells.len()).unwrap_or(u32::MAX));
    add("CellVolAve", cells.iter().copied().reduce(|a, b| a + b).map(|sum| round(sum / count, 3).into()));
    for (place, volts) in cells.iter().enumerate() {
        add(&format!("CellVol{place}"), Some((*volts).into()));
    }
    add("name", Some(view.identity.name.as_str().into()));
    add("SOCFullChargeCap", view.pack.full_charge_ah.or(view.pack.capacity_ah).map(Into::into));
    // The magnitude only, as on the board.
    add("BatWatt", view.pack.power_w.map(|watts| watts.abs().into()));
    let flag = |flag: Option<bool>| flag.map(|flag| u8::from(flag).into());
    add("BatChargeEN", flag(view.switches.charge_fet));
    add("BatDisChargeEN", flag(view.switches.discharge_fet));
    add("BalanSta", flag(view.switches.balancing));
    add("ManufacturerDeviceID", view.device.model.clone().map(Into::into));
    add("HardwareVersion", view.device.hw_version.clone().map(Into::into));
    add("SoftwareVersion", view.device.sw_version.clone().map(Into::into));
    add(
        "Alarms",
        view.notices.alarms.as_ref().map(|alarms| alarms.0.iter().fold(0, |word, alarm| word | alarm_bit(&alarm.name)).into()),
    );
    registers
}

/// Whole numbers without decimals, as there.
fn number(value: f64) -> Json {
    if value.fract() == 0.0 && value.abs() < 1e9 { Json::from(value as i64) } else { value.into() }
}

/// The bit in a JK board's alarm word. An alarm without a bit sets the highest one, so that the word is not 0.
fn alarm_bit(name: &str) -> u32 {
    let means = |bit: &Bit| matches!(bit, Bit::Raise(known, _) if known.key() == name);
    let place = alarms::ALARMS.as_flattened().iter().position(means);
    let place = place.and_then(|place| u32::try_from(place).ok()).unwrap_or(31);
    1u32.checked_shl(place).unwrap_or(0)
}

/// The current limits as published by the JK to Pylontech translator, in A: those of the bank, else of the only battery. None with
/// several batteries and no bank.
pub fn jk_pylon(views: &[Arc<View>]) -> Vec<Message> {
    let bank = views.iter().find(|view| view.identity.kind == Kind::Bank);
    let Some(view) = bank.or(if let [only] = views { Some(only) } else { None }) else { return Vec::new() };
    let limits = [("Battery_charge_current_limit", view.limits.ccl_a), ("Battery_discharge_current_limit", view.limits.dcl_a)];
    let limits = limits.into_iter().filter_map(|(name, amps)| Some((name, amps?)));
    let mut messages: Vec<_> =
        limits.map(|(name, amps)| Message::passing(format!("jk_pylon/{name}"), round(amps, 1).to_string())).collect();
    let cut = u8::from(view.limits.ccl_why.starts_with("inverters oscillate"));
    messages.push(Message::passing("sems/oscillation_detected", cut.to_string()));
    messages
}

/// A value on the topic that Domoticz subscribes to.
pub fn domoticz(Update { idx, nvalue, svalue }: &Update) -> Message {
    Message::passing("domoticz/in", json!({"idx": idx, "nvalue": nvalue, "svalue": svalue}).to_string())
}
