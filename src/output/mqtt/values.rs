//! The one table of single values over MQTT: their meaning to Home Assistant, their topics, and the rows of `docs/mqtt.md`.

use crate::model::ESTIMATED_SOH;
use crate::output::api::View;
use serde_json::{Map, Value as Json};

/// A value of the state message.
#[derive(Debug)]
pub struct Value {
    /// Its key in the state message, `a.b` for a nested one; with `/` instead of `.` the end of its topic.
    pub key: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// A diagnostic value, which Home Assistant shows separately.
    pub diagnostic: bool,
    /// Known at any age of the data: limits, counters, and the freshness.
    pub always: bool,
}

/// Kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number(Number),
    /// A list of numbers, each shown separately.
    List(Number),
    /// `true` or `false`; with the device class of Home Assistant's binary sensors.
    Flag(Option<&'static str>),
    /// An enumeration.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
}

/// A kind of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// Unit, if it has one.
    pub unit: Option<&'static str>,
    /// Device class of Home Assistant's sensors.
    pub class: Option<&'static str>,
    /// State class of Home Assistant's sensors.
    pub state: &'static str,
    /// Decimals to show.
    pub decimals: u8,
}

const fn number(unit: &'static str, class: Option<&'static str>, decimals: u8) -> Number {
    Number { unit: Some(unit), class, state: "measurement", decimals }
}

const fn volts(decimals: u8) -> Number {
    number("V", Some("voltage"), decimals)
}

const AMPS: Number = number("A", Some("current"), 2);
const CELSIUS: Number = number("°C", Some("temperature"), 1);
// Home Assistant has no class for charge.
const AMP_HOURS: Number = number("Ah", None, 1);
const PER_CENT: Number = number("%", None, 0);
const SECONDS: Number = number("s", Some("duration"), 0);
const ENERGY: Number = Number { unit: Some("kWh"), class: Some("energy"), state: "total_increasing", decimals: 2 };
const COUNT: Number = Number { unit: None, class: None, state: "total_increasing", decimals: 0 };

const fn measured(key: &'static str, name: &'static str, kind: Kind) -> Value {
    Value { key, name, kind, diagnostic: false, always: false }
}

const fn diagnostic(key: &'static str, name: &'static str, kind: Kind) -> Value {
    Value { diagnostic: true, ..measured(key, name, kind) }
}

const fn lasting(key: &'static str, name: &'static str, kind: Kind) -> Value {
    Value { always: true, ..measured(key, name, kind) }
}

const fn lasting_diagnostic(key: &'static str, name: &'static str, kind: Kind) -> Value {
    Value { always: true, ..diagnostic(key, name, kind) }
}

