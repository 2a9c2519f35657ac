//! The cells of a reading as bars.

use super::paint::{Piece, Style, plain};
use crate::base::units::Volts;
use crate::model::Reading;

/// More cells than this are printed in two columns if the terminal is wide enough.
const ONE_COLUMN_CELLS: usize = 8;
/// Minimum terminal width for two columns.
const TWO_COLUMNS_FROM: usize = 64;
/// Maximum length of a bar, characters.
const LONGEST_BAR: usize = 32;
/// Width of everything beside a bar: number, voltage, marks and blanks.
const BAR_MARGIN: usize = 17;
/// Minimum difference in V shown by a full bar, so that noise does not look like imbalance.
const LEAST_BAR_RANGE_V: f64 = 0.05;
/// Eighths of a block.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Lowest and highest voltage of a set of cells, and their numbers: of several equal ones the first.
#[derive(Clone, Copy)]
struct VoltageRange {
    low: f64,
    high: f64,
    low_no: usize,
    high_no: usize,
}

/// Mark of a cell, and its style.
type Mark = (&'static str, Style);

impl VoltageRange {
    /// `None` without cells.
    fn of(volts: &[f64]) -> Option<Self> {
        let mut numbered = (1usize..).zip(volts.iter().copied());
        let (number, volts) = numbered.next()?;
        let first = Self { low: volts, high: volts, low_no: number, high_no: number };
        Some(numbered.fold(first, |range, (number, volts)| match volts {
            volts if volts < range.low => Self { low: volts, low_no: number, ..range },
            volts if volts > range.high => Self { high: volts, high_no: number, ..range },
            _ => range,
        }))
    }

    /// Voltage of a bar without any length. A full one is the highest cell; the lowest has about a tenth, less where all are alike.
    fn empty_bar(self) -> f64 {
        (self.high - (self.high - self.low).max(LEAST_BAR_RANGE_V) / 0.9).max(0.0)
    }

    /// Equal cells have neither a lowest nor a highest one.
    fn mark(self, number: usize) -> Option<Mark> {
        match number {
            _ if self.low >= self.high => None,
            number if number == self.low_no => Some(("▼", Style::Low)),
            number if number == self.high_no => Some(("▲", Style::High)),
            _ => None,
        }
    }
}

/// `1: 3.301 V` of each cell, the lowest and the highest marked.
pub(crate) fn numbered(volts: &[f64]) -> Vec<Piece> {
    let range = VoltageRange::of(volts);
    let piece = |(number, volts): (usize, &f64)| {
        let (mark, style) = range.and_then(|range| range.mark(number)).unwrap_or(("", Style::Plain));
        Piece::new(format!("{number}: {volts:.3} V {mark}").trim_end().to_owned(), style)
    };
    (1usize..).zip(volts).map(piece).collect()
}

/// Summary of the cells, and their bars, line by line; both empty without cells.
pub(crate) fn cells(reading: &Reading, width: usize) -> (Vec<Piece>, Vec<Vec<Piece>>) {
    let volts: Vec<f64> = reading.cells.iter().map(|cell| cell.get()).collect();
    let Some(range) = VoltageRange::of(&volts) else { return (Vec::new(), Vec::new()) };
    (summary(reading, range), bars(reading, range, width))
}

fn summary(reading: &Reading, range: VoltageRange) -> Vec<Piece> {
    let VoltageRange { low, high, .. } = range;
    let count = reading.cells.len();
    let mean = reading.cells.iter().map(|cell| cell.get()).sum::<f64>() / reading.cells.iter().map(|_| 1.0).sum::<f64>();
    let count = match reading.cells_complete {
        Some(false) => Piece::new(format!("only the first {count} are known"), Style::Warning),
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
        Piece::new(format!("bars {:.3} to {high:.3} V", range.empty_bar()), Style::Dim),
    ]
}

/// The bars; top to bottom first if there are two columns.
fn bars(reading: &Reading, range: VoltageRange, width: usize) -> Vec<Vec<Piece>> {
    let columns = if reading.cells.len() > ONE_COLUMN_CELLS && width >= TWO_COLUMNS_FROM { 2 } else { 1 };
    let longest = (width / columns).saturating_sub(BAR_MARGIN).clamp(1, LONGEST_BAR);
    let lines = reading.cells.len().div_ceil(columns);
    let all: Vec<Vec<Piece>> =
        reading.cells.iter().zip(1usize..).map(|(volts, number)| bar(reading, range, *volts, number, longest)).collect();
    let (left, right) = all.split_at(lines.min(all.len()));
    let beside = right.iter().map(Some).chain(std::iter::repeat(None));
    left.iter().zip(beside).map(|(left, right)| left.iter().chain(right.into_iter().flatten()).cloned().collect()).collect()
}

/// Number, voltage, marks and bar of one cell, with constant width.
fn bar(reading: &Reading, range: VoltageRange, volts: Volts, number: usize, longest: usize) -> Vec<Piece> {
    let value = volts.get();
    let (mark, style) = range.mark(number).unwrap_or((" ", Style::Plain));
    let balancing = reading.balancing.cells.iter().flatten().any(|cell| usize::from(*cell) == number);
    let filled = fill(range, value, longest);
    let empty = longest.saturating_sub(filled.chars().count());
    vec![
        Piece::new(format!("{number:>4} "), Style::Dim),
        Piece::new(format!("{value:.3} V {mark}"), style),
        Piece::new(if balancing { "≈ " } else { "  " }, Style::Balancing),
        Piece::new(filled, if balancing { Style::Balancing } else { style }),
        Piece::new(format!("{} ", "·".repeat(empty)), Style::Dim),
    ]
}

/// A bar of up to `longest` characters.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "0 to 8 × 32 eighths")]
fn fill(range: VoltageRange, value: f64, longest: usize) -> String {
    let empty = range.empty_bar();
    let share = ((value - empty) / (range.high - empty).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
    let eighths = (share * 8.0 * longest as f64).round() as usize;
    let end = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    "█".repeat(eighths / 8) + end
}
