//! Batteries that report no single cells: extremes at most, and limits of their own.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::charge::Config;
use dbus_bms::battery::charge::filter::Filter;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::model::{LinkStats, Reading, Snapshot};
use proptest::prelude::*;
use serde_json::{Value, json};

fn ask(filter: &mut Filter, line: &Value) -> Value {
    serde_json::from_str(&filter.line(&line.to_string()).unwrap().0).unwrap()
}

/// The limits of a healthy pack of 15 cells that asks for 53.2 V, with `extra` inputs.
fn limits(config: Config, extra: Value) -> Value {
    let mut line = json!({"t": 0, "voltage": 49.8, "current": 0, "soc": 60, "temperatures": [22], "bms_cvl": 53.2, "bms_ccl": 37, "bms_dcl": 40,
        "charge_allowed": true, "discharge_allowed": true, "capacity_ah": 100});
    line.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    ask(&mut Filter::new(config), &line)
}

fn told(extra: Value) -> Value {
    limits(Config::default(), extra)
}

#[test]
fn the_batterys_own_limits_are_obeyed_and_never_raised_and_ours_apply_too() {
    let usual = told(json!({}));
    assert_eq!((&usual["cvl"], &usual["cvl_why"]), (&json!(53.2), &json!("charge voltage the BMS asks for")));
    assert_eq!((&usual["ccl"], &usual["dcl"]), (&json!(37.0), &json!(40.0)));
    let most =
        Config { max_charge_current: Some(Amps::new(500.0)), max_discharge_current: Some(Amps::new(500.0)), ..Config::default() };
    assert_eq!(limits(most, json!({}))["ccl"], 37.0, "not raised by the owner");
    let least = Config { max_charge_current: Some(Amps::new(10.0)), ..Config::default() };
    assert_eq!(limits(least, json!({}))["ccl"], 10.0);
    assert_eq!(told(json!({"temperatures": [-5]}))["ccl"], 0.0, "frost forbids charging");
    assert_eq!(told(json!({"bms_dcl": 0}))["dcl"], 0.0);
}

#[test]
fn the_number_of_cells_is_not_guessed() {
    let nothing = told(json!({"bms_cvl": null}));
    assert_eq!((&nothing["ccl"], &nothing["dcl"], &nothing["cvl"]), (&json!(0.0), &json!(0.0), &json!(49.8)));
    assert_eq!(nothing["cvl_why"], "neither cells nor a charge voltage reported: set cells");
    // Set by the owner, or reported: as with cells, never above what the battery asks for.
    let set = Config { cells: Some(15), ..Config::default() };
    assert_eq!(limits(set.clone(), json!({"bms_cvl": null}))["cvl"], 51.75);
    assert_eq!(limits(set, json!({"bms_cvl": 51.0}))["cvl"], 51.0);
    assert_eq!(told(json!({"cell_count": 15}))["cvl"], 51.75);
    for wrong in [8, 31, 0] {
        let unclear = told(json!({"cell_count": wrong}));
        assert_eq!((&unclear["ccl"], &unclear["cvl"]), (&json!(0.0), &json!(49.8)), "{wrong} cells of 49.8 V");
    }
    // Extremes contradict a number that the voltage alone would allow.
    let unclear = told(json!({"cell_count": 14, "highest_cell": 3.33, "lowest_cell": 3.31}));
    assert_eq!((&unclear["ccl"], &unclear["ccl_why"]), (&json!(0.0), &json!("cell count unclear")));
}

#[test]
fn a_charge_voltage_of_another_scale_or_pack_forbids_charging() {
    for wrong in [0.0, 5.32, 26.6, 39.0, 106.4, 532.0] {
        let limits = told(json!({"bms_cvl": wrong}));
        assert_eq!(limits["ccl"], 0.0, "{wrong}");
        assert!(limits["cvl"].as_f64().unwrap() <= 49.8, "{wrong}: {limits}");
    }
}

