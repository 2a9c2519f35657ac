//! Commands from outside: the program on a pty and a private bus, with requests from D-Bus clients and its own command line.
#![allow(clippy::disallowed_methods, reason = "a test waits for another process in real time")]

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::Board;
use bus::{Bus, Call, set};
use dbus_bms::sim::pack::{CommandBehaviour, PackConfig};
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{BOARDS, Responder, Unit, responder};
use driver::{Driver, Ended, Home, owner, until, wait};
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const NAME: &str = "com.victronenergy.battery.ttyUSB7";
const LEAVE: [u8; 9] = [0xDD, 0x5A, 0x01, 0x02, 0x00, 0x00, 0xFF, 0xFD, 0x77];
const ENABLED: &str = "[commands]\nenabled = true\n";

/// A simulated battery that a test can inspect.
#[derive(Clone)]
struct Sim {
    world: Arc<Mutex<World>>,
    /// It switches charging off on command, and then stops replying.
    goes_dark: Arc<AtomicBool>,
}

/// The board, its battery, and the simulated time so far.
type World = (Box<dyn Responder>, [Unit; 1], Instant);

impl Sim {
    fn new(board: &str, obedience: CommandBehaviour) -> Self {
        let address = BOARDS.iter().find(|known| known.name == board).unwrap().addresses[0];
        let mut unit = Unit::new(address, &PackConfig::default(), Scenario::default());
        unit.pack.command_behaviour = obedience;
        let world = Arc::new(Mutex::new((responder(board).unwrap(), [unit], Instant::now())));
        Self { world, goes_dark: Arc::default() }
    }

    /// On a pty in this home.
    fn plug_in(&self, home: &Home) -> Board {
        let sim = self.clone();
        let answers = move |input: &[u8]| -> Vec<u8> {
            let mut guard = sim.world.lock().unwrap();
            let (board, units, last) = &mut *guard;
            let passed = last.elapsed();
            *last += passed;
            units[0].advance(passed);
            let replies = board.answer(input, units).into_iter().flat_map(|reply| reply.bytes).collect();
            if sim.goes_dark.load(Ordering::Relaxed) && units[0].pack.charge_off { Vec::new() } else { replies }
        };
        Board::on_pty(&home.path("ttyUSB7"), Box::new(answers))
    }

    /// Charge, discharge and balance switches of the battery.
    fn switches(&self) -> [bool; 3] {
        let guard = self.world.lock().unwrap();
        let pack = &guard.1[0].pack;
        [!pack.charge_off, !pack.discharge_off, !pack.balance_off]
    }

    fn soc(&self) -> f64 {
        self.world.lock().unwrap().1[0].pack.reported().soc_pct
    }
}

/// A running driver with its battery on the bus.
struct Rig {
    home: Home,
    bus: Bus,
    sim: Sim,
    board: Board,
    driver: Option<Driver>,
}

impl Rig {
    async fn start(board: &str, obedience: CommandBehaviour, config: &str) -> Self {
        let (home, bus) = (Home::new(), Bus::start());
        let sim = Sim::new(board, obedience);
        let board = sim.plug_in(&home);
        home.configure(config);
        let mut rig = Self { home, bus, sim, board, driver: None };
        rig.run().await;
        rig
    }

    async fn run(&mut self) {
        let mut watcher = self.bus.watch(NAME).await;
        self.driver = Some(self.home.run(&self.bus, &self.board.port, &[]));
        until(&mut watcher, owner(true)).await;
    }

    fn driver(&self) -> &Driver {
        self.driver.as_ref().unwrap()
    }

    /// Writes an integer and returns the reply.
    async fn write(&self, path: &str, value: i32) -> Json {
        self.bus.call(set(NAME, path, json!(["i", value]))).await["value"].clone()
    }

    /// Sends a request by our own method; returns code and text.
    async fn ask(&self, what: &str, value: &str) -> (i64, String) {
        let own = |text: &str| text.to_owned();
        let call: Call = (own(NAME), own("/"), own("com.github.dbus_bms.Commands"), own("Ask"), own("ss"), json!([what, value]));
        let answer = self.bus.call(call).await;
        let said = &answer["values"];
        (said[0][1].as_i64().unwrap_or_else(|| panic!("{answer}")), said[1][1].as_str().unwrap().to_owned())
    }

