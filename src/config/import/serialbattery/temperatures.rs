//! Names and corrections of the temperature sensors.

use super::{Old, TomlWriter, numbers};
use crate::config::RawValue;

/// Sensors that dbus-serialbattery knows.
const SENSORS: u8 = 4;

pub(super) fn migrate(old: &mut Old, writer: &mut TomlWriter) {
    names(old, writer);
    offsets(old, writer);
    if let Some((option, offset)) = offset(old, "TEMPERATURE_MOS_ADJUST", writer) {
        set(writer, &[option], "mos_temperature_offset_c", offset != 0.0, RawValue::Number(offset));
    }
}

fn names(old: &mut Old, writer: &mut TomlWriter) {
    let (mut options, mut names, mut own) = (Vec::new(), Vec::new(), false);
    for number in 1..=SENSORS {
        let Some((option, name)) = old.take(&format!("TEMPERATURE_{number}_NAME")) else {
            names.push(String::new());
            continue;
        };
        own |= name != format!("Temp {number}");
        options.push(option);
        names.push(name);
    }
    set(writer, &options, "temperature_names", own, RawValue::texts(names.iter().map(String::as_str)));
}

fn offsets(old: &mut Old, writer: &mut TomlWriter) {
    let (mut options, mut offsets) = (Vec::new(), Vec::new());
    for number in 1..=SENSORS {
        let found = offset(old, &format!("TEMPERATURE_{number}_ADJUST"), writer);
        offsets.push(found.as_ref().map_or(0.0, |(_, offset)| *offset));
        options.extend(found.map(|(option, _)| option));
    }
    let own = offsets.iter().any(|offset| *offset != 0.0);
    set(writer, &options, "temperature_offsets_c", own, RawValue::List(offsets.into_iter().map(RawValue::Number).collect()));
}

/// The offset of `offset, factor`; a factor has no counterpart here.
fn offset(old: &mut Old, present: &str, writer: &mut TomlWriter) -> Option<(String, f64)> {
    let (option, value) = old.take(present)?;
    match numbers(&value).as_deref() {
        Some([offset, factor]) if *factor == 1.0 => Some((option, *offset)),
        Some([_, _]) => {
            writer.refuse(
                &option,
                "a temperature can be corrected by an offset only; set temperature_offsets_c for the range in use",
            );
            None
        }
        _ => {
            writer.refuse(&option, "it needs an offset and a factor");
            None
        }
    }
}

fn set(writer: &mut TomlWriter, options: &[String], key: &'static str, own: bool, value: RawValue) {
    if own {
        let from: Vec<&str> = options.iter().map(String::as_str).collect();
        writer.set(&from, key, value);
    } else {
        options.iter().for_each(|option| writer.same(option));
    }
}
