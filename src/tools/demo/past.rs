//! A past for the demo: seven simulated days, so that its charts show more than the minute since the start.

use crate::base::time::Now;
use crate::base::units::Moment;
use crate::model::{AlarmName, Freshness, Level};
use crate::output::api::{Alarm, Kind, Known, LimitDetail, View};
use crate::output::event_log::{LogFile, SavedEvents};
use crate::output::registry::Views;
use crate::output::timeseries::{CellCourse, Course, CourseFile, Sample};
use std::f64::consts::PI;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Length of the past, s.
const PAST_S: u64 = 7 * 86_400;
/// Step of the simulation, s; a longer one would count as a gap.
const STEP_S: u64 = 30;
/// Capacity of a demo battery, Ah, and its present state of charge, %.
const CAPACITY_AH: f64 = 280.0;
const PRESENT_SOC: f64 = 62.0;
/// The battery is never emptier, %.
const LEAST_SOC: f64 = 8.0;
/// Pack voltage at half charge, V.
const VOLTAGE: f64 = 52.9;
/// The weak cell limits charging within so many % below the highest state of charge of the past, to this share.
const TAPERS_BELOW_HIGHEST: f64 = 6.0;
const TAPERED: f64 = 0.3;
/// Charge current limit of a battery, A.
const CCL_A: f64 = 50.0;
/// How long the weak cell was too high, s; not in the last hours.
const ALARM_S: u64 = 360;
const QUIET_S: u64 = 12 * 3600;

/// Power into one battery at this time of the day, W: sun, a constant load, cooking in the evening. Each day has its own weather.
fn power(unix: u64) -> f64 {
    let hour = (unix % 86_400) as f64 / 3600.0;
    let weather = match unix / 86_400 % 7 {
        1 => 0.85,
        3 => 0.35,
        5 => 0.7,
        _ => 1.0,
    };
    let sun = ((hour - 6.0) / 12.0 * PI).sin().max(0.0).powf(1.3) * 2600.0 * weather;
    let cooking = 700.0 * (-((hour - 19.0) / 1.2).powi(2)).exp();
    sun - 480.0 - cooking
}

/// A battery with a past.
#[derive(Debug, Clone)]
pub(super) struct PastBattery {
    pub(super) id: String,
    pub(super) name: String,
    /// Its weak cell, counted from 1.
    pub(super) weak_cell: Option<u16>,
}

/// States of charge over the past, one per step, that end at the present one.
fn states_of_charge(begin: u64) -> Vec<f64> {
    let mut socs = vec![PRESENT_SOC];
    // Backwards from the present, so that the past ends where the demo begins.
    for step in (0..PAST_S / STEP_S).rev() {
        let ah = power(begin + step * STEP_S) / VOLTAGE * STEP_S as f64 / 3600.0;
        let later = socs.last().copied().unwrap_or(PRESENT_SOC);
        let earlier = (later - 100.0 * ah / CAPACITY_AH).min(100.0);
        socs.push(earlier.max(LEAST_SOC));
    }
    socs.reverse();
    socs
}

/// The moments of the past with the states of charge at their beginning and end.
fn steps(socs: &[f64], begin: u64) -> impl Iterator<Item = (Now, f64, f64)> {
    (0..).zip(socs.iter().zip(socs.iter().skip(1))).map(move |(step, (soc, later))| {
        let seconds = step * STEP_S;
        (Now { at: Moment::from_secs(seconds as f64), unix: Some(begin + seconds) }, *soc, *later)
    })
}

/// The highest state of charge, %.
fn highest(socs: &[f64]) -> f64 {
    socs.iter().copied().fold(0.0, f64::max)
}

/// What the clamped state of charge allows, so that charge and energy agree, W.
fn power_of(soc: f64, later: f64) -> f64 {
    (later - soc) / 100.0 * CAPACITY_AH * VOLTAGE * 3600.0 / STEP_S as f64
}

/// Writes the past of these batteries and of their bank into `folder`.
pub(super) fn write(folder: &Path, batteries: &[PastBattery], bank: &str, unix: u64) -> io::Result<()> {
    let begin = unix.saturating_sub(PAST_S);
    let socs = states_of_charge(begin);
    for battery in batteries {
        write_course(folder, &battery.id, 1.0, &socs, begin)?;
        write_cells(folder, battery, &socs, begin)?;
    }
    write_course(folder, bank, batteries.len() as f64, &socs, begin)?;
    write_events(folder, batteries, bank, &socs, begin)
}

