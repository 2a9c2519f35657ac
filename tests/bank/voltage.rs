//! Charge voltage of a bank, and its phases.

use crate::rig::{Rig, Says, seconds};
use dbus_bms::bank::Config;
use dbus_bms::battery::charge::PhaseConfig;
use dbus_bms::model::{Freshness, Mode};

/// A pack that reports itself full and in float.
fn floating() -> Says {
    Says { mode: Mode::Float, cvl: 54.0, soc: 100.0, readings: 100, ..Says::default() }
}

#[test]
fn the_float_of_one_does_not_hold_the_others_down() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    assert_eq!((rig.cvl(), rig.mode()), (55.2, Mode::Bulk));
    *rig.says("a") = floating();
    rig.run(600);
    assert_eq!((rig.cvl(), rig.mode()), (55.2, Mode::Bulk));
    assert_eq!(rig.why()[0], "charge voltage");
}

#[test]
fn the_safety_of_one_holds_all_down_at_once() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    rig.says("b").ceiling = Some(54.31);
    rig.step(1.0);
    assert_eq!(rig.cvl(), 54.31);
    assert_eq!(rig.why()[0], "b: charge voltage that its cells allow");
    // Also one in float, and up again by ramp.
    *rig.says("b") = Says { ceiling: Some(54.21), ..floating() };
    rig.step(1.0);
    assert_eq!(rig.cvl(), 54.21);
    rig.says("b").ceiling = Some(55.2);
    rig.run(10);
    assert!((rig.cvl() - 54.71).abs() < 0.011, "0.05 V per second: {}", rig.cvl());
}

#[test]
fn a_battery_of_which_nothing_but_its_limit_is_known_is_obeyed() {
    let mut rig = Rig::parallel(&["a", "foreign"]);
    *rig.says("foreign") = Says { ceiling: None, float: None, cvl: 54.4, ..Says::default() };
    rig.step(1.0);
    assert_eq!(rig.cvl(), 54.4);
}

/// Both packs are at the charge voltage.
fn at_voltage(rig: &mut Rig) {
    for says in rig.members.values_mut() {
        says.voltage = 55.15;
    }
}

#[test]
fn float_begins_when_every_member_had_its_full_charge() {
    let mut rig = Rig::parallel(&["a", "b"]);
    at_voltage(&mut rig);
    rig.run(30);
    assert_eq!(rig.mode(), Mode::Absorption);
    rig.says("a").mode = Mode::Float;
    rig.run(300);
    assert_eq!(rig.mode(), Mode::Absorption);
    // Pack a has finished, even if it is discharged slightly afterwards.
    rig.says("b").mode = Mode::Float;
    rig.run(2);
    assert_eq!(rig.mode(), Mode::Float);
}

#[test]
fn on_the_way_to_float_the_voltage_falls_slowly_and_close_to_the_packs() {
    let mut rig = Rig::parallel(&["a", "b"]);
    at_voltage(&mut rig);
    rig.run(30);
    for name in ["a", "b"] {
        *rig.says(name) = Says { voltage: 55.15, ..floating() };
    }
    rig.run(101);
    assert!((rig.cvl() - 55.0).abs() < 0.02, "2 mV per second: {}", rig.cvl());
    rig.run(300);
    assert!(rig.cvl() > 54.8, "no further than 20 mV per cell under the packs: {}", rig.cvl());
    for name in ["a", "b"] {
        rig.says(name).voltage = 53.9;
    }
    rig.run(600);
    assert_eq!(rig.cvl(), 54.0);
    assert_eq!(rig.why()[0], "all are full: float voltage");
}

#[test]
fn in_float_the_bank_offers_no_more_current_than_holds_it() {
    let mut rig = Rig::parallel(&["a", "b"]);
    *rig.says("a") = Says { voltage: 55.0, ..floating() };
    *rig.says("b") = Says { voltage: 55.0, ..Says::default() };
    rig.run(60);
    assert_eq!(rig.ccl(), 200.0, "what is full leaves the other its current");
    *rig.says("b") = Says { voltage: 55.0, ..floating() };
    *rig.says("a") = rig.says("b").clone();
    let mut rig = Rig { members: rig.members.clone(), ..Rig::parallel(&["a", "b"]) };
    rig.run(60);
    assert_eq!((rig.mode(), rig.ccl()), (Mode::Float, 0.5), "{:?}", rig.why());
    assert!(rig.why()[1].contains("full"));
    for says in rig.members.values_mut() {
        says.voltage = 53.2;
    }
    rig.run(120);
    assert_eq!((rig.mode(), rig.ccl()), (Mode::Float, 200.0), "what loads drew comes back");
}

