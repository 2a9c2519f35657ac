//! Charge control through its filter, as run by the `limits` command: the safety rules one by one, and the invariants that hold for
//! any input.

use dbus_bms::base::units::{AmpHours, Amps, Volts};
use dbus_bms::battery::charge::filter::Filter;
use dbus_bms::battery::charge::{ClientLimit, Config};
use dbus_bms::model::Chemistry;
use proptest::prelude::*;
use serde_json::{Value, json};

fn ask(filter: &mut Filter, line: &Value) -> Value {
    serde_json::from_str(&filter.line(&line.to_string()).unwrap().0).unwrap()
}

fn once(line: Value) -> Value {
    ask(&mut Filter::new(Config::default()), &line)
}

fn cells(cell: f64) -> Vec<f64> {
    vec![cell; 16]
}

/// The limits for healthy cells with `extra` inputs.
fn healthy(extra: Value) -> Value {
    let mut line = json!({"t": 0, "cells": cells(3.31), "current": 0, "soc": 60, "temperatures": [22], "charge_allowed": true, "discharge_allowed": true});
    line.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    once(line)
}

#[test]
fn a_healthy_battery_gets_the_default_maxima() {
    let limits = healthy(json!({"capacity_ah": 280}));
    assert_eq!(
        limits,
        json!({"t": 0.0, "cvl": 55.2, "ccl": 50.0, "dcl": 60.0, "mode": "bulk",
        "cvl_why": "charge voltage", "ccl_why": "default maximum", "dcl_why": "default maximum"})
    );
}

#[test]
fn currents_come_from_configuration_capacity_and_protection() {
    assert_eq!(healthy(json!({"capacity_ah": 60}))["ccl"], 30.0);
    assert_eq!(healthy(json!({"capacity_ah": 60}))["dcl"], 30.0);
    assert_eq!(healthy(json!({"capacity_ah": 280, "charge_ocp": 40}))["ccl"], 36.0);
    assert_eq!(healthy(json!({"capacity_ah": 280, "discharge_ocp": 50}))["dcl"], 45.0);
    for implausible in [0.0, 2801.0] {
        let limits = healthy(json!({"capacity_ah": 280, "charge_ocp": implausible}));
        assert_eq!(limits["ccl"], 50.0, "a protection of {implausible} A is none");
    }
    let config = Config { max_charge_current: Some(Amps::new(100.0)), ..Config::default() };
    let line = json!({"t": 0, "cells": cells(3.31), "capacity_ah": 280, "charge_ocp": 90});
    assert_eq!(ask(&mut Filter::new(config.clone()), &line)["ccl"], 81.0, "never above 0.9 of the protection");
    assert_eq!(ask(&mut Filter::new(config), &json!({"t": 0, "cells": cells(3.31), "capacity_ah": 100}))["ccl"], 100.0);
}

