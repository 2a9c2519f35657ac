//! The program and a real broker: retained messages, a crash of either side, and a battery that never waits.

use crate::support::board::{Board, simulated};
use crate::support::broker::{Broker, Observer};
use crate::support::driver::{Driver, Home, wait};
use crate::support::{free_port, http};
use rustix::process::Signal;
use serde_json::Value as Json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const ID: &str = "jbd_ttyTEST0";
/// The availability of a program whose client ID is configured.
const PROGRAM: &str = "dbus-bms/availability/test";

/// A battery on a pty.
pub(crate) fn battery(home: &Home) -> Board {
    Board::on_pty(&home.path("ttyTEST0"), simulated())
}

/// The program with these lines in `[mqtt]`, without D-Bus.
pub(crate) fn run(home: &Home, board: &Board, port: u16, lines: &str) -> Driver {
    run_as(home, board, port, &format!("client_id = \"test\"\n{lines}"))
}

fn run_as(home: &Home, board: &Board, port: u16, lines: &str) -> Driver {
    home.configure(&format!(
        "bms = [\"jbd\"]\ndbus.required = false\ndbus.bus = \"unix:path={}\"\nsilence.values_after_s = 3.0\n\
         [mqtt]\nenabled = true\nhost = \"127.0.0.1\"\nport = {port}\ninterval_s = 1.0\n{lines}",
        home.path("nobus").display()
    ));
    home.start(&["run", &board.port])
}

fn topic(end: &str) -> String {
    format!("dbus-bms/{ID}/{end}")
}

fn announced() -> String {
    format!("homeassistant/device/dbus-bms_{ID}/config")
}

/// A state message that contains the freshness of its data.
pub(crate) fn state(observer: &Observer, freshness: &str) -> Json {
    let quoted = format!("\"freshness\":\"{freshness}\"");
    let seen = observer.wait_for(|seen| seen.topic == topic("state") && seen.payload.contains(&quoted));
    assert!(!seen.retained, "a measured value is never kept");
    serde_json::from_str(&seen.payload).unwrap()
}

/// Messages retained by the broker for later subscribers.
fn kept(broker: &Broker) -> Vec<(String, String)> {
    let all = broker.observe("#").all().into_iter().filter(|seen| seen.retained);
    all.map(|seen| (seen.topic, seen.payload)).collect()
}

#[test]
fn values_are_told_and_the_last_word_is_offline() {
    let home = Home::new();
    let (broker, board) = (Broker::start(&home), battery(&home));
    let observer = broker.observe("#");
    let driver = run(&home, &board, broker.port, "single_values = true\nhome_assistant = true\nberrybms = true\njk_pylon = true\n");
    let told = state(&observer, "fresh");
    assert!(told["voltage_v"].is_number() && told["soh_pct"].is_null(), "{told}");
    observer.wait_on(&topic("voltage_v"));
    observer.wait_on("berrybms");
    observer.wait_on("jk_pylon/Battery_charge_current_limit");
    observer.wait_text(&topic("availability"), "online");
    let mut topics: Vec<_> = kept(&broker).into_iter().map(|(topic, _)| topic).collect();
    topics.sort();
    let program = "homeassistant/device/dbus-bms_program_test/config";
    assert_eq!(topics, [PROGRAM, &topic("availability"), &topic("program"), &announced(), program].map(str::to_owned));
    driver.stop();
    observer.wait_text(PROGRAM, "offline");
    observer.wait_text(&topic("availability"), "offline");
}

#[test]
fn a_silent_battery_is_offline_without_values_and_comes_back() {
    let home = Home::new();
    let (broker, board) = (Broker::start(&home), battery(&home));
    let observer = broker.observe("#");
    let _driver = run(&home, &board, broker.port, "single_values = true\n");
    observer.wait_text(&topic("availability"), "online");
    board.set_silent(true);
    let told = state(&observer, "stale");
    assert_eq!((&told["voltage_v"], &told["cell_voltages_v"], &told["soc_pct"]), (&Json::Null, &Json::Null, &Json::Null));
    assert!(told["limits"]["ccl_a"].is_number(), "limits stay in force");
    observer.wait_text(&topic("availability"), "offline");
    observer.wait_text(&topic("cell_voltages_v/16"), "null");
    observer.forget();
    board.set_silent(false);
    state(&observer, "fresh");
    observer.wait_text(&topic("availability"), "online");
}

