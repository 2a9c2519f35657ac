//! The program against a gateway made of another Modbus implementation (tokio-modbus), with faults seen on real ones.
#![allow(clippy::disallowed_methods, reason = "a test waits for another process in real time")]

use crate::support::board::{Board, simulated};
use crate::support::driver::{Driver, Home, wait};
use crate::support::http::{free, get, request};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, Request, Response, SlaveRequest};

const TOKEN: &str = "0123456789abcdef";

/// Behaviour of the gateway.
#[derive(Debug, Default)]
struct Faults {
    /// Requests answered on a connection before it falls silent; 0 = all.
    silent_after: AtomicUsize,
    /// Every answer takes this long, ms.
    delay_ms: AtomicUsize,
    /// Another client is connected: this one is dropped at once.
    occupied: AtomicBool,
}

#[derive(Debug, Default)]
struct Gateway {
    /// Words by unit and register.
    units: Mutex<BTreeMap<u8, BTreeMap<u16, u16>>>,
    faults: Faults,
    connections: AtomicUsize,
    open: AtomicUsize,
    /// The greatest number of connections open at the same time.
    most_open: AtomicUsize,
    written: Mutex<Vec<(u8, u16, u16)>>,
}

/// One connection to it.
struct Connection {
    gateway: Arc<Gateway>,
    answered: AtomicUsize,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.gateway.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gateway {
    fn answer(&self, unit: u8, request: &Request<'_>) -> Result<Response, ExceptionCode> {
        let mut units = self.units.lock().unwrap();
        let registers = units.get_mut(&unit).ok_or(ExceptionCode::GatewayTargetDevice)?;
        match *request {
            Request::ReadHoldingRegisters(first, count) => {
                let words: Option<Vec<u16>> = (first..first + count).map(|at| registers.get(&at).copied()).collect();
                words.map(Response::ReadHoldingRegisters).ok_or(ExceptionCode::IllegalDataAddress)
            }
            Request::WriteSingleRegister(at, value) => {
                self.written.lock().unwrap().push((unit, at, value));
                registers.insert(at, value);
                Ok(Response::WriteSingleRegister(at, value))
            }
            _ => Err(ExceptionCode::IllegalFunction),
        }
    }
}

impl Service for Connection {
    type Request = SlaveRequest<'static>;
    type Response = Option<Response>;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Result<Option<Response>, ExceptionCode>> + Send>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        let number = self.answered.fetch_add(1, Ordering::Relaxed);
        let silent_after = self.gateway.faults.silent_after.load(Ordering::Relaxed);
        let delay = Duration::from_millis(self.gateway.faults.delay_ms.load(Ordering::Relaxed) as u64);
        let answer = self.gateway.answer(asked.slave, &asked.request);
        let silent = silent_after != 0 && number >= silent_after;
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            if silent { Ok(None) } else { answer.map(Some) }
        })
    }
}

/// Serves a gateway on a free port, in a thread that ends with the test.
fn serve(gateway: Arc<Gateway>) -> SocketAddr {
    let address = free();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let server = Server::new(TcpListener::bind(address).await.unwrap());
            let connected = |stream: TcpStream, _| {
                let gateway = Arc::clone(&gateway);
                async move {
                    gateway.connections.fetch_add(1, Ordering::Relaxed);
                    if gateway.faults.occupied.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                    let open = gateway.open.fetch_add(1, Ordering::Relaxed) + 1;
                    gateway.most_open.fetch_max(open, Ordering::Relaxed);
                    Ok(Some((Connection { gateway, answered: AtomicUsize::new(0) }, stream)))
                }
            };
            let _ = server.serve(&connected, |_| {}).await;
        });
    });
    address
}

fn image(name: &str) -> (u8, BTreeMap<u16, u16>) {
    let path = format!("{}/tests/conext/vectors/conext-{name}.json", env!("CARGO_MANIFEST_DIR"));
    let image: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut registers = BTreeMap::new();
    for (at, words) in image["registers"].as_object().unwrap() {
        let at = u16::from_str_radix(at.trim_start_matches("0x"), 16).unwrap();
        for (word, at) in words.as_array().unwrap().iter().zip(at..) {
            registers.insert(at, word.as_u64().unwrap() as u16);
        }
    }
    (image["unit"].as_u64().unwrap() as u8, registers)
}

