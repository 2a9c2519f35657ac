//! Foundations: units, time, files, text. Nothing here uses another folder.

pub(crate) mod atomic_file;
pub(crate) mod calendar;
pub(crate) mod episode;
pub mod hex;
pub mod natural;
pub mod printable;
pub(crate) mod regular_file;
pub mod runtime;
pub mod secret;
pub mod state_file;
pub mod stop;
pub mod time;
pub mod units;
pub mod version;
pub mod watchdog;
