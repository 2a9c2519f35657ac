//! The traffic of a port is recorded completely, within bounds, and replays to the original readings.

use crate::support::vector_files;

use dbus_bms::base::time::Clock;
use dbus_bms::base::units::Moment;
use dbus_bms::battery::charge;
use dbus_bms::bms::{self, Driver, Line, Sharing};
use dbus_bms::link::Port;
use dbus_bms::model::Reading;
use dbus_bms::probe::Scope;
use dbus_bms::recording::capture::{Capture, CapturePort, MAX_BYTES};
use dbus_bms::recording::file::{Direction, MAX_FILE, Recording, UNKNOWN};
use dbus_bms::recording::replay::{LimitsReplay, ReplayedReading, readings};
use dbus_bms::recording::replay_port::{ReplayPort, SimClock, TimedBytes};
use dbus_bms::service::port_worker::{PortEvent, PortWorker};
use dbus_bms::sim::fault::Faults;
use dbus_bms::sim::pack::{Demand, PackConfig};
use dbus_bms::sim::port::SimPort;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Unit, responder};
use dbus_bms::tools::record_session::{RecordMode, RecordPlan, RecordResult, record};
use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

static GO: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(true);
static FILES: LazyLock<Vec<vector_files::File>> = LazyLock::new(vector_files::all);

const SECOND: Duration = Duration::from_secs(1);

/// A simulated board on a scripted line. Its battery advances with every request, so that each reading differs.
fn simulated(clock: &SimClock, board: &str, addresses: &[u8]) -> ReplayPort {
    falling_silent(clock, board, addresses, usize::MAX)
}

/// As [`simulated`], but after this many requests it stops replying.
fn falling_silent(clock: &SimClock, board: &str, addresses: &[u8], most: usize) -> ReplayPort {
    let mut asked = 0;
    let mut responder = responder(board).unwrap();
    let line = responder.line();
    let pack = BOARDS.iter().find(|known| known.name == board).unwrap().pack();
    let unit = |address: &u8| Unit::new(*address, &pack, Scenario::default());
    let mut units: Vec<Unit> = addresses.iter().map(unit).collect();
    units.iter_mut().for_each(|unit| unit.pack.demand = Demand::Constant(30.0 + f64::from(unit.address)));
    ReplayPort::new(clock, move |sent, at| {
        units.iter_mut().for_each(|unit| unit.advance(SECOND));
        let mut after = Duration::from_millis(5);
        asked += 1;
        let replies = if at == line && asked <= most { responder.answer(sent, &mut units) } else { Vec::new() };
        responder.quiet();
        replies
            .into_iter()
            .flat_map(|reply| {
                after += reply.after;
                let sound = TimedBytes { after, bytes: reply.bytes };
                after += line.time_of(sound.bytes.len());
                sound.trickle(line)
            })
            .collect()
    })
}

fn plan(scope: Scope, seconds: u32) -> RecordPlan {
    RecordPlan { scope, mode: RecordMode::Ask { interval: SECOND }, time: seconds * SECOND, note: None }
}

fn only(driver: &'static Driver) -> Scope {
    Scope { drivers: vec![driver], ..Scope::default() }
}

/// For a simulated board: its driver, on its kind of line.
fn only_on_its_line(board: &str, driver: &'static Driver) -> Scope {
    Scope { can: responder(board).unwrap().line().is_can(), ..only(driver) }
}

fn record_board(board: &str, addresses: &[u8], scope: Scope) -> RecordResult {
    let clock = SimClock::default();
    record(Box::new(simulated(&clock, board, addresses)), &clock, &plan(scope, 12), &GO)
}

