//! The `limits` filter: one line out for each line in, always finite, never negative, never above what is configured.
//!
//! The first byte chooses a configuration and the source of the lines: the text as it is, or inputs built from the bytes.
#![no_main]

use dbus_bms::base::units::{AmpHours, Amps, Volts};
use dbus_bms::battery::charge::filter::Filter;
use dbus_bms::battery::charge::{Config, PhaseConfig, LimitsPreset};
use dbus_bms::model::Chemistry;
use held::draw::Draw;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::time::Duration;

fuzz_target!(|input: &[u8]| {
    let [choice, rest @ ..] = input else { return };
    let config = config(*choice);
    held::heap::bounded(8 << 20, || {
        let mut filter = Filter::new(config.clone());
        if choice & 1 == 0 {
            let text = String::from_utf8_lossy(rest);
            text.lines().take(64).for_each(|line| ask(&mut filter, &config, line));
        } else {
            let (mut draw, mut t) = (Draw::new(rest), 0.0);
            for _ in 0..64 {
                if draw.is_empty() {
                    break;
                }
                t += draw.time().as_secs_f64();
                ask(&mut filter, &config, &facts(&mut draw, t).to_string());
            }
        }
    });
});

/// Settings at their defaults, at their limits, and rare ones.
fn config(choice: u8) -> Config {
    let mut config = Config { chemistry: Some(Chemistry::Lfp), ..Config::default() };
    match (choice >> 1) % 8 {
        0 => {}
        1 => (config.max_charge_current, config.max_discharge_current) = (Some(Amps::new(5.0)), Some(Amps::ZERO)),
        2 => (config.min_charge_current, config.min_discharge_current) = (Amps::new(10.0), Amps::new(10.0)),
        3 => (config.max_cell_voltage, config.voltage_drop) = (Some(Volts::new(4.2)), Volts::new(2.0)),
        4 => (config.cells, config.capacity) = (Some(16), Some(AmpHours::new(280.0))),
        5 => (config.preset, config.chemistry) = (LimitsPreset::SerialbatterySocSteps, Some(Chemistry::Nmc)),
        6 => (config.preset, config.min_charge_current) = (LimitsPreset::CellSteps, Amps::new(0.5)),
        _ => {
            config.chemistry = Some(Chemistry::Lto);
            config.charge_by_soc = Some(vec![(90.0, 1.0), (100.0, 0.1)]);
            config.phases = PhaseConfig { absorption: Duration::ZERO, float_ramp: 1.0, ..PhaseConfig::default() };
        }
    }
    if choice & 16 != 0 {
        config.max_charge_current.get_or_insert(Amps::new(1000.0));
        config.recovery.hold = Duration::ZERO;
        config.silence = dbus_bms::battery::charge::Silence::STRICT;
    }
    config
}

