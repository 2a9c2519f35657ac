//! Health of the cells from everyday readings: resistances, charge offsets, self-discharge, capacities, and findings.
//!
//! Pure: readings with their time go in, estimates and findings come out. Every reading costs a fixed number of steps per cell, the
//! memory is fixed (below 4 kB for 16 cells) and can be saved. Made for LFP cells; for others only the resistances become known.
//!
//! ```text
//! Observation ─▶ clock ─▶ count ───────────────┐
//!        │                balance (booked) ────┤
//!        ├─▶ moment ─▶ resistance (steps)      ├─▶ ends: top (offsets, anchor) ─▶ bottom (capacities)
//!        └─▶ deviation (open voltages) ────────┘   fit (does the curve fit?)
//!                     estimates ─▶ findings
//! ```
//!
//! `docs/health.md` tells the owner what the estimates mean, how good they are and what is never claimed.

mod balance;
mod cell;
mod clock;
mod count;
mod curve;
mod deviation;
mod ends;
mod estimates;
mod findings;
mod fit;
mod line;
mod moment;
mod observation;
mod resistance;
pub mod stream;

pub use observation::{Balancer, Observation};

use crate::base::units::AmpHours;
use crate::model::{CellHealth, Estimates, Finding};
use cell::Cell;
use clock::{Clock, DAY, Interval};
use count::Count;
use deviation::{Deviations, Polarisation};
use ends::bottom::{self, Bottom, Known};
use ends::top::Top;
use ends::{CurrentOffset, Look};
use findings::Watch;
use fit::Fit;
use line::median;
use moment::Moment;
use observation::Sample;
use resistance::Steps;
use serde::{Deserialize, Serialize};

/// Fewest cells of a battery.
pub const MIN_CELLS: usize = 4;
/// Most cells of a battery.
pub const MAX_CELLS: usize = 32;
/// What is forgotten exponentially is so this often, s.
const FORGET_EVERY: f64 = 600.0;
/// Deviations on the plateau are sampled this often, s.
const SAMPLE_EVERY: f64 = 10.0;
/// Forgetting, days: deviations, offsets, count at full, capacities.
const FORGET_DEVIATIONS: f64 = 7.0;
const FORGET_OFFSETS: f64 = 10.0;
const FORGET_COUNTS: f64 = 20.0;
const FORGET_CAPACITIES: f64 = 120.0;
/// Steps and days before the ends of the curve count.
const SETTLED_STEPS: f32 = 60.0;
const SETTLED_AFTER: f64 = 2.0 * DAY;
/// Temperature until one is known, °C.
const USUAL_TEMPERATURE: f64 = 25.0;

/// The estimators of one battery.
///
/// What is saved with serde is all but the last seconds: estimates and findings are the same afterwards, and the first reading
/// after loading is like that after a gap.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Health {
    /// Capacity as installed, Ah.
    nominal: f32,
    clock: Clock,
    forgotten: f64,
    temperature: Option<f32>,
    count: Count,
    polarisation: Polarisation,
    steps: Steps,
    deviations: Deviations,
    top: Top,
    bottom: Bottom,
    fit: Fit,
    watch: Watch,
    /// There was no reading since the last review.
    reviewed: bool,
    cells: Vec<Cell>,
    #[serde(skip)]
    moment: Moment,
}

impl Health {
    /// Estimators that know nothing yet, of a battery with so many cells and this capacity as installed.
    ///
    /// A number of cells outside [`MIN_CELLS`] to [`MAX_CELLS`] is the nearest in it; a capacity outside 1 to 10 000 Ah too.
    pub fn new(cells: usize, capacity: AmpHours) -> Self {
        let nominal = if capacity.get().is_finite() { capacity.get().clamp(1.0, 10_000.0) } else { 10_000.0 };
        Self {
            nominal: nominal as f32,
            clock: Clock::default(),
            forgotten: 0.0,
            temperature: None,
            count: Count::default(),
            polarisation: Polarisation::default(),
            steps: Steps::new(nominal),
            deviations: Deviations::default(),
            top: Top::default(),
            bottom: Bottom::default(),
            fit: Fit::default(),
            watch: Watch::default(),
            reviewed: true,
            cells: vec![Cell::default(); cells.clamp(MIN_CELLS, MAX_CELLS)],
            moment: Moment::default(),
        }
    }

