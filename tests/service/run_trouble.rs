//! `run` with faults of port, BMS or bus: exit codes, one clear sentence, limits of 0, recovery.

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Board, nobody, noise, replay, simulated};
use bus::Bus;
use dbus_bms::bms::DRIVERS;
use driver::{Home, last_value, owner, until, wait_for_path};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

const NAME: &str = "com.victronenergy.battery.ttyUSB7";

fn invalid() -> Json {
    json!(["ai", []])
}

// The port

#[tokio::test]
async fn a_port_that_is_not_there_is_exit_4() {
    let (home, bus) = (Home::new(), Bus::start());
    let ended = home.run(&bus, "/nonexistent/ttyUSB7", &[]).end();
    ended.assert(4, &["/nonexistent/ttyUSB7 does not exist", "plugged in?"]);
    assert_eq!(ended.log.len(), 1, "one sentence: {ended:#?}");
}

#[tokio::test]
async fn a_port_in_use_is_said_and_its_user_not_disturbed() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let first = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    home.run(&bus, &board.port, &[]).end().assert(1, &["is in use by another program", "stop it first"]);
    // Nor does a process that would wait for a port to appear.
    home.run(&bus, &board.port, &["--no-dbus"]).end().assert(1, &["is in use by another program"]);
    until(&mut watcher, |event| event.get("changed").is_some()).await;
    assert_eq!(first.stop().log.iter().filter(|line| !line.starts_with("INFO")).count(), 0, "all was well for the first");
}

/// As nobody, because root may open a port that another process has locked.
#[test]
fn a_killed_driver_leaves_the_port_to_the_next() {
    let home = Home::new();
    let board = Board::on_pty(&home.path("ttyUSB7"), replay(&["jbd/readme-4s"]));
    std::fs::set_permissions(&board.port, std::fs::Permissions::from_mode(0o666)).unwrap();
    let driver = home.start_as_nobody(&["run", &board.port, "--no-dbus", "--bus", "unix:path=/nonexistent/bus"]);
    driver.wait_for_log("connected: LLT / JBD");
    driver.signal(Signal::KILL);
    assert_eq!(driver.end().code, None);
    let read = home.start_as_nobody(&["read", &board.port]).end();
    assert_eq!((read.code, read.output.len()), (Some(0), 1), "{read:#?}");
}

#[tokio::test]
async fn what_is_no_serial_port_is_wrong_usage() {
    let (home, bus) = (Home::new(), Bus::start());
    let file = home.path("file");
    std::fs::write(&file, "no port").unwrap();
    for arguments in [&[][..], &["--no-dbus"]] {
        let ended = home.run(&bus, &file.display().to_string(), arguments).end();
        ended.assert(2, &["is not a serial port", "tcp://HOST:PORT"]);
        home.run(&bus, "tcp://nowhere", arguments).end().assert(2, &["write tcp://HOST:PORT"]);
    }
}

/// Root may open everything, so the program runs as nobody here.
#[test]
fn a_port_that_one_may_not_open_names_the_remedy() {
    let home = Home::new();
    let board = Board::on_pty(&home.path("ttyUSB7"), nobody());
    std::fs::set_permissions(&board.port, std::fs::Permissions::from_mode(0o000)).unwrap();
    home.start_as_nobody(&["probe", &board.port]).end().assert(1, &["no permission to open", "usermod -aG dialout"]);
    home.start_as_nobody(&["run", &board.port, "--no-dbus"]).end().assert(1, &["no permission to open"]);
}

#[tokio::test]
async fn a_port_that_vanishes_takes_the_limits_to_zero_and_the_driver_off_the_bus() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    assert!(bus.items(NAME).await.unwrap()["/Info/MaxChargeCurrent"][1].as_f64().unwrap() > 0.0, "a test of a fall starts high");
    let pulled = driver.age();
    drop(board);
    let ended = driver.end();
    ended.assert(4, &["ttyUSB7 is gone", "unplugged"]);
    assert!(ended.after - pulled < Duration::from_secs(2), "{ended:#?}");
    let seen = until(&mut watcher, owner(false)).await;
    for path in ["/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"] {
        assert_eq!(last_value(&seen, path), Some(&json!(["d", 0.0])), "{path}");
    }
    assert_eq!(last_value(&seen, "/Dc/0/Voltage"), Some(&invalid()));
}

#[tokio::test]
async fn a_standalone_driver_waits_for_its_port_before_and_after() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let link = home.path("ttyUSB7");
    let driver = home.run(&bus, &link.display().to_string(), &["--no-dbus"]);
    driver.wait_for_log("does not exist");
    let board = Board::on_pty(&link, simulated());
    until(&mut watcher, owner(true)).await;
    drop(board);
    wait_for_path(&link, false);
    driver.wait_for_log("ttyUSB7 is gone");
    let _board = Board::on_pty(&link, simulated());
    driver.wait_for_log("answers again");
    let seen = until(&mut watcher, |event| event.get("changed").is_some()).await;
    assert!(seen.iter().all(|event| event.get("owner").is_none()), "the service stays: {seen:#?}");
    let ended = driver.stop();
    assert_eq!(ended.log.iter().filter(|line| line.starts_with("WARN")).count(), 2, "once an episode: {ended:#?}");
}