fn ask(filter: &mut Filter, config: &Config, line: &str) {
    let Ok((answer, _)) = filter.line(line) else { return };
    assert!(!answer.contains('\n'), "more than one line");
    let (told, answer): (Value, Value) =
        (serde_json::from_str(line).expect("it was understood"), serde_json::from_str(&answer).expect("the answer is JSON"));
    let [cvl, ccl, dcl] = ["cvl", "ccl", "dcl"].map(|key| answer[key].as_f64().expect("a number"));
    assert!(cvl.is_finite() && cvl >= 0.0 && ccl >= 0.0 && dcl >= 0.0, "{line} gives {answer}");
    let most = |set: Option<Amps>, default: f64| set.map_or(default, Amps::get) + 1e-6;
    assert!(
        ccl <= most(config.max_charge_current, 50.0) && dcl <= most(config.max_discharge_current, 60.0),
        "{line} gives {answer}"
    );
    for key in ["mode", "cvl_why", "ccl_why", "dcl_why"] {
        assert!(answer[key].as_str().is_some_and(|text| !text.is_empty() && text != "no limit"), "{line} gives {answer}");
    }
    let number = |key: &str| told[key].as_f64();
    let forbids = |key: &str| told[key] == json!(false);
    assert!(
        ccl == 0.0 || !(forbids("charge_allowed") || number("bms_ccl").is_some_and(|limit| limit <= 0.0)),
        "{line} gives {answer}"
    );
    assert!(
        dcl == 0.0 || !(forbids("discharge_allowed") || number("bms_dcl").is_some_and(|limit| limit <= 0.0)),
        "{line} gives {answer}"
    );

    let cells: Vec<f64> = told["cells"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    if cells.iter().any(|cell| !(0.5..=5.0).contains(cell)) {
        assert!(ccl == 0.0 && dcl == 0.0, "no cell is like this: {line} gives {answer}");
    }
    let age = Duration::try_from_secs_f64(number("age_s").unwrap_or(0.0)).unwrap_or_default();
    assert!(ccl == 0.0 || age < config.silence.values_after() + config.silence.charge_fade, "{line} gives {answer}");
    assert!(dcl == 0.0 || age < config.silence.cable_alarm_after(), "{line} gives {answer}");
    if ccl > 0.0 {
        let per_cell = held::limits::highest_cell(config.chemistry.unwrap_or(Chemistry::Lfp));
        let stated = number("cell_count").filter(|_| told["cells"].is_null());
        let count = config.cells.map_or(stated.unwrap_or(cells.len() as f64), f64::from);
        let by_cells = per_cell * count + config.voltage_drop.get();
        // A battery without cells is charged as it asks for.
        let most = if told["cells"].is_null() { number("bms_cvl").unwrap_or(0.0).max(by_cells) } else { by_cells };
        assert!(cvl <= most + 0.01, "{line} gives {answer}");
    }
}

/// A line of inputs, each of which may be missing or nonsense.
fn facts(draw: &mut Draw, t: f64) -> Value {
    let mut line = json!({ "t": t });
    let present = u16::from_le_bytes([draw.byte(), draw.byte()]);
    let numbers = [
        ("age_s", 0.0, (0.0, 400.0)),
        ("current", 5.0, (-300.0, 300.0)),
        ("voltage", 52.96, (1.0, 1000.0)),
        ("soc", 60.0, (0.0, 100.0)),
        ("mos_temperature", 30.0, (-60.0, 180.0)),
        ("bms_ccl", 40.0, (0.0, 500.0)),
        ("bms_dcl", 40.0, (0.0, 500.0)),
        ("capacity_ah", 280.0, (0.0, 10_000.0)),
        ("cell_ovp", 3.65, (0.0, 5.0)),
        ("cell_uvp", 2.5, (0.0, 5.0)),
        ("charge_ocp", 100.0, (0.0, 3000.0)),
        ("discharge_ocp", 100.0, (0.0, 3000.0)),
        ("owner_ccl", 100.0, (0.0, 500.0)),
    ];
    if draw.flag() {
        line["bms_cvl"] = json!(draw.number(53.2, (0.0, 1000.0)));
    }
    for (bit, (key, usual, range)) in numbers.into_iter().enumerate() {
        if present >> bit & 1 == 1 {
            line[key] = json!(draw.number(usual, range));
        }
    }
    for (bit, key) in [(13, "charge_allowed"), (14, "discharge_allowed")] {
        if present >> bit & 1 == 1 {
            line[key] = json!(draw.flag());
        }
    }
    if present >> 15 == 0 {
        let (count, base) = (*draw.one_of(&[16, 15, 4, 0, 1, 32, 40, 24]), draw.number(3.31, (2.0, 3.7)));
        let mut cells = vec![base; count];
        if count > 0 {
            let at = draw.below(count);
            cells[at] = draw.number(base, (0.5, 5.0));
        }
        line["cells"] = json!(cells);
        line["temperatures"] = json!([draw.number(22.0, (-60.0, 120.0))]);
    }
    line
}
