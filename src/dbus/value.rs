//! Values of D-Bus items.

use crate::base::units::round;
use std::borrow::Cow;

/// Value of a D-Bus item.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Unknown; the empty array on the bus.
    Invalid,
    /// A state, a count or a boolean.
    Int(i32),
    /// A measurement or a limit; always finite.
    Double(f64),
    /// A text without NUL.
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// An optional text.
    pub(crate) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Value::Invalid, |text| Value::Text(Cow::Borrowed(text)))
    }
    /// An optional boolean.
    pub(crate) fn flag(flag: Option<bool>) -> Self {
        flag.map_or(Value::Invalid, |flag| Value::Int(i32::from(flag)))
    }
    /// A count, limited to the range of the type.
    pub(crate) fn count(count: impl TryInto<i32>) -> Self {
        Value::Int(count.try_into().unwrap_or(i32::MAX))
    }

    /// The same value, owned.
    pub(super) fn owned(self) -> Value<'static> {
        match self {
            Value::Invalid => Value::Invalid,
            Value::Int(n) => Value::Int(n),
            Value::Double(x) => Value::Double(x),
            Value::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// The value to publish: rounded so that noise causes no signals, never NaN or minus zero, no NUL in a text (the bus
    /// disconnects a sender of NUL).
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

/// Text format of a value, and its published decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Unformatted.
    Plain,
    /// `0x1F`.
    Hex,
    /// A number with its unit.
    Unit {
        /// Decimals of value and text.
        decimals: u32,
        /// Unit after the number.
        unit: &'static str,
    },
}