#[test]
fn a_member_that_came_full_stands_at_the_charge_voltage_too() {
    let mut rig = Rig::parallel(&["a", "b"]);
    *rig.says("a") = Says { voltage: 55.15, ..floating() };
    rig.says("b").voltage = 55.15;
    rig.run(30);
    rig.says("b").mode = Mode::Float;
    rig.run(600);
    assert_eq!(rig.mode(), Mode::Absorption, "a was in float before this charge: it gets its quarter of an hour, too");
    rig.run(300);
    assert_eq!(rig.mode(), Mode::Float);
}

#[test]
fn a_member_that_cannot_charge_is_not_waited_for() {
    for block in [|says: &mut Says| says.fets.0 = Some(false), |says: &mut Says| says.freshness = Freshness::Stale] {
        let mut rig = Rig::parallel(&["a", "b"]);
        at_voltage(&mut rig);
        rig.run(30);
        block(rig.says("b"));
        rig.says("a").mode = Mode::Float;
        rig.run(2);
        assert_eq!(rig.mode(), Mode::Float);
    }
}

#[test]
fn a_charge_that_one_member_never_ends_ends() {
    let mut rig = Rig::parallel(&["a", "b"]);
    at_voltage(&mut rig);
    rig.says("a").mode = Mode::Float;
    rig.run(3500);
    assert_eq!(rig.mode(), Mode::Absorption);
    rig.run(120);
    assert_eq!(rig.mode(), Mode::Float);
    rig.run(3600);
    assert_eq!(rig.mode(), Mode::Float, "b still asks for bulk, but it did so when float began");
    // Once b was full, a new request of it is accepted.
    rig.says("b").mode = Mode::Float;
    rig.run(2);
    rig.says("b").mode = Mode::Bulk;
    rig.run(2);
    assert_eq!(rig.mode(), Mode::Bulk);
}

/// Both packs are away from the charge voltage, each with this current, for ten minutes.
fn away(rig: &mut Rig, current: f64) {
    for says in rig.members.values_mut() {
        (says.voltage, says.current) = (54.0, current);
    }
    rig.run(600);
    for says in rig.members.values_mut() {
        (says.voltage, says.current) = (55.15, 3.0);
    }
}

#[test]
fn clouds_take_no_time_at_the_charge_voltage_away_but_a_discharge_does() {
    let begin = || {
        let mut rig = Rig::parallel(&["a", "b"]);
        at_voltage(&mut rig);
        for mode in [Mode::Absorption, Mode::Float, Mode::Bulk] {
            rig.says("a").mode = mode;
            rig.run(10);
        }
        rig
    };
    // -30 A draw 1.8 % from each, -250 A draw 15 %.
    for (current, after) in [(-30.0, Mode::Float), (-250.0, Mode::Absorption)] {
        let mut rig = begin();
        away(&mut rig, current);
        rig.says("b").mode = Mode::Float;
        rig.run(60);
        assert_eq!(rig.mode(), after, "a was full before {current} A");

        let mut rig = begin();
        for _ in 0..7 {
            rig.run(480);
            away(&mut rig, -30.0);
        }
        away(&mut rig, current);
        rig.run(280);
        assert_eq!(rig.mode(), after, "b never gets full; an hour in all before {current} A");
    }
}

#[test]
fn float_ends_when_charge_is_drawn_or_a_member_returns_that_is_not_full() {
    let begin = || {
        let mut rig = Rig::parallel(&["a", "b"]);
        for name in ["a", "b"] {
            *rig.says(name) = floating();
        }
        rig.run(400);
        assert_eq!((rig.mode(), rig.cvl()), (Mode::Float, 54.0));
        rig
    };
    let mut rig = begin();
    for name in ["a", "b"] {
        rig.says(name).soc = 79.0;
    }
    rig.run(2);
    assert_eq!(rig.mode(), Mode::Bulk);
    let mut rig = begin();
    *rig.says("b") = Says { readings: 1000, ..Says::default() };
    rig.run(2);
    assert_eq!(rig.mode(), Mode::Bulk);
    rig.run(60);
    assert_eq!(rig.cvl(), 55.2);
}

#[test]
fn float_does_not_end_because_a_full_member_is_lost() {
    for lose in [|says: &mut Says| says.freshness = Freshness::Stale, |says: &mut Says| says.there = false] {
        let mut rig = Rig::parallel(&["a", "b"]);
        *rig.says("a") = floating();
        // Its SoC drifted: the rest of the bank appears to be half empty.
        *rig.says("b") = Says { soc: 60.0, ..floating() };
        for name in ["a", "b"] {
            rig.says(name).voltage = 54.0;
        }
        rig.run(400);
        assert_eq!((rig.mode(), rig.ccl()), (Mode::Float, 0.5));
        lose(rig.says("a"));
        rig.run(60);
        assert_eq!((rig.mode(), rig.ccl()), (Mode::Float, 0.5), "{:?}", rig.why());
    }
}