    /// Number of cells.
    pub fn cell_count(&self) -> usize {
        self.cells.len()
    }

    /// Capacity as installed.
    pub fn capacity(&self) -> AmpHours {
        AmpHours::new(self.nominal())
    }

    /// Takes a reading. Those with another number of cells, without current or with impossible values are ignored.
    ///
    /// With the first reading of a day (of their time, UTC) the findings of the day before are reviewed.
    pub fn update(&mut self, observation: &Observation) {
        let nominal = self.nominal();
        let Some(sample) = observation.sample(self.cells.len(), nominal) else { return };
        if self.clock.is_started() && day_of(sample.t) != day_of(self.clock.last()) {
            self.review();
        }
        self.reviewed = false;
        let dt = match self.clock.advance(&sample) {
            Interval::Stale => return,
            Interval::First => self.start(&sample),
            Interval::Gap(dt) => self.bridge(dt, &sample),
            Interval::Regular(dt) if self.moment.filled == 0 => self.bridge(dt, &sample),
            Interval::Regular(dt) => {
                self.count.add(dt, sample.current + self.moment.current());
                dt
            }
        };
        self.count.remember(sample.remaining);
        if let Some(temperature) = sample.temperature {
            self.temperature = Some(temperature as f32);
        }
        self.forget();
        self.moment.push(dt, sample.current, sample.cells);
        balance::book(sample.balancing, dt, &mut self.cells);
        self.fit.flow(dt, sample.current, nominal);
        self.look_at_steps(dt);
        self.look_at_voltages(dt, &sample);
    }

    /// Reviews the findings of the day of the last reading; [`Health::update`] does so after each day. Without a reading since the
    /// last review it does nothing.
    pub fn review(&mut self) {
        if std::mem::replace(&mut self.reviewed, true) {
            return;
        }
        let estimates = self.estimates();
        let mut watch = std::mem::take(&mut self.watch);
        watch.review(&estimates, f64::from(self.nominal), [self.top.count, self.bottom.count], self.clock.days());
        self.watch = watch;
    }

    /// What is known now.
    pub fn estimates(&self) -> Estimates {
        estimates::estimates(self)
    }

    /// The findings of the last review, those found first leading.
    pub fn findings(&self) -> Vec<Finding> {
        self.watch.findings(&self.clock)
    }

    /// Both.
    pub fn report(&self) -> CellHealth {
        CellHealth { estimates: self.estimates(), findings: self.findings() }
    }

    fn nominal(&self) -> f64 {
        f64::from(self.nominal)
    }

    fn start(&mut self, sample: &Sample) -> f64 {
        self.polarisation = Polarisation::settled(sample.current);
        self.moment.restart(self.cells.len());
        0.0
    }

    /// Goes on after a gap; returns the time that counts for flows, s: none.
    fn bridge(&mut self, dt: f64, sample: &Sample) -> f64 {
        self.count.bridge(dt, sample.remaining, self.nominal());
        self.polarisation.step(sample.current, dt);
        self.moment.restart(self.cells.len());
        0.0
    }

    fn forget(&mut self) {
        let dt = self.clock.elapsed() - self.forgotten;
        if dt < FORGET_EVERY {
            return;
        }
        self.forgotten = self.clock.elapsed();
        let keep = |days: f64| (-dt / (days * DAY)).exp();
        let (offsets, capacities) = (keep(FORGET_OFFSETS), keep(FORGET_CAPACITIES) as f32);
        self.top.counts.forget(keep(FORGET_COUNTS));
        self.top.spreads.forget(offsets);
        for cell in &mut self.cells {
            cell.top.line.forget(offsets);
            cell.bottom.line.forget(offsets);
            cell.bottom.weight *= capacities;
            cell.bottom.weighted *= capacities;
        }
        self.deviations.solve(keep(FORGET_DEVIATIONS), &mut self.cells);
        self.steps.forget(dt, f64::from(self.nominal), &mut self.cells);
    }

    fn look_at_steps(&mut self, dt: f64) {
        let (days, temperature) = (self.clock.days(), self.temperature());
        self.steps.look_for_slow_part(dt, days, temperature, &mut self.moment, &mut self.cells);
        self.steps.look(days, self.clock.period(), temperature, &mut self.moment, &mut self.cells);
    }

