//! The simulator from outside: our own decoders read the values of the pack model, and the line behaves like a wire.

use dbus_bms::base::runtime::SystemClock;
use dbus_bms::base::time::Clock;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::frame_collector::FrameCollector;
use dbus_bms::bms::{self, Line, Request, Transport};
use dbus_bms::link::Port;
use dbus_bms::model::{AlarmName, Assumption, ProductionDate, Reading};
use dbus_bms::sim::fault::Faults;
use dbus_bms::sim::jbd::Jbd;
use dbus_bms::sim::line::{ServeOptions, serve};
use dbus_bms::sim::pack::{Demand, PackConfig, ReportedState};
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Board, Responder, SimulateOptions, Unit, simulate};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BASIC: [u8; 7] = [0xDD, 0xA5, 0x03, 0x00, 0xFF, 0xFD, 0x77];

fn unit() -> Unit {
    Unit::new(1, &PackConfig::default(), Scenario::default())
}

/// A battery at the address that the driver of this board asks first.
fn unit_of(kind: &Board) -> Unit {
    let address = driver_of(kind).addresses.first().copied().unwrap_or(1);
    Unit::new(address, &kind.pack(), Scenario::default())
}

/// Whether boards of this family send by themselves and answer nothing.
fn is_broadcast(driver: &bms::Driver) -> bool {
    [[Transport::Can], [Transport::Mqtt]].iter().any(|transports| driver.transports == transports)
}

/// The next reading from what `board` sends by itself, with a disputed direction as simulated boards send it.
fn overhear(board: &mut dyn Responder, driver: &'static bms::Driver, unit: &mut Unit, start: Duration) -> Reading {
    let mut traffic = FrameCollector::new(driver);
    let end = start + Duration::from_secs(5);
    while let Some(at) = board.next_unsolicited_at().filter(|at| *at < end) {
        for word in board.unsolicited(at.max(start), std::slice::from_mut(unit)) {
            traffic.feed(&word.bytes, &[]);
        }
    }
    assert_eq!((traffic.skipped, traffic.declined.as_slice()), (0, [].as_slice()), "{}", driver.name);
    let mut complete = traffic.take_complete();
    assert_eq!(complete.len(), 1, "{}: {:#?}", driver.name, traffic.readings().collect::<Vec<_>>());
    let answers: Vec<Assumption> = Assumption::all().filter(|answer| answer.name().ends_with("-positive-discharges")).collect();
    complete.remove(0).assuming(&answers)
}

/// Two polls of `board` with the requests of its own driver: the second requests what the first leaves out.
fn poll(board: &mut dyn Responder, driver: &'static bms::Driver, unit: &mut Unit) -> Reading {
    let address = driver.addresses.first().copied();
    let mut protocol = (driver.new)(address);
    protocol.use_line(board.line());
    let mut traffic = FrameCollector::new(driver);
    let mut known = Reading::new(driver.name, address);
    for _ in 0..2 {
        let requests: Vec<Request> = protocol.plan(&known);
        for request in &requests {
            for reply in board.answer(&request.bytes, std::slice::from_mut(unit)) {
                // Modbus replies of the same length differ in their requests only.
                traffic.feed(&reply.bytes, std::slice::from_ref(request));
            }
        }
        traffic.end(&requests);
        assert_eq!((traffic.skipped, traffic.declined.as_slice()), (0, [].as_slice()));
        let readings: Vec<Reading> = traffic.readings().collect();
        assert_eq!(readings.len(), 1);
        known = readings.into_iter().next().unwrap();
    }
    known
}

fn driver_of(board: &Board) -> &'static bms::Driver {
    bms::driver(board.driver).unwrap_or_else(|| panic!("no driver for {}", board.name))
}

fn assert_near(what: &str, read: Option<f64>, shown: f64, step: f64) {
    let read = read.unwrap_or_else(|| panic!("no {what}"));
    assert!((read - shown).abs() <= step / 2.0 + 1e-9, "{what}: read {read}, shown {shown}");
}

