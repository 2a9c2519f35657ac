//! A bin: the values of a time span, in integers of fixed size.

use crate::output::api::View;
use std::time::Duration;

/// The values at one time; `None` = unknown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// State of charge, %.
    pub soc: Option<f64>,
    /// Pack voltage, V.
    pub voltage: Option<f64>,
    /// Power, W; positive charges.
    pub power: Option<f64>,
    /// Lowest cell, V.
    pub cell_min: Option<f64>,
    /// Highest cell, V.
    pub cell_max: Option<f64>,
    /// Charge voltage limit, V.
    pub cvl: Option<f64>,
    /// Charge current limit, A.
    pub ccl: Option<f64>,
    /// Discharge current limit, A.
    pub dcl: Option<f64>,
    /// Coldest sensor, °C.
    pub temperature_min: Option<f64>,
    /// Hottest sensor, °C.
    pub temperature_max: Option<f64>,
}

impl From<&View> for Sample {
    fn from(view: &View) -> Self {
        Self {
            soc: view.pack.soc_pct,
            voltage: view.pack.voltage_v,
            power: view.pack.voltage_v.zip(view.pack.current_a).map(|(volts, amps)| volts * amps),
            cell_min: view.cells.cell_min_v,
            cell_max: view.cells.cell_max_v,
            cvl: view.limits.cvl_v,
            ccl: view.limits.ccl_a,
            dcl: view.limits.dcl_a,
            temperature_min: view.temperatures.temperature_min_c,
            temperature_max: view.temperatures.temperature_max_c,
        }
    }
}

/// Marks an unknown number.
const UNKNOWN: u16 = u16::MAX;
const UNKNOWN_I: i16 = i16::MIN;

/// The values of a time span. All fields are as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// State of charge at the end, 0.01 %.
    pub(super) soc: u16,
    /// Mean voltage, 0.01 V.
    pub(super) voltage: u16,
    /// Lowest cell, mV.
    pub(super) cell_min: u16,
    /// Highest cell, mV.
    pub(super) cell_max: u16,
    /// Largest difference of two cells at one time, mV.
    pub(super) delta: u16,
    /// Charge voltage limit at the end, 0.01 V.
    pub(super) cvl: u16,
    /// Lowest charge current limit, 0.1 A.
    pub(super) ccl: u16,
    /// Lowest discharge current limit, 0.1 A.
    pub(super) dcl: u16,
    /// Coldest sensor, 0.1 °C.
    pub(super) temperature_min: i16,
    /// Hottest sensor, 0.1 °C.
    pub(super) temperature_max: i16,
    /// Energy charged, 0.01 Wh.
    pub(super) charged: u32,
    /// Energy discharged, 0.01 Wh.
    pub(super) discharged: u32,
    /// Time for which the power was known, s.
    pub(super) covered: u16,
}

impl Default for Bin {
    fn default() -> Self {
        Self {
            soc: UNKNOWN,
            voltage: UNKNOWN,
            cell_min: UNKNOWN,
            cell_max: UNKNOWN,
            delta: UNKNOWN,
            cvl: UNKNOWN,
            ccl: UNKNOWN,
            dcl: UNKNOWN,
            temperature_min: UNKNOWN_I,
            temperature_max: UNKNOWN_I,
            charged: 0,
            discharged: 0,
            covered: 0,
        }
    }
}

/// A number in steps of `1 / scale`, clamped to its range.
fn whole(value: Option<f64>, scale: f64) -> u16 {
    match value {
        Some(value) if value.is_finite() => (value * scale).round().max(0.0).min(f64::from(UNKNOWN - 1)) as u16,
        _ => UNKNOWN,
    }
}

fn signed(value: Option<f64>) -> i16 {
    match value {
        Some(value) if value.is_finite() => (value * 10.0).round().max(f64::from(UNKNOWN_I + 1)).min(f64::from(i16::MAX)) as i16,
        _ => UNKNOWN_I,
    }
}

/// The known value, or the result of `better` for two.
fn join<T: PartialEq + Copy>(a: T, b: T, unknown: T, better: fn(T, T) -> T) -> T {
    if a == unknown {
        b
    } else if b == unknown {
        a
    } else {
        better(a, b)
    }
}

impl Bin {
    /// A bin of one sample, without energy.
    pub fn of(sample: &Sample) -> Self {
        Self {
            soc: whole(sample.soc, 100.0),
            voltage: whole(sample.voltage, 100.0),
            cell_min: whole(sample.cell_min, 1000.0),
            cell_max: whole(sample.cell_max, 1000.0),
            delta: whole(sample.cell_max.zip(sample.cell_min).map(|(max, min)| max - min), 1000.0),
            cvl: whole(sample.cvl, 100.0),
            ccl: whole(sample.ccl, 10.0),
            dcl: whole(sample.dcl, 10.0),
            temperature_min: signed(sample.temperature_min),
            temperature_max: signed(sample.temperature_max),
            charged: 0,
            discharged: 0,
            covered: 0,
        }
    }

