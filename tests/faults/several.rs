//! Faults beyond the table: several batteries on one line, a search on one, and a port that returns with another BMS.

use crate::world::on_wire;
use dbus_bms::base::time::Clock;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::{Driver, Line, driver};
use dbus_bms::link::{Link, Port};
use dbus_bms::probe::{Scope, search};
use dbus_bms::recording::replay_port::{ReplayPort, SimClock, TimedBytes};
use dbus_bms::service::port_worker::{PortEvent, PortWorker, is_overtaken};
use dbus_bms::sim::fault::{Faults, Injector};
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Board, Unit};
use std::time::Duration;

/// Start of the faults: the search is tested separately.
const CALM: Duration = Duration::from_secs(20);
const LENGTH: Duration = Duration::from_secs(320);

/// Boards on a line with faults from `calm` on; those in `dead` then stop replying.
fn far_end(
    board: &'static Board,
    mut units: Vec<Unit>,
    mut injector: Injector,
    clock: &SimClock,
    calm: Duration,
    dead: &'static [u8],
) -> ReplayPort {
    let (mut responder, time, mut last) = ((board.new)(), clock.clone(), clock.now());
    ReplayPort::new(clock, move |sent, line: Line| {
        let now = time.now();
        let disturbed = now.since_origin() >= calm;
        for unit in &mut units {
            unit.advance(now.since(last));
            unit.pack.silent = disturbed && dead.contains(&unit.address);
        }
        last = now;
        if line.baud != responder.line().baud {
            return Vec::new();
        }
        let replies = responder.answer(sent, &mut units);
        responder.quiet();
        let mut at = Duration::from_millis(20) + line.time_of(sent.len());
        let mut sounds: Vec<TimedBytes> = Vec::new();
        for reply in replies.into_iter().flat_map(|reply| if disturbed { injector.apply(reply) } else { vec![reply] }) {
            at += reply.after;
            sounds.extend(on_wire(&reply.bytes, at, line));
            at += line.time_of(reply.bytes.len());
        }
        sounds
    })
}

/// Results visible to a battery's owner.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// Maximum time without a reading.
    gap: Duration,
    /// Number of readings, and of those reported too late to be used.
    readings: u32,
    overtaken: u32,
}

/// Results of each battery at `addresses`, see [`far_end`].
fn told(family: &str, addresses: &[u8], dead: &'static [u8], faults: &str, seed: u64) -> Vec<Told> {
    let board: &'static Board = BOARDS.iter().find(|board| board.name == family).unwrap();
    let family: &'static Driver = driver(board.driver).unwrap();
    let clock = SimClock::default();
    let (units, time) = (addresses.to_vec(), clock.clone());
    let (line_faults, first) = (Faults::parse(faults).unwrap(), units.len());
    let open = Box::new(move || {
        let units = units.iter().map(|address| Unit::new(*address, &PackConfig::default(), Scenario::default())).collect();
        let injector = Injector::new(line_faults.clone(), seed);
        Ok(Box::new(far_end(board, units, injector, &time, CALM, dead)) as Box<dyn Port>)
    });
    let scope = Scope { drivers: vec![family], addresses: addresses.to_vec(), ..Scope::default() };
    let interval = Duration::from_secs(1);
    let worker = PortWorker { open, scope, interval, persistent: true, active_fill: false, commands: None, searches_again: false };
    let end = Moment::new(LENGTH);
    let mut read = vec![Moment::new(CALM); first];
    let mut told = vec![Told::default(); first];
    worker.run(&clock.clone(), |event| {
        match event {
            PortEvent::Found(found) => assert_eq!(found.len(), first, "the line is calm"),
            PortEvent::Reading { number, at, .. } => {
                let told = &mut told[number];
                told.readings += 1;
                told.overtaken += u32::from(is_overtaken(at, clock.now()));
                told.gap = told.gap.max(clock.now().since(read[number]));
                read[number] = clock.now();
            }
            _ => {}
        }
        clock.now() < end
    });
    for (told, read) in told.iter_mut().zip(&read) {
        told.gap = told.gap.max(end.since(*read));
    }
    told
}

/// One board of each family.
const FAMILIES: [&str; 18] = [
    "jk",
    "jk-pb",
    "jbd",
    "daly",
    "daly-modbus",
    "topbms",
    "ant",
    "seplos-v3",
    "pace",
    "seplos",
    "pylontech",
    "daren",
    "lifepower4",
    "jbd-up16s",
    "renogy",
    "eg4-ll",
    "ant-old",
    "tianpower",
];

#[test]
fn no_battery_of_a_disturbed_line_is_without_values_for_long() {
    for (family, addresses) in [
        ("daly", [1, 2, 3, 4]),
        ("topbms", [1, 2, 3, 4]),
        ("jk-pb", [1, 2, 3, 4]),
        ("seplos-v3", [1, 2, 3, 4]),
        ("pace", [1, 2, 3, 4]),
    ] {
        for faults in ["late=400@10", "corrupt=5", "drop=5"] {
            for seed in 1..4 {
                let told = told(family, &addresses, &[], faults, seed);
                assert!(told.iter().all(|told| told.gap < Duration::from_secs(20)), "{family} {faults} {seed}: {told:?}");
            }
        }
        // Also with half of them absent.
        let told = told(family, &addresses, &[2, 4], "late=400@10", 1);
        assert!(told[0].gap.max(told[2].gap) < Duration::from_secs(20), "{family}: {told:?}");
    }
}

