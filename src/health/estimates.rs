//! Estimates with their standard deviations, from the state of the estimators.

use super::cell::Cell;
use super::clock::Clock;
use super::line::{Line, median};
use super::resistance::{BASE_DAYS, BASE_SLOW_STEPS, BASE_STEPS, Steps};
use super::{CurrentOffset, Health};
use crate::model::{BatteryEstimates, CellEstimates, Estimate, Estimates};

/// What the data cannot tell, as standard deviations. Relative resistance (gradients of temperature inside the battery), its change.
const SD_RESISTANCE: f64 = 0.015;
const SD_RISE: f64 = 0.025;
const SD_SLOW: f64 = 0.02;
/// Resistance at 25 °C: the sensor and the cells differ in temperature.
const SD_ABSOLUTE: f64 = 0.05;
/// Shares of the capacity: an offset, one from a single arrival, its ageing per day, a point of a trend, a trend per day.
const SD_OFFSET: f64 = 0.0015;
const SD_ONE_ARRIVAL: f64 = 0.004;
const SD_OFFSET_AGE: f64 = 0.0001;
const SD_POINT: f64 = 0.0005;
const SD_LEAK: f64 = 0.00003;
/// An offset that is large is less certain, share of it.
const SD_LARGE_OFFSET: f64 = 0.03;
/// Capacity and capacity over the median cell's: curves differ.
const SD_CAPACITY: f64 = 0.025;
const SD_RELATIVE_CAPACITY: f64 = 0.005;
/// Trend of the imbalance, share of the capacity per day.
const SD_SPREAD_TREND: f64 = 0.01 / 280.0;
/// Self-discharge less certain than this is not known, share of the capacity per day.
const LEAK_KNOWN: f64 = 0.0003;
/// A cell this far behind the others has lost charge by itself, whatever a balancer did that the BMS does not tell, share of the
/// capacity.
const BEHIND_ANYWAY: f64 = 0.003;
/// Loss of a cell that does not arrive any more: doubt, share of the capacity.
const SD_LOST: f64 = 0.006;
/// Offsets and margins older than this are not known any more, days.
const MAX_AGE: f64 = 30.0;

impl Estimate {
    pub(super) fn of(value: f64, sd: f64, seen: f64) -> Option<Self> {
        (value.is_finite() && sd.is_finite()).then_some(Self { value, sd, seen })
    }
}

/// The estimates from the state.
pub(super) fn estimates(health: &Health) -> Estimates {
    let mut cells = vec![CellEstimates::default(); health.cells.len()];
    Resistances { health }.fill(&mut cells);
    let ends = Ends { health, nominal: f64::from(health.nominal), days: health.clock.days() };
    ends.fill_offsets(&mut cells);
    ends.fill_self_discharge(&mut cells);
    ends.fill_margins(&mut cells);
    let fits = health.fit.is_good();
    let capacity = ends.fill_capacities(&mut cells);
    if fits != Some(true) {
        cells.iter_mut().for_each(|cell| cell.capacity = None);
    }
    let battery = BatteryEstimates { capacity: capacity.filter(|_| fits == Some(true)), curve_fits: fits, ..ends.battery() };
    Estimates { age: health.clock.days(), cells, battery }
}

fn last_seen(clock: &Clock, days: f32) -> f64 {
    clock.date(f64::from(days))
}

/// Divides every value by the median of all.
fn relative(values: Vec<f64>) -> Option<Vec<f64>> {
    let usual = median(values.iter().copied()).filter(|usual| *usual > 0.0)?;
    Some(values.into_iter().map(|value| value / usual).collect())
}

/// Estimates from steps of the current.
struct Resistances<'a> {
    health: &'a Health,
}

