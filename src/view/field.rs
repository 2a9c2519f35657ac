//! One table for the object's keys: the struct, its JSON, its documentation and its metrics come from the same lines.

use std::borrow::Cow;

/// What is known of one key of an object.
pub struct Field<T: 'static> {
    /// The key in the JSON.
    pub key: &'static str,
    /// Unit of a number, or what else it is (`text`, `object`).
    pub unit: &'static str,
    /// What it means, in sentences.
    pub doc: &'static str,
    /// It may have a number.
    pub is_number: bool,
    /// The value as a number, where it is one that is known.
    pub number: fn(&T) -> Option<f64>,
}

/// Types that a key may have.
pub(crate) trait Member {
    /// Its values have numbers.
    const IS_NUMBER: bool = false;
    /// The key is left out.
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
    fn is_absent(&self) -> bool {
        self.is_none()
    }
    fn number(&self) -> Option<f64> {
        self.as_ref().and_then(T::number)
    }
}

impl<T> Member for Vec<T> {
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

/// An object of the JSON with the table of its keys.
macro_rules! object {
    ($(#[$about:meta])* pub struct $name:ident { $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $unit:literal, )* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name { $(
            $(#[doc = $doc])+
            #[serde(skip_serializing_if = "crate::view::field::Member::is_absent")]
            pub $key: $type,
        )* }

        impl $name {
            /// All keys, in the order in which they are written.
            pub const FIELDS: &[crate::view::Field<$name>] = &[ $( crate::view::Field {
                key: stringify!($key),
                unit: $unit,
                doc: concat!($($doc),+),
                is_number: <$type as crate::view::field::Member>::IS_NUMBER,
                number: |object| crate::view::field::Member::number(&object.$key),
            }, )* ];
        }

        impl crate::view::field::Member for $name {}
    };
}
pub(crate) use object;
