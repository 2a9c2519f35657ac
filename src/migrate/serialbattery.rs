//! The options of dbus-serialbattery (config.default.ini, all versions from 2023 to 2.1.20260729dev).

use super::curves::TABLES;
use super::draft::Draft;
use super::ini::{self, flag, items, number, numbers};
use super::left::{left, present_name};
use super::{Fate, Migration};
use crate::config::Written;

/// The most that an LFP cell is charged to.
const MOST: f64 = 3.65;
/// Names of BMS families there and here.
const FAMILIES: [(&str, &str); 5] = [("Jkbms", "jk"), ("Jkbms_pb", "jk-pb"), ("LltJbd", "jbd"), ("Daly", "daly"), ("ANT", "ant")];

/// An option of the file.
struct OldOption {
    /// As it is written there.
    name: String,
    /// What it is called in the newest version.
    present: String,
    value: String,
}

/// The old file while it is being read.
struct Old {
    options: Vec<OldOption>,
    seen: Vec<String>,
}

impl Old {
    /// The name and value of an option, which thereby counts as dealt with.
    fn take(&mut self, present: &str) -> Option<(String, String)> {
        let option = self.options.iter().rev().find(|option| option.present == present)?;
        self.seen.push(present.to_owned());
        Some((option.name.clone(), option.value.clone()))
    }

