//! The coulomb counter.

use super::{End, Input, Memory, Outcome};
use crate::base::units::{AmpHours, Amps, Moment, Percent};
use crate::model::Reading;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Consecutive readings of the BMS's SoC that must agree before the count starts from it, and the tolerance, %.
const AGREEING_READINGS: u32 = 3;
const NEAR: f64 = 2.0;
/// If the SoC changed by more than this during a gap, %, the count restarts.
const MAX_UNCOUNTED_PCT: f64 = 5.0;
/// Capacities that can be used, Ah; near 0 or infinity the count would not be a number.
const CAPACITIES: RangeInclusive<f64> = 0.1..=1e6;
/// The SoC must move away from an end by this, %, before reaching it again counts as another synchronisation.
const END_LEFT_PCT: f64 = 2.0;

/// Assumptions of the error estimate: of a start from the BMS and at an end, %; of the sensor, as a fraction of the counted charge
/// and as a fraction of the capacity per hour; of a gap without information from the BMS, as a fraction of the capacity per hour.
const START_ERROR: f64 = 5.0;
const END_ERROR: f64 = 1.0;
const GAIN_ERROR: f64 = 0.01;
const OFFSET_ERROR_C: f64 = 0.0002;
const GAP_ERROR_C: f64 = 0.1;

/// The BMS's SoC, and the number of consecutive readings that agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct ConfirmedSoc {
    value: f64,
    readings: u32,
}

impl ConfirmedSoc {
    fn see(&mut self, soc: Option<Percent>) {
        self.readings = match soc {
            Some(soc) if (soc.get() - self.value).abs() <= NEAR => self.readings.saturating_add(1),
            Some(_) => 1,
            None => 0,
        };
        self.value = soc.map_or(self.value, Percent::get);
    }
    fn get(&self) -> Option<f64> {
        (self.readings >= AGREEING_READINGS).then_some(self.value)
    }
}

/// A gap whose missed charge is still to be determined from the BMS's SoC.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gap {
    bms_before: f64,
    drift_before: f64,
}

/// Counted charge of the battery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count {
    charge_ah: f64,
    capacity_ah: f64,
    drift_pct: f64,
    /// The BMS's SoC at the time of the count; after a gap it shows how much charge was missed.
    #[serde(default)]
    bms_pct: Option<f64>,
    /// The end that the count was set to and has not left.
    #[serde(default)]
    at_end: Option<End>,
    /// Current of the previous reading.
    #[serde(skip)]
    last: Option<(f64, Moment)>,
    #[serde(skip)]
    gap: Option<Gap>,
}

/// Processes one reading; returns the counted SoC once counting has started.
pub(super) fn step(input: &Input<'_>, end: Option<End>, memory: &mut Memory, outcome: &mut Outcome) -> Option<f64> {
    let capacity = input.capacity.map(AmpHours::get).filter(|capacity| CAPACITIES.contains(capacity));
    let counts = |at: Option<(f64, Moment)>| at.is_some_and(|(_, at)| input.now.since(at) <= input.longest);
    if memory.count.as_ref().is_some_and(|count| !counts(count.last)) {
        memory.bms = ConfirmedSoc::default();
    }
    memory.bms.see(input.reading.soc);
    let bms = memory.bms.get();
    if let Some(count) = &mut memory.count {
        count.resize(capacity);
        count.add(input);
        outcome.notices.extend(count.compare(bms));
    } else if let (Some(capacity), Some(soc)) = (capacity, end.map(End::soc).or(bms)) {
        let last = countable(input.reading).map(|current| (current, input.now));
        memory.count = Some(Count { last, bms_pct: bms, ..Count::start(soc, capacity) });
    }
    let count = memory.count.as_mut()?;
    if let Some(end) = end {
        let before = count.soc();
        outcome.synced = count.set_to(end);
        if outcome.synced {
            outcome.notices.push(format!("{}: the counted SoC was {before:.1} %, it is {} % now", end.text(), end.soc()));
        }
    }
    Some(count.soc())
}

impl Count {
    fn start(soc: f64, capacity_ah: f64) -> Self {
        let charge_ah = capacity_ah * soc / 100.0;
        Self { charge_ah, capacity_ah, drift_pct: START_ERROR, bms_pct: None, at_end: None, last: None, gap: None }
    }

