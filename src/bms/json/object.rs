//! A JSON object whose keys may be given twice: such a value is unknown.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// The fields of a message in their order.
#[derive(Debug, Default)]
pub(super) struct Object(Vec<(String, Value)>);

impl Object {
    /// The value of a key; `None` if it is missing, `null`, or given twice.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let mut same = self.0.iter().filter(|(key, _)| key == name);
        let (_, value) = same.next()?;
        Some(value).filter(|value| !value.is_null() && same.next().is_none())
    }

    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// The first key that is given twice.
    pub(super) fn twice(&self) -> Option<&str> {
        self.keys().find(|key| self.keys().filter(|other| other == key).count() > 1)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Object(fields))
            }
        }
        from.deserialize_map(Fields)
    }
}