#[test]
fn what_a_client_of_the_gx_sets_is_bounded_by_capacity_protection_and_chemistry() {
    use ClientLimit::{CellVoltage, ChargeCurrent, DischargeCurrent, FloatVoltage};
    let mut config = Config {
        max_charge_current: Some(Amps::new(1000.0)),
        max_discharge_current: Some(Amps::new(1000.0)),
        max_cell_voltage: Some(Volts::new(3.65)),
        from_client: vec![ChargeCurrent, DischargeCurrent, CellVoltage, FloatVoltage],
        ..Config::default()
    };
    config.phases.float_cell_voltage = Some(Volts::new(3.65));
    let limits = |config: &Config, extra: Value| {
        let mut line = json!({"t": 0, "cells": cells(3.31), "soc": 60, "temperatures": [22]});
        line.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let limits = ask(&mut Filter::new(config.clone()), &line);
        ["ccl", "dcl", "cvl"].map(|limit| limits[limit].as_f64().unwrap())
    };
    assert_eq!(limits(&config, json!({"capacity_ah": 120})), [120.0, 120.0, 56.8], "1 C, and 3.55 V per cell");
    assert_eq!(limits(&config, json!({})), [50.0, 60.0, 56.8], "no capacity known: no more than the default");
    let guarded = json!({"capacity_ah": 120, "charge_ocp": 100, "discharge_ocp": 90, "cell_ovp": 3.55});
    assert_eq!(limits(&config, guarded), [90.0, 81.0, 56.0], "the BMS's protections");
    // An implausible protection leaves 1 C.
    assert_eq!(limits(&config, json!({"capacity_ah": 120, "charge_ocp": 60000}))[0], 120.0);
    config.capacity = Some(AmpHours::new(100.0));
    assert_eq!(limits(&config, json!({"capacity_ah": 120}))[0], 100.0, "the configured capacity");
    config.max_cell_voltage = Some(Volts::new(3.40));
    assert_eq!(limits(&config, json!({}))[2], 54.4, "lower is always allowed");
    config.chemistry = Some(Chemistry::Lto);
    config.max_cell_voltage = Some(Volts::new(3.65));
    assert_eq!(limits(&config, json!({"cells": cells(2.4)}))[2], 44.0, "2.75 V per LTO cell");
    // Only the rules of the file limit its owner.
    let config = Config { from_client: Vec::new(), chemistry: None, ..config };
    assert_eq!(limits(&config, json!({"capacity_ah": 120})), [1000.0, 1000.0, 58.4]);
}

/// NMC and LFP cannot stand in: sodium-ion cells work from 3.8 V down to 2.1 V, and are charged below freezing.
#[test]
fn sodium_ion_cells_are_charged_and_discharged_by_their_data_sheet() {
    let config = Config { chemistry: Some(Chemistry::Sodium), ..Config::default() };
    let limits = |cell: f64, temperature: f64| {
        let line = json!({"t": 0, "cells": cells(cell), "soc": 50, "temperatures": [temperature], "capacity_ah": 200});
        let limits = ask(&mut Filter::new(config.clone()), &line);
        ["cvl", "ccl", "dcl"].map(|limit| limits[limit].as_f64().unwrap())
    };
    assert_eq!(limits(3.10, 22.0), [60.8, 50.0, 60.0]);
    assert_eq!(limits(2.50, 22.0), [60.8, 50.0, 60.0], "half empty");
    assert_eq!(limits(2.00, 22.0)[2], 0.0, "empty");
    let [cvl, ccl, _] = limits(3.86, 22.0);
    assert!(cvl <= 61.76 && ccl == 0.0, "{cvl} {ccl}");
    assert!(limits(3.10, -3.0)[1] > 0.0 && limits(3.10, -10.0)[1] == 0.0 && limits(3.10, 45.0)[1] == 0.0);
    assert!(limits(3.10, -20.0)[2] > 0.0 && limits(3.10, -30.0)[2] == 0.0);
    let capped = ask(
        &mut Filter::new(config.clone()),
        &json!({"t": 0, "cells": cells(3.1), "soc": 50, "temperatures": [22], "cell_ovp": 3.65}),
    );
    assert_eq!(capped["cvl"], 57.6, "the BMS's protection of cells that are full at a lower voltage");
}

#[test]
fn no_client_lifts_float_over_the_usual_charge_voltage() {
    let run = |from_client: Vec<ClientLimit>, set: Option<f64>| {
        let mut config = Config { max_cell_voltage: set.map(Volts::new), from_client, ..Config::default() };
        config.phases.float_cell_voltage = Some(Volts::new(3.60));
        let mut filter = Filter::new(config);
        let mut last = json!({"cvl": 52.96});
        for t in 0..20_000 {
            // The charger holds the pack at the permitted voltage.
            let cell = last["cvl"].as_f64().unwrap() / 16.0;
            let line = json!({"t": t, "cells": cells(cell), "current": 0.5, "soc": 99, "temperatures": [22], "capacity_ah": 100});
            last = ask(&mut filter, &line);
        }
        assert_eq!(last["mode"], "float");
        last["cvl"].as_f64().unwrap()
    };
    use ClientLimit::{CellVoltage, FloatVoltage};
    assert_eq!(run(vec![FloatVoltage], None), 55.2);
    assert_eq!(run(vec![FloatVoltage, CellVoltage], Some(3.55)), 55.2);
    assert_eq!(run(vec![FloatVoltage], Some(3.50)), 56.0);
}

