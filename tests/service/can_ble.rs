//! `run` with batteries on Bluetooth and CAN whose frames are those of `tests/vectors`: what is published is what the vector states.
#![allow(clippy::disallowed_methods, reason = "a test waits for other processes in real time")]

use crate::support::ble_boards::recorded_jk;
use crate::support::bluez::{Bluez, JBD, Radio, Uuids, address_of};
use crate::support::board::{Answers, Board, replay, vector};
use crate::support::bus::Bus;
use crate::support::driver::{Driver, Home, PATIENCE, wait};
use dbus_bms::bms::can::Record;
use serde_json::{Map, Value as Json};
use std::time::Instant;

const BATTERY: &str = "com.victronenergy.battery.";

/// UUIDs of families that share them.
const FFE1: Uuids = (0xFFE0, 0xFFE1, 0xFFE1);
const FFE2: Uuids = (0xFFE0, 0xFFE1, 0xFFE2);
const FFF2: Uuids = (0xFFF0, 0xFFF1, 0xFFF2);

/// Each recording over Bluetooth: its board's UUIDs, name and longest notification.
const OVER_BLUETOOTH: [(&str, Uuids, &str, usize); 13] = [
    ("ant/ble-22s", FFE1, "ANT-BLE24BHUB", 20),
    ("ant-old/16s-full", FFE1, "ANT-BLE16ZMUB", 20),
    ("daly-modbus/ble-d2-4s", FFF2, "DL-40D2511412B2", 20),
    ("ecoworthy/v1-4s", FFF2, "ECO-WORTHY 02_1234", 20),
    ("ecoworthy/v2-4s", FFF2, "DCHOUSE 01", 20),
    ("jbd/ble-jbd-4s", JBD, "xiaoxiang BMS", 20),
    ("jk-pb/24s-aiobmsble", FFE1, "JK_B2A24S", 128),
    ("jk-pb/24s-b1a20s15p-10.07-session", FFE1, "JK_B1A20S15P", 150),
    ("jk-pb/24s-bd6a17s6p-7.10-session", FFE1, "JK_BD6A17S6P", 128),
    ("jk-pb/ble-32s-16s-v15-mtu153", FFE1, "JK_PB2A16S", 150),
    ("jk-pb/ble-32s-8s-v1927-mtu23", FFE1, "JK_PB1A8S", 20),
    ("jk-pb/bad-float-layout", FFE1, "JK_B2A16S", 20),
    ("litime/redodo-8s", FFE2, "R-24100BNNA70", 20),
];

/// One program with a port for each of them.
#[test]
fn every_recording_over_bluetooth_is_published_as_it_states() {
    let bus = Bus::start();
    let devices = OVER_BLUETOOTH.map(|(file, uuids, name, piece)| {
        let answers = match file.split_once('/') {
            Some(("jk-pb", _)) => recorded_jk(&vector(file).received(), firmware(file)),
            Some(("ecoworthy", _)) => repeated(vector(file).received()),
            _ => replay(&[file]),
        };
        (Radio { uuids, name, piece, ..Radio::default() }, answers)
    });
    let _bluez = Bluez::start_all(&bus, devices.into());
    let home = Home::new();
    let families: Vec<String> = families(OVER_BLUETOOTH.map(|(file, ..)| file));
    home.configure(&format!("bms = {families:?}\n"));
    let ports: Vec<String> = (0..OVER_BLUETOOTH.len()).map(|place| format!("ble://{}", address_of(place))).collect();
    let driver = run(&home, &bus, &ports);
    for ((file, ..), port) in OVER_BLUETOOTH.iter().zip(&ports) {
        match vector(file).readings.is_empty() {
            false => is_published(&bus, file, port, &driver),
            true => is_refused(&bus, file, port, "hardware 3 (values as floats", &driver),
        }
    }
    driver.stop();
}

/// What each JK board tells in its device data, which no vector contains.
fn firmware(file: &str) -> &'static [u8; 8] {
    match file {
        "jk-pb/24s-aiobmsble" => b"10.07\0\0\0",
        "jk-pb/24s-b1a20s15p-10.07-session" => b"10.07\0\0\0",
        "jk-pb/24s-bd6a17s6p-7.10-session" => b"7.10H\0\0\0",
        "jk-pb/ble-32s-16s-v15-mtu153" => b"15.38\0\0\0",
        "jk-pb/ble-32s-8s-v1927-mtu23" => b"19.27\0\0\0",
        "jk-pb/bad-float-layout" => b"3.3.0\0\0\0",
        other => panic!("{other}: which firmware?"),
    }
}

