//! The external sensor on a real bus: current and SoC of another battery service replace those of the BMS, until it leaves.
#![allow(clippy::disallowed_methods, reason = "boards live in real time")]

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Board, simulated};
use bus::Bus;
use driver::{Home, PATIENCE};
use serde_json::json;
use std::time::{Duration, Instant};

const NAME: &str = "com.victronenergy.battery.ttyUSB7";
/// The name with the wildcard also matches the battery's own service, which is never read.
const CONFIG: &str =
    "[external_sensor]\ncurrent = \"com.victronenergy.battery.*/Dc/0/Current\"\nsoc = \"com.victronenergy.battery.*/Soc\"\n";

/// Waits until the battery shows this SoC, and this current if one is given.
async fn shows(bus: &Bus, current: Option<f64>, soc: f64) {
    let start = Instant::now();
    loop {
        let items = bus.items(NAME).await.unwrap_or_default();
        let near = |path: &str, wanted: f64| {
            items.get(path).and_then(|item| item[1].as_f64()).is_some_and(|value| (value - wanted).abs() < 0.2)
        };
        if current.is_none_or(|current| near("/Dc/0/Current", current)) && near("/Soc", soc) {
            return;
        }
        assert!(start.elapsed() < 4 * PATIENCE, "{:?} {:?}", items.get("/Dc/0/Current"), items.get("/Soc"));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn values_of_another_service_replace_those_of_the_bms_until_it_leaves() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    home.configure(CONFIG);
    let driver = home.run(&bus, &board.port, &["--bms", "jbd"]);
    bus.watch(NAME).await;
    let items = loop {
        match bus.items(NAME).await {
            Some(items) if !items.is_empty() => break items,
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    let own = ["/Dc/0/Current", "/Soc"].map(|path| items[path][1].as_f64().unwrap());
    let mut shunt = bus.foreign_battery(&["ttyzz"]).await;
    let (current, soc) = (own[0] - 1.5, own[1] + 5.0);
    shunt.tell(&json!({"/Dc/0/Current": current, "/Soc": soc}));
    shows(&bus, Some(current), soc).await;
    driver.wait_for_log("external current: reading com.victronenergy.battery.ttyzz/Dc/0/Current");
    drop(shunt);
    // The simulated current changes meanwhile.
    shows(&bus, None, own[1]).await;
    driver.wait_for_log("no current from `external_sensor.current`");
    driver.stop();
}