#[test]
fn killed_without_a_word_it_is_offline_by_its_last_will() {
    let home = Home::new();
    let (broker, board) = (Broker::start(&home), battery(&home));
    let observer = broker.observe("dbus-bms/#");
    let driver = run(&home, &board, broker.port, "");
    observer.wait_text(&topic("availability"), "online");
    observer.forget();
    driver.signal(Signal::KILL);
    let last = observer.wait_on(PROGRAM);
    assert_eq!(last.payload, "offline");
    assert!(kept(&broker).contains(&(PROGRAM.to_owned(), "offline".to_owned())));
    drop(driver);
    let _driver = run(&home, &board, broker.port, "");
    observer.wait_text(PROGRAM, "online");
}

#[test]
fn two_programs_on_one_broker_leave_each_other_alone() {
    let homes = [Home::new(), Home::new()];
    let broker = Broker::start(&homes[0]);
    let observer = broker.observe("#");
    let boards = [0, 1].map(|place: usize| Board::on_pty(&homes[place].path(&format!("ttyTEST{place}")), simulated()));
    let lines = |id: &str| format!("home_assistant = true\nclient_id = \"{id}\"\n");
    let [first, second] = [0, 1].map(|place: usize| {
        let own = run_as(&homes[place], &boards[place], broker.port, &lines(["east", "west"][place]));
        observer.wait_text(&format!("dbus-bms/jbd_ttyTEST{place}/availability"), "online");
        own
    });
    observer.forget();
    first.signal(Signal::KILL);
    observer.wait_text("dbus-bms/availability/east", "offline");
    let kept = kept(&broker);
    let keeps = |topic: &str, payload: &str| assert!(kept.contains(&(topic.to_owned(), payload.to_owned())), "{topic}: {kept:?}");
    keeps("dbus-bms/availability/west", "online");
    keeps("dbus-bms/jbd_ttyTEST1/availability", "online");
    let announced = kept.iter().find(|(topic, _)| topic == "homeassistant/device/dbus-bms_jbd_ttyTEST1/config").unwrap();
    let announced: Json = serde_json::from_str(&announced.1).unwrap();
    let topics = announced["availability"].as_array().unwrap().iter().map(|one| one["topic"].as_str().unwrap());
    assert_eq!(topics.collect::<Vec<_>>(), ["dbus-bms/availability/west", "dbus-bms/jbd_ttyTEST1/availability"]);
    // The battery is plugged into the other computer, and the first one is back without it.
    observer.forget();
    drop(first);
    drop(second);
    observer.wait_text("dbus-bms/availability/west", "offline");
    let moved = run_as(&homes[1], &boards[0], broker.port, &lines("west"));
    observer.wait_text(&topic("program"), "west");
    observer.wait_text(&topic("availability"), "online");
    moved.stop();
}

