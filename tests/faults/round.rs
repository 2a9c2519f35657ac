//! Time of a round of sixteen packs on one line, compared with the line's own: what the driver adds to the bytes, the silence that boards
//! need before a request, and their latency. The table of `docs/measurements.md`: `cargo test --test faults round -- --nocapture`.

use crate::world::on_wire;
use dbus_bms::base::time::Clock;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::{Line, driver};
use dbus_bms::link::Port;
use dbus_bms::probe::Scope;
use dbus_bms::recording::replay_port::{ReplayPort, SimClock};
use dbus_bms::service::port_worker::{PortEvent, PortWorker};
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Unit};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LATENCY: Duration = Duration::from_millis(20);
/// The start, in which names and settings are read, does not count.
const START: Duration = Duration::from_secs(120);
const END: Duration = Duration::from_secs(720);
/// What the driver may add to a request, s: it reads a whole answer at once, a little after its usual time.
const MAX_ADDED: f64 = 0.015;

/// Traffic since the start.
#[derive(Debug, Default)]
struct Traffic {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

impl Traffic {
    fn add(&self, bytes: usize) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Parts of one round, s.
#[derive(Debug)]
struct Round {
    packs: usize,
    baud: u32,
    whole: f64,
    requests: f64,
    wire: f64,
    silence: f64,
    latency: f64,
}

impl Round {
    fn added(&self) -> f64 {
        self.whole - self.wire - self.silence - self.latency
    }
}

fn round(family: &str, addresses: std::ops::RangeInclusive<u8>) -> Round {
    let board = BOARDS.iter().find(|board| board.name == family).unwrap();
    let driver = driver(board.driver).unwrap();
    let (clock, traffic) = (SimClock::default(), Arc::new(Traffic::default()));
    let used = Arc::new(Mutex::new(Line { baud: 0 }));
    let addresses: Vec<u8> = addresses.collect();
    let (time, counted, numbers, line_of) = (clock.clone(), Arc::clone(&traffic), addresses.clone(), Arc::clone(&used));
    let open = Box::new(move || {
        let mut units: Vec<Unit> =
            numbers.iter().map(|number| Unit::new(*number, &PackConfig::default(), Scenario::default())).collect();
        let (mut responder, now, mut last, counted, line_of) =
            ((board.new)(), time.clone(), time.now(), Arc::clone(&counted), Arc::clone(&line_of));
        let port = ReplayPort::new(&time, move |sent, line: Line| {
            units.iter_mut().for_each(|unit| unit.advance(now.now().since(last)));
            last = now.now();
            if line.baud != responder.line().baud {
                return Vec::new();
            }
            *line_of.lock().unwrap() = line;
            let replies = responder.answer(sent, &mut units);
            responder.quiet();
            let bytes: Vec<u8> = replies.into_iter().flat_map(|reply| reply.bytes).collect();
            if last.since_origin() >= START {
                counted.add(sent.len() + bytes.len());
            }
            on_wire(&bytes, LATENCY + line.time_of(sent.len()), line)
        });
        Ok(Box::new(port) as Box<dyn Port>)
    });
    let scope = Scope { drivers: vec![driver], addresses: addresses.clone(), ..Scope::default() };
    let interval = Duration::from_secs(1);
    let worker = PortWorker { open, scope, interval, persistent: true, active_fill: false, commands: None, searches_again: false };
    let mut readings = vec![0u32; addresses.len()];
    worker.run(&clock.clone(), |event| {
        match event {
            PortEvent::Found(found) => assert_eq!(found.len(), addresses.len(), "{family}"),
            PortEvent::Reading { number, .. } if clock.now().since_origin() >= START => readings[number] += 1,
            PortEvent::Missed { error, .. } => panic!("{family}: {error}"),
            _ => {}
        }
        clock.now() < Moment::new(END)
    });
    let (fewest, most) = (readings.iter().min().unwrap(), readings.iter().max().unwrap());
    assert!(most - fewest <= 1, "{family}: no pack is read more often than another: {readings:?}");
    let rounds = f64::from(readings.iter().sum::<u32>()) / addresses.len() as f64;
    let line = *used.lock().unwrap();
    let per_round = |time: Duration| time.as_secs_f64() / rounds;
    let requests = traffic.requests.load(Ordering::Relaxed);
    let each = u32::try_from(requests).unwrap();
    Round {
        packs: addresses.len(),
        baud: line.baud,
        whole: per_round(END - START),
        requests: f64::from(each) / rounds,
        wire: per_round(line.time_of(traffic.bytes.load(Ordering::Relaxed))),
        silence: per_round(driver.gap * each),
        latency: per_round(LATENCY * each),
    }
}

#[test]
fn a_round_of_sixteen_packs_takes_hardly_more_than_the_line_needs() {
    println!(
        "| family | baud | packs | requests in a round | round, s | bytes, s | silence before requests, s | latency, s | added by the driver, s | round / bytes |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (family, addresses) in
        [("pace", 1..=16), ("seplos-v3", 0..=15), ("seplos", 0..=15), ("topbms", 1..=16), ("pylontech", 2..=17), ("jk-pb", 1..=15)]
    {
        let round = round(family, addresses);
        println!(
            "| {family} | {} | {} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            round.baud,
            round.packs,
            round.requests,
            round.whole,
            round.wire,
            round.silence,
            round.latency,
            round.added().max(0.0),
            round.whole / round.wire
        );
        assert!(round.added() <= MAX_ADDED * round.requests, "{family}: {round:?}");
    }
}
