//! `run` as a process on a pty and a private bus, from the first reading to the last signal.

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Answers, Board, replay, replay_daly, replay_jk, simulated, vector};
use bus::{Bus, get, set};
use driver::{Driver, Home, last_value, owner, until, wait, wait_for_path};
use rustix::process::Signal;
use serde_json::{Map, Value as Json, json};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

const NAME: &str = "com.victronenergy.battery.ttyUSB7";
/// JBD's requests for basic information and cell voltages.
const BASIC: &[u8] = &[0xDD, 0xA5, 0x03, 0x00, 0xFF, 0xFD, 0x77];
const CELLS: &[u8] = &[0xDD, 0xA5, 0x04, 0x00, 0xFF, 0xFC, 0x77];
const INVALID: &str = r#"["ai",[]]"#;

fn invalid() -> Json {
    serde_json::from_str(INVALID).unwrap()
}

/// Values of a reading expected on the bus.
fn expected(reading: &Map<String, Json>) -> Vec<(String, Json)> {
    let doubles = [
        ("voltage_v", "/Dc/0/Voltage"),
        ("current_a", "/Dc/0/Current"),
        ("soc_pct", "/Soc"),
        ("remaining_ah", "/Capacity"),
        ("capacity_ah", "/InstalledCapacity"),
    ];
    let mut all: Vec<(String, Json)> = Vec::new();
    for (key, path) in doubles {
        if let Some(value) = reading.get(key).and_then(Json::as_f64) {
            // Some boards report thousandths; the bus has hundredths.
            all.push((path.to_owned(), json!(["d", (value * 100.0).round() / 100.0])));
        }
    }
    // Venus OS supports four temperature sensors.
    let lists = [("cell_voltages_v", "/Voltages/Cell", 32), ("temperatures_c", "/System/Temperature", 4)];
    for (key, path, most) in lists {
        for (value, number) in reading.get(key).and_then(Json::as_array).into_iter().flatten().zip(1..=most) {
            all.push((format!("{path}{number}"), json!(["d", value.as_f64().unwrap()])));
        }
    }
    for (key, path) in [("cell_count", "/System/NrOfCellsPerBattery"), ("cycles", "/History/ChargeCycles")] {
        if let Some(value) = reading.get(key) {
            all.push((path.to_owned(), json!(["i", value])));
        }
    }
    for (key, path) in [("charge_fet", "/Io/AllowToCharge"), ("discharge_fet", "/Io/AllowToDischarge")] {
        if let Some(on) = reading.get(key).and_then(Json::as_bool) {
            all.push((path.to_owned(), json!(["i", i32::from(on)])));
        }
    }
    if let Some(version) = reading.get("sw_version") {
        all.push(("/FirmwareVersion".to_owned(), json!(["s", version])));
    }
    all
}

#[tokio::test]
async fn recorded_frames_become_the_values_on_the_bus() {
    for recorded in ["jbd/readme-4s", "jbd/sp15s001-11s"] {
        let (home, bus) = (Home::new(), Bus::start());
        let mut watcher = bus.watch(NAME).await;
        // The model belongs to another board: neither of the two recordings has one.
        let board = Board::on_pty(&home.path("ttyUSB7"), replay(&[recorded, "jbd/sp04s034"]));
        let driver = home.configure("chemistry = \"nmc\"\n").run(&bus, &board.port, &[]);
        until(&mut watcher, owner(true)).await;
        let items = bus.items(NAME).await.unwrap();
        for (path, value) in expected(&vector(recorded).readings[0]) {
            assert_eq!(items.get(&path), Some(&value), "{recorded}: {path}");
        }
        assert_eq!(items["/DeviceName"], json!(["s", "JBD-SP04S034-L4S-200A-B-U"]));
        assert_eq!(items["/Mgmt/Connection"], json!(["s", "Serial ttyUSB7"]));
        assert_eq!(items["/Connected"], json!(["i", 1]));
        driver.stop();
    }
}