/// All of them.
#[rustfmt::skip]
pub const VALUES: &[Value] = &[
    measured("voltage_v", "Voltage", Kind::Number(volts(2))),
    measured("current_a", "Current", Kind::Number(AMPS)),
    measured("power_w", "Power", Kind::Number(number("W", Some("power"), 0))),
    measured("soc_pct", "State of charge", Kind::Number(number("%", Some("battery"), 1))),
    diagnostic("soh_pct", "State of health", Kind::Number(PER_CENT)),
    diagnostic("health.usable_ah", "Estimated capacity", Kind::Number(AMP_HOURS)),
    diagnostic("health_text", "Cell health", Kind::Text),
    measured("remaining_ah", "Remaining charge", Kind::Number(AMP_HOURS)),
    lasting_diagnostic("capacity_ah", "Capacity", Kind::Number(AMP_HOURS)),
    diagnostic("consumed_ah", "Charge taken out since full", Kind::Number(AMP_HOURS)),
    diagnostic("cycles", "Cycles", Kind::Number(COUNT)),
    measured("time_to_go_s", "Time to go", Kind::Number(SECONDS)),
    lasting("history.charged_kwh", "Energy charged", Kind::Number(ENERGY)),
    lasting("history.discharged_kwh", "Energy discharged", Kind::Number(ENERGY)),
    lasting_diagnostic("history.average_discharge_ah", "Average discharge", Kind::Number(AMP_HOURS)),
    lasting_diagnostic("history.full_discharges", "Full discharges", Kind::Number(COUNT)),
    measured("cell_min_v", "Lowest cell", Kind::Number(volts(3))),
    measured("cell_max_v", "Highest cell", Kind::Number(volts(3))),
    diagnostic("cell_delta_v", "Cell difference", Kind::Number(volts(3))),
    diagnostic("cell_voltages_v", "Cell", Kind::List(volts(3))),
    measured("temperature_c", "Temperature", Kind::Number(CELSIUS)),
    diagnostic("temperatures_c", "Temperature", Kind::List(CELSIUS)),
    diagnostic("mos_temperature_c", "MOSFET temperature", Kind::Number(CELSIUS)),
    measured("charge_fet", "Charge FET", Kind::Flag(None)),
    measured("discharge_fet", "Discharge FET", Kind::Flag(None)),
    diagnostic("balancing", "Balancing", Kind::Flag(Some("running"))),
    diagnostic("heating", "Heater", Kind::Flag(Some("running"))),
    lasting("alarm_level", "Alarm level", Kind::Word(&["ok", "warning", "alarm"])),
    lasting("limits.cvl_v", "Charge voltage limit", Kind::Number(volts(2))),
    lasting("limits.ccl_a", "Charge current limit", Kind::Number(AMPS)),
    lasting("limits.dcl_a", "Discharge current limit", Kind::Number(AMPS)),
    lasting_diagnostic("limits.cvl_why", "Reason of the charge voltage limit", Kind::Text),
    lasting_diagnostic("limits.ccl_why", "Reason of the charge current limit", Kind::Text),
    lasting_diagnostic("limits.dcl_why", "Reason of the discharge current limit", Kind::Text),
    lasting_diagnostic("limits.mode", "Charge mode", Kind::Word(&["bulk", "absorption", "float", "hold"])),
    lasting_diagnostic("freshness", "Freshness of the data", Kind::Word(&["fresh", "stale", "silent", "lost"])),
    lasting_diagnostic("connected", "Connection to the battery", Kind::Flag(Some("connectivity"))),
];

/// The findings about the cells in one sentence, at most as long as a state of Home Assistant; `None` while nothing is known.
fn health(view: &View) -> Option<String> {
    const MAX_LETTERS: usize = 255;
    let findings = &view.health.as_ref()?.findings;
    let text = match findings.as_slice() {
        [] => "nothing found".to_owned(),
        [only] => only.text.clone(),
        [.., last] => format!("{} findings, the latest: {}", findings.len(), last.text),
    };
    Some(text.chars().take(MAX_LETTERS).collect())
}

/// The view as a state message: unknown values of this table are `null`, so that no subscriber keeps an old value; four keys
/// are added.
pub(super) fn document(view: &View) -> Map<String, Json> {
    let mut document = match serde_json::to_value(view) {
        Ok(Json::Object(document)) => document,
        _ => Map::new(),
    };
    document.extend([
        ("connected".to_owned(), view.is_fresh().into()),
        ("alarm_level".to_owned(), view.alarm_level().into()),
        ("health_text".to_owned(), health(view).into()),
        ("soh_estimated".to_owned(), view.notices.notes.iter().any(|note| note == ESTIMATED_SOH).into()),
    ]);
    for value in VALUES {
        match value.key.split_once('.') {
            None => _ = document.entry(value.key).or_insert(Json::Null),
            Some((object, key)) => {
                if let Json::Object(inner) = document.entry(object).or_insert_with(|| Map::new().into()) {
                    inner.entry(key).or_insert(Json::Null);
                }
            }
        }
    }
    document.entry("alarms").or_insert(Json::Null);
    document
}
