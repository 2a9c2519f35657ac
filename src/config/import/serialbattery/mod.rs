//! The options of dbus-serialbattery (config.default.ini, all versions from 2023 to 2.1.20260729dev).

mod external;
mod mqtt;
mod temperatures;

use super::curves::TABLES;
use super::ini::{self, flag, items, number, numbers};
use super::toml_writer::TomlWriter;
use super::unsupported::{left, present_name};
use super::{Migration, OptionOutcome};
use crate::config::RawValue;

/// Maximum charge voltage of an LFP cell.
const MAX_LFP_CELL_V: f64 = 3.65;
/// Names of BMS families there and here.
const FAMILIES: [(&str, &str); 16] = [
    ("Jkbms", "jk"),
    ("Jkbms_pb", "jk-pb"),
    ("LltJbd", "jbd"),
    ("Daly", "daly"),
    ("ANT", "ant-old"),
    ("Pace", "pace"),
    ("Seplosv3", "seplos-v3"),
    ("Seplos", "seplos"),
    ("Daren485", "daren"),
    ("LltJbd_Up16s", "jbd-up16s"),
    ("Renogy", "renogy"),
    ("EG4_LL", "eg4-ll"),
    ("EG4_Lifepower", "tianpower"),
    ("Felicity", "felicity"),
    ("HeltecModbus", "heltec"),
    ("Sinowealth", "sinowealth"),
];

/// An option of the file.
struct OldOption {
    /// As written in the file.
    name: String,
    /// Its name in the newest version.
    present: String,
    value: String,
}

/// The old file while it is being read.
struct Old {
    options: Vec<OldOption>,
    seen: Vec<String>,
}

impl Old {
    /// Takes name and value of an option, which then counts as handled.
    fn take(&mut self, present: &str) -> Option<(String, String)> {
        let option = self.options.iter().rev().find(|option| option.present == present)?;
        self.seen.push(present.to_owned());
        Some((option.name.clone(), option.value.clone()))
    }

    /// The same for a number; anything else is refused.
    fn number(&mut self, present: &str, writer: &mut TomlWriter) -> Option<(String, f64)> {
        let (name, value) = self.take(present)?;
        match number(&value) {
            Some(number) => Some((name, number)),
            None if value.is_empty() => {
                writer.same(&name);
                None
            }
            None => {
                writer.refuse(&name, "not a number");
                None
            }
        }
    }
}

/// The new file, or `None` when the text has no option of that driver.
pub(super) fn migrate(text: &str) -> Option<Migration> {
    let options = ini::options(text).into_iter().map(|(name, value)| {
        let present = present_name(&name).to_owned();
        OldOption { name, present, value }
    });
    let (mut old, mut writer) = (Old { options: options.collect(), seen: Vec::new() }, TomlWriter::default());
    limits(&mut old, &mut writer);
    voltages(&mut old, &mut writer);
    phases(&mut old, &mut writer);
    curves(&mut old, &mut writer);
    temperatures::migrate(&mut old, &mut writer);
    external::migrate(&mut old, &mut writer);
    charge_state(&mut old, &mut writer);
    recovery(&mut old, &mut writer);
    silence(&mut old, &mut writer);
    connection(&mut old, &mut writer);
    mqtt::migrate(&mut old, &mut writer);
    names(&mut old, &mut writer);
    let known = !old.seen.is_empty() || old.options.iter().any(|option| left(&option.present).is_some());
    for option in old.options.iter().filter(|option| !old.seen.contains(&option.present)) {
        match left(&option.present) {
            Some(why) => writer.remark(&option.name, OptionOutcome::NoCounterpart, why),
            None => writer.remark(
                &option.name,
                OptionOutcome::Unknown,
                "dbus-serialbattery has no option of this name; check the spelling",
            ),
        }
    }
    known.then(|| writer.finish("dbus-serialbattery", "a config.ini of dbus-serialbattery"))
}

fn limits(old: &mut Old, writer: &mut TomlWriter) {
    for (option, key) in
        [("MAX_BATTERY_CHARGE_CURRENT", "max_charge_current_a"), ("MAX_BATTERY_DISCHARGE_CURRENT", "max_discharge_current_a")]
    {
        let Some((name, amps)) = old.number(option, writer) else { continue };
        // Some owners wrote the discharge current with its sign.
        writer.set_number(&[&name], key, amps.abs(), 0.0, 1000.0);
    }
    if let Some((name, volts)) = old.number("VOLTAGE_DROP", writer) {
        writer.set_number(&[&name], "voltage_drop_v", volts, 0.0, 2.0);
    }
    if let Some((name, sign)) = old.number("INVERT_CURRENT_MEASUREMENT", writer) {
        match sign {
            sign if sign < 0.0 => writer.refuse(
                &name,
                "the current cannot be inverted: compare its sign with a clamp meter before you trust it, and turn the wires of the \
                 shunt or report it",
            ),
            _ => writer.same(&name),
        }
    }
}