#[tokio::test]
async fn recorded_frames_of_every_family_become_the_values_on_the_bus() {
    let families: [(&str, Answers, &str, &[&str]); 5] = [
        ("jk/armin-16s-idle", replay_jk("jk/armin-16s-idle", 52.0), "", &[]),
        ("jk-pb/v15.41-poll", replay(&["jk-pb/v15.41-poll"]), "", &["--addresses", "3"]),
        ("daly/r24ts-14s-session", replay_daly("daly/r24ts-14s-session"), "chemistry = \"nmc\"\n", &[]),
        ("daly-modbus/btsnoop-16s-1", replay(&["daly-modbus/btsnoop-16s-1"]), "", &[]),
        ("topbms/150ah-16s-pack1", replay(&["topbms/150ah-16s-pack1"]), "", &[]),
    ];
    for (recorded, answers, settings, options) in families {
        let (home, bus) = (Home::new(), Bus::start());
        let name = if options.is_empty() { NAME.to_owned() } else { format!("{NAME}__3") };
        let mut watcher = bus.watch(&name).await;
        let board = Board::on_pty(&home.path("ttyUSB7"), answers);
        let driver = home.configure(settings).run(&bus, &board.port, options);
        until(&mut watcher, owner(true)).await;
        let items = bus.items(&name).await.unwrap();
        for (path, value) in expected(&vector(recorded).readings[0]) {
            assert_eq!(items.get(&path), Some(&value), "{recorded}: {path}");
        }
        driver.stop();
    }
}

#[tokio::test]
async fn strangers_read_the_same_with_busctl_and_dbus_send() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), replay(&["jbd/readme-4s", "jbd/sp04s034"]));
    let _driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let interface = "com.victronenergy.BusItem";
    for (path, value) in
        [("/Dc/0/Voltage", "v d 15.47"), ("/Soc", "v d 99"), ("/Voltages/Cell2", "v d 3.868"), ("/ProductId", "v i 56069")]
    {
        assert_eq!(bus.busctl(&["call", NAME, path, interface, "GetValue"]).await.trim(), value, "{path}");
    }
    let sent = bus.dbus_send(&[&format!("--dest={NAME}"), "/Voltages/Cell4", &format!("{interface}.GetValue")]).await;
    assert!(sent.trim_end().ends_with("variant       double 3.869"), "{sent}");
    let text = bus.dbus_send(&[&format!("--dest={NAME}"), "/Dc/0/Voltage", &format!("{interface}.GetText")]).await;
    assert!(text.trim_end().ends_with("string \"15.47V\""), "{text}");
}

#[tokio::test]
async fn the_name_comes_with_the_first_complete_reading() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), replay(&["jbd/readme-4s"]));
    let driver = home.run(&bus, &board.port, &[]);
    let seen = until(&mut watcher, owner(true)).await;
    assert_eq!(seen.len(), 1, "no signal comes before the name: {seen:#?}");
    assert!(seen[0]["items"].as_object().unwrap().len() > 80, "all paths are there with the name: {seen:#?}");
    // Basic information alone identifies the board, but a reading needs the cells as well.
    assert!(board.count(CELLS) >= 1, "the cells were read before");
    // Including the probe: the bound is generous, the budget is measured elsewhere.
    let ended = driver.stop();
    assert!(ended.after < Duration::from_secs(5), "{ended:#?}");
}

#[tokio::test]
async fn a_battery_without_cell_voltages_never_gets_a_name() {
    let (home, bus) = (Home::new(), Bus::start());
    // This recording has basic information and model, but no cells.
    let board = Board::on_pty(&home.path("ttyUSB7"), replay(&["jbd/sp04s034"]));
    let ended = home.run(&bus, &board.port, &["--bms", "jbd"]).end();
    ended.assert(3, &["no BMS answered", "no cell voltages came"]);
    assert_eq!(bus.items(NAME).await, None);
}

#[tokio::test]
async fn a_reading_is_one_signal_at_most() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let _driver = home.configure("poll_interval_s = 0.2\n").run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let before = board.count(BASIC);
    let mut signals = 0;
    while board.count(BASIC) - before < 20 {
        until(&mut watcher, |event| event.get("changed").is_some()).await;
        signals += 1;
    }
    let readings = board.count(BASIC) - before;
    // Values of a simulated battery change with nearly every reading; one may have been in transit when counting began.
    assert!((10..=readings + 1).contains(&signals), "{signals} signals for {readings} readings");
}

