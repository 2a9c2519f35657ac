//! An inverter on RS485, from a simulated board to the bytes on the inverter's port: the limits there are those on D-Bus.
#![allow(clippy::disallowed_methods, reason = "the test is an inverter in real time")]

use crate::support::board;
use crate::support::bus;
use crate::support::driver;
use crate::support::http;

use board::{Board, simulated};
use bus::Bus;
use dbus_bms::base::hex;
use dbus_bms::link::Port;
use dbus_bms::link::pty::Pty;
use driver::{Home, PATIENCE, items_once};
use serde_json::{Map, Value as Json};
use std::time::{Duration, Instant};

const NAME: &str = "com.victronenergy.battery.ttyUSB7";
/// The system's limits, V3.5, with both checks.
const LIMITS: &[u8] = b"~200246630000FDA9\r";
/// Longer than a reply takes on a busy machine.
const REPLY: Duration = Duration::from_secs(1);

/// CVL, CCL, DCL and the status byte of a reply to [`LIMITS`].
#[derive(Debug, Clone, Copy, PartialEq)]
struct Told {
    voltage: f64,
    charge: f64,
    discharge: f64,
    status: u8,
}

/// Asks for the limits once; `None` without a reply.
fn ask(line: &mut Pty) -> Option<Told> {
    line.clear().unwrap();
    line.send(LIMITS).unwrap();
    let (mut reply, asked) = (Vec::new(), Instant::now());
    while !reply.ends_with(b"\r") {
        let left = REPLY.checked_sub(asked.elapsed())?;
        let mut buf = [0; 128];
        let count = line.receive(&mut buf, left).unwrap();
        reply.extend_from_slice(&buf[..count]);
    }
    assert!(reply.starts_with(b"~20024600D012"), "{}", String::from_utf8_lossy(&reply));
    let info = hex::decode(std::str::from_utf8(&reply[13..31]).unwrap()).unwrap();
    let word = |at: usize| f64::from(u16::from_be_bytes([info[at], info[at + 1]]));
    Some(Told { voltage: word(0) / 1000.0, charge: word(4) / 10.0, discharge: word(6) / 10.0, status: info[8] })
}

