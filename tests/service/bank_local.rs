//! A bank formed by `run` from its own batteries: on a real bus, and without one.
#![allow(clippy::disallowed_methods, reason = "boards live in real time")]

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Board, nobody, simulated};
use bus::Bus;
use dbus_bms::sim::pack::{Demand, PackConfig};
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Responder, Unit, responder};
use driver::{Driver, Home, items_once, wait};
use rustix::process::Signal;
use serde_json::{Map, Value as Json, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const BANK: &str = "com.victronenergy.battery.bank";
const A: &str = "com.victronenergy.battery.ttyA";
const B: &str = "com.victronenergy.battery.ttyB";
const CONFIG: &str = "member_of_bank = true\nmax_charge_current_a = 40\nmax_discharge_current_a = 50\nbank.in_run = true\n\
                      [silence]\nvalues_after_s = 2\n";

fn run(home: &Home, config: &str, ports: &[&Board], options: &[&str]) -> Driver {
    let ports: Vec<&str> = ports.iter().map(|board| board.port.as_str()).collect();
    home.configure(config).start(&[&["run"], &ports[..], &["--bms", "jbd"], options].concat())
}

fn number(items: &Map<String, Json>, path: &str) -> Option<f64> {
    items.get(path)?[1].as_f64()
}

#[tokio::test]
async fn batteries_of_one_run_form_a_bank_that_ends_with_them() {
    let (home, bus) = (Home::new(), Bus::start());
    let a = Board::on_pty(&home.path("ttyA"), simulated());
    let b = Board::on_pty(&home.path("ttyB"), simulated());
    let driver = run(&home, CONFIG, &[&a, &b], &["--bus", &bus.address().to_string()]);
    let online = |count: i32| move |items: &Map<String, Json>| items["/System/NrOfModulesOnline"][1] == json!(count);
    let bank = items_once(&bus, BANK, online(2)).await;
    let ccl = number(&bank, "/Info/MaxChargeCurrent").unwrap();
    // Slightly less than the sum: the currents of the two differ.
    assert!(ccl > 72.0 && ccl <= 80.0, "{bank:#?}");
    assert_eq!(bank["/DeviceInstance"], json!(["i", 0]), "before its members");
    let mut capacity = 0.0;
    for name in [A, B] {
        let member = items_once(&bus, name, |_| true).await;
        assert!(!member.keys().any(|path| path.starts_with("/Info/Max")), "{member:#?}");
        assert!(member["/DeviceInstance"][1].as_i64() > Some(0));
        // Its limits are in use, and every output says so.
        assert_eq!(member["/Info/ChargeMode"][1].as_str().map(|mode| mode.contains("Observing")), Some(false), "{member:#?}");
        let view = bus.dbus_send(&[&format!("--dest={name}"), "--print-reply=literal", "/", "dbus_bms.Battery.View"]).await;
        let view: Json = serde_json::from_str(view.trim()).expect(&view);
        assert_eq!((&view["control"], &view["bank"]), (&json!(true), &json!("bank_bank")), "{view:#}");
        capacity += number(&member, "/InstalledCapacity").unwrap();
    }
    assert_eq!(number(&bank, "/InstalledCapacity"), Some(capacity));
    // A plug is pulled: the bank continues with the other battery, and with its limits at most.
    drop(b);
    let half = items_once(&bus, BANK, online(1)).await;
    assert_eq!(half["/System/NrOfModulesOffline"][1], json!(1));
    assert!(number(&half, "/Info/MaxChargeCurrent").unwrap() <= 40.0, "{half:#?}");
    let mut watcher = bus.watch(BANK).await;
    let ended = driver.stop();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let seen = driver::until(&mut watcher, |event| event["changed"].get("/Info/MaxChargeCurrent").is_some()).await;
    let last = seen.last().unwrap();
    assert_eq!(last["changed"]["/Info/MaxChargeCurrent"]["Value"][1], json!(0.0), "{last:#?}");
}

#[test]
fn without_d_bus_the_bank_goes_over_can_and_is_remembered() {
    let home = Home::new();
    let a = Board::on_pty(&home.path("ttyA"), simulated());
    let b = Board::on_pty(&home.path("ttyB"), simulated());
    let driver = run(&home, &format!("{CONFIG}[can]\ninterface = \"vcan-none\"\n"), &[&a, &b], &["--no-dbus"]);
    driver.wait_for_log("bank bank: Pylontech low voltage");
    driver.wait_for_log("vcan-none: there is no such CAN interface");
    let log = driver.stop().log;
    let left = log.iter().filter(|line| line.contains("this battery's bank does")).count();
    assert_eq!(left, 2, "{log:#?}");
    assert!(home.state("bank-bank.json").is_some_and(|state| state["history"].is_object()));
}

#[test]
fn a_port_without_its_battery_is_a_missing_member() {
    let (home, bus) = (Home::new(), Bus::start());
    let a = Board::on_pty(&home.path("ttyA"), simulated());
    let b = Board::on_pty(&home.path("ttyB"), nobody());
    let driver = run(&home, CONFIG, &[&a, &b], &["--bus", &bus.address().to_string()]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bank = runtime.block_on(items_once(&bus, BANK, |_| true));
    assert_eq!((&bank["/System/NrOfModulesOnline"][1], &bank["/System/NrOfModulesOffline"][1]), (&json!(1), &json!(1)));
    driver.stop();
}

#[tokio::test]
async fn with_a_process_per_port_it_is_refused_in_words_and_every_battery_stays() {
    let (home, bus) = (Home::new(), Bus::start());
    let address = bus.address().to_string();
    let a = Board::on_pty(&home.path("ttyA"), simulated());
    let b = Board::on_pty(&home.path("ttyB"), simulated());
    let options = ["--bus", address.as_str(), "--outputs-elsewhere"];
    let first = run(&home, CONFIG, &[&a], &options);
    let second = run(&home, CONFIG, &[&b], &options);
    for name in [A, B] {
        let member = items_once(&bus, name, |items| number(items, "/Bank/MaxChargeCurrent") > Some(0.0)).await;
        assert_eq!(member["/Bank/Name"][1], json!("bank"), "{member:#?}");
    }
    // The bank's service combines both.
    let bank = home.start(&["bank", "--if-configured", "--bus", &address]);
    items_once(&bus, BANK, |items| items["/System/NrOfModulesOnline"][1] == json!(2)).await;
    bank.stop();
    for driver in [first, second] {
        let log = driver.stop().log.join("\n");
        assert!(log.contains("each port has a process of its own") && log.contains("remove `bank.in_run`"), "{log}");
    }
}

#[tokio::test]
async fn a_second_run_finds_the_bank_taken_and_serves_its_battery_as_a_member() {
    let (home, bus) = (Home::new(), Bus::start());
    let address = bus.address().to_string();
    let a = Board::on_pty(&home.path("ttyA"), simulated());
    let b = Board::on_pty(&home.path("ttyB"), simulated());
    let first = run(&home, CONFIG, &[&a], &["--bus", &address]);
    items_once(&bus, BANK, |_| true).await;
    let second = run(&home, CONFIG, &[&b], &["--bus", &address]);
    // There is no bank to include it: it publishes limits itself.
    items_once(&bus, B, |items| number(items, "/Info/MaxChargeCurrent").is_some()).await;
    items_once(&bus, A, |_| true).await;
    let log = second.stop().log.join("\n");
    assert!(
        log.contains("com.victronenergy.battery.bank is on D-Bus already") && log.contains("name all ports in one `run`"),
        "{log}"
    );
    first.stop();
}

#[tokio::test]
async fn of_two_runs_that_start_together_one_forms_the_bank() {
    let (home, bus) = (Home::new(), Bus::start());
    let address = bus.address().to_string();
    let a = Board::on_pty(&home.path("ttyA"), simulated());
    let b = Board::on_pty(&home.path("ttyB"), simulated());
    let drivers = [run(&home, CONFIG, &[&a], &["--bus", &address]), run(&home, CONFIG, &[&b], &["--bus", &address])];
    for name in [BANK, A, B] {
        items_once(&bus, name, |_| true).await;
    }
    let refused = |driver: Driver| driver.stop().log.iter().filter(|line| line.contains("no second bank")).count();
    assert_eq!(drivers.map(refused).iter().sum::<usize>(), 1);
}

#[test]
fn the_service_of_the_bank_ends_where_none_is_configured() {
    let home = Home::new();
    let asked = |config: &str| home.configure(config).start(&["bank", "--if-configured", "--bus", "unix:path=/nonexistent"]).end();
    asked("max_charge_current_a = 80\nmember_of_bank = false\n").assert(0, &["no bank is configured", "member_of_bank = true"]);
    for config in ["member_of_bank = true\n", "[port.ttyUSB1]\nmember_of_bank = true\n", "[bank]\nmembers = [\"ttyUSB0\"]\n"] {
        asked(config).assert(5, &["no D-Bus at"]);
    }
}

/// A simulated battery with a BMS that obeys, and the moment until which it was simulated.
pub(crate) type Simulated = Arc<Mutex<(Box<dyn Responder>, [Unit; 1], Instant)>>;

/// A JBD board that charges with 5 A.
pub(crate) fn pack(home: &Home, name: &str, soc_pct: f64) -> (Simulated, Board) {
    let mut unit = Unit::new(1, &PackConfig { soc_pct, ..PackConfig::default() }, Scenario::default());
    unit.pack.demand = Demand::Constant(5.0);
    let sim: Simulated = Arc::new(Mutex::new((responder("jbd").unwrap(), [unit], Instant::now())));
    let answering = Arc::clone(&sim);
    let answers = move |input: &[u8]| -> Vec<u8> {
        let mut guard = answering.lock().unwrap();
        let (board, units, last) = &mut *guard;
        let passed = last.elapsed();
        *last += passed;
        units[0].advance(passed);
        board.answer(input, units).into_iter().flat_map(|reply| reply.bytes).collect()
    };
    (sim, Board::on_pty(&home.path(name), Box::new(answers)))
}

fn charges(sim: &Simulated) -> bool {
    !sim.lock().unwrap().1[0].pack.charge_off
}

/// Two packs whose rest voltages differ, with a bank that switches them, until the fuller one does not charge.
fn one_is_off(home: &Home) -> (Driver, Simulated, [Board; 2]) {
    let (full, a) = pack(home, "ttyA", 80.0);
    let (empty, b) = pack(home, "ttyB", 60.0);
    let config = format!("bank.equal_charge = true\n{CONFIG}[commands]\nenabled = true\n");
    let driver = run(home, &config, &[&a, &b], &["--no-dbus"]);
    // A minute of watching, and a quarter of one for the lower limits.
    let end = Instant::now() + Duration::from_secs(240);
    while charges(&full) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(!charges(&full) && charges(&empty), "{:#?}", driver.log());
    (driver, full, [a, b])
}

#[test]
fn a_pack_that_is_off_for_equal_charge_is_on_after_a_stop() {
    let home = Home::new();
    let (driver, full, _boards) = one_is_off(&home);
    let log = driver.stop().log.join("\n");
    assert!(charges(&full), "{log}");
    for words in ["equal charge: preparing", "charge off requested by equal charge", "on before the end", "charge on: done"] {
        assert!(log.contains(words), "{words}: {log}");
    }
}

/// Also where neither the bank nor commands are configured any more.
#[test]
fn a_pack_that_is_off_for_equal_charge_is_on_after_the_start_that_follows_a_kill() {
    let home = Home::new();
    let (driver, full, [a, _b]) = one_is_off(&home);
    driver.signal(Signal::KILL);
    driver.end();
    assert!(!charges(&full));
    let driver = run(&home, "", &[&a], &["--no-dbus"]);
    driver.wait_for_log("charge was off for equal charge when the last run ended");
    assert!(wait(|| charges(&full).then_some(())).is_some(), "{:#?}", driver.log());
    driver.stop();
}