#[test]
fn what_the_bms_asks_for_or_forbids_is_obeyed() {
    assert_eq!(healthy(json!({"bms_ccl": 0}))["ccl"], 0.0);
    assert_eq!(healthy(json!({"bms_dcl": 12.5}))["dcl"], 12.5);
    let limits = healthy(json!({"bms_cvl": 54.0}));
    assert_eq!((&limits["cvl"], &limits["cvl_why"]), (&json!(54.0), &json!("charge voltage the BMS asks for")));
    let usual = healthy(json!({}));
    assert_eq!(healthy(json!({"bms_cvl": 58.4}))["cvl"], usual["cvl"], "never raised");
    let limits = healthy(json!({"bms_cvl": 5.4}));
    assert_eq!(
        (&limits["ccl"], &limits["ccl_why"]),
        (&json!(0.0), &json!("charge voltage the BMS asks for")),
        "not of sixteen cells"
    );
    let limits = healthy(json!({"charge_allowed": false}));
    assert_eq!((&limits["ccl"], &limits["ccl_why"]), (&json!(0.0), &json!("BMS forbids charging")));
    assert_eq!(healthy(json!({"discharge_allowed": false}))["dcl"], 0.0);
}

#[test]
fn where_charging_is_forbidden_the_voltage_does_not_invite_it() {
    let forbidden = [
        json!({"temperatures": [-5]}),
        json!({"temperatures": [60]}),
        json!({"mos_temperature": 92}),
        json!({"bms_ccl": 0}),
        json!({"charge_allowed": false}),
        json!({"bms_cvl": 0}),
        json!({"owner_ccl": 0}),
        // So low that it is published as 0.
        json!({"bms_ccl": 0.05}),
        json!({"temperatures": [0.1], "capacity_ah": 10, "current": 0.5}),
        json!({"temperatures": [54.9], "capacity_ah": 10, "current": 0.5}),
    ];
    for extra in forbidden {
        let mut facts = json!({"current": 20, "capacity_ah": 280});
        facts.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let limits = healthy(facts);
        assert_eq!(limits["ccl"], 0.0, "{extra}");
        let cvl = limits["cvl"].as_f64().unwrap();
        assert!((52.0..=52.96).contains(&cvl), "{extra}: {limits}");
        assert_eq!(limits["cvl_why"], "charging is forbidden: not above the pack voltage", "{extra}");
    }
    let config = Config { max_charge_current: Some(Amps::ZERO), ..Config::default() };
    let limits = ask(&mut Filter::new(config), &json!({"t": 0, "cells": cells(3.31), "soc": 60}));
    assert_eq!((&limits["ccl"], &limits["cvl"]), (&json!(0.0), &json!(52.96)), "the owner's 0 in the configuration");
    assert_eq!(healthy(json!({"temperatures": [5]}))["cvl"], 55.2, "less current is no ban");
}

