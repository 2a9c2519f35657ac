//! The current limits of a bank.

use crate::rig::{Rig, Says};
use dbus_bms::bank::{Config, Switched};
use dbus_bms::base::units::Amps;
use dbus_bms::model::{Freshness, Reading};

#[test]
fn equal_packs_add_up() {
    let mut rig = Rig::parallel(&["a", "b", "c"]);
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.dcl()), (300.0, 360.0));
    assert_eq!(rig.why()[1], "sum of the batteries");
}

#[test]
fn the_weakest_pack_limits_the_sum() {
    let mut rig = Rig::parallel(&["a", "b", "c"]);
    rig.says("b").ccl = 40.0;
    rig.step(1.0);
    assert_eq!(rig.ccl(), 120.0, "each gets a third, so a third may be 40 A");
    assert_eq!(rig.why()[1], "b has the least headroom: its rule");
    // A pack of half the size gets half as much.
    rig.says("b").capacity = Some(140.0);
    rig.run(300);
    assert_eq!(rig.ccl(), 200.0, "a fifth may be 40 A");
}

/// A day of loads and sun; pack a carries `share` of the current.
fn flow(rig: &mut Rig, share: f64, amplitude: f64, seconds: u32) {
    for second in 0..seconds {
        let total = amplitude * (f64::from(second) / 120.0).sin();
        rig.says("a").current = total * share;
        rig.says("b").current = total * (1.0 - share);
        rig.step(1.0);
    }
    rig.says("a").current = 0.0;
    rig.says("b").current = 0.0;
    rig.run(120);
}

#[test]
fn conductance_is_learned_from_how_the_currents_move() {
    let mut rig = Rig::parallel(&["a", "b"]);
    flow(&mut rig, 0.7, 80.0, 3600);
    let learned = rig.ccl();
    assert!((learned - 100.0 / 0.7).abs() < 6.0, "pack a gets 70 % and may have 100 A, so the bank may have 143 A: {learned}");
    assert_eq!(rig.why()[1], "a has the least headroom: its rule");
    // Nothing is learned from a very small current: the capacity counts.
    let mut rig = Rig::parallel(&["a", "b"]);
    flow(&mut rig, 0.7, 1.0, 3600);
    assert!(rig.ccl() > 195.0, "{}", rig.ccl());
}

#[test]
fn current_between_packs_takes_its_room() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.says("a").current = 20.0;
    rig.says("b").current = -20.0;
    rig.run(60);
    assert!((rig.ccl() - 160.0).abs() < 1.0, "80 A are left for pack a, half of the bank's: {}", rig.ccl());
    assert!((rig.dcl() - 200.0).abs() < 1.0, "100 A for pack b: {}", rig.dcl());
}

#[test]
fn a_current_of_unknown_direction_counts_as_the_worse_of_both() {
    // The strength, and the limits with both directions.
    for (strength, other) in [(20.0, -20.0), (20.0, 20.0), (50.0, 0.0), (80.0, -10.0)] {
        let allowed = |current: f64, undirected: bool| {
            let mut rig = Rig::parallel(&["a", "b"]);
            rig.says("a").current = current;
            rig.says("a").undirected = undirected;
            rig.says("b").current = other;
            let current = rig.run(120).reading.current;
            assert_eq!(current.is_none(), undirected, "the bank's current is not known either");
            (rig.ccl(), rig.dcl())
        };
        let (open, charges, discharges) = (allowed(strength, true), allowed(strength, false), allowed(-strength, false));
        assert!(open.0 <= charges.0.min(discharges.0) + 0.1, "{strength} {other}: {open:?} {charges:?} {discharges:?}");
        assert!(open.1 <= charges.1.min(discharges.1) + 0.1, "{strength} {other}: {open:?} {charges:?} {discharges:?}");
        assert!(open.0 > 0.0 && open.1 > 0.0, "not locked out: {open:?}");
    }
}

#[test]
fn nothing_is_learned_while_a_direction_is_not_known() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.says("a").undirected = true;
    flow(&mut rig, 0.7, 80.0, 3600);
    rig.says("a").undirected = false;
    rig.run(120);
    assert!(rig.ccl() > 195.0, "the capacity counts: {}", rig.ccl());
}

#[test]
fn a_full_pack_that_takes_little_leaves_room_for_the_others() {
    let mut rig = Rig::parallel(&["full", "empty"]);
    *rig.says("full") = Says { current: 1.0, ccl: 5.0, ..Says::default() };
    *rig.says("empty") = Says { current: 39.0, ..Says::default() };
    rig.run(60);
    // 40 A flow; 4 A more into the full pack mean 8 A more in total.
    assert!((rig.ccl() - 48.0).abs() < 1.0, "{}", rig.ccl());
}