fn families<const N: usize>(files: [&str; N]) -> Vec<String> {
    let mut families: Vec<String> = files.iter().filter_map(|file| Some(file.split_once('/')?.0.to_owned())).collect();
    families.dedup();
    families
}

fn run(home: &Home, bus: &Bus, ports: &[String]) -> Driver {
    let address = bus.address().to_string();
    let ports = ports.iter().map(String::as_str);
    home.start(&["run"].into_iter().chain(ports).chain(["--bus", &address]).collect::<Vec<_>>())
}

/// The same bytes again and again, unasked.
fn repeated(bytes: Vec<u8>) -> Answers {
    let mut turns = 0;
    Box::new(move |_| {
        turns += 1;
        if turns % 10 == 0 { bytes.clone() } else { Vec::new() }
    })
}

/// The service of the battery on this port.
fn service(port: &str) -> String {
    format!("{BATTERY}{}", dbus_bms::link::port_name(port))
}

fn items(bus: &Bus, service: &str) -> Option<Map<String, Json>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(bus.items(service))
}

/// The log says why nothing of the file is shown.
fn is_refused(bus: &Bus, file: &str, port: &str, why: &str, driver: &Driver) {
    let line = driver.wait_for_log(&format!("no BMS answered on {port}"));
    assert!(line.contains(why) && line.contains("which is not supported"), "{file}: {line}");
    assert!(items(bus, &service(port)).is_none(), "{file} is published");
}

/// The service of the port shows what the file states.
fn is_published(bus: &Bus, file: &str, port: &str, driver: &Driver) {
    let stated = vector(file);
    let (stated, name, start) = (&stated.readings[0], service(port), Instant::now());
    loop {
        let items = items(bus, &name).unwrap_or_default();
        let wrong = differences(stated, &items);
        if wrong.is_empty() {
            return;
        }
        assert!(start.elapsed() < 3 * PATIENCE, "{file} at {name}: {wrong:#?}, {:#?}", driver.log());
    }
}

/// Values of the reading that the service shows otherwise.
fn differences(stated: &Map<String, Json>, items: &Map<String, Json>) -> Vec<String> {
    let single = [
        ("voltage_v", "/Dc/0/Voltage", 0.0051),
        ("current_a", "/Dc/0/Current", 0.051),
        ("soc_pct", "/Soc", 0.01),
        ("soh_pct", "/Soh", 0.01),
        ("remaining_ah", "/Capacity", 0.051),
        ("capacity_ah", "/InstalledCapacity", 0.051),
        ("cycles", "/History/ChargeCycles", 0.0),
        ("cell_count", "/System/NrOfCellsPerBattery", 0.0),
        ("mos_temperature_c", "/System/MOSTemperature", 0.051),
    ];
    let mut wanted: Vec<(Option<f64>, String, f64)> =
        single.iter().map(|(key, path, within)| (stated.get(*key).and_then(Json::as_f64), (*path).to_owned(), *within)).collect();
    let listed = |key: &str, path: &str, within: f64| {
        let values = stated.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
        let numbered = (1..).zip(values).take(if key == "temperatures_c" { 4 } else { 32 });
        numbered.map(|(number, value)| (value.as_f64(), format!("{path}{number}"), within)).collect::<Vec<_>>()
    };
    wanted.extend(listed("cell_voltages_v", "/Voltages/Cell", 0.00051));
    wanted.extend(listed("temperatures_c", "/System/Temperature", 0.051));
    let is_wrong = |(value, path, within): &(Option<f64>, String, f64)| {
        let shown = items.get(path).and_then(|item| item[1].as_f64());
        match (value, shown) {
            (Some(value), Some(shown)) => (value - shown).abs() > *within,
            // A current whose direction is open, above all, is not shown.
            (None, shown) => path == "/Dc/0/Current" && shown.is_some(),
            (Some(_), None) => true,
        }
    };
    let wrong = wanted.into_iter().filter(is_wrong);
    let mut wrong: Vec<String> = wrong.map(|(value, path, _)| format!("{path}: {value:?}, not {:?}", items.get(&path))).collect();
    for limit in ["/Info/MaxChargeVoltage", "/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"] {
        if !items.get(limit).is_some_and(|item| item[1].is_number()) {
            wrong.push(format!("{limit} is {:?}", items.get(limit)));
        }
    }
    wrong
}

