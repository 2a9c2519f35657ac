//! The oscillation guard on a real bus: it reads the power of another service, which may start late, leave and return.
#![allow(clippy::disallowed_methods, reason = "boards live in real time")]

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Board, simulated};
use bus::{Bus, Peer};
use driver::{Home, PATIENCE};
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

const NAME: &str = "com.victronenergy.battery.ttyUSB7";
const CONFIG: &str = "[oscillation]\ndbus_power = \"com.victronenergy.battery.oth*/Dc/0/Power\"\n";

/// Alternates the power by `watts` until the reason of the charge limit matches; returns that limit.
async fn swing(bus: &Bus, other: &mut Peer, watts: f64, limited: bool) -> f64 {
    let (start, mut sign) = (Instant::now(), 1.0);
    loop {
        sign = -sign;
        other.tell(&json!({"/Dc/0/Power": sign * watts}));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let items = bus.items(NAME).await.unwrap_or_default();
        let reason = items.get("/Info/ChargeLimitation").map(Json::to_string).unwrap_or_default();
        if !items.is_empty() && reason.contains("inverters oscillate") == limited {
            return items["/Info/MaxChargeCurrent"][1].as_f64().unwrap();
        }
        assert!(start.elapsed() < 3 * PATIENCE, "{reason}");
    }
}

#[tokio::test]
async fn a_power_on_d_bus_that_swings_cuts_the_limits() {
    let (home, bus) = (Home::new(), Bus::start());
    let board = Board::on_pty(&home.path("ttyUSB7"), simulated());
    home.configure(CONFIG);
    let driver = home.run(&bus, &board.port, &["--bms", "jbd"]);
    // The other one starts later, leaves and returns.
    bus.watch(NAME).await;
    drop(bus.foreign_battery(&["other"]).await);
    let mut other = bus.foreign_battery(&["other"]).await;
    let full = swing(&bus, &mut other, 100.0, false).await;
    driver.wait_for_log("oscillation guard: reading com.victronenergy.battery.other/Dc/0/Power");
    let cut = swing(&bus, &mut other, 800.0, true).await;
    assert!(cut <= full / 3.0 && cut > full / 4.0, "{cut} A of {full} A");
    driver.wait_for_log("the grid power keeps changing sides");
    driver.stop();
}