#[test]
fn a_forbidden_voltage_follows_the_pack_and_comes_back_by_ramp() {
    let mut filter = Filter::new(Config::default());
    let mut at = |t: u32, cell: f64, current: f64, heat: f64| {
        let line = json!({"t": t, "cells": cells(cell), "current": current, "soc": 60, "temperatures": [heat], "capacity_ah": 280});
        ask(&mut filter, &line)["cvl"].as_f64().unwrap()
    };
    assert_eq!(at(0, 3.31, 0.0, -2.0), 52.96);
    assert_eq!(at(1, 3.29, -50.0, -2.0), 52.64, "a load pulls the pack down, and the limit is not above it");
    assert!(at(2, 3.31, 0.0, -2.0) <= 52.70, "upwards by 0.05 V/s");
    let after = at(9, 3.31, 0.0, -2.0);
    assert!((52.93..=52.96).contains(&after), "it does not stay down there: {after}");
    for t in 10..100 {
        let noise = if t % 2 == 0 { 0.0004 } else { -0.0004 };
        assert!((52.93..=52.97).contains(&at(t, 3.31 + noise, 0.0, -2.0)), "noise pulls nothing down");
    }
    assert!(at(100, 3.31, 0.0, 0.1) <= 52.96, "just above the limit is not warm yet");
    assert!(at(101, 3.31, 0.0, 20.0) <= 52.97, "it waits");
    let rising = at(141, 3.31, 0.0, 20.0);
    assert!((53.3..=53.5).contains(&rising), "0.05 V/s: {rising}");
    assert_eq!(at(200, 3.31, 0.0, 20.0), 55.2);
}

#[test]
fn charge_by_soc_ends_the_charge_by_voltage_too_and_does_not_flap() {
    let config = Config { charge_by_soc: Some(vec![(79.0, 1.0), (80.0, 0.0)]), ..Config::default() };
    let mut filter = Filter::new(config);
    let mut at = |t: u32, soc: f64| {
        ask(&mut filter, &json!({"t": t, "cells": cells(3.33), "current": 0, "soc": soc}))["cvl"].as_f64().unwrap()
    };
    assert_eq!(at(0, 79.0), 55.2);
    assert_eq!(at(1, 80.0), 53.28);
    for t in 2..200 {
        assert_eq!(at(t, if t % 2 == 0 { 79.0 } else { 80.0 }), 53.28, "two per cent below it begins again");
    }
    at(200, 77.9);
    assert_eq!(at(400, 77.9), 55.2);
}

#[test]
fn a_minimum_current_never_beats_safety() {
    let config = Config { min_charge_current: Amps::new(10.0), min_discharge_current: Amps::new(10.0), ..Config::default() };
    let with = |extra: Value| {
        let mut line = json!({"t": 0, "cells": cells(3.31), "current": 0, "soc": 60, "temperatures": [22], "capacity_ah": 280});
        line.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let limits = ask(&mut Filter::new(config.clone()), &line);
        (limits["ccl"].as_f64().unwrap(), limits["dcl"].as_f64().unwrap())
    };
    let one = |cell: f64| {
        let mut all = cells(3.31);
        all[3] = cell;
        json!({ "cells": all })
    };
    assert_eq!(with(json!({"temperatures": [-20]})), (0.0, 0.0));
    assert_eq!(with(json!({"temperatures": [70]})), (0.0, 0.0));
    assert_eq!(with(json!({"mos_temperature": 95})), (0.0, 0.0));
    assert_eq!(with(one(3.74)).0, 0.0);
    assert_eq!(with(one(2.80)).1, 0.0);
    assert_eq!(with(json!({"bms_ccl": 0, "bms_dcl": 0})), (0.0, 0.0));
    assert_eq!(with(json!({"age_s": 300})), (0.0, 0.0));
    assert_eq!(with(one(3.46)).0, 10.0, "where the curve is there for comfort it holds");
}

#[test]
fn cvl_stays_under_the_bms_protection() {
    assert_eq!(healthy(json!({"cell_ovp": 3.65}))["cvl"], 55.2);
    assert_eq!(healthy(json!({"cell_ovp": 3.45}))["cvl"], 54.4);
    let high = Config { max_cell_voltage: Some(Volts::new(4.2)), ..Config::default() };
    assert_eq!(
        ask(&mut Filter::new(high), &json!({"t": 0, "cells": cells(3.31)}))["cvl"],
        58.4,
        "no setting lifts LFP above 3.65 V"
    );
}

