//! Items as D-Bus bodies, written straight from memory: no maps, no variants, one text buffer per message.

use super::items::Items;
use super::marshal::entries;
use super::value::Value;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
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

/// Items with value and text, by their full path: `a{sa{sv}}`, the body of `GetItems` and of the signal of
/// [`items_changed`](super::marshal::items_changed).
pub(crate) struct Listing(Vec<u8>);

impl Listing {
    /// The items with these `numbers`.
    pub(crate) fn new(items: &Items, numbers: impl Iterator<Item = usize>) -> Self {
        Self(entries(items, numbers))
    }
}

impl Type for Listing {
    const SIGNATURE: &'static Signature = <HashMap<&str, HashMap<&str, Variant<'_>>>>::SIGNATURE;
}

impl Serialize for Listing {
    /// zbus writes the length of the array and what is to stand in it; it does not mind the content coming in words of eight
    /// bytes, which is the alignment that the first entry has.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(None)?;
        let (words, rest) = self.0.as_chunks::<8>();
        for word in words {
            array.serialize_element(&u64::from_ne_bytes(*word))?;
        }
        for byte in rest {
            array.serialize_element(byte)?;
        }
        array.end()
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

#[cfg(test)]
mod tests {
    use super::super::item::Context;
    use super::super::marshal::items_changed;
    use super::super::names::BUS_ITEM;
    use super::*;
    use crate::model::{Freshness, History, Limit, Limits, LineState, LinkStats, Mode, Reading, Snapshot};
    use crate::units::{Amps, Volts};
    use zbus::{Message, OwnedVariant};

    /// A battery of which little is known.
    fn snapshot() -> Snapshot {
        let reading = Reading { voltage: Some(Volts::new(52.87)), model: Some("PB2A".into()), ..Reading::new("jk-pb", Some(3)) };
        let zero = Limit { value: Amps::ZERO, why: "no data" };
        Snapshot {
            reading,
            derived: Default::default(),
            alarms: Vec::new(),
            cable: None,
            freshness: Freshness::Fresh,
            history: History::default(),
            since_full: None,
            link: LinkStats::default(),
            line: LineState::Good,
            replies: Default::default(),
            cell_count: Some(16),
            limits: Limits {
                cvl: Limit { value: Volts::new(55.2), why: "" },
                ccl: zero,
                dcl: zero,
                low_voltage: Volts::new(46.4),
                mode: Mode::Bulk,
            },
            part: Default::default(),
            modules: None,
            owner: Default::default(),
        }
    }

    /// What a client would make of the body, compared with the items it was written from.
    #[test]
    fn a_listing_reads_back_as_the_items() {
        let context = Context { cells: 16, control: true, product_name: "Zelle ⚡".into(), ..Context::default() };
        let items = Items::new(&context, &snapshot());
        // Of any length: what stands behind the last word counts as well.
        for count in 0..items.len() {
            let body = Listing::new(&items, 0..count);
            let message = Message::signal("/", "com.victronenergy.BusItem", "ItemsChanged").build(&body).unwrap();
            assert_eq!(message.body().signature(), Listing::SIGNATURE);
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

    /// Byte for byte what zbus makes of the same items, of any number of them.
    #[test]
    fn the_signal_is_the_one_of_zbus() {
        let context = Context { cells: 16, control: true, product_name: "Zelle ⚡".into(), ..Context::default() };
        let items = Items::new(&context, &snapshot());
        for count in 0..items.len() {
            let body = Listing::new(&items, 0..count);
            let theirs = Message::signal("/", BUS_ITEM, "ItemsChanged").build(&body).unwrap();
            let ours = items_changed(&items, 0..count, theirs.primary_header().serial_num().get());
            assert_eq!(ours[..], theirs.data()[..], "{count} items");
        }
    }
}