    /// The item, once `is_it` accepts it.
    async fn item(&self, path: &str, is_it: impl Fn(&Json) -> bool) -> Json {
        let mut last = Json::Null;
        for _ in 0..200 {
            last = self.bus.items(NAME).await.and_then(|items| items.get(path).cloned()).unwrap_or_default();
            if is_it(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} stays {last}: {:#?}", self.driver().log());
    }

    fn cli(&self, arguments: &[&str]) -> Ended {
        let address = self.bus.address().to_string();
        self.home.start(&[arguments, &["--bus", &address]].concat()).end()
    }

    /// State persisted on disk.
    fn remembered(&self) -> Json {
        let folder = std::fs::read_dir(self.home.path("dbus-bms")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let name = names.into_iter().find(|name| name.starts_with("commands-") && name.ends_with(".json"));
        name.and_then(|name| self.home.state(&name)).unwrap_or(Json::Null)
    }
}

#[tokio::test]
async fn a_gui_switches_and_the_answer_tells_what_became_of_it() {
    for (board, paths) in [
        ("jbd", &[("ForceChargingOff", 0), ("ForceDischargingOff", 1)][..]),
        ("jk", &[("ForceChargingOff", 0), ("ForceDischargingOff", 1), ("TurnBalancingOff", 2)]),
        ("jk-pb", &[("ForceChargingOff", 0), ("TurnBalancingOff", 2)]),
        ("daly", &[("ForceChargingOff", 0), ("ForceDischargingOff", 1)]),
        ("daly-modbus", &[("ForceChargingOff", 0), ("ForceDischargingOff", 1)]),
    ] {
        let rig = Rig::start(board, CommandBehaviour::Executes, ENABLED).await;
        let items = rig.bus.items(NAME).await.unwrap();
        assert!(!items.contains_key("/Settings/HasSettings"), "{board}: Victron's page of settings has nothing to show");
        for (path, place) in paths {
            let path = format!("/Settings/{path}");
            assert_eq!(rig.write(&path, 1).await, json!(["i", 0]), "{board} {path}: {:#?}", rig.driver().log());
            assert!(!rig.sim.switches()[*place], "{board} {path}");
            rig.item(&path, |value| *value == json!(["i", 1])).await;
            assert_eq!(rig.remembered()["off"].as_object().unwrap().len(), 1, "{board}: {}", rig.remembered());
            assert_eq!(rig.write(&path.replace("Settings", "Io"), 0).await, json!(["i", 0]), "{board} {path}: the older place");
            assert_eq!(rig.sim.switches(), [true; 3], "{board} {path}");
            rig.item(&path, |value| *value == json!(["i", 0])).await;
            assert_eq!(rig.remembered()["off"], json!({}), "{board}");
        }
        let log = rig.driver().log();
        assert!(log.iter().any(|line| line.contains("charge off requested by D-Bus :1.")), "{board}: {log:#?}");
        assert!(log.iter().any(|line| line.contains(" (python3 client.py)")), "{board}: the program is named: {log:#?}");
        assert!(log.iter().any(|line| line.contains("charge off: done")), "{board}: {log:#?}");
    }
}

#[tokio::test]
async fn nothing_is_sent_unless_it_is_enabled() {
    let rig = Rig::start("jbd", CommandBehaviour::Executes, "").await;
    let items = rig.bus.items(NAME).await.unwrap();
    let offered = items.keys().filter(|path| path.contains("Force") || path.contains("Reset") || path.contains("HasSettings"));
    assert_eq!(offered.count(), 0);
    assert_eq!(rig.write("/Io/AllowToCharge", 0).await, json!(["i", 1]), "never for writing");
    let answer = rig.bus.call(set(NAME, "/Settings/ForceChargingOff", json!(["i", 1]))).await;
    assert!(answer["error"].as_str().is_some_and(|name| name.contains("UnknownObject")), "{answer}");
    let (code, text) = rig.ask("charge", "off").await;
    assert_eq!(code, 9);
    assert!(text.contains("enabled = true"), "{text}");
    rig.cli(&["set", "charge", "off", NAME]).assert(2, &["charge off", "[commands]"]);
    rig.cli(&["set", "charge", "off", &rig.board.port]).assert(2, &["[commands]"]);
    rig.cli(&["override", "ccl", "5A", NAME, "--for", "1h"]).assert(2, &["[commands]"]);
    assert_eq!(rig.sim.switches(), [true; 3]);
    assert!(!rig.board.heard().windows(2).any(|bytes| bytes == [0xDD, 0x5A]), "no write was sent");
}

#[tokio::test]
async fn a_refusal_and_a_pretence_are_told_as_such() {
    let rig = Rig::start("jbd", CommandBehaviour::Refuses, ENABLED).await;
    assert_eq!(rig.write("/Settings/ForceChargingOff", 1).await, json!(["i", 3]));
    rig.cli(&["set", "charge", "off", &rig.board.port]).assert(1, &["charge off", "refused"]);
    assert_eq!(rig.remembered()["off"], json!({}), "what was refused is not off");
    assert!(rig.board.heard().ends_with(&LEAVE) || rig.board.count(&LEAVE) >= 4, "factory mode is left after each try");
    drop(rig);

    let rig = Rig::start("jk", CommandBehaviour::OnlyAcknowledges, ENABLED).await;
    assert_eq!(rig.write("/Settings/ForceDischargingOff", 1).await, json!(["i", 4]));
    rig.cli(&["set", "discharge", "off", NAME, "--yes"]).assert(1, &["discharge off", "not confirmed"]);
    assert!(rig.remembered()["off"]["discharge"].is_object(), "it may be off: {}", rig.remembered());
    // The readings continue to show it as on: then it is not off.
    wait(|| rig.remembered()["off"].as_object().is_some_and(serde_json::Map::is_empty).then_some(())).expect("forgotten in time");
}

#[tokio::test]
async fn the_command_line_asks_the_driver_or_does_it_itself() {
    let mut rig = Rig::start("jk-pb", CommandBehaviour::Executes, ENABLED).await;
    rig.cli(&["set", "discharge", "off", &rig.board.port]).assert(2, &["--yes"]);
    rig.cli(&["set", "soc", "120", &rig.board.port]).assert(2, &["0 to 100"]);
    let ended = rig.cli(&["set", "charge", "off", &rig.board.port]);
    assert_eq!((ended.code, ended.output), (Some(0), vec!["charge off: done: the BMS shows it".to_owned()]), "{:#?}", ended.log);
    assert!(!rig.sim.switches()[0], "the driver did it");
    let list = rig.home.start(&["set", "--list"]).end();
    assert!(list.output[0].contains("charge switched off since 2"), "{list:#?}");
    let release = format!("to release: dbus-bms set charge on {}", rig.board.port);
    assert!(list.output[0].contains(&release), "{list:#?}");
    // The driver has ended, and the battery stays as it is; a new driver knows its state.
    rig.driver.take().unwrap().stop();
    assert!(!rig.sim.switches()[0]);
    rig.run().await;
    rig.driver().wait_for_log("still in effect: charge switched off");
    rig.item("/Settings/ForceChargingOff", |value| *value == json!(["i", 1])).await;
    rig.item("/Commands/SwitchedOff", |value| {
        value[1].as_str().is_some_and(|text| text.contains("command line") || text.contains("D-Bus"))
    })
    .await;
    rig.driver.take().unwrap().stop();
    // Without a driver, and with commands disabled: what this driver has switched off can be switched on again, and nothing else.
    rig.home.configure("");
    rig.cli(&["set", "balance", "off", &rig.board.port]).assert(2, &["[commands]"]);
    let ended = rig.cli(&["set", "charge", "on", &rig.board.port]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(rig.sim.switches(), [true; 3]);
    assert_eq!(rig.remembered()["off"], json!({}));
    assert_eq!(rig.home.start(&["set", "--list"]).end().output, ["nothing is switched off by this driver"]);
}

#[tokio::test]
async fn the_state_of_charge_is_set_by_the_gui() {
    for board in ["daly", "daly-modbus"] {
        let rig = Rig::start(board, CommandBehaviour::Executes, ENABLED).await;
        assert_eq!(rig.write("/Settings/ResetSocToApply", 1).await, json!(["i", 2]), "nobody has said to what");
        assert_eq!(rig.write("/Settings/ResetSocTo", 101).await, json!(["i", 2]));
        assert_eq!(rig.write("/Settings/ResetSocTo", 75).await, json!(["i", 0]));
        assert_eq!(rig.write("/Settings/ResetSocToApply", 1).await, json!(["i", 0]), "{:#?}", rig.driver().log());
        assert!((rig.sim.soc() - 75.0).abs() < 0.5, "{board}: {}", rig.sim.soc());
        rig.item("/Soc", |value| value[1].as_f64().is_some_and(|soc| (soc - 75.0).abs() < 0.6)).await;
        assert_eq!(rig.ask("balance", "off").await.0, 5, "{board} has no such command");
    }
}

#[tokio::test]
async fn too_many_commands_are_stopped() {
    let rig = Rig::start("daly-modbus", CommandBehaviour::Executes, ENABLED).await;
    let mut codes = Vec::new();
    for _ in 0..6 {
        codes.push(rig.ask("charge", "off").await.0);
    }
    assert_eq!(codes, [0; 6]);
    let (code, told) = rig.ask("discharge", "off").await;
    let seconds = told.strip_prefix("too many commands: wait ").and_then(|rest| rest.split_once(" s")?.0.parse::<u64>().ok());
    assert!(code == 7 && seconds.is_some_and(|seconds| (1..=60).contains(&seconds)), "{told}");
    assert_eq!(rig.ask("discharge", "on").await.0, 7, "it was never switched off from here");
    // Switching on again what this driver has switched off is never limited.
    assert_eq!(rig.ask("charge", "on").await.0, 0);
    assert_eq!(rig.sim.switches(), [true; 3]);
    assert_eq!(rig.ask("charge", "off").await.0, 7);
}

/// The driver is killed after the BMS has carried out the command and before the outcome is known.
#[tokio::test]
async fn what_was_switched_off_by_a_driver_that_was_killed_is_remembered() {
    for board in ["jbd", "daly", "daly-modbus"] {
        let mut rig = Rig::start(board, CommandBehaviour::Executes, ENABLED).await;
        rig.sim.goes_dark.store(true, Ordering::Relaxed);
        let own = |text: &str| text.to_owned();
        let path = own("/Settings/ForceChargingOff");
        let call: Call = (own(NAME), path, own("com.victronenergy.BusItem"), own("SetValue"), own("v"), json!(["i", 1]));
        let asked = rig.bus.call(call);
        let (driver, sim) = (rig.driver.take().unwrap(), rig.sim.clone());
        let killed = async {
            wait(|| (!sim.switches()[0]).then_some(())).expect("switched off in time");
            driver.signal(Signal::KILL);
            driver.end()
        };
        let (answer, ended) = tokio::join!(asked, killed);
        assert!(answer["error"].is_string() && ended.code.is_none(), "{board}: {answer}");
        assert_perhaps_off(&rig, board);
        // The next driver shows it, and it can be switched on again like any other.
        rig.sim.goes_dark.store(false, Ordering::Relaxed);
        rig.run().await;
        rig.driver().wait_for_log("still in effect: charge perhaps switched off");
        rig.item("/Settings/ForceChargingOff", |value| *value == json!(["i", 1])).await;
        assert_eq!(rig.ask("charge", "on").await.0, 0, "{board}");
        assert_eq!((rig.sim.switches(), &rig.remembered()["off"]), ([true; 3], &json!({})), "{board}");
    }
}

/// The same without a driver, and for a BMS that never received the command.
#[tokio::test]
async fn what_the_command_line_was_about_to_switch_off_may_be_off() {
    let mut rig = Rig::start("daly", CommandBehaviour::Executes, ENABLED).await;
    rig.driver.take().unwrap().stop();
    rig.sim.goes_dark.store(true, Ordering::Relaxed);
    let cli = rig.home.start(&["set", "charge", "off", &rig.board.port]);
    wait(|| (!rig.sim.switches()[0]).then_some(())).expect("switched off in time");
    cli.signal(Signal::KILL);
    assert_eq!(cli.end().code, None, "killed");
    assert_perhaps_off(&rig, "command line");
    // It is switched on in the manufacturer's app: the driver notices and forgets it.
    rig.sim.world.lock().unwrap().1[0].pack.charge_off = false;
    rig.sim.goes_dark.store(false, Ordering::Relaxed);
    rig.run().await;
    rig.driver().wait_for_log("charge is on again");
    wait(|| (rig.remembered()["off"] == json!({})).then_some(())).expect("forgotten in time");
}

/// Every command that offers to switch it on again shows it.
fn assert_perhaps_off(rig: &Rig, case: &str) {
    let list = rig.home.start(&["set", "--list"]).end();
    assert!(list.output.first().is_some_and(|line| line.contains("charge perhaps switched off")), "{case}: {list:#?}");
    // The line that install.sh uninstall searches for.
    let folder = rig.home.path("dbus-bms");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let commands = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("commands-"));
    let texts: Vec<String> = commands.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let releases = texts
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.trim_start().starts_with("\"release\": \"dbus-bms set charge on"));
    assert_eq!(releases.count(), 1, "{case}: {texts:?}");
}

/// The board stops replying during a command, and the driver is killed: the next one leaves factory mode first.
#[tokio::test]
async fn a_command_that_was_broken_off_is_put_right_by_the_next_driver() {
    let mut rig = Rig::start("jbd", CommandBehaviour::NeedsFactoryMode, ENABLED).await;
    assert_eq!(rig.ask("charge", "off").await.0, 0);
    assert_eq!(rig.ask("charge", "on").await.0, 0);
    rig.board.set_silent(true);
    let before = rig.board.count(&LEAVE);
    let own = |text: &str| text.to_owned();
    let path = own("/Settings/ForceChargingOff");
    let call: Call = (own(NAME), path, own("com.victronenergy.BusItem"), own("SetValue"), own("v"), json!(["i", 1]));
    let asked = rig.bus.call(call);
    let driver = rig.driver.take().unwrap();
    let home = &rig.home;
    let killed = async {
        wait(|| home_under_way(home).then_some(())).expect("under way in time");
        driver.signal(Signal::KILL);
        driver.end()
    };
    let (answer, ended) = tokio::join!(asked, killed);
    assert!(answer["error"].is_string(), "{answer}");
    assert_eq!(ended.code, None, "killed");
    assert!(home_under_way(&rig.home));
    rig.board.set_silent(false);
    let left = rig.board.count(&LEAVE);
    rig.run().await;
    rig.driver().wait_for_log("the last run was interrupted during a command");
    wait(|| (rig.board.count(&LEAVE) > left).then_some(())).expect("factory mode is left in time");
    assert!(left >= before);
    wait(|| (!home_under_way(&rig.home)).then_some(())).expect("and it is noted");
    drop(rig);
}

fn home_under_way(home: &Home) -> bool {
    let folder = std::fs::read_dir(home.path("dbus-bms")).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut kept = names.filter(|name| name.starts_with("commands-") && name.ends_with(".json"));
    kept.any(|name| home.state(&name).is_some_and(|kept| kept["under_way"] == true))
}

#[tokio::test]
async fn limits_for_a_while_restrict_and_end() {
    let mut rig = Rig::start("jbd", CommandBehaviour::Executes, ENABLED).await;
    let ccl = "/Info/MaxChargeCurrent";
    let free = rig.item(ccl, |value| value[1].as_f64().is_some_and(|amps| amps > 30.0)).await;
    assert_eq!(rig.cli(&["override", "ccl", "20A", &rig.board.port, "--for", "12h"]).code, Some(0));
    rig.item(ccl, |value| *value == json!(["d", 20.0])).await;
    rig.item("/Info/ChargeLimitation", |value| value[1] == "limit set by the owner for now").await;
    let told = rig.item("/Commands/Overrides", |value| value[0] == "s").await;
    assert!(told[1].as_str().unwrap().starts_with("charge at most 20 A, until 2"), "{told}");
    // It survives a restart.
    rig.driver.take().unwrap().stop();
    rig.run().await;
    rig.item(ccl, |value| *value == json!(["d", 20.0])).await;
    // A value above the battery's own limit raises nothing.
    assert_eq!(rig.cli(&["override", "ccl", "500", NAME, "--for", "1h"]).code, Some(0));
    let now = rig.item(ccl, |value| value[1].as_f64().is_some()).await;
    assert!(now[1].as_f64() <= free[1].as_f64(), "{now} {free}");
    // It expires by itself.
    assert_eq!(rig.cli(&["override", "dcl", "3A", NAME, "--for", "3s"]).code, Some(0));
    rig.item("/Info/MaxDischargeCurrent", |value| *value == json!(["d", 3.0])).await;
    wait(|| rig.remembered()["overrides"]["dcl"].is_null().then_some(())).expect("ended by itself in time");
    rig.item("/Info/DischargeLimitation", |value| value[1] != "limit set by the owner for now").await;
    rig.cli(&["override", "balance", NAME]).assert(1, &["phases.balance_every_days"]);
    assert_eq!(rig.cli(&["override", "charge-to-100", NAME]).code, Some(0));
    rig.item("/Commands/Overrides", |value| value[1].as_str().is_some_and(|text| text.contains("charge to 100 % now"))).await;
    assert_eq!(rig.cli(&["override", "clear", NAME]).code, Some(0));
    rig.item("/Commands/Overrides", |value| value[0] == "ai").await;
    rig.cli(&["override", "ccl", "20A", NAME, "--until", "2020-01-01"]).assert(2, &["already passed"]);
    // Without a driver it is saved on disk; requests that need a driver say so.
    rig.driver.take().unwrap().stop();
    assert_eq!(rig.cli(&["override", "ccl", "7A", &rig.board.port, "--for", "1h"]).code, Some(0));
    rig.cli(&["override", "charge-to-100", &rig.board.port]).assert(2, &["running driver"]);
    rig.run().await;
    rig.item(ccl, |value| *value == json!(["d", 7.0])).await;
}

/// Status and body of a reply of the dashboard's server; 0 while there is no listener.
fn http(port: u16, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, Json) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return (0, Json::Null) };
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}Content-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Json::Null))
}