#[test]
fn cells_temperatures_and_the_mosfets_limit() {
    let one_cell = |cell: f64| {
        let mut all = cells(3.31);
        all[7] = cell;
        json!({ "cells": all })
    };
    assert_eq!(healthy(one_cell(3.55))["ccl"], 0.0);
    assert_eq!(healthy(one_cell(3.42))["ccl"], 15.0);
    assert_eq!(healthy(one_cell(2.75))["dcl"], 0.0);
    assert_eq!(healthy(json!({"temperatures": [22, -1]}))["ccl"], 0.0, "the coldest sensor counts");
    assert_eq!(healthy(json!({"temperatures": [22, 56]}))["dcl"], 0.0, "and the hottest");
    assert_eq!(healthy(json!({"mos_temperature": 80}))["ccl"], 12.5);
    assert_eq!(healthy(json!({"temperatures": [-5]}))["ccl_why"], "battery temperature");
}

#[test]
fn an_empty_battery_may_be_charged_gently() {
    assert_eq!(healthy(json!({"cells": cells(2.6), "soc": 0, "capacity_ah": 280}))["ccl"], 50.0);
    let damaged = healthy(json!({"cells": cells(2.4), "soc": 0, "capacity_ah": 280}));
    assert_eq!((&damaged["ccl"], &damaged["dcl"]), (&json!(14.0), &json!(0.0)));
}

#[test]
fn a_broken_sense_wire_and_an_unclear_count_block() {
    let mut broken = cells(3.31);
    broken[15] = 0.0;
    let limits = healthy(json!({ "cells": broken }));
    assert_eq!((&limits["ccl"], &limits["dcl"]), (&json!(0.0), &json!(0.0)));
    let unclear = healthy(json!({"cell_count": 15}));
    assert_eq!((&unclear["ccl"], &unclear["dcl"], &unclear["cvl"]), (&json!(0.0), &json!(0.0), &json!(52.96)));
    assert_eq!(unclear["cvl_why"], "cell count unclear");
    assert_eq!(healthy(json!({"voltage": 60.0}))["ccl_why"], "cell count unclear");
}

#[test]
fn a_count_that_changes_never_raises_cvl() {
    let mut filter = Filter::new(Config::default());
    assert_eq!(ask(&mut filter, &json!({"t": 0, "cells": vec![3.31; 15]}))["cvl"], 51.75);
    for t in 1..300 {
        let later = ask(&mut filter, &json!({"t": t, "cells": vec![3.31; 16]}));
        assert_eq!(later["cvl"], 51.75, "at {t} s");
    }
}

#[test]
fn limits_fall_at_once_and_rise_slowly() {
    let mut filter = Filter::new(Config::default());
    ask(&mut filter, &json!({"t": 0, "cells": cells(3.31)}));
    assert_eq!(ask(&mut filter, &json!({"t": 1, "cells": cells(3.55)}))["ccl"], 0.0);
    assert_eq!(ask(&mut filter, &json!({"t": 2, "cells": cells(3.31)}))["ccl"], 0.0, "holds");
    let on_the_way = ask(&mut filter, &json!({"t": 41, "cells": cells(3.31)}));
    assert_eq!(on_the_way["ccl"], 10.0, "ten seconds after the hold time at 1 A/s");
    assert!(on_the_way["ccl_why"].as_str().unwrap().starts_with("recovering"), "{on_the_way}");
    let near = ask(&mut filter, &json!({"t": 100, "cells": cells(3.31)}))["ccl"].as_f64().unwrap();
    assert!((40.0..50.0).contains(&near), "slowly where it was cut last: {near}");
    assert_eq!(ask(&mut filter, &json!({"t": 300, "cells": cells(3.31)}))["ccl"], 50.0);
}

#[test]
fn a_rise_does_not_depend_on_how_often_it_is_looked_at() {
    let run = |interval: f64| {
        let mut filter = Filter::new(Config::default());
        ask(&mut filter, &json!({"t": 0, "cells": cells(3.55)}));
        let mut t = interval;
        while t < 60.0 {
            ask(&mut filter, &json!({"t": t, "cells": cells(3.31)}));
            t += interval;
        }
        ask(&mut filter, &json!({"t": 60, "cells": cells(3.31)}))["ccl"].as_f64().unwrap()
    };
    let seldom = run(20.0);
    for interval in [0.1, 0.7, 1.0, 5.0] {
        assert!((run(interval) - seldom).abs() < 0.11, "{interval}: {} and {seldom}", run(interval));
    }
}