impl Resistances<'_> {
    fn fill(&self, cells: &mut [CellEstimates]) {
        let steps = &self.health.steps;
        if !steps.are_known() {
            return;
        }
        self.fill_fast(steps, cells);
        self.fill_slow(steps, cells);
    }

    fn each<'a>(&'a self, value: impl Fn(&Cell) -> f64 + 'a) -> Vec<f64> {
        self.health.cells.iter().map(value).collect()
    }

    /// Variance of each cell's steps around its resistance, V².
    fn variances(&self, steps: &Steps) -> Vec<f64> {
        let squares = f64::from(steps.squares);
        self.each(|cell| {
            let product = f64::from(cell.steps.products);
            (f64::from(cell.steps.squares) - product * product / squares).max(1e-9) / f64::from(steps.count)
        })
    }

    fn fill_fast(&self, steps: &Steps, cells: &mut [CellEstimates]) {
        let (squares, seen) = (f64::from(steps.squares), last_seen(&self.health.clock, steps.last));
        let ohms = self.each(|cell| f64::from(cell.steps.products) / squares);
        let Some(usual) = median(ohms.iter().copied()).filter(|usual| *usual > 0.0) else { return };
        let variances = self.variances(steps);
        let usual_variance = median(variances.iter().copied()).unwrap_or(1.0);
        let scatter_sd = (2.0 / f64::from(steps.count)).sqrt();
        for ((cell, ohm), variance) in cells.iter_mut().zip(&ohms).zip(&variances) {
            let noise = variance / squares / (usual * usual);
            let scatter = variance / usual_variance;
            let absolute_sd = ohm * (SD_ABSOLUTE * SD_ABSOLUTE + noise).sqrt();
            cell.relative_resistance = Estimate::of(ohm / usual, (noise + SD_RESISTANCE * SD_RESISTANCE).sqrt(), seen);
            cell.resistance = Estimate::of(*ohm, absolute_sd, seen).filter(|_| self.health.temperature.is_some());
            cell.scatter = Estimate::of(scatter, scatter * scatter_sd, seen);
        }
        if steps.base_count >= BASE_STEPS && self.health.clock.days() > BASE_DAYS {
            self.fill_rise(steps, usual, &variances, cells);
        }
    }

    fn fill_rise(&self, steps: &Steps, usual: f64, variances: &[f64], cells: &mut [CellEstimates]) {
        let (squares, base_squares) = (f64::from(steps.squares), f64::from(steps.base_squares));
        let base = relative(self.each(|cell| f64::from(cell.steps.base_products) / base_squares));
        let long = relative(self.each(|cell| f64::from(cell.steps.long_products / steps.long_squares)));
        let (Some(base), Some(long)) = (base, long) else { return };
        let distance = steps.memory_distance().filter(|days| *days > 5.0);
        for (((cell, base), long), variance) in cells.iter_mut().zip(base).zip(long).zip(variances) {
            let Some(now) = cell.relative_resistance else { continue };
            let noise = variance / squares / (usual * usual);
            let base_noise = variance / base_squares / (usual * usual);
            cell.rise = Estimate::of(now.value / base, (noise + base_noise + SD_RISE * SD_RISE).sqrt(), now.seen);
            cell.trend = distance.and_then(|days| {
                let sd = (noise + SD_RISE * SD_RISE).sqrt() / days * 30.0;
                Estimate::of((now.value - long) / days * 30.0, sd, now.seen)
            });
        }
    }

    fn fill_slow(&self, steps: &Steps, cells: &mut [CellEstimates]) {
        if steps.slow_count < 10.0 {
            return;
        }
        let (squares, seen) = (f64::from(steps.slow_squares), last_seen(&self.health.clock, steps.last));
        let ohms = self.each(|cell| f64::from(cell.steps.slow_products) / squares);
        let Some(usual) = median(ohms.iter().copied()).filter(|usual| *usual > 0.0) else { return };
        let known_base = steps.slow_base_count >= BASE_SLOW_STEPS && self.health.clock.days() > BASE_DAYS;
        let base = relative(self.each(|cell| f64::from(cell.steps.slow_base_products / steps.slow_base_squares)));
        let base = base.filter(|_| known_base).unwrap_or_else(|| vec![f64::NAN; ohms.len()]);
        for (((cell, state), ohm), base) in cells.iter_mut().zip(&self.health.cells).zip(&ohms).zip(base) {
            let sum = f64::from(state.steps.slow_squares);
            let variance = (sum - ohm * ohm * squares).max(1e-9) / f64::from(steps.slow_count);
            let sd = (variance / squares / (usual * usual) + SD_SLOW * SD_SLOW).sqrt();
            cell.relative_slow = Estimate::of(ohm / usual, sd, seen);
            cell.slow_rise = Estimate::of(ohm / usual / base, sd, seen);
        }
    }
}