    /// SoC, 0 to 100 %.
    pub fn soc(&self) -> f64 {
        (self.charge_ah / self.capacity_ah * 100.0).clamp(0.0, 100.0)
    }
    /// Capacity that the count is based on.
    pub fn capacity(&self) -> AmpHours {
        AmpHours::new(self.capacity_ah)
    }
    /// Estimated error of the SoC.
    pub fn drift(&self) -> Percent {
        Percent::new(self.drift_pct)
    }

    /// Whether the numbers are possible for a battery; a file may contain anything.
    pub(super) fn is_sound(&self) -> bool {
        CAPACITIES.contains(&self.capacity_ah)
            && (0.0..=self.capacity_ah).contains(&self.charge_ah)
            && (0.0..=100.0).contains(&self.drift_pct)
    }

    /// Changes the capacity, set by the owner or the BMS, without changing the SoC.
    fn resize(&mut self, capacity: Option<f64>) {
        if let Some(capacity) = capacity {
            self.charge_ah *= capacity / self.capacity_ah;
            self.capacity_ah = capacity;
        }
    }

    /// Adds the charge since the previous reading: the mean of both currents times the elapsed time.
    fn add(&mut self, input: &Input<'_>) {
        let Some(current) = countable(input.reading) else { return };
        let before = self.last.replace((current, input.now)).map(|(current, at)| (current, input.now.since(at)));
        match before {
            Some((before, elapsed)) if elapsed <= input.longest => {
                let hours = elapsed.as_secs_f64() / 3600.0;
                let flown = f64::midpoint(before, current) * hours;
                self.charge_ah = (self.charge_ah + flown).clamp(0.0, self.capacity_ah);
                self.drift_by((flown.abs() * GAIN_ERROR / self.capacity_ah + hours * OFFSET_ERROR_C) * 100.0);
            }
            missed => self.miss(missed.map(|(_, elapsed)| elapsed)),
        }
        if self.at_end.is_some_and(|end| (self.soc() - end.soc()).abs() > END_LEFT_PCT) {
            self.at_end = None;
        }
    }

    fn drift_by(&mut self, percent: f64) {
        self.drift_pct = (self.drift_pct + percent).min(100.0);
    }

    /// Records a gap of this length in the count; `None` for a restart.
    fn miss(&mut self, time: Option<Duration>) {
        self.gap = self.gap.or(self.bms_pct.map(|bms_before| Gap { bms_before, drift_before: self.drift_pct }));
        self.drift_by(time.map_or(START_ERROR, |time| time.as_secs_f64() / 3600.0 * GAP_ERROR_C * 100.0));
    }

    /// Compares the BMS's SoC with the count after a gap, and stores it for the next gap.
    fn compare(&mut self, bms: Option<f64>) -> Option<String> {
        let bms = bms?;
        let Some(gap) = self.gap.take() else {
            self.bms_pct = Some(bms);
            return None;
        };
        let moved = (bms - gap.bms_before).abs();
        if moved <= MAX_UNCOUNTED_PCT {
            self.drift_pct = gap.drift_before;
            self.drift_by(moved);
            self.bms_pct = Some(bms);
            return None;
        }
        let (before, last) = (self.soc(), self.last);
        *self = Self { last, bms_pct: Some(bms), ..Self::start(bms, self.capacity_ah) };
        Some(format!("{moved:.0} % went uncounted: the counted SoC was {before:.1} %, it starts again from the BMS's {bms:.1} %"))
    }

    /// Sets the count to an end; true if it has left an end since it was last set to this one.
    fn set_to(&mut self, end: End) -> bool {
        self.charge_ah = self.capacity_ah * end.soc() / 100.0;
        self.drift_pct = END_ERROR;
        self.gap = None;
        self.at_end.replace(end) != Some(end)
    }
}

/// The current to count, A: 0 through a FET that does not conduct, whatever the sensor reports.
fn countable(reading: &Reading) -> Option<f64> {
    let current = reading.current.map(Amps::get).filter(|current| current.is_finite())?;
    let most = if reading.fets.charge == Some(false) { 0.0 } else { f64::INFINITY };
    let least = if reading.fets.discharge == Some(false) { 0.0 } else { f64::NEG_INFINITY };
    Some(current.clamp(least, most))
}
