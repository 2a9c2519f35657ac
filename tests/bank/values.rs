//! Values published by a bank.

use crate::rig::{Rig, Says};
use dbus_bms::model::{Alarm, AlarmName, Freshness, Level, Reading};

#[test]
fn voltage_is_the_mean_of_packs_side_by_side_and_the_sum_of_a_chain() {
    for (mut rig, expected) in [(Rig::parallel(&["a", "b"]), 53.1), (Rig::series(&["a", "b"]), 106.2)] {
        rig.says("a").voltage = 53.2;
        let snapshot = rig.step(1.0);
        assert_eq!(snapshot.reading.voltage.unwrap().get(), expected);
    }
}

#[test]
fn half_a_chain_has_no_voltage() {
    let mut rig = Rig::series(&["a", "b"]);
    rig.step(1.0);
    rig.says("b").freshness = Freshness::Stale;
    assert_eq!(rig.step(1.0).reading.voltage, None);
}

#[test]
fn currents_and_capacities_add_up_side_by_side_only() {
    for (mut rig, current, capacity, remaining) in
        [(Rig::parallel(&["a", "b"]), -15.5, 380.0, 190.0), (Rig::series(&["a", "b"]), -7.75, 100.0, 50.0)]
    {
        *rig.says("a") = Says { current: -10.0, ..Says::default() };
        *rig.says("b") = Says { current: -5.5, capacity: Some(100.0), ..Says::default() };
        let reading = rig.step(1.0).reading.clone();
        assert_eq!(reading.current.unwrap().get(), current);
        assert_eq!(reading.power.unwrap().get(), -821.5);
        assert_eq!((reading.capacity.unwrap().get(), reading.remaining.unwrap().get()), (capacity, remaining));
    }
}

#[test]
fn a_sum_with_an_unknown_part_is_unknown() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.says("b").capacity = None;
    let reading = rig.step(1.0).reading.clone();
    assert_eq!((reading.capacity, reading.remaining), (None, None));
    assert_eq!(reading.soc.unwrap().get(), 50.0, "without capacities all count alike");
    for name in ["a", "b"] {
        rig.says(name).there = false;
    }
    let Reading { current, power, capacity, remaining, .. } = rig.step(1.0).reading.clone();
    assert_eq!((current, power, capacity, remaining), (None, None, None, None), "nobody answers");
}

#[test]
fn charge_left_that_is_not_told_follows_from_state_of_charge_and_capacity() {
    let mut rig = Rig::parallel(&["a", "b"]);
    *rig.says("a") = Says { soc: 80.0, capacity: Some(100.0), tells_remaining: false, ..Says::default() };
    *rig.says("b") = Says { soc: 50.0, capacity: Some(100.0), ..Says::default() };
    let snapshot = rig.step(1.0);
    assert_eq!(snapshot.reading.remaining.unwrap().get(), 130.0);
    assert_eq!(snapshot.derived.consumed.unwrap().get(), -70.0);
}

#[test]
fn soc_counts_by_capacity_and_in_a_chain_the_lowest_counts() {
    for (mut rig, expected) in [(Rig::parallel(&["a", "b"]), 75.0), (Rig::series(&["a", "b"]), 60.0)] {
        *rig.says("a") = Says { soc: 90.0, capacity: Some(100.0), ..Says::default() };
        *rig.says("b") = Says { soc: 60.0, capacity: Some(100.0), ..Says::default() };
        assert_eq!(rig.step(1.0).reading.soc.unwrap().get(), expected);
    }
    let mut rig = Rig::parallel(&["a", "b"]);
    *rig.says("a") = Says { soc: 90.0, capacity: Some(300.0), ..Says::default() };
    *rig.says("b") = Says { soc: 50.0, capacity: Some(100.0), ..Says::default() };
    assert_eq!(rig.step(1.0).reading.soc.unwrap().get(), 80.0);
}

#[test]
fn a_battery_that_is_stopped_counts_with_its_charge_until_it_has_faded() {
    let mut rig = Rig::parallel(&["a", "b"]);
    *rig.says("a") = Says { soc: 90.0, capacity: Some(300.0), current: -10.0, ..Says::default() };
    *rig.says("b") = Says { soc: 50.0, capacity: Some(100.0), current: -10.0, ..Says::default() };
    rig.run(3);
    let shown = |rig: &Rig| {
        let Reading { soc, remaining, capacity, current, .. } = rig.last.as_ref().unwrap().reading.clone();
        (soc.map(|v| v.get()), remaining.map(|v| v.get()), capacity.map(|v| v.get()), current.map(|v| v.get()))
    };
    assert_eq!(shown(&rig), (Some(80.0), Some(320.0), Some(400.0), Some(-20.0)));
    rig.says("a").leaving = true;
    rig.run(9);
    assert_eq!(shown(&rig), (Some(80.0), Some(320.0), Some(400.0), Some(-10.0)), "nothing is known of its current");
    assert_eq!(rig.last.as_ref().unwrap().derived.time_to_go, None);
    rig.run(3);
    assert_eq!(shown(&rig), (Some(50.0), Some(50.0), Some(100.0), Some(-10.0)));
    assert!(rig.last.as_ref().unwrap().derived.time_to_go.is_some());
    // A battery that is lost counts no more at once.
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.says("a").soc = 90.0;
    rig.step(1.0);
    rig.says("a").there = false;
    rig.step(1.0);
    assert_eq!(shown(&rig).0, Some(50.0));
}