/// Estimates from the ends of the curve.
struct Ends<'a> {
    health: &'a Health,
    nominal: f64,
    days: f64,
}

impl Ends<'_> {
    /// Days since the last full charge, if there was one in the last weeks.
    fn top_age(&self) -> Option<f64> {
        let age = self.days - f64::from(self.health.top.last);
        (self.health.top.count > 0 && age <= MAX_AGE).then_some(age)
    }

    fn states<'a>(&'a self, cells: &'a mut [CellEstimates]) -> impl Iterator<Item = (&'a mut CellEstimates, &'a Cell)> {
        cells.iter_mut().zip(&self.health.cells)
    }

    fn fill_offsets(&self, cells: &mut [CellEstimates]) {
        let top = &self.health.top;
        let now = |cell: &Cell| f64::from(cell.top.offset) + cell.balanced;
        let Some(usual) = median(self.health.cells.iter().map(now)) else { return };
        for (index, cell) in cells.iter_mut().enumerate() {
            cell.is_late = top.count > 0 && top.is_late(index);
        }
        let Some(age) = self.top_age() else { return };
        let seen = last_seen(&self.health.clock, top.last);
        for (cell, state) in self.states(cells) {
            let offset = now(state) - usual;
            let line = &state.top.line;
            let fit = line.slope().map(|slope| slope.sd * (line.width() / line.weight().max(1.0)).sqrt());
            let fit = fit.unwrap_or(SD_ONE_ARRIVAL * self.nominal);
            let parts = [SD_OFFSET_AGE * self.nominal * age, SD_OFFSET * self.nominal, fit, SD_LARGE_OFFSET * offset];
            cell.offset = Estimate::of(offset, norm(&parts), seen);
        }
    }

    /// From the trends of the arrivals at the top and at the bottom, whichever there are.
    fn fill_self_discharge(&self, cells: &mut [CellEstimates]) {
        let top = self.leaks(|cell| &cell.top.line);
        let bottom = self.leaks(|cell| &cell.bottom.line);
        let most = LEAK_KNOWN * self.nominal;
        let seen = last_seen(&self.health.clock, self.health.top.last.max(self.health.bottom.last));
        for ((cell, top), bottom) in cells.iter_mut().zip(top).zip(bottom) {
            let parts = [top, bottom].into_iter().flatten();
            let (sum, weight) =
                parts.fold((0.0, 0.0), |(sum, weight), (leak, sd)| (sum + leak / (sd * sd), weight + 1.0 / (sd * sd)));
            if weight > 1.0 / (most * most) {
                cell.self_discharge = Estimate::of(sum / weight, 1.0 / weight.sqrt(), seen);
            }
        }
        self.fill_losses(cells);
        self.doubt_untold_balancing(cells);
    }

    /// As long as the BMS tells of no balancing, a cell that was ahead and loses that may have been balanced.
    fn doubt_untold_balancing(&self, cells: &mut [CellEstimates]) {
        if self.health.cells.iter().any(|cell| cell.balanced != 0.0) {
            return;
        }
        for cell in cells {
            let is_behind = cell.offset.is_some_and(|offset| offset.value < -BEHIND_ANYWAY * self.nominal);
            cell.self_discharge = cell.self_discharge.filter(|_| cell.is_late || is_behind);
        }
    }

    /// Each cell's loss above the median cell's by one kind of line, Ah per day, and its standard deviation.
    fn leaks(&self, line: impl Fn(&Cell) -> &Line) -> Vec<Option<(f64, f64)>> {
        let slopes: Vec<Option<(f64, f64)>> = self.health.cells.iter().map(|cell| self.slope(line(cell))).collect();
        let half = slopes.len() / 2;
        let enough = |slopes: &[Option<(f64, f64)>]| slopes.iter().flatten().count() > half;
        let unknown = vec![None; slopes.len()];
        if !enough(&slopes) {
            return unknown;
        }
        let most = 3.0 * LEAK_KNOWN * self.nominal;
        let certain: Vec<_> = slopes.into_iter().map(|slope| slope.filter(|(_, sd)| *sd <= most)).collect();
        let usual = median(certain.iter().flatten().map(|(slope, _)| *slope));
        match usual {
            Some(usual) if enough(&certain) => {
                certain.into_iter().map(|slope| slope.map(|(value, sd)| (usual - value, sd))).collect()
            }
            _ => unknown,
        }
    }

    fn slope(&self, line: &Line) -> Option<(f64, f64)> {
        let slope = line.slope().filter(|_| line.weight() >= 4.0)?;
        let point = SD_POINT * self.nominal / line.width().max(1e-6).sqrt();
        Some((slope.value, norm(&[slope.sd, point, SD_LEAK * self.nominal])))
    }

    /// A cell that arrived once and does not any more has lost at least the difference.
    fn fill_losses(&self, cells: &mut [CellEstimates]) {
        let top = &self.health.top;
        if top.count < 4 || self.top_age().is_none() {
            return;
        }
        let seen = last_seen(&self.health.clock, top.last);
        for (cell, state) in self.states(cells).filter(|(cell, _)| cell.is_late) {
            let days = f64::from(top.last - state.top.arrived);
            let lost = f64::from(state.top.arrived_offset - state.top.offset);
            if state.top.arrived > 0.0 && days > 2.0 && lost > 0.0 {
                cell.self_discharge = Estimate::of(lost / days, SD_LOST * self.nominal / days, seen);
            }
        }
    }

    fn fill_margins(&self, cells: &mut [CellEstimates]) {
        let bottom = &self.health.bottom;
        if bottom.count == 0 || self.days - f64::from(bottom.last) > MAX_AGE {
            return;
        }
        let seen = last_seen(&self.health.clock, bottom.last);
        for (cell, state) in self.states(cells) {
            cell.margin =
                state.bottom.margin.count(self.nominal).and_then(|margin| Estimate::of(margin, 0.005 * self.nominal, seen));
        }
    }

    /// Fills the capacities of the cells; returns that of the battery.
    fn fill_capacities(&self, cells: &mut [CellEstimates]) -> Option<Estimate> {
        let seen = last_seen(&self.health.clock, self.health.bottom.last);
        let known: Vec<Option<(f64, f64)>> = self.health.cells.iter().map(|cell| cell.bottom.capacity()).collect();
        let largest = known.iter().flatten().map(|(value, _)| *value).fold(f64::from(self.health.bottom.least), f64::max);
        // Who was never low has at least so much.
        let usual = median(known.iter().map(|known| known.map_or(largest, |(value, _)| value))).filter(|usual| *usual > 0.0)?;
        let scale = SD_CAPACITY * self.nominal;
        for (cell, (value, sd)) in cells.iter_mut().zip(&known).filter_map(|(cell, known)| Some((cell, (*known)?))) {
            cell.capacity = Estimate::of(value, norm(&[sd, scale]), seen);
            cell.relative_capacity = Estimate::of(value / usual, norm(&[sd / usual, SD_RELATIVE_CAPACITY]), seen);
        }
        let (value, sd) = known.into_iter().flatten().min_by(|(a, _), (b, _)| a.total_cmp(b))?;
        Estimate::of(value, norm(&[sd, scale]), seen)
    }

    /// What is not about single cells.
    fn battery(&self) -> BatteryEstimates {
        let top = &self.health.top;
        let seen = last_seen(&self.health.clock, top.last);
        let CurrentOffset { amps, sd, is_known } = self.health.current_offset();
        let trend = top.spreads.slope();
        let trend = trend.and_then(|slope| Estimate::of(slope.value, norm(&[slope.sd, SD_SPREAD_TREND * self.nominal]), seen));
        let imbalance = Estimate::of(f64::from(top.spread), 2.0 * SD_OFFSET * self.nominal, seen);
        BatteryEstimates {
            imbalance: imbalance.filter(|_| self.top_age().is_some()),
            imbalance_trend: trend,
            imbalance_points: top.spreads.weight(),
            current_offset: Estimate::of(amps, sd, seen).filter(|_| is_known),
            curve_deviations: self.health.fit.deviations(),
            full_charges: top.count,
            discharges: self.health.bottom.count,
            ..BatteryEstimates::default()
        }
    }
}

/// Square root of the sum of squares.
fn norm(parts: &[f64]) -> f64 {
    parts.iter().map(|part| part * part).sum::<f64>().sqrt()
}
