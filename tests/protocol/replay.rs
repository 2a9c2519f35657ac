//! Every recording in `tests/vectors` gives exactly its stated readings.

use crate::support::vector_files;

use dbus_bms::bms::{DRIVERS, Evidence};
use dbus_bms::recording::file::Recording;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

#[test]
fn every_vector_gives_exactly_its_readings() {
    let failures: Vec<String> = vector_files::all()
        .iter()
        .flat_map(|file| {
            let traffic = file.vector.play(file.driver);
            let actual: Vec<_> = traffic.readings().map(|reading| object(serde_json::to_value(reading).unwrap())).collect();
            differences(&file.vector.readings, &actual).into_iter().map(|difference| format!("{}: {difference}", file.name))
        })
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// The consistency check of a reading rejects no recorded board.
#[test]
fn no_recorded_reading_contradicts_itself() {
    let mut whole = 0;
    for file in vector_files::all().iter().filter(|file| file.vector.recorded) {
        for reading in file.vector.play(file.driver).readings() {
            assert_eq!(reading.contradiction(), None, "{}", file.name);
            whole += usize::from(reading.is_complete());
        }
    }
    assert!(whole > 50, "only {whole} whole readings");
}

#[test]
fn every_vector_is_in_the_form_that_record_writes() {
    for file in vector_files::all() {
        assert!(file.vector.text() == file.text, "{}: is written differently, as\n{}", file.name, file.vector.text());
    }
}

#[test]
fn every_driver_has_recordings_of_real_devices() {
    let files = vector_files::all();
    for driver in DRIVERS {
        let untested = matches!(driver.evidence, Evidence::Untested | Evidence::OwnFormat);
        let counts = |file: &&vector_files::File| file.driver.name == driver.name && (file.vector.recorded || untested);
        let recorded = files.iter().filter(counts).count();
        assert!(recorded >= 2, "{}: {recorded} recordings of real devices", driver.name);
    }
}

/// The comparison in this file can fail: it detects differences.
#[test]
fn a_wrong_expectation_is_found_and_named() {
    let file = vector_files::all().into_iter().find(|file| file.name == "jbd/readme-4s.json").unwrap();
    let damaged = |from: &str, to: &str| {
        assert!(file.text.contains(from), "{from}");
        let vector = Recording::parse(&file.name, &file.text.replacen(from, to, 1)).unwrap();
        differences(&vector.readings, &file.vector.readings)
    };
    assert_eq!(damaged("3.868", "3.8680000001").len(), 1);
    assert!(damaged("\"soc_pct\": 99", "\"soc_pct\": 98")[0].contains("soc_pct"));
    assert!(damaged("\"soc_pct\": 99", "\"soh_pct\": 99").len() == 2);
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("a reading is an object, not {other}"),
    }
}

fn differences(expected: &[Map<String, Value>], actual: &[Map<String, Value>]) -> Vec<String> {
    if expected.len() != actual.len() {
        return vec![format!("{} readings expected, {} came: {actual:?}", expected.len(), actual.len())];
    }
    let pairs = expected.iter().zip(actual);
    pairs
        .flat_map(|(expected, actual)| {
            let keys: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
            keys.into_iter().filter_map(|key| {
                let (expected, actual) = (expected.get(key), actual.get(key));
                let show = |value: Option<&Value>| value.map_or("nothing".into(), Value::to_string);
                (!same(expected, actual)).then(|| format!("{key}: expected {}, came {}", show(expected), show(actual)))
            })
        })
        .collect()
}

/// Equal values; JSON does not distinguish 62 from 62.0.
fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a.as_f64() == b.as_f64(),
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), Some(b)))
        }
        _ => a == b,
    }
}
