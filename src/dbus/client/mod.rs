//! Services of other programs on D-Bus: batteries by their items, and the presence of a bank.

pub(crate) mod bank_watch;
pub(crate) mod reader;
pub(crate) mod remote_batteries;
pub(crate) mod remote_battery;
pub(crate) mod view;
