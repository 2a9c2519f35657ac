//! Several batteries, on one port and on several, from the wire to a real bus.
#![allow(clippy::disallowed_methods, reason = "boards live in real time")]

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Answers, Board, nobody, replay, simulated, vector};
use bus::Bus;
use dbus_bms::bms::bytes::crc16_modbus;
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Unit, responder};
use driver::{Home, items_once, until, wait_for_path};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;
use std::time::Instant;

const NAME: &str = "com.victronenergy.battery.ttyUSB7";

/// The items of a service, once it is present.
async fn items(bus: &Bus, name: &str) -> Map<String, Json> {
    items_once(bus, name, |_| true).await
}

/// Waits until `path` of a service has this value.
async fn until_value(bus: &Bus, name: &str, path: &str, value: &Json) {
    items_once(bus, name, |items| items.get(path) == Some(value)).await;
}

/// A trigger, `AA 10 16 RR 00 01 02 00 00 crc`, or the acknowledge after a frame, `AA 10 16 RR 00 01 crc`.
fn modbus(address: u8, register: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = [&[address, 0x10, 0x16, register, 0, 1], data].concat();
    bytes.extend(crc16_modbus(&bytes).to_le_bytes());
    bytes
}

fn ask(address: u8, register: u8) -> Vec<u8> {
    modbus(address, register, &[2, 0, 0])
}

/// Transmissions on the line of a chain of four boards in one cycle, from recordings: the master, its slave 1, a board with
/// firmware 15.41 at 3, and at 7 a board whose live frame was recorded without its acknowledge.
fn recorded_cycle() -> Vec<Vec<u8>> {
    let cycle = vector("jk-pb/sniff-phinix-cycle").received();
    let of = |name: &str| vector(name).received();
    let [master_live, master_settings] = [&cycle[..308], &cycle[308..616]];
    let [first_live, first_settings] = [&cycle[616..935], &cycle[935..1254]];
    let [third_live, third_settings] = [of("jk-pb/v15.41-status-addr3"), of("jk-pb/v15.41-settings-addr3")];
    let [last_live, last_settings] = [of("jk-pb/passive-16s-discharging"), of("jk-pb/txubelaxu-slave7-settings")];
    let mut words = vec![master_live.to_vec(), master_settings.to_vec(), first_live.to_vec(), first_settings.to_vec()];
    for address in 2..=15 {
        match address {
            3 => words.extend([[ask(3, 0x20), third_live.clone()].concat(), [ask(3, 0x1E), third_settings.clone()].concat()]),
            7 => words.extend([
                [ask(7, 0x20), last_live.clone(), modbus(7, 0x20, &[])].concat(),
                [ask(7, 0x1E), last_settings.clone(), modbus(7, 0x1E, &[])].concat(),
            ]),
            _ => words.push(ask(address, 0x20)),
        }
    }
    words
}

/// Sends one of the transmissions every 100 ms, repeatedly.
fn talking(words: Vec<Vec<u8>>) -> Answers {
    let (start, mut said) = (Instant::now(), 0);
    Box::new(move |_| {
        let due = usize::try_from(start.elapsed().as_millis() / 100).unwrap();
        let new = (said..due).flat_map(|number| words[number % words.len()].clone()).collect();
        said = due;
        new
    })
}

#[tokio::test]
async fn a_chain_that_is_overheard_is_on_the_bus_with_the_recorded_values() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), talking(recorded_cycle()));
    let driver = home.run(&bus, &board.port, &[]);
    let recorded = |name: &str, number: usize| vector(name).readings[number].clone();
    let expected = [
        (0, recorded("jk-pb/sniff-phinix-cycle", 0), 314.0),
        (1, recorded("jk-pb/sniff-phinix-cycle", 1), 314.0),
        (3, recorded("jk-pb/v15.41-status-addr3", 0), 280.0),
        (7, recorded("jk-pb/passive-16s-discharging", 0), 304.0),
    ];
    for (address, reading, capacity) in expected {
        let items = items(&bus, &format!("{NAME}__{address}")).await;
        let volts = (reading["voltage_v"].as_f64().unwrap() * 100.0).round() / 100.0;
        let amps = (reading["current_a"].as_f64().unwrap() * 100.0).round() / 100.0;
        assert_eq!(items["/Dc/0/Voltage"], json!(["d", volts]), "{address}");
        assert_eq!(items["/Dc/0/Current"], json!(["d", amps]), "{address}");
        assert_eq!(items["/Soc"], json!(["d", reading["soc_pct"].as_f64().unwrap()]), "{address}");
        assert_eq!(items["/InstalledCapacity"], json!(["d", capacity]), "{address}");
        for (number, cell) in reading["cell_voltages_v"].as_array().unwrap().iter().enumerate() {
            assert_eq!(items[&format!("/Voltages/Cell{}", number + 1)], json!(["d", cell.as_f64().unwrap()]), "{address}");
        }
    }
    let mut names = Vec::new();
    for address in [0, 1, 3, 7] {
        names.push(items(&bus, &format!("{NAME}__{address}")).await["/ProductName"][1].as_str().unwrap().to_owned());
        assert!(names.last().unwrap().ends_with(&format!(" (ttyUSB7 #{address})")), "{names:?}");
    }
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 4, "{names:?}");
    assert_eq!(bus.items(&format!("{NAME}__2")).await, None);
    assert!(board.heard().is_empty(), "nothing was sent to a line with a master: {:02x?}", board.heard());
    driver.stop();
}