/// The values of a battery, or of so many.
fn write_course(folder: &Path, id: &str, size: f64, socs: &[f64], begin: u64) -> io::Result<()> {
    let (mut course, mut file) = (Course::new(0.0), CourseFile::new(folder, id, Moment::default()));
    let taper_from = highest(socs) - TAPERS_BELOW_HIGHEST;
    let mut last = Now { at: Moment::default(), unix: Some(begin) };
    for (now, soc, later) in steps(socs, begin) {
        let power = power_of(soc, later);
        let share = if soc > taper_from { TAPERED } else { 1.0 };
        let spread = 0.004 + 0.012 * ((soc - 88.0) / 12.0).max(0.0);
        let cell = 3.2 + 0.001 * soc + power / 2_000_000.0;
        course.add(
            &Sample {
                soc: Some(soc),
                voltage: Some(16.0 * cell),
                power: Some(power * size),
                cell_min: Some(cell - spread / 2.0),
                cell_max: Some(cell + spread / 2.0),
                cvl: Some(55.2),
                ccl: Some(CCL_A * share * size),
                dcl: Some(60.0 * size),
                temperature_min: Some(21.0),
                temperature_max: Some(22.5),
            },
            now,
        );
        last = now;
    }
    file.begin(&mut course, last, true).map_or(Ok(()), |job| job.run())
}

/// The last day of the cells: each a little different, the weak one moved by the current and by a full charge.
fn write_cells(folder: &Path, battery: &PastBattery, socs: &[f64], begin: u64) -> io::Result<()> {
    let mut cells = CellCourse::default();
    let mut last = Now { at: Moment::default(), unix: Some(begin) };
    let taper_from = highest(socs) - TAPERS_BELOW_HIGHEST;
    let day = steps(socs, begin).skip(((PAST_S - 86_400) / STEP_S) as usize);
    for (now, soc, later) in day {
        let amps = power_of(soc, later) / VOLTAGE;
        let mean = 3.2 + 0.001 * soc + amps / 40_000.0;
        let knee = ((soc - taper_from) / TAPERS_BELOW_HIGHEST).max(0.0);
        let volts: Vec<f64> = (1..=16_u16)
            .map(|cell| {
                let quiet = 0.001_6 * (f64::from(cell) * 2.1 + battery.id.len() as f64).sin();
                let weak = if battery.weak_cell == Some(cell) { amps * 0.000_6 + 0.045 * knee } else { 0.0 };
                mean + quiet + weak
            })
            .collect();
        let balanced = battery.weak_cell.filter(|_| soc > taper_from).and_then(|cell| u8::try_from(cell).ok());
        cells.add(&volts, balanced.as_slice(), now);
        last = now;
    }
    let file = CourseFile::new(folder, &battery.id, Moment::default());
    file.end_cells(&mut cells, last).map_or(Ok(()), |job| job.run())
}

