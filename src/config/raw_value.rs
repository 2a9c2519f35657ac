//! Values as written in a file or on the command line, before they are interpreted.

use std::fmt::{self, Write as _};
use toml::de::DeValue;

/// A value as written, not yet checked against a key.
#[derive(Debug, Clone, PartialEq)]
pub enum RawValue {
    /// `true` or `false`.
    Flag(bool),
    /// A number without a fraction.
    Whole(i64),
    /// A number with a fraction; also `inf` and `nan`, which no key accepts.
    Number(f64),
    /// Quoted text.
    Text(String),
    /// `[…]`
    List(Vec<RawValue>),
    /// Something that no key accepts: a date, a table, a number out of range.
    Other(&'static str),
}

impl RawValue {
    /// A list of texts.
    pub fn texts<'a>(items: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(items.into_iter().map(|item| Self::Text(item.to_owned())).collect())
    }

    pub(super) fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_or(Self::Other("a number out of range"), Self::Whole)
            }
            DeValue::Float(number) => number.as_str().parse().map_or(Self::Other("a number out of range"), Self::Number),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::from_toml(item.get_ref())).collect()),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// The value as a whole number, if it is one: `16` and `16.0` are the same.
    #[allow(clippy::cast_possible_truncation, reason = "a whole number under 2^53 is held exactly")]
    pub(crate) fn whole(&self) -> Option<i64> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self {
            Self::Whole(number) => Some(*number),
            Self::Number(number) if number.fract() == 0.0 && number.abs() < EXACT => Some(*number as i64),
            _ => None,
        }
    }

    /// The value as a number, if it is one.
    #[allow(clippy::cast_precision_loss, reason = "no key takes a number anywhere near 2^53; the range check follows")]
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(number) => Some(*number as f64),
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

/// Quoted text. Rust's own quoting uses escapes that TOML does not have.
fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// As TOML.
impl fmt::Display for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Text(text) => quote(text, f),
            Self::Other(what) => f.write_str(what),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
        }
    }
}
