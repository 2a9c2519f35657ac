//! Items as D-Bus bodies, serialised straight from memory: no maps, no variants, one text buffer per message.

use super::items::{Items, Value};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use std::cell::RefCell;
use std::collections::HashMap;
use zbus::as_variant::Serialize as AsVariant;
use zbus::{Signature, Type, Variant};

/// The invalid value, as Victron's own services send it: an array of integers without one.
const INVALID: &[i32] = &[];

/// A value as a variant (`v`).
pub(crate) struct Shown<'a>(pub(crate) &'a Value<'static>);

impl Type for Shown<'_> {
    const SIGNATURE: &'static Signature = &Signature::Variant;
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Invalid => AsVariant(&INVALID).serialize(serializer),
            Value::Int(n) => AsVariant(n).serialize(serializer),
            Value::Double(x) => AsVariant(x).serialize(serializer),
            Value::Text(text) => AsVariant(&text.as_ref()).serialize(serializer),
        }
    }
}

/// Items with value and text, by their full path: `a{sa{sv}}`, the body of `GetItems` and `ItemsChanged`.
pub(crate) struct Listing<'a, N> {
    items: &'a Items,
    numbers: N,
    text: RefCell<String>,
}

impl<'a, N: Iterator<Item = usize> + Clone> Listing<'a, N> {
    /// The items with these `numbers`.
    pub(crate) fn new(items: &'a Items, numbers: N) -> Self {
        Self { items, numbers, text: RefCell::default() }
    }
}

impl<N> Type for Listing<'_, N> {
    const SIGNATURE: &'static Signature = <HashMap<&str, HashMap<&str, Variant<'_>>>>::SIGNATURE;
}

impl<N: Iterator<Item = usize> + Clone> Serialize for Listing<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = self.text.try_borrow_mut().map_err(S::Error::custom)?;
        let mut map = serializer.serialize_map(None)?;
        for number in self.numbers.clone() {
            if let Some((path, value)) = self.items.get(number) {
                self.items.write_text(number, &mut text);
                map.serialize_entry(path, &Facts { value, text: &text })?;
            }
        }
        map.end()
    }
}

/// What `GetItems` says of one item.
struct Facts<'a> {
    value: &'a Value<'static>,
    text: &'a str,
}

impl Serialize for Facts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("Value", &Shown(self.value))?;
        map.serialize_entry("Text", &AsVariant(&self.text))?;
        map.end()
    }
}

/// The values below an inner node, by their path relative to it: `a{sv}`.
pub(crate) struct Values<'a> {
    pub(crate) items: &'a Items,
    pub(crate) node: &'a str,
}

impl Type for Values<'_> {
    const SIGNATURE: &'static Signature = <HashMap<&str, Variant<'_>>>::SIGNATURE;
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (path, value) in self.items.below(self.node).filter_map(|number| self.items.get(number)) {
            map.serialize_entry(relative(path, self.node), &Shown(value))?;
        }
        map.end()
    }
}

/// The texts below an inner node, by their path relative to it: `a{ss}`.
pub(crate) struct Texts<'a> {
    pub(crate) items: &'a Items,
    pub(crate) node: &'a str,
}

impl Type for Texts<'_> {
    const SIGNATURE: &'static Signature = <HashMap<&str, &str>>::SIGNATURE;
}

impl Serialize for Texts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        let mut map = serializer.serialize_map(None)?;
        for number in self.items.below(self.node) {
            if let Some((path, _)) = self.items.get(number) {
                self.items.write_text(number, &mut text);
                map.serialize_entry(relative(path, self.node), text.as_str())?;
            }
        }
        map.end()
    }
}

/// `path` as seen from `node`, without a leading slash.
fn relative<'a>(path: &'a str, node: &str) -> &'a str {
    path.strip_prefix(node).unwrap_or(path).trim_start_matches('/')
}