/// An XW without a serial number, an MPPT 80, a Battery Monitor and an AGS.
fn gateway() -> Arc<Gateway> {
    let gateway = Gateway::default();
    {
        let mut units = gateway.units.lock().unwrap();
        units.extend(["xw-inverting", "mppt80", "battmon"].map(image));
        let part = *b"865-1060-01\0\0\0\0\0\0\0\0\0";
        let mut ags: BTreeMap<u16, u16> =
            part.chunks(2).zip(0x0A..).map(|(pair, at)| (at, u16::from_be_bytes([pair[0], pair[1]]))).collect();
        ags.extend([(0x40, 3), (0x42, 4), (0x43, 10), (0x4D, 2)]);
        units.insert(50, ags);
        // The serial number of the MPPT; the others refuse theirs.
        let serial = *b"B1234567\0\0\0\0\0\0\0\0\0\0\0\0";
        let words = serial.chunks(2).zip(0x2B..).map(|(pair, at)| (at, u16::from_be_bytes([pair[0], pair[1]])));
        units.get_mut(&170).unwrap().extend(words);
    }
    Arc::new(gateway)
}

struct Site {
    home: Home,
    page: SocketAddr,
    _board: Board,
}

impl Site {
    fn new(gateway: SocketAddr, more: &str) -> Self {
        let (home, page) = (Home::new(), free());
        home.configure(&format!(
            "bms = [\"jbd\"]\n{more}\n[web]\nenabled = true\nlisten = \"{page}\"\ntoken = \"{TOKEN}\"\n[conext]\nhost = \"127.0.0.1\"\nport = {}\nunits = [10, 50, 170, 190, 200]\ninterval_s = 5\ntimeout_s = 1\n",
            gateway.port()
        ));
        let board = Board::on_pty(&home.path("ttyA"), simulated());
        Self { home, page, _board: board }
    }

    fn run(&self) -> Driver {
        self.home.start(&["run", &self.home.path("ttyA").display().to_string(), "--no-dbus", "--bus", "unix:path=/nonexistent"])
    }

    fn device(&self, id: &str) -> Option<Json> {
        let answer = get(self.page, &format!("/api/v1/devices/{id}"));
        (answer.status == 200).then(|| answer.json())
    }

    /// The device, once it is so.
    fn until(&self, id: &str, what: &str, is: impl Fn(&Json) -> bool) -> Json {
        let found = wait(|| self.device(id).filter(|device| is(device)));
        found.unwrap_or_else(|| panic!("{id} is never {what}: {:?}", self.device(id)))
    }
}

fn is_fresh(device: &Json) -> bool {
    device["fresh"] == true
}

#[test]
fn devices_are_found_and_read_though_registers_are_missing() {
    let gateway = gateway();
    let site = Site::new(serve(Arc::clone(&gateway)), "");
    let driver = site.run();
    let mppt = site.until("conext_mppt_B1234567", "fresh", is_fresh);
    let value = |device: &Json, key: &str| device["values"][key]["value"].clone();
    assert_eq!((value(&mppt, "pv_power_w"), value(&mppt, "charger")), (Json::from(479.0), Json::from("bulk")));
    // Exception 2 to its serial number does not fail the XW.
    let xw = site.until("conext_xw_10", "fresh", is_fresh);
    assert_eq!(
        (value(&xw, "load_power_w"), value(&xw, "dc_current_a"), value(&xw, "inverter")),
        (Json::from(270.0), Json::from(-5.22), Json::from("invert"))
    );
    let battery = site.until("conext_battmon_190", "fresh", is_fresh);
    assert_eq!(value(&battery, "soc_pct"), Json::from(81.0));
    assert!(site.device("conext_xw_200").is_none() && gateway.written.lock().unwrap().is_empty(), "nothing is ever written");
    assert_eq!(gateway.most_open.load(Ordering::Relaxed), 1);
    driver.stop();
}