#[test]
fn extremes_name_their_battery() {
    let mut rig = Rig::parallel(&["garage", "shed"]);
    *rig.says("shed") = Says { cells: (3.25, 3.31), temperatures: (5.0, 12.0), ..Says::default() };
    let snapshot = rig.step(1.0);
    let modules = snapshot.bank_summary.as_ref().unwrap();
    let places = [&modules.min_cell, &modules.max_cell, &modules.min_temperature, &modules.max_temperature];
    assert_eq!(places.map(|place| place.as_deref().unwrap()), ["shed C3", "garage C7", "shed T1", "garage T2"]);
    assert_eq!(snapshot.derived.min_cell.unwrap().0.get(), 3.25);
    assert_eq!(snapshot.derived.max_cell.unwrap().0.get(), 3.32);
    assert_eq!(snapshot.derived.temperature.unwrap().get(), 15.5);
}

#[test]
fn of_two_alarms_the_higher_shows() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.says("a").alarms = vec![Alarm { name: AlarmName::CellImbalance, level: Level::Warning }];
    rig.says("b").alarms = vec![
        Alarm { name: AlarmName::CellImbalance, level: Level::Alarm },
        Alarm { name: AlarmName::LowSoc, level: Level::Warning },
    ];
    let alarms = rig.step(1.0).alarms.clone();
    assert_eq!(
        alarms,
        [Alarm { name: AlarmName::CellImbalance, level: Level::Alarm }, Alarm { name: AlarmName::LowSoc, level: Level::Warning }]
    );
}

#[test]
fn members_that_block_or_are_away_are_counted() {
    let mut rig = Rig::parallel(&["a", "b", "c", "never"]);
    rig.says("never").there = false;
    rig.step(1.0);
    rig.says("a").fets = (Some(false), Some(true));
    rig.says("b").dcl = 0.0;
    rig.says("c").there = false;
    let snapshot = rig.step(1.0);
    let modules = snapshot.bank_summary.as_ref().unwrap();
    assert_eq!((modules.online, modules.offline), (2, 2));
    assert_eq!((modules.blocking_charge, modules.blocking_discharge), (1, 1));
}

#[test]
fn time_to_go_is_that_of_the_whole() {
    let mut rig = Rig::parallel(&["a", "b"]);
    for name in ["a", "b"] {
        rig.says(name).current = -14.0;
    }
    let snapshot = rig.run(3);
    assert_eq!(snapshot.derived.time_to_go.unwrap().as_secs(), 36_000, "280 Ah at 28 A");
    assert!(snapshot.history.discharged_kwh > 0.0);
    rig.says("a").current = 20.0;
    assert_eq!(rig.step(1.0).derived.time_to_go, None, "as a whole it charges");
}

#[test]
fn a_chain_that_drifts_apart_is_noted_and_then_a_warning() {
    let mut rig = Rig::series(&["a", "b"]);
    rig.says("a").voltage = 55.5;
    let snapshot = rig.step(1.0);
    assert!(!snapshot.reading.notes.is_empty() && snapshot.alarms.is_empty(), "2.3 % each");
    rig.says("a").voltage = 59.0;
    let warning = [Alarm { name: AlarmName::CellImbalance, level: Level::Warning }];
    assert_eq!(rig.step(1.0).alarms, warning, "5.4 % each");
}

#[test]
fn a_member_that_is_gone_for_a_minute_is_a_cable_warning() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    rig.says("b").there = false;
    assert_eq!(rig.run(59).cable, None);
    assert_eq!(rig.run(2).cable, Some(Level::Warning));
    rig.says("b").there = true;
    assert_eq!(rig.run(1).cable, None);
}

#[test]
fn a_member_that_is_missing_since_the_start_is_a_cable_warning_too() {
    let mut rig = Rig::parallel(&["a", "never"]);
    rig.says("never").there = false;
    rig.step(1.0);
    assert_eq!(rig.run(59).cable, None);
    assert_eq!(rig.bank.missing_since_start().count(), 0);
    assert_eq!(rig.run(2).cable, Some(Level::Warning));
    assert_eq!(rig.bank.missing_since_start().collect::<Vec<_>>(), ["never"]);
    rig.says("never").there = true;
    assert_eq!(rig.run(1).cable, None);
    assert_eq!(rig.bank.missing_since_start().count(), 0);
}
