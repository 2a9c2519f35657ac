//! The last seconds: what a restart may lose.

use super::deviation::Polarisation;
use super::resistance::SlowPart;
use crate::base::units::Volts;

/// Readings that are looked at for steps.
pub(super) const RING: usize = 8;
/// The current changes, A.
const CHANGE: f64 = 0.9;
/// Changes closer than this are one ramp, s.
const RAMP: f64 = 3.5;
/// So long without a change voltages count as still, s.
const STILL: f64 = 60.0;

/// The last readings.
#[derive(Debug, Clone, Default)]
pub(super) struct Moment {
    pub(super) filled: usize,
    /// Currents, A, the newest last.
    pub(super) currents: [f32; RING],
    /// Time since the last change of the current, and how long it was still before that, s.
    since_change: f64,
    pub(super) still_before: f64,
    /// The filters have a value.
    pub(super) is_filtered: bool,
    /// Time since the deviations were sampled, s.
    pub(super) since_sample: f64,
    /// Count at the last still moment, Ah.
    pub(super) seen_at: Option<f64>,
    pub(super) slow_part: Option<SlowPart>,
    pub(super) cells: Vec<CellMoment>,
}

/// The last readings of a cell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CellMoment {
    /// 0.1 mV, the newest last.
    voltages: [u16; RING],
    /// Filtered, V.
    pub(super) smooth: f32,
    /// Open voltage at the last still moment, V.
    pub(super) seen: f32,
    /// Voltage right after the last step, V.
    pub(super) after_step: f32,
}

impl CellMoment {
    /// Voltage of a reading, V.
    pub(super) fn voltage(&self, index: usize) -> f64 {
        self.voltages.get(index).map_or(0.0, |voltage| f64::from(*voltage) / 10_000.0)
    }

    /// Mean voltage of `count` readings, V.
    pub(super) fn mean(&self, first: usize, count: usize) -> f64 {
        let sum: u32 = self.voltages.iter().skip(first).take(count).map(|voltage| u32::from(*voltage)).sum();
        f64::from(sum) / 10_000.0 / count as f64
    }
}

impl Moment {
    /// The newest current, A.
    pub(super) fn current(&self) -> f64 {
        self.currents.last().map_or(0.0, |current| f64::from(*current))
    }

    /// Starts anew: after a gap the last readings say nothing about this one.
    pub(super) fn restart(&mut self, count: usize) {
        let cells = std::mem::take(&mut self.cells);
        *self = Self { cells, ..Self::default() };
        self.cells.resize(count, CellMoment::default());
    }

    /// Adds a reading `dt` seconds after the last one.
    pub(super) fn push(&mut self, dt: f64, current: f64, voltages: &[Volts]) {
        self.since_change += dt;
        self.since_sample += dt;
        if self.filled > 0 && (current - self.current()).abs() > CHANGE {
            if self.since_change > RAMP {
                self.still_before = self.since_change;
            }
            self.since_change = 0.0;
        }
        self.currents.rotate_left(1);
        if let Some(newest) = self.currents.last_mut() {
            *newest = current as f32;
        }
        for (cell, voltage) in self.cells.iter_mut().zip(voltages) {
            cell.voltages.rotate_left(1);
            if let Some(newest) = cell.voltages.last_mut() {
                *newest = (voltage.get() * 10_000.0).round() as u16;
            }
        }
        self.filled = (self.filled + 1).min(RING);
    }

    /// Moves the filters by a share of the way to this reading.
    pub(super) fn filter(&mut self, voltages: &[Volts], share: f64) {
        let share = if self.is_filtered { share } else { 1.0 };
        for (cell, voltage) in self.cells.iter_mut().zip(voltages) {
            cell.smooth = (f64::from(cell.smooth) + (voltage.get() - f64::from(cell.smooth)) * share) as f32;
        }
    }

    /// Nothing changed for a while: polarisation is compensated well.
    pub(super) fn is_still(&self, current: f64, polarisation: &Polarisation) -> bool {
        let minute = f64::from(polarisation.minute);
        self.since_change >= STILL && (current - minute).abs() <= 2.0 + 0.1 * minute.abs()
    }
}
