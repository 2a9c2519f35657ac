//! Entries of dbus-serialbattery in the settings of the GX: taken over once, if one certainly belongs to this battery, and given
//! back unchanged. The stand-in for the settings service behaves like the real one, which tests/venus/takeover.py runs.

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Answers, Board, simulated};
use bus::{Bus, get, set};
use dbus_bms::sim::pack::PackConfig;
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Unit, responder};
use driver::{Driver, Home, owner, until};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

const SERVICE: &str = "com.victronenergy.battery.ttyUSB0";
const SETTINGS: &str = "com.victronenergy.settings";
const DEVICES: &str = "/Settings/Devices";
const HISTORY: &str = "{\"clear\": 0, \"deepest_discharge\": 120.5, \"last_discharge\": 7.5, \"total_ah_drawn\": 9000.25, \
                       \"timestamp_last_full_charge\": 1779000000, \"minimum_voltage\": 40.25, \"maximum_voltage\": 57.5, \
                       \"discharged_energy\": 460.5, \"charged_energy\": 481.25}";

/// A battery as left by the old driver, last seen a moment or a long time ago.
fn old(identifier: &str, instance: u16, name: &str, seen: u64) -> Vec<String> {
    let group = format!("{DEVICES}/serialbattery_{}", identifier.to_uppercase());
    vec![
        format!("{group}/AllowMaxVoltage#=1"),
        format!("{group}/ClassAndVrmInstance=battery:{instance}"),
        format!("{group}/CustomName={name}"),
        format!("{group}/LastSeen#={seen}"),
        format!("{group}/MaxVoltageStartTime="),
        format!("{group}/SocCalc="),
        format!("{group}/SocResetLastReached#=0"),
        format!("{group}/HistoryValues={HISTORY}"),
        format!("{group}/UniqueIdentifier={identifier}"),
    ]
}

fn today() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// The simulated JBD battery as named by the old driver: firmware 2.3.
fn identifier() -> String {
    format!("23_{}Ah", format!("{:?}", PackConfig::default().capacity_ah).replace('.', "_"))
}

async fn settings(bus: &Bus, entries: &[Vec<String>]) -> bus::Peer {
    let entries: Vec<&str> = entries.iter().flatten().map(String::as_str).collect();
    bus.settings(&entries).await
}

/// All settings of devices whose group has this prefix, with their types and attributes.
async fn kept(bus: &Bus, start: &str) -> BTreeMap<String, (Json, Json)> {
    let answer = bus.call(get(SETTINGS, DEVICES, "GetValue")).await;
    let paths: Vec<String> = answer["value"][1]
        .as_object()
        .unwrap()
        .keys()
        .filter(|path| path.starts_with(start))
        .map(|path| format!("{DEVICES}/{path}"))
        .collect();
    let calls = paths.iter().flat_map(|path| {
        let mut attributes = get(SETTINGS, path, "GetAttributes");
        attributes.2 = "com.victronenergy.Settings".to_owned();
        [get(SETTINGS, path, "GetValue"), attributes]
    });
    let answers = bus.calls(calls.collect()).await;
    paths
        .into_iter()
        .zip(answers.chunks(2))
        .map(|(path, pair)| (path, (pair[0]["value"].clone(), pair[1]["values"].clone())))
        .collect()
}

async fn value(bus: &Bus, service: &str, path: &str) -> Json {
    bus.call(get(service, path, "GetValue")).await["value"][1].clone()
}

