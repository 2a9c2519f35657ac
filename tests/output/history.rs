//! History of a battery's values: the data of the charts, the file after a crash, and the flash writes of a year.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::Moment;
use dbus_bms::output::timeseries::{CELL_STEPS, CellCourse, Course, CourseFile, DAYS, INTERVAL, QUARTERS, Range, Sample};
use proptest::prelude::*;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// 2026-03-01 00:00 UTC.
const START: u64 = 1_772_323_200;

fn at(seconds: u64, unix: Option<u64>) -> Now {
    Now { at: Moment::new(Duration::from_secs(seconds)), unix }
}

fn sample(power: f64) -> Sample {
    Sample {
        soc: Some(62.0),
        voltage: Some(52.9),
        power: Some(power),
        cell_min: Some(3.301),
        cell_max: Some(3.312),
        cvl: Some(55.2),
        ccl: Some(50.0),
        dcl: Some(60.0),
        temperature_min: Some(-4.5),
        temperature_max: Some(21.0),
    }
}

fn json(course: &Course, name: &str, now: Now) -> Value {
    serde_json::from_str(&course.json("x", Range::named(name).unwrap(), now)).unwrap()
}

fn sum(value: &Value, key: &str) -> f64 {
    value[key].as_array().unwrap().iter().filter_map(Value::as_f64).sum()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("dbus-bms-history-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let _ = std::fs::remove_file(&folder);
    folder
}

fn save(file: &mut CourseFile, course: &mut Course, now: Now) -> Option<usize> {
    let job = file.begin(course, now, false)?;
    let size = job.size();
    file.finish(job.run()).unwrap();
    Some(size)
}

#[test]
fn a_simulated_year_in_numbers() {
    let folder = folder("year");
    let mut course = Course::new(0.0);
    let mut file = CourseFile::new(&folder, "jbd_1", Moment::default());
    let (mut writes, mut bytes, mut charged, mut last) = (0_u64, 0, 0.0, 0);
    let mut writes_at = Vec::new();
    for second in (0..365 * 86_400_u64).step_by(10) {
        let now = at(second, Some(START + second));
        // Sun by day, a constant load.
        let hour = (second % 86_400) as f64 / 3600.0;
        let power = 2000.0 * ((hour - 6.0) / 12.0 * std::f64::consts::PI).sin().max(0.0) - 400.0;
        course.add(&sample(power), now);
        charged += power.max(0.0) / 360.0 / 1000.0;
        last = second;
        if file.is_due(now.at)
            && let Some(size) = save(&mut file, &mut course, now)
        {
            writes += 1;
            bytes += size;
            writes_at.push(second);
        }
    }
    let size = std::fs::metadata(folder.join("jbd_1.history")).unwrap().len();
    println!(
        "a year of one battery: file {size} bytes, {writes} writes ({:.1} per day), {bytes} bytes written",
        writes as f64 / 365.0
    );
    assert!(size < 150_000, "{size}");
    assert!(writes <= 365 * 24, "{writes}");
    assert!(writes_at.windows(2).all(|pair| pair[1] - pair[0] >= INTERVAL.as_secs()), "never twice within {INTERVAL:?}");
    let now = at(last, Some(START + last));
    let mut found = Course::new(0.0);
    CourseFile::new(&folder, "jbd_1", now.at).load(&mut found).unwrap();
    let year = json(&found, "year", now);
    let days = year["days"].as_array().unwrap();
    assert_eq!((days.len(), &days[0]["date"]), (365, &Value::from("2026-03-01")));
    let total: f64 = days.iter().map(|day| day["charged_kwh"].as_f64().unwrap()).sum();
    assert!((total - charged).abs() < charged * 0.001 + 12.0, "{total} of {charged} kWh: at most an hour is missing");
    let month = json(&found, "month", now);
    assert!(month["t"].as_array().unwrap().len() >= 31 * 24 - 1, "a whole month of hours");
    assert!(serde_json::to_string(&json(&course, "month", now)).unwrap().len() < 150_000);
}

#[test]
fn an_hour_is_there_in_minutes_and_a_gap_is_a_gap() {
    let mut course = Course::new(0.0);
    for second in 0..3600 {
        // After half an hour, ten minutes are missing.
        if !(1800..2400).contains(&second) {
            course.add(&sample(3600.0), at(second, Some(START + second)));
        }
    }
    let now = at(3600, Some(START + 3600));
    let hour = json(&course, "hour", now);
    let power: Vec<_> = hour["power_w"].as_array().unwrap().iter().map(|power| power.as_f64()).collect();
    assert_eq!(power.iter().filter(|power| power.is_none()).count(), 11, "ten minutes and the one that has just begun: {power:?}");
    assert!(power.iter().flatten().all(|power| (power - 3600.0).abs() < 1.0), "{power:?}");
    assert!((sum(&hour, "charged_wh") - 3000.0).abs() < 5.0, "{}", sum(&hour, "charged_wh"));
    let first = |key: &str| hour[key][0].as_f64();
    assert_eq!((first("soc_pct"), first("cell_delta_v"), first("temperature_min_c")), (Some(62.0), Some(0.011), Some(-4.5)));
    assert_eq!(
        (first("ccl_a"), first("dcl_a"), first("cvl_v"), first("voltage_v")),
        (Some(50.0), Some(60.0), Some(55.2), Some(52.9))
    );
    let week = json(&course, "week", now);
    assert_eq!(week["step_s"], 900);
    assert!((sum(&week, "charged_wh") - 3000.0).abs() < 65.0, "all but the open minute");
}

#[test]
fn without_a_wall_clock_the_hour_is_there_and_finds_its_place_once_it_is_set() {
    let mut course = Course::new(0.0);
    for second in 0..7200 {
        course.add(&sample(360.0), at(second, None));
    }
    let hour = json(&course, "hour", at(7200, None));
    assert!(hour.get("t").is_none() && hour["age_s"].as_array().unwrap().len() >= 60, "{hour}");
    assert!(course.days(u64::from(u32::MAX)).next().is_none(), "no day has a name yet");
    for second in 7200..7300 {
        course.add(&sample(360.0), at(second, Some(START + second)));
    }
    let year = json(&course, "year", at(7300, Some(START + 7300)));
    assert_eq!(year["days"][0]["date"], "2026-03-01");
    assert!((year["days"][0]["charged_kwh"].as_f64().unwrap() - 0.72).abs() < 0.01, "{year}");
}

#[test]
fn a_clock_that_was_wrong_costs_nothing_that_was_right() {
    let mut course = Course::new(0.0);
    let run = |course: &mut Course, from: u64, to: u64, offset: u64| {
        (from..to).for_each(|second| course.add(&sample(100.0), at(second, Some(START + offset + second))));
    };
    run(&mut course, 0, 7200, 0);
    // An hour thirty years ahead, then correct again, then an hour back.
    run(&mut course, 7200, 10_800, 30 * 365 * 86_400);
    run(&mut course, 10_800, 14_400, 0);
    let now = at(14_400, Some(START + 14_400));
    let week = json(&course, "week", now);
    let known = week["power_w"].as_array().unwrap().iter().filter(|power| !power.is_null()).count();
    assert_eq!(known, 13, "two hours and one, and the quarter that is joined to the minute before: {week}");
    assert!(week["t"].as_array().unwrap().iter().all(|t| t.as_u64().unwrap() <= START + 14_400));
    assert_eq!(json(&course, "year", now)["days"].as_array().unwrap().len(), 1);
}

#[test]
fn what_a_power_cut_tore_is_a_gap_and_nothing_more() {
    let folder = folder("torn");
    let mut course = Course::new(0.0);
    let mut file = CourseFile::new(&folder, "x", Moment::default());
    for second in 0..6 * 3600 {
        course.add(&sample(100.0), at(second, Some(START + second)));
    }
    let now = at(6 * 3600, Some(START + 6 * 3600));
    save(&mut file, &mut course, now).unwrap();
    let path = folder.join("x.history");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = 32 + 366 * 16 + 40 * usize::try_from((START / 900 + 3) % u64::from(QUARTERS)).unwrap();
    bytes[place + 20] ^= 0x55;
    std::fs::write(&path, &bytes).unwrap();
    let mut found = Course::new(0.0);
    CourseFile::new(&folder, "x", now.at).load(&mut found).unwrap();
    let week = json(&found, "week", now);
    let nulls: Vec<_> =
        week["soc_pct"].as_array().unwrap().iter().enumerate().filter(|(_, soc)| soc.is_null()).map(|(n, _)| n).collect();
    assert_eq!(nulls, [3, 24], "the torn quarter, and the one that has just begun");
}

#[test]
fn a_disk_that_does_not_take_it_is_said_once_and_gets_all_later() {
    let folder = folder("blocked");
    std::fs::write(&folder, "a file where the folder should be").unwrap();
    let mut course = Course::new(0.0);
    let mut file = CourseFile::new(&folder, "x", Moment::default());
    let mut said = 0;
    for second in 0..3 * 3600 {
        let now = at(second, Some(START + second));
        course.add(&sample(100.0), now);
        if second == 2 * 3600 + 10 {
            std::fs::remove_file(&folder).unwrap();
        }
        if second % 1200 == 1199
            && let Some(job) = file.begin(&mut course, now, false)
        {
            said += u32::from(file.finish(job.run()).is_err());
        }
    }
    assert_eq!(said, 1);
    let now = at(3 * 3600, Some(START + 3 * 3600));
    let mut found = Course::new(0.0);
    CourseFile::new(&folder, "x", now.at).load(&mut found).unwrap();
    let known = json(&found, "week", now)["soc_pct"].as_array().unwrap().iter().filter(|soc| !soc.is_null()).count();
    assert_eq!(known, 12, "also what was when the disk did not take it");
}

/// The states of charge from the first known one to the last: a time without measurements leaves no data in the file.
fn known(columns: &Value) -> Vec<Value> {
    let all = columns["soc_pct"].as_array().unwrap();
    let first = all.iter().position(|soc| !soc.is_null()).unwrap_or(all.len());
    let last = all.iter().rposition(|soc| !soc.is_null()).map_or(first, |last| last + 1);
    all[first..last].to_vec()
}

#[test]
fn what_is_no_plain_file_is_neither_read_nor_written() {
    let folder = folder("odd");
    std::fs::create_dir_all(&folder).unwrap();
    let place = folder.join("x.history");
    let refused = |what: &str| {
        let mut file = CourseFile::new(&folder, "x", Moment::default());
        let error = file.load(&mut Course::new(0.0)).unwrap_err().to_string();
        assert!(error.contains("x.history") && error.contains(what), "{error}");
        let mut course = Course::new(0.0);
        course.add(&sample(1000.0), at(10, Some(START)));
        course.add(&sample(1000.0), at(100, Some(START + 90)));
        file.begin(&mut course, at(4000, Some(START + 4000)), true).unwrap().run().is_err()
    };
    std::os::unix::fs::symlink("/dev/zero", &place).unwrap();
    assert!(refused("a link"));
    std::fs::remove_file(&place).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&place).status().unwrap().success());
    assert!(refused("a pipe"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any clock and any measurement: bounded, never more energy than flowed, and the same after reading the file.
    #[test]
    fn any_course_is_bounded_and_survives_its_file(
        steps in proptest::collection::vec((0_u64..400, -3_000_000_i64..3_000_000, proptest::option::of(-60_000.0..60_000.0), 0_u8..40), 1..400),
        offset in -12.0_f64..14.0,
    ) {
        let mut course = Course::new(offset);
        let (mut mono, mut most) = (0_u64, 0.0);
        let unsettled = steps.iter().any(|(_, _, _, kind)| *kind < 2);
        let mut unix = START as i64;
        let mut now = at(0, Some(START));
        for (seconds, jump, power, kind) in steps {
            mono += seconds;
            unix += seconds as i64 + if kind == 0 { jump } else { 0 };
            now = at(mono, (kind != 1).then_some(unix.max(0) as u64));
            let odd = if kind == 2 { f64::NAN } else if kind == 3 { 1e300 } else { 3.3 };
            course.add(&Sample { power, cell_min: Some(odd), cell_max: Some(3.4), soc: power.map(|_| f64::from(kind)), ..Sample::default() }, now);
            most += power.map_or(0.0, f64::abs) * 30.0 / 3600.0;
        }
        for (name, _) in Range::ALL {
            let all = json(&course, name, now);
            if let Some(columns) = all.get("age_s") {
                let length = columns.as_array().unwrap().len();
                prop_assert!(length <= 800, "{name}: {length}");
                prop_assert_eq!(all["power_w"].as_array().unwrap().len(), length);
                prop_assert!(sum(&all, "charged_wh") + sum(&all, "discharged_wh") <= most + 1.0);
            } else {
                prop_assert!(all["days"].as_array().unwrap().len() <= DAYS as usize + 1);
            }
        }
        let mut file = course.whole();
        let mut bytes = vec![0_u8; 200_000];
        bytes[..19].copy_from_slice(b"dbus-bms history 1\n");
        file.sort_by_key(|piece| piece.at);
        for piece in &file {
            let at = usize::try_from(piece.at).unwrap();
            bytes[at..at + piece.bytes.len()].copy_from_slice(&piece.bytes);
        }
        let mut found = Course::new(offset);
        found.load(&bytes);
        let later = at(mono, Some(unix.max(0) as u64));
        let (kept, had) = (known(&json(&found, "week", at(0, later.unix))), known(&json(&course, "week", later)));
        let mut rest = had.iter();
        prop_assert!(kept.iter().filter(|soc| !soc.is_null()).all(|soc| rest.any(|other| other == soc)), "{kept:?} of {had:?}");
        // Data measured with an unknown or wrong time is not in the file.
        prop_assert!(unsettled || kept == had, "{kept:?} of {had:?}");
    }

    #[test]
    fn no_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..4000), place in 0_usize..120_000) {
        let mut file = vec![0_u8; 125_000];
        file[..19].copy_from_slice(b"dbus-bms history 1\n");
        for (at, byte) in bytes.iter().enumerate() {
            if let Some(slot) = file.get_mut(place + at) { *slot = *byte; }
        }
        let mut course = Course::new(0.0);
        course.load(&file);
        course.load(&bytes);
        let _ = json(&course, "month", at(5, Some(START)));
    }
}

