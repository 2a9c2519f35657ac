//! The battery service on a real, private D-Bus, tested by clients that share no code with it.
#![allow(clippy::disallowed_methods, reason = "calls of other processes take real time")]

use crate::support::bus;
use crate::support::snapshot;

use bus::{Bus, get, set};
use dbus_bms::base::units::Volts;
use dbus_bms::dbus::{
    BatteryServiceEvent, Context, DbusError, DeviceId, Items, ServiceConfig, SettingsClient, serve, service_name,
};
use dbus_bms::model::Snapshot;
use dbus_bms::output::inverters::Reporters;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const NAME: &str = "com.victronenergy.battery.ttyUSB0";
const PATIENCE: Duration = Duration::from_secs(20);

/// A battery service that runs in the test's process.
struct Served {
    snapshots: watch::Sender<Arc<Snapshot>>,
    events: mpsc::Receiver<BatteryServiceEvent>,
    end: JoinHandle<Result<(), DbusError>>,
}

fn battery(context: Context) -> ServiceConfig {
    ServiceConfig {
        gx_settings: false,
        name: service_name("/dev/ttyUSB0", None),
        device: DeviceId::new("jbd_0123456789"),
        remembered: None,
        takeover: None,
        handle: None,
        inverters: Reporters::default(),
        context,
    }
}

async fn start(bus: &Bus, battery: ServiceConfig) -> Served {
    let settings = SettingsClient::connect(&bus.address()).await.unwrap();
    start_with(bus, battery, settings)
}

fn start_with(bus: &Bus, battery: ServiceConfig, settings: SettingsClient) -> Served {
    let (snapshots, receiver) = watch::channel(Arc::new(snapshot::discharging()));
    let (sender, events) = mpsc::channel(8);
    let address = bus.address();
    let end = tokio::spawn(async move { serve(&address, &settings, battery, receiver, sender).await });
    Served { snapshots, events, end }
}

impl Served {
    async fn event(&mut self) -> BatteryServiceEvent {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("a running service")
    }

    /// Waits until the name is on the bus; returns the instance.
    async fn up(&mut self) -> u16 {
        match self.event().await {
            BatteryServiceEvent::Registered(instance) => instance,
            other => panic!("{other:?} before the name"),
        }
    }

    fn show(&self, snapshot: Snapshot) {
        self.snapshots.send_replace(Arc::new(snapshot));
    }

    async fn end(self) -> Result<(), DbusError> {
        drop(self.snapshots);
        timeout(PATIENCE, self.end).await.expect("the end in time").unwrap()
    }
}

fn value(answer: &Json) -> &Json {
    &answer["value"]
}

/// The paths that clients on Venus OS need or expect of a battery.
const EXPECTED: &[&str] = &[
    "/Mgmt/ProcessName",
    "/Mgmt/ProcessVersion",
    "/Mgmt/Connection",
    "/DeviceInstance",
    "/ProductId",
    "/ProductName",
    "/FirmwareVersion",
    "/HardwareVersion",
    "/Connected",
    "/CustomName",
    "/Serial",
    "/Dc/0/Voltage",
    "/Dc/0/Current",
    "/Dc/0/Power",
    "/Dc/0/Temperature",
    "/Soc",
    "/Soh",
    "/Capacity",
    "/InstalledCapacity",
    "/ConsumedAmphours",
    "/TimeToGo",
    "/State",
    "/ErrorCode",
    "/Balancing",
    "/Info/MaxChargeVoltage",
    "/Info/MaxChargeCurrent",
    "/Info/MaxDischargeCurrent",
    "/Info/BatteryLowVoltage",
    "/Io/AllowToCharge",
    "/Io/AllowToDischarge",
    "/System/NrOfCellsPerBattery",
    "/System/NrOfModulesOnline",
    "/System/NrOfModulesOffline",
    "/System/NrOfModulesBlockingCharge",
    "/System/NrOfModulesBlockingDischarge",
    "/System/MinCellVoltage",
    "/System/MaxCellVoltage",
    "/System/MinVoltageCellId",
    "/System/MaxVoltageCellId",
    "/System/MinCellTemperature",
    "/System/MaxCellTemperature",
    "/System/MinTemperatureCellId",
    "/System/MaxTemperatureCellId",
    "/Voltages/Cell1",
    "/Voltages/Cell16",
    "/Voltages/Sum",
    "/Voltages/Diff",
    "/Alarms/LowVoltage",
    "/Alarms/HighVoltage",
    "/Alarms/LowCellVoltage",
    "/Alarms/HighCellVoltage",
    "/Alarms/LowSoc",
    "/Alarms/HighChargeCurrent",
    "/Alarms/HighDischargeCurrent",
    "/Alarms/CellImbalance",
    "/Alarms/InternalFailure",
    "/Alarms/HighChargeTemperature",
    "/Alarms/LowChargeTemperature",
    "/Alarms/HighTemperature",
    "/Alarms/LowTemperature",
    "/Alarms/HighInternalTemperature",
    "/Alarms/BmsCable",
];

