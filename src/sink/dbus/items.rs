//! What a battery service holds: paths with values and texts, in memory and sorted. Pure; the bus is not known here.

use super::item::{Context, Extent, Item, Writable};
use super::paths::ITEMS;
use super::value::{Format, Value};
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

    /// The items of a service, all invalid yet.
    pub(crate) fn with_paths_only(context: &Context) -> Self {
        let mut entries: Vec<Entry> = ITEMS.iter().flat_map(|item| entries_of(item, context)).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Self { entries }
    }

    /// Takes over what `snapshot` says; `changed` is filled with the numbers of the items that have a new value.
    pub fn update(&mut self, context: &Context, snapshot: &Snapshot, changed: &mut Vec<usize>) {
        changed.clear();
        for (number, entry) in self.entries.iter_mut().enumerate() {
            let value = (entry.item.value)(context, snapshot, entry.index).settled(entry.item.format);
            if value != entry.value {
                entry.value = value.owned();
                changed.push(number);
            }
        }
    }

    /// Sets the one item at `path`; its number if that is a change.
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

    /// The number of the item at `path`.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.entries.binary_search_by(|entry| entry.path.as_ref().cmp(path)).ok()
    }

    /// The numbers of the items below the inner node `node` (`/` or `/Dc/0`); an empty range if it is none.
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

    /// What a write to an item does.
    pub fn writable(&self, number: usize) -> Writable {
        self.entries.get(number).map_or(Writable::No, |entry| entry.item.writable)
    }

    /// Writes the text form of an item over `text`; `---` when it is invalid, as Victron's own services do.
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
                write_decimal(text, *x, decimals);
                text.write_str(unit)
            }
            (Value::Double(x), _) => write!(text, "{x}"),
        };
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none; a service always has some.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A number that is rounded to these decimals, as text. The formatter of the standard library does the same for any number,
/// and takes ten times as long.
fn write_decimal(text: &mut String, x: f64, decimals: u32) {
    let scaled = (x.abs() * f64::from(10u32.saturating_pow(decimals))).round();
    if scaled > f64::from(u32::MAX) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{x:.precision$}", precision = usize::try_from(decimals).unwrap_or(0));
        return;
    }
    // Ten digits, a point and a sign, from the end on.
    let (mut shown, mut rest) = ([0u8; 16], scaled as u32);
    let mut begin = shown.len();
    let mut put = |byte| {
        begin = begin.saturating_sub(1);
        shown.get_mut(begin).into_iter().for_each(|place| *place = byte);
    };
    for _ in 0..decimals {
        put(b'0' + (rest % 10) as u8);
        rest /= 10;
    }
    if decimals > 0 {
        put(b'.');
    }
    loop {
        put(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if x < 0.0 {
        put(b'-');
    }
    text.push_str(str::from_utf8(shown.get(begin..).unwrap_or_default()).unwrap_or_default());
}

/// The entries of a row in a service: none, one, or one per cell or level. Their value is that of nothing known yet.
fn entries_of(item: &'static Item, context: &Context) -> Vec<Entry> {
    let entry = |index, path| Entry { item, index, path, value: Value::Invalid };
    let numbered = |index, number: usize| entry(index, Cow::Owned(format!("{}{number}", item.path)));
    let exists = match item.extent {
        Extent::PerCell => return (0..context.cells).map(|index| numbered(index, index.saturating_add(1))).collect(),
        Extent::PerSocLevel => {
            return context.soc_levels.iter().enumerate().map(|(index, level)| numbered(index, usize::from(*level))).collect();
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::round;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decimals_read_as_the_standard_library_writes_them(x in -1e6f64..1e6, decimals in 0u32..4) {
            let rounded = round(x, decimals) + 0.0;
            let mut text = String::new();
            write_decimal(&mut text, rounded, decimals);
            prop_assert_eq!(text, format!("{rounded:.width$}", width = decimals as usize));
        }
    }

    #[test]
    fn no_number_is_too_large_to_be_written() {
        for x in [0.0, 1e15, -1e300, f64::MAX] {
            let mut text = String::new();
            write_decimal(&mut text, x, 2);
            assert_eq!(text, format!("{x:.2}"));
        }
    }
}
