//! Items as D-Bus message bodies, serialised directly: no maps, no variants, one text buffer per message.

use super::items::Items;
use crate::dbus::value::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::HashMap;
use zbus::as_variant::Serialize as AsVariant;
use zbus::{Signature, Type, Variant};

/// The invalid value as Victron's own services send it: an empty array of integers.
const INVALID: &[i32] = &[];

/// A value as a variant (`v`).
pub(crate) struct VariantBody<'a>(pub(crate) &'a Value<'static>);

impl Type for VariantBody<'_> {
    const SIGNATURE: &'static Signature = &Signature::Variant;
}

impl Serialize for VariantBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Invalid => AsVariant(&INVALID).serialize(serializer),
            Value::Int(n) => AsVariant(n).serialize(serializer),
            Value::Double(x) => AsVariant(x).serialize(serializer),
            Value::Text(text) => AsVariant(&text.as_ref()).serialize(serializer),
        }
    }
}

/// Items with value and text by full path: `a{sa{sv}}`, the body of `GetItems` and of `ItemsChanged`.
pub(crate) struct ItemsBody<'a, N> {
    pub(crate) items: &'a Items,
    /// Indices of the items to include.
    pub(crate) numbers: N,
}

impl<N> Type for ItemsBody<'_, N> {
    const SIGNATURE: &'static Signature = <HashMap<&str, HashMap<&str, Variant<'_>>>>::SIGNATURE;
}

impl<N: Iterator<Item = usize> + Clone> Serialize for ItemsBody<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::new();
        let mut map = serializer.serialize_map(None)?;
        for number in self.numbers.clone() {
            if let Some((path, value)) = self.items.get(number) {
                self.items.write_text(number, &mut text);
                map.serialize_entry(path, &ValueAndText { value, text: &text })?;
            }
        }
        map.end()
    }
}

/// Value and text of one item: `a{sv}`.
struct ValueAndText<'a> {
    value: &'a Value<'static>,
    text: &'a str,
}

impl Serialize for ValueAndText<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("Value", &VariantBody(self.value))?;
        map.serialize_entry("Text", &AsVariant(&self.text))?;
        map.end()
    }
}

/// Values below an inner node by relative path: `a{sv}`.
pub(crate) struct ValuesBody<'a> {
    pub(crate) items: &'a Items,
    pub(crate) node: &'a str,
}

impl Type for ValuesBody<'_> {
    const SIGNATURE: &'static Signature = <HashMap<&str, Variant<'_>>>::SIGNATURE;
}

impl Serialize for ValuesBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (path, value) in self.items.below(self.node).filter_map(|number| self.items.get(number)) {
            map.serialize_entry(relative(path, self.node), &VariantBody(value))?;
        }
        map.end()
    }
}

/// Texts below an inner node by relative path: `a{ss}`.
pub(crate) struct TextsBody<'a> {
    pub(crate) items: &'a Items,
    pub(crate) node: &'a str,
}

impl Type for TextsBody<'_> {
    const SIGNATURE: &'static Signature = <HashMap<&str, &str>>::SIGNATURE;
}

impl Serialize for TextsBody<'_> {
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

#[cfg(test)]
mod tests {
    use super::super::item::Context;
    use super::*;
    use crate::base::units::{Amps, Volts};
    use crate::model::{Device, Freshness, Limit, Limits, Mode, Reading, Snapshot};
    use zbus::{Message, OwnedVariant};

    /// A battery with few known values.
    fn snapshot() -> Snapshot {
        let reading = Reading {
            voltage: Some(Volts::new(52.87)),
            device: Device { model: Some("PB2A".into()), ..Device::default() },
            ..Reading::new("jk-pb", Some(3))
        };
        let zero = Limit { value: Amps::ZERO, why: "no data" };
        Snapshot {
            reading,
            freshness: Freshness::Fresh,
            cell_count: Some(16),
            limits: Limits {
                cvl: Limit { value: Volts::new(55.2), why: "" },
                ccl: zero,
                dcl: zero,
                low_voltage: Volts::new(46.4),
                mode: Mode::Bulk,
            },
            ..Snapshot::default()
        }
    }

    /// The body as a client parses it, compared with the items it was made from.
    #[test]
    fn a_listing_reads_back_as_the_items() {
        let context = Context { cells: 16, control: true, product_name: "Zelle ⚡".into(), ..Context::default() };
        let items = Items::new(&context, &snapshot());
        for count in 0..items.len() {
            let body = ItemsBody { items: &items, numbers: 0..count };
            let message = Message::signal("/", "com.victronenergy.BusItem", "ItemsChanged").build(&body).unwrap();
            assert_eq!(message.body().signature(), <HashMap<&str, HashMap<&str, Variant<'_>>>>::SIGNATURE);
            let read: HashMap<String, HashMap<String, OwnedVariant>> = message.body().deserialize().unwrap();
            assert_eq!(read.len(), count);
            for (path, value) in (0..count).map(|number| items.get(number).unwrap()) {
                let (facts, mut text) = (&read[path], String::new());
                items.write_text(items.find(path).unwrap(), &mut text);
                assert_eq!(&*facts["Text"], &Variant::from(text.as_str()), "{path}");
                let expected = match value {
                    Value::Invalid => Variant::from(Vec::<i32>::new()),
                    Value::Int(n) => Variant::from(*n),
                    Value::Double(x) => Variant::from(*x),
                    Value::Text(text) => Variant::from(text.as_ref()),
                };
                assert_eq!(&*facts["Value"], &expected, "{path}");
                assert_eq!(facts.len(), 2, "{path}");
            }
        }
    }
}