/// Compares at the coarsest resolution of all boards what this one has fields for.
fn assert_shows(reading: &Reading, board: &dyn Responder, shown: &ReportedState) {
    assert_near("voltage", reading.voltage.map(|v| v.get()), shown.voltage_v, 0.1);
    assert_near("current", reading.current.map(|a| a.get()), shown.current_a, 0.1);
    assert_near("SoC", reading.soc.map(|p| p.get()), shown.soc_pct, 1.0);
    assert_eq!(reading.cells.len(), if reading.without_cells { 0 } else { shown.cells_v.len() });
    for (cell, (read, shown)) in reading.cells.iter().zip(&shown.cells_v).enumerate() {
        assert_near(&format!("cell {}", cell + 1), Some(read.get()), *shown, board.cell_step_v());
    }
    let fets = board.shown_fets(shown.charge_fet, shown.discharge_fet);
    assert_eq!([reading.fets.charge, reading.fets.discharge], fets);
    let alarms: BTreeSet<AlarmName> = reading.alarms.iter().flatten().map(|alarm| alarm.name).collect();
    assert_eq!(alarms, shown.alarms.iter().filter_map(|alarm| board.shown_as(*alarm)).collect());
    assert_eq!(reading.balancing.active, board.shows_balancing().then_some(shown.balancing.contains(&true)));
}

#[test]
fn our_decoder_reads_what_every_board_shows() {
    for kind in BOARDS {
        let (driver, mut board, mut unit) = (driver_of(kind), (kind.new)(), unit_of(kind));
        let (mut balanced, mut alarms) = (false, Vec::new());
        let mut passed = Duration::ZERO;
        // Charged until cells are balanced and the protection acts, discharged again, at rest, in the cold.
        for (current, temperature) in [(100.0, 20.0), (-150.0, 30.0), (3.0, -10.0)] {
            unit.pack.demand = Demand::Constant(current);
            unit.pack.set_temperature(temperature);
            for _ in 0..40 {
                unit.advance(Duration::from_secs(97));
                passed += Duration::from_secs(97);
                let reading = match is_broadcast(driver) {
                    true => overhear(board.as_mut(), driver, &mut unit, passed),
                    false => poll(board.as_mut(), driver, &mut unit),
                };
                assert_shows(&reading, board.as_ref(), unit.pack.reported());
                balanced |= unit.pack.reported().balancing.contains(&true);
                alarms.extend_from_slice(&unit.pack.reported().alarms);
            }
        }
        // A smaller pack reaches other ends.
        let is_usual = unit.pack.reported().cells_v.len() == PackConfig::default().cells;
        assert!(
            !is_usual
                || balanced && alarms.contains(&AlarmName::CellHighVoltage) && alarms.contains(&AlarmName::LowChargeTemperature)
        );
        assert_eq!(board.writes(), 0, "{}: reading wrote to the BMS", kind.name);
    }
}

#[test]
fn a_jbd_board_tells_everything_that_it_has() {
    let (mut board, mut unit) = (Jbd::new(true), unit());
    unit.pack.forced_alarms = vec![AlarmName::CellHighVoltage, AlarmName::LowTemperature, AlarmName::BmsInternal];
    unit.advance(Duration::from_secs(5));
    let reading = poll(&mut board, &bms::jbd::DRIVER, &mut unit);
    let shown = unit.pack.reported();
    assert_near("voltage", reading.voltage.map(|v| v.get()), shown.voltage_v, 0.01);
    assert_near("current", reading.current.map(|a| a.get()), shown.current_a, 0.01);
    assert_near("remaining", reading.remaining.map(|ah| ah.get()), shown.remaining_ah, 0.01);
    assert_eq!(reading.capacity.map(|ah| ah.get()), Some(280.0));
    assert_eq!((reading.cycles, reading.cell_count), (Some(shown.cycles), Some(16)));
    let temperatures = reading.temperatures.sensors.as_deref().unwrap();
    for (read, shown) in temperatures.iter().zip([shown.temperatures_c[0], shown.temperatures_c[1], shown.mos_c]) {
        assert_near("temperature", Some(read.get()), shown, 0.1);
    }
    assert_eq!(temperatures.len(), 3);
    assert_eq!(reading.device.model.as_deref(), Some("JBD-SP25S003-L16S-100A-100A-B"));
    assert_eq!(reading.device.production_date, Some(ProductionDate::Day("2023-11-14".to_owned())));
    assert_eq!(reading.full_charge.map(|ah| ah.get()), Some(277.2));
    assert_shows(&reading, &board, shown);
}