#[test]
fn phases_can_be_switched_off() {
    let config = Config { phases: PhaseConfig { enabled: false, ..PhaseConfig::default() }, ..Config::default() };
    let mut rig = Rig::new(config, &["a", "b"]);
    at_voltage(&mut rig);
    rig.run(30);
    rig.says("a").mode = Mode::Float;
    rig.says("b").mode = Mode::Float;
    rig.run(4000);
    assert_eq!(rig.cvl(), 55.2);
}

#[test]
fn a_bank_that_may_not_be_charged_does_not_invite_it() {
    // A battery of another driver that forbids charging: only its limits are known.
    let mut rig = Rig::parallel(&["a", "cold"]);
    rig.step(1.0);
    *rig.says("cold") = Says { ceiling: None, float: None, ccl: 0.0, ..Says::default() };
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.cvl()), (0.0, 53.0));
    assert!(rig.why()[0].starts_with("charging is forbidden"), "{:?}", rig.why());
    rig.says("cold").fets.0 = Some(false);
    rig.run(100);
    assert_eq!((rig.ccl(), rig.cvl()), (100.0, 55.2), "switched off it takes nothing, and the other is charged");
    let mut chain = Rig::series(&["a", "b"]);
    chain.says("b").ccl = 0.0;
    chain.step(1.0);
    assert_eq!((chain.ccl(), chain.cvl()), (0.0, 106.0));
}

#[test]
fn charge_that_is_forbidden_holds_the_voltage_as_if_an_unknown_current_charged() {
    let held = |undirected: bool| {
        let mut rig = Rig::parallel(&["a", "b"]);
        for name in ["a", "b"] {
            rig.says(name).current = 60.0;
            rig.says(name).ccl = 0.0;
        }
        rig.says("a").undirected = undirected;
        rig.run(120).limits.cvl.value.get()
    };
    assert!(held(true) < 53.0 - 0.1 && held(true) <= held(false), "{} {}", held(true), held(false));
}

#[test]
fn a_silent_member_holds_the_voltage_at_float() {
    for lose in [|says: &mut Says| says.freshness = Freshness::Stale, |says: &mut Says| says.there = false] {
        let mut rig = Rig::parallel(&["a", "b"]);
        rig.step(1.0);
        lose(rig.says("b"));
        rig.step(1.0);
        assert_eq!(rig.cvl(), 54.0, "nobody sees its cells");
        assert_eq!(rig.why()[0], "b: float voltage while it is silent");
        assert_eq!(rig.ccl(), 100.0, "but the other is charged");
    }
}

#[test]
fn a_member_that_is_missing_since_the_start_holds_the_voltage_at_float() {
    let mut rig = Rig::parallel(&["a", "b", "never"]);
    rig.says("never").there = false;
    rig.says("b").float = Some(53.6);
    rig.run(600);
    assert_eq!((rig.cvl(), rig.ccl()), (53.6, 200.0), "nobody sees its cells, and it may hang on the busbar");
    assert_eq!(rig.why()[0], "never: float voltage until it is there");
    rig.says("never").there = true;
    rig.step(1.0);
    assert!(rig.cvl() < 55.0, "by ramp: {}", rig.cvl());
    rig.run(120);
    assert_eq!(rig.cvl(), 55.2);
    // A lower voltage that the cells of another ask for holds as well.
    let mut rig = Rig::parallel(&["a", "b", "never"]);
    rig.says("never").there = false;
    rig.says("b").ceiling = Some(53.2);
    rig.step(1.0);
    assert_eq!(rig.cvl(), 53.2);
}

#[test]
fn charge_voltages_of_a_chain_add_up() {
    let mut rig = Rig::series(&["a", "b"]);
    rig.step(1.0);
    assert_eq!(rig.cvl(), 110.4);
    rig.says("b").ceiling = Some(54.2);
    rig.step(1.0);
    assert_eq!(rig.cvl(), 109.4);
    for name in ["a", "b"] {
        *rig.says(name) = Says { voltage: 54.0, ..floating() };
    }
    rig.run(1200);
    assert_eq!((rig.cvl(), rig.mode()), (108.0, Mode::Float));
}

#[test]
fn what_the_phases_wait_for_can_be_set() {
    let phases = PhaseConfig { longest_absorption: seconds(60), ..PhaseConfig::default() };
    let mut rig = Rig::new(Config { phases, ..Config::default() }, &["a", "b"]);
    at_voltage(&mut rig);
    rig.run(63);
    assert_eq!(rig.mode(), Mode::Float);
}
