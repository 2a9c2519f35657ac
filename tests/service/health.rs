//! `health` with a running driver, and for looking back.

use crate::support::bad_connection::readings;
use crate::support::board::{Board, simulated, simulated_as};
use crate::support::bus::Bus;
use crate::support::driver::{Home, owner, until};
use dbus_bms::base::units::AmpHours;
use dbus_bms::health::{Health, Observation};
use serde_json::{Value as Json, json};
use std::fmt::Write as _;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is saved of a battery whose cell 7 has a bad connection, until a moment ago.
#[allow(clippy::disallowed_methods, reason = "the program goes on with the real time")]
fn saved() -> String {
    let mut health = Health::new(16, AmpHours::new(280.0));
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() - 4.0 * 86_400.0;
    for (second, reading) in readings(4) {
        health.update(&Observation::of(start + second as f64, &reading));
    }
    serde_json::to_string(&health).unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn what_was_found_is_shown_after_a_restart() {
    let (bus, home) = (Bus::start(), Home::new());
    home.configure("name = \"Garage\"\n");
    let address = bus.address().to_string();
    let health = |more: &[&str]| home.start(&[&["health", "--bus", &address], more].concat()).end();
    health(&["ttyUSB0"]).assert(3, &["ttyUSB0", "dbus-bms status"]);
    let mut watcher = bus.watch("com.victronenergy.battery.ttyUSB0").await;
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated_as("jk-pb"));
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    health(&[board.port.as_str()]).assert(3, &["nothing is known", "docs/health.md"]);
    driver.stop();
    until(&mut watcher, owner(false)).await;

    let names: Vec<String> =
        fs::read_dir(home.path("dbus-bms")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let id = names
        .iter()
        .find(|name| name.ends_with(".json") && !["port-", "commands-", "health-"].iter().any(|start| name.starts_with(start)));
    let id = id.unwrap_or_else(|| panic!("no state file: {names:?}")).to_owned();
    fs::write(home.path("dbus-bms").join(format!("health-{id}")), saved()).unwrap();
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    // By port, by service, by its last part, and by name.
    for name in [board.port.as_str(), "com.victronenergy.battery.ttyUSB0", "ttyUSB0", "garage"] {
        let ended = health(&[name, "--json"]);
        assert_eq!(ended.code, Some(0), "{ended:#?} {:#?}", driver.log());
        let shown: Json = serde_json::from_str(&ended.output[0]).unwrap();
        assert_eq!(shown["findings"][0]["cell"], 7, "{shown}");
        assert_eq!(shown["findings"][0]["kind"], "high", "{shown}");
        assert!((shown["relative_resistance"][6].as_f64().unwrap() - 2.0).abs() < 0.1, "{shown}");
        assert_eq!(shown["relative_resistance"].as_array().unwrap().len(), 16, "{shown}");
        assert!(shown["capacity_ah"].is_null(), "a capacity was never seen: {shown}");
    }
    health(&["USB0"]).assert(3, &["USB0", "com.victronenergy.battery.ttyUSB0"]);
    health(&[board.port.as_str(), "--address", "3"]).assert(3, &["ttyUSB0"]);
    // For people, and in their words in the status.
    let people = home.start(&["status", "--bus", &address]).end().output.join("\n");
    assert!(people.replace(char::is_whitespace, " ").contains("cell 7"), "{people}");
    driver.stop();
    until(&mut watcher, owner(false)).await;
    // The same battery on another port: its BMS has a serial number.
    drop(board);
    let mut watcher = bus.watch("com.victronenergy.battery.ttyUSB5").await;
    let board = Board::on_pty(&home.path("ttyUSB5"), simulated_as("jk-pb"));
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let ended = health(&["ttyUSB5", "--json"]);
    assert_eq!(ended.code, Some(0), "{ended:#?} {:#?}", driver.log());
    let shown: Json = serde_json::from_str(&ended.output[0]).unwrap();
    assert_eq!(shown["findings"][0]["cell"], 7, "{shown}");
    driver.stop();
}

/// A battery is named in the same way for all commands that ask a running driver.
#[tokio::test(flavor = "current_thread")]
async fn a_name_means_one_battery() {
    let (bus, home) = (Bus::start(), Home::new());
    home.configure("name = \"Garage\"\n");
    let address = bus.address().to_string();
    let boards = ["ttyUSB0", "ttyUSB1"].map(|name| Board::on_pty(&home.path(name), simulated()));
    let ask = |more: &[&str]| home.start(&[more, &["--bus", &address]].concat()).end();
    let mut drivers = Vec::new();
    for board in &boards {
        let service = format!("com.victronenergy.battery.{}", board.port.rsplit('/').next().unwrap());
        let mut watcher = bus.watch(&service).await;
        drivers.push(home.run(&bus, &board.port, &[]));
        until(&mut watcher, owner(true)).await;
        // Alone it is meant, with another one of the same name it is not clear.
        let (code, word) = if drivers.len() == 1 { (2, "[commands]") } else { (2, "--address") };
        ask(&["set", "balance", "off", "Garage"]).assert(code, &[word]);
    }
    ask(&["health", "Garage"]).assert(2, &["--address", "ttyUSB0", "ttyUSB1"]);
    ask(&["set", "balance", "off", "ttyUSB1"]).assert(2, &["[commands]"]);
    ask(&["override", "clear", "Cellar"]).assert(3, &["Cellar", "dbus-bms status"]);
    drivers.into_iter().for_each(|driver| drop(driver.stop()));
}

#[test]
fn it_looks_back_over_a_file_of_readings() {
    let home = Home::new();
    let mut text = String::new();
    for (second, reading) in readings(3).step_by(4) {
        let cells: Vec<f64> = reading.cells.iter().map(|cell| cell.get()).collect();
        let line = json!({"t": second, "cells": cells, "current": reading.current, "temperatures": [21.5], "capacity_ah": 280.0});
        writeln!(text, "{line}").unwrap();
    }
    let path = home.path("readings.jsonl");
    fs::write(&path, text).unwrap();
    let ended = home.start(&["health", "--from", path.to_str().unwrap()]).end();
    assert_eq!((ended.code, ended.output.len()), (Some(0), 3), "a line per day: {ended:#?}");
    let last: Json = serde_json::from_str(&ended.output[2]).unwrap();
    assert!((last["r_rel"][6].as_f64().unwrap() - 2.0).abs() < 0.1, "{last}");

    // A recording, on several lines and on one.
    let recording = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/jk/armin-16s-charging.json")).unwrap();
    let one_line = serde_json::from_str::<Json>(&recording).unwrap().to_string();
    for text in [recording, one_line] {
        fs::write(&path, text).unwrap();
        let ended = home.start(&["health", "--from", path.to_str().unwrap()]).end();
        assert_eq!((ended.code, ended.output.len()), (Some(0), 1), "{ended:#?}");
        let day: Json = serde_json::from_str(&ended.output[0]).unwrap();
        assert!(day["readings"].as_u64() > Some(0) && day["r_rel"].as_array().unwrap().len() == 16, "{day}");
        assert!(day["r_rel"][0].is_null(), "seconds say nothing: {day}");
    }
    // The driver's own history has no single cells.
    fs::write(&path, b"dbus-bms history 1\n\0\0\0\0").unwrap();
    home.start(&["health", "--from", path.to_str().unwrap()]).end().assert(2, &["no single cells", "dbus-bms record"]);

    let missing = home.path("missing.rec");
    home.start(&["health", "--from", missing.to_str().unwrap()]).end().assert(2, &["missing.rec"]);
    let ended = home.start(&["health"]).end();
    assert!(ended.code == Some(2) && ended.log.join(" ").contains("<PORT|SERVICE|--stdin|--from <FILE>>"), "{ended:#?}");
}

/// Whatever the input is, it is answered in words.
#[test]
fn what_tells_nothing_of_cells_is_said_to_be_so() {
    let home = Home::new();
    let path = home.path("readings");
    let line = |count: usize, t: f64| json!({"t": t, "cells": vec![3.3; count], "current": 1.0}).to_string() + "\n";
    for (text, code, word) in [
        (String::new(), 3, "no reading"),
        ("\n \n".to_owned(), 2, "bms, source"),
        (line(0, 0.0) + &line(3, 1.0) + &line(33, 2.0), 3, "4 to 32 cells"),
        (r#"{"t":1,"cells":[null,3.3,3.3,3.3,3.3],"current":1}"#.to_owned(), 3, "no reading"),
        (line(4, 1e300) + &line(4, -1e300), 3, "no reading"),
        (line(4, 1.0) + "garbage\n", 2, "line 2"),
        (line(4, 1.0) + r#"{"t": NaN}"#, 2, "line 2"),
        ("{\"t\": 1}\n\u{1}\u{2}".to_owned(), 2, "line 2"),
        ("garbage".to_owned(), 2, "bms, source"),
    ] {
        fs::write(&path, &text).unwrap();
        home.start(&["health", "--from", path.to_str().unwrap()]).end().assert(code, &[word]);
    }
    // Bytes that are no text, after a good line.
    fs::write(&path, [line(4, 1.0).as_bytes(), &[0xff, 0xfe, 0x80, b'\n']].concat()).unwrap();
    home.start(&["health", "--from", path.to_str().unwrap()]).end().assert(2, &["line 2"]);
    // Time that goes back, huge numbers, and cells that come and go: an answer per day.
    let mut text = line(32, 0.0) + &line(32, 5.0) + &line(31, 6.0) + &line(32, 86_400.0) + &line(32, 10.0) + &line(32, 90_000.0);
    text += &json!({"t": 90_001, "cells": vec![1e300; 32], "current": -1e300, "soc": 1e9, "remaining_ah": -1, "capacity_ah": 0})
        .to_string();
    fs::write(&path, &text).unwrap();
    let ended = home.start(&["health", "--from", path.to_str().unwrap()]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for day in &ended.output {
        let day: Json = serde_json::from_str(day).unwrap();
        assert_eq!(day["r_rel"].as_array().unwrap().len(), 32, "{day}");
        assert!((0..=2).contains(&day["day"].as_i64().unwrap()), "{day}");
    }
}
