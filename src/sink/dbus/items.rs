//! What a battery service holds: paths with values and texts, in memory and sorted. Pure; the bus is not known here.

use super::paths::ITEMS;
use crate::commands::Abilities;
use crate::model::{Snapshot, Switch};
use crate::units::round;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

/// A value as D-Bus shows it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Unknown; the empty array on the bus.
    Invalid,
    /// A state, a count or a yes/no.
    Int(i32),
    /// A measurement or a limit; always finite.
    Double(f64),
    /// A text without NUL.
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// A text that may be missing.
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Value::Invalid, |text| Value::Text(Cow::Borrowed(text)))
    }
    /// A yes/no that may be missing.
    pub(crate) fn flag(flag: Option<bool>) -> Self {
        flag.map_or(Value::Invalid, |flag| Value::Int(i32::from(flag)))
    }
    /// A count; one beyond the range of the bus is shown as its end.
    pub(crate) fn count(count: impl TryInto<i32>) -> Self {
        Value::Int(count.try_into().unwrap_or(i32::MAX))
    }

    /// The same value, not borrowed.
    fn owned(self) -> Value<'static> {
        match self {
            Value::Invalid => Value::Invalid,
            Value::Int(n) => Value::Int(n),
            Value::Double(x) => Value::Double(x),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// What may go to the bus: rounded so that noise sends nothing, never NaN or minus zero, no NUL in a text (a peer that
    /// sends one is disconnected).
    fn settled(self, format: Format) -> Self {
        let rounded = match (self, format) {
            (Value::Double(x), Format::Unit { decimals, .. }) => Value::Double(round(x, decimals) + 0.0),
            (value, _) => value,
        };
        match rounded {
            Value::Double(x) if !x.is_finite() => Value::Invalid,
            Value::Text(text) if text.contains('\0') => Value::Text(Cow::Owned(text.replace('\0', ""))),
            value => value,
        }
    }
}

/// How a value reads as text, and to how many decimals it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// As it is.
    Plain,
    /// `0x1F`.
    Hex,
    /// A number with its unit.
    Unit {
        /// Decimals of value and text.
        decimals: u32,
        /// What follows the number.
        unit: &'static str,
    },
}

/// What a write to a path does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writable {
    /// Nothing; it is refused.
    No,
    /// Names the battery.
    CustomName,
    /// Starts the history afresh.
    ClearHistory,
    /// The bank tells its member what to allow when the bank is gone: charge current.
    ShareCharge,
    /// As above, discharge current.
    ShareDischarge,
    /// 1 puts a switch of the BMS off, 0 on; answered when the BMS has shown that it did.
    Off(Switch),
    /// The state of charge that is to be set.
    ResetSocTo,
    /// Sets it.
    ResetSocToApply,
}

/// Which services have an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All.
    Always,
    /// Those that control charging.
    Controlling,
    /// Members of a bank.
    Member,
    /// All, once per cell; the path ends in the cell's number.
    PerCell,
    /// Those whose SoC may differ from the BMS's.
    OwnSoc,
    /// Those whose SoC is counted.
    CountedSoc,
    /// All, once per configured SoC level; the path ends in the level.
    PerSocLevel,
    /// Those that take commands at all.
    Commands,
    /// Those that take commands to this switch.
    Switch(Switch),
    /// Those whose BMS can be told its SoC.
    SetSoc,
}

/// Reads an item's value. The number is the index (from 0) of the cell or SoC level where there is one per such.
pub(crate) type Get = for<'a> fn(&'a Context, &'a Snapshot, usize) -> Value<'a>;

/// A row of the table of paths.
#[derive(Debug)]
pub(crate) struct Item {
    /// Path with its leading slash.
    pub(crate) path: &'static str,
    /// How the value reads as text.
    pub(crate) format: Format,
    /// Where the value comes from.
    pub(crate) value: Get,
    /// Which services have it.
    pub(crate) extent: Extent,
    /// What a write does.
    pub(crate) writable: Writable,
}

/// What is constant for a service, or changed by its owner alone.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Context {
    /// Name of the program.
    pub process_name: String,
    /// Its version.
    pub process_version: String,
    /// How the battery is attached: `Serial ttyUSB0`, `TCP 10.0.0.5:23`.
    pub connection: String,
    /// `JBD BMS`; shown while there is no custom name.
    pub product_name: String,
    /// Maker of the BMS.
    pub manufacturer: Option<String>,
    /// Family of the BMS.
    pub family: Option<String>,
    /// Serial number, or whatever else tells this battery from another.
    pub serial: Option<String>,
    /// The owner's name for the battery; may be empty.
    pub custom_name: String,
    /// `/DeviceInstance`.
    pub device_instance: u16,
    /// The service sets limits (false: it observes, or it is a member of a bank).
    pub control: bool,
    /// Cells that get paths of their own.
    pub cells: usize,
    /// The SoC shown may differ from the BMS's: it is counted, capped or held.
    pub own_soc: bool,
    /// The SoC shown is counted.
    pub counted_soc: bool,
    /// SoC levels in % to which the time is shown.
    pub soc_levels: Vec<u8>,
    /// The bank that the battery belongs to, by the end of its service name.
    pub member_of: Option<String>,
    /// What the bank said last that this member may allow without it: charge and discharge current, A.
    pub share: (Option<f64>, Option<f64>),
    /// The commands that it takes; none unless they are enabled.
    pub commands: Abilities,
    /// The SoC that a GUI has chosen to set, %.
    pub soc_to_set: Option<i32>,
}

impl Context {
    /// Somebody acts on the limits: Venus OS, or the bank.
    pub(crate) fn tells_limits(&self) -> bool {
        self.control || self.member_of.is_some()
    }
}

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
    if scaled >= 1e15 {
        // Writing to a string cannot fail.
        let _ = write!(text, "{x:.precision$}", precision = usize::try_from(decimals).unwrap_or(0));
        return;
    }
    let (mut digits, mut rest) = ([0u8; 17], scaled as u64);
    let least = usize::try_from(decimals).unwrap_or(0).saturating_add(1);
    let mut count: usize = 0;
    // From the last digit on.
    for place in digits.iter_mut().rev() {
        if rest == 0 && count >= least {
            break;
        }
        (*place, rest) = (b'0' + (rest % 10) as u8, rest / 10);
        count = count.saturating_add(1);
    }
    if x < 0.0 {
        text.push('-');
    }
    let shown = digits.len().saturating_sub(count);
    let point = digits.len().saturating_sub(least.saturating_sub(1));
    for (at, digit) in digits.iter().enumerate().skip(shown) {
        if at == point {
            text.push('.');
        }
        text.push(char::from(*digit));
    }
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
