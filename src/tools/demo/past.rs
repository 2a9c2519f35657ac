//! A past for the demo: seven simulated days, so that its charts show more than the minute since the start.

use crate::base::time::Now;
use crate::base::units::Moment;
use crate::output::timeseries::{Course, CourseFile, Sample};
use std::f64::consts::PI;
use std::io;
use std::path::Path;

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
/// Share of the charge current limit that is left near full, and from which state of charge on, %.
const TAPER_FROM: f64 = 92.0;

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

/// Writes the past of the batteries with these ids into `folder`; each has the power of so many batteries.
pub(super) fn write(folder: &Path, batteries: &[(&str, f64)], unix: u64) -> io::Result<()> {
    let begin = unix.saturating_sub(PAST_S);
    let mut socs = vec![PRESENT_SOC];
    // Backwards from the present, so that the past ends where the demo begins.
    for step in (0..PAST_S / STEP_S).rev() {
        let ah = power(begin + step * STEP_S) / VOLTAGE * STEP_S as f64 / 3600.0;
        let later = socs.last().copied().unwrap_or(PRESENT_SOC);
        let earlier = (later - 100.0 * ah / CAPACITY_AH).min(100.0);
        socs.push(earlier.max(LEAST_SOC));
    }
    socs.reverse();
    for (id, size) in batteries {
        let (mut course, mut file) = (Course::new(0.0), CourseFile::new(folder, id, Moment::default()));
        let mut now = Now { at: Moment::default(), unix: Some(begin) };
        for (step, (soc, later)) in (0..).zip(socs.iter().zip(socs.iter().skip(1))) {
            let seconds = step * STEP_S;
            now = Now { at: Moment::from_secs(seconds as f64), unix: Some(begin + seconds) };
            // What the clamped state of charge allows, so that charge and energy agree.
            let power = (later - soc) / 100.0 * CAPACITY_AH * VOLTAGE * 3600.0 / STEP_S as f64;
            let share = if *soc > TAPER_FROM { 0.3 } else { 1.0 };
            let spread = 0.004 + 0.012 * ((soc - 88.0) / 12.0).max(0.0);
            let cell = 3.2 + 0.001 * soc + power / 2_000_000.0;
            course.add(
                &Sample {
                    soc: Some(*soc),
                    voltage: Some(16.0 * cell),
                    power: Some(power * size),
                    cell_min: Some(cell - spread / 2.0),
                    cell_max: Some(cell + spread / 2.0),
                    cvl: Some(55.2),
                    ccl: Some(50.0 * share * size),
                    dcl: Some(60.0 * size),
                    temperature_min: Some(21.0),
                    temperature_max: Some(22.5),
                },
                now,
            );
        }
        if let Some(job) = file.begin(&mut course, now, true) {
            job.run()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::timeseries::Range;

    #[test]
    fn the_past_is_a_week_that_ends_at_the_present_charge() {
        let folder = std::env::temp_dir().join(format!("dbus-bms-past-{}", std::process::id()));
        let unix = 1_772_323_200;
        write(&folder, &[("one", 1.0), ("bank", 2.0)], unix).unwrap();
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
