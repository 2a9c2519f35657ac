//! What a view says that the log records: alarms, felt limits, silence, faults of the line, and what the owner has set.

use crate::model::{AlarmName, Freshness, Level};
use crate::output::api::{Alarm, BankMember, Kind, LogEntry, View};
use crate::output::registry::Views;
use crate::output::restriction::Restriction;
use std::time::Duration;

/// A limit has to be felt for this time to be an entry; and the entry ends once it was not felt for as long.
const FELT_FOR: Duration = Duration::from_secs(120);

/// A shorter silence is none: so is the last word of a battery at the end of the program.
const SILENT_FOR: Duration = Duration::from_secs(5);

/// Something that lasts.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Condition {
    /// The entry that it would begin.
    pub(super) entry: LogEntry,
    /// It has to last this time first, and to be over for this time until the entry ends.
    pub(super) least: Duration,
    /// A lower value is worse.
    pub(super) lower_is_worse: bool,
}

/// All conditions that hold in `view`; `views` are all batteries and banks.
pub(super) fn conditions(view: &View, views: &Views) -> Vec<Condition> {
    let mut list = Vec::new();
    let mut add = |entry: LogEntry, least: Duration, lower_is_worse: bool| {
        let entry = LogEntry { id: view.identity.id.clone(), name: view.identity.name.clone(), ..entry };
        list.push(Condition { entry, least, lower_is_worse });
    };
    if view.state.freshness != Freshness::Fresh {
        let level = view.state.freshness.cable();
        add(LogEntry { kind: "silence".into(), what: "silence".into(), level, ..LogEntry::default() }, SILENT_FOR, false);
    }
    // A bank calls its batteries by labels, which are not always the names of their views.
    let members = || view.modules.iter().flat_map(|modules| &modules.members);
    let is_of = |member: &BankMember, other: &View| {
        let identity = &other.identity;
        member.id.as_ref().is_some_and(|id| *id == identity.id) || member.service.is_some() && member.service == identity.service
    };
    let has_view = |member: &BankMember| views.iter().any(|other| is_of(member, other));
    let named = |label: &String| {
        let by_label = members().find(|member| member.name == *label);
        by_label
            .map_or_else(|| views.iter().any(|other| other.identity.kind != Kind::Bank && other.identity.name == *label), has_view)
    };
    for alarm in view.notices.alarms.iter().flat_map(|alarms| &alarms.0) {
        // Those of its batteries are in the logs of these, with the cell.
        if alarm.batteries.is_empty() || !alarm.batteries.iter().all(named) {
            add(alarm_entry(alarm), Duration::ZERO, is_low(&alarm.name));
        }
    }
    for member in members().filter(|member| !member.online && !has_view(member)) {
        let battery = Some(member.name.clone());
        add(
            LogEntry { kind: "cable".into(), what: "silence".into(), level: member.cable, battery, ..LogEntry::default() },
            SILENT_FOR,
            false,
        );
    }
    if !view.line.state.is_empty() && view.line.state != "good" {
        let (what, level) = (view.line.state.clone(), Some(Level::Warning));
        add(LogEntry { kind: "line".into(), what, level, ..LogEntry::default() }, Duration::ZERO, false);
    }
    if view.notices.charge_excess.is_some() {
        let (value, level) = (view.pack.current_a, Some(Level::Warning));
        add(LogEntry { kind: "excess".into(), what: "charge".into(), value, level, ..LogEntry::default() }, Duration::ZERO, false);
    }
    for set in &view.switches.overrides_set {
        let by = Some(set.by.clone());
        add(
            LogEntry { kind: "override".into(), what: set.kind.clone(), value: set.value_a, by, ..LogEntry::default() },
            Duration::ZERO,
            true,
        );
    }
    for off in &view.switches.switched_off_by {
        let (by, at) = (Some(off.by.clone()), off.since);
        add(LogEntry { kind: "switch".into(), what: off.what.clone(), by, at, ..LogEntry::default() }, Duration::ZERO, false);
    }
    for restriction in Restriction::all(view, views).into_iter().flatten().filter(|restriction| restriction.is_felt_or_zero()) {
        let Restriction { direction, rule, battery, cell, value, .. } = restriction;
        let (rule, value) = (Some(rule), Some(value));
        add(
            LogEntry { kind: "limit".into(), what: direction.into(), rule, battery, cell, value, ..LogEntry::default() },
            FELT_FOR,
            true,
        );
    }
    list
}

fn alarm_entry(alarm: &Alarm) -> LogEntry {
    LogEntry {
        kind: "alarm".into(),
        what: alarm.name.clone(),
        level: alarm.level,
        battery: (!alarm.batteries.is_empty()).then(|| alarm.batteries.join(", ")),
        cell: alarm.cell,
        sensor: alarm.sensor,
        value: alarm.value,
        at: alarm.since,
        ..LogEntry::default()
    }
}

/// Alarms of values that are too low.
fn is_low(name: &str) -> bool {
    let low = [
        AlarmName::CellLowVoltage,
        AlarmName::LowVoltage,
        AlarmName::LowTemperature,
        AlarmName::LowChargeTemperature,
        AlarmName::LowSoc,
        AlarmName::HighDischargeCurrent,
    ];
    low.iter().any(|low| low.key() == name)
}
