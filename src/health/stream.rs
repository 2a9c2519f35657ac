//! Health as a filter: readings as JSON lines in, a JSON line of estimates per day out (`dbus-bms health --stdin`).

use super::observation::{Balancer, Observation};
use super::{Health, MAX_CELLS, MIN_CELLS, clock::DAY, day_of};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts, round};
use crate::model::{BatteryEstimates, Cause, CellEstimates, Estimate, Estimates, Finding};
use serde::{Deserialize, Serialize};

/// Capacity of a battery whose lines and options do not tell it, Ah.
pub const USUAL_CAPACITY: AmpHours = AmpHours::new(280.0);

/// One line of input: values of a reading. What is missing is unknown.
#[derive(Debug, Deserialize)]
struct Line {
    t: f64,
    #[serde(default)]
    cells: Option<Vec<Option<Volts>>>,
    #[serde(default)]
    current: Option<Amps>,
    #[serde(default)]
    soc: Option<Percent>,
    #[serde(default)]
    temperatures: Option<Vec<Option<Celsius>>>,
    #[serde(default)]
    balancing: Option<Balancing>,
    #[serde(default)]
    remaining_ah: Option<AmpHours>,
    #[serde(default)]
    capacity_ah: Option<AmpHours>,
}

/// What the balancer does: whether it is active, which cells (giving before taking), or both with the current.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Balancing {
    Full {
        cells: Option<Vec<u8>>,
        current: Option<Amps>,
    },
    /// Without a current nothing can be counted.
    Other(serde::de::IgnoredAny),
}

impl Balancing {
    fn balancer(&self) -> Balancer<'_> {
        let Self::Full { cells: Some(cells), current: Some(current) } = self else { return Balancer::Unknown };
        match cells.as_slice() {
            cells if current.get() < 0.0 => Balancer::Burns { current: -*current, cells },
            [from, to] => Balancer::Moves { current: *current, from: *from, to: *to },
            _ => Balancer::Unknown,
        }
    }
}

/// The filter and its state.
#[derive(Debug)]
pub struct Stream {
    capacity: Option<AmpHours>,
    health: Option<Health>,
    /// The first day, and the day of the last reading.
    days: Option<(i64, i64)>,
    readings: u64,
}

impl Stream {
    /// A filter for a battery with this capacity; `None`: as the first line tells, else [`USUAL_CAPACITY`].
    pub fn new(capacity: Option<AmpHours>) -> Self {
        Self { capacity, health: None, days: None, readings: 0 }
    }

    /// Takes a line. With the first one of a day, returns the estimates at the end of the day before.
    ///
    /// # Errors
    /// The line is not a JSON object of the documented form.
    pub fn line(&mut self, text: &str) -> Result<Option<String>, serde_json::Error> {
        let line: Line = serde_json::from_str(text)?;
        let temperatures: Vec<Celsius> = line.temperatures.iter().flatten().flatten().copied().collect();
        // Cells of which one is unknown are no set of cells.
        let cells: Vec<Volts> = line.cells.into_iter().flatten().collect::<Option<_>>().unwrap_or_default();
        let observation = Observation {
            t: line.t,
            cells: &cells,
            current: line.current,
            temperatures: &temperatures,
            soc: line.soc,
            remaining: line.remaining_ah,
            balancing: line.balancing.as_ref().map_or(Balancer::Unknown, Balancing::balancer),
        };
        self.observe(&observation, line.capacity_ah)
    }

    /// Takes a reading of a battery with this capacity as installed, if it is known.
    ///
    /// # Errors
    /// None in practice: all values can be written as JSON.
    pub fn observe(&mut self, observation: &Observation, capacity: Option<AmpHours>) -> Result<Option<String>, serde_json::Error> {
        let count = observation.cells.len();
        if !observation.has_time() || !(MIN_CELLS..=MAX_CELLS).contains(&count) {
            return Ok(None);
        }
        let day = day_of(observation.t);
        let finished = self.days.filter(|(_, last)| *last != day).map(|_| self.end());
        let first = self.days.map_or(day, |(first, _)| first);
        self.days = Some((first, day));
        let capacity = self.capacity.or(capacity).unwrap_or(USUAL_CAPACITY);
        self.health.get_or_insert_with(|| Health::new(count, capacity)).update(observation);
        self.readings = self.readings.saturating_add(1);
        finished.transpose().map(Option::flatten)
    }

    /// There was a reading with 4 to 32 cells.
    pub fn has_readings(&self) -> bool {
        self.health.is_some()
    }

    /// The estimates now, after the last line; `None`: there was none.
    ///
    /// # Errors
    /// None in practice: all values can be written as JSON.
    pub fn end(&mut self) -> Result<Option<String>, serde_json::Error> {
        let (Some(health), Some((first, last))) = (&mut self.health, self.days) else { return Ok(None) };
        health.review();
        let day = last.saturating_sub(first).saturating_add(1);
        let readings = std::mem::take(&mut self.readings);
        let (estimates, findings) = (health.estimates(), health.findings());
        serde_json::to_string(&DayLine::of(day, readings, &estimates, &findings, first)).map(Some)
    }
}