fn voltages(old: &mut Old, writer: &mut TomlWriter) {
    let most = old.number("MAX_CELL_VOLTAGE", writer);
    if let Some((name, volts)) = &most {
        if (3.0..=MAX_LFP_CELL_V).contains(volts) {
            writer.set(&[name], "max_cell_voltage_v", *volts);
        } else {
            let cells = if *volts > MAX_LFP_CELL_V { "\"nmc\"" } else { "\"lto\"" };
            writer.refuse(
                name,
                format!(
                    "{volts} V is no charge voltage of an LFP cell: if the cells are of another kind, set chemistry ({cells}) and \
                     max_cell_voltage_v by hand"
                ),
            );
        }
    }
    if let Some((name, volts)) = old.number("FLOAT_CELL_VOLTAGE", writer) {
        let roof = most.map_or(MAX_LFP_CELL_V, |(_, most)| most.min(MAX_LFP_CELL_V));
        if (3.0..=MAX_LFP_CELL_V).contains(&volts) {
            writer.set_number(&[&name], "phases.float_cell_voltage_v", volts, 3.0, roof.max(3.0));
        } else {
            writer.refuse(&name, format!("{volts} V is not a float voltage of an LFP cell"));
        }
    }
    let (voltage, days) = (old.number("SOC_RESET_CELL_VOLTAGE", writer), old.number("SOC_RESET_AFTER_DAYS", writer));
    match (voltage, days) {
        (voltage, Some((days_name, days))) if days >= 1.0 => {
            writer.set_number(&[&days_name], "phases.balance_every_days", days.round(), 1.0, 365.0);
            let (name, volts) = voltage.unwrap_or(("SOC_RESET_CELL_VOLTAGE".to_owned(), MAX_LFP_CELL_V));
            if volts >= 3.0 {
                writer.set_number(&[&name], "phases.balance_cell_voltage_v", volts, 3.0, MAX_LFP_CELL_V);
            } else {
                writer.refuse(&name, format!("{volts} V is not a charge voltage of an LFP cell"));
            }
        }
        (voltage, days) => voltage.into_iter().chain(days).for_each(|(name, _)| writer.same(&name)),
    }
}

fn phases(old: &mut Old, writer: &mut TomlWriter) {
    if let Some((name, value)) = old.take("CVCM_ENABLE") {
        writer.set(&[&name], "phases.enabled", flag(&value));
    }
    if let Some((name, value)) = old.take("SWITCH_TO_FLOAT_WAIT_FOR_SEC") {
        match number(&value).or(value.is_empty().then_some(0.0)) {
            Some(seconds) => writer.set_number(&[&name], "phases.absorption_s", seconds, 0.0, 36_000.0),
            None => writer.refuse(&name, "not a number"),
        }
    }
    if let Some((name, value)) = old.take("SWITCH_TO_FLOAT_CELL_VOLTAGE_DIFF") {
        match number(&value).or(value.is_empty().then_some(10.0)) {
            Some(volts) => writer.set_number(&[&name], "phases.level_spread_v", volts, 0.001, 0.2),
            None => writer.refuse(&name, "not a number"),
        }
    }
    if let Some((name, value)) = old.take("SWITCH_TO_BULK_SOC_THRESHOLD") {
        match number(&value).or(value.is_empty().then_some(0.0)) {
            Some(percent) => writer.set_number(&[&name], "phases.rebulk_soc_pct", percent, 0.0, 100.0),
            None => writer.refuse(&name, "not a number"),
        }
    }
}