    fn look_at_voltages(&mut self, dt: f64, sample: &Sample) {
        let share = if self.moment.is_filtered {
            self.polarisation.step(sample.current, dt)
        } else {
            self.polarisation.smoothed = sample.current as f32;
            1.0
        };
        self.moment.filter(sample.cells, share);
        let is_still = self.moment.is_still(sample.current, &self.polarisation);
        let is_due = self.moment.since_sample >= SAMPLE_EVERY;
        if self.moment.is_filtered && (is_still || is_due) {
            self.look_at_open_voltages(is_still, is_due);
        }
        self.moment.is_filtered = true;
    }

    fn look_at_open_voltages(&mut self, is_still: bool, is_due: bool) {
        let count = self.cells.len();
        let (mut smooth, mut open) = ([0.0; MAX_CELLS], [0.0; MAX_CELLS]);
        for (place, cell) in smooth.iter_mut().zip(&self.moment.cells) {
            *place = f64::from(cell.smooth);
        }
        let (Some(smooth), Some(open)) = (smooth.get(..count), open.get_mut(..count)) else { return };
        let temperature = self.temperature();
        deviation::open_voltages(&self.polarisation, temperature, &self.steps, &self.cells, smooth, open);
        if is_due {
            self.moment.since_sample = 0.0;
            self.deviations.learn(&self.polarisation, temperature, smooth, open, &mut self.cells);
            self.look_at_fit(open);
        }
        if is_still {
            self.look_at_ends(open);
        }
    }

    fn look_at_fit(&mut self, open: &[f64]) {
        let (Some(anchor), Some(open), true) = (self.top.anchor, median(open.iter().copied()), self.is_settled()) else { return };
        let drop = deviation::usual_drop(&self.polarisation, self.temperature(), &self.steps);
        let capacity = bottom::usual_capacity(&self.cells).unwrap_or_else(|| self.nominal());
        self.fit.look(open, drop, (anchor.charge - self.count.charge) / capacity);
    }

    fn look_at_ends(&mut self, open: &[f64]) {
        let mut last_open = [0.0; MAX_CELLS];
        for (place, cell) in last_open.iter_mut().zip(&self.moment.cells) {
            *place = f64::from(cell.seen);
        }
        let look = Look {
            elapsed: self.clock.elapsed(),
            current: f64::from(self.polarisation.smoothed),
            charge: self.count.charge,
            doubt: f64::from(self.count.doubt),
            last_charge: self.moment.seen_at,
            open,
            last_open: &last_open,
            nominal: self.nominal(),
            is_settled: self.is_settled(),
        };
        self.top.look(&look, &mut self.cells);
        let known = Known { top: &self.top, steps: &self.steps, temperature: self.temperature() };
        self.bottom.look(&look, &known, &mut self.cells);
        self.moment.seen_at = Some(self.count.charge);
        for (cell, open) in self.moment.cells.iter_mut().zip(open) {
            cell.seen = *open as f32;
        }
    }

    /// Resistances and deviations are known well enough for the ends of the curve.
    fn is_settled(&self) -> bool {
        self.steps.count >= SETTLED_STEPS && self.clock.elapsed() > SETTLED_AFTER
    }

    fn temperature(&self) -> f64 {
        self.temperature.map_or(USUAL_TEMPERATURE, f64::from)
    }

    /// What the count gains from full to full.
    fn current_offset(&self) -> CurrentOffset {
        CurrentOffset::of(&self.top.counts)
    }
}

/// Number of the day that a time (s) lies in.
fn day_of(t: f64) -> i64 {
    (t / DAY).floor() as i64
}

#[cfg(test)]
mod tests {
    use super::cell::Cell;
    use super::moment::CellMoment;
    use super::{Balancer, Health, MAX_CELLS, Observation};
    use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
    use proptest::prelude::*;

    /// A reading, owned.
    #[derive(Debug, Clone)]
    struct Step {
        pause: f64,
        cells: Vec<Volts>,
        current: Option<Amps>,
        temperatures: Vec<Celsius>,
        soc: Option<Percent>,
        remaining: Option<AmpHours>,
        balancer: (u8, f64, Vec<u8>),
    }