#[tokio::test]
async fn all_ways_of_reading_agree() {
    let bus = Bus::start();
    let mut served = start(&bus, battery(snapshot::context())).await;
    served.up().await;
    let roots = bus.calls(vec![get(NAME, "/", "GetItems"), get(NAME, "/", "GetValue"), get(NAME, "/", "GetText")]).await;
    assert_eq!(roots[0]["signature"], "a{sa{sv}}");
    assert_eq!((&roots[1]["signature"], &roots[2]["signature"]), (&json!("v"), &json!("v")));
    assert_eq!((&value(&roots[1])[0], &value(&roots[2])[0]), (&json!("a{sv}"), &json!("a{ss}")));
    let items = value(&roots[0])[1].as_object().unwrap().clone();
    for path in EXPECTED {
        assert!(items.contains_key(*path), "{path}");
    }
    let leaves: Vec<&String> = items.keys().collect();
    let asks = leaves.iter().flat_map(|path| [get(NAME, path, "GetValue"), get(NAME, path, "GetText")]).collect();
    let answers = bus.calls(asks).await;
    for (path, answer) in leaves.iter().zip(answers.chunks(2)) {
        let item = &items[*path][1];
        let relative = path.trim_start_matches('/');
        assert_eq!(*value(&answer[0]), item["Value"], "{path}");
        assert_eq!(*value(&answer[1]), item["Text"], "{path}");
        assert_eq!(answer[1]["signature"], "s", "{path}");
        assert_eq!(value(&roots[1])[1][relative], item["Value"], "{path}");
        assert_eq!(value(&roots[2])[1][relative], item["Text"], "{path}");
    }
    assert_eq!(value(&roots[1])[1].as_object().unwrap().len(), items.len());
    assert_eq!(items["/Dc/0/Voltage"][1], json!({"Value": ["d", 52.8], "Text": ["s", "52.80V"]}));
    assert_eq!(items["/HardwareVersion"][1], json!({"Value": ["ai", []], "Text": ["s", "---"]}));
    assert_eq!(items["/Soc"][1]["Text"], json!(["s", "71.5%"]));
    assert_eq!(items["/ProductId"][1], json!({"Value": ["i", 0xDB05], "Text": ["s", "0xDB05"]}));
    served.end().await.unwrap();
}

#[tokio::test]
async fn inner_nodes_answer_for_what_is_below_them() {
    let bus = Bus::start();
    let mut served = start(&bus, battery(snapshot::context())).await;
    served.up().await;
    let answers =
        bus.calls(vec![get(NAME, "/Dc", "GetValue"), get(NAME, "/Dc/0", "GetText"), get(NAME, "/Dc/0", "GetItems")]).await;
    assert_eq!(value(&answers[0])[1]["0/Voltage"], json!(["d", 52.8]));
    assert_eq!(value(&answers[0])[1].as_object().unwrap().len(), 4);
    assert_eq!(value(&answers[1])[1]["Current"], json!(["s", "-12.50A"]));
    assert_eq!(answers[2]["error"], "org.freedesktop.DBus.Error.UnknownMethod");
    let tree = bus.busctl(&["tree", "--list", NAME]).await;
    for path in ["/Dc/0/Voltage", "/Voltages/Cell16", "/Alarms"] {
        assert!(tree.lines().any(|line| line.trim() == path), "{path} in {tree}");
    }
    let root = bus.busctl(&["introspect", NAME, "/"]).await;
    assert!(root.contains(".GetItems") && root.contains(".ItemsChanged"), "{root}");
    let leaf = bus.busctl(&["call", NAME, "/Soc", "com.victronenergy.BusItem", "GetValue"]).await;
    assert_eq!(leaf.trim(), "v d 71.5");
    served.end().await.unwrap();
}