    /// The same where the value is a number; what is no number is refused.
    fn number(&mut self, present: &str, draft: &mut Draft) -> Option<(String, f64)> {
        let (name, value) = self.take(present)?;
        match number(&value) {
            Some(number) => Some((name, number)),
            None if value.is_empty() => {
                draft.same(&name);
                None
            }
            None => {
                draft.refuse(&name, "it is not a number");
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
    let (mut old, mut draft) = (Old { options: options.collect(), seen: Vec::new() }, Draft::default());
    limits(&mut old, &mut draft);
    voltages(&mut old, &mut draft);
    phases(&mut old, &mut draft);
    curves(&mut old, &mut draft);
    charge_state(&mut old, &mut draft);
    recovery(&mut old, &mut draft);
    silence(&mut old, &mut draft);
    connection(&mut old, &mut draft);
    names(&mut old, &mut draft);
    let known = !old.seen.is_empty() || old.options.iter().any(|option| left(&option.present).is_some());
    for option in old.options.iter().filter(|option| !old.seen.contains(&option.present)) {
        match left(&option.present) {
            Some(why) => draft.remark(&option.name, Fate::NoCounterpart, why),
            None => draft.remark(&option.name, Fate::Unknown, "dbus-serialbattery has no option of this name; check the spelling"),
        }
    }
    known.then(|| draft.finish("dbus-serialbattery", "a config.ini of dbus-serialbattery"))
}

fn limits(old: &mut Old, draft: &mut Draft) {
    for (option, key) in
        [("MAX_BATTERY_CHARGE_CURRENT", "max_charge_current_a"), ("MAX_BATTERY_DISCHARGE_CURRENT", "max_discharge_current_a")]
    {
        let Some((name, amps)) = old.number(option, draft) else { continue };
        // Some wrote the discharge current with its sign.
        draft.set_number(&[&name], key, amps.abs(), 0.0, 1000.0);
    }
    if let Some((name, volts)) = old.number("VOLTAGE_DROP", draft) {
        draft.set_number(&[&name], "voltage_drop_v", volts, 0.0, 2.0);
    }
    if let Some((name, sign)) = old.number("INVERT_CURRENT_MEASUREMENT", draft) {
        match sign {
            sign if sign < 0.0 => draft.refuse(
                &name,
                "the current cannot be inverted: compare its sign with a clamp meter before you trust it, and turn the wires of the \
                 shunt or report it",
            ),
            _ => draft.same(&name),
        }
    }
}

fn voltages(old: &mut Old, draft: &mut Draft) {
    let most = old.number("MAX_CELL_VOLTAGE", draft);
    if let Some((name, volts)) = &most {
        if (3.0..=MOST).contains(volts) {
            draft.set(&[name], "max_cell_voltage_v", *volts);
        } else {
            let cells = if *volts > MOST { "\"nmc\"" } else { "\"lto\"" };
            draft.refuse(
                name,
                format!(
                    "{volts} V is no charge voltage of an LFP cell: if the cells are of another kind, set chemistry ({cells}) and \
                     max_cell_voltage_v by hand"
                ),
            );
        }
    }
    if let Some((name, volts)) = old.number("FLOAT_CELL_VOLTAGE", draft) {
        let roof = most.map_or(MOST, |(_, most)| most.min(MOST));
        if (3.0..=MOST).contains(&volts) {
            draft.set_number(&[&name], "phases.float_cell_voltage_v", volts, 3.0, roof.max(3.0));
        } else {
            draft.refuse(&name, format!("{volts} V is no float voltage of an LFP cell"));
        }
    }
    let (voltage, days) = (old.number("SOC_RESET_CELL_VOLTAGE", draft), old.number("SOC_RESET_AFTER_DAYS", draft));
    match (voltage, days) {
        (voltage, Some((days_name, days))) if days >= 1.0 => {
            draft.set_number(&[&days_name], "phases.balance_every_days", days.round(), 1.0, 365.0);
            let (name, volts) = voltage.unwrap_or(("SOC_RESET_CELL_VOLTAGE".to_owned(), MOST));
            if volts >= 3.0 {
                draft.set_number(&[&name], "phases.balance_cell_voltage_v", volts, 3.0, MOST);
            } else {
                draft.refuse(&name, format!("{volts} V is no charge voltage of an LFP cell"));
            }
        }
        (voltage, days) => voltage.into_iter().chain(days).for_each(|(name, _)| draft.same(&name)),
    }
}

fn phases(old: &mut Old, draft: &mut Draft) {
    if let Some((name, value)) = old.take("CVCM_ENABLE") {
        draft.set(&[&name], "phases.enabled", flag(&value));
    }
    if let Some((name, value)) = old.take("SWITCH_TO_FLOAT_WAIT_FOR_SEC") {
        match number(&value).or(value.is_empty().then_some(0.0)) {
            Some(seconds) => draft.set_number(&[&name], "phases.absorption_s", seconds, 0.0, 36_000.0),
            None => draft.refuse(&name, "it is not a number"),
        }
    }
    if let Some((name, value)) = old.take("SWITCH_TO_FLOAT_CELL_VOLTAGE_DIFF") {
        match number(&value).or(value.is_empty().then_some(10.0)) {
            Some(volts) => draft.set_number(&[&name], "phases.level_spread_v", volts, 0.001, 0.2),
            None => draft.refuse(&name, "it is not a number"),
        }
    }
    if let Some((name, value)) = old.take("SWITCH_TO_BULK_SOC_THRESHOLD") {
        match number(&value).or(value.is_empty().then_some(0.0)) {
            Some(percent) => draft.set_number(&[&name], "phases.rebulk_soc_pct", percent, 0.0, 100.0),
            None => draft.refuse(&name, "it is not a number"),
        }
    }
}

fn curves(old: &mut Old, draft: &mut Draft) {
    let mode = old.take("CHARGE_MODE").map(|(name, value)| (name, number(&value) == Some(2.0)));
    let linear = old.take("LINEAR_LIMITATION_ENABLE").map(|(name, value)| (name, !flag(&value)));
    let steps = mode.as_ref().or(linear.as_ref()).is_some_and(|(_, steps)| *steps);
    for (name, _) in mode.into_iter().chain(linear) {
        if steps {
            draft.remark(&name, Fate::Differs, "steps are written as curves that stay at the lower share between two points");
        } else {
            draft.same(&name);
        }
    }
    for table in &TABLES {
        let enabled = old.take(table.enable);
        let on = enabled.as_ref().map_or(table.on, |(_, value)| flag(value));
        let (at, shares) = (old.take(table.at.0), old.take(table.shares.0));
        let written: Vec<String> = at.iter().chain(&shares).map(|(name, _)| name.clone()).collect();
        if let Some((name, _)) = &enabled {
            if on || !table.on {
                draft.same(name);
            } else {
                draft.refuse(name, format!("this limit cannot be switched off; change {} where it is in the way", table.key));
            }
        }
        if !on {
            written.iter().for_each(|name| draft.same(name));
            continue;
        }
        // Its own table where the owner wrote one, or where the one there differs from the default here.
        if written.is_empty() && table.on && !steps {
            continue;
        }
        let value = |list: Option<(String, String)>, default: &str| list.map_or(default.to_owned(), |(_, value)| value);
        let from: Vec<&str> =
            if written.is_empty() { vec![table.at.0, table.shares.0] } else { written.iter().map(String::as_str).collect() };
        match table.curve(&value(at, table.at.1), &value(shares, table.shares.1), steps) {
            Ok(points) => {
                let pairs = points.iter().map(|(x, y)| Written::List(vec![Written::Number(*x), Written::Number(*y)]));
                draft.set(&from, table.key, Written::List(pairs.collect()));
            }
            Err(why) => from.iter().for_each(|name| draft.refuse(name, format!("{} is not taken over: {why}", table.key))),
        }
    }
}

fn charge_state(old: &mut Old, draft: &mut Draft) {
    let counted = old.take("SOC_CALCULATION").map(|(name, value)| (name, flag(&value)));
    let is_counted = counted.as_ref().is_some_and(|(_, on)| *on);
    if let Some((name, on)) = counted {
        draft.set(&[&name], "soc", if on { "counted" } else { "bms" });
        if on {
            draft.remark(&name, Fate::Differs, "counting starts from what the BMS says, not from what was counted before");
        }
    }
    if let Some((name, volts)) = old.number("MIN_CELL_VOLTAGE", draft) {
        if is_counted && (2.5..=3.3).contains(&volts) {
            draft.set(&[&name], "soc_empty_cell_voltage_v", volts);
        } else {
            draft.remark(&name, Fate::NoCounterpart, "discharging ends by discharge_by_cell_voltage, for the lowest cell");
        }
    }
    if let Some((name, seconds)) = old.number("SOC_RESET_TIME", draft) {
        draft.set_number(&[&name], "soc_full_after_s", seconds, 10.0, 3600.0);
    }
    let (reported, real) = (old.take("CURRENT_REPORTED_BY_BMS"), old.take("CURRENT_MEASURED_BY_USER"));
    let names: Vec<String> = reported.iter().chain(&real).map(|(name, _)| name.clone()).collect();
    let from: Vec<&str> = names.iter().map(String::as_str).collect();
    match (reported.map(|(_, list)| numbers(&list)), real.map(|(_, list)| numbers(&list))) {
        (Some(Some(reported)), Some(Some(real))) if reported.len() == real.len() => {
            if reported == real {
                from.iter().for_each(|name| draft.same(name));
            } else {
                let pairs = reported.iter().zip(&real).map(|(x, y)| Written::List(vec![Written::Number(*x), Written::Number(*y)]));
                draft.set(&from, "current_correction", Written::List(pairs.collect()));
            }
        }
        (None, None) => {}
        _ => from.iter().for_each(|name| draft.refuse(name, "it takes two lists of numbers of the same length")),
    }
    if let Some((name, percent)) = old.number("SOC_LOW_WARNING", draft) {
        draft.set_number(&[&name], "time_to_go_soc_floor_pct", percent, 0.0, 90.0);
        draft.remark(&name, Fate::Differs, "it is the end of the time to go; alarms of the SoC are those of the BMS");
    }
    if let Some((name, value)) = old.take("TIME_TO_SOC_POINTS") {
        let mut levels: Vec<Written> = Vec::new();
        for level in items(&value).map(number) {
            let level = level.map(Written::Number);
            match level.map(|level| level.whole().map_or(level, Written::Whole)) {
                Some(level) if !levels.contains(&level) => levels.push(level),
                Some(_) => {}
                None => return draft.refuse(&name, "it is not a list of numbers"),
            }
        }
        draft.set(&[&name], "time_to_soc_levels_pct", Written::List(levels));
    }
}

fn recovery(old: &mut Old, draft: &mut Draft) {
    let mut all = |options: &[&str], draft: &mut Draft| -> Vec<(String, f64)> {
        options.iter().filter_map(|option| old.number(option, draft)).collect()
    };
    let holds = all(&["CVL_RECOVERY_HOLD_SEC", "CCL_RECOVERY_HOLD_SEC", "DCL_RECOVERY_HOLD_SEC"], draft);
    let amps = all(&["CCL_RECOVERY_RATE_A_PER_SEC", "DCL_RECOVERY_RATE_A_PER_SEC"], draft);
    let volts = all(&["CVL_RECOVERY_RATE_V_PER_SEC"], draft);
    // One value for all limits here: the most cautious.
    let longest = holds.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
    one_for_all(draft, &holds, "recovery.hold_s", longest, 3600.0, 0.0);
    for (rates, key, least, most) in [(amps, "recovery.ramp_a_per_s", 0.01, 1000.0), (volts, "recovery.ramp_v_per_s", 0.0001, 1.0)]
    {
        let (ramps, jumps): (Vec<_>, Vec<_>) = rates.into_iter().partition(|(_, rate)| *rate > 0.0);
        for (name, _) in &jumps {
            draft.refuse(name, "limits always rise slowly");
        }
        let slowest = ramps.iter().map(|(_, rate)| *rate).fold(f64::INFINITY, f64::min);
        one_for_all(draft, &ramps, key, slowest, most, least);
    }
}

fn one_for_all(draft: &mut Draft, options: &[(String, f64)], key: &'static str, value: f64, most: f64, least: f64) {
    let names: Vec<&str> = options.iter().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        return;
    }
    draft.set_number(&names, key, value, least, most);
    for (name, own) in options.iter().filter(|(_, own)| (own - value).abs() > f64::EPSILON) {
        draft.remark(name, Fate::Differs, format!("{key} = {value} counts for all limits, not {own}"));
    }
}

fn silence(old: &mut Old, draft: &mut Draft) {
    let Some((name, value)) = old.take("BLOCK_ON_DISCONNECT") else { return };
    draft.set(&[&name], "silence.preset", if flag(&value) { "strict" } else { "gentle" });
    draft.remark(
        &name,
        Fate::Differs,
        if flag(&value) {
            "without data charging fades out from 10 s on, and discharging ends after 60 s instead of at once"
        } else {
            "without data charging fades out from 10 s on, and discharging ends after 300 s; the service stays on the bus with zeros"
        },
    );
}

fn connection(old: &mut Old, draft: &mut Draft) {
    if let Some((name, value)) = old.take("BMS_TYPE") {
        let mut families = Vec::new();
        for wanted in items(&value) {
            match FAMILIES.iter().find(|(there, _)| there.eq_ignore_ascii_case(wanted)) {
                Some((_, here)) if !families.contains(here) => families.push(*here),
                Some(_) => {}
                None => draft.refuse(
                    &name,
                    "one of the BMS named there is not supported; dbus-serialbattery can serve it beside this driver",
                ),
            }
        }
        // Daly boards speak one of two protocols.
        if families.contains(&"daly") {
            families.push("daly-modbus");
        }
        // ANT boards, too, one before 2021 and one since.
        if families.contains(&"ant") {
            draft.remark(
                &name,
                Fate::Differs,
                "ANT: dbus-serialbattery reads boards until 2020, this driver those since 2021; try `dbus-bms probe`, and leave \
                 dbus-serialbattery the port if nothing answers",
            );
        }
        draft.set(&[&name], "bms", Written::texts(families));
    }
    if let Some((name, value)) = old.take("BATTERY_ADDRESSES") {
        let hex = |item: &str| i64::from_str_radix(item.trim_start_matches("0x").trim_start_matches("0X"), 16).ok();
        let mut addresses = Vec::new();
        for item in items(&value) {
            match hex(item).filter(|address| (0..=255).contains(address)).map(Written::Whole) {
                Some(address) if !addresses.contains(&address) => addresses.push(address),
                Some(_) => {}
                None => return draft.refuse(&name, "it is not a list of addresses from 0x00 to 0xFF"),
            }
        }
        draft.set(&[&name], "addresses", Written::List(addresses));
    }
    if let Some((name, seconds)) = old.number("POLL_INTERVAL", draft) {
        draft.set_number(&[&name], "poll_interval_s", seconds, 0.2, 60.0);
    }
}

/// `/dev/ttyUSB0:Name one,/dev/ttyUSB1:Name two`, of versions before 2024.
fn names(old: &mut Old, draft: &mut Draft) {
    let Some((option, value)) = old.take("CUSTOM_BATTERY_NAMES") else { return };
    draft.same(&option);
    for (port, name) in items(&value).filter_map(|item| item.split_once(':')) {
        let port = port.trim().rsplit('/').next().unwrap_or_default();
        if !port.is_empty() && port.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            draft.set_in(&format!("port.{port}"), &[&option], "name", name.trim());
        } else {
            draft.refuse(&option, "a name has no port that it belongs to");
        }
    }
}