#[tokio::test]
async fn the_dashboard_switches_with_its_token_only() {
    const TOKEN: &str = "3f5c0a9e8b71d2460c";
    let port = crate::support::free_port();
    let web = format!("[web]\nenabled = true\nlisten = \"127.0.0.1:{port}\"\ntoken = \"{TOKEN}\"\n");
    let rig = Rig::start("jbd", CommandBehaviour::Executes, &format!("{ENABLED}{web}")).await;
    let battery = || http(port, "GET", "/api/v1/batteries/jbd_ttyUSB7", None, "").1;
    let view = wait(|| Some(battery()).filter(|view| view["commands"].is_array())).expect("a view in time");
    assert_eq!(view["commands"], json!(["charge", "discharge", "override"]));
    let commands = "/api/v1/batteries/jbd_ttyUSB7/commands";
    let off = r#"{"command":"charge","on":false}"#;
    assert_eq!(http(port, "POST", commands, None, off).0, 401);
    assert_eq!(http(port, "POST", commands, Some("3f5c0a9e8b71d2460d"), off).0, 401);
    assert_eq!(http(port, "POST", "/api/v1/batteries/nobody/commands", Some(TOKEN), off).0, 404);
    for wrong in ["", "{}", r#"{"command":"charge"}"#, r#"{"command":"fets","on":true}"#, r#"{"command":"soc","value":"101"}"#] {
        assert_eq!(http(port, "POST", commands, Some(TOKEN), wrong).0, 400, "{wrong}");
    }
    assert_eq!(rig.sim.switches(), [true; 3]);
    let (status, said) = http(port, "POST", commands, Some(TOKEN), off);
    assert_eq!((status, &said["code"]), (200, &json!(0)), "{said}");
    assert!(!rig.sim.switches()[0]);
    let told = |view: &Json| view["switched_off"][0].as_str().is_some_and(|text| text.contains("by the dashboard"));
    wait(|| Some(battery()).filter(|view| told(view))).expect("it shows in time");
    let (status, said) = http(port, "POST", commands, Some(TOKEN), r#"{"command":"balance","on":false}"#);
    assert_eq!(status, 409);
    assert!(said["error"].as_str().unwrap().contains("no such command"), "{said}");
    assert_eq!(http(port, "POST", commands, Some(TOKEN), r#"{"command":"override","value":"ccl 5 for 60"}"#).0, 200);
    rig.item("/Info/MaxChargeCurrent", |value| value[1].as_f64().is_some_and(|amps| amps <= 5.0)).await;
}
