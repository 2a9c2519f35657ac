//! Properties that hold for any behaviour of the members.

use crate::rig::{Rig, Says};
use dbus_bms::bank::{Bank, Config, Layout, Member, Switched};
use dbus_bms::base::time::Now;
use dbus_bms::base::units::Moment;
use dbus_bms::model::{Freshness, History, Limits, Mode};
use proptest::prelude::*;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn freshness() -> impl Strategy<Value = Freshness> {
    prop_oneof![6 => Just(Freshness::Fresh), 1 => Just(Freshness::Stale), 1 => Just(Freshness::Silent), 1 => Just(Freshness::Lost)]
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Bulk), Just(Mode::Absorption), Just(Mode::Float), Just(Mode::Hold)]
}

fn fet() -> impl Strategy<Value = Option<bool>> {
    prop_oneof![5 => Just(Some(true)), 1 => Just(Some(false)), 1 => Just(None)]
}

/// A limit, occasionally an impossible one.
fn limit(most: f64) -> impl Strategy<Value = f64> {
    prop_oneof![8 => 0.0..most, 2 => Just(0.0), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(-5.0)]
}

prop_compose! {
    fn says()(
        voltage in 48.0..57.0f64, current in -150.0..150.0f64, soc in 0.0..100.0f64,
        capacity in proptest::option::weighted(0.9, 20.0..600.0f64),
        cvl in limit(58.0), ccl in limit(200.0), dcl in limit(200.0),
        ceiling in proptest::option::weighted(0.8, 50.0..58.0f64), float in proptest::option::weighted(0.8, 50.0..54.5f64),
        mode in mode(), fets in (fet(), fet()), freshness in freshness(),
        there in proptest::bool::weighted(0.9), leaving in proptest::bool::weighted(0.05),
    ) -> Says {
        Says { voltage, current, soc, capacity, cvl, ccl, dcl, ceiling, float, mode, fets, freshness, there, leaving, ..Says::default() }
    }
}

/// Data of four members over time, with the seconds in between.
fn course() -> impl Strategy<Value = Vec<(f64, Vec<Says>)>> {
    prop::collection::vec((0.1..15.0f64, prop::collection::vec(says(), NAMES.len())), 1..12)
}

fn layout() -> impl Strategy<Value = Layout> {
    prop_oneof![4 => Just(Layout::Parallel), 1 => Just(Layout::Series)]
}

