//! Values of the paths, from the snapshot and the constant data of a service.

use super::item::Context;
use super::short_place::short_place;
use crate::base::units::{Amps, Celsius, Volts};
use crate::dbus::value::Value;
use crate::model::{Alarm, AlarmName, BankSummary, Freshness, Level, Limit, LineState, Snapshot, Switch};
use std::borrow::Cow;
use std::time::Duration;

/// Upper bound of the limits, in volts or amperes.
const HIGHEST_LIMIT: f64 = 10_000.0;

/// A text that must not be invalid or empty.
pub(super) fn known<'a>(text: &'a str, otherwise: &'static str) -> Value<'a> {
    Value::text(Some(if text.trim().is_empty() { otherwise } else { text }))
}

pub(super) fn number(value: Option<f64>) -> Value<'static> {
    value.map_or(Value::Invalid, Value::Double)
}

/// 1 for a switch that was switched off through this driver.
pub(super) fn is_off(snapshot: &Snapshot, switch: Switch) -> Value<'static> {
    Value::flag(Some(snapshot.user_overrides.switched_off.contains(&switch)))
}

/// Texts in one line; invalid if there are none.
pub(super) fn list(texts: impl Iterator<Item = String>) -> Value<'static> {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() { Value::Invalid } else { Value::Text(Cow::Owned(texts.join("; "))) }
}

/// Charge drawn, negative as in Victron's services.
pub(super) fn drawn(charge: Option<f64>) -> Value<'static> {
    number(charge.map(|charge| if charge > 0.0 { 0.0 } else { charge }))
}

pub(super) fn volts(value: Option<Volts>) -> Value<'static> {
    number(value.map(Volts::get))
}

pub(super) fn degrees(value: Option<Celsius>) -> Value<'static> {
    number(value.map(Celsius::get))
}

/// A limit is always a finite number: chargers run without a limit on an invalid one, and obey 0. So an impossible one becomes 0.
pub(super) fn limit(value: f64) -> Value<'static> {
    Value::Double(if (0.0..=HIGHEST_LIMIT).contains(&value) { value } else { 0.0 })
}

/// Times in whole minutes, so that they do not change with every reading.
pub(super) fn whole_minutes(time: Option<Duration>) -> Value<'static> {
    time.map(|time| time.as_secs()).map_or(Value::Invalid, |seconds| Value::count(seconds.saturating_sub(seconds % 60)))
}

/// Cells of a complete set; incomplete sets are not published.
pub(super) fn cells(snapshot: &Snapshot) -> &[Volts] {
    if snapshot.reading.cells_complete == Some(false) { &[] } else { &snapshot.reading.cells }
}

pub(super) fn cell_spread(snapshot: &Snapshot) -> Value<'static> {
    match (snapshot.derived.max_cell, snapshot.derived.min_cell) {
        (Some((highest, _)), Some((lowest, _))) => volts(Some(highest - lowest)),
        _ => Value::Invalid,
    }
}

/// Charge voltage per cell, once the number of cells is accepted.
pub(super) fn cell_limit(snapshot: &Snapshot) -> Value<'static> {
    let cells = snapshot.cell_count.filter(|count| *count > 0);
    cells.map_or(Value::Invalid, |cells| limit(snapshot.limits.cvl.value.get() / f64::from(cells)))
}

/// A number of batteries: of the bank, or 0 or 1 for a single battery.
pub(super) fn modules(snapshot: &Snapshot, of_bank: fn(&BankSummary) -> u16, alone: Option<bool>) -> Value<'static> {
    match &snapshot.bank_summary {
        Some(modules) => Value::count(of_bank(modules)),
        None => Value::flag(alone),
    }
}

/// A number of batteries of a bank.
pub(super) fn batteries(snapshot: &Snapshot, count: fn(&BankSummary) -> u16) -> Value<'static> {
    snapshot.bank_summary.as_ref().map_or(Value::Invalid, |bank| Value::count(count(bank)))
}

/// Location of an extreme value: `C7` for the seventh cell, `T2` for the second sensor; in a bank preceded by the battery's name.
pub(super) fn place<'a>(
    snapshot: &'a Snapshot,
    in_bank: fn(&BankSummary) -> Option<&str>,
    kind: &str,
    number: Option<usize>,
) -> Value<'a> {
    if let Some(modules) = &snapshot.bank_summary {
        let short = in_bank(modules).map(|place| short_place(place, &modules.modules));
        return short.map_or(Value::Invalid, |place| Value::Text(Cow::Owned(place)));
    }
    let known = number.filter(|number| *number > 0);
    known.map_or(Value::Invalid, |number| Value::Text(Cow::Owned(format!("{kind}{number}"))))
}

