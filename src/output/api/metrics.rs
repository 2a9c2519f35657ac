//! Every number of the view as a metric named after its key, in the text format of Prometheus: in base units, which the name says. The
//! names of 0.1.0, with the unit of the key, are kept for one more release. Pure.

use super::field::Member;
use super::{Field, Health, View, Visitor, each_object};
use crate::base::episode::Once;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

/// Values that only increase.
const COUNTERS: [&str; 10] = [
    "history_charged_kwh",
    "history_discharged_kwh",
    "history_full_discharges",
    "history_low_voltage_alarms",
    "history_high_voltage_alarms",
    "history_automatic_syncs",
    "line_ok",
    "line_lost",
    "line_damaged",
    "line_foreign",
];

/// A metric that does not correspond to a single key: name, unit, meaning.
const OTHERS: [(&str, &str, &str); 5] = [
    ("info", "number", "Always 1; the labels identify the battery."),
    ("cell_voltage_v", "V", "Voltage of each cell."),
    ("temperature_sensor_c", "°C", "Temperature of each sensor."),
    ("alarm", "number", "Active alarms by name: 1 warning, 2 alarm."),
    (
        "health_finding",
        "number",
        "What was found about the cells, by kind: 1 likely, 2 very likely, 3 almost certain; without a cell: the battery.",
    ),
];

/// A list of the health with a value per cell.
struct PerCell {
    key: &'static str,
    unit: &'static str,
    meaning: &'static str,
    values: fn(&Health) -> Cow<'_, [Option<f64>]>,
}

const fn per_cell(
    key: &'static str,
    unit: &'static str,
    meaning: &'static str,
    values: fn(&Health) -> Cow<'_, [Option<f64>]>,
) -> PerCell {
    PerCell { key, unit, meaning, values }
}

/// All of them. None had a name in 0.1.0.
const PER_CELL: [PerCell; 8] = [
    per_cell(
        "cell_resistance_mohm",
        "mΩ",
        "Estimated resistance of each cell at 25 °C with the share of the busbars.",
        |health| (&health.resistance_mohm).into(),
    ),
    per_cell("cell_relative_resistance", "number", "Resistance of each cell over the median cell's.", |health| {
        (&health.relative_resistance).into()
    }),
    per_cell("cell_resistance_rise", "number", "Resistance of each cell over that of the first weeks.", |health| {
        (&health.resistance_rise).into()
    }),
    per_cell("cell_offset_ah", "Ah", "Estimated charge of each cell above the median cell's when the battery is full.", |health| {
        (&health.offset_ah).into()
    }),
    per_cell("cell_self_discharge_ah_per_day", "Ah", "Estimated self-discharge of each cell above the median cell's.", |health| {
        (&health.self_discharge_ah_per_day).into()
    }),
    per_cell(
        "cell_at_least",
        "bool",
        "1: the cell did not get full any more, so it is at least as far behind, and loses at least as much, as is estimated.",
        |health| health.at_least.iter().map(|late| Some(f64::from(u8::from(*late)))).collect(),
    ),
    per_cell("cell_capacity_ah", "Ah", "Estimated capacity of each cell.", |health| (&health.capacity_ah).into()),
    per_cell("cell_relative_capacity", "number", "Capacity of each cell over the median cell's.", |health| {
        (&health.relative_capacity).into()
    }),
];

/// A unit of keys and how their metrics say it.
struct BaseUnit {
    unit: &'static str,
    /// End of the key.
    key: &'static str,
    /// End of the metric.
    metric: &'static str,
    /// The value in base units: times this.
    times: f64,
    /// And divided by this, so that decimal values stay exact.
    by: f64,
}

const fn unit(unit: &'static str, key: &'static str, metric: &'static str, times: f64, by: f64) -> BaseUnit {
    BaseUnit { unit, key, metric, times, by }
}