#[test]
fn a_jbd_board_switches_fets_and_knows_factory_mode() {
    let (mut board, mut unit) = (Jbd::new(false), unit());
    let mut ask = |board: &mut Jbd, bytes: &[u8]| {
        let replies = board.answer(bytes, std::slice::from_mut(&mut unit));
        unit.advance(Duration::from_secs(1));
        (replies.iter().flat_map(|reply| reply.bytes.clone()).collect::<Vec<u8>>(), unit.pack.reported().charge_fet)
    };
    // The exchange recorded in vectors/jbd/e1-ack.json.
    let off = [0xDD, 0x5A, 0xE1, 0x02, 0x00, 0x01, 0xFF, 0x1C, 0x77];
    assert_eq!(ask(&mut board, &off), (vec![0xDD, 0xE1, 0, 0, 0, 0, 0x77], false));
    assert!(!board.factory_mode());
    ask(&mut board, &[0xDD, 0x5A, 0x00, 0x02, 0x56, 0x78, 0xFF, 0x30, 0x77]);
    assert!(board.factory_mode());
    ask(&mut board, &[0xDD, 0x5A, 0x01, 0x02, 0x00, 0x00, 0xFF, 0xFD, 0x77]);
    assert!(!board.factory_mode());
    assert_eq!(board.writes(), 3);
    // A register that it does not have: the refusal of vectors/jbd/bad-error-status.json, for register A9.
    assert_eq!(ask(&mut board, &[0xDD, 0xA5, 0xA9, 0x00, 0xFF, 0x57, 0x77]).0, [0xDD, 0xA9, 0x80, 0x00, 0xFF, 0x80, 0x77]);
}

proptest! {
    #[test]
    fn requests_are_found_in_pieces_and_in_garbage(garbage in prop::collection::vec(any::<u8>(), 0..40), cut in 0usize..=7) {
        for kind in BOARDS.iter().filter(|kind| !is_broadcast(driver_of(kind))) {
            let driver = driver_of(kind);
            let (mut board, mut unit) = ((kind.new)(), unit_of(kind));
            let mut protocol = (driver.new)(driver.addresses.first().copied());
            protocol.use_line(board.line());
            let request = protocol.identify().bytes;
            let mut ask = |bytes: &[u8]| board.answer(bytes, std::slice::from_mut(&mut unit)).len();
            ask(&garbage);
            // As `serve` does when a line becomes quiet.
            board.quiet();
            let mut ask = |bytes: &[u8]| board.answer(bytes, std::slice::from_mut(&mut unit)).len();
            let (first, second) = request.split_at(cut.min(request.len()));
            prop_assert_eq!(ask(first) + ask(second), 1);
            prop_assert_eq!(ask(&[&request[..], &request[..]].concat()), 2);
        }
    }
}

/// A port and a clock in one: time advances only by waiting, and every byte sent is recorded with its time.
#[derive(Clone, Default)]
struct Bench(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Duration,
    /// Requests and their times, the next one last.
    requests: Vec<(Duration, Vec<u8>)>,
    sent: Vec<(Duration, Vec<u8>)>,
    line: Option<Line>,
    stop: Arc<AtomicBool>,
}

