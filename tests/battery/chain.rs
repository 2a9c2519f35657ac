//! Batteries that share a line, in simulated time: a polled chain, an overheard one, and boards that join or fail.

use dbus_bms::base::time::Clock;
use dbus_bms::base::units::{AmpHours, Amps, Moment};
use dbus_bms::bms::{self, jk_pb};
use dbus_bms::link::{OpenError, Port};
use dbus_bms::model::Reading;
use dbus_bms::probe::Scope;
use dbus_bms::recording::replay_port::SimClock;
use dbus_bms::service::port_worker::{PortEvent, PortWorker};
use dbus_bms::sim::fault::Faults;
use dbus_bms::sim::jk_chain::{Collisions, JkChain};
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::port::{SharedLine, SimPort};
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Responder, Unit, responder};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Values that only the battery at this address has.
fn capacity_ah(address: u8) -> f64 {
    100.0 + 10.0 * f64::from(address)
}

fn unit(address: u8) -> Unit {
    let config = PackConfig {
        capacity_ah: capacity_ah(address),
        soc_pct: 40.0 + 3.0 * f64::from(address),
        seed: u64::from(address),
        ..PackConfig::default()
    };
    Unit::new(address, &config, Scenario::default())
}

/// Events on a port.
#[derive(Default)]
struct Heard {
    /// Address, and whether it was overheard, in the order of their numbers.
    found: Vec<(u8, bool)>,
    found_at: Vec<Moment>,
    readings: Vec<(Moment, u8, Reading)>,
    missed: Vec<(Moment, u8, String)>,
    other: Vec<String>,
}

impl Heard {
    fn addresses(&self) -> Vec<u8> {
        self.found.iter().map(|(address, _)| *address).collect()
    }

    /// Maximum time between two readings of each battery, from `since` on.
    fn longest(&self, since: Moment) -> BTreeMap<u8, Duration> {
        let mut last: BTreeMap<u8, Moment> = self.addresses().into_iter().map(|address| (address, since)).collect();
        let mut longest = BTreeMap::new();
        let end = self.readings.last().map_or(since, |(at, ..)| *at);
        let ends = self.addresses().into_iter().map(|address| (end, address));
        for (at, address) in self.readings.iter().map(|(at, address, _)| (*at, *address)).filter(|(at, _)| *at >= since).chain(ends)
        {
            let gap = at.since(last.insert(address, at).unwrap_or(since));
            let slot = longest.entry(address).or_insert(gap);
            *slot = gap.max(*slot);
        }
        longest
    }
}

fn pb(addresses: &[u8]) -> Scope {
    Scope { drivers: vec![&jk_pb::DRIVER], addresses: addresses.to_vec(), ..Scope::default() }
}

/// Runs a port worker on `port` until `time` is over; `at` may change the simulation at any time.
fn run(
    clock: &SimClock,
    port: Box<dyn Port>,
    scope: Scope,
    active_fill: bool,
    time: Duration,
    mut at: impl FnMut(Duration),
) -> Heard {
    let mut port = Some(port);
    let open = move || port.take().ok_or_else(|| OpenError::Missing { name: "the port".to_owned() });
    let worker = PortWorker {
        open: Box::new(open),
        scope,
        interval: SECOND,
        active_fill,
        commands: None,
        persistent: false,
        searches_again: false,
    };
    let mut heard = Heard::default();
    worker.run(clock, |event| {
        let now = clock.now();
        at(now.since_origin());
        match event {
            PortEvent::Found(found) => {
                heard.found_at.extend(found.iter().map(|_| now));
                heard.found.extend(found.iter().map(|found| (found.candidate.address.unwrap(), found.overheard)));
                heard.readings.extend(found.into_iter().map(|found| (now, found.candidate.address.unwrap(), found.reading)));
            }
            PortEvent::Reading { number, reading, .. } => heard.readings.push((now, heard.found[number].0, *reading)),
            PortEvent::Missed { number, error, .. } => heard.missed.push((now, heard.found[number].0, error.to_string())),
            other => heard.other.push(format!("{other:?}")),
        }
        now.since_origin() < time
    });
    heard
}

fn line(
    clock: &SimClock,
    responder: Box<dyn Responder>,
    addresses: impl IntoIterator<Item = u8>,
    faults: &str,
) -> (Box<dyn Port>, Arc<Mutex<SharedLine>>) {
    let units = addresses.into_iter().map(unit).collect();
    let port = SimPort::new(clock.clone(), responder, units, Faults::parse(faults).unwrap(), 7);
    let far = port.shared_line();
    (Box::new(port), far)
}

