//! `run` and `scan-ble` with a battery on Bluetooth: the program, a stand-in for BlueZ, and a private bus.

use crate::support::ble_boards::{BleBoard, all};
use crate::support::bluez::{Bluez, Radio};
use crate::support::board::{Answers, replay};
use crate::support::bus::Bus;
use crate::support::driver::{Home, items_once, owner, until, wait};
use serde_json::{Value as Json, json};

const PORT: &str = "ble://C8:47:8C:12:34:56";
const NAME: &str = "com.victronenergy.battery.ble_C8_47_8C_12_34_56";

fn board() -> Answers {
    replay(&["jbd/readme-4s", "jbd/sp04s034"])
}

#[tokio::test]
async fn a_battery_on_bluetooth_is_on_the_bus_comes_back_after_a_drop_and_is_left_free_at_the_end() {
    let (home, bus) = (Home::new(), Bus::start());
    home.configure("chemistry = \"nmc\"\n[bluetooth]\npassword = \"271828\"\n");
    let bluez = Bluez::start(&bus, Radio::default(), board());
    let mut watcher = bus.watch(NAME).await;
    let driver = home.run(&bus, PORT, &[]);
    until(&mut watcher, owner(true)).await;
    let items = items_once(&bus, NAME, |items| items["/Dc/0/Voltage"] == json!(["d", 15.47])).await;
    assert_eq!(items["/Mgmt/Connection"], json!(["s", "Bluetooth C8:47:8C:12:34:56"]));

    bluez.drop_connection();
    driver.wait_for_log("the Bluetooth connection broke");
    wait(|| (bluez.done().count("Connect") == 2).then_some(())).expect("another connection");
    assert!(bus.items(NAME).await.is_some(), "the service stays on the bus");
    items_once(&bus, NAME, |items| items["/Connected"] == json!(["i", 1]) && items["/Dc/0/Voltage"][1] == 15.47).await;
    let ended = driver.stop();
    assert!(!bluez.is_connected(), "its app can connect now");
    assert!(!ended.log.iter().any(|line| line.contains("271828")), "{ended:#?}");
}

/// One thread for each, because a drop is followed by seconds of waiting.
#[test]
fn every_family_on_bluetooth_is_published_with_its_values_and_survives_a_drop() {
    std::thread::scope(|scope| {
        for board in all() {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(is_published_and_survives_a_drop(board));
            });
        }
    });
}

async fn is_published_and_survives_a_drop(board: BleBoard) {
    let BleBoard { family, radio, answers, values: (voltage, current, soc), cells, .. } = board;
    let (home, bus) = (Home::new(), Bus::start());
    home.configure(&format!("bms = [\"{family}\"]\n"));
    let bluez = Bluez::start(&bus, radio, answers);
    let mut watcher = bus.watch(NAME).await;
    let driver = home.run(&bus, PORT, &[]);
    until(&mut watcher, owner(true)).await;
    let is_right = |items: &serde_json::Map<String, Json>| {
        let value = |path: &str| items[path][1].as_f64().unwrap_or(f64::NAN);
        (value("/Dc/0/Voltage") - voltage).abs() < 0.006
            && (value("/Dc/0/Current") - current).abs() < 0.051
            && (value("/Soc") - soc).abs() < 0.01
            && items["/System/NrOfCellsPerBattery"][1] == cells
            && items["/Connected"][1] == 1
    };
    let items = items_once(&bus, NAME, is_right).await;
    for limit in ["/Info/MaxChargeVoltage", "/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"] {
        assert!(items[limit][1].is_number(), "{family}: {limit} is {}", items[limit]);
    }
    bluez.drop_connection();
    driver.wait_for_log("the Bluetooth connection broke");
    wait(|| (bluez.done().count("Connect") == 2).then_some(())).expect("another connection");
    assert!(bus.items(NAME).await.is_some(), "{family}: the service stays on the bus");
    items_once(&bus, NAME, is_right).await;
    driver.stop();
    assert!(!bluez.is_connected(), "{family}: its app can connect now");
}

