//! `run` and `scan-ble` with a battery on Bluetooth: the program, a stand-in for BlueZ, and a private bus.

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
