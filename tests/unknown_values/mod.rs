//! The raw values that say "none": put into a reply that is valid otherwise, the field is not there, and nothing else changes its
//! place. `docs/unknown-values.md` lists the same.

mod awaited;
mod boards;

use dbus_bms::bms::traffic::Traffic;
use dbus_bms::bms::{self, Request};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A reply, and the request that it answers where it does not say that itself.
pub(crate) struct Reply {
    pub(crate) sent: Vec<u8>,
    pub(crate) content: Vec<u8>,
    /// Puts head and check around the content.
    pub(crate) wrap: fn(&[u8]) -> Vec<u8>,
}

/// Where a field stands in the replies of a board, and what says that it is unknown.
pub(crate) struct Field {
    /// As in the JSON of a reading; of a list the entry that is meant.
    pub(crate) name: &'static str,
    /// The reply, and the first byte in its content.
    pub(crate) at: (usize, usize),
    /// In hex, as they go over the line.
    pub(crate) none: &'static [&'static str],
}

/// The replies that make a reading, with all fields.
pub(crate) struct Board {
    pub(crate) family: &'static str,
    pub(crate) replies: Vec<Reply>,
    pub(crate) fields: Vec<Field>,
}

impl Board {
    fn reading(&self) -> Map<String, Value> {
        let driver = bms::driver(self.family).unwrap();
        let mut traffic = Traffic::new(driver);
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

/// What is wrong with the reading in which one value of `name` is unknown.
fn wrong(name: &str, before: &Map<String, Value>, after: &Map<String, Value>) -> Option<String> {
    let list = |reading: &Map<String, Value>| reading.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (all, left) = (list(before), list(after));
    match name {
        _ if !before.contains_key(name) => Some("is not in the whole reading".into()),
        // A sensor less, the others in their order.
        "temperatures_c" => {
            let rest = (0..all.len()).any(|gone| {
                let mut rest = all.clone();
                rest.remove(gone);
                rest == left
            });
            (!rest || !after.contains_key(name)).then(|| format!("{left:?} of {all:?}"))
        }
        // The cells before it, and that they are not all.
        "cell_voltages_v" => {
            let prefix = left.len() < all.len() && all.starts_with(&left);
            (!prefix || after.get("cells_complete") != Some(&Value::Bool(false))).then(|| format!("{left:?} of {all:?}"))
        }
        _ => after.get(name).map(|value| format!("is {value}")),
    }
}

#[test]
fn no_value_that_says_none_comes_through() {
    let mut failures = Vec::new();
    for mut board in boards::all() {
        let before = board.reading();
        let fields = std::mem::take(&mut board.fields);
        for field in &fields {
            for raw in field.none {
                let after = board.with(field.at, &dbus_bms::hex::decode(raw).unwrap());
                failures
                    .extend(wrong(field.name, &before, &after).map(|why| format!("{} {} {raw}: {why}", board.family, field.name)));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The list that owners and developers read is the one that is tested.
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
