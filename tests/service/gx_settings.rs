//! Settings changed by an owner on the GX while the driver runs: lower values apply with the next reading, dangerous ones have no
//! effect, and after a reset the file applies again.

use crate::support::board;
use crate::support::bus;
use crate::support::driver;

use board::{Board, simulated};
use bus::{Bus, get, set};
use dbus_bms::dbus::{DeviceId, GX_SETTINGS};
use driver::{Home, PATIENCE, owner, until};
use serde_json::{Value as Json, json};

const SERVICE: &str = "com.victronenergy.battery.ttyUSB0";
const SETTINGS: &str = "com.victronenergy.settings";

/// Waits until a limit has this value.
async fn limit(bus: &Bus, path: &str, expected: f64) {
    let mut last = None;
    let reached = async {
        while last != Some(expected) {
            last = bus.call(get(SERVICE, path, "GetValue")).await["value"][1].as_f64();
        }
    };
    if tokio::time::timeout(PATIENCE, reached).await.is_err() {
        panic!("{path} is {last:?}, not {expected}");
    }
}

#[tokio::test]
async fn what_the_owner_sets_on_the_gx_counts_at_once_and_within_the_rules() {
    let (bus, home) = (Bus::start(), Home::new());
    let settings = bus.settings(&["/Settings/Services/Bol#=1"]).await;
    home.configure("max_charge_current_a = 40\nrecovery.hold_s = 0\nrecovery.ramp_a_per_s = 50\nrecovery.ramp_v_per_s = 1\n");
    let mut watcher = bus.watch(SERVICE).await;
    let board = Board::on_pty(&home.path("ttyUSB0"), simulated());
    let driver = home.run(&bus, &board.port, &[]);
    until(&mut watcher, owner(true)).await;
    limit(&bus, "/Info/MaxChargeCurrent", 40.0).await;
    limit(&bus, "/Info/MaxChargeVoltage", 55.2).await;

    let line = driver.wait_for_log("connected:");
    let id = line.rsplit_once('(').unwrap().1.trim_end_matches(')').to_owned();
    let path = |name: &str| DeviceId::new(&id).setting(name);
    for key in &GX_SETTINGS {
        let there = bus.call(get(SETTINGS, &path(key.name), "GetValue")).await;
        assert_eq!(there["value"], json!(["d", 0.0]), "{}", key.name);
    }
    let put = async |name: &str, value: f64| {
        let reply = bus.call(set(SETTINGS, &path(name), json!(["d", value]))).await;
        assert_eq!(reply["value"], json!(["i", 0]), "{name} {value}: {reply}");
    };
    put("MaxChargeCurrent", 20.0).await;
    limit(&bus, "/Info/MaxChargeCurrent", 20.0).await;
    driver.wait_for_log("max_charge_current_a = 20 holds, from MaxChargeCurrent on the GX; the configuration says 40");
    put("MaxDischargeCurrent", 30.0).await;
    limit(&bus, "/Info/MaxDischargeCurrent", 30.0).await;
    put("MaxCellVoltage", 3.4).await;
    limit(&bus, "/Info/MaxChargeVoltage", 54.4).await;
    // More than allowed for LFP cells: logged, and the file applies.
    put("MaxCellVoltage", 3.9).await;
    driver.wait_for_log("MaxCellVoltage = 3.9 on the GX is refused");
    limit(&bus, "/Info/MaxChargeVoltage", 55.2).await;

    // Both owner and helper can see it, with the remedy.
    let shown = bus.call(get(SERVICE, "/Info/GxSettings", "GetValue")).await["value"][1].to_string();
    assert!(
        shown.contains("max_charge_current_a = 20 holds") && shown.contains("MaxCellVoltage = 3.9 on the GX is refused"),
        "{shown}"
    );
    let address = bus.address().to_string();
    let ended = home.start(&["status", "--json", "--bus", &address]).end();
    let status: Json = serde_json::from_str(&ended.output[0]).unwrap();
    let [current, discharge, cell] = status["gx_settings"].as_array().unwrap().as_slice() else { panic!("not three: {status}") };
    assert_eq!((&current["holds"], &current["gx"], &current["configuration"]), (&json!("gx"), &json!("20"), &json!("40")));
    assert_eq!((&discharge["holds"], &discharge["gx"], &discharge["configuration"]), (&json!("gx"), &json!("30"), &Json::Null));
    assert_eq!((&cell["holds"], &cell["name"]), (&json!("configuration"), &json!("MaxCellVoltage")));
    let ended = home.start(&["doctor", "--json", "--root", "/nonexistent/root", "--bus", &address]).end();
    let findings: Vec<Json> = ended.output.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_settings: Vec<&Json> = findings.iter().filter(|finding| finding["topic"] == "settings").collect();
    assert_eq!(
        of_settings.iter().map(|finding| &finding["verdict"]).collect::<Vec<_>>(),
        ["note", "note", "problem"],
        "{findings:#?}"
    );
    assert!(of_settings.iter().all(|finding| finding["remedy"].as_str().unwrap().contains("SetValue %0.0")), "{of_settings:#?}");

    // A client cannot raise settings of the file, and others only within bounds.
    put("MaxChargeCurrent", 1000.0).await;
    driver.wait_for_log("MaxChargeCurrent = 1000 on the GX is refused");
    limit(&bus, "/Info/MaxChargeCurrent", 40.0).await;
    put("MaxCellVoltage", 3.65).await;
    limit(&bus, "/Info/MaxChargeVoltage", 56.8).await;
    driver.wait_for_log("on the GX, up to the chemistry's voltage of a balancing charge; the configuration does not set it");

    for name in ["MaxCellVoltage", "MaxChargeCurrent"] {
        put(name, 0.0).await;
    }
    limit(&bus, "/Info/MaxChargeCurrent", 40.0).await;
    let shown = bus.call(get(SERVICE, "/Info/GxSettings", "GetValue")).await["value"][1].to_string();
    assert!(shown.contains("max_discharge_current_a") && !shown.contains("MaxCellVoltage"), "{shown}");
    // Without the settings service the last values stay in force.
    drop(settings);
    limit(&bus, "/Info/MaxDischargeCurrent", 30.0).await;
    driver.stop();
}