/// Boards at these addresses, each with a different capacity.
fn boards(name: &str, addresses: impl IntoIterator<Item = u8>) -> Answers {
    let mut board = responder(name).unwrap();
    let mut units: Vec<Unit> = addresses
        .into_iter()
        .map(|address| {
            let config = PackConfig { capacity_ah: capacity(address), seed: u64::from(address), ..PackConfig::default() };
            Unit::new(address, &config, Scenario::default())
        })
        .collect();
    let mut last = Instant::now();
    Box::new(move |input| {
        let now = Instant::now();
        units.iter_mut().for_each(|unit| unit.advance(now - last));
        last = now;
        board.answer(input, &mut units).into_iter().flat_map(|reply| reply.bytes).collect()
    })
}

fn capacity(address: u8) -> f64 {
    100.0 + 10.0 * f64::from(address)
}

async fn assert_capacities(bus: &Bus, addresses: impl IntoIterator<Item = u8>) {
    for address in addresses {
        let items = items(bus, &format!("{NAME}__{address}")).await;
        assert_eq!(items["/InstalledCapacity"], json!(["d", capacity(address)]), "{address}");
    }
}

#[tokio::test]
async fn fifteen_batteries_on_a_line_are_fifteen_services() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), boards("jk-pb", 1..=15));
    let driver = home.run(&bus, &board.port, &["--bms", "jk-pb"]);
    assert_capacities(&bus, 1..=15).await;
    assert_eq!(items(&bus, &format!("{NAME}__15")).await["/Serial"], json!(["s", "31114800015"]));
    driver.stop();
}

#[tokio::test]
async fn boards_that_are_numbered_are_found_up_to_the_first_that_is_missing() {
    for family in ["daly", "topbms"] {
        let (home, bus) = (Home::new(), Bus::start());
        let board = Board::on_pty(&home.path("ttyUSB7"), boards(family, [1, 2, 4]));
        let driver = home.run(&bus, &board.port, &["--bms", family]);
        assert_capacities(&bus, [1, 2]).await;
        assert_eq!(bus.items(&format!("{NAME}__4")).await, None, "{family}");
        driver.stop();
    }
}

#[tokio::test]
async fn boards_at_named_addresses_are_each_a_service() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), boards("daly-modbus", [1, 2, 5]));
    let driver = home.run(&bus, &board.port, &["--bms", "daly-modbus", "--addresses", "1,5,7"]);
    assert_capacities(&bus, [1, 5]).await;
    driver.stop();
}