impl Port for Bench {
    fn name(&self) -> &str {
        "bench"
    }
    fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.0.lock().unwrap().line = Some(line);
        Ok(())
    }
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let now = state.now;
        state.sent.push((now, bytes.to_vec()));
        Ok(())
    }
    fn receive(&mut self, buf: &mut [u8], wait: Duration) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap();
        let end = state.now + wait;
        match state.requests.last().map(|(at, _)| *at) {
            Some(at) if at <= end => {
                state.now = state.now.max(at);
                let (_, bytes) = state.requests.pop().unwrap();
                buf[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
            next => {
                state.now = end;
                state.stop.store(next.is_none(), Ordering::Relaxed);
                Ok(0)
            }
        }
    }
    fn clear(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Clock for Bench {
    fn now(&self) -> Moment {
        Moment::new(self.0.lock().unwrap().now)
    }
    fn sleep(&self, time: Duration) {
        self.0.lock().unwrap().now += time;
    }
}

/// Requests the basic information at these times and returns the bytes sent, with their times.
fn run(options: &ServeOptions, times_ms: &[u64]) -> Vec<(Duration, Vec<u8>)> {
    let mut bench = Bench::default();
    let stop = bench.0.lock().unwrap().stop.clone();
    bench.0.lock().unwrap().requests = times_ms.iter().rev().map(|ms| (Duration::from_millis(*ms), BASIC.to_vec())).collect();
    let (clock, mut board, mut units) = (bench.clone(), Jbd::new(false), [unit()]);
    serve(&mut bench, &clock, &mut board, &mut units, options, &stop).unwrap();
    let state = bench.0.lock().unwrap();
    assert_eq!(state.line.is_some(), options.pace);
    state.sent.clone()
}

#[test]
fn a_paced_reply_takes_the_time_of_the_wire() {
    let sent = run(&ServeOptions { pace: true, ..ServeOptions::default() }, &[1000]);
    let bytes: usize = sent.iter().map(|(_, piece)| piece.len()).sum();
    assert_eq!(bytes, 36);
    let line = Line { baud: 9600 };
    let begin = Duration::from_millis(1000 + 20) + line.time_of(7);
    for (index, (at, _)) in sent.iter().enumerate() {
        let so_far: usize = sent.iter().take(index + 1).map(|(_, piece)| piece.len()).sum();
        assert_eq!(*at, begin + line.time_of(so_far));
    }
    assert!(sent.len() > 5, "{} pieces", sent.len());
}

#[test]
fn without_pace_a_reply_comes_at_once_after_the_latency() {
    let sent = run(&ServeOptions::default(), &[1000]);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].0, Duration::from_millis(1020));
}

#[test]
fn faults_hit_the_same_replies_again() {
    let options = |faults, seed| ServeOptions { faults: Faults::parse(faults).unwrap(), seed, ..ServeOptions::default() };
    let times: Vec<u64> = (0..200).map(|n| n * 1000).collect();
    let all = "drop=10,corrupt=10,duplicate=10,nonsense=10,late=300@10,noise";
    assert_eq!(run(&options(all, 3), &times), run(&options(all, 3), &times));
    assert_ne!(run(&options(all, 3), &times), run(&options(all, 4), &times));
    assert_eq!(run(&options("silent-after=100", 1), &times).len(), 100);
    let late = run(&options("late=300", 1), &[1000]);
    assert_eq!(late[0].0, Duration::from_millis(1320));
}

#[test]
fn nonsense_has_a_right_checksum_and_is_impossible() {
    let options = ServeOptions { faults: Faults::parse("nonsense=100").unwrap(), ..ServeOptions::default() };
    let times: Vec<u64> = (0..60).map(|n| n * 1000).collect();
    let readings: Vec<Reading> = run(&options, &times)
        .iter()
        .map(|(_, bytes)| {
            let mut traffic = FrameCollector::new(&bms::jbd::DRIVER);
            traffic.feed(bytes, &[]);
            assert_eq!((traffic.frames, traffic.pending()), (1, 0));
            traffic.readings().next().unwrap()
        })
        .collect();
    assert!(readings.iter().any(|r| r.voltage.is_some_and(|v| v.get() < 20.0)));
    assert!(readings.iter().any(|r| r.temperatures.sensors.iter().flatten().any(|t| t.get() == 100.0)));
}

#[test]
fn simulate_serves_a_serial_port_until_it_is_stopped() {
    let path = std::env::temp_dir().join(format!("dbus-bms-simulate-{}", std::process::id()));
    let options = SimulateOptions { bms: "jbd".into(), link: path.clone(), cells: Some(8), ..SimulateOptions::default() };
    let stop = AtomicBool::new(false);
    let reading = std::thread::scope(|scope| {
        let thread = scope.spawn(|| simulate(&options, &stop));
        let begin = SystemClock.now();
        while fs::symlink_metadata(&path).is_err() {
            assert!(
                SystemClock.now().since(begin) < Duration::from_secs(5) && !thread.is_finished(),
                "no link at {}",
                path.display()
            );
            std::thread::yield_now();
        }
        let mut port = fs::File::options().read(true).write(true).open(&path).unwrap();
        port.write_all(&BASIC).unwrap();
        let mut reply = [0; 36];
        port.read_exact(&mut reply).unwrap();
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap().unwrap();
        let mut traffic = FrameCollector::new(&bms::jbd::DRIVER);
        traffic.feed(&reply, &[]);
        traffic.readings().next().unwrap()
    });
    assert_eq!(reading.cell_count, Some(8));
    assert!(fs::symlink_metadata(&path).is_err(), "the link is left behind");
}
