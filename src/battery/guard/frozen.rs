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

/// Detects a BMS that repeats the same reading although current flows.
#[derive(Debug, Clone, Default)]
pub struct FrozenBms {
    /// The last values, since when they are unchanged, and when they were last reported.
    last: Option<(MeasuredValues, ChangeTimer, Moment)>,
    frozen: bool,
}

impl FrozenBms {
    /// Adds a reading as the BMS sent it; true once it has been identical under load for two minutes, up to the first one that
    /// differs: where a reading takes several requests, that one may have values from before and after the end.
    pub fn is_frozen(&mut self, reading: &Reading, capacity: Option<AmpHours>, now: Moment) -> bool {
        let values = MeasuredValues::of(reading);
        let under_load = values
            .current
            .is_some_and(|current| current.get().abs() >= MIN_LOAD_C * capacity.map_or(FALLBACK_CAPACITY_AH, AmpHours::get));
        match &mut self.last {
            Some((last, change_timer, at)) if *last == values && now.since(*at) <= MAX_READING_GAP => {
                *at = now;
                self.frozen = under_load && change_timer.is_frozen(FROZEN_AFTER, now);
                self.frozen
            }
            _ => {
                self.last = Some((values, ChangeTimer::new(now), now));
                std::mem::take(&mut self.frozen)
            }
        }
    }
}
