//! The event log: what happened to each battery, with start and end, and how long each rule limited it, also before a restart.
//!
//! ```text
//! views ──▶ conditions (what a view says now) ──▶ BatteryLog (a ring of entries, in memory) ──▶ one file per battery
//!       ──▶ restricted currents              ──▶ LimitedTimes (days, in memory)           ──▶  "
//! ```
//! Everything but `file` and `keeper` is pure.

mod battery_log;
mod conditions;
mod file;
mod keeper;
mod limited;

pub use battery_log::{BatteryLog, MAX_ENTRIES};
pub use file::{KeptEvents, LogFile, LogFileError};
pub use keeper::{EventLogs, LogQuery, keep};
pub use limited::{LIMITED_DAYS, LimitedDay, LimitedTimes, RuleTime};