    impl Step {
        fn give(&self, t: &mut f64, health: &mut Health) {
            *t += self.pause;
            let (kind, current, cells) = &self.balancer;
            let current = Amps::new(*current);
            let balancing = match (kind % 3, cells.as_slice()) {
                (1, cells) => Balancer::Burns { current, cells },
                (2, [from, to, ..]) => Balancer::Moves { current, from: *from, to: *to },
                _ => Balancer::Unknown,
            };
            health.update(&Observation {
                t: *t,
                cells: &self.cells,
                current: self.current,
                temperatures: &self.temperatures,
                soc: self.soc,
                remaining: self.remaining,
                balancing,
            });
        }
    }

    /// Mostly `usual`, else anything.
    fn around(usual: std::ops::Range<f64>) -> impl Strategy<Value = f64> {
        prop_oneof![8 => usual, 1 => any::<f64>(), 1 => -1e4..1e4]
    }

    fn step(count: usize) -> impl Strategy<Value = Step> {
        let cells =
            prop_oneof![20 => prop::collection::vec(around(2.9..3.5), count), 1 => prop::collection::vec(around(3.2..3.4), 0..40)];
        (
            prop_oneof![8 => 0.5..20.0, 1 => around(0.0..90_000.0)],
            cells,
            prop::option::weighted(0.95, around(-100.0..100.0)),
            prop::collection::vec(around(-10.0..50.0), 0..4),
            prop::option::of(around(0.0..100.0)),
            prop::option::of(around(0.0..280.0)),
            (any::<u8>(), around(-2.0..2.0), prop::collection::vec(any::<u8>(), 0..5)),
        )
            .prop_map(|(pause, cells, current, temperatures, soc, remaining, balancer)| Step {
                pause,
                cells: cells.into_iter().map(Volts::new).collect(),
                current: current.map(Amps::new),
                temperatures: temperatures.into_iter().map(Celsius::new).collect(),
                soc: soc.map(Percent::new),
                remaining: remaining.map(AmpHours::new),
                balancer,
            })
    }

    /// All numbers of the estimates; texts, dates and units do not matter.
    fn numbers(health: &Health) -> Vec<f64> {
        let estimates = health.estimates();
        let cells = estimates.cells.iter().flat_map(|cell| {
            [
                cell.resistance,
                cell.relative_resistance,
                cell.rise,
                cell.trend,
                cell.scatter,
                cell.relative_slow,
                cell.offset,
                cell.self_discharge,
                cell.capacity,
                cell.relative_capacity,
                cell.margin,
            ]
        });
        let battery = [estimates.battery.capacity, estimates.battery.imbalance, estimates.battery.current_offset];
        let all = cells.chain(battery).map(|estimate| estimate.map_or([-1.0; 2], |known| [known.value, known.sd]));
        all.flatten().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn arbitrary_readings_leave_numbers_that_can_be_saved(
            (count, readings) in (4usize..=MAX_CELLS).prop_flat_map(|count| (Just(count), prop::collection::vec(step(count), 1..200)))
        ) {
            let mut health = Health::new(count, AmpHours::new(280.0));
            let mut t = 1e9;
            for reading in &readings {
                reading.give(&mut t, &mut health);
            }
            health.review();
            let numbers_before = numbers(&health);
            prop_assert!(numbers_before.iter().all(|number| number.is_finite()));
            let text = serde_json::to_string(&health).unwrap();
            prop_assert!(text.len() < 3000 + count * 1500, "{} bytes", text.len());
            let restored: Health = serde_json::from_str(&text).unwrap();
            for (before, after) in numbers_before.iter().zip(numbers(&restored)) {
                prop_assert!((before - after).abs() <= 1e-6 * before.abs(), "{before} became {after}");
            }
            prop_assert_eq!(health.findings(), restored.findings());
        }
    }

    #[test]
    fn sixteen_cells_take_less_than_4_kb() {
        let candidates = super::findings::MOST_MEMORY;
        let bytes = size_of::<Health>() + 16 * (size_of::<Cell>() + size_of::<CellMoment>()) + candidates;
        assert!(
            bytes <= 4096,
            "{bytes} bytes: {} + 16 x ({} + {}) + {candidates}",
            size_of::<Health>(),
            size_of::<Cell>(),
            size_of::<CellMoment>()
        );
    }
}