#[test]
fn a_pack_that_has_switched_off_takes_no_part() {
    let mut rig = Rig::parallel(&["a", "b", "c"]);
    rig.step(1.0);
    *rig.says("b") = Says { fets: (Some(false), Some(true)), ccl: 0.0, readings: 5, ..Says::default() };
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.dcl()), (200.0, 360.0));
    assert_eq!(rig.why()[1], "sum of the batteries: 2 batteries, 1 switched off");
    for name in ["a", "c"] {
        rig.says(name).fets.0 = Some(false);
    }
    rig.step(1.0);
    assert_eq!(rig.ccl(), 0.0);
}

#[test]
fn current_that_a_pack_has_switched_off_takes_no_room_of_its_other_direction() {
    // A cold pack: no charge, a little discharge, while the sun charges the other one.
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.says("a").current = 24.0;
    *rig.says("b") = Says { fets: (Some(false), Some(true)), ccl: 0.0, dcl: 7.5, readings: 5, ..Says::default() };
    rig.run(60);
    assert!((rig.dcl() - 15.0).abs() < 0.2, "half of what the bank discharges may be 7.5 A: {}", rig.dcl());
    assert_eq!(rig.why()[2], "b has the least headroom: its rule");
    // Once both discharge, its headroom counts from its own current.
    rig.says("a").current = -2.0;
    rig.says("b").current = -6.0;
    rig.run(60);
    assert!((rig.dcl() - 11.0).abs() < 0.2, "1.5 A are left for pack b, half of 3 A more: {}", rig.dcl());
    // An empty one: no discharge, a little charge, while loads discharge the other one. That one has only its own headroom.
    let mut rig = Rig::parallel(&["a", "b"]);
    *rig.says("a") = Says { current: -60.0, ccl: 50.0, readings: 5, ..Says::default() };
    *rig.says("b") = Says { fets: (Some(true), Some(false)), ccl: 100.0, dcl: 0.0, readings: 5, ..Says::default() };
    rig.run(60);
    assert!((rig.ccl() - 100.0).abs() < 0.2, "half of the bank's charge may be 50 A: {}", rig.ccl());
    rig.says("b").ccl = 5.0;
    rig.run(60);
    assert!((rig.ccl() - 10.0).abs() < 0.2, "{}", rig.ccl());
}

#[test]
fn nothing_is_learned_from_a_pack_that_is_switched_off_in_one_direction() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.says("b").fets.0 = Some(false);
    for second in 0..3600 {
        rig.says("a").current = 60.0 * (f64::from(second) / 120.0).sin().max(0.0);
        rig.step(1.0);
    }
    *rig.says("b") = Says { dcl: 30.0, ..Says::default() };
    rig.says("a").current = 0.0;
    rig.run(300);
    assert!((rig.dcl() - 60.0).abs() < 0.2, "pack b gets half again and may have 30 A: {}", rig.dcl());
}

#[test]
fn a_pack_that_forbids_with_its_switch_closed_forbids_the_bank() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    *rig.says("b") = Says { ccl: 0.0, current: -10.0, readings: 5, ..Says::default() };
    rig.step(1.0);
    assert_eq!(rig.ccl(), 0.0, "also while it gives current to the other");
    assert!(rig.dcl() > 235.0);
    rig.says("b").fets.0 = None;
    rig.step(1.0);
    assert_eq!(rig.ccl(), 0.0, "a switch that nobody knows of is taken as closed");
}

#[test]
fn a_silent_pack_counts_no_more_at_once() {
    for lose in [|says: &mut Says| says.freshness = Freshness::Stale, |says: &mut Says| says.there = false] {
        let mut rig = Rig::parallel(&["a", "b", "c"]);
        rig.step(1.0);
        lose(rig.says("c"));
        rig.step(1.0);
        assert_eq!((rig.ccl(), rig.dcl()), (200.0, 240.0));
        assert_eq!(rig.why()[1], "sum of the batteries: 2 batteries, 1 not there");
    }
}

#[test]
fn the_last_word_of_a_silent_pack_stands() {
    let mut rig = Rig::parallel(&["a", "b", "c"]);
    rig.says("c").ccl = 10.0;
    rig.step(1.0);
    assert_eq!(rig.ccl(), 30.0);
    rig.says("c").there = false;
    rig.run(3600);
    assert_eq!(rig.ccl(), 30.0, "it may still be on the busbar, and cold");
    assert_eq!(rig.why()[1], "c is silent, its last limit applies: its rule");
}