fn curves(old: &mut Old, writer: &mut TomlWriter) {
    let mode = old.take("CHARGE_MODE").map(|(name, value)| (name, number(&value) == Some(2.0)));
    let linear = old.take("LINEAR_LIMITATION_ENABLE").map(|(name, value)| (name, !flag(&value)));
    let steps = mode.as_ref().or(linear.as_ref()).is_some_and(|(_, steps)| *steps);
    for (name, _) in mode.into_iter().chain(linear) {
        if steps {
            writer.remark(&name, OptionOutcome::Differs, "steps become curves that stay at the lower share between two points");
        } else {
            writer.same(&name);
        }
    }
    for table in &TABLES {
        let enabled = old.take(table.enable);
        let on = enabled.as_ref().map_or(table.on, |(_, value)| flag(value));
        let (at, shares) = (old.take(table.at.0), old.take(table.shares.0));
        let written: Vec<String> = at.iter().chain(&shares).map(|(name, _)| name.clone()).collect();
        if let Some((name, _)) = &enabled {
            if on || !table.on {
                writer.same(name);
            } else {
                writer.refuse(name, format!("this limit cannot be switched off; change {} if it is too strict", table.key));
            }
        }
        if !on {
            written.iter().for_each(|name| writer.same(name));
            continue;
        }
        // The owner's table, or the old default where it differs from ours.
        if written.is_empty() && table.on && !steps {
            continue;
        }
        let value = |list: Option<(String, String)>, default: &str| list.map_or(default.to_owned(), |(_, value)| value);
        let from: Vec<&str> =
            if written.is_empty() { vec![table.at.0, table.shares.0] } else { written.iter().map(String::as_str).collect() };
        match table.curve(&value(at, table.at.1), &value(shares, table.shares.1), steps) {
            Ok(points) => {
                let pairs = points.iter().map(|(x, y)| RawValue::List(vec![RawValue::Number(*x), RawValue::Number(*y)]));
                writer.set(&from, table.key, RawValue::List(pairs.collect()));
            }
            Err(why) => from.iter().for_each(|name| writer.refuse(name, format!("{} is not imported: {why}", table.key))),
        }
    }
}

fn charge_state(old: &mut Old, writer: &mut TomlWriter) {
    let counted = old.take("SOC_CALCULATION").map(|(name, value)| (name, flag(&value)));
    let is_counted = counted.as_ref().is_some_and(|(_, on)| *on);
    if let Some((name, on)) = counted {
        writer.set(&[&name], "soc", if on { "counted" } else { "bms" });
        if on {
            writer.remark(&name, OptionOutcome::Differs, "counting starts from the BMS's SoC, not from the previously counted one");
        }
    }
    if let Some((name, volts)) = old.number("MIN_CELL_VOLTAGE", writer) {
        if is_counted && (2.5..=3.3).contains(&volts) {
            writer.set(&[&name], "soc_empty_cell_voltage_v", volts);
        } else {
            writer.remark(&name, OptionOutcome::NoCounterpart, "the lowest cell ends discharging, by discharge_by_cell_voltage");
        }
    }
    if let Some((name, seconds)) = old.number("SOC_RESET_TIME", writer) {
        writer.set_number(&[&name], "soc_full_after_s", seconds, 10.0, 3600.0);
    }
    let (reported, real) = (old.take("CURRENT_REPORTED_BY_BMS"), old.take("CURRENT_MEASURED_BY_USER"));
    let names: Vec<String> = reported.iter().chain(&real).map(|(name, _)| name.clone()).collect();
    let from: Vec<&str> = names.iter().map(String::as_str).collect();
    match (reported.map(|(_, list)| numbers(&list)), real.map(|(_, list)| numbers(&list))) {
        (Some(Some(reported)), Some(Some(real))) if reported.len() == real.len() => {
            if reported == real {
                from.iter().for_each(|name| writer.same(name));
            } else {
                let pairs =
                    reported.iter().zip(&real).map(|(x, y)| RawValue::List(vec![RawValue::Number(*x), RawValue::Number(*y)]));
                writer.set(&from, "current_correction", RawValue::List(pairs.collect()));
            }
        }
        (None, None) => {}
        _ => from.iter().for_each(|name| writer.refuse(name, "it needs two lists of numbers of the same length")),
    }
    low_soc(old, writer);
    if let Some((name, value)) = old.take("TIME_TO_SOC_POINTS") {
        let mut levels: Vec<RawValue> = Vec::new();
        for level in items(&value).map(number) {
            let level = level.map(RawValue::Number);
            match level.map(|level| level.whole().map_or(level, RawValue::Whole)) {
                Some(level) if !levels.contains(&level) => levels.push(level),
                Some(_) => {}
                None => return writer.refuse(&name, "not a list of numbers"),
            }
        }
        writer.set(&[&name], "time_to_soc_levels_pct", RawValue::List(levels));
    }
}

/// There both apply to a JBD board only, which has no such alarm; the warning also ends time-to-go.
fn low_soc(old: &mut Old, writer: &mut TomlWriter) {
    for (option, key) in [("SOC_LOW_WARNING", "low_soc_warning_pct"), ("SOC_LOW_ALARM", "low_soc_alarm_pct")] {
        let Some((name, percent)) = old.number(option, writer) else { continue };
        writer.set_number(&[&name], key, percent, 0.0, 100.0);
        if option == "SOC_LOW_WARNING" {
            writer.set_number(&[&name], "time_to_go_soc_floor_pct", percent, 0.0, 90.0);
        }
        writer.remark(&name, OptionOutcome::Differs, "it holds for every BMS, instead of the BMS's own low-SoC alarm");
    }
}