#[test]
fn commands_come_from_a_broker_that_knows_its_users() {
    let home = Home::new();
    let (broker, board) = (Broker::with_user(&home, "owner", "correct-horse"), battery(&home));
    let login = "user = \"owner\"\npassword = \"correct-horse\"\ncommands = true\n";
    broker.publish(&topic("set/override"), "ccl 3 for 600", true);
    let driver = run(&home, &board, broker.port, &format!("{login}[commands]\nenabled = true\n"));
    let observer = broker.observe("dbus-bms/#");
    observer.wait_text(&topic("availability"), "online");
    let answer = |observer: &Observer| serde_json::from_str::<Json>(&observer.wait_on(&topic("answer")).payload).unwrap();
    let controls = |is_it: &dyn Fn(&Json) -> bool| {
        observer.wait_for(|seen| {
            seen.topic == topic("state") && serde_json::from_str::<Json>(&seen.payload).is_ok_and(|state| is_it(&state["controls"]))
        })
    };
    controls(&|controls| controls["ccl_a"].is_null());
    observer.forget();
    broker.publish(&topic("set/override"), "ccl 12.5 for 600", false);
    let reply = answer(&observer);
    assert_eq!((&reply["code"], &reply["request"]), (&0.into(), &"override ccl 12.5 for 600".into()), "{reply}");
    controls(&|controls| controls["ccl_a"] == 12.5 && controls["ccl_until"].is_string());
    broker.publish(&topic("set/override"), "ccl 2 for 2", false);
    controls(&|controls| controls["ccl_a"] == 2.0);
    observer.forget();
    controls(&|controls| controls["ccl_a"].is_null());
    observer.forget();
    broker.publish(&topic("set/charge"), "off", false);
    assert_eq!(answer(&observer)["code"], 0);
    controls(&|controls| controls["charge"] == false);
    observer.forget();
    broker.publish(&topic("set/charge"), "perhaps", false);
    assert_eq!(answer(&observer)["code"], 1);
    driver.stop();
}

#[test]
fn a_broker_that_restarts_is_told_everything_again() {
    let home = Home::new();
    let (mut broker, board) = (Broker::start(&home), battery(&home));
    let driver = run(&home, &board, broker.port, "home_assistant = true\n");
    broker.observe("#").wait_text(&topic("availability"), "online");
    broker.kill();
    driver.wait_for_log("closed the connection");
    // Unreachable for several attempts, which are logged once.
    driver.wait_for_log("is not running there");
    let tries = std::time::Instant::now();
    wait(|| (tries.elapsed().as_secs() >= 4).then_some(()));
    broker.begin();
    let observer = broker.observe("#");
    state(&observer, "fresh");
    observer.wait_text(PROGRAM, "online");
    observer.wait_text(&topic("availability"), "online");
    observer.wait_on(&announced());
    let log = driver.log();
    let count = |words: &str| log.iter().filter(|line| line.contains(words)).count();
    assert_eq!((count("closed the connection"), count("not running there"), count("connected")), (1, 1, 3), "{log:#?}");
    driver.stop();
}

#[test]
fn home_assistant_that_starts_is_told_again_and_one_that_is_not_wanted_forgets() {
    let home = Home::new();
    let (broker, board) = (Broker::start(&home), battery(&home));
    let driver = run(&home, &board, broker.port, "home_assistant = true\n");
    let observer = broker.observe("#");
    observer.wait_text(&topic("availability"), "online");
    observer.forget();
    broker.publish("homeassistant/status", "online", false);
    assert!(!observer.wait_on(&announced()).payload.is_empty());
    state(&observer, "fresh");
    driver.stop();
    assert!(kept(&broker).iter().any(|(topic, _)| *topic == announced()), "it outlives the program");
    let driver = run(&home, &board, broker.port, "home_assistant = false\n");
    observer.wait_for(|seen| seen.topic == announced() && seen.payload.is_empty());
    assert!(!kept(&broker).iter().any(|(topic, _)| *topic == announced()));
    driver.stop();
}

#[test]
fn a_wrong_password_is_said_once_and_never_told() {
    let home = Home::new();
    let (broker, board) = (Broker::with_user(&home, "owner", "correct-horse"), battery(&home));
    let config = |password: &str| format!("user = \"owner\"\n{password}\n");
    let driver = run(&home, &board, broker.port, &config("password = \"tr0ub4dor-and-3\""));
    driver.wait_for_log("refuses user and password");
    wait(|| (broker.log().matches("not authorised").count() >= 3).then_some(())).expect("several tries");
    let log = driver.stop().log;
    assert_eq!(log.iter().filter(|line| line.contains("refuses user and password")).count(), 1, "{log:#?}");
    assert!(!log.join("\n").contains("tr0ub4dor"), "{log:#?}");
    std::fs::write(home.path("secret"), "correct-horse\n").unwrap();
    let lines = config(&format!("password_file = \"{}\"", home.path("secret").display()));
    let driver = run(&home, &board, broker.port, &lines);
    broker.observe("#").wait_text(&topic("availability"), "online");
    driver.stop();
}