#[test]
fn a_quarter_that_is_partly_in_minutes_counts_once() {
    // The program starts anew within a quarter, in which it has run before.
    for begin in [0_u64, 120, 299, 300, 420, 660, 890] {
        let mut before = Course::new(0.0);
        for second in 0..1800 + begin {
            before.add(&sample(3600.0), at(second, Some(START + second)));
        }
        let folder = folder(&format!("partly-{begin}"));
        let mut file = CourseFile::new(&folder, "x", Moment::default());
        let job = file.begin(&mut before, at(1800 + begin, Some(START + 1800 + begin)), true).unwrap();
        job.run().unwrap();
        let mut course = Course::new(0.0);
        CourseFile::new(&folder, "x", Moment::default()).load(&mut course).unwrap();
        for second in 0..3600 {
            course.add(&sample(3600.0), at(second, Some(START + 1800 + begin + second)));
        }
        let day = json(&course, "day", at(3600, Some(START + 1800 + begin + 3600)));
        // One watt hour per second, less the second without a successor at each end.
        let (all, charged) = ((1800 + begin + 3600) as f64, sum(&day, "charged_wh"));
        assert!((charged - all).abs() < 5.0, "{charged} of {all} Wh, {begin} s after the quarter began");
    }
    // A first start within a quarter: nothing is known of the time before.
    let mut course = Course::new(0.0);
    for second in 0..3600 {
        course.add(&sample(3600.0), at(second, Some(START + 420 + second)));
    }
    let day = json(&course, "day", at(3600, Some(START + 420 + 3600)));
    assert!((sum(&day, "charged_wh") - 3600.0).abs() < 5.0, "{}", sum(&day, "charged_wh"));
    assert_eq!(day["t"][0].as_u64(), Some(START + 300), "the first five minutes with data");
}

