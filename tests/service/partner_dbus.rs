//! Two inverters, each with a battery of this driver on a real bus: one follows the power of the other's battery.
#![allow(clippy::disallowed_methods, reason = "boards live in real time")]

use crate::bank_local::{Simulated, pack};
use crate::support::bus;
use crate::support::driver;

use bus::{Bus, Peer};
use dbus_bms::sim::pack::Demand;
use driver::{Home, PATIENCE};
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

const OURS: &str = "com.victronenergy.battery.ttyB";
const CONFIG: &str = "[oscillation]\ndbus_power = \"com.victronenergy.battery.meter/Dc/0/Power\"\n\
                      [partner]\ndbus_power = \"com.victronenergy.battery.ttyA/Dc/0/Power\"\n";

fn set_current(sim: &Simulated, amps: f64) {
    sim.lock().unwrap().1[0].pack.demand = Demand::Constant(amps);
}

/// Tells the grid's power until a limit of ours is as `is_it` wants, by its value in A and its reason.
async fn until(bus: &Bus, meter: &mut Peer, watts: f64, limit: [&str; 2], is_it: impl Fn(f64, &str) -> bool) -> Duration {
    let (start, mut digit) = (Instant::now(), 0.0);
    loop {
        // A meter is never quite still.
        digit = 1.0 - digit;
        meter.tell(&json!({"/Dc/0/Power": watts + digit}));
        let items = bus.items(OURS).await.unwrap_or_default();
        let number = items.get(limit[0]).and_then(|value| value[1].as_f64());
        let reason = items.get(limit[1]).map(Json::to_string).unwrap_or_default();
        if number.is_some_and(|number| is_it(number, &reason)) {
            return start.elapsed();
        }
        assert!(start.elapsed() < 4 * PATIENCE, "{number:?} {reason}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn we_do_not_discharge_into_the_partner_nor_charge_from_it_and_the_house_is_served() {
    const DCL: [&str; 2] = ["/Info/MaxDischargeCurrent", "/Info/DischargeLimitation"];
    const CCL: [&str; 2] = ["/Info/MaxChargeCurrent", "/Info/ChargeLimitation"];
    let (home, bus) = (Home::new(), Bus::start());
    let (theirs, a) = pack(&home, "ttyA", 60.0);
    let (ours, b) = pack(&home, "ttyB", 60.0);
    set_current(&ours, 0.0);
    set_current(&theirs, 40.0);
    let partner = home.configure("").run(&bus, &a.port, &["--bms", "jbd"]);
    let driver = home.configure(CONFIG).run(&bus, &b.port, &["--bms", "jbd"]);
    let mut meter = bus.foreign_battery(&["meter"]).await;
    // Their battery charges with 2.1 kW from the grid.
    let held = until(&bus, &mut meter, 2200.0, DCL, |amps, why| amps == 0.0 && why.contains("no discharging into it")).await;
    // The house draws 3 kW beside that: within ten seconds, and the times of two readings.
    let served = until(&bus, &mut meter, 5200.0, DCL, |amps, why| amps > 40.0 && why.contains("for the house only")).await;
    assert!(served < Duration::from_secs(15), "{served:?}");
    // Their battery discharges, and the grid takes it.
    set_current(&theirs, -40.0);
    let no_charge = until(&bus, &mut meter, -50.0, CCL, |amps, why| amps == 0.0 && why.contains("no charging from it")).await;
    println!("DCL 0 after {held:?}, the house served after {served:?}, CCL 0 after {no_charge:?}");
    driver.stop();
    partner.stop();
}