/// How a recording of a CAN bus is played.
#[derive(Clone, Copy)]
enum Kind {
    /// The battery sends by itself.
    Sends,
    /// It answers to requests.
    Answers,
}

/// Each recording of a CAN bus, and why nothing is published, if so.
const ON_CAN: [(&[&str], Kind, Option<&str>); 8] = [
    (&["daly/can-8s-board1"], Kind::Answers, None),
    (&["jk-can/examples-of-the-document"], Kind::Sends, None),
    (&["jk-can/v2-16s"], Kind::Sends, None),
    // With the battery that asks: the request alone is no battery.
    (&["jk-can/v2-16s", "jk-can/charge-request"], Kind::Sends, None),
    (&["pylontech-can/one-set"], Kind::Sends, None),
    (&["pylontech-can/discover-aes-voltage-in-tenths"], Kind::Sends, None),
    (&["pylontech-can/bad-broadcast-of-a-daly-board"], Kind::Sends, Some("Lithium Valley")),
    (&["rv-c/constructed-discharging"], Kind::Sends, None),
];

/// A recording as records.
fn records(files: &[&str]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for event in files.iter().flat_map(|file| vector(file).traffic) {
        // One of each kind, the last: the multiplexed ones of a Daly board differ in their content.
        let key = |bytes: &[u8]| bytes.get(..if bytes[1] == 0x95 { 6 } else { 4 }).map(<[u8]>::to_vec);
        match all.iter_mut().find(|known| key(known) == key(&event.bytes)) {
            Some(known) => *known = event.bytes,
            None => all.push(event.bytes),
        }
    }
    all
}

/// A battery that says what it knows five times a second.
fn sender(records: Vec<Vec<u8>>) -> Answers {
    let mut turns = 0;
    Box::new(move |_| {
        turns += 1;
        if turns % 10 == 0 { records.concat() } else { Vec::new() }
    })
}

/// Boards that answer to the request of the same kind.
fn answering(records: Vec<Vec<u8>>) -> Answers {
    let mut heard = Vec::new();
    Box::new(move |written| {
        heard.extend_from_slice(written);
        let mut replies = Vec::new();
        while let Some(request) = heard.first_chunk::<{ Record::LEN }>().copied() {
            heard.drain(..Record::LEN);
            let [_, kind, board, host, ..] = request;
            replies.extend(records.iter().filter(|reply| reply[1..4] == [kind, host, board]).flatten());
        }
        replies
    })
}

#[test]
fn every_recording_of_a_can_bus_is_published_as_it_states() {
    let (bus, home) = (Bus::start(), Home::new());
    let mut buses = Vec::new();
    for (place, (files, kind, _)) in ON_CAN.iter().enumerate() {
        let records = records(files);
        let answers = match kind {
            Kind::Sends => sender(records),
            Kind::Answers => answering(records),
        };
        buses.push(Board::on_pty(&home.path(&format!("can{place}")), answers));
    }
    home.configure("bms = [\"daly\", \"jk-can\", \"pylontech-can\", \"rv-c\"]\nmax_charge_current_a = 100\n");
    let ports: Vec<String> = buses.iter().map(|board| format!("can://{}", board.port)).collect();
    let driver = run(&home, &bus, &ports);
    for ((files, _, refusal), port) in ON_CAN.iter().zip(&ports) {
        match refusal {
            None => is_published(&bus, files[0], port, &driver),
            Some(why) => is_refused(&bus, files[0], port, why, &driver),
        }
    }
    // What is asked of the charger, less than the owner allows, is obeyed.
    let limit = |port: &str, wanted: f64| {
        let name = service(port);
        let seen = wait(|| {
            let shown = items(&bus, &name)?["/Info/MaxChargeCurrent"][1].as_f64()?;
            ((shown - wanted).abs() < 0.051).then_some(())
        });
        assert!(seen.is_some(), "{name} does not allow {wanted} A: {:#?}", items(&bus, &name));
    };
    limit(&ports[2], 100.0);
    limit(&ports[3], 95.0);
    driver.stop();
}
