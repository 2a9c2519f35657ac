//! The last day of each cell: how far it was from the median of its battery, and whether it was balanced. Pure.
//!
//! In memory, in steps of five minutes on the monotonic clock; written once, at the end of the program.
//!
//! ```text
//! "dbus-bms cells 1\n" and zeros, 32 bytes, the number of cells in byte 31 |
//! steps of 10 bytes and one per cell: number since 1970, median in mV, balanced cells as bits, deviations | checksum    all little-endian
//! ```

use super::record::Piece;
use crate::base::time::Now;
use crate::base::units::round;
use crate::bms::bytes::crc16_modbus as check;
use serde::Serialize;
use std::collections::VecDeque;

/// Number of steps kept: a day.
pub const CELL_STEPS: usize = 288;
/// Length of a step, s.
const STEP_S: u64 = 300;
/// Cells beyond this number are not recorded.
const MAX_CELLS: usize = 32;
/// A lower voltage is that of a broken sense wire, V.
const BROKEN_V: f64 = 0.5;
/// A short deviation that is so much larger than the mean of its step is kept instead, mV.
const SHORT_MV: f64 = 10.0;
/// Marks an unknown deviation.
const UNKNOWN: i8 = i8::MIN;
/// Up to this deviation a step is 1 mV, beyond it 8 mV.
const FINE_MV: f64 = 63.0;
const COARSE_MV: f64 = 8.0;

const HEAD: &[u8] = b"dbus-bms cells 1\n";
const HEAD_BYTES: usize = 32;
const STEP_BYTES: usize = 10;
/// Size of the largest file, bytes.
pub(super) const MAX_BYTES: usize = HEAD_BYTES + CELL_STEPS * (STEP_BYTES + MAX_CELLS) + 2;

/// A closed step.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    /// Its number on the monotonic clock; negative before the start of this run.
    at: i64,
    median_mv: u16,
    balanced: u32,
}

/// The step that is being filled.
#[derive(Debug, Clone, PartialEq, Default)]
struct Open {
    at: i64,
    median_v: f64,
    balanced: u32,
    /// Number of samples.
    count: u32,
    /// Sum of the deviations, the largest one, and their number, of each cell.
    cells: Vec<(f64, f64, u32)>,
}

/// The cells of a battery over a day.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CellCourse {
    count: usize,
    /// The oldest first.
    steps: VecDeque<Step>,
    /// The deviations of all steps, cell by cell.
    deviations: VecDeque<i8>,
    open: Option<Open>,
}

fn packed(mv: f64) -> i8 {
    let size = mv.abs();
    let code = if size <= FINE_MV { size } else { FINE_MV + (size - FINE_MV) / COARSE_MV };
    (code.round().min(127.0) * mv.signum()) as i8
}

fn unpacked(code: i8) -> Option<f64> {
    let size = f64::from(code).abs();
    let mv = if size <= FINE_MV { size } else { FINE_MV + (size - FINE_MV) * COARSE_MV };
    (code != UNKNOWN).then(|| mv * f64::from(code).signum())
}

/// Median of the plausible cells.
fn median(cells: &[f64]) -> Option<f64> {
    let mut known: Vec<f64> = cells.iter().copied().filter(|volts| *volts > BROKEN_V).collect();
    known.sort_by(f64::total_cmp);
    let middle = known.len() / 2;
    let upper = known.get(middle).copied()?;
    let lower = if known.len().is_multiple_of(2) { known.get(middle.checked_sub(1)?).copied()? } else { upper };
    Some((lower + upper) / 2.0)
}

#[derive(Debug, Default, Serialize)]
struct Shown<'a> {
    id: &'a str,
    step_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<u64>,
    age_s: Vec<u64>,
    median_v: Vec<f64>,
    deviation_mv: Vec<Vec<Option<f64>>>,
    balanced: Vec<Vec<u8>>,
}

