//! One table for the object's keys: the struct, its JSON, its documentation and its metrics come from the same lines.

use super::{Alarm, Known};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use crate::model::{self, Chemistry, ProductionDate};
use std::borrow::Cow;

/// Description of one key of an object.
pub struct Field<T: 'static> {
    /// The key in the JSON.
    pub key: &'static str,
    /// Unit of a number, or the type (`text`, `object`).
    pub unit: &'static str,
    /// Meaning, in sentences.
    pub doc: &'static str,
    /// The value may be a number.
    pub is_number: bool,
    /// The value is a list.
    pub is_list: bool,
    /// The value as a number, if it is known and a number.
    pub number: fn(&T) -> Option<f64>,
}

/// Types of keys.
pub(crate) trait Member {
    /// Its values are numbers.
    const IS_NUMBER: bool = false;
    /// Its values are lists.
    const IS_LIST: bool = false;
    /// The key is omitted.
    fn is_absent(&self) -> bool {
        false
    }
    /// The value as a number, if it is one.
    fn number(&self) -> Option<f64> {
        None
    }
}

impl<T: Member> Member for Option<T> {
    const IS_NUMBER: bool = T::IS_NUMBER;
    const IS_LIST: bool = T::IS_LIST;
    fn is_absent(&self) -> bool {
        self.is_none()
    }
    fn number(&self) -> Option<f64> {
        self.as_ref().and_then(T::number)
    }
}