#[test]
fn a_connection_that_falls_silent_is_replaced_by_one_other() {
    let gateway = gateway();
    gateway.faults.silent_after.store(40, Ordering::Relaxed);
    let site = Site::new(serve(Arc::clone(&gateway)), "");
    let driver = site.run();
    site.until("conext_battmon_190", "fresh", is_fresh);
    wait(|| (gateway.connections.load(Ordering::Relaxed) >= 3).then_some(())).expect("new connections");
    site.until("conext_xw_10", "fresh", is_fresh);
    assert!(gateway.most_open.load(Ordering::Relaxed) <= 2, "the old one is closed before the new one is opened");
    driver.stop();
}

#[test]
fn another_client_at_the_start_is_explained_once() {
    let gateway = gateway();
    gateway.faults.occupied.store(true, Ordering::Relaxed);
    let site = Site::new(serve(Arc::clone(&gateway)), "");
    let driver = site.run();
    driver.wait_for_log("one Modbus client at a time");
    assert!(driver.log().iter().filter(|line| line.contains("one Modbus client")).count() == 1);
    driver.stop();
}

#[test]
fn a_client_that_takes_the_gateway_is_explained_and_the_values_are_back_after_it() {
    let gateway = gateway();
    let site = Site::new(serve(Arc::clone(&gateway)), "");
    let driver = site.run();
    site.until("conext_battmon_190", "fresh", is_fresh);
    // Our connection dies, and the other client was faster with the next one.
    gateway.faults.occupied.store(true, Ordering::Relaxed);
    gateway.faults.silent_after.store(1, Ordering::Relaxed);
    let note = |device: &Json| device["note"].as_str().unwrap_or_default().to_owned();
    site.until("conext_battmon_190", "explained", |device| note(device).contains("one Modbus client at a time"));
    gateway.faults.silent_after.store(0, Ordering::Relaxed);
    gateway.faults.occupied.store(false, Ordering::Relaxed);
    site.until("conext_battmon_190", "fresh again", |device| is_fresh(device) && device["note"].is_null());
    assert!(gateway.most_open.load(Ordering::Relaxed) <= 2, "the old one is closed before the new one is opened");
    driver.stop();
}

#[test]
fn a_slow_gateway_is_noted_and_its_values_come_back() {
    let gateway = gateway();
    let site = Site::new(serve(Arc::clone(&gateway)), "");
    let driver = site.run();
    site.until("conext_battmon_190", "fresh", is_fresh);
    gateway.faults.delay_ms.store(3000, Ordering::Relaxed);
    site.until("conext_battmon_190", "noted", |device| device["note"].as_str().is_some_and(|note| note.contains("no answer")));
    gateway.faults.delay_ms.store(0, Ordering::Relaxed);
    site.until("conext_battmon_190", "fresh again", |device| is_fresh(device) && device["note"].is_null());
    driver.stop();
}

#[test]
fn the_generator_is_switched_over_the_ags_by_hand_and_off_at_the_end() {
    let gateway = gateway();
    let site = Site::new(serve(Arc::clone(&gateway)), "generator.ags = true\n");
    let driver = site.run();
    site.until("generator", "off", |device| device["values"]["running"]["value"] == false);
    let ask = |value: &str, token: &str| {
        let body = format!("{{\"command\": \"generator\", \"value\": \"{value}\"}}");
        request(site.page, "POST", "/api/v1/devices/generator/commands", &format!("Authorization: Bearer {token}\r\n"), &body)
    };
    assert_eq!((ask("run for 3600", "wrong-wrong-wrong").status, ask("run", TOKEN).status), (401, 400));
    assert_eq!(ask("run for 3600", TOKEN).status, 200);
    let shown = site.until("generator", "on", |device| device["values"]["running"]["value"] == true);
    assert_eq!(shown["values"]["reason_key"]["value"], "run_by_hand");
    driver.stop();
    let written = gateway.written.lock().unwrap().clone();
    assert_eq!(written, [(50, 0x4D, 0), (50, 0x4D, 1), (50, 0x4D, 0)], "only the generator mode, and off at the end");
}