fn chain(clock: &SimClock, addresses: impl IntoIterator<Item = u8>, faults: &str) -> (Box<dyn Port>, Arc<Mutex<SharedLine>>) {
    line(clock, Box::new(JkChain::default()), addresses, faults)
}

fn boards(clock: &SimClock, addresses: impl IntoIterator<Item = u8>) -> (Box<dyn Port>, Arc<Mutex<SharedLine>>) {
    line(clock, responder("jk-pb").unwrap(), addresses, "")
}

fn sent(far: &Arc<Mutex<SharedLine>>) -> Vec<Vec<u8>> {
    far.lock().unwrap().sent.iter().map(|(_, bytes)| bytes.clone()).collect()
}

fn silence(far: &Arc<Mutex<SharedLine>>, address: u8, silent: bool) {
    far.lock().unwrap().units.iter_mut().filter(|unit| unit.address == address).for_each(|unit| unit.pack.silent = silent);
}

/// Each reading contains the capacity that only the battery at its address has.
fn assert_attributed(heard: &Heard) {
    for (at, address, reading) in &heard.readings {
        let full = reading.full_charge.map(|charge| charge.get());
        let expected = capacity_ah(*address) * 0.99;
        assert!(full.is_some_and(|full| (full - expected).abs() < 0.01), "{at:?}: {full:?} of {address}, not {expected}");
    }
}

fn plain() -> impl FnMut(Duration) {
    |_| {}
}

#[test]
fn fifteen_batteries_are_refreshed_within_four_seconds() {
    let clock = SimClock::default();
    let (port, far) = boards(&clock, 1..=15);
    let heard = run(&clock, port, pb(&[]), false, 300 * SECOND, plain());
    assert_eq!(heard.addresses(), (1..=15).collect::<Vec<u8>>());
    let start = heard.found_at[0];
    let longest = heard.longest(start);
    assert!(longest.values().all(|gap| *gap < 4 * SECOND), "{longest:?}");
    assert_attributed(&heard);
    // The boards need 100 ms of quiet between the end of a reply and the next request.
    let sent = &far.lock().unwrap().sent;
    let shortest = sent.windows(2).map(|pair| pair[1].0.since(pair[0].0)).min().unwrap();
    assert!(shortest >= Duration::from_millis(100 + 38 + 27), "{shortest:?}");
}

#[test]
fn a_silent_battery_costs_the_others_little() {
    let clock = SimClock::default();
    let (port, far) = boards(&clock, 1..=15);
    let heard = run(&clock, port, pb(&[]), false, 300 * SECOND, |now| silence(&far, 9, now > 60 * SECOND));
    let mut longest = heard.longest(heard.found_at[0]);
    assert!(longest.remove(&9).unwrap() > 200 * SECOND);
    assert!(longest.values().all(|gap| *gap < 5 * SECOND), "{longest:?}");
    assert!(heard.missed.iter().all(|(_, address, _)| *address == 9), "{:?}", heard.missed);
}

#[test]
fn a_battery_that_is_switched_on_later_joins() {
    for addresses in [&[][..], &[1, 2, 3]] {
        let clock = SimClock::default();
        let (port, far) = boards(&clock, 1..=3);
        silence(&far, 3, true);
        let heard = run(&clock, port, pb(addresses), false, 200 * SECOND, |now| silence(&far, 3, now < 60 * SECOND));
        assert_eq!(heard.addresses(), [1, 2, 3], "{addresses:?}");
        let joined = heard.found_at[2].since_origin();
        assert!((60 * SECOND..130 * SECOND).contains(&joined), "{joined:?}");
        assert_attributed(&heard);
        let longest = heard.longest(heard.found_at[0]);
        // Its first reading, with names and settings read twice, takes more than a second.
        assert!(longest[&1] < 3 * SECOND && longest[&2] < 3 * SECOND, "{longest:?}");
        assert!(heard.missed.is_empty(), "nobody misses who was never there: {:?}", heard.missed);
    }
}

#[test]
fn a_chain_with_a_master_is_overheard_and_nothing_is_sent() {
    let clock = SimClock::default();
    let (port, far) = chain(&clock, 0..=3, "");
    let all = Scope { drivers: bms::DRIVERS.to_vec(), ..Scope::default() };
    let heard = run(&clock, port, all, false, 300 * SECOND, plain());
    assert_eq!(heard.found, [(0, true), (1, true), (2, true), (3, true)]);
    assert!(sent(&far).is_empty(), "{:02x?}", sent(&far));
    assert_attributed(&heard);
    let longest = heard.longest(heard.found_at[0]);
    assert!(longest.values().all(|gap| *gap < 5 * SECOND), "{longest:?}");
    // From the settings, which the master requests: also in the first reading.
    for (_, address, reading) in &heard.readings {
        assert_eq!(reading.settings.cell_ovp.map(|v| v.get()), Some(3.65), "{address}");
        assert_eq!(reading.capacity.map(|charge| charge.get()), Some(capacity_ah(*address)));
    }
}

