//! What the outputs tell of the cells' health.

use crate::support::cell_health::cell_health;
use crate::support::snapshot;
use dbus_bms::dbus::Items;
use dbus_bms::model::{ESTIMATED_SOH, Snapshot};
use dbus_bms::output::api::{BatteryInfo, InverterOutputs, View, metrics};
use dbus_bms::output::mqtt::{Config, state};
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn snapshot() -> Snapshot {
    Snapshot { cell_health: Some(Arc::new(cell_health())), ..snapshot::discharging() }
}

fn view(snapshot: &Snapshot) -> View {
    View::new(&BatteryInfo { id: "a".into(), ..BatteryInfo::default() }, snapshot, None, InverterOutputs::default())
}

#[test]
fn a_cell_that_does_not_get_full_is_told_as_at_least_so_far_behind() {
    let told = serde_json::to_value(view(&snapshot())).unwrap();
    let health = &told["health"];
    assert_eq!((&health["offset_ah"][4], &health["at_least"][4]), (&json!(-6.5), &json!(true)), "{health}");
    assert_eq!(health["at_least"].as_array().unwrap().iter().filter(|late| **late == json!(true)).count(), 1, "{health}");
    let text = |number: usize| health["findings"][number]["text"].as_str().unwrap().to_owned();
    assert!(text(1).contains("cell 5 is at least 6.5 Ah less charged"), "{}", text(1));
    assert!(text(0).contains("a connection of cell 7") && !text(0).contains("at least"), "{}", text(0));
    // Nothing is said while all cells get full.
    let mut all_full = cell_health();
    all_full.estimates.cells.iter_mut().for_each(|cell| cell.is_late = false);
    let told = serde_json::to_value(view(&Snapshot { cell_health: Some(Arc::new(all_full)), ..snapshot() })).unwrap();
    assert!(told["health"]["at_least"].is_null() && told["health"]["offset_ah"].is_array(), "{told}");
}

#[test]
fn the_metrics_have_the_estimates_of_each_cell_and_what_was_found() {
    let all = metrics(&[Arc::new(view(&snapshot())), Arc::new(view(&snapshot::discharging()))]);
    for line in [
        "dbus_bms_cell_resistance_ohms{battery=\"a\",cell=\"7\"} 0.0006",
        "dbus_bms_cell_relative_resistance{battery=\"a\",cell=\"7\"} 2",
        "dbus_bms_cell_resistance_rise{battery=\"a\",cell=\"16\"} 1.01",
        "dbus_bms_cell_offset_coulombs{battery=\"a\",cell=\"5\"} -23400",
        "dbus_bms_cell_self_discharge_amperes{battery=\"a\",cell=\"5\"} 0.01",
        "dbus_bms_cell_at_least{battery=\"a\",cell=\"5\"} 1",
        "dbus_bms_cell_at_least{battery=\"a\",cell=\"6\"} 0",
        "dbus_bms_cell_capacity_coulombs{battery=\"a\",cell=\"1\"} 828000",
        "dbus_bms_cell_relative_capacity{battery=\"a\",cell=\"1\"} 1",
        "dbus_bms_health_usable_coulombs{battery=\"a\"} 810000",
        "dbus_bms_health_finding{battery=\"a\",kind=\"high\",cell=\"7\"} 3",
        "dbus_bms_health_finding{battery=\"a\",kind=\"behind\",cell=\"5\"} 2",
        "dbus_bms_health_finding{battery=\"a\",kind=\"pack\"} 1",
    ] {
        assert!(all.lines().any(|told| told == line), "{line}\n{all}");
    }
    assert!(!all.contains("dbus_bms_cell_offset_ah"), "no old names for what is new");
}

#[test]
fn a_finding_is_no_alarm() {
    let (with, without) = (snapshot(), snapshot::discharging());
    let items = |snapshot: &Snapshot| {
        let items = Items::new(&snapshot::context(), snapshot);
        (0..items.len()).map(|number| format!("{:?}", items.get(number).unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(items(&with), items(&without), "D-Bus says the same");
    let alarms = |snapshot: &Snapshot| serde_json::to_value(view(snapshot)).unwrap()["alarms"].clone();
    assert_eq!(alarms(&with), alarms(&without));
    let published =
        |snapshot: &Snapshot| -> Json { serde_json::from_str(&state(&Config::default(), &view(snapshot)).payload).unwrap() };
    assert_eq!(published(&with)["alarm_level"], "ok");
}

#[test]
fn mqtt_has_the_findings_as_text_and_says_whose_state_of_health_it_is() {
    let mut found = snapshot();
    let published =
        |snapshot: &Snapshot| -> Json { serde_json::from_str(&state(&Config::default(), &view(snapshot)).payload).unwrap() };
    let told = published(&found);
    let text = told["health_text"].as_str().unwrap();
    assert!(text.starts_with("3 findings") && text.len() <= 255, "{text}");
    assert_eq!((&told["health"]["usable_ah"], &told["soh_estimated"]), (&json!(225.0), &json!(false)));
    found.reading.note(ESTIMATED_SOH);
    assert_eq!(published(&found)["soh_estimated"], json!(true));
}
