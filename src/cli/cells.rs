//! The cells of a reading as bars.

use super::paint::{Piece, Style, plain};
use crate::model::Reading;
use crate::units::Volts;

/// More cells than these stand in two columns where the terminal is wide enough.
const ONE_COLUMN: usize = 8;
/// Narrowest terminal for two columns.
const TWO_COLUMNS_FROM: usize = 64;
/// Longest bar, characters.
const LONGEST: usize = 32;
/// What stands beside a bar: number, voltage, marks and blanks.
const BESIDE: usize = 17;
/// Least difference in V that fills a bar: noise shall not look like imbalance.
const LEAST_RANGE: f64 = 0.05;
/// Eighths of a block.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Lowest and highest voltage of a set of cells.
#[derive(Clone, Copy)]
struct Span {
    low: f64,
    high: f64,
}

/// What the cells have in common, and their bars, line by line; both empty without cells.
pub(super) fn cells(reading: &Reading, width: usize) -> (Vec<Piece>, Vec<Vec<Piece>>) {
    let volts = || reading.cells.iter().map(|cell| cell.get());
    let Some((low, high)) = volts().map(|v| (v, v)).reduce(|(low, high), (v, _)| (low.min(v), high.max(v))) else {
        return (Vec::new(), Vec::new());
    };
    let span = Span { low, high };
    (summary(reading, span), bars(reading, span, width))
}

fn summary(reading: &Reading, Span { low, high }: Span) -> Vec<Piece> {
    let count = reading.cells.len();
    let mean = reading.cells.iter().map(|cell| cell.get()).sum::<f64>() / reading.cells.iter().map(|_| 1.0).sum::<f64>();
    let count = match reading.cells_complete {
        Some(false) => Piece::new(format!("only the first {count} were heard"), Style::Warning),
        _ => plain(count),
    };
    let spread = plain(format!("spread {:.0} mV", (high - low) * 1000.0));
    vec![
        count,
        plain(format!("mean {mean:.3} V")),
        spread,
        Piece::new("▼ lowest", Style::Low),
        Piece::new("▲ highest", Style::High),
        Piece::new("≈ balancing", Style::Balancing),
    ]
}

/// The bars, downwards first where there are two columns.
fn bars(reading: &Reading, span: Span, width: usize) -> Vec<Vec<Piece>> {
    let columns = if reading.cells.len() > ONE_COLUMN && width >= TWO_COLUMNS_FROM { 2 } else { 1 };
    let longest = (width / columns).saturating_sub(BESIDE).clamp(1, LONGEST);
    let lines = reading.cells.len().div_ceil(columns);
    let all: Vec<Vec<Piece>> =
        reading.cells.iter().zip(1usize..).map(|(volts, number)| bar(reading, span, *volts, number, longest)).collect();
    let (left, right) = all.split_at(lines.min(all.len()));
    let beside = right.iter().map(Some).chain(std::iter::repeat(None));
    left.iter().zip(beside).map(|(left, right)| left.iter().chain(right.into_iter().flatten()).cloned().collect()).collect()
}

/// Number, voltage, marks and bar of one cell, always equally wide.
fn bar(reading: &Reading, span: Span, volts: Volts, number: usize, longest: usize) -> Vec<Piece> {
    let value = volts.get();
    let differ = span.low < span.high;
    let (mark, style) = match value {
        _ if differ && value <= span.low => ("▼", Style::Low),
        _ if differ && value >= span.high => ("▲", Style::High),
        _ => (" ", Style::Plain),
    };
    let balancing = reading.balancing_cells.iter().flatten().any(|cell| usize::from(*cell) == number);
    let filled = fill(span, value, longest);
    let empty = longest.saturating_sub(filled.chars().count());
    vec![
        Piece::new(format!("{number:>4} "), Style::Dim),
        Piece::new(format!("{value:.3} V {mark}"), style),
        Piece::new(if balancing { "≈ " } else { "  " }, Style::Balancing),
        Piece::new(filled, if balancing { Style::Balancing } else { style }),
        Piece::new(format!("{} ", "·".repeat(empty)), Style::Dim),
    ]
}

/// A bar of up to `longest` characters: full for the highest cell, about a tenth for one that is lower by the whole range.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "0 to 8 × 32 eighths")]
fn fill(Span { low, high }: Span, value: f64, longest: usize) -> String {
    let range = (high - low).max(LEAST_RANGE);
    let share = (1.0 - 0.9 * (high - value) / range).clamp(0.0, 1.0);
    let eighths = (share * 8.0 * longest as f64).round() as usize;
    let end = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    "█".repeat(eighths / 8) + end
}
