//! The health of a battery's cells as a table.

use crate::base::calendar::DateTime;
use crate::output::api::Health;
use crate::terminal::paint::{Piece, Style, line, plain, row};

/// Width of a column of the cells' table.
const COLUMN: usize = 11;
/// Narrowest table.
const MIN_WIDTH: usize = 40;

/// A column: title, and how a cell's value is written.
type Column<'a> = (&'a str, Box<dyn Fn(usize) -> String + 'a>);

/// The table in lines of at most `width` columns where that is possible.
pub(super) fn table(name: &str, health: &Health, width: usize, colour: bool) -> String {
    let width = width.max(MIN_WIDTH);
    let mut lines =
        row("Battery", &[Piece::new(name, Style::Title), plain(format!("learned over {:.0} days", health.days))], width, colour);
    lines.extend(row("Capacity", &battery(health), width, colour));
    let balance = balance(health);
    if !balance.is_empty() {
        lines.extend(row("Balance", &balance, width, colour));
    }
    lines.extend(findings(health, width, colour));
    lines.extend(cells(health, colour));
    lines.into_iter().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn battery(health: &Health) -> Vec<Piece> {
    let usable = match (health.usable_ah, health.usable_sd_ah) {
        (Some(usable), Some(sd)) => format!("{usable} Ah usable (± {sd})"),
        (Some(usable), None) => format!("{usable} Ah usable"),
        _ if health.curve_fits == Some(false) => "unknown: the voltages do not fit the curve of LFP cells".to_owned(),
        _ => "not known yet: it takes full charges and discharges below 3.2 V per cell".to_owned(),
    };
    let count = |number: u32, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let seen = format!("{}, {} seen", count(health.full_charges, "full charge"), count(health.discharges, "deep discharge"));
    vec![plain(usable), plain(seen)]
}

fn balance(health: &Health) -> Vec<Piece> {
    let at_least = if health.at_least.contains(&true) { "at least " } else { "" };
    let imbalance = health.imbalance_ah.map(|ah| format!("{at_least}{ah} Ah between the cells"));
    let trend = health.balancer_wins.map(|wins| if wins { "getting less" } else { "getting more" }.to_owned());
    imbalance.into_iter().chain(trend).map(plain).collect()
}

fn findings(health: &Health, width: usize, colour: bool) -> Vec<String> {
    if health.findings.is_empty() {
        return row("Findings", &[plain("none")], width, colour);
    }
    let mut lines = Vec::new();
    for finding in &health.findings {
        let DateTime { year, month, day, .. } = DateTime::at(finding.since);
        let since = format!("since {year}-{month:02}-{day:02}");
        let items = [Piece::new(finding.text.as_str(), Style::Warning), Piece::new(since, Style::Dim), plain(&finding.remedy)];
        lines.extend(row("Finding", &items, width, colour));
    }
    lines
}

fn cells(health: &Health, colour: bool) -> Vec<String> {
    let digits = |values: &'_ [Option<f64>], cell: usize, digits: usize| {
        values.get(cell).copied().flatten().map_or("?".to_owned(), |value| format!("{value:.digits$}"))
    };
    let percent = |values: &'_ [Option<f64>], cell: usize| {
        values.get(cell).copied().flatten().map_or("?".to_owned(), |ratio| format!("{:+.0} %", (ratio - 1.0) * 100.0))
    };
    // A cell that did not get full is at least so far behind.
    let bound = |sign: &str, cell: usize, value: String| {
        let is_bound = value != "?" && health.at_least.get(cell) == Some(&true);
        if is_bound { format!("{sign} {value}") } else { value }
    };
    let all: [(&[Option<f64>], Column); 7] = [
        (&health.resistance_mohm, ("mΩ", Box::new(|cell| digits(&health.resistance_mohm, cell, 2)))),
        (&health.relative_resistance, ("to others", Box::new(|cell| percent(&health.relative_resistance, cell)))),
        (&health.resistance_rise, ("to before", Box::new(|cell| percent(&health.resistance_rise, cell)))),
        (&health.offset_ah, ("offset Ah", Box::new(|cell| bound("≤", cell, digits(&health.offset_ah, cell, 1))))),
        (
            &health.self_discharge_ah_per_day,
            ("Ah/day lost", Box::new(|cell| bound("≥", cell, digits(&health.self_discharge_ah_per_day, cell, 2)))),
        ),
        (&health.capacity_ah, ("capacity Ah", Box::new(|cell| digits(&health.capacity_ah, cell, 0)))),
        (&health.relative_capacity, ("to others", Box::new(|cell| percent(&health.relative_capacity, cell)))),
    ];
    let count = all.iter().map(|(values, _)| values.len()).max().unwrap_or(0);
    let columns: Vec<Column> = all.into_iter().filter(|(values, _)| !values.is_empty()).map(|(_, column)| column).collect();
    if columns.is_empty() {
        return Vec::new();
    }
    let heading: String = columns.iter().map(|(title, _)| format!("{title:>COLUMN$}")).collect();
    let mut lines = vec![line(&[Piece::new(format!("{:<6}{heading}", "Cell"), Style::Dim)], colour)];
    for cell in 0..count {
        let marked =
            health.findings.iter().any(|finding| finding.cell.is_some_and(|number| usize::from(number) == cell.saturating_add(1)));
        let style = if marked { Style::Warning } else { Style::Plain };
        let values: String = columns.iter().map(|(_, value)| format!("{:>COLUMN$}", value(cell))).collect();
        lines.push(line(&[Piece::new(format!("{:<6}{values}", cell.saturating_add(1)), style)], colour));
    }
    lines
}