#[tokio::test]
async fn what_is_not_there_is_a_plain_dbus_error() {
    let bus = Bus::start();
    let mut served = start(&bus, battery(Context { control: false, ..snapshot::context() })).await;
    served.up().await;
    let foreign = |interface: &str, member: &str| {
        let mut call = get(NAME, "/Soc", member);
        call.2 = interface.to_owned();
        call
    };
    let cases = [
        (get(NAME, "/Nowhere", "GetValue"), "org.freedesktop.DBus.Error.UnknownObject"),
        (get(NAME, "/Dc/0/Volt", "GetText"), "org.freedesktop.DBus.Error.UnknownObject"),
        (get(NAME, "/Info/MaxChargeVoltage", "GetValue"), "org.freedesktop.DBus.Error.UnknownObject"),
        (set(NAME, "/Nowhere", json!(["i", 1])), "org.freedesktop.DBus.Error.UnknownObject"),
        (get(NAME, "/Soc", "GetMin"), "org.freedesktop.DBus.Error.UnknownMethod"),
        (get(NAME, "/Soc", "SetValue"), "org.freedesktop.DBus.Error.InvalidArgs"),
        (foreign("org.example.Unknown", "GetValue"), "org.freedesktop.DBus.Error.UnknownInterface"),
    ];
    let (calls, errors): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    for (answer, error) in bus.calls(calls).await.iter().zip(errors) {
        assert_eq!(answer["error"], error);
    }
    let ping = bus.call(foreign("org.freedesktop.DBus.Peer", "Ping")).await;
    assert_eq!(ping["error"], Json::Null);
    served.end().await.unwrap();
}

#[tokio::test]
async fn only_valid_writes_to_writable_paths_are_taken() {
    let bus = Bus::start();
    let mut served = start(&bus, battery(snapshot::context())).await;
    served.up().await;
    let writes = [
        ("/CustomName", json!(["s", "House"]), true),
        ("/CustomName", json!(["s", "Garage \u{1f50b}"]), true),
        ("/CustomName", json!(["i", 5]), false),
        ("/CustomName", json!(["ai", []]), false),
        ("/CustomName", json!(["s", "two\nlines"]), false),
        ("/CustomName", json!(["s", "x".repeat(1000)]), false),
        ("/History/Clear", json!(["i", 0]), true),
        ("/History/Clear", json!(["u", 1]), true),
        ("/History/Clear", json!(["i", 2]), false),
        ("/History/Clear", json!(["s", "1"]), false),
        ("/Soc", json!(["d", 50.0]), false),
        ("/Info/MaxChargeCurrent", json!(["d", 500.0]), false),
        ("/ProductId", json!(["i", 1]), false),
        ("/Dc", json!(["i", 1]), false),
        ("/", json!(["i", 1]), false),
    ];
    let calls = writes.iter().map(|(path, value, _)| set(NAME, path, value.clone())).collect();
    for ((path, written, accepted), answer) in writes.iter().zip(bus.calls(calls).await) {
        assert_eq!(answer["signature"], "i", "{path}");
        assert_eq!(value(&answer)[1] == 0, *accepted, "{path} = {written}");
    }
    assert_eq!(served.event().await, BatteryServiceEvent::CustomName("Garage \u{1f50b}".to_owned()));
    assert_eq!(served.event().await, BatteryServiceEvent::ClearHistory);
    let asks = ["/CustomName", "/Soc", "/Info/MaxChargeCurrent", "/History/Clear"].map(|path| get(NAME, path, "GetValue"));
    let after = bus.calls(asks.to_vec()).await;
    let values: Vec<&Json> = after.iter().map(value).collect();
    assert_eq!(values, [&json!(["s", "Garage \u{1f50b}"]), &json!(["d", 71.5]), &json!(["d", 50.0]), &json!(["ai", []])]);
    served.end().await.unwrap();
}