/// One line of output. `null`: unknown. Arrays have a value per cell.
#[derive(Debug, Serialize)]
struct DayLine {
    day: i64,
    readings: u64,
    r_mohm: Vec<Option<f64>>,
    r_rel: Vec<Option<f64>>,
    r_rel_sd: Vec<Option<f64>>,
    r_rise: Vec<Option<f64>>,
    r_trend_month: Vec<Option<f64>>,
    slow_rel: Vec<Option<f64>>,
    scatter: Vec<Option<f64>>,
    offset_ah: Vec<Option<f64>>,
    offset_sd_ah: Vec<Option<f64>>,
    at_least: Vec<bool>,
    leak_ah_d: Vec<Option<f64>>,
    leak_sd_ah_d: Vec<Option<f64>>,
    capacity_ah: Vec<Option<f64>>,
    capacity_rel: Vec<Option<f64>>,
    capacity_rel_sd: Vec<Option<f64>>,
    margin_ah: Vec<Option<f64>>,
    #[serde(flatten)]
    battery: BatteryLine,
    full_charges: u32,
    discharges: u32,
    findings: Vec<(&'static str, i64)>,
    notices: Vec<Notice>,
}

/// What is known of the battery as a whole. `null`: unknown.
#[derive(Debug, Serialize)]
struct BatteryLine {
    usable_ah: Option<f64>,
    usable_sd_ah: Option<f64>,
    imbalance_ah: Option<f64>,
    imbalance_trend_ah_d: Option<f64>,
    balancer_wins: Option<bool>,
    current_offset_a: Option<f64>,
    curve_fits: Option<bool>,
    /// Deviation from the curve while charging and discharging, mV.
    curve_deviation_mv: [Option<f64>; 2],
}

/// A finding in words.
#[derive(Debug, Serialize)]
struct Notice {
    what: String,
    remedy: &'static str,
    /// Day from which on it was so.
    since_day: i64,
    cause: Option<Cause>,
}

fn value(estimate: Option<Estimate>) -> Option<f64> {
    estimate.map(|estimate| round(estimate.value, 6))
}

fn sd(estimate: Option<Estimate>) -> Option<f64> {
    estimate.map(|estimate| round(estimate.sd, 6))
}

impl DayLine {
    fn of(day: i64, readings: u64, estimates: &Estimates, findings: &[Finding], first: i64) -> Self {
        let battery = &estimates.battery;
        let each = |get: fn(&CellEstimates) -> Option<Estimate>| estimates.cells.iter().map(|cell| value(get(cell))).collect();
        let doubts = |get: fn(&CellEstimates) -> Option<Estimate>| estimates.cells.iter().map(|cell| sd(get(cell))).collect();
        let milliohm = |ohm: Estimate| round(ohm.value * 1000.0, 6);
        Self {
            day,
            readings,
            r_mohm: estimates.cells.iter().map(|cell| cell.resistance.map(milliohm)).collect(),
            r_rel: each(|cell| cell.relative_resistance),
            r_rel_sd: doubts(|cell| cell.relative_resistance),
            r_rise: each(|cell| cell.rise),
            r_trend_month: each(|cell| cell.trend),
            slow_rel: each(|cell| cell.relative_slow),
            scatter: each(|cell| cell.scatter),
            offset_ah: each(|cell| cell.offset),
            offset_sd_ah: doubts(|cell| cell.offset),
            at_least: estimates.cells.iter().map(|cell| cell.is_late).collect(),
            leak_ah_d: each(|cell| cell.self_discharge),
            leak_sd_ah_d: doubts(|cell| cell.self_discharge),
            capacity_ah: each(|cell| cell.capacity),
            capacity_rel: each(|cell| cell.relative_capacity),
            capacity_rel_sd: doubts(|cell| cell.relative_capacity),
            margin_ah: each(|cell| cell.margin),
            battery: BatteryLine::of(battery),
            full_charges: battery.full_charges,
            discharges: battery.discharges,
            findings: findings.iter().map(|finding| (finding.kind.name(), finding.index())).collect(),
            notices: findings.iter().map(|finding| Notice::of(finding, first)).collect(),
        }
    }
}

impl BatteryLine {
    fn of(battery: &BatteryEstimates) -> Self {
        Self {
            usable_ah: value(battery.capacity),
            usable_sd_ah: sd(battery.capacity),
            imbalance_ah: value(battery.imbalance),
            imbalance_trend_ah_d: value(battery.imbalance_trend),
            balancer_wins: battery.balancer_wins(),
            current_offset_a: value(battery.current_offset),
            curve_fits: battery.curve_fits,
            curve_deviation_mv: battery.curve_deviations.map(|deviation| deviation.map(|volts| round(volts * 1000.0, 2))),
        }
    }
}

impl Finding {
    /// Index of its cell, -1: the battery.
    fn index(&self) -> i64 {
        self.cell.and_then(|cell| i64::try_from(cell).ok()).unwrap_or(-1)
    }
}

impl Notice {
    fn of(finding: &Finding, first: i64) -> Self {
        let since_day = ((finding.since - 1.0) / DAY).floor() as i64;
        Self {
            what: finding.what(),
            remedy: finding.remedy(),
            since_day: since_day.saturating_sub(first).saturating_add(1),
            cause: finding.cause,
        }
    }
}
