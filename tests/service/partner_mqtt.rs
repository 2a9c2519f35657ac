//! The rule for a partner inverter with the powers of partner and grid from a real broker: each state with its reason, as the API
//! tells it.
#![allow(clippy::disallowed_methods, reason = "boards live in real time")]

use crate::bank_local::{Simulated, pack};
use crate::support::board::Board;
use crate::support::broker::Broker;
use crate::support::bus::Bus;
use crate::support::driver::{Driver, Home, PATIENCE};
use crate::support::http;
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A house with the driver, whose battery is at rest.
struct House {
    broker: Broker,
    page: SocketAddr,
    driver: Driver,
    /// A meter is never quite still.
    digit: u32,
    _board: (Simulated, Board),
    _bus: Bus,
    _home: Home,
}

impl House {
    fn start() -> Self {
        let (home, bus) = (Home::new(), Bus::start());
        let broker = Broker::start(&home);
        let (ours, board) = pack(&home, "ttyB", 60.0);
        ours.lock().unwrap().1[0].pack.demand = dbus_bms::sim::pack::Demand::Constant(0.0);
        let page = http::free();
        let config = format!(
            "[web]\nenabled = true\nlisten = \"{page}\"\n[mqtt]\nhost = \"127.0.0.1\"\nport = {}\n[oscillation]\nmqtt_topic = \"meter\"\n\
             mqtt_key = \"power\"\n[partner]\nmqtt_topic = \"shed/battery\"\nmqtt_key = \"dc.power\"\n",
            broker.port
        );
        let driver = home.configure(&config).run(&bus, &board.port, &["--bms", "jbd"]);
        Self { broker, page, driver, digit: 0, _board: (ours, board), _bus: bus, _home: home }
    }

    fn tell(&mut self, grid: i32, partner: Option<i32>) {
        self.digit ^= 1;
        self.broker.publish("meter", &format!("{{\"power\": {}}}", grid + i32::try_from(self.digit).unwrap()), false);
        if let Some(partner) = partner {
            self.broker.publish("shed/battery", &format!("{{\"dc\": {{\"power\": \"{partner}\"}}}}"), false);
        }
    }

    /// Publishes powers in W until a limit (`ccl` or `dcl`) is as `is_it` wants, by its value in A and its reason.
    fn until(&mut self, (grid, partner): (i32, Option<i32>), limit: &str, is_it: impl Fn(f64, &str) -> bool) -> Duration {
        let start = Instant::now();
        loop {
            self.tell(grid, partner);
            let batteries = http::batteries(self.page);
            let limits = batteries.first().map_or(&Json::Null, |battery| &battery["limits"]);
            let (value, why) = (limits[format!("{limit}_a")].as_f64(), limits[format!("{limit}_why")].as_str().unwrap_or_default());
            if value.is_some_and(|value| is_it(value, why)) {
                return start.elapsed();
            }
            assert!(start.elapsed() < 8 * PATIENCE, "{limit}: {value:?} {why}; {limits}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_charges_is_not_discharged_into_and_the_house_is_served() {
    let mut house = House::start();
    house.until((0, Some(0)), "dcl", |amps, _| amps > 40.0);
    // Their battery charges with 2.1 kW from the grid; the 50 W of the house are too little to serve.
    let held = house.until((2150, Some(2100)), "dcl", |amps, why| amps == 0.0 && why.contains("no discharging into it"));
    let devices = http::get(house.page, "/api/v1/devices").json();
    let shown = |id: &str, key: &str| {
        let device = devices["devices"].as_array().unwrap().iter().find(|device| device["id"] == id).cloned();
        device.map(|device| device["values"][key]["value"].as_f64().unwrap())
    };
    assert_eq!(shown("partner", "battery_power_w"), Some(2100.0), "{devices}");
    assert!(shown("grid", "grid_power_w").is_some_and(|watts| (watts - 2150.0).abs() <= 1.0), "{devices}");
    // The house draws 3 kW beside that.
    let served = house.until((5200, Some(2100)), "dcl", |amps, why| amps > 40.0 && why.contains("for the house only"));
    assert!(served < Duration::from_secs(15), "{served:?}");
    // It stops, and the limit comes back a minute later, slowly.
    house.until((2150, Some(2100)), "dcl", |amps, why| amps < 10.0 && why.contains("no discharging into it"));
    let rested = house.until((0, Some(0)), "dcl", |amps, why| amps > 0.0 && why.contains("the limit rises slowly"));
    assert!(rested >= Duration::from_secs(55), "{rested:?}");
    println!("DCL 0 after {held:?}, the house served after {served:?}, the limit rises {rested:?} after the partner rests");
    house.driver.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_discharges_is_not_charged_from_until_its_power_is_unknown() {
    let mut house = House::start();
    house.until((0, Some(0)), "ccl", |amps, _| amps > 40.0);
    let held = house.until((-50, Some(-2100)), "ccl", |amps, why| amps == 0.0 && why.contains("no charging from it"));
    // The sun gives more than the house takes: 1.9 kW are left beside what the partner gives.
    let surplus = house.until((-4000, Some(-2100)), "ccl", |amps, why| amps > 20.0 && why.contains("charging by the surplus only"));
    house.until((-50, Some(-2100)), "ccl", |amps, why| amps < 10.0 && why.contains("no charging from it"));
    // Its power is not told any more: after a minute nothing is held, and the log says why.
    let released = house.until((-50, None), "ccl", |amps, why| amps > 40.0 && !why.contains("partner"));
    assert!(released >= Duration::from_secs(45), "{released:?}");
    house.driver.wait_for_log("nothing is held for the partner");
    println!("CCL 0 after {held:?}, the surplus taken after {surplus:?}, released {released:?} after the last power");
    house.driver.stop();
}
