//! The table of results.

use crate::Row;
use crate::trial::Findings;
use std::fmt::Write as _;

/// Rows are faults, columns protocols.
pub(crate) fn markdown(rows: &[Row], columns: &[&str], fields: &[Vec<&Findings>], minutes: u64) -> String {
    let mut text =
        format!("{minutes} simulated minutes per field: wrong values published · alarms without cause · longest gap in s\n\n");
    let _ = writeln!(text, "| fault | {} |", columns.join(" | "));
    let _ = writeln!(text, "|---|{}", "--:|".repeat(columns.len()));
    for (row, fields) in rows.iter().zip(fields) {
        let fields: Vec<String> = fields.iter().map(|found| field(found)).collect();
        let _ = writeln!(text, "| {} | {} |", row.name, fields.join(" | "));
    }
    let sum = |of: fn(&Findings) -> u64| fields.iter().flatten().map(|found| of(found)).sum::<u64>();
    let _ = writeln!(
        text,
        "\n{} readings in all, {} damaged replies; {} readings with a wrong value passed the line and were left to the guard.",
        sum(|found| found.readings),
        sum(|found| found.damaged),
        sum(|found| found.passed)
    );
    text
}

/// `0 · 0 · 2.0`, and further results; a dash where the fault does not apply.
fn field(found: &Findings) -> String {
    if found.readings == 0 {
        return "–".to_owned();
    }
    let mut text = format!("{} · {} · {:.1}", found.far + found.plausible, found.alarms, found.gap.as_secs_f64());
    if !found.recovery.is_zero() {
        let _ = write!(text, ", back after {:.1}", found.recovery.as_secs_f64());
    }
    text
}
