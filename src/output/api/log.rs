//! An entry of the event log.

use super::field::object;
use super::{Level, Text};

object! {
    /// An event with its start and end.
    pub struct LogEntry {
        /// ID of the battery or bank.
        id: String = "text",
        /// Its name at that time.
        name: String = "text",
        /// `alarm`, `limit`, `silence`, `cable`, `line`, `excess`, `override`, `switch` or `full`.
        kind: Text = "text",
        /// Name of the alarm; `charge`, `discharge` or `voltage` of a limit; `ccl`, `dcl` or `full` of an override; the switch; the state of the
        /// line.
        what: Text = "text",
        /// What is wrong, of an alarm, in plain words.
        text: Option<Text> = "text",
        /// The rule that set the limit, as in `limits.ccl.rule`.
        rule: Option<Text> = "text",
        /// The highest level of an alarm.
        level: Option<Level> = "text",
        /// The battery of a bank that it is about.
        battery: Option<String> = "text",
        /// Number of the cell, from 1, at the extreme.
        cell: Option<u16> = "number",
        /// Number of the temperature sensor, from 1, at the extreme.
        sensor: Option<u16> = "number",
        /// The extreme, in V, A, °C or %: of a limit the lowest, of an alarm the worst.
        value: Option<f64> = "number",
        /// Who did it.
        by: Option<String> = "text",
        /// Its first start, since 1970; absent if the clock was not set.
        at: Option<u64> = "s",
        /// Its last end, since 1970; absent while it lasts.
        ended: Option<u64> = "s",
        /// It lasts.
        active: bool = "bool",
        /// How long it lasted in all.
        lasted_s: u64 = "s",
        /// How often it occurred: equal events with less than an hour between them are one entry.
        times: u32 = "number",
    }
}