#[test]
fn a_broker_that_hangs_does_not_slow_the_battery() {
    let home = Home::new();
    let (broker, board) = (Broker::start(&home), battery(&home));
    let driver = run(&home, &board, broker.port, "single_values = true\nhome_assistant = true\n");
    broker.observe("#").wait_text(&topic("availability"), "online");
    let polls = |seconds: f64| {
        let (before, start) = (board.heard().len(), std::time::Instant::now());
        wait(|| (start.elapsed().as_secs_f64() >= seconds).then_some(()));
        (board.heard().len() - before) as f64 / start.elapsed().as_secs_f64()
    };
    let usual = polls(4.0);
    broker.freeze(true);
    let meanwhile = polls(8.0);
    assert!(usual > 0.0 && meanwhile > usual * 0.6, "{usual} bytes of requests a second before, {meanwhile} meanwhile");
    let started = std::time::Instant::now();
    driver.stop();
    assert!(started.elapsed().as_secs() < 8, "nor does it keep the driver from ending");
    broker.freeze(false);
}

#[test]
fn somebody_else_on_the_port_is_named() {
    let home = Home::new();
    let board = battery(&home);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\xff\x00\xff\x7f\x20\x02\x00\x00");
        }
    });
    let driver = run(&home, &board, port, "");
    driver.wait_for_log("does not speak MQTT");
    let ended = driver.stop();
    assert!(!ended.log.iter().any(|line| line.contains("panicked")), "{ended:#?}");
}

/// A broker that accepts one client and sends the same message as fast as possible; returns the client's packets.
fn flooding() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = told.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 256]);
            let _ = stream.write_all(&[0x20, 2, 0, 0]);
            let (mut from, kept) = (stream.try_clone().unwrap(), kept.clone());
            std::thread::spawn(move || {
                let mut buf = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut buf) {
                    kept.lock().unwrap().extend_from_slice(&buf[..count]);
                }
            });
            let message = [&[0x30, 28, 0, 20][..], b"homeassistant/status", b"online"].concat().repeat(100);
            while stream.write_all(&message).is_ok() {}
        }
    });
    (port, told)
}

#[test]
fn a_broker_that_floods_us_is_named_once_and_told_all_the_same() {
    let home = Home::new();
    let board = battery(&home);
    let (port, told) = flooding();
    let driver = run(&home, &board, port, "home_assistant = true\n");
    driver.wait_for_log("sends far more messages than expected; the excess is dropped. Check who publishes on dbus-bms/+/program");
    let states = || String::from_utf8_lossy(&told.lock().unwrap()).matches(&topic("state")).count();
    let before = states();
    wait(|| (states() >= before + 4).then_some(())).expect("values go on being told");
    let ended = driver.stop();
    let said = |words: &str| ended.log.iter().filter(|line| line.contains(words)).count();
    assert_eq!((said("more messages than expected"), said("connected"), said("panicked")), (1, 2, 0), "{ended:#?}");
}

#[test]
fn the_power_of_the_grid_reaches_the_guard() {
    let home = Home::new();
    let (broker, board) = (Broker::start(&home), battery(&home));
    let observer = broker.observe("dbus-bms/#");
    broker.publish("meter/power", "{\"power\": 5000}", true);
    let driver = run(&home, &board, broker.port, "[oscillation]\nmqtt_topic = \"meter/power\"\nmqtt_key = \"power\"\n");
    observer.wait_text(&topic("availability"), "online");
    wait(|| broker.log().contains("meter/power (QoS 0)").then_some(())).expect("the subscription");
    broker.publish("meter/power", "no number", false);
    driver.wait_for_log("no power value in W");
    assert!(!driver.log().iter().any(|line| line.contains("receiving grid power")), "a kept value may be old");
    for number in 0..10 {
        broker.publish("meter/power", if number % 2 == 0 { "{\"power\": 800}" } else { "{\"power\": -800.5}" }, false);
    }
    driver.wait_for_log("receiving grid power");
    observer.wait_for(|seen| seen.topic == topic("state") && seen.payload.contains("inverters oscillate: limits cut"));
    driver.stop();
}