#[tokio::test]
async fn a_signal_ends_with_limits_at_zero_and_the_name_released() {
    // The last one: the terminal of an SSH session closes.
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (home, bus) = (Home::new(), Bus::start());
        let mut watcher = bus.watch(NAME).await;
        let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
        let driver = home.run(&bus, &board.port, &[]);
        until(&mut watcher, owner(true)).await;
        let items = bus.items(NAME).await.unwrap();
        assert!(items["/Info/MaxChargeCurrent"][1].as_f64().unwrap() > 0.0, "a test of a fall starts high");
        driver.signal(signal);
        let ended = driver.end();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        assert_safe_goodbye(&until(&mut watcher, owner(false)).await);
        let kept = home.state("jbd_ttyUSB7.json").expect("a state file");
        assert_eq!(kept["instance"], json!(1), "{kept}");
        assert!(kept["history"]["max_voltage"].as_f64().unwrap() > 40.0, "{kept}");
    }
}

/// `nohup dbus-bms run …` survives its terminal, as intended by its user.
#[tokio::test]
async fn a_program_that_was_started_to_outlive_its_terminal_does() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let address = bus.address().to_string();
    let program = home.command(&["run", &board.port, "--bus", &address]);
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    shell.stdin(std::process::Stdio::null()).env_clear();
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let driver = Driver::start(shell);
    until(&mut watcher, owner(true)).await;
    driver.signal(Signal::HUP);
    driver.stop().assert(0, &["stopping: SIGTERM"]);
}

/// systemd is notified that the driver is alive, at both kinds of addresses, and only if configured.
#[tokio::test]
async fn a_supervisor_is_told_that_the_driver_turns() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let address = bus.address().to_string();
    let path = home.path("notify").display().to_string();
    let abstracted = format!("dbus-bms-test-{}", std::process::id());
    let hidden = std::os::unix::net::SocketAddr::from_abstract_name(&abstracted).unwrap();
    for (name, socket) in
        [(path.clone(), UnixDatagram::bind(&path).unwrap()), (format!("@{abstracted}"), UnixDatagram::bind_addr(&hidden).unwrap())]
    {
        socket.set_read_timeout(Some(driver::PATIENCE)).unwrap();
        let mut command = home.command(&["run", &board.port, "--bus", &address]);
        command.env("NOTIFY_SOCKET", &name).env("WATCHDOG_USEC", "90000000");
        let driver = Driver::start(command);
        let mut said = [0; 64];
        for _ in 0..3 {
            let count = socket.recv(&mut said).unwrap_or_else(|error| panic!("{name}: {error}: {:#?}", driver.log()));
            assert_eq!(&said[..count], b"WATCHDOG=1");
        }
        driver.stop();
    }
    // Another process is monitored.
    let socket = UnixDatagram::bind(home.path("other")).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut watcher = bus.watch(NAME).await;
    let mut command = home.command(&["run", &board.port, "--bus", &address]);
    command.env("NOTIFY_SOCKET", home.path("other")).env("WATCHDOG_USEC", "90000000").env("WATCHDOG_PID", "1");
    let driver = Driver::start(command);
    until(&mut watcher, owner(true)).await;
    driver.stop();
    assert!(socket.recv(&mut [0; 64]).is_err());
}

/// The last signal before the name is released: charging forbidden, values unknown.
fn assert_safe_goodbye(events: &[Json]) {
    let [.., last, _gone] = events else { panic!("no last signal: {events:#?}") };
    for limit in ["/Info/MaxChargeCurrent", "/Info/MaxDischargeCurrent"] {
        assert_eq!(last["changed"][limit]["Value"], json!(["d", 0.0]), "{limit}: {last:#?}");
    }
    for value in ["/Dc/0/Voltage", "/Dc/0/Current", "/Soc", "/Voltages/Cell1"] {
        assert_eq!(last["changed"][value]["Value"], invalid(), "{value}: {last:#?}");
    }
    // The voltage limit is a finite number to the end.
    if let Some(limit) = last["changed"].get("/Info/MaxChargeVoltage") {
        assert!(limit["Value"][1].as_f64().is_some_and(|volts| volts > 0.0), "{limit}");
    }
}

