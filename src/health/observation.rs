//! What the estimators take from a reading, and which readings they take.

use super::{MAX_CELLS, MIN_CELLS};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::{Balancing, Reading};

/// Values of one reading. What is unknown is `None`.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Time, s, of a clock that goes on over restarts.
    pub t: f64,
    /// Cell voltages, cell 1 first.
    pub cells: &'a [Volts],
    /// Current; positive charges.
    pub current: Option<Amps>,
    /// Temperatures of the battery's sensors.
    pub temperatures: &'a [Celsius],
    /// State of charge as the BMS counts it; with the capacity it stands in for a missing remaining charge.
    pub soc: Option<Percent>,
    /// Remaining charge as the BMS counts it; it bridges gaps.
    pub remaining: Option<AmpHours>,
    /// The balancer, see [`Balancer`].
    pub balancing: Balancer<'a>,
}

/// What the balancer does.
#[derive(Debug, Clone, Copy, Default)]
pub enum Balancer<'a> {
    /// Nothing, or the BMS does not tell its current or its cells: then nothing is counted.
    #[default]
    Unknown,
    /// Charge from one cell to another.
    Moves {
        /// Current, positive.
        current: Amps,
        /// Number of the cell that gives, from 1.
        from: u8,
        /// Number of the cell that takes, from 1.
        to: u8,
    },
    /// Charge of cells into heat.
    Burns {
        /// Current of each cell, positive.
        current: Amps,
        /// Numbers of the cells, from 1.
        cells: &'a [u8],
    },
}

impl<'a> Observation<'a> {
    /// The values of a reading at time `t` (s).
    pub fn of(t: f64, reading: &'a Reading) -> Self {
        Self {
            t,
            cells: &reading.cells,
            current: reading.current,
            temperatures: reading.temperatures.sensors.as_deref().unwrap_or_default(),
            soc: reading.soc,
            remaining: reading.remaining,
            balancing: Balancer::of(&reading.balancing, &reading.cells),
        }
    }

    /// The time is one that a clock can have.
    pub(super) fn has_time(&self) -> bool {
        self.t.is_finite() && self.t.abs() < 1e12
    }

    /// The values as numbers, if this is a reading of `count` sound cells with a current.
    pub(super) fn sample(&self, count: usize, nominal: f64) -> Option<Sample<'a>> {
        let current = self.current?.get();
        let sound = |cell: &Volts| (1.5..=4.6).contains(&cell.get());
        let usable = self.has_time()
            && (MIN_CELLS..=MAX_CELLS).contains(&count)
            && self.cells.len() == count
            && self.cells.iter().all(sound)
            && current.abs() <= 2000.0;
        usable.then(|| Sample {
            t: self.t,
            cells: self.cells,
            current,
            temperature: self.temperature(),
            remaining: self.remaining(nominal),
            balancing: self.balancing,
        })
    }

    /// Mean of the sensors that show what a battery can have.
    fn temperature(&self) -> Option<f64> {
        let sound = self.temperatures.iter().map(|sensor| sensor.get()).filter(|degrees| (-40.0..=90.0).contains(degrees));
        let (sum, count) = sound.fold((0.0, 0.0), |(sum, count), degrees| (sum + degrees, count + 1.0));
        (count > 0.0).then(|| sum / count)
    }

    fn remaining(&self, nominal: f64) -> Option<Remaining> {
        let reported = self.remaining.map(AmpHours::get).filter(|ah| (0.0..=1e5).contains(ah));
        let counted = self.soc.map(Percent::get).filter(|soc| (0.0..=100.0).contains(soc));
        let reported = reported.map(|ah| Remaining { ah, step: 0.0 });
        reported.or_else(|| counted.map(|soc| Remaining { ah: nominal * soc / 100.0, step: nominal / 100.0 }))
    }
}

impl<'a> Balancer<'a> {
    /// What a reading tells about the balancer: with a negative current each of the cells gives it away; with a positive one the
    /// higher of two cells gives it to the lower.
    pub fn of(balancing: &'a Balancing, voltages: &[Volts]) -> Self {
        let cells = balancing.cells.as_deref().filter(|_| balancing.active != Some(false)).unwrap_or_default();
        let voltage = |number: &u8| usize::from(*number).checked_sub(1).and_then(|index| voltages.get(index));
        match (balancing.current, cells) {
            (Some(current), cells) if current.get() < 0.0 => Self::Burns { current: -current, cells },
            (Some(current), [a, b]) if voltage(a) >= voltage(b) => Self::Moves { current, from: *a, to: *b },
            (Some(current), [a, b]) => Self::Moves { current, from: *b, to: *a },
            _ => Self::Unknown,
        }
    }
}

/// A reading that the estimators take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) t: f64,
    pub(super) cells: &'a [Volts],
    pub(super) current: f64,
    pub(super) temperature: Option<f64>,
    pub(super) remaining: Option<Remaining>,
    pub(super) balancing: Balancer<'a>,
}

/// The BMS's own count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remaining {
    /// Ah.
    pub(super) ah: f64,
    /// Its resolution, Ah; 0: fine.
    pub(super) step: f64,
}
