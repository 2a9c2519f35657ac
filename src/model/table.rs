//! One table for the values of a BMS: the struct, its keys in JSON and in the API, units, meanings, the labels on the terminal, and
//! the lifetime of each value come from the same lines.

/// Description of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldInfo {
    /// Key in JSON, here and in the API.
    pub key: &'static str,
    /// Unit of a number, or the type (`text`, `bool`, `list`).
    pub unit: &'static str,
    /// Meaning: the first line of its documentation.
    pub doc: &'static str,
    /// Label of its value on a terminal; empty if the value has its own format there.
    pub label: &'static str,
    /// Lifetime of its value.
    pub lasting: Lasting,
}

/// Lifetime of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasting {
    /// Until the next poll.
    Measured,
    /// An owner's switch, which some boards report in few polls only: until it is reported again.
    Switch,
    /// Permanent: names, versions, capacity, protections.
    Constant,
    /// Identifies the battery of the other values.
    Identity,
}

impl Lasting {
    /// It lives longer than a poll, so another reading of the battery may provide it.
    pub(super) fn is_inherited(self) -> bool {
        matches!(self, Self::Switch | Self::Constant)
    }
}

/// Operations that depend on the lifetime of a table's values. Fields beside the table are left alone, or unknown.
pub(super) trait Table {
    /// The values with at least this lifetime; all others are unknown.
    fn lasting(&self, least: Lasting) -> Self;
    /// Copies values that live longer than a poll and are unknown here.
    fn fill_from(&mut self, other: &Self);
    /// `answer` has a different or no value for constant data.
    fn is_constant_changed(&self, answer: &Self) -> bool;
}

/// No value.
pub(super) fn is_unknown<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A struct of values reported by a BMS, with the table of its fields.
///
/// A line is `field: type = Lasting("key", "unit", "label")`. The first line of its documentation is the meaning for users of the
/// API; the rest is for authors of decoders. `groups` are tables whose keys stand among those of this one. Fields `beside` the table
/// are not shown, or are tables of their own.
macro_rules! table {
    (
        $(#[$about:meta])*
        pub struct $name:ident, described by $infos:ident {
            $( #[doc = $doc:literal] $(#[$more:meta])* $field:ident: $type:ty = $lasting:ident($key:literal, $unit:literal, $label:literal), )*
        }
        $( groups { $( $(#[doc = $group_doc:literal])* $group:ident: $table:ident described by $group_infos:ident, )* } )?
        $( beside { $( $(#[$attribute:meta])* $other:ident: $other_type:ty, )* } )?
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
        pub struct $name {
            $(
                #[doc = $doc] $(#[$more])*
                #[serde(rename = $key, skip_serializing_if = "crate::model::table::is_unknown")]
                pub $field: $type,
            )*
            $( $( $(#[doc = $group_doc])* #[serde(flatten)] pub $group: $table, )* )?
            $( $( $(#[$attribute])* pub $other: $other_type, )* )?
        }

        #[doc = concat!("What is known of each field of a [`", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy)]
        pub struct $infos {
            $( #[doc = $doc] pub $field: crate::model::FieldInfo, )*
            $( $( $(#[doc = $group_doc])* pub $group: $group_infos, )* )?
        }

        impl $name {
            /// What is known of each field.
            pub const FIELDS: $infos = $infos { $( $field: crate::model::FieldInfo {
                key: $key,
                unit: $unit,
                doc: $doc,
                label: $label,
                lasting: crate::model::Lasting::$lasting,
            }, )* $( $( $group: $table::FIELDS, )* )? };
        }

        impl $infos {
            /// All of them, in the order of the output.
            pub fn all(&self) -> Vec<crate::model::FieldInfo> {
                let own = [$( self.$field ),*];
                own.into_iter()$( $( .chain(self.$group.all()) )* )?.collect()
            }
        }

        impl crate::model::table::Table for $name {
            fn lasting(&self, least: crate::model::Lasting) -> Self {
                let mut kept = Self::default();
                $( if Self::FIELDS.$field.lasting >= least { kept.$field.clone_from(&self.$field); } )*
                $( $( kept.$group = crate::model::table::Table::lasting(&self.$group, least); )* )?
                kept
            }

            fn fill_from(&mut self, other: &Self) {
                $( if Self::FIELDS.$field.lasting.is_inherited() && crate::model::table::is_unknown(&self.$field) {
                    self.$field.clone_from(&other.$field);
                } )*
                $( $( crate::model::table::Table::fill_from(&mut self.$group, &other.$group); )* )?
            }

            fn is_constant_changed(&self, answer: &Self) -> bool {
                false $( || (Self::FIELDS.$field.lasting == crate::model::Lasting::Constant
                    && !crate::model::table::is_unknown(&self.$field)
                    && self.$field != answer.$field) )*
                    $( $( || crate::model::table::Table::is_constant_changed(&self.$group, &answer.$group) )* )?
            }
        }
    };
}
pub(super) use table;
