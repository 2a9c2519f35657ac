//! The flight recorder, in simulated time: files of all simulated boards replay to the limits of the driver, however long ago it started.

use dbus_bms::base::time::{Clock, Now};
use dbus_bms::base::units::Amps;
use dbus_bms::battery::guard::FirstReadings;
use dbus_bms::battery::{Battery, PersistedState, charge, soc};
use dbus_bms::bms;
use dbus_bms::config::Config;
use dbus_bms::link::OpenError;
use dbus_bms::model::{LinkStats, Snapshot};
use dbus_bms::probe::Scope;
use dbus_bms::recording::file::Recording;
use dbus_bms::recording::flight::{self, Comparison};
use dbus_bms::recording::flight_recorder::{Alarmed, Decided, FLIGHT_FOLDER, FlightPort, FlightRecorder, list, read};
use dbus_bms::recording::replay_port::SimClock;
use dbus_bms::service::port_worker::{PortEvent, PortWorker};
use dbus_bms::sim::fault::Faults;
use dbus_bms::sim::port::SimPort;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Board, Unit};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SETTINGS: &str = "max_charge_current_a = 90.0\n";
const UNIX: u64 = 1_764_540_000;

/// A folder that is empty at the start.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("flight-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn settings(text: &str) -> (charge::Config, soc::Config) {
    let settings = Config::parse("settings", text).unwrap().settings(None, None);
    (settings.charge, settings.soc)
}

/// Batteries of a port as the program serves them.
struct Served {
    recorder: FlightRecorder,
    batteries: Vec<(Battery, FirstReadings)>,
}

impl Served {
    fn record(&self, number: usize, snapshot: &Snapshot, on_reading: bool, now: Now, present: Now) {
        let battery = &self.batteries[number].0;
        let decided = Decided {
            at: now.at,
            on_reading,
            limits: &snapshot.limits,
            owner: battery.owner_limits().map(|limit| limit.map(Amps::get)),
            alarmed: Alarmed { alarms: &snapshot.alarms, cable: snapshot.cable },
        };
        self.recorder.decided(number, &decided, || battery.persisted_state(), present.at);
    }
}

/// Runs `board` for this time with events from a scenario, and returns the files of the flight recorder and its memory.
fn fly(board: &'static Board, units: &[u8], scenario: &str, faults: &str, time: Duration, folder: &Path) -> (Vec<String>, usize) {
    let clock = SimClock::default();
    // A device that runs for a day, and not in a whole second.
    clock.sleep(Duration::from_secs_f64(86_400.123_456_7));
    let (start, driver) = (clock.now(), bms::driver(board.driver).unwrap());
    let units = units.iter().map(|address| {
        let scenario = Scenario::parse("scenario", scenario, board.pack().cells).unwrap();
        Unit::new(*address, &board.pack(), scenario)
    });
    let line = SimPort::new(clock.clone(), (board.new)(), units.collect(), Faults::parse(faults).unwrap(), 7);
    // One of eight ports: little memory, which is full after a minute or two.
    let recorder = FlightRecorder::new(8, driver.lines[0].is_can(), folder);
    let mut port = Some(FlightPort::new(Box::new(line), clock.clone(), recorder.clone()));
    let worker = PortWorker {
        open: Box::new(move || Ok(Box::new(port.take().ok_or_else(|| OpenError::Missing { name: "the port".into() })?))),
        scope: Scope { drivers: vec![driver], can: driver.lines[0].is_can(), ..Scope::default() },
        interval: Duration::from_secs(1),
        active_fill: false,
        commands: None,
        persistent: false,
        searches_again: false,
    };
    let mut served = Served { recorder: recorder.clone(), batteries: Vec::new() };
    let mut most = 0;
    worker.run(&clock, |event| {
        let at = clock.now();
        let present = Now { at, unix: Some(UNIX + at.since(start).as_secs()) };
        match event {
            PortEvent::Found(found) => {
                for found in found {
                    let (charge, soc) = settings(SETTINGS);
                    recorder.configure(served.batteries.len(), driver, SETTINGS.to_owned());
                    let mut first = FirstReadings::default();
                    first.accept(&found.reading, at);
                    served.batteries.push((Battery::new(charge, PersistedState::default()).with_soc(soc), first));
                }
            }
            PortEvent::Reading { number, reading, at, .. } => {
                recorder.reading(number, reading.address, at, present.at);
                let now = Now { at, ..present };
                let (battery, first) = &mut served.batteries[number];
                if first.accept(&reading, at) {
                    let snapshot = battery.read(*reading, LinkStats::default(), now);
                    served.record(number, &snapshot, true, now, present);
                }
            }
            PortEvent::Missed { number, .. } if served.batteries[number].0.age(at).is_some() => {
                let snapshot = served.batteries[number].0.tick(LinkStats::default(), present);
                served.record(number, &snapshot, false, present, present);
            }
            _ => {}
        }
        if recorder.is_due(false, at) {
            recorder.write(present);
        }
        most = recorder.extent().0.max(most);
        at.since(start) < time
    });
    let files = list(&folder.join(FLIGHT_FOLDER));
    let files = files.iter().rev().map(|file| read(&folder.join(FLIGHT_FOLDER), &file.file).unwrap());
    (files.collect(), most)
}