/// Asks until `wanted`.
fn ask_until(line: &mut Pty, wanted: impl Fn(Option<Told>) -> bool) -> Vec<Told> {
    let (start, mut seen) = (Instant::now(), Vec::new());
    loop {
        let told = ask(line);
        seen.extend(told);
        if wanted(told) {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE * 2, "{:?}", seen.last());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn number(items: &Map<String, Json>, path: &str) -> f64 {
    let item = &items[path];
    item.as_f64().or_else(|| item.get(1).and_then(Json::as_f64)).unwrap_or_else(|| panic!("{path}: {item}"))
}

fn configured(home: &Home, more: &str) {
    let port = home.path("inverter");
    home.configure(&format!("[rs485]\nport = \"{}\"\n[can]\nlimits_off_after_s = 5\nsilent_after_s = 10\n{more}", port.display()));
}

#[tokio::test]
async fn an_inverter_is_told_the_limits_of_dbus_and_nothing_once_the_board_is_silent() {
    let (home, bus) = (Home::new(), Bus::start());
    let page = http::free();
    configured(&home, &format!("[web]\nenabled = true\nlisten = \"{page}\"\n"));
    let mut line = Pty::open(&home.path("inverter")).unwrap();
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let driver = home.run(&bus, &board.port, &[]);
    ask_until(&mut line, |told| told.is_some_and(|told| told.charge > 0.0 && told.discharge > 0.0));

    // Dashboard and API say who asks, for what, and what is replied.
    let shown = |what: &str, wanted: &dyn Fn(&Json) -> bool| {
        let batteries = http::until(page, what, |batteries| batteries.iter().any(|battery| wanted(&battery["rs485"])));
        batteries[0]["rs485"].clone()
    };
    let state = shown("the inverter is shown", &|state| state["heartbeat"] == true);
    assert_eq!(
        (&state["protocol"], &state["up"], &state["says"], &state["requests"]),
        (&"pylontech".into(), &true.into(), &"all".into(), &serde_json::json!(["63"]))
    );
    assert_eq!(state["port"], home.path("inverter").display().to_string());
    assert!(state["asked_age_s"].as_f64().is_some_and(|age| age < 60.0) && state.get("fault").is_none(), "{state}");

    // The same as on D-Bus, as soon as those do not change while both are read.
    let mut equal = 0;
    for _ in 0..100 {
        let before = items_once(&bus, NAME, |_| true).await;
        let told = ask(&mut line).expect("a reply");
        let after = items_once(&bus, NAME, |_| true).await;
        let same = |path: &str, told: f64, step: f64| {
            let (before, after) = (number(&before, path), number(&after, path));
            // Rounded down to the step of the protocol; never more than on D-Bus.
            assert!(told <= before.max(after) + step * 0.01, "{path}: {told} of {before} to {after}");
            before == after && told > before - step
        };
        let all = [
            same("/Info/MaxChargeVoltage", told.voltage, 0.01),
            same("/Info/MaxChargeCurrent", told.charge, 0.11),
            same("/Info/MaxDischargeCurrent", told.discharge, 0.11),
        ];
        equal += usize::from(all == [true; 3]);
        assert_eq!(told.status & 0xC0, 0xC0, "both are permitted");
        if equal == 3 {
            break;
        }
    }
    assert_eq!(equal, 3, "the limits on the line are those on D-Bus");

    // The board falls silent: limits of 0, then no reply at all.
    board.set_silent(true);
    let seen = ask_until(&mut line, |told| told.is_none_or(|told| told.charge == 0.0 && told.discharge == 0.0));
    assert!(seen.last().is_some_and(|told| told.status == 0), "limits of 0 come before silence: {seen:?}");
    let zero = ask_until(&mut line, |told| told.is_none());
    assert!(zero.iter().all(|told| (told.charge, told.discharge, told.status) == (0.0, 0.0, 0)), "{zero:?}");
    assert_eq!(ask(&mut line), None, "and stays silent");
    driver.wait_for_log("no more replies, so that the inverter shuts down");
    shown("the silence is shown", &|state| state["says"] == "nothing");

    // Data again: answered again.
    board.set_silent(false);
    ask_until(&mut line, |told| told.is_some());
    let ended = driver.stop();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ask(&mut line), None, "nobody answers for a driver that has ended");
}

#[tokio::test]
async fn the_port_of_a_battery_is_never_used_for_an_inverter() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let page = http::free();
    home.configure(&format!("[rs485]\nport = \"{}\"\n[web]\nenabled = true\nlisten = \"{page}\"\n", board.port));
    let driver = home.run(&bus, &board.port, &[]);
    items_once(&bus, NAME, |_| true).await;
    driver.wait_for_log("a battery is read on");
    let shown =
        http::until(page, "the fault is shown", |batteries| batteries.iter().any(|battery| battery["rs485"]["fault"].is_string()));
    assert_eq!(shown[0]["rs485"]["up"], false, "{shown:?}");
    let ended = driver.stop();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[tokio::test]
async fn an_inverters_own_port_gets_the_limits_unasked_and_its_answer_is_shown() {
    let (home, bus) = (Home::new(), Bus::start());
    let page = http::free();
    let port = home.path("inverter");
    home.configure(&format!(
        "[rs485]\nport = \"{}\"\nprotocol = \"pi30\"\n[web]\nenabled = true\nlisten = \"{page}\"\n",
        port.display()
    ));
    let mut line = Pty::open(&port).unwrap();
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    let driver = home.run(&bus, &board.port, &[]);
    let (mut said, begun) = (Vec::new(), Instant::now());
    while !said.ends_with(b"\r") || !String::from_utf8_lossy(&said).contains("PBMS1 ") {
        assert!(begun.elapsed() < PATIENCE * 2, "{}", String::from_utf8_lossy(&said));
        let mut buf = [0; 128];
        let count = line.receive(&mut buf, REPLY).unwrap();
        said.extend_from_slice(&buf[..count]);
    }
    line.send(b"(ACK\x39\x20\r").unwrap();
    driver.wait_for_log("the inverter takes the battery's data");
    let shown =
        http::until(page, "the answer is shown", |batteries| batteries.iter().any(|battery| battery["rs485"]["heartbeat"] == true));
    assert_eq!(shown[0]["rs485"]["requests"], serde_json::json!(["PBMS"]), "{shown:?}");
    let ended = driver.stop();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}
