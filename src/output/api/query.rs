//! Queries on a view beyond its keys.

use super::{Field, View, Visitor, each_object};
use crate::model::{Freshness, Level};

impl View {
    /// Its measured values are known.
    pub(crate) fn is_fresh(&self) -> bool {
        self.state.freshness == Freshness::Fresh
    }

    /// The highest level of its alarms, including the cable alarm; `ok` only if the BMS reports its alarms.
    pub(crate) fn alarm_level(&self) -> Option<&'static str> {
        let alarms = self.notices.alarms.iter().flat_map(|alarms| &alarms.0).filter_map(|alarm| alarm.level);
        match alarms.chain(self.state.cable).max() {
            Some(Level::Alarm) => Some("alarm"),
            Some(Level::Warning) => Some("warning"),
            None => (self.is_fresh() && self.notices.alarms.is_some()).then_some("ok"),
        }
    }

    /// A number by its key, `a.b` for a nested one; `None` if unknown.
    pub(crate) fn number_of(&self, key: &str) -> Option<f64> {
        let (place, key) = key.split_once('.').unwrap_or(("", key));
        let mut finder = Finder { view: self, place, key, number: None };
        each_object(&mut finder);
        finder.number
    }
}

struct Finder<'a> {
    view: &'a View,
    place: &'a str,
    key: &'a str,
    number: Option<f64>,
}

impl Visitor for Finder<'_> {
    fn object<T>(&mut self, place: &'static str, _: &'static str, fields: &'static [Field<T>], of: fn(&View) -> Option<&T>) {
        if place != self.place || self.number.is_some() {
            return;
        }
        let field = fields.iter().find(|field| field.key == self.key);
        self.number = field.zip(of(self.view)).and_then(|(field, object)| (field.number)(object));
    }
}