fn plain(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// Maximum limits of the present members, and whether none of them is fresh.
fn sum(members: &[Says], pick: fn(&Says) -> f64) -> f64 {
    let present = |says: &&Says| says.there && says.freshness == Freshness::Fresh && !says.leaving;
    let any = members.iter().any(|says| present(&says));
    members.iter().filter(|says| if any { present(says) } else { says.there }).map(|says| plain(pick(says))).sum()
}

fn values(limits: &Limits) -> [f64; 3] {
    [limits.cvl.value.get(), limits.ccl.value.get(), limits.dcl.value.get()]
}

fn set(rig: &mut Rig, members: &[Says]) {
    for (name, says) in NAMES.iter().zip(members) {
        let readings = rig.says(name).readings;
        *rig.says(name) = Says { readings, ..says.clone() };
    }
}

/// A bank that has gone through the course, and what its members said last.
fn bank_after(course: Vec<(f64, Vec<Says>)>) -> (Rig, Vec<Says>) {
    let mut rig = Rig::parallel(&NAMES);
    let mut last = Vec::new();
    for (seconds, members) in course {
        set(&mut rig, &members);
        rig.step(seconds);
        last = members;
    }
    (rig, last)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Finite, not negative (the rig checks each snapshot), never above the sum of the present members, unless one has left
    /// deliberately.
    #[test]
    fn limits_are_finite_and_never_above_the_sum_of_the_members(course in course(), layout in layout()) {
        let mut rig = Rig::new(Config { layout, ..Config::default() }, &NAMES);
        for (seconds, members) in course {
            set(&mut rig, &members);
            rig.step(seconds);
            if !members.iter().any(|says| says.leaving) {
                // A member that has just left is accepted for ten seconds.
                rig.step(10.0);
                prop_assert!(rig.ccl() <= sum(&members, |says| says.ccl) + 1e-6, "{} of {members:?}", rig.ccl());
                prop_assert!(rig.dcl() <= sum(&members, |says| says.dcl) + 1e-6, "{} of {members:?}", rig.dcl());
            }
        }
    }

    /// CVL is never above the safe voltage of any present member.
    #[test]
    fn cvl_is_never_above_the_safety_of_a_member(course in course()) {
        let mut rig = Rig::parallel(&NAMES);
        for (seconds, members) in course {
            set(&mut rig, &members);
            rig.step(seconds);
            for says in members.iter().filter(|says| says.there && says.freshness == Freshness::Fresh && !says.leaving) {
                let most = says.ceiling.unwrap_or_else(|| plain(says.cvl));
                prop_assert!(rig.cvl() <= most + 1e-6, "{} above {most}", rig.cvl());
            }
        }
    }

    /// The loss of any member never raises a limit, at once or later, compared with a bank that has lost none.
    #[test]
    fn the_loss_of_a_member_never_raises_a_limit(
        course in course(), lost in 0..NAMES.len(), gone in any::<bool>(), minutes in 1..20u32,
    ) {
        let (mut rig, mut last) = bank_after(course);
        // All members stay present and unchanged.
        for says in &mut last {
            (says.there, says.freshness, says.leaving) = (true, Freshness::Fresh, false);
            (says.cvl, says.ccl, says.dcl) = (plain(says.cvl), plain(says.ccl), plain(says.dcl));
            says.ceiling = Some(55.2);
        }
        set(&mut rig, &last);
        // Longer than any ramp, also from 0 V.
        for _ in 0..100 {
            rig.step(15.0);
        }
        let before = values(&rig.last.as_ref().unwrap().limits);
        let says = rig.says(NAMES[lost]);
        if gone { says.there = false } else { says.freshness = Freshness::Stale }
        for _ in 0..minutes {
            for _ in 0..6 {
                rig.step(10.0);
            }
            let after = values(&rig.last.as_ref().unwrap().limits);
            for (after, before) in after.iter().zip(before) {
                prop_assert!(*after <= before + 0.11, "{after} after {before}");
            }
        }
    }

    /// A member that is switched off for equal charge, or about to be, raises no limit: not against the same data without that. Another
    /// one that its BMS has switched off keeps both banks from learning how the current divides.
    #[test]
    fn switching_a_pack_never_raises_a_limit(
        course in course(), after in prop::collection::vec((0.1..15.0f64, prop::collection::vec(says(), NAMES.len()), any::<bool>()), 1..6),
        chosen in 0..NAMES.len(), fets in (fet(), fet()),
    ) {
        let ((mut marked, _), (mut plain, _)) = (bank_after(course.clone()), bank_after(course));
        for (step, (seconds, mut members, returns)) in after.into_iter().enumerate() {
            (members[chosen].switched, members[chosen].fets) = (if returns { Switched::Returns } else { Switched::Off }, fets);
            let other = &mut members[(chosen + 1) % NAMES.len()];
            other.fets = (Some(false), Some(false));
            if step == 0 {
                // A bank does not know one that was never there, and would learn.
                (other.there, other.freshness, other.leaving) = (true, Freshness::Fresh, false);
            }
            set(&mut marked, &members);
            members[chosen].switched = Switched::No;
            set(&mut plain, &members);
            let (marked, plain) = (values(&marked.step(seconds).limits), values(&plain.step(seconds).limits));
            for (with, without) in marked.iter().zip(plain) {
                prop_assert!(*with <= without + 1e-6, "{marked:?} {plain:?}");
            }
        }
    }

    /// Drivers are stopped and come back as they were: nothing is ever above what was in force before, nor rises without them.
    #[test]
    fn a_restart_never_raises_a_limit(
        course in course(), steps in prop::collection::vec((0.1..6.0f64, any::<[bool; 4]>()), 1..12),
    ) {
        let (mut rig, mut last) = bank_after(course);
        for says in &mut last {
            (says.there, says.freshness, says.leaving, says.current) = (true, Freshness::Fresh, false, 0.0);
            (says.cvl, says.ccl, says.dcl, says.mode) = (plain(says.cvl), plain(says.ccl), plain(says.dcl), Mode::Bulk);
        }
        set(&mut rig, &last);
        // Long enough to forget how the currents moved.
        for _ in 0..100 {
            rig.step(300.0);
        }
        let before = values(&rig.last.as_ref().unwrap().limits);
        let mut online = [true; 4];
        for (seconds, stopped) in steps {
            let previous = values(&rig.last.as_ref().unwrap().limits);
            for (name, stopped) in NAMES.iter().zip(stopped) {
                rig.says(name).leaving = stopped;
            }
            let after = values(&rig.step(seconds).limits);
            let returns = online.iter().zip(stopped).any(|(online, stopped)| !online && !stopped);
            let nobody = stopped.iter().all(|stopped| *stopped);
            online = stopped.map(|stopped| !stopped);
            for (after, (before, previous)) in after.iter().zip(before.iter().zip(previous)) {
                prop_assert!(*after <= before + 0.11, "{after} after {before}");
                prop_assert!(!nobody || returns || *after <= previous + 1e-6, "{after} after {previous} without anybody");
            }
        }
    }

    /// The order of the members does not matter, to the last bit.
    #[test]
    fn the_order_of_the_members_does_not_matter(course in course(), layout in layout(), turn in 1..NAMES.len()) {
        let config = Config { layout, ..Config::default() };
        let (mut one, mut other) = (Rig::new(config.clone(), &NAMES), Bank::new(config, History::default()));
        for (seconds, members) in course {
            set(&mut one, &members);
            let mine = one.step(seconds).clone();
            let mut list: Vec<Member> = one.list();
            list.rotate_left(turn);
            list.swap(0, 1);
            let now = Now { at: Moment::from_secs(one.seconds), unix: Some(1_800_000_000 + one.seconds as u64) };
            let theirs = other.step(&list, now);
            prop_assert_eq!(mine.limits, theirs.limits);
            prop_assert_eq!(mine.reading, theirs.reading);
            prop_assert_eq!(mine.bank_summary, theirs.bank_summary);
        }
    }

    /// Constant data of the members gives constant limits, whatever the length of the steps.
    #[test]
    fn the_cut_of_time_does_not_matter(
        members in prop::collection::vec(says(), NAMES.len()), later in prop::collection::vec(says(), NAMES.len()),
        pieces in prop::collection::vec(0.2..3.0f64, 4..20),
    ) {
        let tame = |mut members: Vec<Says>| {
            for says in &mut members {
                says.current = 0.0;
                (says.there, says.freshness, says.leaving) = (true, Freshness::Fresh, false);
            }
            members
        };
        let whole: f64 = pieces.iter().sum();
        let run = |steps: &[f64]| {
            let mut rig = Rig::parallel(&NAMES);
            set(&mut rig, &tame(members.clone()));
            rig.step(1.0);
            set(&mut rig, &tame(later.clone()));
            rig.step(1e-6);
            for seconds in steps {
                rig.step(*seconds);
            }
            values(&rig.last.as_ref().unwrap().limits)
        };
        let steps = (whole / 15.0).ceil().max(1.0);
        let coarse = run(&vec![whole / steps; steps as usize]);
        for (fine, coarse) in run(&pieces).iter().zip(coarse) {
            prop_assert!((fine - coarse).abs() < 0.15, "{fine} and {coarse}");
        }
    }
}