#[test]
fn reported_extremes_act_as_cells_do() {
    let at = |high: f64, low: f64| {
        let limits = told(json!({"highest_cell": high, "lowest_cell": low}));
        ["cvl", "ccl", "dcl"].map(|key| limits[key].as_f64().unwrap())
    };
    assert_eq!(at(3.33, 3.31), [53.2, 37.0, 40.0]);
    let [cvl, ccl, _] = at(3.47, 3.30);
    assert!(cvl < 49.8 && ccl <= 2.5, "{cvl} {ccl}");
    assert_eq!(at(3.51, 3.30)[1], 0.0);
    assert_eq!(at(3.30, 2.86)[2], 0.0, "the lowest cell is empty");
    assert_eq!(at(3.30, 0.0)[1..], [0.0, 0.0], "a broken sense wire");
    assert_eq!(told(json!({"highest_cell": 4.0, "lowest_cell": 3.9}))["ccl"], 0.0, "no LFP cell");
}

#[test]
fn without_anything_that_protects_the_cells_a_quarter_is_allowed() {
    let unwatched = told(json!({"bms_ccl": null, "bms_dcl": null}));
    assert_eq!((&unwatched["ccl"], &unwatched["dcl"]), (&json!(12.5), &json!(12.5)));
    assert_eq!(told(json!({"bms_ccl": null, "highest_cell": 3.33, "lowest_cell": 3.31}))["ccl"], 50.0);
}

fn reading() -> Reading {
    let mut reading = Reading::new("json", None);
    reading.without_cells = true;
    reading.voltage = Some(Volts::new(49.8));
    reading.current = Some(Amps::new(5.0));
    reading.soc = Some(Percent::new(60.0));
    reading.capacity = Some(AmpHours::new(100.0));
    reading.temperatures.sensors = Some(vec![Celsius::new(22.0)]);
    reading.settings.voltage_limit = Some(Volts::new(53.2));
    reading.settings.charge_limit = Some(Amps::new(37.0));
    reading.settings.discharge_limit = Some(Amps::new(40.0));
    reading
}

fn at(seconds: f64) -> Now {
    Now { at: Moment::from_secs(seconds), unix: None }
}

fn battery(config: Config) -> Battery {
    Battery::new(config, PersistedState::default())
}

#[test]
fn it_reaches_the_outputs_and_shows_its_extremes() {
    let mut battery = battery(Config::default());
    let extremes = Reading { highest_cell: Some(Volts::new(3.33)), lowest_cell: Some(Volts::new(3.31)), ..reading() };
    let shown = battery.read(extremes, LinkStats::default(), at(1.0));
    assert!(battery.is_presentable(at(1.0).at));
    assert_eq!(shown.derived.max_cell, Some((Volts::new(3.33), 0)), "which cell it is is unknown");
    assert_eq!((shown.derived.min_cell, shown.cell_count), (Some((Volts::new(3.31), 0)), None));
    // A battery with cells waits for them.
    let mut other = self::battery(Config::default());
    other.read(Reading { without_cells: false, ..reading() }, LinkStats::default(), at(1.0));
    assert!(!other.is_presentable(at(30.0).at));
}

#[test]
fn cells_that_were_there_are_missed() {
    let mut battery = battery(Config::default());
    let cells = Reading { cells: vec![Volts::new(3.32); 15], without_cells: false, ..reading() };
    let mut shown = battery.read(cells, LinkStats::default(), at(0.0));
    assert_eq!((shown.limits.cvl.value, shown.cell_count), (Volts::new(51.75), Some(15)));
    for second in 1..40 {
        shown = battery.read(reading(), LinkStats::default(), at(f64::from(second)));
    }
    assert_eq!((shown.limits.ccl.value, shown.limits.ccl.why), (Amps::ZERO, "cell count unclear"));
}

#[test]
fn silence_ends_charging_at_the_last_voltage() {
    let mut battery = battery(Config::default());
    battery.read(reading(), LinkStats::default(), at(0.0));
    let late = battery.tick(LinkStats::default(), at(40.0)).limits;
    assert_eq!((late.ccl.value, late.cvl.value), (Amps::ZERO, Volts::new(49.8)));
}

