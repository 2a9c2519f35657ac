//! The coulomb counter.

use super::{End, Input, Memory, Outcome};
use crate::model::Reading;
use crate::units::{AmpHours, Amps, Moment, Percent};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Readings in a row that must agree on the BMS's SoC before it is counted from, and how near they must be, %.
const AGREEING: u32 = 3;
const NEAR: f64 = 2.0;
/// More than this, %, must not have gone uncounted in a gap.
const MISSED: f64 = 5.0;
/// Capacities that can be counted in, Ah; what is near 0 or infinity would make the count no number.
const CAPACITIES: RangeInclusive<f64> = 0.1..=1e6;
/// Left an end by so much, %, reaching it again is a new synchronisation.
const LEFT: f64 = 2.0;

/// What the estimate of the error assumes: of a start from the BMS and at an end, %; of a sensor, in parts of what it counts and
/// in parts of the capacity per hour; of a gap that the BMS tells nothing about, in parts of the capacity per hour.
const START_ERROR: f64 = 5.0;
const END_ERROR: f64 = 1.0;
const GAIN_ERROR: f64 = 0.01;
const OFFSET_ERROR_C: f64 = 0.0002;
const GAP_ERROR_C: f64 = 0.1;

/// The BMS's SoC, and how many readings in a row agree on it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Steady {
    value: f64,
    readings: u32,
}

impl Steady {
    fn see(&mut self, soc: Option<Percent>) {
        self.readings = match soc {
            Some(soc) if (soc.get() - self.value).abs() <= NEAR => self.readings.saturating_add(1),
            Some(_) => 1,
            None => 0,
        };
        self.value = soc.map_or(self.value, Percent::get);
    }
    fn get(&self) -> Option<f64> {
        (self.readings >= AGREEING).then_some(self.value)
    }
}

/// A gap whose extent the BMS's SoC has yet to tell.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Gap {
    bms_before: f64,
    drift_before: f64,
}

/// The charge in the battery by our own count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count {
    charge_ah: f64,
    capacity_ah: f64,
    drift_pct: f64,
    /// What the BMS said beside the count; after a gap it tells whether much was missed.
    #[serde(default)]
    bms_pct: Option<f64>,
    /// The end that the count was set to and has not left.
    #[serde(default)]
    at_end: Option<End>,
    /// The current of the reading before.
    #[serde(skip)]
    last: Option<(f64, Moment)>,
    #[serde(skip)]
    gap: Option<Gap>,
}

/// One reading further: the counted SoC, once there is a count.
pub(super) fn step(input: &Input<'_>, end: Option<End>, memory: &mut Memory, outcome: &mut Outcome) -> Option<f64> {
    let capacity = input.capacity.map(AmpHours::get).filter(|capacity| CAPACITIES.contains(capacity));
    let counts = |at: Option<(f64, Moment)>| at.is_some_and(|(_, at)| input.now.since(at) <= input.longest);
    if memory.count.as_ref().is_some_and(|count| !counts(count.last)) {
        memory.bms = Steady::default();
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
    /// Capacity that the count refers to.
    pub fn capacity(&self) -> AmpHours {
        AmpHours::new(self.capacity_ah)
    }
    /// Estimated error of the SoC.
    pub fn drift(&self) -> Percent {
        Percent::new(self.drift_pct)
    }

    /// The numbers are those of a battery; a file may hold anything.
    pub(super) fn is_sound(&self) -> bool {
        CAPACITIES.contains(&self.capacity_ah)
            && (0.0..=self.capacity_ah).contains(&self.charge_ah)
            && (0.0..=100.0).contains(&self.drift_pct)
    }

    /// Another capacity, as the owner or the BMS has set it, leaves the SoC as it is.
    fn resize(&mut self, capacity: Option<f64>) {
        if let Some(capacity) = capacity {
            self.charge_ah *= capacity / self.capacity_ah;
            self.capacity_ah = capacity;
        }
    }

    /// Adds what flowed since the reading before: the mean of both currents over the time between.
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
        if self.at_end.is_some_and(|end| (self.soc() - end.soc()).abs() > LEFT) {
            self.at_end = None;
        }
    }

    fn drift_by(&mut self, percent: f64) {
        self.drift_pct = (self.drift_pct + percent).min(100.0);
    }

    /// Something flowed that nobody has counted, for so long; `None` over a restart.
    fn miss(&mut self, time: Option<Duration>) {
        self.gap = self.gap.or(self.bms_pct.map(|bms_before| Gap { bms_before, drift_before: self.drift_pct }));
        self.drift_by(time.map_or(START_ERROR, |time| time.as_secs_f64() / 3600.0 * GAP_ERROR_C * 100.0));
    }

    /// Holds the BMS's SoC against the count after a gap, and remembers it for the next one.
    fn compare(&mut self, bms: Option<f64>) -> Option<String> {
        let bms = bms?;
        let Some(gap) = self.gap.take() else {
            self.bms_pct = Some(bms);
            return None;
        };
        let moved = (bms - gap.bms_before).abs();
        if moved <= MISSED {
            self.drift_pct = gap.drift_before;
            self.drift_by(moved);
            self.bms_pct = Some(bms);
            return None;
        }
        let (before, last) = (self.soc(), self.last);
        *self = Self { last, bms_pct: Some(bms), ..Self::start(bms, self.capacity_ah) };
        Some(format!("{moved:.0} % went uncounted: the counted SoC was {before:.1} %, it starts again from the BMS's {bms:.1} %"))
    }

    /// Sets the count to an end; true when it was not there since it last left one.
    fn set_to(&mut self, end: End) -> bool {
        self.charge_ah = self.capacity_ah * end.soc() / 100.0;
        self.drift_pct = END_ERROR;
        self.gap = None;
        self.at_end.replace(end) != Some(end)
    }
}

/// The current to count, A: none flows through a FET that does not conduct, whatever the sensor says.
fn countable(reading: &Reading) -> Option<f64> {
    let current = reading.current.map(Amps::get).filter(|current| current.is_finite())?;
    let most = if reading.charge_fet == Some(false) { 0.0 } else { f64::INFINITY };
    let least = if reading.discharge_fet == Some(false) { 0.0 } else { f64::NEG_INFINITY };
    Some(current.clamp(least, most))
}
