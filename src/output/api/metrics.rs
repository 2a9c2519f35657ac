//! Every number of the view as a metric named after its key, in the text format of Prometheus. Pure.

use super::field::Member;
use super::{Field, View, Visitor, each_object};
use crate::base::episode::Once;
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

/// A metric that does not correspond to a single key: name, meaning.
const OTHERS: [(&str, &str); 5] = [
    ("dbus_bms_info", "Always 1; the labels identify the battery."),
    ("dbus_bms_cell_voltage_v", "Voltage of each cell, V."),
    ("dbus_bms_temperature_sensor_c", "Temperature of each sensor, °C."),
    ("dbus_bms_cell_relative_resistance", "Resistance of each cell over the median cell's."),
    ("dbus_bms_alarm", "Active alarms by name: 1 warning, 2 alarm."),
];

/// All metrics of these batteries.
pub fn metrics(views: &[Arc<View>]) -> String {
    let mut out = String::new();
    each_object(&mut Writer { views, out: &mut out });
    others(views, &mut out);
    out
}

/// Name and meaning of every metric, for the documentation.
pub fn metric_names() -> Vec<(String, String)> {
    let mut names = Vec::new();
    each_object(&mut Lister(&mut names));
    names.extend(OTHERS.map(|(name, doc)| (name.to_owned(), doc.to_owned())));
    names
}

/// `dbus_bms_line_lost_total`, and its type.
fn name(place: &str, key: &str) -> (String, &'static str) {
    let name = if place.is_empty() { key.to_owned() } else { format!("{place}_{key}") };
    if COUNTERS.contains(&name.as_str()) {
        (format!("dbus_bms_{name}_total"), "counter")
    } else {
        (format!("dbus_bms_{name}"), "gauge")
    }
}

fn meaning<T>(field: &Field<T>) -> String {
    let doc = field.doc.trim();
    if ["number", "bool", "text"].contains(&field.unit) {
        doc.to_owned()
    } else {
        format!("{}, {}.", doc.trim_end_matches('.'), field.unit)
    }
}

struct Lister<'a>(&'a mut Vec<(String, String)>);

impl Visitor for Lister<'_> {
    fn object<T>(&mut self, place: &'static str, _: &'static str, fields: &'static [Field<T>], _: fn(&View) -> Option<&T>) {
        self.0.extend(fields.iter().filter(|field| field.is_number).map(|field| (name(place, field.key).0, meaning(field))));
    }
}

struct Writer<'a> {
    views: &'a [Arc<View>],
    out: &'a mut String,
}

impl Visitor for Writer<'_> {
    fn object<T>(&mut self, place: &'static str, _: &'static str, fields: &'static [Field<T>], of: fn(&View) -> Option<&T>) {
        fields.iter().filter(|field| field.is_number).for_each(|field| self.field(place, field, of));
    }
}

impl Writer<'_> {
    fn field<T>(&mut self, place: &str, field: &Field<T>, of: fn(&View) -> Option<&T>) {
        let mut headed = Once::default();
        for view in self.views {
            let Some(number) = of(view).and_then(|object| (field.number)(object)).filter(|number| number.is_finite()) else {
                continue;
            };
            let (name, kind) = name(place, field.key);
            if headed.first() {
                head(self.out, &name, &meaning(field), kind);
            }
            line(self.out, &name, &[("battery", &view.identity.id)], number);
        }
    }
}

fn others(views: &[Arc<View>], out: &mut String) {
    for (name, doc) in OTHERS {
        let mut headed = Once::default();
        let mut put = |labels: &[(&str, &str)], number: f64| {
            if headed.first() {
                head(out, name, doc, "gauge");
            }
            line(out, name, labels, number);
        };
        for view in views {
            let battery = ("battery", view.identity.id.as_str());
            match name {
                "dbus_bms_info" => {
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
                "dbus_bms_cell_voltage_v" => {
                    for (number, volts) in (1..).zip(&view.cells.cell_voltages_v) {
                        put(&[battery, ("cell", &i32::to_string(&number))], *volts);
                    }
                }
                "dbus_bms_temperature_sensor_c" => {
                    for (number, degrees) in (1..).zip(view.temperatures.temperatures_c.iter().flat_map(|list| &list.0)) {
                        if let Some(degrees) = degrees {
                            put(&[battery, ("sensor", &i32::to_string(&number))], *degrees);
                        }
                    }
                }
                "dbus_bms_cell_relative_resistance" => {
                    for (number, ratio) in (1..).zip(view.health.iter().flat_map(|health| &health.relative_resistance)) {
                        if let Some(ratio) = ratio {
                            put(&[battery, ("cell", &i32::to_string(&number))], *ratio);
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