/// A reading, and the time since the one before.
fn any_reading() -> impl Strategy<Value = (Reading, f64)> {
    let volts = prop_oneof![4 => 48.0f64..54.0, 1 => 0.0f64..70.0];
    let cell = || prop_oneof![2 => Just(None), 3 => (3.2f64..3.6).prop_map(Some), 1 => (0.0f64..4.5).prop_map(Some)];
    let limit = |usual: f64| prop_oneof![4 => Just(Some(usual)), 1 => Just(Some(0.0)), 1 => (0.0f64..200.0).prop_map(Some), 1 => Just(None)];
    let rest = (
        prop_oneof![4 => Just(22.0f64), 1 => -20.0f64..60.0],
        any::<bool>(),
        prop_oneof![Just(None), Just(Some(15u8)), Just(Some(16))],
    );
    (volts, -80.0f64..80.0, cell(), cell(), limit(53.2), limit(37.0), limit(40.0), rest, 0.2f64..12.0).prop_map(
        |(volts, amps, high, low, cvl, ccl, dcl, (heat, fet, count), after)| {
            let mut reading = reading();
            (reading.voltage, reading.current) = (Some(Volts::new(volts)), Some(Amps::new(amps)));
            (reading.highest_cell, reading.lowest_cell) = (high.map(Volts::new), low.map(Volts::new));
            reading.settings.voltage_limit = cvl.map(Volts::new);
            (reading.settings.charge_limit, reading.settings.discharge_limit) = (ccl.map(Amps::new), dcl.map(Amps::new));
            (reading.temperatures.sensors, reading.fets.charge) = (Some(vec![Celsius::new(heat)]), Some(fet));
            reading.cell_count = count;
            (reading, after)
        },
    )
}

fn assert_safe(shown: &Snapshot, said: &Reading, seen: &[f64]) -> Result<(), TestCaseError> {
    let [cvl, ccl, dcl] = [shown.limits.cvl.value.get(), shown.limits.ccl.value.get(), shown.limits.dcl.value.get()];
    prop_assert!([cvl, ccl, dcl].iter().all(|value| value.is_finite() && *value >= 0.0), "{:?}", shown.limits);
    let most = |limit: Option<Amps>, most: f64| limit.map_or(most, Amps::get).min(most) + 1e-6;
    prop_assert!(ccl <= most(said.settings.charge_limit, 50.0), "{:?} {said:?}", shown.limits);
    prop_assert!(dcl <= most(said.settings.discharge_limit, 60.0), "{:?} {said:?}", shown.limits);
    prop_assert!(said.fets.charge != Some(false) || ccl == 0.0);
    let highest_pack = seen.iter().copied().fold(0.0, f64::max);
    if let Some(asked) = said.settings.voltage_limit.map(Volts::get) {
        prop_assert!(cvl <= asked.max(highest_pack) + 0.01, "above what it asks for: {:?} {said:?}", shown.limits);
    }
    if ccl == 0.0 {
        // Safety rule 2. A voltage that the guard holds back does not count yet.
        prop_assert!(cvl <= highest_pack + 0.01, "CVL above the pack: {:?} {said:?}", shown.limits);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_reading_raises_a_limit_above_the_batterys_own_or_the_voltage_above_the_pack_without_current(
        readings in prop::collection::vec(any_reading(), 1..40), cells in prop_oneof![3 => Just(None), 1 => Just(Some(15u8))]
    ) {
        let mut battery = battery(Config { cells, ..Config::default() });
        let (mut seconds, mut seen): (f64, Vec<f64>) = (0.0, Vec::new());
        for (reading, after) in readings {
            seconds += after;
            seen.extend(reading.voltage.map(Volts::get));
            let shown = battery.read(reading.clone(), LinkStats::default(), at(seconds));
            // The lowest voltage that 15 cells can have.
            let floor = cells.map(|cells| f64::from(cells) * 2.5);
            let standing: Vec<f64> = seen.iter().copied().chain(floor).collect();
            assert_safe(&shown, &reading, &standing)?;
        }
    }
}