    /// Merges a later bin.
    pub fn join(&mut self, later: &Self) {
        let last = |_, later| later;
        // Weighted by the time of each.
        let (mine, theirs) = (u64::from(self.covered), u64::from(later.covered));
        let all = mine.saturating_add(theirs).max(1);
        let mean =
            u64::from(self.voltage).saturating_mul(mine).saturating_add(u64::from(later.voltage).saturating_mul(theirs)) / all;
        *self = Self {
            voltage: if self.voltage == UNKNOWN || mine == 0 && later.voltage != UNKNOWN {
                later.voltage
            } else if later.voltage == UNKNOWN || theirs == 0 {
                self.voltage
            } else {
                u16::try_from(mean).unwrap_or(UNKNOWN)
            },
            soc: join(self.soc, later.soc, UNKNOWN, last),
            cell_min: join(self.cell_min, later.cell_min, UNKNOWN, u16::min),
            cell_max: join(self.cell_max, later.cell_max, UNKNOWN, u16::max),
            delta: join(self.delta, later.delta, UNKNOWN, u16::max),
            cvl: join(self.cvl, later.cvl, UNKNOWN, last),
            ccl: join(self.ccl, later.ccl, UNKNOWN, u16::min),
            dcl: join(self.dcl, later.dcl, UNKNOWN, u16::min),
            temperature_min: join(self.temperature_min, later.temperature_min, UNKNOWN_I, i16::min),
            temperature_max: join(self.temperature_max, later.temperature_max, UNKNOWN_I, i16::max),
            charged: self.charged.saturating_add(later.charged),
            discharged: self.discharged.saturating_add(later.discharged),
            covered: self.covered.saturating_add(later.covered),
        };
    }

    /// No value is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Energy charged and discharged, Wh.
    pub fn energy(&self) -> (f64, f64) {
        (f64::from(self.charged) / 100.0, f64::from(self.discharged) / 100.0)
    }

    /// Mean power while it was known, W.
    pub fn power(&self) -> Option<f64> {
        let (charged, discharged) = self.energy();
        (self.covered > 0).then(|| (charged - discharged) * 3600.0 / f64::from(self.covered))
    }
}

/// Accumulates energy without losing fractions of a bin's step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Energy {
    charged_wh: f64,
    discharged_wh: f64,
    seconds: f64,
}

impl Energy {
    /// `power` flowed for `time`.
    pub(super) fn add(&mut self, power: f64, time: Duration) {
        let wh = power * time.as_secs_f64() / 3600.0;
        self.charged_wh += wh.max(0.0);
        self.discharged_wh -= wh.min(0.0);
        self.seconds += time.as_secs_f64();
    }

    /// Moves whole steps into `bin`; the rest stays for the next.
    pub(super) fn pour(&mut self, bin: &mut Bin) {
        fn take(amount: &mut f64, scale: f64) -> f64 {
            let whole = (*amount * scale).floor().max(0.0);
            *amount -= whole / scale;
            whole
        }
        bin.charged = bin.charged.saturating_add(take(&mut self.charged_wh, 100.0) as u32);
        bin.discharged = bin.discharged.saturating_add(take(&mut self.discharged_wh, 100.0) as u32);
        bin.covered = bin.covered.saturating_add(take(&mut self.seconds, 1.0).min(60_000.0) as u16);
    }
}

/// Decodes a stored number.
pub(super) fn known(value: u16, scale: f64) -> Option<f64> {
    (value != UNKNOWN).then(|| f64::from(value) / scale)
}

/// Decodes a stored temperature.
pub(super) fn known_signed(value: i16) -> Option<f64> {
    (value != UNKNOWN_I).then(|| f64::from(value) / 10.0)
}

impl Bin {
    /// Adds the energy of another bin and its time; nothing else.
    pub(super) fn add_energy(&mut self, other: &Self) {
        self.charged = self.charged.saturating_add(other.charged);
        self.discharged = self.discharged.saturating_add(other.discharged);
        self.covered = self.covered.saturating_add(other.covered);
    }

    /// The bin without the energy of `part` and its time; `None` if no time is left.
    pub(super) fn without(&self, part: Option<&Self>) -> Option<Self> {
        let Some(part) = part else { return Some(*self) };
        let covered = self.covered.saturating_sub(part.covered);
        let (charged, discharged) = (self.charged.saturating_sub(part.charged), self.discharged.saturating_sub(part.discharged));
        (covered > 0).then_some(Self { charged, discharged, covered, ..*self })
    }

    /// The share of one of `parts` equal pieces of its time.
    pub(super) fn part(&self, parts: u64) -> Self {
        let share = |whole: u32| u32::try_from(u64::from(whole).checked_div(parts).unwrap_or(0)).unwrap_or(u32::MAX);
        let covered = u16::try_from(share(u32::from(self.covered))).unwrap_or(u16::MAX);
        Self { charged: share(self.charged), discharged: share(self.discharged), covered, ..*self }
    }
}
