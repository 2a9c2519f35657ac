//! The flight recorder: why did it stop last night? From outside: a simulated battery, its file, and the replay of that.

use crate::support::board::Board;
use crate::support::driver::{Driver, Ended, Home};
use dbus_bms::recording::file::Recording;
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Unit, responder};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A battery that charges, until the BMS stops because of a high cell.
#[allow(clippy::disallowed_methods, reason = "the board is in real time")]
fn battery(family: &str, home: &Home) -> (Board, Arc<AtomicBool>) {
    let calm = "[[step]]\nt = 0\ncurrent_a = 10.0\nsoc_pct = 60\n";
    let event = "[[step]]\nt = 0\ncurrent_a = 10.0\nsoc_pct = 60\ncell = 3\noffset_v = 0.5\nalarms = [\"cell_high_voltage\"]\ncharge_fet = false\n";
    let unit = |text: &str| Unit::new(1, &PackConfig::default(), Scenario::parse("s", text, 16).unwrap());
    let (mut board, mut units, mut later) = (responder(family).unwrap(), [unit(calm)], Some(unit(event)));
    let happens = Arc::new(AtomicBool::new(false));
    let (mut last, flag) = (Instant::now(), Arc::clone(&happens));
    let answers = move |input: &[u8]| {
        let now = Instant::now();
        if flag.load(Ordering::Relaxed)
            && let Some(other) = later.take()
        {
            units = [other];
        }
        units[0].advance(now - std::mem::replace(&mut last, now));
        board.answer(input, &mut units).into_iter().flat_map(|reply| reply.bytes).collect()
    };
    (Board::on_pty(&home.path("ttyUSB0"), Box::new(answers)), happens)
}

fn files(home: &Home) -> Vec<PathBuf> {
    let folder = home.path("dbus-bms").join("flight-recorder");
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).map(|all| all.map(|file| file.unwrap().path()).collect()).unwrap_or_default();
    files.sort();
    files
}

fn run(home: &Home, port: &str) -> Driver {
    home.start(&["run", port, "--no-dbus", "--bus", "unix:path=/nonexistent"])
}

fn replay(home: &Home, file: &str, more: &[&str]) -> Ended {
    home.start(&[&["replay", file], more].concat()).end()
}

#[test]
fn a_cell_over_voltage_leaves_a_file_that_replays_to_the_same_limits() {
    for family in ["jbd", "jk"] {
        let home = Home::new();
        home.configure("max_charge_current_a = 80.0\nname = \"Cellar\"\n[mqtt]\npassword = \"never in a file\"\n");
        let (board, happens) = battery(family, &home);
        let driver = run(&home, &board.port);
        driver.wait_for_log("no D-Bus");
        assert!(files(&home).is_empty(), "nothing has happened yet");
        happens.store(true, Ordering::Relaxed);
        driver.wait_for_log("flight recorder: ");
        // The end of the program does not wait for the rest.
        driver.stop().assert(0, &["flight-recorder"]);
        let found = files(&home);
        assert_eq!(found.len(), 1, "{found:?}");
        let text = fs::read_to_string(&found[0]).unwrap();
        for private in ["never in a file", "ttyUSB0", "Cellar"] {
            assert!(!text.contains(private), "{private}");
        }
        let recording = Recording::parse("flight", &text).unwrap();
        let flight = recording.flight.as_ref().unwrap();
        assert!(!flight.triggers.is_empty() && flight.decisions.len() >= 2, "{flight:?}");
        assert!(flight.batteries[0].settings.contains("max_charge_current_a = 80"), "{flight:?}");
        assert!(flight.decisions.iter().any(|one| one.ccl > 0.0) && flight.decisions.iter().any(|one| one.ccl == 0.0));
        assert_eq!(Recording::parse("again", &recording.text()).unwrap(), recording);

        let path = found[0].to_str().unwrap();
        let ended = replay(&home, path, &["--json"]);
        let last: serde_json::Value = serde_json::from_str(ended.output.last().unwrap()).unwrap();
        assert_eq!((ended.code, &last["same_limits"]), (Some(0), &true.into()), "{ended:#?}");
        assert_eq!(last["decisions"], flight.decisions.len(), "{last}");

        // It can fail: a file with another limit is told from it.
        let mut changed = recording.clone();
        let decision = &mut changed.flight.as_mut().unwrap().decisions;
        let place = decision.len() - 1;
        decision[place].ccl += 1.0;
        let other = home.path("changed.json");
        fs::write(&other, changed.text()).unwrap();
        let ended = replay(&home, other.to_str().unwrap(), &["--json"]);
        let last: serde_json::Value = serde_json::from_str(ended.output.last().unwrap()).unwrap();
        assert_eq!(last["same_limits"], false, "{ended:#?}");
        assert!(last["first_difference"]["t"].as_f64().unwrap() > 0.0, "{last}");
    }
}

