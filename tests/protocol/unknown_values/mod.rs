//! The raw values that mean "none": in an otherwise valid reply, the field is absent and no other field changes.
//! `docs/unknown-values.md` has the same list.

mod ascii_boards;
mod awaited;
mod boards;
mod modbus_boards;

use dbus_bms::bms::frame_collector::FrameCollector;
use dbus_bms::bms::{self, DRIVERS, Request};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A reply, and its request if the reply does not identify it.
pub(crate) struct Reply {
    pub(crate) sent: Vec<u8>,
    pub(crate) content: Vec<u8>,
    /// Adds header and check to the content.
    pub(crate) wrap: fn(&[u8]) -> Vec<u8>,
}

/// Position of a field in the replies of a board, and the values that mean unknown.
pub(crate) struct Field {
    /// Key in the JSON of a reading; for a list with the index of the entry.
    pub(crate) name: &'static str,
    /// The reply, and the offset of the field in its content.
    pub(crate) at: (usize, usize),
    /// In hex, as on the wire.
    pub(crate) none: &'static [&'static str],
}

/// The replies of a complete reading, with all fields.
pub(crate) struct Board {
    pub(crate) family: &'static str,
    pub(crate) replies: Vec<Reply>,
    pub(crate) fields: Vec<Field>,
}

impl Board {
    fn reading(&self) -> Map<String, Value> {
        let driver = bms::driver(self.family).unwrap();
        let mut traffic = FrameCollector::new(driver);
        for reply in &self.replies {
            let request = Request { what: "", bytes: reply.sent.clone().into(), timeout: Duration::ZERO, required: false };
            let asked = [request];
            traffic.feed(&(reply.wrap)(&reply.content), if reply.sent.is_empty() { &[] } else { &asked });
        }
        let declined = traffic.declined.clone();
        let reading = traffic.readings().next().unwrap_or_else(|| panic!("{}: no reading: {declined:?}", self.family));
        assert!(declined.is_empty(), "{}: {declined:?}", self.family);
        match serde_json::to_value(reading).unwrap() {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    fn with(&mut self, (reply, byte): (usize, usize), raw: &[u8]) -> Map<String, Value> {
        let content = self.replies[reply].content.clone();
        self.replies[reply].content[byte..byte + raw.len()].copy_from_slice(raw);
        let reading = self.reading();
        self.replies[reply].content = content;
        reading
    }
}

/// Error of the reading in which one value of `name` is unknown.
fn wrong(name: &str, before: &Map<String, Value>, after: &Map<String, Value>) -> Option<String> {
    let list = |reading: &Map<String, Value>| reading.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (all, left) = (list(before), list(after));
    match name {
        _ if !before.contains_key(name) => Some("is not in the whole reading".into()),
        // One sensor less, the others in order.
        "temperatures_c" => {
            let rest = (0..all.len()).any(|gone| {
                let mut rest = all.clone();
                rest.remove(gone);
                rest == left
            });
            (!rest || !after.contains_key(name)).then(|| format!("{left:?} of {all:?}"))
        }
        // The cells before it, and the mark that they are incomplete.
        "cell_voltages_v" => {
            let prefix = left.len() < all.len() && all.starts_with(&left);
            (!prefix || after.get("cells_complete") != Some(&Value::Bool(false))).then(|| format!("{left:?} of {all:?}"))
        }
        _ => after.get(name).map(|value| format!("is {value}")),
    }
}

#[test]
fn every_family_is_tried() {
    let tried: BTreeSet<&str> = boards::all().iter().map(|board| board.family).collect();
    let families: BTreeSet<&str> = DRIVERS.iter().map(|driver| driver.name).collect();
    assert_eq!(tried, families, "add the family's board to tests/protocol/unknown_values/boards.rs");
}

#[test]
fn no_value_that_says_none_comes_through() {
    let mut failures = Vec::new();
    for mut board in boards::all() {
        let before = board.reading();
        let fields = std::mem::take(&mut board.fields);
        for field in &fields {
            for raw in field.none {
                let after = board.with(field.at, &dbus_bms::base::hex::decode(raw).unwrap());
                failures
                    .extend(wrong(field.name, &before, &after).map(|why| format!("{} {} {raw}: {why}", board.family, field.name)));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The list in the docs is the tested one.
#[test]
fn the_document_lists_them() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/unknown-values.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| match line.split('|').map(str::trim).collect::<Vec<_>>()[..] {
        ["", family, field, raw, _, ""] if field.starts_with('`') => Some((family.to_owned(), field.to_owned(), raw.to_owned())),
        _ => None,
    });
    let listed: BTreeSet<_> = rows
        .flat_map(|(family, field, raw)| {
            let values: Vec<String> = raw.split(", ").map(|value| value.trim_matches('`').to_owned()).collect();
            values.into_iter().map(move |value| (family.clone(), field.trim_matches('`').to_owned(), value))
        })
        .collect();
    let tested: BTreeSet<_> = boards::all()
        .into_iter()
        .flat_map(|board| {
            let family = board.family.to_owned();
            let of = board.fields.into_iter().flat_map(|field| field.none.iter().map(move |raw| (field.name, *raw)));
            of.map(move |(field, raw)| (family.clone(), field.to_owned(), raw.to_owned())).collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<_> = tested.difference(&listed).collect();
    let untested: Vec<_> = listed.difference(&tested).collect();
    assert!(missing.is_empty() && untested.is_empty(), "not in the document: {missing:?}\nnot tested: {untested:?}");
}
