//! `probe`, `read` and TCP ports, and the errors of a wrong configuration: the program as a process with a board.

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Board, nobody, replay, vector};
use bus::Bus;
use driver::{Home, owner, until, wait_for_path};
use serde_json::{Value as Json, json};

fn json(lines: &[String]) -> Vec<Json> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_simulator_is_found_and_read_by_two_processes_in_turn() {
    let home = Home::new();
    let link = home.path("ttyBMS");
    let port = link.display().to_string();
    let simulator = home.start(&["simulate", "jbd", "--link", &port, "--cells", "15"]);
    wait_for_path(&link, true);
    let probed = home.start(&["probe", &port]).end();
    assert_eq!(probed.code, Some(0), "{probed:#?}");
    let hit = &json(&probed.output)[0];
    assert_eq!((&hit["bms"], &hit["baud"], hit.get("address")), (&json!("jbd"), &json!(9600), None), "{hit}");
    assert!(hit["model"].as_str().unwrap().starts_with("JBD-") && hit["elapsed_ms"].as_u64().is_some(), "{hit}");
    let read = home.start(&["read", &port, "--bms", "jbd"]).end();
    assert_eq!(read.code, Some(0), "{read:#?}");
    let reading = &json(&read.output)[0];
    assert_eq!((&reading["bms"], &reading["cell_count"]), (&json!("jbd"), &json!(15)));
    assert_eq!(reading["cell_voltages_v"].as_array().unwrap().len(), 15);
    simulator.stop();
    wait_for_path(&link, false);
}

#[test]
fn recorded_frames_are_read_over_a_pty_and_over_tcp() {
    let home = Home::new();
    let on_pty = Board::on_pty(&home.path("ttyBMS"), replay(&["jbd/readme-4s"]));
    let on_tcp = Board::on_tcp(replay(&["jbd/readme-4s"]));
    let expected = Json::Object(vector("jbd/readme-4s").readings.remove(0));
    for board in [on_pty, on_tcp] {
        let read = home.start(&["read", &board.port]).end();
        assert_eq!(read.code, Some(0), "{read:#?}");
        assert_eq!(json(&read.output).iter().map(plain).collect::<Vec<_>>(), [plain(&expected)]);
    }
}

/// The same with every number as a double: 99 is 99.0.
fn plain(value: &Json) -> Json {
    match value {
        Json::Number(number) => json!(number.as_f64()),
        Json::Array(list) => list.iter().map(plain).collect(),
        Json::Object(map) => map.iter().map(|(key, value)| (key.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn nothing_found_is_exit_3_and_silent_on_standard_output() {
    let home = Home::new();
    let board = Board::on_pty(&home.path("ttyBMS"), nobody());
    let ended = home.start(&["read", &board.port, "--bms", "jbd"]).end();
    ended.assert(3, &["no BMS answered", "silence"]);
    assert!(ended.output.is_empty() && ended.log.len() == 1, "{ended:#?}");
    // An absent TCP server: a port number that was free a moment ago.
    let port = Board::on_tcp(nobody()).port.clone();
    home.start(&["probe", &port]).end().assert(1, &[&port, "cannot reach", "serial server"]);
}

#[tokio::test]
async fn a_battery_behind_tcp_is_served_and_its_server_may_go_away() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_tcp(replay(&["jbd/readme-4s"]));
    let number = board.port.rsplit(':').next().unwrap().to_owned();
    let name = format!("com.victronenergy.battery.tcp_127_0_0_1_{number}");
    let mut watcher = bus.watch(&name).await;
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let items = bus.items(&name).await.unwrap();
    assert_eq!(items["/Mgmt/Connection"], json!(["s", format!("TCP 127.0.0.1:{number}")]));
    assert_eq!(items["/Dc/0/Voltage"], json!(["d", 15.47]));
    drop(board);
    // The network returns: the driver keeps running, although D-Bus is required.
    driver.wait_for_log("the serial server closed the connection");
    assert!(bus.items(&name).await.is_some());
    driver.stop();
}

#[test]
fn a_wrong_configuration_names_file_line_and_key() {
    let home = Home::new();
    home.configure("poll_interval_s = 1.0\nmax_charge_curent_a = 50.0\n");
    let file = home.path("dbus-bms/config.toml").display().to_string();
    let ended = home.start(&["run", "/dev/null"]).end();
    ended.assert(2, &[&format!("{file}:2: "), "`max_charge_curent_a`", "did you mean `max_charge_current_a`"]);
    home.configure("\n\ncontrol = 1\n");
    home.start(&["read", "/dev/null"]).end().assert(2, &[&format!("{file}:3: "), "`control` = 1", "true or false"]);
}