#[test]
fn old_data_never_raises_and_silence_acts() {
    let mut filter = Filter::new(Config::default());
    ask(&mut filter, &json!({"t": 0, "cells": cells(3.31)}));
    ask(&mut filter, &json!({"t": 1, "cells": cells(3.55)}));
    for t in 2..11 {
        let limits = ask(&mut filter, &json!({"t": t * 60, "age_s": 5 + t * 60, "cells": cells(3.31)}));
        assert_eq!(limits["ccl"], 0.0, "data of before the reduction");
    }
    assert_eq!(healthy(json!({"age_s": 31}))["ccl"], 0.0);
    assert_eq!(healthy(json!({"age_s": 60}))["dcl"], 15.0);
    assert_eq!(healthy(json!({"age_s": 300}))["dcl"], 0.0);
}

#[test]
fn an_input_that_goes_missing_holds_then_falls() {
    let mut filter = Filter::new(Config::default());
    let without = |t: i32| json!({"t": t, "cells": cells(3.31)});
    ask(&mut filter, &json!({"t": 0, "cells": cells(3.31), "temperatures": [22]}));
    assert_eq!(ask(&mut filter, &without(30))["ccl"], 50.0);
    let limits = ask(&mut filter, &without(31));
    assert_eq!((&limits["ccl"], &limits["dcl"]), (&json!(12.5), &json!(15.0)));
    let notices = Filter::new(Config::default()).line(&without(0).to_string()).unwrap().1;
    assert!(notices.iter().any(|notice| notice.contains("temperature")), "never given: said once {notices:?}");
}

#[test]
fn limits_stay_finite_for_numbers_that_no_battery_has() {
    for huge in [1e300, f64::MAX] {
        for facts in [json!({"voltage": huge}), json!({"cells": [huge]}), json!({"cells": cells(huge), "capacity_ah": huge})] {
            let limits = healthy(facts.clone());
            for key in ["cvl", "ccl", "dcl"] {
                assert!(limits[key].as_f64().is_some_and(|limit| limit >= 0.0), "{facts}: {limits}");
            }
            assert_eq!(limits["ccl"], 0.0, "{facts}: {limits}");
        }
    }
}

#[test]
fn the_input_is_checked() {
    for bad in ["", "{", "[]", r#"{"t":0,"cells":3.3}"#, r#"{"t":"x"}"#] {
        assert!(Filter::new(Config::default()).line(bad).is_err(), "{bad}");
    }
    let notices = Filter::new(Config::default()).line(r#"{"t":0,"cell":[3.3]}"#).unwrap().1;
    assert!(notices.iter().any(|notice| notice.contains("`cell`")), "{notices:?}");
}

prop_compose! {
    fn any_line()(
        t in 0.0f64..100_000.0, age in prop_oneof![3 => Just(0.0), 1 => 0.0f64..1000.0], n in 0usize..33, base in 0.0f64..5.0,
        spread in -0.5f64..0.5, soc in prop::option::of(-10.0f64..120.0), temperature in prop::option::of(-80.0f64..150.0),
        allowed in prop::option::of(any::<bool>()), bms_ccl in prop::option::of(-10.0f64..500.0), ocp in prop::option::of(-1.0f64..4000.0),
        ovp in prop::option::of(-1.0f64..6.0), bms_cvl in prop::option::of(-1.0f64..100.0), capacity in prop::option::of(-1.0f64..2000.0), voltage in prop::option::of(-5.0f64..500.0)
    ) -> Value {
        let mut cells = vec![base; n];
        if let Some(first) = cells.first_mut() { *first += spread; }
        let mut line = json!({"t": t, "age_s": age, "cells": cells});
        let facts = line.as_object_mut().unwrap();
        let optional = [("soc", soc), ("bms_ccl", bms_ccl), ("bms_cvl", bms_cvl), ("charge_ocp", ocp), ("cell_ovp", ovp), ("capacity_ah", capacity), ("voltage", voltage)];
        facts.extend(optional.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))));
        if let Some(t) = temperature { facts.insert("temperatures".into(), json!([t])); }
        if let Some(allowed) = allowed { facts.insert("charge_allowed".into(), json!(allowed)); }
        line
    }
}