#[test]
fn a_day_of_the_cells_is_kept_over_a_restart() {
    let folder = folder("cells");
    let mut cells = CellCourse::default();
    let volts = |spread: f64| -> Vec<f64> { (0..16).map(|cell| 3.3 + if cell == 10 { spread } else { 0.0 }).collect() };
    for second in (0..2 * 86_400).step_by(10) {
        // A rise of 150 mV for a minute at the end.
        let spread = if (172_500..172_560).contains(&second) { 0.15 } else { 0.017 };
        cells.add(&volts(spread), if second % 300 < 20 { &[11] } else { &[] }, at(second, Some(START + second)));
    }
    let now = at(2 * 86_400, Some(START + 2 * 86_400));
    let day: Value = serde_json::from_str(&cells.json("x", now)).unwrap();
    let steps = day["age_s"].as_array().unwrap().len();
    assert!((CELL_STEPS - 1..=CELL_STEPS + 1).contains(&steps), "a day and no more: {steps}");
    let of_cell = |day: &Value, cell: usize| -> Vec<f64> {
        day["deviation_mv"][cell].as_array().unwrap().iter().filter_map(Value::as_f64).collect()
    };
    let weak = of_cell(&day, 10);
    assert_eq!(weak.iter().filter(|mv| (**mv - 17.0).abs() < 0.5).count(), weak.len() - 1);
    assert!(weak.iter().any(|mv| (mv - 150.0).abs() <= 4.0), "a short deviation is not averaged away: {weak:?}");
    assert!(of_cell(&day, 0).iter().all(|mv| *mv == 0.0), "one bad cell does not move the others");
    assert_eq!((&day["balanced"][10][0], &day["balanced"][0][0], &day["median_v"][0]), (&1.into(), &0.into(), &3.3.into()));
    // Only the end of the program writes.
    let file = CourseFile::new(&folder, "jbd_1", Moment::default());
    file.end_cells(&mut cells, now).unwrap().run().unwrap();
    let size = std::fs::metadata(folder.join("jbd_1.cells")).unwrap().len();
    assert!(size < 8000, "{size}");
    // Ten minutes later, with another origin of the monotonic clock.
    let restart = at(5, Some(START + 2 * 86_400 + 600));
    let mut found = file.load_cells(restart).unwrap();
    found.add(&volts(0.02), &[], restart);
    let again: Value = serde_json::from_str(&found.json("x", restart)).unwrap();
    assert_eq!(of_cell(&again, 10).last(), Some(&20.0));
    let ages: Vec<u64> = again["age_s"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert!(ages[ages.len() - 2] >= 600 && ages.windows(2).all(|pair| pair[0] > pair[1]), "{ages:?}");
    // Nothing of a file with a flipped bit.
    let mut bytes = std::fs::read(folder.join("jbd_1.cells")).unwrap();
    bytes[100] ^= 1;
    assert_eq!(CellCourse::load(&bytes, restart), CellCourse::default());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_broken_sense_wire_is_unknown_in_the_day_of_the_cells() {
    let mut cells = CellCourse::default();
    for second in (0..600).step_by(10) {
        cells.add(&[3.30, 0.0, 3.31, 3.32], &[], at(second, Some(START + second)));
    }
    let day: Value = serde_json::from_str(&cells.json("x", at(600, None))).unwrap();
    assert_eq!(
        (&day["deviation_mv"][1][0], &day["deviation_mv"][0][0], &day["deviation_mv"][3][0]),
        (&Value::Null, &(-10.0).into(), &10.0.into())
    );
    assert!(day.get("now").is_none());
}
