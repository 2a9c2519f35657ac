//! Queries on a view beyond its keys.

use super::{Field, View, Visitor, each_object};
use crate::model::{Freshness, Level};

impl View {
    /// Its measured values are known.
    pub(crate) fn is_fresh(&self) -> bool {
        self.state.freshness == Freshness::Fresh
    }

    /// Notes since when its alarms and the rules of its limits have been in force, from the view before.
    pub(crate) fn note_since(&mut self, before: Option<&Self>, unix: Option<u64>) {
        let old = |name: &str| before?.notices.alarms.as_ref()?.0.iter().find(|old| old.name == name)?.since;
        for alarm in self.notices.alarms.iter_mut().flat_map(|alarms| &mut alarms.0) {
            alarm.since = old(&alarm.name).or(alarm.since).or(unix);
        }
        let limits = before.map(|before| &before.limits);
        let pairs = [
            (&mut self.limits.cvl, limits.and_then(|limits| limits.cvl.as_ref())),
            (&mut self.limits.ccl, limits.and_then(|limits| limits.ccl.as_ref())),
            (&mut self.limits.dcl, limits.and_then(|limits| limits.dcl.as_ref())),
        ];
        for (limit, old) in pairs {
            let Some(limit) = limit else { continue };
            let same = old.filter(|old| old.rule == limit.rule && old.battery == limit.battery);
            limit.since = same.and_then(|same| same.since).or(limit.since).or(unix);
        }
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