fn numbers(limits: &Value) -> [f64; 3] {
    ["cvl", "ccl", "dcl"].map(|key| limits[key].as_f64().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn limits_are_always_finite_positive_and_within_the_maxima(lines in prop::collection::vec(any_line(), 1..40)) {
        let mut filter = Filter::new(Config::default());
        for mut line in lines {
            if let Some(n) = line["cells"].as_array().map(Vec::len) { line["cell_count"] = json!(n); }
            let limits = ask(&mut filter, &line);
            for value in numbers(&limits) {
                prop_assert!(value.is_finite() && value >= 0.0, "{line} -> {limits}");
            }
            prop_assert!(limits["ccl"].as_f64().unwrap() <= 50.0 && limits["dcl"].as_f64().unwrap() <= 60.0);
            prop_assert!(!limits["ccl_why"].as_str().unwrap().is_empty());
            if line["charge_allowed"] == json!(false) { prop_assert_eq!(&limits["ccl"], &json!(0.0)); }
        }
    }

    #[test]
    fn equal_inputs_give_equal_outputs(lines in prop::collection::vec(any_line(), 1..20)) {
        let run = || { let mut f = Filter::new(Config::default()); lines.iter().map(|line| ask(&mut f, line)).collect::<Vec<_>>() };
        prop_assert_eq!(run(), run());
    }

    /// From the same start, a worse cell, temperature or age never gives higher limits.
    #[test]
    fn worse_is_never_more(cell in 2.0f64..3.7, worse in 0.0f64..0.5, temperature in -20.0f64..70.0, heat in 0.0f64..30.0, age in 0.0f64..400.0) {
        let start = json!({"t": 0, "cells": cells(3.31), "temperatures": [22]});
        let next = |highest: f64, lowest: f64, cold: f64, hot: f64, age: f64| {
            let mut all = cells(cell);
            all[0] = highest;
            all[1] = lowest;
            let mut filter = Filter::new(Config { chemistry: Some(Chemistry::Lfp), ..Config::default() });
            ask(&mut filter, &start);
            numbers(&ask(&mut filter, &json!({"t": 1, "cells": all, "temperatures": [cold, hot], "age_s": age, "cell_count": 16})))
        };
        let [_, ccl, dcl] = next(cell, cell, temperature, temperature, 0.0);
        for [_, worse_ccl, worse_dcl] in [
            next(cell + worse, (cell - worse).max(0.6), temperature, temperature, 0.0),
            next(cell, cell, temperature, temperature + heat, 0.0),
            next(cell, cell, temperature - heat, temperature, 0.0),
            next(cell, cell, temperature, temperature, age),
        ] {
            prop_assert!(worse_ccl <= ccl && worse_dcl <= dcl, "{worse_ccl} {worse_dcl} instead of {ccl} {dcl}");
        }
    }

    #[test]
    fn rises_are_bounded_by_rate_times_time(steps in prop::collection::vec((0.01f64..30.0, 2.7f64..3.6), 2..60)) {
        let mut filter = Filter::new(Config::default());
        let mut t = 0.0;
        let mut before: Option<[f64; 3]> = None;
        for (interval, cell) in steps {
            t += interval;
            let now = numbers(&ask(&mut filter, &json!({"t": t, "cells": cells(cell)})));
            if let Some(before) = before {
                prop_assert!(now[1] - before[1] <= interval + 0.11 && now[2] - before[2] <= interval + 0.11);
                prop_assert!(now[0] - before[0] <= 0.05 * interval + 0.011);
            }
            before = Some(now);
        }
    }
}
