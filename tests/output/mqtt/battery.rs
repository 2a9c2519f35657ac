//! A battery whose values come over MQTT: the program, a real broker and a sender.

use crate::support::broker::{Broker, Observer};
use crate::support::driver::{Driver, Home};
use serde_json::Value as Json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

const PASSWORD: &str = "quite-secret-7341";

/// A message of a battery of four cells; `more` are further fields.
fn message(more: &str) -> String {
    format!(
        r#"{{"voltage_v": 13.2, "current_a": 5.2, "soc_pct": 50, "cell_voltages_v": [3.3, 3.3, 3.3, 3.3], "temperatures_c": [25],
            "charge_fet": true, "discharge_fet": true, "capacity_ah": 100, "bms_ccl_a": 7.5, "serial_number": "shed"{more}}}"#
    )
}

/// Publishes a message every 0.3 s, with a timestamp.
struct Sender {
    running: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
    /// The timestamp stands still.
    frozen: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Sender {
    fn start(broker: &Arc<Broker>) -> Self {
        Self::of(broker, message)
    }

    /// Sends these messages, with their last field.
    fn of(broker: &Arc<Broker>, message: fn(&str) -> String) -> Self {
        let new = |value: bool| Arc::new(AtomicBool::new(value));
        let (running, silent, frozen) = (new(true), new(false), new(false));
        let (on, quiet, still, broker) = (Arc::clone(&running), Arc::clone(&silent), Arc::clone(&frozen), Arc::clone(broker));
        let started = std::time::Instant::now();
        let stamp = AtomicU32::new(0);
        let thread = std::thread::spawn(move || {
            while on.load(Ordering::Relaxed) {
                if !still.load(Ordering::Relaxed) {
                    stamp.store(u32::try_from(started.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
                }
                if !quiet.load(Ordering::Relaxed) {
                    let seconds = f64::from(stamp.load(Ordering::Relaxed)) / 1000.0;
                    broker.publish("feed", &message(&format!(r#", "timestamp": {seconds}"#)), false);
                }
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        Self { running, silent, frozen, thread: Some(thread) }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.running.store(false, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

fn run(home: &Home, port: u16) -> Driver {
    home.configure(&format!(
        "dbus.required = false\ndbus.bus = \"unix:path={}\"\nsilence.values_after_s = 3.0\n\
         [mqtt]\nenabled = true\nhost = \"127.0.0.1\"\nport = {port}\ninterval_s = 1.0\nuser = \"shed\"\npassword = \"{PASSWORD}\"\n",
        home.path("nobus").display()
    ));
    home.start(&["run", &format!("mqtt://127.0.0.1:{port}/feed")])
}

/// The next state message with data of this freshness.
fn state(observer: &Observer, freshness: &str) -> Json {
    observer.forget();
    let quoted = format!("\"freshness\":\"{freshness}\"");
    let seen = observer.wait_for(|seen| seen.topic.ends_with("/state") && seen.payload.contains(&quoted));
    serde_json::from_str(&seen.payload).unwrap()
}

#[test]
fn it_is_a_battery_like_any_other() {
    let home = Home::new();
    let broker = Arc::new(Broker::with_user(&home, "shed", PASSWORD));
    let (observer, all) = (broker.observe("dbus-bms/#"), broker.observe("dbus-bms/#"));
    // Kept by the broker, of another battery: it is no reading.
    broker.publish(
        "feed",
        r#"{"voltage_v": 26.4, "current_a": 1, "soc_pct": 9, "cell_voltages_v": [3.3,3.3,3.3,3.3,3.3,3.3,3.3,3.3]}"#,
        true,
    );
    let sender = Sender::start(&broker);
    let driver = run(&home, broker.port);
    let told = state(&observer, "fresh");
    assert_eq!((&told["bms"], &told["voltage_v"], &told["soc_pct"]), (&"json".into(), &13.2.into(), &50.0.into()));
    assert!(told["limits"]["ccl_a"].as_f64().unwrap() <= 7.5, "{told}");

    sender.silent.store(true, Ordering::Relaxed);
    let told = state(&observer, "stale");
    assert_eq!((&told["voltage_v"], &told["cell_voltages_v"]), (&Json::Null, &Json::Null));
    sender.silent.store(false, Ordering::Relaxed);
    state(&observer, "fresh");

    // The same message again and again is no news.
    sender.frozen.store(true, Ordering::Relaxed);
    state(&observer, "stale");
    sender.frozen.store(false, Ordering::Relaxed);
    state(&observer, "fresh");
    assert!(!all.all().iter().any(|seen| seen.payload.contains("26.4")), "what was kept has never been a reading");
    let ended = driver.stop();
    assert!(!ended.log.iter().any(|line| line.contains(PASSWORD)));
}

/// A message of a battery that reports no single cells, but limits of its own.
fn without_cells(more: &str) -> String {
    format!(
        r#"{{"voltage_v": 13.2, "current_a": 5.2, "soc_pct": 50, "highest_cell_v": 3.31, "lowest_cell_v": 3.29, "temperatures_c": [25],
            "capacity_ah": 100, "bms_cvl_v": 14.2, "bms_ccl_a": 7.5, "bms_dcl_a": 20, "serial_number": "boat"{more}}}"#
    )
}

#[test]
fn a_battery_without_single_cells_is_shown_and_charged_by_its_own_limits() {
    let home = Home::new();
    let broker = Arc::new(Broker::with_user(&home, "shed", PASSWORD));
    let observer = broker.observe("dbus-bms/#");
    let _sender = Sender::of(&broker, without_cells);
    let driver = run(&home, broker.port);
    let told = state(&observer, "fresh");
    let limits = &told["limits"];
    assert_eq!((&limits["cvl_v"], &limits["ccl_a"], &limits["dcl_a"]), (&14.2.into(), &7.5.into(), &20.0.into()), "{told}");
    assert_eq!((&told["highest_cell_v"], &told["cell_max_v"], &told["cell_max_no"]), (&3.31.into(), &3.31.into(), &Json::Null));
    assert_eq!(told["cell_count"], Json::Null, "it is not guessed");
    driver.stop();
}