/// All of them. `promtool` accepts base units of Prometheus only, and no metric that ends with `_count`.
const UNITS: [BaseUnit; 18] = [
    unit("V", "_v", "_volts", 1.0, 1.0),
    unit("A", "_a", "_amperes", 1.0, 1.0),
    unit("W", "_w", "_watts", 1.0, 1.0),
    unit("%", "_pct", "_ratio", 1.0, 100.0),
    unit("°C", "_c", "_celsius", 1.0, 1.0),
    unit("s", "_s", "_seconds", 1.0, 1.0),
    unit("min", "_min", "_seconds", 60.0, 1.0),
    unit("h", "_h", "_seconds", 3600.0, 1.0),
    unit("d", "_days", "_seconds", 86_400.0, 1.0),
    unit("Ah", "_ah_per_day", "_amperes", 1.0, 24.0),
    unit("Ah", "_ah", "_coulombs", 3600.0, 1.0),
    unit("Wh", "_wh", "_joules", 3600.0, 1.0),
    unit("kWh", "_kwh", "_joules", 3_600_000.0, 1.0),
    unit("mΩ", "_mohm", "_ohms", 1.0, 1000.0),
    unit("Hz", "_hz", "_hertz", 1.0, 1.0),
    unit("VA", "_va", "_voltamperes", 1.0, 1.0),
    unit("var", "_var", "_vars", 1.0, 1.0),
    unit("number", "cell_count", "cells", 1.0, 1.0),
];

/// Takes a value with its labels.
pub(super) type Put<'a> = dyn FnMut(&[(&str, &str)], f64) + 'a;

/// Name of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricName {
    /// Its name.
    pub name: String,
    /// Its name in 0.1.0, if it was another one; deprecated.
    pub before: Option<String>,
    /// Its meaning.
    pub meaning: String,
}

/// Writes a metric in base units, and with its deprecated name.
pub(super) struct Family<'a> {
    key: &'a str,
    base: Option<&'static BaseUnit>,
    meaning: String,
    is_counter: bool,
    /// It has a deprecated name if its unit is another one than its key's.
    is_old: bool,
}

impl<'a> Family<'a> {
    /// Of a key, which begins with the object that it is in.
    pub(super) fn new(key: &'a str, unit: &str, meaning: &str, is_counter: bool) -> Self {
        let base = UNITS.iter().find(|base| base.unit == unit && key.ends_with(base.key));
        Self { key, base, meaning: meaning.trim().to_owned(), is_counter, is_old: true }
    }

    /// Of values per cell.
    fn of_cells(list: &'a PerCell) -> Self {
        Self { is_old: false, ..Self::new(list.key, list.unit, list.meaning, false) }
    }

    fn named(&self, key: &str) -> String {
        format!("dbus_bms_{key}{}", if self.is_counter { "_total" } else { "" })
    }

    /// Its name, and the one before.
    pub(super) fn name(self) -> MetricName {
        MetricName { name: self.in_base_units(), before: self.before(), meaning: self.meaning }
    }

    /// Its deprecated name.
    fn before(&self) -> Option<String> {
        self.base.filter(|_| self.is_old).map(|_| self.named(self.key))
    }

    fn in_base_units(&self) -> String {
        match self.base {
            Some(base) => self.named(&format!("{}{}", self.key.strip_suffix(base.key).unwrap_or(self.key), base.metric)),
            None => self.named(self.key),
        }
    }

    /// Writes all values, each by `put` to a name and a conversion; nothing if there are none.
    pub(super) fn write(&self, out: &mut String, put: impl Fn(&mut Put<'_>)) {
        let name = self.in_base_units();
        let kind = if self.is_counter { "counter" } else { "gauge" };
        let (times, by) = self.base.map_or((1.0, 1.0), |base| (base.times, base.by));
        let mut headed = Once::default();
        put(&mut |labels, number| {
            if headed.first() {
                head(out, &name, &self.meaning, kind);
            }
            line(out, &name, labels, number * times / by);
        });
        let Some(before) = self.before() else { return };
        let mut headed = Once::default();
        put(&mut |labels, number| {
            if headed.first() {
                head(out, &before, &format!("Deprecated, will be removed: use {name}."), kind);
            }
            line(out, &before, labels, number);
        });
    }
}

/// All metrics of these batteries.
pub fn metrics(views: &[Arc<View>]) -> String {
    let mut out = String::new();
    each_object(&mut Writer { views, out: &mut out });
    others(views, &mut out);
    cells(views, &mut out);
    out
}

/// Name and meaning of every metric, for the documentation.
pub fn metric_names() -> Vec<MetricName> {
    let mut names = Vec::new();
    each_object(&mut Lister(&mut names));
    names.extend(OTHERS.map(|(key, unit, doc)| Family::new(key, unit, doc, false).name()));
    names.extend(PER_CELL.iter().map(|list| Family::of_cells(list).name()));
    names
}

fn key_in(place: &str, key: &str) -> String {
    if place.is_empty() { key.to_owned() } else { format!("{place}_{key}") }
}

fn family<'a, T>(key: &'a str, field: &Field<T>) -> Family<'a> {
    Family::new(key, field.unit, field.doc, COUNTERS.contains(&key))
}