pub(super) fn sensor(snapshot: &Snapshot, index: usize) -> Value<'static> {
    let in_place = snapshot.derived.sensors.get(index).copied();
    degrees(in_place.unwrap_or_else(|| snapshot.reading.temperatures.sensors.as_ref()?.get(index).copied()))
}

/// The configured name of a sensor.
pub(super) fn sensor_name(snapshot: &Snapshot, index: usize) -> Value<'_> {
    Value::text(snapshot.derived.sensor_names.get(index).map(String::as_str).filter(|name| !name.is_empty()))
}

/// Whether a cell is being balanced; known for all cells if none is.
pub(super) fn balanced(snapshot: &Snapshot, cell: usize) -> Option<bool> {
    let reading = &snapshot.reading;
    let active = |list: &Vec<u8>| list.iter().any(|number| usize::from(*number) == cell.saturating_add(1));
    reading.balancing.cells.as_ref().map(active).or(reading.balancing.active.filter(|balancing| !balancing))
}

/// Whether the battery accepts charge: its FET conducts, and the published limit is not zero.
pub(super) fn may_charge(context: &Context, snapshot: &Snapshot) -> Option<bool> {
    permission(context, snapshot.reading.fets.charge, snapshot.limits.ccl.value)
}

pub(super) fn may_discharge(context: &Context, snapshot: &Snapshot) -> Option<bool> {
    permission(context, snapshot.reading.fets.discharge, snapshot.limits.dcl.value)
}

/// 1 if the battery needs charge soon: the alarm of a low cell or pack voltage is active, and charging is possible.
pub(super) fn charge_request(context: &Context, snapshot: &Snapshot, _: usize) -> Value<'static> {
    if snapshot.freshness != Freshness::Fresh {
        return Value::Invalid;
    }
    let is_low =
        |alarm: &Alarm| alarm.level == Level::Alarm && matches!(alarm.name, AlarmName::CellLowVoltage | AlarmName::LowVoltage);
    Value::flag(Some(snapshot.alarms.iter().any(is_low) && may_charge(context, snapshot) == Some(true)))
}

fn permission(context: &Context, fet: Option<bool>, limit: Amps) -> Option<bool> {
    if context.control { Some(fet != Some(false) && limit.get() > 0.0) } else { fet }
}

/// Charging phase and the rule that sets CVL.
pub(super) fn charge_mode(context: &Context, snapshot: &Snapshot) -> Value<'static> {
    let (mode, cvl) = (snapshot.limits.mode.text(), snapshot.limits.cvl);
    let why = snapshot.bank_summary.as_ref().map_or(cvl.why, |modules| &modules.reasons.cvl);
    Value::Text(match (context.tells_limits(), why) {
        (true, "") => Cow::Borrowed(mode),
        (true, why) => Cow::Owned(format!("{mode}: {why}")),
        (false, why) => Cow::Owned(format!("Observing, would be {mode} at {:.2}: {why}", cvl.value)),
    })
}

/// The rule that sets a current limit; in observe-only mode with the limit that it would set.
pub(super) fn reason<'a>(context: &Context, limit: Limit<Amps>, in_bank: Option<&'a str>) -> Value<'a> {
    Value::Text(match context.tells_limits() {
        true => Cow::Borrowed(in_bank.unwrap_or(limit.why)),
        false => Cow::Owned(format!("Observing, would be {:.1}: {}", limit.value, limit.why)),
    })
}

/// Silence stage, for the bank.
pub(super) fn stage(snapshot: &Snapshot) -> &'static str {
    match snapshot.freshness {
        Freshness::Fresh => "fresh",
        Freshness::Stale => "stale",
        Freshness::Silent => "silent",
        Freshness::Lost => "lost",
    }
}

/// State of the line, as text that changes only with the state.
pub(super) fn line_state(snapshot: &Snapshot) -> Value<'static> {
    if let Some(modules) = &snapshot.bank_summary {
        let all = if modules.offline == 0 { "all batteries answer" } else { "not all batteries answer" };
        return Value::Text(Cow::Borrowed(all));
    }
    Value::Text(match (snapshot.freshness, snapshot.line) {
        (Freshness::Fresh, LineState::Good) => Cow::Borrowed("answers"),
        (Freshness::Fresh, line) => Cow::Owned(format!("answers; {line}")),
        (_, repeating @ LineState::Repeating) => Cow::Owned(repeating.to_string()),
        (Freshness::Stale, _) => Cow::Borrowed("no answer"),
        (Freshness::Silent, _) => Cow::Borrowed("no answer for a minute, check the cable"),
        (Freshness::Lost, _) => Cow::Borrowed("no answer for minutes, check cable and BMS"),
    })
}
