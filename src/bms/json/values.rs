//! From a message to a reading.

use super::keys::SCHEMA;
use super::object::Object;
use crate::base::printable::printable;
use crate::base::units::Volts;
use crate::bms::bytes::show_cells;
use crate::model::{ProductionDate, Reading};
use serde_json::Value;

/// Longest list of unknown keys in a note, and longest text that is taken over.
const MAX_NOTE: usize = 120;
const MAX_TEXT: usize = 64;
/// Most texts of `notes` that are taken over.
const MAX_NOTES: usize = 8;
/// Highest voltage of a cell.
const MAX_CELL: f64 = 5.0;

/// Adds the values of a message; false if it has none of a battery.
pub(super) fn read(object: &Object, into: &mut Reading) -> bool {
    let mut found = false;
    if let Some(key) = object.twice() {
        into.note(format!("{} is given twice, so its value is unknown", shown(key)));
    }
    for key in SCHEMA {
        let Some((name, value)) = key.names.iter().find_map(|name| Some((*name, object.get(name)?))) else { continue };
        match (key.read)(value, into) {
            true => found |= key.counts,
            false => into.note(format!("{name} is not {}, so {}", key.form, key.otherwise)),
        }
    }
    // A list that is `null` or not understood is one of a battery with cells.
    let lists = |key: &&str| ["cell_voltages_v", "cells"].contains(key);
    let is_empty = |key: &str| object.get(key).and_then(Value::as_array).is_some_and(Vec::is_empty);
    into.without_cells = into.cells_complete != Some(false) && object.keys().filter(lists).all(is_empty);
    let unknown: Vec<_> = object.keys().filter(|key| !SCHEMA.iter().any(|known| known.names.contains(key))).map(shown).collect();
    if !unknown.is_empty() {
        into.note(printable(&format!("ignored, because not known: {}", unknown.join(", ")), MAX_NOTE));
    }
    found
}

fn shown(key: &str) -> String {
    printable(key, 40)
}

/// The number, if it lies within these bounds.
pub(super) fn number(value: &Value, least: f64, most: f64) -> Option<f64> {
    value.as_f64().filter(|number| (least..=most).contains(number))
}

/// The whole number, if it lies within these bounds.
pub(super) fn whole(value: &Value, least: u32, most: u32) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok().filter(|number| (least..=most).contains(number))
}

/// `true` or `false`, also as 1 or 0.
pub(super) fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| whole(value, 0, 1).map(|number| number == 1))
}

/// A text that is not empty, as one line.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = printable(value.as_str()?.trim(), MAX_TEXT);
    (!text.is_empty()).then_some(text)
}

/// `cell_voltages_v`: one that is no voltage ends the known ones.
pub(super) fn cells(value: &Value, into: &mut Reading) -> bool {
    let Some(list) = value.as_array().filter(|list| !list.is_empty() && list.len() <= 64) else { return false };
    let partly = into.cells_complete == Some(false);
    show_cells(list.iter().map(|cell| number(cell, 0.0, MAX_CELL).map(Volts::new)), into);
    if partly {
        into.cells_complete = Some(false);
    }
    true
}

/// `cells` of dbus-serialbattery: objects with `voltage` and perhaps `balance`.
pub(super) fn cell_objects(value: &Value, into: &mut Reading) -> bool {
    let Some(list) = value.as_array().filter(|list| !list.is_empty() && list.len() <= 64) else { return false };
    let voltage = |cell: &Value| cell.get("voltage").and_then(|voltage| number(voltage, 0.0, MAX_CELL)).map(Volts::new);
    show_cells(list.iter().map(voltage), into);
    let balances: Option<Vec<bool>> = list.iter().map(|cell| cell.get("balance")?.as_bool()).collect();
    if let Some(balances) = balances {
        let balanced: Vec<u8> = (1..=64u8).zip(balances).filter(|(_, balances)| *balances).map(|(cell, _)| cell).collect();
        into.balancing.active = Some(!balanced.is_empty());
        into.balancing.cells = Some(balanced);
    }
    true
}

/// `cells_complete`: only the first cells are known.
pub(super) fn cells_complete(value: &Value, into: &mut Reading) -> bool {
    let Some(complete) = flag(value) else { return false };
    if !complete {
        into.cells_complete = Some(false);
    }
    true
}

/// `balancing_cells`.
pub(super) fn balancing_cells(value: &Value, into: &mut Reading) -> bool {
    let cell = |value: &Value| u8::try_from(whole(value, 1, 64)?).ok();
    into.balancing.cells = value.as_array().and_then(|list| list.iter().map(cell).collect());
    into.balancing.cells.is_some()
}

/// `notes`.
pub(super) fn notes(value: &Value, into: &mut Reading) -> bool {
    let Some(list) = value.as_array() else { return false };
    list.iter().filter_map(text).take(MAX_NOTES).for_each(|text| into.note(text));
    true
}

/// `production_date`.
pub(super) fn production_date(value: &Value, into: &mut Reading) -> bool {
    let Some(text) = text(value) else { return false };
    let is_day = text.len() == 10
        && text.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    into.device.production_date = Some(if is_day { ProductionDate::Day(text) } else { ProductionDate::Text(text) });
    true
}

/// `history` of dbus-serialbattery: its cycles.
pub(super) fn history(value: &Value, into: &mut Reading) -> bool {
    if let Some(cycles) = value.get("charge_cycles").and_then(|cycles| whole(cycles, 0, 1_000_000)) {
        into.cycles = Some(cycles);
    }
    value.is_object()
}