#[tokio::test]
async fn a_battery_out_of_range_is_waited_for_and_the_reason_is_said_once() {
    let (home, bus) = (Home::new(), Bus::start());
    let bluez = Bluez::start(&bus, Radio { connect_errors: vec!["Failed"], ..Radio::default() }, board());
    let driver = home.run(&bus, PORT, &[]);
    driver.wait_for_log("close its app on all phones");
    items_once(&bus, NAME, |_| true).await;
    assert_eq!(bluez.done().count("Connect"), 2);
    let ended = driver.stop();
    assert_eq!(ended.log.iter().filter(|line| line.contains("close its app")).count(), 1);
}

/// Its own recording of a JK board gives the board's values, live data that came unasked included.
#[test]
fn what_is_recorded_over_bluetooth_can_be_replayed() {
    for board in all().into_iter().filter(|board| matches!(board.family, "jk-pb" | "daly-modbus")) {
        let (family, (volts, _, soc)) = (board.family, board.values);
        let (home, bus) = (Home::new(), Bus::start());
        home.configure(&format!("[dbus]\nbus = \"{}\"\n", bus.address()));
        let _bluez = Bluez::start(&bus, board.radio, board.answers);
        let file = home.path("recorded.json").display().to_string();
        let recorded = home.start(&["record", PORT, "--to", &file, "--seconds", "6", "--bms", family]).end();
        assert_eq!(recorded.code, Some(0), "{family}: {recorded:#?}");
        let replayed = home.start(&["replay", &file, "--json"]).end();
        let readings: Vec<Json> = replayed.output.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let values = |reading: &Json| Some((reading["voltage_v"].as_f64()?, reading["soc_pct"].as_f64()?));
        let values: Vec<_> = readings.iter().filter_map(values).collect();
        assert!(values.len() > 1, "{family}: {values:?}, {replayed:#?}");
        assert!(values.iter().all(|read| (read.0 - volts).abs() < 0.006 && read.1 == soc), "{family}: {values:?}");
    }
}

#[test]
fn a_scan_lists_what_is_heard_with_the_line_for_the_configuration() {
    let (home, bus) = (Home::new(), Bus::start());
    let scan = |radio: Radio| {
        let _bluez = Bluez::start(&bus, radio, board());
        let address = bus.address().to_string();
        home.start(&["scan-ble", "--seconds", "1", "--json", "--bus", &address]).end()
    };
    let json = |line: &str| serde_json::from_str::<Json>(line).unwrap();
    let heard = scan(Radio { known: false, ..Radio::default() });
    assert_eq!(
        json(&heard.output[0]),
        json!({"address": "C8:47:8C:12:34:56", "port": PORT, "name": "xiaoxiang BMS", "rssi_dbm": -71, "connected": false,
               "bms": ["jbd"], "recognised": true, "config": format!("ports = [\"{PORT}\"]")})
    );
    // Only the service tells what it may be; LiTime is untested, and has to be named.
    let heard = scan(Radio { name: "nameless", uuids: (0xFF00, 0xFF01, 0xFF02), ..Radio::default() });
    assert_eq!(json(&heard.output[0])["recognised"], false);
    assert_eq!(json(&heard.output[0])["bms"], json!(["jbd"]));
    let heard = scan(Radio { name: "R-12100BNNA70-A02214", ..Radio::default() });
    assert_eq!(json(&heard.output[0])["config"], format!("ports = [\"{PORT}\"]\nbms = [\"litime\"]"));
    let heard = scan(Radio { name: "Kettle\u{1b}[2J", uuids: (0x180A, 1, 2), ..Radio::default() });
    assert_eq!((&json(&heard.output[0])["bms"], &json(&heard.output[0])["name"]), (&json!([]), &json!("Kettle[2J")));

    scan(Radio { powered: false, ..Radio::default() }).assert(1, &["hci0 is off", "bluetoothctl power on"]);
    let address = bus.address().to_string();
    home.start(&["scan-ble", "--bus", &address]).end().assert(1, &["BlueZ", "systemctl enable --now bluetooth"]);
}