fn recovery(old: &mut Old, writer: &mut TomlWriter) {
    let mut all = |options: &[&str], writer: &mut TomlWriter| -> Vec<(String, f64)> {
        options.iter().filter_map(|option| old.number(option, writer)).collect()
    };
    let holds = all(&["CVL_RECOVERY_HOLD_SEC", "CCL_RECOVERY_HOLD_SEC", "DCL_RECOVERY_HOLD_SEC"], writer);
    let amps = all(&["CCL_RECOVERY_RATE_A_PER_SEC", "DCL_RECOVERY_RATE_A_PER_SEC"], writer);
    let volts = all(&["CVL_RECOVERY_RATE_V_PER_SEC"], writer);
    // Here one value applies to all limits: take the most cautious.
    let longest = holds.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
    one_for_all(writer, &holds, "recovery.hold_s", longest, 3600.0, 0.0);
    for (rates, key, least, most) in [(amps, "recovery.ramp_a_per_s", 0.01, 1000.0), (volts, "recovery.ramp_v_per_s", 0.0001, 1.0)]
    {
        let (ramps, jumps): (Vec<_>, Vec<_>) = rates.into_iter().partition(|(_, rate)| *rate > 0.0);
        for (name, _) in &jumps {
            writer.refuse(name, "limits always rise slowly");
        }
        let slowest = ramps.iter().map(|(_, rate)| *rate).fold(f64::INFINITY, f64::min);
        one_for_all(writer, &ramps, key, slowest, most, least);
    }
}

fn one_for_all(writer: &mut TomlWriter, options: &[(String, f64)], key: &'static str, value: f64, most: f64, least: f64) {
    let names: Vec<&str> = options.iter().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        return;
    }
    writer.set_number(&names, key, value, least, most);
    for (name, own) in options.iter().filter(|(_, own)| (own - value).abs() > f64::EPSILON) {
        writer.remark(name, OptionOutcome::Differs, format!("{key} = {value} applies to all limits, instead of {own}"));
    }
}

fn silence(old: &mut Old, writer: &mut TomlWriter) {
    let Some((name, value)) = old.take("BLOCK_ON_DISCONNECT") else { return };
    writer.set(&[&name], "silence.preset", if flag(&value) { "strict" } else { "gentle" });
    writer.remark(
        &name,
        OptionOutcome::Differs,
        if flag(&value) {
            "without data charging fades out after 10 s, and discharging stops after 60 s instead of at once"
        } else {
            "without data charging fades out after 10 s, and discharging stops after 300 s; the service stays on the bus with zeros"
        },
    );
}

fn connection(old: &mut Old, writer: &mut TomlWriter) {
    if let Some((name, value)) = old.take("BMS_TYPE") {
        let mut families = Vec::new();
        for wanted in items(&value) {
            match FAMILIES.iter().find(|(there, _)| there.eq_ignore_ascii_case(wanted)) {
                Some((_, here)) if !families.contains(here) => families.push(*here),
                Some(_) => {}
                None => writer.refuse(
                    &name,
                    "one of the BMSs in this list is not supported; dbus-serialbattery can serve it beside this driver",
                ),
            }
        }
        // A Daly board speaks one of two protocols.
        if families.contains(&"daly") {
            families.push("daly-modbus");
        }
        writer.set(&[&name], "bms", RawValue::texts(families));
    }
    if let Some((name, value)) = old.take("BATTERY_ADDRESSES") {
        let hex = |item: &str| i64::from_str_radix(item.trim_start_matches("0x").trim_start_matches("0X"), 16).ok();
        let mut addresses = Vec::new();
        for item in items(&value) {
            match hex(item).filter(|address| (0..=255).contains(address)).map(RawValue::Whole) {
                Some(address) if !addresses.contains(&address) => addresses.push(address),
                Some(_) => {}
                None => return writer.refuse(&name, "not a list of addresses from 0x00 to 0xFF"),
            }
        }
        writer.set(&[&name], "addresses", RawValue::List(addresses));
    }
    if let Some((name, seconds)) = old.number("POLL_INTERVAL", writer) {
        writer.set_number(&[&name], "poll_interval_s", seconds, 0.2, 60.0);
    }
}

/// `/dev/ttyUSB0:Name one,/dev/ttyUSB1:Name two`, of versions before 2024.
fn names(old: &mut Old, writer: &mut TomlWriter) {
    let Some((option, value)) = old.take("CUSTOM_BATTERY_NAMES") else { return };
    writer.same(&option);
    for (port, name) in items(&value).filter_map(|item| item.split_once(':')) {
        let port = port.trim().rsplit('/').next().unwrap_or_default();
        if !port.is_empty() && port.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            writer.set_in(&format!("port.{port}"), &[&option], "name", name.trim());
        } else {
            writer.refuse(&option, "a name has no port");
        }
    }
}