impl<T> Member for Vec<T> {
    const IS_LIST: bool = true;
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Member for bool {
    const IS_NUMBER: bool = true;
    fn number(&self) -> Option<f64> {
        Some(f64::from(u8::from(*self)))
    }
}

impl Member for u64 {
    const IS_NUMBER: bool = true;
    fn number(&self) -> Option<f64> {
        // Counters stay far below 2^53.
        Some(*self as f64)
    }
}

macro_rules! numbers {
    ($($type:ty),*) => { $(
        impl Member for $type {
            const IS_NUMBER: bool = true;
            fn number(&self) -> Option<f64> { Some(f64::from(*self)) }
        }
    )* };
}
numbers!(f64, u8, u16, u32);

impl Member for String {}
impl Member for Cow<'static, str> {}

/// Converts a value of the model to the type of its key.
pub(super) trait Shown<T> {
    fn shown(&self) -> T;
}

macro_rules! shown {
    ($($type:ty),*) => { $( impl Shown<$type> for $type {
        fn shown(&self) -> $type { self.clone() }
    } )* };
}
shown!(Option<bool>, Option<u8>, Option<u32>, Option<String>, Option<Chemistry>, Vec<Cow<'static, str>>);

macro_rules! shown_as_number {
    ($($unit:ty),*) => { $( impl Shown<Option<f64>> for Option<$unit> {
        fn shown(&self) -> Option<f64> { self.map(<$unit>::get) }
    } )* };
}
shown_as_number!(Volts, Amps, Watts, AmpHours, Percent, Celsius);

impl Shown<Vec<f64>> for Vec<Volts> {
    fn shown(&self) -> Vec<f64> {
        self.iter().map(|volts| volts.get()).collect()
    }
}

impl Shown<Option<Cow<'static, str>>> for &'static str {
    fn shown(&self) -> Option<Cow<'static, str>> {
        (!self.is_empty()).then_some(Cow::Borrowed(*self))
    }
}

impl Shown<Option<String>> for Option<ProductionDate> {
    fn shown(&self) -> Option<String> {
        self.as_ref().map(|date| date.calendar().into_owned())
    }
}

impl<T: Shown<U>, U> Shown<Option<Known<U>>> for Option<Vec<T>> {
    fn shown(&self) -> Option<Known<U>> {
        self.as_ref().map(|list| Known(list.iter().map(Shown::shown).collect()))
    }
}

impl Shown<u8> for u8 {
    fn shown(&self) -> u8 {
        *self
    }
}

/// A sensor by its position.
impl Shown<Option<f64>> for Celsius {
    fn shown(&self) -> Option<f64> {
        Some(self.get())
    }
}

impl Shown<Alarm> for model::Alarm {
    fn shown(&self) -> Alarm {
        Alarm::new(self.name, self.level)
    }
}

/// An object of the JSON with the table of its keys.
///
/// A line is `key: type = "unit"` with its documentation; or `key: type = table.field` without, if unit and meaning are those of a
/// field of a table of the model. `pub struct Name of (table: Type, …) and Own` names such tables; `Name::of` fills these keys, and
/// takes the others as a struct `Own`, so that none can be forgotten; without `and Own` there are no others. The keys of `groups` stand among those of the object.
macro_rules! object {
    ($(#[$about:meta])* pub struct $name:ident of ($($table:ident: $source:ty),+) and $own:ident { $($lines:tt)* }) => {
        object! { @define ($($table: $source),+) $(#[$about])* pub struct $name { groups {} $($lines)* } }
        object! { @of $name ($($table: $source),+) $own { $($lines)* } }
    };
    ($(#[$about:meta])* pub struct $name:ident of ($($table:ident: $source:ty),+) { $($lines:tt)* }) => {
        object! { @define ($($table: $source),+) $(#[$about])* pub struct $name { groups {} $($lines)* } }
        object! { @of_tables $name ($($table: $source),+) { $($lines)* } }
    };
    ($(#[$about:meta])* pub struct $name:ident { groups { $($groups:tt)* } $($lines:tt)* }) => {
        object! { @define () $(#[$about])* pub struct $name { groups { $($groups)* } $($lines)* } }
    };
    ($(#[$about:meta])* pub struct $name:ident { $($lines:tt)* }) => {
        object! { @define () $(#[$about])* pub struct $name { groups {} $($lines)* } }
    };
    (@define ($($table:ident: $source:ty),*) $(#[$about:meta])* pub struct $name:ident {
        groups { $( $(#[doc = $group_doc:literal])* $group:ident: $group_type:ty, )* }
        $( $(#[doc = $doc:literal])* $key:ident: $type:ty = $($unit:literal)? $($from:ident.$field:ident)?, )*
    }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $( $(#[doc = $group_doc])* #[serde(flatten)] pub $group: $group_type, )*
            $(
                $(#[doc = $doc])*
                $(#[doc = concat!("The ", stringify!($from), "'s `", stringify!($field), "`.")])?
                #[serde(skip_serializing_if = "crate::output::api::field::Member::is_absent")]
                pub $key: $type,
            )*
        }

        impl $name {
            /// The keys in the order of the output, without those of groups.
            pub const FIELDS: &[crate::output::api::Field<$name>] = {
                $( let $table = <$source>::FIELDS; )*
                &[ $( crate::output::api::Field {
                    key: stringify!($key),
                    unit: object!(@unit $($unit)? $($from.$field)?),
                    doc: object!(@doc [$($doc)*] $($from.$field)?),
                    is_number: <$type as crate::output::api::field::Member>::IS_NUMBER,
                    is_list: <$type as crate::output::api::field::Member>::IS_LIST,
                    number: |object| crate::output::api::field::Member::number(&object.$key),
                }, )* ]
            };
        }

        impl crate::output::api::field::Member for $name {}
    };
    (@of $name:ident ($($table:ident: $source:ty),+) $own:ident { $(
        $(#[doc = $doc:literal])* $key:ident: $type:ty = $($unit:literal)? $($from:ident.$field:ident)?,
    )* }) => {
        /// The keys that are not in a table of the model.
        struct $own { $( $( #[doc = $unit] $key: $type, )? )* }

        impl $name {
            fn of($($table: &$source,)+ own: $own) -> Self {
                Self { $( $key: object!(@value $($unit, own.$key)? $($from.$field)?), )* }
            }
        }
    };
    (@of_tables $name:ident ($($table:ident: $source:ty),+) { $( $key:ident: $type:ty = $from:ident.$field:ident, )* }) => {
        impl $name {
            fn of($($table: &$source),+) -> Self {
                Self { $( $key: crate::output::api::field::Shown::shown(&$from.$field), )* }
            }
        }
    };
    (@unit $unit:literal) => { $unit };
    (@unit $from:ident.$field:ident) => { $from.$field.unit };
    (@doc [$($doc:literal)+]) => { concat!($($doc),+) };
    (@doc [] $from:ident.$field:ident) => { $from.$field.doc };
    (@value $unit:literal, $own:expr) => { $own };
    (@value $from:ident.$field:ident) => { crate::output::api::field::Shown::shown(&$from.$field) };
}
pub(crate) use object;