#[tokio::test]
async fn a_port_that_vanishes_does_not_end_the_others() {
    let (home, bus) = (Home::new(), Bus::start());
    let other = "com.victronenergy.battery.ttyUSB8";
    let first = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let second = Board::on_pty(&home.path("ttyUSB8"), replay(&["jbd/readme-4s", "jbd/sp04s034"]));
    let empty = Board::on_pty(&home.path("ttyUSB9"), nobody());
    let silence = "poll_interval_s = 0.2\n[silence]\nvalues_after_s = 2\n";
    let bus_address = bus.address().to_string();
    let ports = [&first.port, &second.port, &empty.port].map(String::as_str);
    let options = ["--bus", &bus_address, "--bms", "jbd"];
    let driver = home.configure(silence).start(&[&["run"][..], &ports, &options].concat());
    assert_eq!(items(&bus, other).await["/Dc/0/Voltage"], json!(["d", 15.47]));
    items(&bus, NAME).await;
    driver.wait_for_log(". Searching again");

    // The plug of the second one is pulled: its values become unknown, those of the first stay.
    drop(second);
    let unknown: Json = serde_json::from_str(r#"["ai",[]]"#).unwrap();
    until_value(&bus, other, "/Dc/0/Voltage", &unknown).await;
    let mut watcher = bus.watch(NAME).await;
    until(&mut watcher, |event| event.get("changed").is_some()).await;
    assert_ne!(items(&bus, NAME).await["/Dc/0/Voltage"], unknown);

    // It is back.
    let _again = Board::on_pty(&home.path("ttyUSB8"), replay(&["jbd/readme-4s", "jbd/sp04s034"]));
    until_value(&bus, other, "/Dc/0/Voltage", &json!(["d", 15.47])).await;
    let log = driver.stop().log;
    assert_eq!(log.iter().filter(|line| line.contains("retrying until it is back")).count(), 1, "{log:#?}");
}

#[tokio::test]
async fn a_port_that_comes_back_with_another_bms_serves_that() {
    let (home, bus) = (Home::new(), Bus::start());
    let other = "com.victronenergy.battery.ttyUSB8";
    let first = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let second = Board::on_pty(&home.path("ttyUSB8"), replay(&["jbd/readme-4s", "jbd/sp04s034"]));
    let bus_address = bus.address().to_string();
    let ports = [&first.port, &second.port].map(String::as_str);
    let options = ["--bus", &bus_address, "--bms", "jbd,jk"];
    let silence = "poll_interval_s = 0.2\n[silence]\nvalues_after_s = 2\n";
    let driver = home.configure(silence).start(&[&["run"][..], &ports, &options].concat());
    assert_eq!(items(&bus, other).await["/Dc/0/Voltage"], json!(["d", 15.47]));

    drop(second);
    let unknown: Json = serde_json::from_str(r#"["ai",[]]"#).unwrap();
    until_value(&bus, other, "/Dc/0/Voltage", &unknown).await;
    let _another = Board::on_pty(&home.path("ttyUSB8"), boards("jk", [1]));
    let new = items(&bus, &format!("{other}__1")).await;
    assert_eq!(new["/InstalledCapacity"], json!(["d", capacity(1)]));
    // The earlier battery is still missing, and the new one is not mistaken for it.
    assert_eq!(items(&bus, other).await["/Dc/0/Voltage"], unknown);
    let log = driver.stop().log;
    assert_eq!(log.iter().filter(|line| line.contains("a different BMS answers now: JK")).count(), 1, "{log:#?}");
}

#[test]
fn ports_without_any_battery_are_exit_3() {
    let home = Home::new();
    let bus = Bus::start();
    let boards = ["ttyUSB7", "ttyUSB8"].map(|name| Board::on_pty(&home.path(name), nobody()));
    let ports = boards.each_ref().map(|board| format!("{:?}", board.port)).join(", ");
    home.configure(&format!("ports = [{ports}]\nbms = [\"jbd\"]\n"));
    let ended = home.start(&["run", "--bus", &bus.address().to_string()]).end();
    ended.assert(3, &["no battery", "any of the ports"]);
    let said = ended.log.iter().filter(|line| line.contains("no BMS answered")).count();
    assert_eq!(said, 2, "each port says what it heard: {:#?}", ended.log);
}

/// A simulated bus: the records of a CAN port over a pty.
#[tokio::test]
async fn boards_on_a_can_bus_are_found_read_recorded_and_served() {
    let (home, bus) = (Home::new(), Bus::start());
    let link = home.path("bus");
    let port = format!("can://{}", link.display());
    let simulator = home.start(&["simulate", "daly-can", "--link", &link.display().to_string(), "--addresses", "1,2"]);
    wait_for_path(&link, true);
    let read = home.start(&["read", &port]).end();
    assert_eq!(read.code, Some(0), "{read:#?}");
    let readings: Vec<Json> = read.output.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let both: Vec<_> = readings.iter().map(|reading| (&reading["bms"], &reading["address"], &reading["cell_count"])).collect();
    assert_eq!(both, [(&json!("daly"), &json!(1), &json!(16)), (&json!("daly"), &json!(2), &json!(16))]);
    let file = home.path("bus.json").display().to_string();
    let recorded = home.start(&["record", &port, "--to", &file, "--seconds", "3"]).end();
    assert_eq!(recorded.code, Some(0), "{recorded:#?}");
    let replayed = home.start(&["replay", &file, "--json"]).end();
    assert!(replayed.output.len() >= 8, "readings and limits of both: {replayed:#?}");
    let driver = home.run(&bus, &port, &[]);
    for address in [1, 2] {
        let name = format!("com.victronenergy.battery.{}__{address}", dbus_bms::link::port_name(&port));
        let items = items(&bus, &name).await;
        assert!(
            ["/Dc/0/Voltage", "/Info/MaxChargeVoltage"].iter().all(|path| items[*path][1].as_f64().unwrap() > 48.0),
            "{items:#?}"
        );
    }
    driver.stop();
    // A bus carries no serial families, and a serial line none of CAN.
    let serial = home.start(&["read", &link.display().to_string(), "--bms", "daly"]).end();
    serial.assert(3, &["no BMS answered"]);
    simulator.stop();
}

#[test]
fn a_can_interface_that_does_not_exist_is_named_with_the_remedy() {
    let home = Home::new();
    home.start(&["read", "can://no-such-can9"]).end().assert(4, &["no CAN interface no-such-can9", "`ip link` lists"]);
    home.start(&["read", "can://"]).end().assert(2, &["can://can0"]);
}

/// As the service on a GX does, where serial-starter knows the serial ports.
#[test]
fn only_the_configured_ports_that_are_no_serial_ports_are_started_by_the_service() {
    let home = Home::new();
    let arguments = ["run", "--if-configured", "--no-dbus"];
    home.start(&arguments).end().assert(0, &["the configuration names no port"]);
    home.configure("ports = [\"/dev/ttyUSB9\"]");
    home.start(&arguments).end().assert(0, &["the configuration names no port"]);
    home.configure("ports = [\"/dev/ttyUSB9\", \"can://no-such-can9\"]");
    let driver = home.start(&arguments);
    driver.wait_for_log("no CAN interface no-such-can9");
    let ended = driver.stop();
    assert!(!ended.log.iter().any(|line| line.contains("ttyUSB9")), "{ended:#?}");
}