#[tokio::test]
async fn what_is_remembered_survives_a_kill() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    // Another battery has the first instance.
    let other = bus.own(&["com.victronenergy.battery.can0", "1"]).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), replay(&["jbd/sp15s001-11s"]));
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    assert_eq!(bus.items(NAME).await.unwrap()["/DeviceInstance"], json!(["i", 2]));
    bus.call(set(NAME, "/CustomName", json!(["s", "Cellar"]))).await;
    wait(|| home.state("jbd_ttyUSB7.json").filter(|kept| kept["custom_name"] == "Cellar")).expect("the name is kept at once");
    driver.signal(Signal::KILL);
    assert_eq!(driver.end().code, None);
    until(&mut watcher, owner(false)).await;
    drop((other, board));

    // The same port, now with a smaller battery: history and instance are kept, although instance 1 is free again.
    let board = Board::on_pty(&home.path("ttyUSB7"), replay(&["jbd/readme-4s"]));
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let items = bus.items(NAME).await.unwrap();
    assert_eq!(items["/DeviceInstance"], json!(["i", 2]));
    assert_eq!(items["/CustomName"], json!(["s", "Cellar"]));
    assert_eq!(items["/History/MaximumVoltage"], json!(["d", 44.08]));
    assert_eq!(items["/History/MinimumVoltage"], json!(["d", 15.47]));
    driver.stop();
}

#[tokio::test]
async fn the_settings_of_the_gx_give_the_instance() {
    let (home, bus) = (Home::new(), Bus::start());
    let stored = "/Settings/Devices/jbd_ttyUSB7/ClassAndVrmInstance=battery:6";
    let _settings = bus.settings(&[stored, "/Settings/Devices/jbd_ttyUSB7/CustomName=Boat"]).await;
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), replay(&["jbd/readme-4s"]));
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let items = bus.items(NAME).await.unwrap();
    assert_eq!((&items["/DeviceInstance"], &items["/CustomName"]), (&json!(["i", 6]), &json!(["s", "Boat"])));
    driver.stop();
}

/// Short stages, so that a test does not wait ten seconds for each.
const QUICK_SILENCE: &str = "poll_interval_s = 0.2\n[silence]\nvalues_after_s = 2\ncable_warning_after_s = 4\n\
                             cable_alarm_after_s = 5\ncharge_fade_s = 1\n";

#[tokio::test]
async fn silence_takes_values_and_limits_away_but_not_the_service() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let driver = home.configure(QUICK_SILENCE).run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    let charge = |items: &Map<String, Json>| items["/Info/MaxChargeCurrent"][1].as_f64().unwrap();
    let full = charge(&bus.items(NAME).await.unwrap());
    assert!(full > 0.0, "a test of a fall starts high");

    board.set_silent(true);
    let to = |path: &'static str, value: Json| move |event: &Json| event["changed"][path]["Value"] == value;
    let seen = until(&mut watcher, to("/Alarms/BmsCable", json!(["i", 2]))).await;
    let first = |is_it: &dyn Fn(&Json) -> bool| seen.iter().position(is_it).unwrap_or_else(|| panic!("{seen:#?}"));
    let stages = [
        first(&to("/Dc/0/Voltage", invalid())),
        first(&to("/Info/MaxChargeCurrent", json!(["d", 0.0]))),
        first(&to("/Alarms/BmsCable", json!(["i", 1]))),
    ];
    assert!(stages.is_sorted() && stages[0] < stages[2], "{stages:?} of {seen:#?}");
    for (path, value) in [("/Info/MaxDischargeCurrent", json!(["d", 0.0])), ("/Connected", json!(["i", 0])), ("/Soc", invalid())] {
        assert_eq!(last_value(&seen, path), Some(&value), "{path}");
    }
    assert!(seen.iter().all(|event| event.get("owner").is_none()), "the service stays: {seen:#?}");
    let lost = bus.items(NAME).await.unwrap();
    assert!(lost["/Info/MaxChargeVoltage"][1].as_f64().unwrap() > 0.0, "a voltage limit is always a number");
    let complaints = driver.log().iter().filter(|line| line.starts_with("WARN") || line.starts_with("ERROR")).count();
    assert!((2..=5).contains(&complaints), "one line a stage, not one a poll: {:#?}", driver.log());

    board.set_silent(false);
    let back = until(&mut watcher, to("/Alarms/BmsCable", json!(["i", 0]))).await;
    let volts = last_value(&back, "/Dc/0/Voltage").and_then(|value| value[1].as_f64());
    assert!(volts.is_some_and(|volts| volts > 40.0), "{back:#?}");
    assert!(charge(&bus.items(NAME).await.unwrap()) < full / 2.0, "limits return by a ramp");
    driver.wait_for_log("answers again");
    driver.stop();
}

