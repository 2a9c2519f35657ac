//! Any text as a configuration: never a panic, every problem with its line; an accepted one means the same after it is written out
//! again, and gives limits within it.
#![no_main]

use dbus_bms::battery::charge::filter::Filter;
use dbus_bms::config::{Config, ConfigError, Origin, Settings};
use held::limits::highest_cell;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    held::heap::bounded(64 << 20, || match Config::from_bytes("a.toml", input) {
        Ok(config) => accepted(&config),
        Err(ConfigError::Wrong { file, problems }) => {
            let lines = input.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(file == "a.toml" && !problems.is_empty());
            for problem in problems {
                assert!(
                    matches!(problem.origin, Origin::Line(line) if (1..=lines).contains(&line)),
                    "{problem:?} of {lines} lines"
                );
                assert!(!problem.text.is_empty() && !problem.text.contains('\n'), "{problem:?}");
            }
        }
        Err(error) => panic!("nothing was to be read: {error}"),
    });
});

fn accepted(config: &Config) {
    for (port, battery) in [(None, None), (Some("/dev/ttyUSB0"), None), (Some("ttyUSB0"), Some("jbd_1"))] {
        let settings = config.settings(port, battery);
        let text = settings.to_toml();
        let again = Config::parse("written.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}")).settings(None, None);
        assert_eq!(again, settings, "{text}");
        limits(&settings);
    }
}

/// A day's worth of cells keeps the limits within the configuration.
fn limits(settings: &Settings) {
    let config = settings.charge.clone();
    let most = (config.max_charge_current.map_or(50.0, f64::from), config.max_discharge_current.map_or(60.0, f64::from));
    let cells = config.cells.unwrap_or(16);
    let mut filter = Filter::new(config.clone());
    let chemistry = config.chemistry.unwrap_or(dbus_bms::model::Chemistry::Lfp);
    for (t, cell) in [2.0, 3.0, 3.31, 3.45, 3.6, 4.1, 4.2, 2.6, 3.31].into_iter().enumerate() {
        let line =
            serde_json::json!({"t": t * 100, "cells": vec![cell; usize::from(cells)], "soc": t * 12, "temperatures": [t * 8]});
        let (answer, _) = filter.line(&line.to_string()).expect("a good line");
        let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
        let [cvl, ccl, dcl] = ["cvl", "ccl", "dcl"].map(|key| answer[key].as_f64().expect("a number"));
        assert!(ccl >= 0.0 && ccl <= most.0 && dcl >= 0.0 && dcl <= most.1, "{settings:?} gives {answer}");
        assert!(cvl >= 0.0 && cvl <= f64::from(cells) * highest_cell(chemistry) + config.voltage_drop.get() + 0.01, "{answer}");
    }
}