/// Readings of `run` from the same board.
fn read_live(board: &str, addresses: &[u8], scope: Scope) -> Vec<Reading> {
    let clock = SimClock::default();
    let mut port: Option<Box<dyn Port>> = Some(Box::new(simulated(&clock, board, addresses)));
    let mut all = Vec::new();
    let worker = PortWorker {
        open: Box::new(move || Ok(port.take().unwrap())),
        scope,
        interval: SECOND,
        active_fill: false,
        commands: None,
        persistent: false,
        searches_again: false,
    };
    worker.run(&clock, |event| {
        match event {
            PortEvent::Found(found) => all.extend(found.into_iter().map(|found| found.reading)),
            PortEvent::Reading { reading, .. } => all.push(*reading),
            other => panic!("{board}: {other:?}"),
        }
        clock.now() < Moment::new(12 * SECOND)
    });
    all
}

fn usual_address(driver: &Driver) -> u8 {
    driver.addresses.first().copied().unwrap_or(1)
}

fn of(readings: &[Reading], address: Option<u8>) -> Vec<&Reading> {
    readings.iter().filter(|reading| reading.address == address).collect()
}

/// Simulated boards that answer; others send by themselves.
fn asked_boards() -> impl Iterator<Item = &'static dbus_bms::sim::Board> {
    BOARDS.iter().filter(|board| responder(board.name).unwrap().next_unsolicited_at().is_none() || board.driver == "jk-pb")
}

#[test]
fn boards_that_broadcast_are_found_recorded_and_replayed() {
    for (board, addresses, found) in
        [("jk-can", &[0, 1][..], &[Some(0), Some(1)][..]), ("pylontech-can", &[1], &[None]), ("rv-c", &[1, 2], &[Some(1), Some(2)])]
    {
        let (driver, clock) = (bms::driver(board).unwrap(), SimClock::default());
        let unit = |address: &u8| Unit::new(*address, &PackConfig::default(), Scenario::default());
        let units = addresses.iter().map(unit).collect();
        let port = SimPort::new(clock.clone(), responder(board).unwrap(), units, Faults::default(), 1);
        let shared = port.shared_line();
        let recorded = record(Box::new(port), &clock, &plan(only_on_its_line(board, driver), 30), &GO);
        assert_eq!(recorded.found.iter().map(|candidate| candidate.address).collect::<Vec<_>>(), found, "{board}");
        assert!(shared.lock().unwrap().sent.is_empty(), "{board} is only listened to");
        let replayed: Vec<Reading> = readings(&recorded.recording, driver).into_iter().map(|replayed| replayed.reading).collect();
        for address in found {
            let replayed = of(&replayed, *address);
            assert!(replayed.len() >= 12, "{board} {address:?}: {} readings", replayed.len());
            assert!(replayed.iter().all(|reading| reading.is_complete() && reading.alarms == Some(Vec::new())), "{replayed:#?}");
        }
    }
}

#[test]
fn a_replay_gives_what_was_read() {
    for board in asked_boards() {
        let driver = bms::driver(board.driver).unwrap();
        let addresses: &[u8] = if driver.sharing == Sharing::Any { &[1, 2] } else { &[usual_address(driver)] };
        let scope = only_on_its_line(board.name, driver);
        let recorded = record_board(board.name, addresses, scope.clone());
        let RecordResult { recording, .. } = &recorded;
        assert_eq!((recording.bms.as_str(), recorded.missed), (driver.name, 0), "{}: {:?}", board.name, recording.note);
        let replayed: Vec<Reading> = readings(recording, driver).into_iter().map(|replayed| replayed.reading).collect();
        let live = read_live(board.name, addresses, scope);
        for address in recorded.found.iter().map(|candidate| candidate.address) {
            let (replayed, live) = (of(&replayed, address), of(&live, address));
            assert!(replayed.len() >= 8 && live.len() >= 8, "{}: {} and {}", board.name, replayed.len(), live.len());
            // The last one may be truncated by the end of the recording.
            let common = replayed.len().min(live.len()) - 1;
            if (driver.new)(address).needs_confirmation() {
                // The recording also has the answers that confirmed others, and names appear with either of them.
                let measured = |reading: &Reading| (reading.voltage, reading.current, reading.soc, reading.cells.clone());
                let mut rest = replayed.iter().map(|reading| measured(reading));
                let missing = live[..common].iter().map(|read| measured(read)).find(|read| !rest.any(|replayed| replayed == *read));
                assert_eq!(missing, None, "{} {address:?}", board.name);
                continue;
            }
            assert_eq!(replayed[..common], live[..common], "{} {address:?}", board.name);
        }
    }
}