#[tokio::test]
async fn a_write_that_nobody_can_act_on_is_refused() {
    let bus = Bus::start();
    let mut served = start(&bus, battery(snapshot::context())).await;
    served.up().await;
    served.events.close();
    let answers = bus.calls(vec![set(NAME, "/CustomName", json!(["s", "Lost"])), get(NAME, "/CustomName", "GetValue")]).await;
    assert_ne!(value(&answers[0])[1], 0);
    assert_eq!(*value(&answers[1]), json!(["s", "House"]));
    served.end().await.unwrap();
}

#[tokio::test]
async fn a_snapshot_is_one_signal_with_what_changed() {
    let bus = Bus::start();
    let mut served = start(&bus, battery(snapshot::context())).await;
    served.up().await;
    let mut watcher = bus.watch(NAME).await;
    let mut next = snapshot::discharging();
    served.show(next.clone());
    bus.call(get(NAME, "/Soc", "GetValue")).await;
    next.reading.voltage = Some(Volts::new(52.91));
    next.reading.cells[2] = Volts::milli(3311);
    served.show(next);
    // The previous snapshot was unchanged and sent nothing, so this is the first signal.
    assert_eq!(
        watcher.next().await["changed"],
        json!({
            "/Dc/0/Voltage": {"Value": ["d", 52.91], "Text": ["s", "52.91V"]},
            "/Voltages/Cell3": {"Value": ["d", 3.311], "Text": ["s", "3.311V"]},
        })
    );
    bus.call(set(NAME, "/CustomName", json!(["s", "Shed"]))).await;
    assert_eq!(watcher.next().await["changed"], json!({"/CustomName": {"Value": ["s", "Shed"], "Text": ["s", "Shed"]}}));
    served.show(snapshot::lost());
    let gone = watcher.next().await["changed"].clone();
    assert_eq!(gone["/Dc/0/Voltage"], json!({"Value": ["ai", []], "Text": ["s", "---"]}));
    assert_eq!(gone["/Info/MaxChargeCurrent"]["Value"], json!(["d", 0.0]));
    assert_eq!(gone["/Connected"]["Value"], json!(["i", 0]));
    served.end().await.unwrap();
}

/// Much more than the buffer of a socket.
const READINGS_WHILE_FROZEN: u32 = 5000;

#[tokio::test]
async fn a_bus_that_takes_nothing_gets_the_newest_values_later_and_no_queue() {
    let bus = Bus::start();
    let mut served = start(&bus, battery(snapshot::context())).await;
    served.up().await;
    let mut watcher = bus.watch(NAME).await;
    bus.freeze(true);
    let mut next = snapshot::discharging();
    for reading in 1..=READINGS_WHILE_FROZEN {
        next.reading.voltage = Some(Volts::milli(10_000 + 10 * reading));
        served.show(next.clone());
        // The service sends each of them as long as the socket accepts it.
        tokio::task::yield_now().await;
    }
    next.reading.cells[2] = Volts::milli(3444);
    served.show(next);
    bus.freeze(false);
    let mut signals = 0;
    let newest = loop {
        signals += 1;
        let changed = timeout(PATIENCE, watcher.next()).await.expect("a signal in time")["changed"].clone();
        if changed.get("/Voltages/Cell3").is_some() {
            break changed;
        }
    };
    assert_eq!(newest["/Dc/0/Voltage"]["Value"], json!(["d", 60.0]));
    assert!(signals < READINGS_WHILE_FROZEN / 4, "{signals} signals were waiting");
    served.end().await.unwrap();
}

