//! Items of a battery service: paths with values and texts, in memory and sorted. Pure, without access to the bus.

use super::item::{Context, Extent, Item, Writable};
use super::paths::ITEMS;
use crate::dbus::value::{Format, Value};
use crate::model::Snapshot;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

struct Entry {
    item: &'static Item,
    index: usize,
    path: Cow<'static, str>,
    value: Value<'static>,
}

impl Entry {
    /// An active alarm stays while nothing current is known: if it became invalid and returned, venus-platform would report it again.
    fn keeps_alarm(&self, value: &Value<'_>) -> bool {
        *value == Value::Invalid && self.item.path.starts_with("/Alarms/") && matches!(self.value, Value::Int(1..))
    }
}

/// All items of one service, sorted by path.
pub struct Items {
    entries: Vec<Entry>,
}

impl Items {
    /// The items of a service with their first values.
    pub fn new(context: &Context, snapshot: &Snapshot) -> Self {
        let mut items = Self::with_paths_only(context);
        items.update(context, snapshot, &mut Vec::new());
        items
    }

    /// The items of a service, all still invalid.
    pub(crate) fn with_paths_only(context: &Context) -> Self {
        let mut entries: Vec<Entry> = ITEMS.iter().flat_map(|item| entries_of(item, context)).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries }
    }

    /// Updates the items from `snapshot` and writes the indices of changed items to `changed`.
    pub fn update(&mut self, context: &Context, snapshot: &Snapshot, changed: &mut Vec<usize>) {
        changed.clear();
        for (number, entry) in self.entries.iter_mut().enumerate() {
            let value = (entry.item.value)(context, snapshot, entry.index).settled(entry.item.format);
            if value != entry.value && !entry.keeps_alarm(&value) {
                entry.value = value.owned();
                changed.push(number);
            }
        }
    }

    /// Sets the item at `path`; returns its index if it changes.
    pub(crate) fn set(&mut self, path: &str, value: Value<'_>) -> Option<usize> {
        let number = self.find(path)?;
        let entry = self.entries.get_mut(number)?;
        let value = value.settled(entry.item.format);
        if value == entry.value {
            return None;
        }
        entry.value = value.owned();
        Some(number)
    }

    /// Index of the item at `path`.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.path.as_ref().cmp(path)).ok()
    }

    /// Indices of the items below the inner node `node` (`/` or `/Dc/0`); an empty range for any other path.
    pub fn below(&self, node: &str) -> Range<usize> {
        let node = node.trim_end_matches('/');
        let before = |entry: &Entry| entry.path.strip_prefix(node).is_some_and(|rest| rest < "/") || entry.path.as_ref() < node;
        let inside = |entry: &&Entry| entry.path.strip_prefix(node).is_some_and(|rest| rest.starts_with('/'));
        let start = self.entries.partition_point(before);
        let length = self.entries.iter().skip(start).take_while(inside).count();
        start..start.saturating_add(length)
    }

    /// Path and value of an item.
    pub fn get(&self, number: usize) -> Option<(&str, &Value<'static>)> {
        self.entries.get(number).map(|entry| (entry.path.as_ref(), &entry.value))
    }

    /// Effect of a write to an item.
    pub fn writable(&self, number: usize) -> Writable {
        self.entries.get(number).map_or(Writable::No, |entry| entry.item.writable)
    }

    /// Writes the text of an item to `text`, replacing its contents; `---` for an invalid value, as Victron's own services do.
    pub fn write_text(&self, number: usize, text: &mut String) {
        text.clear();
        let Some(entry) = self.entries.get(number) else { return };
        // Writing to a string cannot fail.
        let _ = match (&entry.value, entry.item.format) {
            (Value::Invalid, _) => text.write_str("---"),
            (Value::Text(value), _) => text.write_str(value),
            (Value::Int(n), Format::Hex) => write!(text, "0x{n:X}"),
            (Value::Int(n), Format::Plain) => write!(text, "{n}"),
            (Value::Int(n), Format::Unit { unit, .. }) => write!(text, "{n}{unit}"),
            (Value::Double(x), Format::Unit { decimals, unit }) => {
                write!(text, "{x:.precision$}{unit}", precision = usize::try_from(decimals).unwrap_or(0))
            }
            (Value::Double(x), _) => write!(text, "{x}"),
        };
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none; a service always has some.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Batteries of a bank that have paths of their own: as many as gui-v2 shows.
const SHOWN_MODULES: usize = 10;

/// Entries of a row in a service: none, one, or one per cell or level, with the value for an unknown reading.
fn entries_of(item: &'static Item, context: &Context) -> Vec<Entry> {
    let entry = |index, path| Entry { item, index, path, value: Value::Invalid };
    let numbered = |index, number: usize| entry(index, Cow::Owned(format!("{}{number}", item.path)));
    let exists = match item.extent {
        Extent::PerCell => return (0..context.cells).map(|index| numbered(index, index.saturating_add(1))).collect(),
        Extent::PerSocLevel => {
            return context.soc_levels.iter().enumerate().map(|(index, level)| numbered(index, usize::from(*level))).collect();
        }
        Extent::PerModule => {
            let modules = if context.is_bank { SHOWN_MODULES } else { 0 };
            let of = |module: usize| entry(module, Cow::Owned(item.path.replace('#', &module.to_string())));
            return (0..modules).map(of).collect();
        }
        Extent::Bank => context.is_bank,
        Extent::Always => true,
        Extent::Controlling => context.control,
        Extent::Member => context.member_of.is_some(),
        Extent::OwnSoc => context.own_soc,
        Extent::CountedSoc => context.counted_soc,
        Extent::Commands => context.commands.any(),
        Extent::Switch(switch) => context.commands.has(switch),
        Extent::SetSoc => context.commands.soc,
    };
    if exists { vec![entry(0, Cow::Borrowed(item.path))] } else { Vec::new() }
}