struct Lister<'a>(&'a mut Vec<MetricName>);

impl Visitor for Lister<'_> {
    fn object<T>(&mut self, place: &'static str, _: &'static str, fields: &'static [Field<T>], _: fn(&View) -> Option<&T>) {
        let numbers = fields.iter().filter(|field| field.is_number);
        self.0.extend(numbers.map(|field| family(&key_in(place, field.key), field).name()));
    }
}

struct Writer<'a> {
    views: &'a [Arc<View>],
    out: &'a mut String,
}

impl Visitor for Writer<'_> {
    fn object<T>(&mut self, place: &'static str, _: &'static str, fields: &'static [Field<T>], of: fn(&View) -> Option<&T>) {
        for field in fields.iter().filter(|field| field.is_number) {
            let views = self.views;
            family(&key_in(place, field.key), field).write(self.out, |put| {
                for view in views {
                    let number = of(view).and_then(|object| (field.number)(object)).filter(|number| number.is_finite());
                    if let Some(number) = number {
                        put(&[("battery", &view.identity.id)], number);
                    }
                }
            });
        }
    }
}

fn others(views: &[Arc<View>], out: &mut String) {
    for (key, unit, doc) in OTHERS {
        Family::new(key, unit, doc, false).write(out, |put| views.iter().for_each(|view| other(key, view, put)));
    }
}

fn cells(views: &[Arc<View>], out: &mut String) {
    for list in &PER_CELL {
        Family::of_cells(list).write(out, |put| {
            for view in views {
                let Some(health) = view.health.as_deref() else { continue };
                for (number, value) in
                    (1..).zip((list.values)(health).iter()).filter_map(|(number, value)| Some((number, (*value)?)))
                {
                    put(&[("battery", &view.identity.id), ("cell", &i32::to_string(&number))], value);
                }
            }
        });
    }
}

/// The values of one of [`OTHERS`].
fn other(key: &str, view: &View, put: &mut Put<'_>) {
    let battery = ("battery", view.identity.id.as_str());
    match key {
        "info" => {
            let model = view.device.model.as_deref().unwrap_or_default();
            let version = view.device.sw_version.as_deref().unwrap_or_default();
            put(
                &[
                    battery,
                    ("name", &view.identity.name),
                    ("product", &view.identity.product),
                    ("model", model),
                    ("sw_version", version),
                ],
                1.0,
            );
        }
        "cell_voltage_v" => {
            for (number, volts) in (1..).zip(&view.cells.cell_voltages_v) {
                put(&[battery, ("cell", &i32::to_string(&number))], *volts);
            }
        }
        "temperature_sensor_c" => {
            for (number, degrees) in (1..).zip(view.temperatures.temperatures_c.iter().flat_map(|list| &list.0)) {
                if let Some(degrees) = degrees {
                    put(&[battery, ("sensor", &i32::to_string(&number))], *degrees);
                }
            }
        }
        "health_finding" => {
            for finding in view.health.iter().flat_map(|health| &health.findings) {
                let (kind, number) = (("kind", finding.kind.as_ref()), finding.cell.map(|cell| cell.to_string()));
                let sure = match finding.certainty.as_ref() {
                    "certain" => 3.0,
                    "high" => 2.0,
                    _ => 1.0,
                };
                match &number {
                    Some(number) => put(&[battery, kind, ("cell", number)], sure),
                    None => put(&[battery, kind], sure),
                }
            }
        }
        _ => {
            for alarm in view.notices.alarms.iter().flat_map(|list| &list.0) {
                put(&[battery, ("name", &alarm.name)], alarm.level.number().unwrap_or(1.0));
            }
        }
    }
}

// Writing to a string cannot fail.
pub(super) fn head(out: &mut String, name: &str, doc: &str, kind: &str) {
    let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", doc.replace('\\', "\\\\"));
}

pub(super) fn line(out: &mut String, name: &str, labels: &[(&str, &str)], number: f64) {
    let _ = write!(out, "{name}{{");
    for (place, (label, value)) in labels.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{comma}{label}=\"{value}\"");
    }
    let _ = writeln!(out, "}} {number}");
}