#[test]
fn the_others_carry_only_what_they_can_if_a_silent_pack_is_off_the_busbar() {
    let mut rig = Rig::parallel(&["big", "small", "gone"]);
    *rig.says("small") = Says { capacity: Some(100.0), ccl: 30.0, ..Says::default() };
    rig.says("gone").capacity = Some(620.0);
    rig.says("gone").ccl = 500.0;
    rig.says("big").ccl = 300.0;
    rig.step(1.0);
    assert_eq!(rig.ccl(), 300.0, "a tenth may be 30 A");
    rig.says("gone").there = false;
    rig.step(1.0);
    assert_eq!(rig.ccl(), 114.0, "100 of 380 Ah may be 30 A");
}

#[test]
fn a_member_that_says_goodbye_is_let_go_smoothly() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    rig.says("b").leaving = true;
    let mut before = rig.ccl();
    for second in 1..=11 {
        rig.step(1.0);
        let fell = before - rig.ccl();
        assert!((0.0..=10.1).contains(&fell), "{fell} A in second {second}");
        before = rig.ccl();
    }
    assert_eq!(before, 100.0);
    // So does the last member, and it leaves no limits behind.
    rig.says("a").leaving = true;
    rig.run(6);
    assert!(rig.ccl() > 30.0 && rig.ccl() < 60.0, "{}", rig.ccl());
    rig.run(6);
    assert_eq!((rig.ccl(), rig.dcl()), (0.0, 0.0));
}

#[test]
fn drivers_that_restart_together_bring_the_limits_back_at_once() {
    for mut rig in [Rig::parallel(&["a", "b"]), Rig::series(&["a", "b"])] {
        rig.step(1.0);
        let (cvl, ccl, dcl) = (rig.cvl(), rig.ccl(), rig.dcl());
        for name in ["a", "b"] {
            rig.says(name).leaving = true;
        }
        let mut before = ccl;
        for second in 1..=4 {
            let snapshot = rig.step(1.0);
            let Reading { voltage, current, power, remaining, capacity, soc, .. } = snapshot.reading.clone();
            assert_eq!((voltage, current, power, remaining, capacity, soc), (None, None, None, None, None, None));
            assert_eq!((snapshot.cable, rig.cvl()), (None, cvl));
            assert!(before - rig.ccl() <= ccl / 10.0 + 0.1 && rig.ccl() <= before, "{} A in second {second}", rig.ccl());
            before = rig.ccl();
        }
        assert!(rig.dcl() > dcl / 2.0 && rig.dcl() < dcl, "{}", rig.dcl());
        rig.says("a").leaving = false;
        rig.step(1.0);
        rig.says("b").leaving = false;
        rig.step(1.0);
        assert_eq!((rig.cvl(), rig.ccl(), rig.dcl()), (cvl, ccl, dcl));
        // Back later than that: by ramp.
        for name in ["a", "b"] {
            rig.says(name).leaving = true;
        }
        rig.run(15);
        assert_eq!((rig.ccl(), rig.dcl()), (0.0, 0.0));
        assert!(rig.cvl() < cvl, "nobody answers: no more than the voltage of the packs");
        for name in ["a", "b"] {
            rig.says(name).leaving = false;
        }
        rig.run(5);
        assert!(rig.ccl() <= 12.0, "{}", rig.ccl());
    }
}

#[test]
fn who_comes_back_from_a_restart_with_a_lower_limit_is_obeyed() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    for name in ["a", "b"] {
        rig.says(name).leaving = true;
    }
    rig.run(3);
    rig.says("a").leaving = false;
    *rig.says("b") = Says { ccl: 10.0, ceiling: Some(54.5), ..Says::default() };
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.cvl()), (20.0, 54.5));
    // One of them is killed while the other restarts: that is a loss.
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    rig.says("a").leaving = true;
    rig.says("b").there = false;
    rig.step(1.0);
    assert!(rig.ccl() <= 100.0 && rig.cvl() == 54.0, "{} {}", rig.ccl(), rig.cvl());
    for name in ["a", "b"] {
        (rig.says(name).leaving, rig.says(name).there) = (false, true);
    }
    rig.run(5);
    assert!(rig.ccl() <= 112.0, "{}", rig.ccl());
}

