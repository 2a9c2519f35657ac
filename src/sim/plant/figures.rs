//! Results of a simulated day: the trace of each second, and summary figures.

use crate::base::units::round;
use serde::Serialize;

/// One second of a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Seconds since midnight.
    pub t: f64,
    /// Terminal voltage, V.
    pub voltage_v: f64,
    /// Current into the battery, A.
    pub current_a: f64,
    /// Actual highest cell, V.
    pub max_cell_v: f64,
    /// Actual lowest cell, V.
    pub min_cell_v: f64,
    /// Actual mean state of charge of the cells, %.
    pub soc_pct: f64,
    /// State of charge reported by the BMS, %.
    pub shown_soc_pct: f64,
    /// Temperature of the cells, °C.
    pub temperature_c: f64,
    /// Available current of the modules, A.
    pub sun_a: f64,
    /// Current drawn by the inverter, A.
    pub load_a: f64,
    /// Charge voltage limit, V.
    pub cvl_v: f64,
    /// Charge current limit, A.
    pub ccl_a: f64,
    /// Discharge current limit, A.
    pub dcl_a: f64,
    /// Time until full as shown, s; `None`: not shown.
    pub time_to_full_s: Option<u64>,
    /// Phase of charging.
    pub mode: &'static str,
    /// Rule that sets the charge voltage limit.
    pub cvl_why: &'static str,
    /// Rule that sets the charge current limit.
    pub ccl_why: &'static str,
    /// Rule that sets the discharge current limit.
    pub dcl_why: &'static str,
}

/// Summary of a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Highest voltage of any cell, V.
    pub highest_cell_v: f64,
    /// Lowest voltage of any cell, V.
    pub lowest_cell_v: f64,
    /// Number of trips of BMS protections.
    pub trips: u32,
    /// Charged, Ah.
    pub charged_ah: f64,
    /// Discharged, Ah.
    pub discharged_ah: f64,
    /// Turns of the charge current limit after a change of more than 5 A.
    pub ccl_reversals: u32,
    /// Turns of the current after a change of more than 5 A; sun and loads cause some.
    pub current_reversals: u32,
    /// Hours from the start until the cells are at 98 % on average.
    pub full_after_h: Option<f64>,
    /// Mean state of charge of the cells at the end, %.
    pub end_soc_pct: f64,
    /// Hours in each charging phase.
    pub hours_in: Vec<(&'static str, f64)>,
}

/// Charge at which a battery counts as full, %.
const FULL_PCT: f64 = 98.0;
/// Minimum change between two counted turns, A.
const REVERSAL_AMPS: f64 = 5.0;

/// Collects figures while a day runs.
#[derive(Debug)]
pub(super) struct FiguresBuilder {
    figures: Figures,
    ccl: ReversalCounter,
    current: ReversalCounter,
    tripped: bool,
}

impl FiguresBuilder {
    pub(super) fn new() -> Self {
        let figures = Figures {
            highest_cell_v: 0.0,
            lowest_cell_v: f64::INFINITY,
            trips: 0,
            charged_ah: 0.0,
            discharged_ah: 0.0,
            ccl_reversals: 0,
            current_reversals: 0,
            full_after_h: None,
            end_soc_pct: 0.0,
            hours_in: Vec::new(),
        };
        Self { figures, ccl: ReversalCounter::default(), current: ReversalCounter::default(), tripped: false }
    }

    /// Adds `dt` seconds with this current and these cell voltages.
    pub(super) fn flow(&mut self, current_a: f64, cells_v: &[f64], dt: f64) {
        let figures = &mut self.figures;
        figures.charged_ah += current_a.max(0.0) * dt / 3600.0;
        figures.discharged_ah += (-current_a).max(0.0) * dt / 3600.0;
        figures.highest_cell_v = cells_v.iter().copied().fold(figures.highest_cell_v, f64::max);
        figures.lowest_cell_v = cells_v.iter().copied().fold(figures.lowest_cell_v, f64::min);
    }

    /// Adds a second that ends `elapsed_s` after the start, and whether a protection has tripped.
    pub(super) fn second(&mut self, elapsed_s: f64, sample: &Sample, tripped: bool) {
        let figures = &mut self.figures;
        self.ccl.observe(sample.ccl_a);
        self.current.observe(sample.current_a);
        figures.trips += u32::from(tripped && !self.tripped);
        self.tripped = tripped;
        figures.end_soc_pct = sample.soc_pct;
        if figures.full_after_h.is_none() && sample.soc_pct >= FULL_PCT {
            figures.full_after_h = Some(elapsed_s / 3600.0);
        }
        let hour = 1.0 / 3600.0;
        match figures.hours_in.iter_mut().find(|(mode, _)| *mode == sample.mode) {
            Some((_, hours)) => *hours += hour,
            None => figures.hours_in.push((sample.mode, hour)),
        }
    }

    /// The figures, rounded to their significant digits.
    pub(super) fn figures(self) -> Figures {
        let all = self.figures;
        Figures {
            highest_cell_v: round(all.highest_cell_v, 4),
            lowest_cell_v: round(all.lowest_cell_v, 4),
            charged_ah: round(all.charged_ah, 2),
            discharged_ah: round(all.discharged_ah, 2),
            ccl_reversals: self.ccl.count,
            current_reversals: self.current.count,
            full_after_h: all.full_after_h.map(|hours| round(hours, 2)),
            end_soc_pct: round(all.end_soc_pct, 2),
            hours_in: all.hours_in.into_iter().map(|(mode, hours)| (mode, round(hours, 2))).collect(),
            ..all
        }
    }
}

/// Counts turns of a value: changes of direction after a change of more than 5 A.
#[derive(Debug, Default)]
struct ReversalCounter {
    extreme: Option<f64>,
    /// Direction of the last counted change.
    rising: Option<bool>,
    count: u32,
}

impl ReversalCounter {
    fn observe(&mut self, value: f64) {
        let Some(extreme) = self.extreme else {
            self.extreme = Some(value);
            return;
        };
        let moved = value - extreme;
        let onward = self.rising.is_some_and(|rising| (moved > 0.0) == rising);
        if onward {
            self.extreme = Some(value);
        } else if moved.abs() > REVERSAL_AMPS {
            self.count += u32::from(self.rising.is_some());
            (self.extreme, self.rising) = (Some(value), Some(moved > 0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(values: &[f64]) -> u32 {
        let mut turns = ReversalCounter::default();
        values.iter().for_each(|value| turns.observe(*value));
        turns.count
    }

    #[test]
    fn only_movements_of_more_than_five_amps_turn() {
        assert_eq!(turns(&[50.0, 40.0, 30.0, 20.0]), 0, "one way");
        assert_eq!(turns(&[50.0, 20.0, 24.0, 20.0, 10.0]), 0, "a small bump");
        assert_eq!(turns(&[50.0, 20.0, 30.0, 20.0, 30.0]), 3);
        assert_eq!(turns(&[0.0, 4.0, 8.0, 4.0, 2.5]), 1, "slow movements add up");
    }
}
