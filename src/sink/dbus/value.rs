//! Values as D-Bus shows them.

use crate::units::round;
use std::borrow::Cow;

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
    pub(super) fn owned(self) -> Value<'static> {
        match self {
            Value::Invalid => Value::Invalid,
            Value::Int(n) => Value::Int(n),
            Value::Double(x) => Value::Double(x),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// What may go to the bus: rounded so that noise sends nothing, never NaN or minus zero, no NUL in a text (a peer that
    /// sends one is disconnected).
    pub(super) fn settled(self, format: Format) -> Self {
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