#[test]
fn the_power_of_the_grid_is_shown_everywhere_until_it_is_old() {
    let home = Home::new();
    let (broker, board, page) = (Broker::start(&home), battery(&home), http::free());
    let observer = broker.observe("#");
    let more = format!(
        "jk_pylon = true\nhome_assistant = true\nsingle_values = true\n[oscillation]\nmqtt_topic = \"meter/power\"\n\
         [web]\nenabled = true\nlisten = \"{page}\"\n"
    );
    let driver = run(&home, &board, broker.port, &more);
    observer.wait_text("dbus-bms/devices/grid/availability", "offline");
    wait(|| broker.log().contains("meter/power (QoS 0)").then_some(())).expect("the subscription");
    for watts in ["100", "200.04", "-900"] {
        broker.publish("meter/power", watts, false);
    }
    observer.wait_text("dbus-bms/devices/grid/availability", "online");
    observer.wait_text("dbus-bms/devices/grid/grid_power_w", "-900.0");
    observer.wait_text("dbus-bms/devices/grid/grid_power_avg_w", "-200.0");
    observer.wait_text("jk_pylon/SMA_Average_W", "200");
    let announced = || kept(&broker).into_iter().find(|(topic, _)| topic == "homeassistant/device/dbus-bms_device_grid/config");
    let (_, announced) = wait(|| announced().filter(|(_, payload)| payload.contains("grid_power_avg_w"))).expect("an announcement");
    assert!(announced.contains("\"device_class\":\"power\""), "{announced}");

    let device = http::get(page, "/api/v1/devices/grid").json();
    assert_eq!(
        (&device["kind"], &device["connection"], &device["fresh"]),
        (&"meter".into(), &"MQTT meter/power".into(), &true.into())
    );
    let power = &device["values"]["grid_power_w"];
    assert_eq!((&power["value"], &power["unit"], &power["name"]), (&(-900.0).into(), &"W".into(), &"Grid power".into()));
    assert_eq!(http::get(page, "/api/v1/devices").json()["devices"].as_array().unwrap().len(), 1);
    assert_eq!(http::get(page, "/api/v1/devices/other").status, 404);
    let metrics = http::get(page, "/metrics").body;
    assert!(
        metrics.contains("# TYPE dbus_bms_device_grid_power_w gauge\ndbus_bms_device_grid_power_w{device=\"grid\"} -900\n"),
        "{metrics}"
    );

    // The meter falls silent: the value is unknown, not the last one.
    observer.forget();
    observer.wait_text("dbus-bms/devices/grid/availability", "offline");
    observer.wait_text("dbus-bms/devices/grid/grid_power_w", "null");
    let device = http::get(page, "/api/v1/devices/grid").json();
    assert_eq!((&device["fresh"], &device["values"]), (&false.into(), &serde_json::json!({})));
    let metrics = http::get(page, "/metrics").body;
    assert!(metrics.contains("dbus_bms_device_fresh{device=\"grid\",kind=\"meter\",name=\"Grid meter\"} 0\n"), "{metrics}");
    assert!(!metrics.contains("dbus_bms_device_grid_power_w"), "{metrics}");
    driver.stop();
    observer.wait_text(PROGRAM, "offline");
}

#[test]
fn a_broker_that_is_not_there_is_named_with_what_to_do() {
    let home = Home::new();
    let board = battery(&home);
    let driver = run(&home, &board, free_port(), "");
    let line = driver.wait_for_log("is not running there");
    assert!(line.contains("`mqtt.host`") && line.contains("retrying"), "{line}");
    driver.stop();
}
