//! Taking over the entries of dbus-serialbattery on a GX, and giving them back: everything except the access to D-Bus.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

pub mod counters;
pub mod entries;
pub mod matcher;
pub mod settings_xml;
pub mod undo_record;
