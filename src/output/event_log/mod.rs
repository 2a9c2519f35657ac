//! The event log: what happened to each battery, with start and end, and how long each rule limited it, also before a restart.
//!
//! ```text
//! views ──▶ conditions (what a view says now) ──▶ EventLog (a ring of entries, in memory) ──▶ one file per battery
//!       ──▶ restricted currents              ──▶ LimitedTimes (days, in memory)           ──▶  "
//! ```
//! Everything but `file` and `recorder` is pure.

mod conditions;
mod entries;
mod file;
mod limited;
mod recorder;

pub use entries::{EventLog, MAX_ENTRIES};
pub use file::{LogFile, LogFileError, SavedEvents};
pub use limited::{LIMITED_DAYS, LimitedDay, LimitedTimes, RuleTime};
pub use recorder::{EventLogs, LogQuery, follow};