#[tokio::test]
async fn values_and_limits_go_while_a_standalone_driver_waits_for_its_port() {
    let (home, bus) = (Home::new(), Bus::start());
    home.configure("[dbus]\nrequired = false\n[silence]\nvalues_after_s = 3\ncharge_fade_s = 1\n");
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let _driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    drop(board);
    let off = json!(["d", 0.0]);
    let seen = until(&mut watcher, |event| event["changed"]["/Info/MaxChargeCurrent"]["Value"] == off).await;
    assert_eq!(last_value(&seen, "/Dc/0/Voltage"), Some(&invalid()));
}

// The BMS

#[tokio::test]
async fn a_silent_port_is_exit_3_and_hears_nothing_but_questions() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), nobody());
    let ended = home.run(&bus, &board.port, &[]).end();
    ended.assert(3, &["no BMS answered on", "LLT / JBD at 9600: silence", "Check that the BMS is awake"]);
    assert_eq!(ended.log.len(), 1, "one sentence: {ended:#?}");
    assert!(ended.after < Duration::from_secs(12), "{ended:#?}");
    assert_only_questions(&board.heard());
    assert_eq!(bus.items(NAME).await, None);
}

#[tokio::test]
async fn noise_is_told_from_silence() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), noise());
    let ended = home.run(&bus, &board.port, &[]).end();
    ended.assert(3, &["LLT / JBD at 9600: noise (", "Bytes come, but at no known speed"]);
    assert!(ended.after < Duration::from_secs(12), "{ended:#?}");
    assert_only_questions(&board.heard());
}

/// Every byte belongs to an identification request of some driver at one of its addresses.
fn assert_only_questions(heard: &[u8]) {
    let of_driver = |driver: &'static dbus_bms::bms::Driver| {
        let addresses = std::iter::once(None).chain(driver.addresses.iter().copied().map(Some));
        addresses.map(|address| (driver.new)(address).identify().bytes.into_owned())
    };
    let questions: Vec<Vec<u8>> = DRIVERS.iter().flat_map(|driver| of_driver(driver)).filter(|bytes| !bytes.is_empty()).collect();
    assert!(!heard.is_empty(), "somebody was asked");
    let mut rest = heard;
    while !rest.is_empty() {
        let known = questions.iter().find(|question| rest.starts_with(question));
        let known = known.unwrap_or_else(|| panic!("no question: {rest:02x?} in {heard:02x?}"));
        rest = &rest[known.len()..];
    }
}

// The bus

#[tokio::test]
async fn without_a_bus_it_ends_at_once_where_one_is_required() {
    let (home, bus) = (Home::new(), Bus::prepare());
    let board = Board::on_pty(&home.path("ttyUSB7"), replay(&["jbd/readme-4s"]));
    let ended = home.run(&bus, &board.port, &[]).end();
    ended.assert(5, &["no D-Bus at unix:path=", "--no-dbus"]);
    assert!(ended.after < Duration::from_secs(3), "{ended:#?}");
    home.start(&["run", &board.port, "--bus", "sytem"]).end().assert(2, &["\"sytem\"", "D-Bus address such as"]);
    home.start(&["run", &board.port, "--bus", "session"]).end().assert(2, &["no session bus", "--bus system"]);
}

#[tokio::test]
async fn a_bus_that_comes_late_or_comes_back_is_found() {
    let (home, mut bus) = (Home::new(), Bus::prepare());
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let driver = home.run(&bus, &board.port, &["--no-dbus"]);
    driver.wait_for_log("running without D-Bus and retrying");
    for _ in 0..2 {
        bus.begin();
        let mut watcher = bus.watch(NAME).await;
        if bus.items(NAME).await.is_none() {
            until(&mut watcher, owner(true)).await;
        }
        assert!(bus.items(NAME).await.unwrap()["/Dc/0/Voltage"][1].as_f64().unwrap() > 40.0);
        drop(watcher);
        bus.kill();
    }
    // Absent once more: this is logged, too, and a stop does not wait for the bus.
    let lost = |log: &[String]| log.iter().filter(|line| line.contains("lost the connection to D-Bus")).count();
    driver::wait(|| (lost(&driver.log()) == 2).then_some(())).unwrap_or_else(|| panic!("{:#?}", driver.log()));
    let asked = driver.age();
    let ended = driver.stop();
    assert!(ended.after - asked < Duration::from_secs(1), "{ended:#?}");
}

#[tokio::test]
async fn a_lost_bus_ends_it_where_one_is_required() {
    let (home, mut bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    bus.kill();
    driver.end().assert(5, &["lost the connection to D-Bus"]);
    assert!(home.state("jbd_ttyUSB7.json").is_some(), "what is known is kept");
}

#[tokio::test]
async fn a_name_that_is_taken_ends_it() {
    let (home, bus) = (Home::new(), Bus::start());
    let _other = bus.own(&[NAME]).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    home.run(&bus, &board.port, &[]).end().assert(5, &[NAME, "is already on the bus", "stop it first"]);
}

#[tokio::test]
async fn a_hung_settings_service_delays_but_loses_nothing() {
    let (home, bus) = (Home::new(), Bus::start());
    let _settings = bus.settings(&["--hang"]).await;
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    driver.wait_for_log("unexpected answer from com.victronenergy.settings");
    until(&mut watcher, |event| event.get("changed").is_some()).await;
    driver.stop();
}