/// Personal data in the configuration and in the BMS.
const PRIVATE: [&str; 6] =
    ["Doe's cellar", "broker-of-doe.example.org", "doe-user", "s3cret-of-doe", "/home/doe/token", "10.11.12.13"];

fn private_config() -> String {
    let [name, host, user, password, file, listen] = PRIVATE;
    format!(
        "name = \"{name}\"\nmax_charge_current_a = 80.0\ntemperature_names = [\"{name}\"]\n[mqtt]\nenabled = false\nhost = \"{host}\"\nuser = \"{user}\"\n\
         password = \"{password}\"\n[web]\nlisten = \"{listen}:8080\"\nhosts = [\"{host}\"]\n# {file}\n"
    )
}

/// A support bundle of this home, with a file of the flight recorder.
fn bundle(family: &str, home: &Home) -> PathBuf {
    home.configure(&private_config());
    let (board, happens) = battery(family, home);
    let driver = run(home, &board.port);
    driver.wait_for_log("no D-Bus");
    happens.store(true, Ordering::Relaxed);
    driver.wait_for_log("flight recorder: ");
    driver.stop().assert(0, &["flight-recorder"]);
    let to = home.path("support.tar");
    home.start(&["support", "--to", to.to_str().unwrap(), "--bus", "unix:path=/nonexistent"]).end().assert(0, &[]);
    to
}

/// `replay BUNDLE --as-test` in a folder with an empty `tests/vectors`, and the file that it writes.
fn as_test(home: &Home, bundle: &str, name: &str) -> (Ended, Option<String>) {
    let source = home.path("source");
    fs::create_dir_all(source.join("tests/vectors")).unwrap();
    let mut command = home.command(&["replay", bundle, "--as-test", "--name", name]);
    command.current_dir(&source);
    let ended = Driver::start(command).end();
    let written = fs::read_dir(source.join("tests/vectors")).unwrap().next();
    let text = written.map(|folder| fs::read_to_string(folder.unwrap().path().join(format!("{name}.json"))).unwrap());
    (ended, text)
}

#[test]
fn a_bundle_becomes_a_test_without_anything_personal() {
    let mut serials = 0;
    for family in ["daly", "jbd", "jk-pb"] {
        let home = Home::new();
        let bundle = bundle(family, &home);
        let bundle = bundle.to_str().unwrap();
        let shown = replay(&home, bundle, &["--json"]);
        let last: serde_json::Value = serde_json::from_str(shown.output.last().unwrap()).unwrap();
        assert_eq!((shown.code, &last["same_limits"]), (Some(0), &true.into()), "{family}: {shown:#?}");
        let known = shown.output.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let told: Vec<String> = known.filter_map(|one| Some(one["serial_number"].as_str()?.to_owned())).collect();
        serials += told.len();

        let (ended, text) = as_test(&home, bundle, "night");
        ended.assert(0, &["check by eye", "cargo test --test protocol"]);
        let text = text.unwrap();
        let recording = Recording::parse("night", &text).unwrap();
        let bytes = String::from_utf8_lossy(&recording.received()).into_owned();
        for private in PRIVATE.into_iter().chain(told.iter().map(String::as_str)) {
            let hex = dbus_bms::base::hex::encode(private);
            assert!(!text.contains(private) && !text.contains(&hex) && !bytes.contains(private), "{family}: {private} is left");
        }
        assert_eq!(recording.note, None, "{family}");
        // It passes where the tests find it: its readings are what is decoded, its limits what charge control decides.
        let mut again = recording.clone();
        again.set_expected_readings(dbus_bms::bms::driver(&recording.bms).unwrap());
        again.redact();
        assert_eq!(again.text(), text, "{family}");
        assert_eq!(recording.readings.len(), 1, "{family}");
        let path = home.path("night.json");
        fs::write(&path, &text).unwrap();
        let shown = replay(&home, path.to_str().unwrap(), &["--json"]);
        let last: serde_json::Value = serde_json::from_str(shown.output.last().unwrap()).unwrap();
        assert_eq!((&last["same_limits"], &last["settling"]), (&true.into(), &0.into()), "{family}: {last}");
        assert!(last["decisions"].as_u64() > Some(1), "{last}");
        assert!(recording.flight.unwrap().batteries[0].settings.contains("max_charge_current_a = 80"));
    }
    assert!(serials > 0, "no board had a serial number that could be left");
}

#[test]
fn a_bundle_without_a_recording_says_so() {
    let home = Home::new();
    let to = home.path("support.tar");
    home.start(&["support", "--to", to.to_str().unwrap(), "--bus", "unix:path=/nonexistent"]).end().assert(0, &[]);
    replay(&home, to.to_str().unwrap(), &[]).assert(2, &["contains no recording", "--port"]);
}
