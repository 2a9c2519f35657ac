//! The one table of what is told of a battery over MQTT beyond the whole view: what its keys mean to Home Assistant, the topics of
//! single values, and the rows of `docs/mqtt.md`.

use crate::model::{Freshness, Level};
use crate::view::{Field, History, Limits, View};
use serde_json::{Map, Value as Json};

/// A value of the state message.
#[derive(Debug)]
pub struct Value {
    /// Its key there, `a.b` for one inside another; with `/` for `.` the end of its topic.
    pub key: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// A diagnostic value: Home Assistant shows it apart.
    pub diagnostic: bool,
    /// It is known whatever the age of the data: limits, counters, and how fresh the data is.
    pub always: bool,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number(Number),
    /// A list of numbers, each of which is shown on its own.
    List(Number),
    /// `true` or `false`; with the device class of Home Assistant's binary sensors.
    Flag(Option<&'static str>),
    /// One of a few words.
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
    measured("remaining_ah", "Remaining charge", Kind::Number(AMP_HOURS)),
    lasting_diagnostic("capacity_ah", "Capacity", Kind::Number(AMP_HOURS)),
    diagnostic("consumed_ah", "Charge taken out since full", Kind::Number(AMP_HOURS)),
    diagnostic("cycles", "Cycles", Kind::Number(COUNT)),
    measured("time_to_go_s", "Time to go", Kind::Number(SECONDS)),
    lasting("history.charged_kwh", "Energy charged", Kind::Number(ENERGY)),
    lasting("history.discharged_kwh", "Energy discharged", Kind::Number(ENERGY)),
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

/// The view as the state message has it: what this table lists and is not known is `null`, so that nobody keeps an old value; and
/// two keys are added.
pub(super) fn told(view: &View) -> Map<String, Json> {
    let mut told = match serde_json::to_value(view) {
        Ok(Json::Object(told)) => told,
        _ => Map::new(),
    };
    told.extend([("connected".to_owned(), is_fresh(view).into()), ("alarm_level".to_owned(), alarm_level(view).into())]);
    for value in VALUES {
        match value.key.split_once('.') {
            None => _ = told.entry(value.key).or_insert(Json::Null),
            Some((object, key)) => {
                if let Json::Object(inner) = told.entry(object).or_insert_with(|| Map::new().into()) {
                    inner.entry(key).or_insert(Json::Null);
                }
            }
        }
    }
    told.entry("alarms").or_insert(Json::Null);
    told
}

/// Its measured values are known.
pub(crate) fn is_fresh(view: &View) -> bool {
    view.freshness == Freshness::Fresh
}

/// The highest level of its alarms, the cable alarm included; `ok` only if the BMS was heard on them.
pub(crate) fn alarm_level(view: &View) -> Option<&'static str> {
    let alarms = view.alarms.iter().flat_map(|alarms| &alarms.0).filter_map(|alarm| alarm.level);
    match alarms.chain(view.cable).max() {
        Some(Level::Alarm) => Some("alarm"),
        Some(Level::Warning) => Some("warning"),
        None => (is_fresh(view) && view.alarms.is_some()).then_some("ok"),
    }
}

/// A number of the view by its key, `a.b` for one inside another; `None` where it is not known.
pub(crate) fn number_of(view: &View, key: &str) -> Option<f64> {
    fn of<T>(object: &T, fields: &[Field<T>], key: &str) -> Option<f64> {
        let field = fields.iter().find(|field| field.key == key)?;
        (field.number)(object)
    }
    match key.split_once('.') {
        None => of(view, View::FIELDS, key),
        Some(("limits", key)) => of(&view.limits, Limits::FIELDS, key),
        Some(("history", key)) => of(&view.history, History::FIELDS, key),
        Some(_) => None,
    }
}
