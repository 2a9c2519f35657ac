//! Detects a frozen BMS: while current flows, the values cannot stay identical for long.

use crate::base::units::{AmpHours, Amps, Moment, Percent, Volts};
use crate::battery::charge::FALLBACK_CAPACITY_AH;
use crate::model::Reading;
use std::time::Duration;

/// Time of the last change of a battery's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeTimer(Moment);

impl ChangeTimer {
    /// For a battery that has just been detected.
    pub fn new(now: Moment) -> Self {
        Self(now)
    }

    /// Records a change.
    pub fn moved(&mut self, now: Moment) {
        self.0 = now;
    }

    /// Nothing has changed for this time.
    pub fn is_frozen(self, limit: Duration, now: Moment) -> bool {
        now.since(self.0) >= limit
    }
}

/// A BMS may repeat identical values under load for this time. At 0.1 C a third of a percent of the capacity flows meanwhile, and
/// no ADC is free of noise for that long.
const FROZEN_AFTER: Duration = Duration::from_secs(120);
/// One that tells no cells, so nothing in millivolts, may do so until this part of its capacity has flowed: noise is below a step of
/// 0.05 or 0.1 V, but the SoC, in steps of 0.5 or 1 %, must have moved by then. At the least load that counts that takes nine minutes;
/// from 0.45 C on, two minutes are longer.
const COARSE_CHARGE: f64 = 0.015;
/// Changes during a longer gap between readings are unknown.
const MAX_READING_GAP: Duration = Duration::from_secs(30);
/// Load at which values must change, as a fraction of the capacity per hour.
const MIN_LOAD_C: f64 = 0.1;

/// The measured values of one BMS, as reported.
#[derive(Debug, Clone, PartialEq, Default)]
struct MeasuredValues {
    voltage: Option<Volts>,
    current: Option<Amps>,
    soc: Option<Percent>,
    remaining: Option<AmpHours>,
    cells: Vec<Volts>,
    extremes: [Option<Volts>; 2],
}

impl MeasuredValues {
    fn of(reading: &Reading) -> Self {
        let Reading { voltage, current, soc, remaining, cells, highest_cell, lowest_cell, .. } = reading;
        Self {
            voltage: *voltage,
            // One whose direction is still open flows, too.
            current: current.or_else(|| reading.undirected_current()),
            soc: *soc,
            remaining: *remaining,
            cells: cells.clone(),
            extremes: [*highest_cell, *lowest_cell],
        }
    }
}

/// Nothing that is measured comes in millivolts, but a state of charge that current moves.
fn is_coarse(reading: &Reading) -> bool {
    let has_cells = !reading.cells.is_empty() || reading.highest_cell.is_some() || reading.lowest_cell.is_some();
    let charges = reading.current.map(|current| current.get() > 0.0);
    let moves = reading.soc.is_some_and(|soc| match soc.get() {
        full if full >= 100.0 => charges == Some(false),
        empty if empty <= 0.0 => charges == Some(true),
        _ => true,
    });
    reading.without_cells && !has_cells && moves
}

/// Time in which [`COARSE_CHARGE`] flows at this load, as a fraction of the capacity per hour.
fn coarse_limit(load: f64) -> Duration {
    Duration::try_from_secs_f64(COARSE_CHARGE / load * 3600.0).unwrap_or(FROZEN_AFTER).max(FROZEN_AFTER)
}

/// Detects a BMS that repeats the same reading although current flows.
#[derive(Debug, Clone, Default)]
pub struct FrozenBms {
    /// The last values, since when they are unchanged, and when they were last reported.
    last: Option<(MeasuredValues, ChangeTimer, Moment)>,
    frozen: bool,
}

impl FrozenBms {
    /// Adds a reading as the BMS sent it; true once it has been identical under load for too long, up to the first one that differs: where a reading takes several requests, that one may have values from before and after the end.
    pub fn is_frozen(&mut self, reading: &Reading, capacity: Option<AmpHours>, now: Moment) -> bool {
        let values = MeasuredValues::of(reading);
        let load = values.current.map_or(0.0, |current| current.get().abs() / capacity.map_or(FALLBACK_CAPACITY_AH, AmpHours::get));
        let under_load = load >= MIN_LOAD_C;
        let limit = if is_coarse(reading) && under_load { coarse_limit(load) } else { FROZEN_AFTER };
        match &mut self.last {
            Some((last, change_timer, at)) if *last == values && now.since(*at) <= MAX_READING_GAP => {
                *at = now;
                self.frozen = under_load && change_timer.is_frozen(limit, now);
                self.frozen
            }
            _ => {
                self.last = Some((values, ChangeTimer::new(now), now));
                std::mem::take(&mut self.frozen)
            }
        }
    }
}