fn replayed(text: &str) -> (Recording, Comparison) {
    let recording = Recording::parse("flight", text).unwrap();
    let flight = recording.flight.clone().unwrap();
    let driver = bms::driver(&recording.bms).unwrap();
    let (_, comparison) = flight::replay(&recording, &flight, driver, &settings);
    (recording, comparison)
}

const NIGHT: &str = "
[[step]]
t = 0
live = true
soc_pct = 60
[[step]]
t = 120
cell = 3
offset_v = 0.05
[[step]]
t = 180
cell = 3
offset_v = 0.45
alarms = [\"cell_high_voltage\"]
charge_fet = false
";

/// `FLIGHT_BOARDS=all`: all boards that are asked, which takes minutes.
#[test]
fn a_high_cell_replays_to_the_same_limits() {
    let mut seen = 0;
    let all = std::env::var("FLIGHT_BOARDS").is_ok_and(|boards| boards == "all");
    let usual = ["jbd", "daly", "jk-pb-chain"];
    // Those that send by themselves need another port.
    let other = ["jk-can", "pylontech-can", "json", "rv-c", "daly-can"];
    let flown = |board: &&Board| if all { !other.contains(&board.name) } else { usual.contains(&board.name) };
    for board in BOARDS.iter().filter(flown) {
        let folder = folder(board.name);
        let (files, memory) = fly(board, board.addresses, NIGHT, "", Duration::from_secs(225), &folder);
        let text = files.last().unwrap_or_else(|| panic!("{}: no file", board.name));
        let (recording, comparison) = replayed(text);
        let flight = recording.flight.as_ref().unwrap();
        let minutes = flight.decisions.last().unwrap().t / 60.0;
        assert!(minutes < 3.5, "{}: the ring is not full", board.name);
        println!("{:15} {minutes:5.1} min, {:4} kB, {memory} bytes; {}", board.name, text.len() / 1024, comparison.sentence());
        assert!(memory <= 18 * 1024, "{}: {memory} bytes", board.name);
        assert!(minutes > 0.7, "{}: {minutes} minutes", board.name);
        assert_eq!(comparison.first_difference, None, "{}: {}", board.name, comparison.sentence());
        assert!(comparison.same * 10 >= comparison.decisions * 9, "{}: {}", board.name, comparison.sentence());
        seen += 1;
        let _ = fs::remove_dir_all(&folder);
    }
    assert!(seen >= usual.len(), "{seen} boards");
}

#[test]
fn vectors_of_the_flight_recorder_replay_to_their_limits() {
    let files = crate::support::vector_files::all();
    let flown: Vec<_> = files.iter().filter(|file| file.vector.flight.is_some()).collect();
    assert!(!flown.is_empty());
    for file in flown {
        let (_, comparison) = replayed(&file.text);
        assert_eq!((&comparison.first_difference, comparison.settling), (&None, 0), "{}: {}", file.name, comparison.sentence());
        assert!(comparison.decisions > 1, "{}", file.name);
    }
}