async fn run(bus: &Bus, home: &Home, board: &Board, name: &str) -> Driver {
    let mut watcher = bus.watch(name).await;
    let driver = home.run(bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    driver
}

fn undo(bus: &Bus, home: &Home) -> String {
    let output = home.command(&["config", "migrate", "--undo", "--bus", &bus.address().to_string()]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The instance in the settings and of the service.
async fn instance(bus: &Bus) -> Json {
    value(bus, SERVICE, "/DeviceInstance").await
}

#[tokio::test]
async fn instance_name_and_counters_go_on_and_go_back() {
    let (bus, home) = (Bus::start(), Home::new());
    let entries = [old(&identifier(), 3, "Keller", today()), old("HOUSE_JK_B2A20S20P", 1, "Haus", today())];
    let _settings = settings(&bus, &entries).await;
    let before = kept(&bus, "serialbattery_").await;
    assert_eq!(before.len(), 18);
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let first = run(&bus, &home, &board, SERVICE).await;
    first.wait_for_log("takes over from dbus-serialbattery");
    assert_eq!(instance(&bus).await, 3);
    assert_eq!(value(&bus, SERVICE, "/CustomName").await, "Keller");
    for (path, expected) in [
        ("/History/DeepestDischarge", -120.5),
        ("/History/MinimumVoltage", 40.25),
        ("/History/MaximumVoltage", 57.5),
        ("/History/DischargedEnergy", 460.5),
        ("/History/ChargedEnergy", 481.25),
    ] {
        // The counters follow a moment after the name.
        let mut seen = Json::Null;
        for _ in 0..500 {
            seen = value(&bus, SERVICE, path).await;
            if (seen.as_f64().unwrap_or_default() - expected).abs() < 0.1 {
                break;
            }
        }
        assert!((seen.as_f64().unwrap() - expected).abs() < 0.1, "{path}: {seen}");
    }
    let during = kept(&bus, "serialbattery_").await;
    let stopped_first = home.command(&["config", "migrate", "--undo", "--bus", &bus.address().to_string()]).output().unwrap();
    assert!(String::from_utf8_lossy(&stopped_first.stderr).contains("stop it first"), "{stopped_first:?}");
    assert_eq!((stopped_first.status.code(), instance(&bus).await), (Some(1), json!(3)));
    let changed: Vec<&String> = before.keys().filter(|path| before[*path] != during[*path]).collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(during[changed[0]].0, json!(["s", "serialbattery:3"]));
    first.stop();

    // A restart takes nothing over again, and keeps everything.
    let again = run(&bus, &home, &board, SERVICE).await;
    assert_eq!((instance(&bus).await, value(&bus, SERVICE, "/CustomName").await), (json!(3), json!("Keller")));
    again.wait_for_log("is on D-Bus with DeviceInstance 3");
    assert!(!again.log().iter().any(|line| line.contains("takes over")), "{:#?}", again.log());
    again.stop();

    assert!(undo(&bus, &home).contains("has DeviceInstance 3 again"));
    assert_eq!(kept(&bus, "serialbattery_").await, before, "as it was");
    assert!(!kept(&bus, "jbd_").await.keys().any(|path| path.ends_with("/ClassAndVrmInstance")));
    assert!(undo(&bus, &home).contains("nothing was taken over"));

    // Once more, for an owner who returns.
    let back = run(&bus, &home, &board, SERVICE).await;
    assert_eq!(instance(&bus).await, 3);
    back.stop();
}

#[tokio::test]
async fn without_a_sure_match_nothing_is_taken_and_it_is_said() {
    let (bus, home) = (Bus::start(), Home::new());
    let entries = [old("22_100_0Ah", 1, "Keller", today()), old("22_280_0Ah", 2, "Haus", today())];
    let _settings = settings(&bus, &entries).await;
    let before = kept(&bus, "serialbattery_").await;
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let driver = run(&bus, &home, &board, SERVICE).await;
    let line = driver.wait_for_log("nothing is taken over");
    assert!(line.contains("serialbattery_22_100_0AH, serialbattery_22_280_0AH"), "{line}");
    assert_eq!((instance(&bus).await, value(&bus, SERVICE, "/CustomName").await), (json!(3), json!("")));
    driver.stop();
    assert_eq!(kept(&bus, "serialbattery_").await, before);
}

#[tokio::test]
async fn while_the_old_driver_serves_the_battery_it_keeps_everything() {
    let (bus, home) = (Bus::start(), Home::new());
    let _settings = settings(&bus, &[old(&identifier(), 3, "Keller", today())]).await;
    let before = kept(&bus, "serialbattery_").await;
    let mut other = bus.foreign_battery(&["ttyUSB7"]).await;
    other.tell(&json!({"/ProductId": 0xBA77, "/DeviceInstance": 3}));
    while value(&bus, "com.victronenergy.battery.ttyUSB7", "/DeviceInstance").await != 3 {}
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let driver = run(&bus, &home, &board, SERVICE).await;
    driver.wait_for_log("dbus-serialbattery still serves this battery as com.victronenergy.battery.ttyUSB7");
    assert_eq!(instance(&bus).await, 1);
    driver.stop();
    assert_eq!(kept(&bus, "serialbattery_").await, before);
}

#[tokio::test]
async fn a_name_of_the_configuration_counts_and_a_jk_board_is_known_by_its_own_text() {
    let (bus, home) = (Bus::start(), Home::new());
    let entries = [old("JK_B2A20S20P", 5, "Keller", today()), old("HOUSE_JK_B2A20S20P", 1, "Haus", today())];
    let _settings = settings(&bus, &entries).await;
    home.configure("name = \"Boat\"\nbms = [\"jk\"]\n");
    let mut board = responder("jk").unwrap();
    let mut units = [Unit::new(1, &PackConfig::default(), Scenario::default())];
    let answers: Answers =
        Box::new(move |input| board.answer(input, &mut units).into_iter().flat_map(|reply| reply.bytes).collect());
    let board = Board::on_pty(&home.path("ttyUSB0"), answers);
    let driver = run(&bus, &home, &board, SERVICE).await;
    assert_eq!((instance(&bus).await, value(&bus, SERVICE, "/CustomName").await), (json!(5), json!("Boat")));
    driver.stop();
}

#[tokio::test]
async fn what_the_old_driver_has_deleted_or_forgotten_meanwhile_comes_back() {
    let (bus, home) = (Bus::start(), Home::new());
    let long_ago = today() - 40 * 86_400;
    let _settings = settings(&bus, &[old(&identifier(), 3, "Keller", today()), old("ttyUSB9__0x01", 8, "Haus", long_ago)]).await;
    let before = kept(&bus, "serialbattery_2").await;
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    run(&bus, &home, &board, SERVICE).await.stop();
    // As that driver does with batteries not seen for 30 days.
    let mut remove = get(SETTINGS, "/", "RemoveSettings");
    let paths: Vec<&String> = before.keys().collect();
    (remove.2, remove.4, remove.5) = ("com.victronenergy.Settings".to_owned(), "as".to_owned(), json!(paths));
    assert!(bus.call(remove).await["error"].is_null());
    assert!(kept(&bus, "serialbattery_2").await.is_empty());
    undo(&bus, &home);
    assert_eq!(kept(&bus, "serialbattery_2").await, before);

    // Close to being deleted: the entry given back counts as seen now, so that it is not deleted at the next start.
    run(&bus, &home, &board, SERVICE).await.stop();
    let seen = paths.iter().find(|path| path.ends_with("/LastSeen")).unwrap();
    bus.call(set(SETTINGS, seen, json!(["i", long_ago]))).await;
    undo(&bus, &home);
    assert!(value(&bus, SETTINGS, seen).await.as_u64().unwrap() >= today() - 600);
    assert_eq!(kept(&bus, "serialbattery_T").await.len(), 9, "and nobody else's");
}

#[tokio::test]
async fn what_will_be_taken_over_is_listed_in_plain_words() {
    let (bus, home) = (Bus::start(), Home::new());
    let _settings = settings(&bus, &[old(&identifier(), 3, "Keller", today())]).await;
    let ini = home.path("config.ini");
    std::fs::write(&ini, "MAX_CELL_VOLTAGE = 3.45\n").unwrap();
    let words = "DeviceInstance 3, name \"Keller\", counters: 460.5 kWh taken out, 481.2 kWh put in, 9000.2 Ah drawn in all, \
                 deepest discharge 120.5 Ah, 40.25 to 57.50 V, the last full charge";
    let ini = ini.to_str().unwrap();
    let output = home.command(&["config", "migrate", ini, "--bus", &bus.address().to_string()]).output().unwrap();
    let list = String::from_utf8(output.stderr).unwrap();
    assert!(list.contains(words), "{list}");

    // The same from the file, as written by the real service.
    let xml = home.path("settings.xml");
    let text = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<Settings version=\"19\" unique-id=\"\">\n  <Devices>\n    <serialbattery_X>\n      \
         <ClassAndVrmInstance type=\"s\" default=\"battery:1\" silent=\"False\">battery:3</ClassAndVrmInstance>\n      \
         <CustomName type=\"s\" default=\"\" silent=\"False\">Keller &amp; Co</CustomName>\n      \
         <HistoryValues type=\"s\" default=\"\" silent=\"True\">{HISTORY}</HistoryValues>\n      <LastSeen type=\"i\" default=\"5\" \
         silent=\"False\">1779000000</LastSeen>\n      <SocCalc type=\"s\" default=\"\" silent=\"True\"/>\n    </serialbattery_X>\n    \
         <_1abc>\n      <ClassAndVrmInstance type=\"s\" default=\"battery:1\">battery:9</ClassAndVrmInstance>\n    </_1abc>\n  \
         </Devices>\n  <Gui>\n    <Brightness type=\"i\" default=\"1\">3</Brightness>\n  </Gui>\n</Settings>\n"
    );
    std::fs::write(&xml, text).unwrap();
    let output = home.command(&["config", "migrate", "--settings", xml.to_str().unwrap(), "--json"]).output().unwrap();
    let answer: Json = serde_json::from_slice(&output.stdout).unwrap();
    let sentences = answer["batteries"].as_array().unwrap();
    assert_eq!(sentences.len(), 1, "{answer}");
    let sentence = sentences[0].as_str().unwrap();
    assert!(
        sentence.starts_with("serialbattery_X will go to") && sentence.contains(&words.replace("Keller", "Keller & Co")),
        "{sentence}"
    );
}
