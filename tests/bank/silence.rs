//! Silence of all members, and the age of a battery derived from its count of readings.

use crate::rig::{Rig, Says, seconds};
use dbus_bms::bank::Liveness;
use dbus_bms::base::units::Moment;
use dbus_bms::battery::charge::Silence;
use dbus_bms::model::{Freshness, Level, Mode};
use dbus_bms::output::api::ReadAt;

#[test]
fn all_members_gone_is_no_current_at_all() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    for name in ["a", "b"] {
        rig.says(name).there = false;
    }
    let snapshot = rig.step(1.0);
    assert_eq!(snapshot.reading.voltage, None);
    assert_eq!((rig.ccl(), rig.dcl(), rig.cvl(), rig.mode()), (0.0, 0.0, 53.0, Mode::Hold));
    assert_eq!(rig.run(45).cable, None);
    assert_eq!(rig.run(10).freshness, Freshness::Silent);
    assert_eq!(rig.last.as_ref().unwrap().cable, Some(Level::Warning));
    rig.run(250);
    let lost = rig.last.as_ref().unwrap();
    assert_eq!((lost.freshness, lost.cable), (Freshness::Lost, Some(Level::Alarm)));
}

#[test]
fn when_all_fall_silent_together_their_own_limits_lead_down_and_nothing_rises() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    for name in ["a", "b"] {
        *rig.says(name) = Says { freshness: Freshness::Stale, ccl: 50.0, cvl: 53.0, ..Says::default() };
    }
    let snapshot = rig.step(1.0);
    assert_eq!((snapshot.freshness, snapshot.reading.soc), (Freshness::Stale, None));
    assert_eq!((rig.ccl(), rig.dcl(), rig.cvl()), (100.0, 240.0, 53.0));
    for name in ["a", "b"] {
        *rig.says(name) = Says { freshness: Freshness::Silent, ccl: 0.0, dcl: 30.0, cvl: 53.0, ..Says::default() };
    }
    rig.step(1.0);
    assert_eq!((rig.ccl(), rig.dcl()), (0.0, 60.0));
    for name in ["a", "b"] {
        rig.says(name).dcl = 100.0;
    }
    rig.run(60);
    assert_eq!(rig.dcl(), 60.0);
    // Recovery by ramp.
    for name in ["a", "b"] {
        *rig.says(name) = Says { readings: 100, ..Says::default() };
    }
    rig.run(10);
    assert_eq!((rig.ccl(), rig.dcl()), (20.0, 80.0));
}

#[test]
fn the_goodbye_of_the_bank_stops_charging_only() {
    let mut rig = Rig::parallel(&["a", "b"]);
    rig.step(1.0);
    let now = dbus_bms::base::time::Now { at: Moment::from_secs(rig.seconds + 1.0), unix: None };
    let last = rig.bank.stop("driver stopped", now);
    crate::rig::check(&last);
    let before = rig.dcl();
    assert!(before > 0.0);
    assert_eq!((last.limits.ccl.value.get(), last.limits.dcl.value.get()), (0.0, before));
    assert!(last.limits.cvl.value.get() <= 54.0);
    assert_eq!(last.reading.voltage, None);
}

#[test]
fn the_data_of_a_bank_ages_once_no_battery_answers() {
    let (mut rig, mut read_at) = (Rig::parallel(&["a", "b"]), ReadAt::default());
    let mut age_after = |rig: &mut Rig, steps: u32| {
        for _ in 0..steps {
            let snapshot = rig.step(1.0).clone();
            read_at.observe(&snapshot, at(rig.seconds));
        }
        read_at.age(at(rig.seconds))
    };
    assert_eq!(age_after(&mut rig, 10), Some(seconds(0)));
    rig.says("a").there = false;
    assert_eq!(age_after(&mut rig, 10), Some(seconds(0)));
    rig.says("b").freshness = Freshness::Stale;
    assert_eq!(age_after(&mut rig, 10), Some(seconds(10)));
}

fn at(seconds: f64) -> Moment {
    Moment::from_secs(seconds)
}

#[test]
fn a_count_that_stands_still_is_silence_whatever_else_is_said() {
    let mut liveness = Liveness::default();
    assert_eq!(liveness.stage(&Silence::GENTLE, at(5.0)), Freshness::Lost, "never heard");
    for second in 0..20 {
        liveness.observe(second, at(100.0 + f64::from(second)));
    }
    for second in 20..130 {
        liveness.observe(19, at(100.0 + f64::from(second)));
    }
    let stage = |seconds: f64| liveness.stage(&Silence::GENTLE, at(119.0 + seconds));
    assert_eq!([10.0, 11.0, 60.0, 300.0].map(stage), [Freshness::Fresh, Freshness::Stale, Freshness::Silent, Freshness::Lost]);
}

#[test]
fn a_slow_battery_has_three_of_its_periods() {
    let mut liveness = Liveness::default();
    for reading in 0..6u16 {
        liveness.observe(reading, at(f64::from(reading) * 8.0));
    }
    assert_eq!(liveness.stage(&Silence::GENTLE, at(40.0 + 24.0)), Freshness::Fresh);
    assert_eq!(liveness.stage(&Silence::GENTLE, at(40.0 + 24.1)), Freshness::Stale);
}

#[test]
fn the_limits_of_a_battery_that_stopped_in_the_middle_go_down_by_the_table() {
    let mut liveness = Liveness::default();
    liveness.observe(1, at(0.0));
    let said = |says: Says| (*says.member("a").snapshot.unwrap()).clone();
    let aged = |says: Says, seconds: f64| liveness.aged(said(says), &Silence::GENTLE, at(seconds)).limits;
    let fresh = aged(Says::default(), 10.0);
    assert_eq!((fresh.ccl.value.get(), fresh.cvl.value.get()), (100.0, 55.2));
    let stale = aged(Says::default(), 20.0);
    assert_eq!((stale.ccl.value.get(), stale.dcl.value.get(), stale.cvl.value.get()), (50.0, 120.0, 53.0));
    assert_eq!(aged(Says::default(), 30.0).ccl.value.get(), 0.0);
    assert_eq!(aged(Says::default(), 60.0).dcl.value.get(), 30.0);
    assert_eq!(aged(Says { cells: (3.05, 3.2), ..Says::default() }, 60.0).dcl.value.get(), 0.0, "no reserve");
    assert_eq!(aged(Says::default(), 300.0).dcl.value.get(), 0.0);
    let values = liveness.aged(said(Says::default()), &Silence::GENTLE, at(20.0));
    assert_eq!((values.reading.voltage, values.freshness), (None, Freshness::Stale));
}