#[test]
fn only_the_batteries_that_are_wanted_are_overheard() {
    let clock = SimClock::default();
    let (port, far) = chain(&clock, 0..=3, "");
    let heard = run(&clock, port, pb(&[0, 2, 9]), false, 60 * SECOND, plain());
    assert_eq!(heard.addresses(), [0, 2]);
    assert!(sent(&far).is_empty());
}

/// An hour of faults: damaged, lost, duplicated or colliding frames are dropped, and no value is assigned to another battery.
#[test]
fn an_hour_of_damage_gives_no_value_to_the_wrong_battery() {
    let clock = SimClock::default();
    let collisions = Collisions { overlap_pct: 2.0, no_record_pct: 2.0, wrong_record_pct: 2.0 };
    let units: Vec<u8> = (0..=3).collect();
    let (port, far) = line(&clock, Box::new(JkChain::new(collisions, 3)), units, "corrupt=2,drop=2,noise");
    let heard = run(&clock, port, pb(&[]), false, 3600 * SECOND, plain());
    assert_eq!(heard.addresses(), [0, 1, 2, 3]);
    assert_attributed(&heard);
    assert!(sent(&far).is_empty());
    let readings = heard.readings.len();
    // A cycle takes 4.4 s; about a tenth of the frames is lost.
    assert!((2600..3280).contains(&readings), "{readings} readings");
    // For the silence rules: no battery becomes stale because of a passing fault.
    let longest = heard.longest(heard.found_at[0]);
    assert!(longest.values().all(|gap| *gap < 20 * SECOND), "{longest:?}");
}

#[test]
fn a_setting_that_is_overheard_has_to_be_heard_twice_to_change() {
    let clock = SimClock::default();
    let (port, far) = chain(&clock, 0..=3, "");
    let mut changed = false;
    let heard = run(&clock, port, pb(&[]), false, 120 * SECOND, |now| {
        if now > 60 * SECOND && !std::mem::replace(&mut changed, true) {
            let config = PackConfig { capacity_ah: 500.0, soc_pct: 46.0, ..PackConfig::default() };
            far.lock().unwrap().units[2] = Unit::new(2, &config, Scenario::default());
        }
    });
    let of_second: Vec<(Moment, f64)> = heard
        .readings
        .iter()
        .filter(|(_, address, _)| *address == 2)
        .map(|(at, _, reading)| (*at, reading.capacity.unwrap().get()))
        .collect();
    let at = of_second.iter().position(|(_, capacity)| *capacity == 500.0).unwrap();
    let gap = of_second[at].0.since(of_second[at - 1].0);
    assert!(gap > 8 * SECOND && gap < 10 * SECOND, "one reading is not believed: {gap:?}");
    assert!(of_second[at..].iter().all(|(_, capacity)| *capacity == 500.0));
}

#[test]
fn staleness_counts_for_each_battery_that_is_overheard() {
    let clock = SimClock::default();
    let (port, far) = chain(&clock, 0..=3, "");
    let heard = run(&clock, port, pb(&[]), false, 200 * SECOND, |now| silence(&far, 2, now > 60 * SECOND));
    let last = |address: u8| heard.readings.iter().filter(|(_, from, _)| *from == address).map(|(at, ..)| at.since_origin()).max();
    assert!(last(2).unwrap() < 70 * SECOND);
    assert!([0, 1, 3].iter().all(|address| last(*address).unwrap() > 190 * SECOND));
    assert!(
        heard.missed.len() > 5 && heard.missed.iter().all(|(_, address, why)| *address == 2 && why.contains("nothing received"))
    );
    assert!(sent(&far).is_empty());
}

#[test]
fn a_battery_that_joins_a_chain_is_heard() {
    let clock = SimClock::default();
    let (port, far) = chain(&clock, 0..=3, "");
    silence(&far, 2, true);
    let heard = run(&clock, port, pb(&[]), false, 200 * SECOND, |now| silence(&far, 2, now < 60 * SECOND));
    assert_eq!(heard.addresses(), [0, 1, 3, 2]);
    assert_attributed(&heard);
    assert!(heard.found_at[3].since_origin() < 75 * SECOND);
    assert!(sent(&far).is_empty());
}