/// What happened: an alarm of the weak cell at the highest state of charge, and limits by it.
fn write_events(folder: &Path, batteries: &[PastBattery], bank: &str, socs: &[f64], begin: u64) -> io::Result<()> {
    let weak = batteries.iter().find(|battery| battery.weak_cell.is_some());
    let view = |id: &str, name: &str| {
        let mut view = View::default();
        (view.identity.id, view.identity.name) = (id.to_owned(), name.to_owned());
        view.state.freshness = Freshness::Fresh;
        view.line.state = "good".into();
        view
    };
    let mut whole = view(bank, bank);
    whole.identity.kind = Kind::Bank;
    let (mut of_bank, mut of_weak) = (SavedEvents::default(), SavedEvents::default());
    let size = batteries.len() as f64;
    let taper_from = highest(socs) - TAPERS_BELOW_HIGHEST;
    // At the highest state of charge.
    let earlier = steps(socs, begin).filter(|(now, ..)| now.at.since_origin().as_secs() < PAST_S - QUIET_S);
    let alarm_from = earlier.max_by(|(_, a, _), (_, b, _)| a.total_cmp(b)).and_then(|(now, ..)| now.unix);
    let mut last = Now { at: Moment::default(), unix: Some(begin) };
    for (now, soc, later) in steps(socs, begin) {
        let is_tapered = soc > taper_from;
        let amps = power_of(soc, later) / VOLTAGE;
        let value = CCL_A * size * if is_tapered { TAPERED } else { 1.0 };
        whole.pack.current_a = Some(if is_tapered && amps > 1.0 { value } else { amps * size });
        let rule = if is_tapered { "highest_cell_voltage" } else { "sum_of_the_batteries" };
        let by = weak.filter(|_| is_tapered);
        whole.limits.ccl = Some(LimitDetail {
            value: Some(value),
            max: Some(CCL_A * size),
            rule: rule.into(),
            battery: by.map(|battery| battery.name.clone()),
            cell: by.and_then(|battery| battery.weak_cell),
            since: None,
        });
        let views: Views = Arc::new(vec![Arc::new(whole.clone())]);
        of_bank.log.observe(&whole, &views, now);
        of_bank.limited.observe(&whole, &views, now);
        if let Some(battery) = weak {
            let mut own = view(&battery.id, &battery.name);
            own.identity.bank = Some(bank.to_owned());
            let is_alarmed = alarm_from.zip(now.unix).is_some_and(|(from, unix)| (from..from + ALARM_S).contains(&unix));
            own.notices.alarms = Some(Known(if is_alarmed { vec![high_cell(battery.weak_cell)] } else { Vec::new() }));
            of_weak.log.observe(&own, &views, now);
        }
        last = now;
    }
    let ids = std::iter::once((bank, &mut of_bank)).chain(weak.map(|battery| (battery.id.as_str(), &mut of_weak)));
    for (id, kept) in ids {
        let mut file = LogFile::new(folder, id);
        if let Some(text) = file.begin(kept, last, true) {
            std::fs::create_dir_all(folder)?;
            std::fs::write(file.path(), text)?;
        }
    }
    Ok(())
}

fn high_cell(cell: Option<u16>) -> Alarm {
    Alarm { cell, value: Some(3.612), ..Alarm::new(AlarmName::CellHighVoltage, Level::Alarm) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::timeseries::Range;

    #[test]
    fn the_past_is_a_week_that_ends_at_the_present_charge() {
        let folder = std::env::temp_dir().join(format!("dbus-bms-past-{}", std::process::id()));
        let unix = 1_772_323_200;
        let battery = |id: &str, weak_cell| PastBattery { id: id.into(), name: format!("Battery {id}"), weak_cell };
        write(&folder, &[battery("one", None), battery("two", Some(11))], "bank", unix).unwrap();
        let now = Now { at: Moment::default(), unix: Some(unix) };
        let events = |id: &str| LogFile::new(&folder, id).load(0.0, now.at).unwrap();
        let kinds = |id: &str| events(id).log.entries(now).map(|entry| (entry.kind.into_owned(), entry.cell)).collect::<Vec<_>>();
        assert_eq!(kinds("two"), [("alarm".to_owned(), Some(11))], "one past alarm, and it is over");
        assert!(kinds("bank").iter().any(|(kind, cell)| kind == "limit" && *cell == Some(11)), "{:?}", kinds("bank"));
        assert!(events("bank").limited.days().iter().any(|day| day.rules.iter().any(|rule| rule.felt_s > 600.0)));
        let cells: serde_json::Value =
            serde_json::from_str(&CourseFile::new(&folder, "two", now.at).load_cells(now).unwrap().json("two", now)).unwrap();
        let highest = |cell: usize| {
            cells["deviation_mv"][cell].as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).fold(0.0, f64::max)
        };
        assert!(highest(10) > 10.0 && highest(0) < 5.0, "{} and {}", highest(10), highest(0));
        let sums = ["one", "bank"].map(|id| {
            let mut course = Course::new(0.0);
            CourseFile::new(&folder, id, Moment::default()).load(&mut course).unwrap();
            let now = Now { at: Moment::default(), unix: Some(unix) };
            let week: serde_json::Value = serde_json::from_str(&course.json(id, Range::named("week").unwrap(), now)).unwrap();
            let known = |key: &str| week[key].as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).collect::<Vec<_>>();
            let soc = known("soc_pct");
            assert!(soc.len() > 600, "{}", soc.len());
            assert!((soc.last().unwrap() - PRESENT_SOC).abs() < 2.0, "{soc:?}");
            assert!(soc.iter().copied().fold(0.0, f64::max) - soc.iter().copied().fold(100.0, f64::min) > 20.0, "{soc:?}");
            known("charged_wh").iter().sum::<f64>()
        });
        assert!((sums[1] / sums[0] - 2.0).abs() < 0.01, "{sums:?}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