#[test]
fn a_recording_is_a_test_at_once() {
    for board in asked_boards() {
        let driver = bms::driver(board.driver).unwrap();
        let address = usual_address(driver);
        let scope = Scope { addresses: vec![address], ..only_on_its_line(board.name, driver) };
        let recorded = record_board(board.name, &[address], scope);
        let text = recorded.recording.text();
        let again = Recording::parse("recording.json", &text).unwrap();
        assert_eq!(again.text(), text, "{}", board.name);
        let stated: Vec<_> = again.play(driver).readings().map(|reading| serde_json::to_value(reading).unwrap()).collect();
        assert_eq!(again.readings.iter().cloned().map(serde_json::Value::Object).collect::<Vec<_>>(), stated);
        assert_eq!(stated.len(), 1, "{}", board.name);
        assert!(
            !text.contains(&dbus_bms::base::hex::encode(b"simulated")) || board.driver == "jk-pb",
            "{}: its password leaked",
            board.name
        );
    }
}

/// Every driver sends requests before JBD replies: the whole search is in the file, with the line speed.
#[test]
fn the_file_is_what_it_is_documented_to_be() {
    let clock = SimClock::default();
    let basic = dbus_bms::base::hex::decode("dd03001d060b000001ed01f400002c7c00000000100080630204030ba00b9d0b98fa5577").unwrap();
    let cells = dbus_bms::base::hex::decode("dd0400080f230f1c0f120f1dff4e77").unwrap();
    let pairs: [(&[u8], &[u8]); 2] =
        [(&[0xDD, 0xA5, 3, 0, 0xFF, 0xFD, 0x77], &basic), (&[0xDD, 0xA5, 4, 0, 0xFF, 0xFC, 0x77], &cells)];
    let port = ReplayPort::answering(&clock, 30, &pairs);
    let plan = RecordPlan { note: Some("a \"quoted\" note".into()), ..plan(only(&bms::jbd::DRIVER), 3) };
    let recorded = record(Box::new(port), &clock, &plan, &GO);
    let text = recorded.recording.text().replace(env!("CARGO_PKG_VERSION"), "VERSION");
    assert_eq!(text, include_str!("../golden/recording-jbd.json"));
}

#[test]
fn silence_is_recorded_with_what_was_tried() {
    let clock = SimClock::default();
    let recorded = record(Box::new(ReplayPort::silent(&clock)), &clock, &plan(Scope::default(), 60), &GO);
    let recording = &recorded.recording;
    assert!(recorded.not_found.is_some() && recorded.found.is_empty());
    assert_eq!((recording.bms.as_str(), recording.readings.len()), (UNKNOWN, 0));
    let note = recording.note.as_deref().unwrap();
    assert!(note.contains("no BMS answered on the port") && note.contains("silence"), "{note}");
    let tried: BTreeSet<u32> = recording.traffic.iter().filter_map(|event| event.baud).collect();
    let lines = bms::DRIVERS.iter().flat_map(|driver| driver.lines).filter(|line| !line.is_can());
    let known: BTreeSet<u32> = lines.map(|line| line.baud).collect();
    assert_eq!(tried, known);
    assert!(recording.traffic.iter().all(|event| event.direction == Direction::Sent));
    assert!(Recording::parse("silent.json", &recording.text()).is_ok());
}

/// A board that replies without a valid reading: its bytes are needed for a bug report.
#[test]
fn what_an_unknown_board_says_is_kept() {
    let clock = SimClock::default();
    let port = ReplayPort::new(&clock, |_, line| match line.baud {
        9600 => vec![TimedBytes::after_ms(20, b":1234 what is this?\r")],
        _ => Vec::new(),
    });
    let recorded = record(Box::new(port), &clock, &plan(Scope::default(), 60), &GO);
    assert_eq!(recorded.recording.bms, UNKNOWN);
    let heard = recorded.recording.received();
    assert!(heard.windows(13).any(|bytes| bytes == b"what is this?"), "nothing here is a password");
}