#[test]
fn requests_are_put_in_only_when_asked_for_and_collide_with_nobody() {
    let clock = SimClock::default();
    let (port, far) = chain(&clock, 0..=3, "");
    let heard = run(&clock, port, pb(&[]), true, 200 * SECOND, plain());
    let sent = far.lock().unwrap().sent.clone();
    assert!(!sent.is_empty());
    // Only triggers, never to the master, at most one every two seconds.
    assert!(sent.iter().all(|(_, bytes)| (1..=3).contains(&bytes[0]) && bytes[1..3] == [0x10, 0x16]), "{sent:02x?}");
    assert!(sent.windows(2).all(|pair| pair[1].0.since(pair[0].0) >= 2 * SECOND));
    assert_attributed(&heard);
    // The master is not disturbed …
    let longest = heard.longest(heard.found_at[0]);
    assert!(longest.values().all(|gap| *gap < 5 * SECOND), "{longest:?}");
    // … and values that it never requests become known: one battery, whoever sent the request.
    for address in 1..=3u8 {
        let (.., reading) = heard.readings.iter().rev().find(|(_, from, _)| *from == address).unwrap();
        assert_eq!(reading.device.serial_number, Some(format!("311148{address:05}")));
    }
    assert_eq!(heard.addresses(), [0, 1, 2, 3]);
}

#[test]
fn a_master_that_is_gone_is_replaced_only_when_asked_for() {
    for active_fill in [false, true] {
        let clock = SimClock::default();
        let (port, far) = chain(&clock, 0..=2, "");
        let heard = run(&clock, port, pb(&[]), active_fill, 300 * SECOND, |now| {
            silence(&far, 0, (60 * SECOND..200 * SECOND).contains(&now));
        });
        let while_gone = |address: u8| {
            heard
                .readings
                .iter()
                .filter(|(at, from, _)| *from == address && (90 * SECOND..190 * SECOND).contains(&at.since_origin()))
                .count()
        };
        assert_eq!(while_gone(1) > 50, active_fill, "{}", while_gone(1));
        assert_eq!(sent(&far).is_empty(), !active_fill);
        // The master is back: its values are no longer requested by the driver.
        let late = |at: &Moment| at.since_origin() > 215 * SECOND;
        let live = |bytes: &[u8]| bytes[3] == 0x20;
        assert!(far.lock().unwrap().sent.iter().all(|(at, bytes)| !late(at) || !live(bytes)));
        assert!(heard.readings.iter().filter(|(at, from, _)| *from == 0 && late(at)).count() > 10);
        assert_attributed(&heard);
    }
}

#[test]
fn a_line_is_left_to_a_master_that_comes_later() {
    let clock = SimClock::default();
    let (port, far) = chain(&clock, 0..=3, "");
    silence(&far, 0, true);
    let heard = run(&clock, port, pb(&[]), false, 300 * SECOND, |now| silence(&far, 0, now < 60 * SECOND));
    assert_eq!(heard.addresses(), [1, 2, 3, 0]);
    let last_sent = far.lock().unwrap().sent.last().unwrap().0.since_origin();
    assert!((60 * SECOND..80 * SECOND).contains(&last_sent), "{last_sent:?}");
    assert_attributed(&heard);
    let longest = heard.longest(Moment::new(100 * SECOND));
    assert!(longest.values().all(|gap| *gap < 6 * SECOND), "{longest:?}");
    // Values requested earlier are kept.
    let (.., reading) = heard.readings.iter().rev().find(|(_, from, _)| *from == 3).unwrap();
    assert_eq!(reading.device.serial_number.as_deref(), Some("31114800003"));
}

#[test]
fn a_port_that_may_only_be_listened_to_is() {
    let clock = SimClock::default();
    let (port, far) = boards(&clock, 1..=3);
    let scope = Scope { listen_only: true, ..pb(&[]) };
    let heard = run(&clock, port, scope, false, 100 * SECOND, plain());
    assert!(heard.found.is_empty() && heard.other.len() == 1 && heard.other[0].contains("NotFound"), "{:?}", heard.other);
    assert!(sent(&far).is_empty());
}

#[test]
fn one_bms_for_several_equal_blocks_counts_for_all_of_them() {
    let measured = Reading { current: Some(Amps::new(-12.5)), capacity: Some(AmpHours::new(100.0)), ..Reading::default() };
    let all = measured.clone().multiplied(3);
    assert_eq!((all.current, all.capacity), (Some(Amps::new(-37.5)), Some(AmpHours::new(300.0))));
    assert!(all.notes.iter().any(|note| note.contains("estimates")), "{:?}", all.notes);
    assert_eq!(measured.clone().multiplied(1), measured);
}