#[tokio::test]
async fn everything_is_there_when_the_name_appears_and_safe_when_it_goes() {
    let bus = Bus::start();
    let mut watcher = bus.watch(NAME).await;
    let mut served = start(&bus, battery(snapshot::context())).await;
    served.up().await;
    let expected = Items::new(&snapshot::context(), &snapshot::discharging()).len();
    let first = watcher.next().await;
    assert_eq!((&first["owner"], first["items"].as_object().unwrap().len()), (&json!(true), expected));
    served.show(snapshot::lost());
    served.end().await.unwrap();
    let last = watcher.next().await["changed"].clone();
    for limit in ["/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"] {
        assert_eq!(last[limit]["Value"], json!(["d", 0.0]), "{limit}");
    }
    assert_eq!(watcher.next().await, json!({"owner": false}));
}

#[tokio::test]
async fn a_name_that_is_taken_is_an_error_and_never_queued_for() {
    let bus = Bus::start();
    let mut other = bus.own(&[NAME]).await;
    let served = start(&bus, battery(snapshot::context())).await;
    let error = timeout(PATIENCE, served.end).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(&error, DbusError::NameTaken(name) if name == NAME), "{error}");
    other.stop();
    let mut ask = get("org.freedesktop.DBus", "/org/freedesktop/DBus", "NameHasOwner");
    (ask.2, ask.4, ask.5) = ("org.freedesktop.DBus".to_owned(), "s".to_owned(), json!(NAME));
    assert_eq!(*value(&bus.call(ask).await), json!(["b", 0]));
}

#[tokio::test]
async fn a_lost_bus_and_an_absent_one_are_told_apart() {
    let mut bus = Bus::start();
    let mut served = start(&bus, battery(snapshot::context())).await;
    served.up().await;
    bus.kill();
    let error = timeout(PATIENCE, served.end).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, DbusError::Lost(_)), "{error}");
    let error = SettingsClient::connect(&bus.address()).await.unwrap_err();
    assert!(matches!(error, DbusError::Absent { .. }), "{error}");
}

#[tokio::test]
async fn the_settings_give_instance_and_name() {
    let bus = Bus::start();
    let device = "/Settings/Devices/jbd_0123456789";
    let _settings = bus
        .settings(&[
            "/Settings/Devices/other/ClassAndVrmInstance=battery:1",
            &format!("{device}/ClassAndVrmInstance=battery:7"),
            &format!("{device}/CustomName=Boat"),
        ])
        .await;
    let mut served = start(&bus, battery(snapshot::context())).await;
    assert_eq!(served.up().await, 7);
    assert_eq!(served.event().await, BatteryServiceEvent::CustomName("Boat".to_owned()), "other outputs want the name, too");
    let mut watcher = bus.watch(NAME).await;
    assert_eq!(*value(&bus.call(get(NAME, "/CustomName", "GetValue")).await), json!(["s", "Boat"]));

    // A name set through this driver is stored ...
    bus.call(set(NAME, "/CustomName", json!(["s", "Yacht"]))).await;
    assert_eq!(watcher.next().await["changed"]["/CustomName"]["Value"], json!(["s", "Yacht"]));
    assert_eq!(served.event().await, BatteryServiceEvent::CustomName("Yacht".to_owned()));
    let stored = get("com.victronenergy.settings", &format!("{device}/CustomName"), "GetValue");
    eventually(&bus, stored, json!(["s", "Yacht"])).await;
    // ... and one set there is shown.
    bus.call(set("com.victronenergy.settings", &format!("{device}/CustomName"), json!(["s", "Raft"]))).await;
    assert_eq!(watcher.next().await["changed"]["/CustomName"]["Value"], json!(["s", "Raft"]));
    assert_eq!(served.event().await, BatteryServiceEvent::CustomName("Raft".to_owned()));

    // A new instance requires a new appearance. The requested one is taken; the next free one applies.
    bus.call(set("com.victronenergy.settings", &format!("{device}/ClassAndVrmInstance"), json!(["s", "battery:1"]))).await;
    assert_eq!(watcher.next().await["owner"], false);
    assert_eq!(watcher.next().await["owner"], true);
    assert_eq!(served.up().await, 2);
    let now = bus.calls(vec![get(NAME, "/DeviceInstance", "GetValue"), get(NAME, "/CustomName", "GetValue")]).await;
    assert_eq!((value(&now[0]), value(&now[1])), (&json!(["i", 2]), &json!(["s", "Raft"])));
    served.end().await.unwrap();
}