#[test]
fn listening_sends_nothing_and_hears_a_master() {
    let clock = SimClock::default();
    let cycle = FILES.iter().find(|file| file.name == "jk-pb/sniff-phinix-cycle.json").unwrap();
    let port = ReplayPort::silent(&clock).repeating(Moment::from_secs(0.5), 3 * SECOND, &cycle.vector.received());
    let sent = port.log();
    let lines = vec![Line { baud: 9600 }, Line { baud: 115_200 }];
    let plan = RecordPlan { mode: RecordMode::Listen { lines: lines.clone() }, ..plan(Scope::default(), 20) };
    let recorded = record(Box::new(port), &clock, &plan, &GO);
    let sent = sent.lock().unwrap();
    assert!(sent.sent.is_empty() && sent.lines == lines, "{sent:?}");
    let recording = recorded.recording;
    assert_eq!((recording.bms.as_str(), recording.any_valid_frame), ("jk-pb", true));
    assert!(recording.note.as_deref().unwrap().starts_with("listened at 9600, 115200 baud for 20 s"));
    let replayed = readings(&recording, &bms::jk_pb::DRIVER);
    let times: Vec<f64> =
        replayed.iter().filter(|replayed| replayed.reading.address == Some(0)).map(|replayed| replayed.at.as_secs_f64()).collect();
    assert!(times.len() >= 5 && times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

#[test]
fn a_stop_ends_it_and_an_unplugged_port_keeps_what_came() {
    let clock = SimClock::default();
    let stopped = record(Box::new(simulated(&clock, "jbd", &[1])), &clock, &plan(Scope::default(), 60), &STOP);
    assert!(stopped.recording.traffic.is_empty() && stopped.broken.is_none() && stopped.not_found.is_none());
    assert!(clock.now() < Moment::from_secs(1.0));

    let port = simulated(&clock, "jbd", &[1]).vanishing(clock.now().after(5 * SECOND));
    let cut = record(Box::new(port), &clock, &plan(only(&bms::jbd::DRIVER), 60), &GO);
    assert!(cut.broken.is_some() && cut.readings >= 3, "{cut:?}");
    assert!(cut.recording.note.unwrap().contains("vanished"));
}

#[test]
fn failed_readings_are_counted_and_named() {
    let clock = SimClock::default();
    let port = falling_silent(&clock, "jbd", &[1], 12);
    let recorded = record(Box::new(port), &clock, &plan(only(&bms::jbd::DRIVER), 30), &GO);
    let note = recorded.recording.note.unwrap();
    let expected = format!("{} of {} readings failed", recorded.missed, recorded.readings + recorded.missed);
    assert!(recorded.missed > 5 && recorded.readings > 2 && note.starts_with(&expected), "{note}");
}

#[test]
fn a_line_that_never_stops_fills_no_disk() {
    let clock = SimClock::default();
    let port = ReplayPort::silent(&clock).repeating(Moment::default(), Duration::from_micros(100), &[0x55; 400]);
    let capture = Capture::new(clock.now(), 100_000 * SECOND, &GO);
    let mut recorder = CapturePort::new(Box::new(port), clock.clone(), capture.clone());
    recorder.set_line(Line { baud: 115_200 }).unwrap();
    let mut buf = [0; 512];
    let error = loop {
        if let Err(error) = recorder.receive(&mut buf, SECOND) {
            break error;
        }
    };
    assert!(error.to_string().contains("over") && capture.is_over(clock.now()));
    let traffic = capture.take();
    let bytes: usize = traffic.iter().map(|event| event.bytes.len()).sum();
    assert!((MAX_BYTES..MAX_BYTES + buf.len()).contains(&bytes));
    assert_eq!(traffic.iter().filter(|event| event.baud.is_some()).count(), 1);
    let recording = Recording { traffic, ..FILES[0].vector.clone() };
    assert!(recording.text().len() <= MAX_FILE && Recording::parse("full.json", &recording.text()).is_ok());
}

/// Bytes unread before a request are dropped by the link, not by the recording.
#[test]
fn what_nobody_reads_is_recorded_too() {
    let clock = SimClock::default();
    let port = ReplayPort::silent(&clock).at(Moment::from_secs(0.5), b"too late");
    let capture = Capture::new(clock.now(), 10 * SECOND, &GO);
    let mut recorder = CapturePort::new(Box::new(port), clock.clone(), capture.clone());
    clock.sleep(SECOND);
    recorder.clear().unwrap();
    assert_eq!(capture.take().first().map(|event| (event.at, event.bytes.clone())), Some((SECOND, b"too late".to_vec())));
}

/// A replay shows every battery of every file; a single reading of a battery is the stated one.
#[test]
fn every_vector_replays_to_its_readings() {
    for file in FILES.iter() {
        let replayed = readings(&file.vector, file.driver);
        for stated in file.vector.play(file.driver).readings() {
            let same: Vec<&ReplayedReading> =
                replayed.iter().filter(|replayed| replayed.reading.address == stated.address).collect();
            assert!(!same.is_empty(), "{}: {:?} is missing", file.name, stated.address);
            if let [only] = same.as_slice() {
                assert_eq!(only.reading, stated, "{}", file.name);
            }
        }
        assert!(replayed.windows(2).all(|pair| pair[0].at <= pair[1].at), "{}", file.name);
    }
}

#[test]
fn the_limits_follow_the_battery_over_the_recording() {
    let recorded = record_board("jk", &[1], only(&bms::jk::DRIVER));
    let mut control = LimitsReplay::new(charge::Config::default());
    let limits: Vec<_> =
        readings(&recorded.recording, &bms::jk::DRIVER).iter().filter_map(|replayed| control.limits(replayed)).collect();
    let (last, _) = limits.last().unwrap();
    assert!(limits.len() >= 8 && last.ccl.value.get() > 0.0 && last.cvl.value.get() > 50.0, "{last:?}");
}

/// A recording as an attacker could write it: any times, any bytes, cut anywhere.
fn hostile() -> impl Strategy<Value = Recording> {
    let time = prop_oneof![0..100_000u64, Just(u64::MAX / 4)];
    (any::<Index>(), prop::collection::vec((time, any::<Index>(), any::<u8>()), 0..20)).prop_map(|(file, changes)| {
        let mut vector = file.get(&FILES).vector.clone();
        for (seconds, place, byte) in changes {
            if vector.traffic.is_empty() {
                break;
            }
            let index = place.index(vector.traffic.len());
            let event = &mut vector.traffic[index];
            event.at = Duration::from_secs(seconds);
            let at = place.index(event.bytes.len());
            event.bytes[at] = byte;
            let again = event.clone();
            vector.traffic.push(again);
        }
        vector.traffic.sort_by_key(|event| event.at);
        vector
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_recording_replays_or_says_why_not(vector in hostile(), cut in any::<Index>(), junk in "\\PC{0,8}") {
        let text = vector.text();
        let mut at = cut.index(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        for text in [text.clone(), format!("{}{junk}{}", &text[..at], &text[at..]), text[..at].to_owned()] {
            let Ok(vector) = Recording::parse("any.json", &text) else { continue };
            let mut control = LimitsReplay::new(charge::Config::default());
            for driver in bms::DRIVERS {
                for replayed in readings(&vector, driver) {
                    if let Some((limits, _)) = control.limits(&replayed) {
                        prop_assert!(limits.cvl.value.get().is_finite() && limits.ccl.value.get() >= 0.0);
                    }
                }
            }
        }
    }

    #[test]
    fn text_that_is_no_recording_is_an_error(text in "\\PC{0,200}") {
        prop_assert!(Recording::parse("any.json", &text).is_err());
    }
}