#[tokio::test]
async fn who_only_observes_publishes_no_limits_but_says_them() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let driver = home.run(&bus, &board.port, &["--observe"]);
    until(&mut watcher, owner(true)).await;
    let items = bus.items(NAME).await.unwrap();
    assert!(items.keys().all(|path| !path.starts_with("/Info/Max")), "{:?}", items.keys());
    assert!(items["/Info/ChargeLimitation"][1].as_str().unwrap().starts_with("Observing, would be"), "{items:#?}");
    driver.wait_for_log("limits would be CVL");
    driver.stop();
}

#[tokio::test]
async fn addresses_for_a_bms_without_any_are_said_and_ignored() {
    let (home, bus) = (Home::new(), Bus::start());
    let mut watcher = bus.watch(NAME).await;
    let board = Board::on_pty(&home.path("ttyUSB7"), replay(&["jbd/readme-4s"]));
    let driver = home.run(&bus, &board.port, &["--bms", "jbd", "--addresses", "1"]);
    until(&mut watcher, owner(true)).await;
    driver.wait_for_log("has no bus addresses");
    assert!(bus.call(get(NAME, "/Soc", "GetValue")).await["value"][1] == 99.0);
    driver.stop();
}

#[tokio::test]
async fn batteries_on_one_line_have_a_service_each_and_one_may_fall_silent() {
    let (home, bus) = (Home::new(), Bus::start());
    let names = [1, 2].map(|address| format!("{NAME}__{address}"));
    let mut watcher = bus.watch(&names[1]).await;
    let (link, scenario) = (home.path("ttyUSB7"), home.path("scenario.toml"));
    std::fs::write(&scenario, "[[step]]\nt = 15\naddress = 2\nsilent = true\n").unwrap();
    let (port, scenario) = (link.display().to_string(), scenario.display().to_string());
    let _board = home.start(&["simulate", "topbms", "--addresses", "1,2", "--link", &port, "--scenario", &scenario]);
    wait_for_path(&link, true);
    let driver = home.configure(QUICK_SILENCE).run(&bus, &port, &["--bms", "topbms", "--addresses", "1,2"]);
    until(&mut watcher, owner(true)).await;
    wait(|| (driver.log().iter().filter(|line| line.contains("is on D-Bus")).count() == 2).then_some(())).expect("two services");
    let items = [bus.items(&names[0]).await.unwrap(), bus.items(&names[1]).await.unwrap()];
    let instances = items.iter().map(|items| items["/DeviceInstance"][1].as_i64().unwrap());
    assert_eq!(instances.collect::<std::collections::BTreeSet<_>>().len(), 2);
    assert!(items.iter().all(|items| items["/Dc/0/Voltage"][1].is_number()), "{items:#?}");

    // A lost battery costs the other one no values, however long it is absent.
    until(&mut watcher, |event| event["changed"]["/Alarms/BmsCable"]["Value"] == json!(["i", 2])).await;
    assert!(bus.items(&names[0]).await.unwrap()["/Dc/0/Voltage"][1].is_number());
    assert_eq!(bus.items(&names[1]).await.unwrap()["/Dc/0/Voltage"], invalid());
    assert!(!driver.log().iter().any(|line| line.contains("address 1: no data")), "{:#?}", driver.log());
    driver.stop();
}