#[test]
fn a_member_that_returns_comes_back_by_ramp() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    rig.says("b").there = false;
    rig.step(1.0);
    assert_eq!(rig.ccl(), 100.0);
    rig.says("b").there = true;
    rig.run(10);
    assert_eq!(rig.ccl(), 120.0, "1 A per second and battery");
    assert_eq!(rig.why()[1], "recovering: rises slowly");
    rig.run(60);
    assert_eq!(rig.ccl(), 200.0);
}

#[test]
fn no_limit_rises_without_new_readings_of_all() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.says("b").ccl = 50.0;
    rig.step(1.0);
    rig.says("b").ccl = 100.0;
    for _ in 0..30 {
        rig.says("a").readings += 1;
        rig.step_without_readings(1.0);
    }
    assert!(rig.ccl() <= 102.0, "one step at most: {}", rig.ccl());
    rig.run(60);
    assert_eq!(rig.ccl(), 200.0);
}

#[test]
fn a_battery_without_limits_is_no_member() {
    let mut rig = Rig::parallel(&["a", "shunt"]);
    rig.says("shunt").limits = false;
    let snapshot = rig.step(1.0);
    assert_eq!(snapshot.bank_summary.as_ref().unwrap().offline, 1);
    assert_eq!(rig.ccl(), 100.0);
}

#[test]
fn the_configured_maximum_of_the_bank_holds() {
    let config = Config { max_charge_current: Some(Amps::new(150.0)), ..Config::default() };
    let mut rig = Rig::new(config, &["a", "b"]);
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.dcl()), (150.0, 240.0));
    assert_eq!(rig.why()[1], "configured maximum of the bank");
}

#[test]
fn a_chain_carries_what_its_weakest_carries_and_stands_still_without_one() {
    let mut rig = Rig::series(&["a", "b"]);
    rig.says("b").ccl = 40.0;
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.dcl()), (40.0, 120.0));
    assert_eq!(rig.why()[1], "b allows least: its rule");
    rig.says("a").fets.1 = Some(false);
    rig.step(1.0);
    assert_eq!(rig.dcl(), 0.0);
    rig.says("b").there = false;
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.dcl()), (0.0, 0.0));
    let mut rig = Rig::series(&["a", "never"]);
    rig.says("never").there = false;
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.dcl()), (0.0, 0.0), "a chain is not complete without all that were named");
}

#[test]
fn shares_add_up_to_the_limit_at_most_and_no_member_gets_more_than_it_allows() {
    let mut rig = Rig::parallel(&["a", "b", "c"]);
    *rig.says("b") = Says { capacity: Some(100.0), ccl: 30.0, ..Says::default() };
    rig.says("c").fets = (Some(false), Some(true));
    rig.step(1.0);
    let shares = rig.bank.shares().to_vec();
    let charge: Vec<f64> = shares.iter().map(|share| share.currents.charge.get()).collect();
    assert!(charge.iter().sum::<f64>() <= rig.ccl() && charge.iter().sum::<f64>() > rig.ccl() - 0.5, "{charge:?}");
    assert_eq!(charge[2], 0.0, "it has switched off");
    assert!((charge[1] - 30.0).abs() < 0.2, "{charge:?}");
}

#[test]
fn a_pack_that_is_switched_off_for_equal_charge_does_not_count_and_raises_nothing() {
    let mut rig = Rig::parallel(&["a", "b", "c"]);
    rig.run(5);
    rig.says("a").switched = Switched::Off;
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.dcl()), (200.0, 240.0), "before its switch is open");
    // Its driver says that the BMS forbids charging: that is this switch.
    rig.says("a").fets = (Some(false), Some(true));
    rig.says("a").ccl = 0.0;
    rig.run(60);
    assert_eq!((rig.ccl(), rig.dcl()), (200.0, 240.0), "nor through the diode");
    // It was the weakest: the others are not allowed more because it is off.
    let mut rig = Rig::parallel(&["a", "b", "c"]);
    rig.says("a").ccl = 30.0;
    rig.run(5);
    assert_eq!(rig.ccl(), 90.0);
    rig.says("a").switched = Switched::Off;
    rig.says("a").fets = (Some(false), Some(true));
    rig.says("a").ccl = 0.0;
    rig.run(60);
    assert_eq!(rig.ccl(), 90.0);
    rig.says("a").switched = Switched::Returns;
    rig.step(1.0);
    assert_eq!((rig.ccl(), &rig.why()[1][..]), (14.0, "a battery that was switched off for equal charge returns"));
}