#[test]
fn a_reading_is_told_before_time_overtakes_it() {
    for family in FAMILIES {
        let first = [driver(family).unwrap().addresses.first().copied().unwrap_or(1)];
        let is_shared =
            ["jk-pb", "daly", "topbms", "seplos-v3", "pace", "seplos", "daren", "lifepower4", "jbd-up16s", "eg4-ll", "tianpower"]
                .contains(&family);
        let several: &[u8] = if is_shared { &[1, 2, 3] } else { &first };
        for addresses in [&first, several] {
            for faults in ["late=800@20", "drop=20", "corrupt=20"] {
                let told = told(family, addresses, &[], faults, 1);
                assert!(
                    told.iter().all(|told| told.readings > 10 && told.overtaken == 0),
                    "{family} {addresses:?} {faults}: {told:?}"
                );
            }
        }
    }
}

/// How many of `count` searches find the battery on a line with faults from the start, and the maximum duration.
fn starts(family: &str, faults: &str, count: u64) -> (u64, Duration) {
    let board: &'static Board = BOARDS.iter().find(|board| board.name == family).unwrap();
    let address = driver(board.driver).unwrap().addresses.first().copied().unwrap_or(1);
    let (mut found, mut longest) = (0, Duration::ZERO);
    for seed in 0..count {
        let clock = SimClock::default();
        let unit = Unit::new(address, &PackConfig::default(), Scenario::default());
        let injector = Injector::new(Faults::parse(faults).unwrap(), seed);
        let port = far_end(board, vec![unit], injector, &clock, Duration::ZERO, &[]);
        let mut link = Link::new(Box::new(port), Box::new(clock.clone()));
        let right = search(&mut link, &Scope::default()).is_ok_and(|found| found[0].candidate.driver.name == board.driver);
        found += u64::from(right);
        longest = longest.max(clock.now().since_origin());
    }
    (found, longest)
}

#[test]
fn a_battery_is_found_on_a_line_that_damages_every_fifth_reply() {
    for family in FAMILIES {
        for faults in ["corrupt=20", "burst=20", "corrupt=30"] {
            let (found, longest) = starts(family, faults, 60);
            // Asked once, and again only if the damage left something like a frame.
            let once =
                ["pylontech", "daren", "lifepower4", "jbd-up16s", "renogy", "eg4-ll", "ant-old", "tianpower"].contains(&family);
            let least = match (once, faults) {
                (true, _) => 54,
                (false, "corrupt=30") => 57,
                (false, _) => 58,
            };
            assert!(found >= least, "{family} {faults}: {found} of 60");
            // Damaged five times in a row, a JK PB is found after all others; then come its further addresses.
            assert!(longest < Duration::from_secs(20), "{family} {faults}: {longest:?}");
        }
    }
}

#[test]
fn a_port_that_comes_back_with_another_family_is_searched_again() {
    for (before, after) in FAMILIES.iter().zip(FAMILIES.iter().cycle().skip(1)) {
        let board = |family: &str| BOARDS.iter().find(|board| board.name == family).unwrap();
        let boards: [&'static Board; 2] = [board(before), board(after)];
        let clock = SimClock::default();
        let (time, pulled) = (clock.clone(), Moment::from_secs(30.0));
        let open = Box::new(move || {
            let board = boards[usize::from(time.now() >= pulled)];
            let address = driver(board.driver).unwrap().addresses.first().copied().unwrap_or(1);
            let unit = Unit::new(address, &PackConfig::default(), Scenario::default());
            let injector = Injector::new(Faults::default(), 1);
            let port = far_end(board, vec![unit], injector, &time, Duration::MAX, &[]);
            let next = if time.now() < pulled { pulled } else { Moment::new(LENGTH) };
            Ok(Box::new(port.vanishing(next)) as Box<dyn Port>)
        });
        let (scope, interval) = (Scope::default(), Duration::from_secs(1));
        let worker =
            PortWorker { open, scope, interval, persistent: true, active_fill: false, commands: None, searches_again: true };
        let (mut found, mut read) = (Vec::new(), [0, 0]);
        worker.run(&clock.clone(), |event| {
            match event {
                PortEvent::Found(these) => found.extend(these.iter().map(|found| (found.candidate.driver.name, clock.now()))),
                PortEvent::Reading { number, .. } => read[number] += 1,
                _ => {}
            }
            clock.now() < Moment::from_secs(90.0)
        });
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, boards.map(|board| board.driver), "{before}, then {after}");
        assert!(found[1].1 < Moment::from_secs(50.0), "{before}, then {after}: {found:?}");
        assert!(read[0] >= 15 && read[1] >= 20, "{before}, then {after}: {read:?}");
    }
}