impl CellCourse {
    /// Adds the cells of a reading, V, and the numbers of those that are balanced, from 1.
    pub fn add(&mut self, cells: &[f64], balanced: &[u8], now: Now) {
        let Some(middle) = median(cells) else { return };
        let count = cells.len().min(MAX_CELLS);
        if count != self.count {
            *self = Self { count, ..Self::default() };
        }
        let at = step_of(now);
        if self.open.as_ref().is_some_and(|open| open.at != at) {
            self.close();
        }
        let open = self.open.get_or_insert_with(|| Open { at, cells: vec![(0.0, 0.0, 0); count], ..Open::default() });
        open.median_v += middle;
        open.count = open.count.saturating_add(1);
        for number in balanced.iter().filter(|number| (1..=32).contains(*number)) {
            open.balanced |= 1_u32 << (number - 1);
        }
        for ((sum, largest, known), volts) in open.cells.iter_mut().zip(cells).filter(|(_, volts)| **volts > BROKEN_V) {
            let mv = (volts - middle) * 1000.0;
            *sum += mv;
            *known = known.saturating_add(1);
            if mv.abs() > largest.abs() {
                *largest = mv;
            }
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let mean = open.median_v / f64::from(open.count.max(1));
        self.push(
            Step { at: open.at, median_mv: (mean * 1000.0).round() as u16, balanced: open.balanced },
            open.cells.iter().map(deviation),
        );
    }

    fn push(&mut self, step: Step, deviations: impl Iterator<Item = i8>) {
        self.steps.push_back(step);
        self.deviations.extend(deviations);
        if self.steps.len() > CELL_STEPS {
            self.steps.pop_front();
            self.deviations.drain(..self.count.min(self.deviations.len()));
        }
    }

    /// The last day as JSON: columns over time, those of the cells in their order.
    pub fn json(&self, id: &str, now: Now) -> String {
        let mut all = self.clone();
        all.close();
        let present = step_of(now);
        let oldest = present.saturating_sub(CELL_STEPS as i64);
        let mut shown = Shown { id, step_s: STEP_S, now: now.unix, ..Shown::default() };
        shown.deviation_mv.resize(all.count, Vec::new());
        shown.balanced.resize(all.count, Vec::new());
        let flat: Vec<i8> = all.deviations.iter().copied().collect();
        for (step, deviations) in all.steps.iter().zip(flat.chunks(all.count.max(1))).filter(|(step, _)| step.at >= oldest) {
            let ago = u64::try_from(present.saturating_sub(step.at)).unwrap_or(0).saturating_mul(STEP_S);
            shown.age_s.push(ago.saturating_add(now.at.since_origin().as_secs() % STEP_S));
            shown.median_v.push(round(f64::from(step.median_mv) / 1000.0, 3));
            for (cell, code) in deviations.iter().enumerate() {
                if let Some(column) = shown.deviation_mv.get_mut(cell) {
                    column.push(unpacked(*code));
                }
                if let Some(column) = shown.balanced.get_mut(cell) {
                    column.push(u8::from(step.balanced >> cell & 1 == 1));
                }
            }
        }
        // Numbers and texts only: it cannot fail.
        serde_json::to_string(&shown).unwrap_or_default()
    }

    /// The file's content, at the end of the program; `None` without a step or a wall clock.
    pub fn take_for_file(&mut self, now: Now) -> Option<Piece> {
        self.close();
        let unix_step = i64::try_from(now.unix? / STEP_S).ok()?;
        let mut bytes = HEAD.to_vec();
        bytes.resize(HEAD_BYTES, 0);
        *bytes.last_mut()? = u8::try_from(self.count).ok()?;
        let flat: Vec<i8> = self.deviations.iter().copied().collect();
        for (step, deviations) in self.steps.iter().zip(flat.chunks(self.count.max(1))) {
            let Ok(number) = u32::try_from(unix_step.saturating_sub(step_of(now).saturating_sub(step.at))) else { continue };
            bytes.extend(number.to_le_bytes());
            bytes.extend(step.median_mv.to_le_bytes());
            bytes.extend(step.balanced.to_le_bytes());
            bytes.extend(deviations.iter().map(|code| code.cast_unsigned()));
        }
        let sum = check(&bytes);
        bytes.extend(sum.to_le_bytes());
        (!self.steps.is_empty()).then_some(Piece { at: 0, bytes })
    }

    /// The course in a file; an empty one if it is damaged, or the clock is not set.
    pub fn load(file: &[u8], now: Now) -> Self {
        Self::loaded(file, now).unwrap_or_default()
    }

    fn loaded(file: &[u8], now: Now) -> Option<Self> {
        let unix_step = i64::try_from(now.unix? / STEP_S).ok()?;
        let (content, sum) = file.split_last_chunk::<2>()?;
        let (head, steps) = content.split_at_checked(HEAD_BYTES)?;
        if check(content) != u16::from_le_bytes(*sum) || !head.starts_with(HEAD) {
            return None;
        }
        let count = usize::from(*head.last()?);
        let mut course = Self { count, ..Self::default() };
        for bytes in steps.chunks_exact(STEP_BYTES.checked_add(count)?).take(CELL_STEPS) {
            let (number, rest) = bytes.split_first_chunk::<4>()?;
            let (median, rest) = rest.split_first_chunk::<2>()?;
            let (balanced, deviations) = rest.split_first_chunk::<4>()?;
            let ago = unix_step.saturating_sub(i64::from(u32::from_le_bytes(*number)));
            // Of the future, or too old.
            if !(0..=CELL_STEPS as i64).contains(&ago) {
                continue;
            }
            let at = step_of(now).saturating_sub(ago);
            let step = Step { at, median_mv: u16::from_le_bytes(*median), balanced: u32::from_le_bytes(*balanced) };
            course.push(step, deviations.iter().map(|byte| byte.cast_signed()));
        }
        Some(course)
    }
}

/// Number of the present step on the monotonic clock.
fn step_of(now: Now) -> i64 {
    i64::try_from(now.at.since_origin().as_secs() / STEP_S).unwrap_or(i64::MAX)
}

/// The deviation of a cell over a step.
fn deviation(&(sum, largest, known): &(f64, f64, u32)) -> i8 {
    if known == 0 {
        return UNKNOWN;
    }
    let mean = sum / f64::from(known);
    packed(if largest.abs() > mean.abs() + SHORT_MV { largest } else { mean })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_exact_where_it_matters() {
        for mv in [-63.0, -17.0, -1.0, 0.0, 1.0, 42.0, 63.0] {
            assert_eq!(unpacked(packed(mv)).map(f64::abs), Some(f64::abs(mv)), "{mv}");
            assert!(unpacked(packed(mv)).unwrap() * mv >= 0.0);
        }
        for mv in [-500.0, 150.0, 300.0] {
            assert!((unpacked(packed(mv)).unwrap() - mv).abs() <= 4.0, "{mv}");
        }
        assert_eq!(unpacked(packed(5000.0)), Some(575.0));
        assert_eq!(unpacked(UNKNOWN), None);
    }
}
