//! Data of a chart: columns over equal time steps, as JSON. Pure.

use super::bin::{Bin, known, known_signed};
use super::course::Course;
use crate::base::calendar::date;
use crate::base::time::Now;
use crate::base::units::round;
use serde::Serialize;
use std::collections::BTreeMap;

/// Time range of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// 60 minutes in steps of one.
    Hour,
    /// 24 hours in steps of five minutes.
    Day,
    /// 7 days in steps of a quarter of an hour.
    Week,
    /// 31 days in steps of an hour.
    Month,
    /// 366 days of energy.
    Year,
}

impl Range {
    /// All, with their names.
    pub const ALL: [(&str, Range); 5] =
        [("hour", Range::Hour), ("day", Range::Day), ("week", Range::Week), ("month", Range::Month), ("year", Range::Year)];

    /// The range with this name.
    pub fn named(name: &str) -> Option<(&'static str, Self)> {
        Self::ALL.into_iter().find(|(known, _)| *known == name)
    }

    /// Length and step, s.
    fn grid(self) -> (u64, u64) {
        match self {
            Self::Hour => (3600, 60),
            Self::Day => (86_400, 300),
            Self::Week => (7 * 86_400, 900),
            Self::Month => (31 * 86_400, 3600),
            Self::Year => (366 * 86_400, 86_400),
        }
    }
}

/// The columns, all as long as `age_s`, with null for unknown values.
#[derive(Debug, Default, Serialize)]
struct Series<'a> {
    id: &'a str,
    range: &'a str,
    step_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    t: Option<Vec<u64>>,
    age_s: Vec<u64>,
    soc_pct: Vec<Option<f64>>,
    voltage_v: Vec<Option<f64>>,
    current_a: Vec<Option<f64>>,
    power_w: Vec<Option<f64>>,
    charged_wh: Vec<Option<f64>>,
    discharged_wh: Vec<Option<f64>>,
    cell_min_v: Vec<Option<f64>>,
    cell_max_v: Vec<Option<f64>>,
    cell_delta_v: Vec<Option<f64>>,
    cvl_v: Vec<Option<f64>>,
    ccl_a: Vec<Option<f64>>,
    dcl_a: Vec<Option<f64>>,
    temperature_min_c: Vec<Option<f64>>,
    temperature_max_c: Vec<Option<f64>>,
}

/// A day's energy.
#[derive(Debug, Serialize)]
struct DayRow {
    date: String,
    charged_kwh: f64,
    discharged_kwh: f64,
}

#[derive(Debug, Serialize)]
struct Year<'a> {
    id: &'a str,
    range: &'a str,
    /// The present day; absent while the clock is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    today: Option<String>,
    days: Vec<DayRow>,
}

impl Course {
    /// The course over `range` as JSON.
    pub fn json(&self, id: &str, (name, range): (&'static str, Range), now: Now) -> String {
        // Numbers and texts only: it cannot fail.
        match range {
            Range::Year => serde_json::to_string(&self.year(id, name, now)).unwrap_or_default(),
            _ => serde_json::to_string(&self.series(id, name, range, now)).unwrap_or_default(),
        }
    }

    fn year<'a>(&self, id: &'a str, name: &'a str, now: Now) -> Year<'a> {
        let kwh = |hundredths: u32| f64::from(hundredths) / 100_000.0;
        let days = now.unix.map(|unix| self.days(unix)).into_iter().flatten();
        let row = |(day, energy): (u32, super::record::Day)| DayRow {
            date: date(day),
            charged_kwh: round(kwh(energy.charged), 3),
            discharged_kwh: round(kwh(energy.discharged), 3),
        };
        Year { id, range: name, today: now.unix.map(|unix| date(self.day_of(unix))), days: days.map(row).collect() }
    }

    fn series<'a>(&self, id: &'a str, name: &'a str, range: Range, now: Now) -> Series<'a> {
        let (length, step) = range.grid();
        let uptime = now.at.since_origin().as_secs();
        // Without a wall clock use the time since the start.
        let end = now.unix.unwrap_or(uptime);
        let begin = end.saturating_sub(length);
        let mut cells: BTreeMap<u64, Bin> = BTreeMap::new();
        let mut fine = None;
        let mut in_minutes: BTreeMap<u64, Bin> = BTreeMap::new();
        if step < 900 {
            for (at, bin) in self.minutes() {
                let at = end.saturating_sub(uptime.saturating_sub(at));
                fine = Some(fine.map_or(at, |first: u64| first.min(at)));
                if at >= begin {
                    cells.entry(at / step).or_default().join(bin);
                }
                in_minutes.entry(at / 900).or_default().add_energy(bin);
            }
        }
        if now.unix.is_some() && step > 60 {
            // Data older than the minutes, or all; a quarter longer than a step is split over several steps.
            let known_from = fine.map_or(u64::MAX, |first| first / step);
            for (at, bin) in self.quarters(begin).filter(|(at, _)| *at <= end) {
                let parts = (900 / step).max(1);
                // Minutes are in their quarter as well; each counts once.
                let Some(rest) = bin.without(in_minutes.get(&(at / 900))) else { continue };
                let of_quarter = (0..parts).map(|number| at / step + number).filter(|place| *place >= begin / step);
                let places: Vec<u64> = of_quarter.clone().filter(|place| *place < known_from).collect();
                if places.is_empty() && of_quarter.clone().any(|place| place == known_from) {
                    cells.entry(known_from).or_default().add_energy(&rest);
                }
                // What is not in minutes was before the first of them.
                let is_cut = of_quarter.clone().any(|place| place >= known_from);
                let part = rest.part(if is_cut { places.len() as u64 } else { parts });
                for place in places {
                    cells.entry(place).or_default().join(&part);
                }
            }
        }
        let mut series =
            Series { id, range: name, step_s: step, now: now.unix, t: now.unix.map(|_| Vec::new()), ..Series::default() };
        let Some(first) = cells.keys().next().copied() else { return series };
        let nothing = Bin::default();
        for place in first..=end / step {
            let at = place.saturating_mul(step);
            series.put(at, end.saturating_sub(at), cells.get(&place).unwrap_or(&nothing));
        }
        series
    }
}

impl Series<'_> {
    fn put(&mut self, at: u64, age: u64, bin: &Bin) {
        if let Some(t) = &mut self.t {
            t.push(at);
        }
        let (charged, discharged) = bin.energy();
        let energy = |wh: f64| (bin.power().is_some()).then(|| round(wh, 2));
        let voltage = known(bin.voltage, 100.0);
        self.age_s.push(age);
        self.soc_pct.push(known(bin.soc, 100.0));
        self.voltage_v.push(voltage);
        self.current_a.push(bin.power().zip(voltage.filter(|volts| *volts > 0.0)).map(|(watts, volts)| round(watts / volts, 2)));
        self.power_w.push(bin.power().map(|watts| round(watts, 1)));
        self.charged_wh.push(energy(charged));
        self.discharged_wh.push(energy(discharged));
        self.cell_min_v.push(known(bin.cell_min, 1000.0));
        self.cell_max_v.push(known(bin.cell_max, 1000.0));
        self.cell_delta_v.push(known(bin.delta, 1000.0));
        self.cvl_v.push(known(bin.cvl, 100.0));
        self.ccl_a.push(known(bin.ccl, 10.0));
        self.dcl_a.push(known(bin.dcl, 10.0));
        self.temperature_min_c.push(known_signed(bin.temperature_min));
        self.temperature_max_c.push(known_signed(bin.temperature_max));
    }
}
