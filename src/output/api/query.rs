//! Queries on a view beyond its keys.

use super::{Field, History, Limits, View};
use crate::model::{Freshness, Level};

impl View {
    /// Its measured values are known.
    pub(crate) fn is_fresh(&self) -> bool {
        self.freshness == Freshness::Fresh
    }

    /// The highest level of its alarms, including the cable alarm; `ok` only if the BMS reports its alarms.
    pub(crate) fn alarm_level(&self) -> Option<&'static str> {
        let alarms = self.alarms.iter().flat_map(|alarms| &alarms.0).filter_map(|alarm| alarm.level);
        match alarms.chain(self.cable).max() {
            Some(Level::Alarm) => Some("alarm"),
            Some(Level::Warning) => Some("warning"),
            None => (self.is_fresh() && self.alarms.is_some()).then_some("ok"),
        }
    }

    /// A number by its key, `a.b` for a nested one; `None` if unknown.
    pub(crate) fn number_of(&self, key: &str) -> Option<f64> {
        fn of<T>(object: &T, fields: &[Field<T>], key: &str) -> Option<f64> {
            let field = fields.iter().find(|field| field.key == key)?;
            (field.number)(object)
        }
        match key.split_once('.') {
            None => of(self, Self::FIELDS, key),
            Some(("limits", key)) => of(&self.limits, Limits::FIELDS, key),
            Some(("history", key)) => of(&self.history, History::FIELDS, key),
            Some(_) => None,
        }
    }
}