/// Waits until a call returns `expected`.
async fn eventually(bus: &Bus, call: bus::Call, expected: Json) {
    // Several hundred calls, to allow for a busy machine.
    for _ in 0..1000 {
        if *value(&bus.call(call.clone()).await) == expected {
            return;
        }
    }
    panic!("{call:?} never answered {expected}");
}

#[tokio::test]
async fn without_settings_the_lowest_free_instance_is_taken_and_late_settings_are_adopted() {
    let bus = Bus::start();
    let _other = bus.own(&["com.victronenergy.battery.can0", "1"]).await;
    let mut served = start(&bus, battery(snapshot::context())).await;
    assert_eq!(served.up().await, 2);
    assert_eq!(*value(&bus.call(get(NAME, "/DeviceInstance", "GetValue")).await), json!(["i", 2]));
    // A name set meanwhile is kept when the settings appear.
    bus.call(set(NAME, "/CustomName", json!(["s", "Early"]))).await;
    assert_eq!(served.event().await, BatteryServiceEvent::CustomName("Early".to_owned()));
    let device = "/Settings/Devices/jbd_0123456789";
    let stored = format!("{device}/ClassAndVrmInstance=battery:5");
    let _settings = bus.settings(&[&stored, &format!("{device}/CustomName=Old")]).await;
    assert_eq!(served.up().await, 5);
    eventually(&bus, get(NAME, "/CustomName", "GetValue"), json!(["s", "Early"])).await;
    eventually(&bus, get("com.victronenergy.settings", &format!("{device}/CustomName"), "GetValue"), json!(["s", "Early"])).await;
    served.end().await.unwrap();
}

#[tokio::test]
async fn a_remembered_instance_beats_a_free_one() {
    let bus = Bus::start();
    let mut served = start(&bus, ServiceConfig { remembered: Some(9), ..battery(snapshot::context()) }).await;
    assert_eq!(served.up().await, 9);
    served.end().await.unwrap();
}

#[tokio::test]
async fn hung_settings_delay_the_start_but_not_the_answers() {
    let bus = Bus::start();
    let _settings = bus.settings(&["--hang"]).await;
    let mut served = start(&bus, ServiceConfig { remembered: Some(3), ..battery(snapshot::context()) }).await;
    assert_eq!(timeout(Duration::from_secs(5), served.up()).await.expect("a start in time"), 3);
    // How long a call takes on this machine, with the start of the client that makes it.
    let started = Instant::now();
    bus.call(get(NAME, "/CustomName", "GetValue")).await;
    let usual = started.elapsed();
    // The name is being written to the settings, which do not answer; calls are answered nevertheless.
    bus.call(set(NAME, "/CustomName", json!(["s", "Patient"]))).await;
    let answered = timeout(Duration::from_secs(1) + 2 * usual, bus.call(get(NAME, "/CustomName", "GetValue"))).await;
    assert_eq!(*value(&answered.expect("an answer at once")), json!(["s", "Patient"]));
    served.end().await.unwrap();
}

#[tokio::test]
async fn batteries_that_start_together_get_different_instances() {
    let bus = Bus::start();
    let settings = SettingsClient::connect(&bus.address()).await.unwrap();
    let one = |address: u8| ServiceConfig {
        name: service_name("/dev/ttyUSB0", Some(address)),
        device: DeviceId::new(&format!("daly_{address}")),
        ..battery(snapshot::context())
    };
    let mut all: Vec<Served> = (1..=4).map(|address| start_with(&bus, one(address), settings.clone())).collect();
    let mut instances = BTreeMap::new();
    for (address, served) in (1..).zip(&mut all) {
        instances.insert(served.up().await, address);
    }
    assert_eq!(instances.into_keys().collect::<Vec<u16>>(), [1, 2, 3, 4]);
    for served in all {
        served.end().await.unwrap();
    }
}
