//! Items of a battery on D-Bus, without a bus: golden lists of all items, and properties of the table.

use crate::support::snapshot;

use dbus_bms::base::units::{AmpHours, Amps, Percent, Volts, Watts};
use dbus_bms::dbus::{BANK_PRODUCT_ID, BATTERY_PRODUCT_ID, Context, Items, Value, Writable};
use dbus_bms::model::{Alarm, AlarmName, BankSummary, Derived, Freshness, Level, Snapshot};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// `path  value  text`, one line per item; `w` marks writable ones.
fn listing(items: &Items) -> String {
    let (mut list, mut text) = (String::new(), String::new());
    for number in 0..items.len() {
        let (path, value) = items.get(number).unwrap();
        items.write_text(number, &mut text);
        let value = match value {
            Value::Invalid => "invalid".to_owned(),
            Value::Int(n) => format!("i {n}"),
            Value::Double(x) => format!("d {x:?}"),
            Value::Text(text) => format!("s {text:?}"),
        };
        let mark = if items.writable(number) == Writable::No { "" } else { "  w" };
        writeln!(list, "{path:<38} {value:<44} {text}{mark}").unwrap();
    }
    list
}

/// Compares with `tests/golden/<name>`; `UPDATE_GOLDEN=1` rewrites it instead, to be reviewed as a change.
fn compare(name: &str, context: &Context, snapshot: &Snapshot) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    let list = listing(&Items::new(context, snapshot));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (ours, expected) in list.lines().zip(golden.lines()) {
        assert_eq!(ours, expected, "{name}");
    }
    assert_eq!(list.lines().count(), golden.lines().count(), "{name}");
}

#[test]
fn a_healthy_battery() {
    compare("dbus-discharging.txt", &snapshot::context(), &snapshot::discharging());
}

#[test]
fn a_battery_in_alarm() {
    compare("dbus-alarmed.txt", &snapshot::context(), &snapshot::alarmed());
}

#[test]
fn a_battery_that_went_silent() {
    compare("dbus-lost.txt", &snapshot::context(), &snapshot::lost());
}

#[test]
fn configured_names_stand_beside_their_sensors() {
    let mut named = snapshot::discharging();
    named.derived.sensor_names = Arc::from(["Cells".to_owned(), String::new()]);
    let items = Items::new(&snapshot::context(), &named);
    let name = |number: u8| {
        let index = items.find(&format!("/System/Temperature{number}Name")).unwrap();
        match items.get(index).unwrap().1 {
            Value::Text(text) => Some(text.to_string()),
            _ => None,
        }
    };
    assert_eq!([1, 2, 3, 4].map(name), [Some("Cells".to_owned()), None, None, None]);
}

#[test]
fn a_battery_that_is_only_observed() {
    let context = Context { control: false, ..snapshot::context() };
    let items = Items::new(&context, &snapshot::discharging());
    assert!((0..items.len()).all(|number| !items.get(number).unwrap().0.starts_with("/Info/Max")));
    compare("dbus-observed.txt", &context, &snapshot::discharging());
}

#[test]
fn a_battery_whose_soc_is_counted() {
    let context = Context { own_soc: true, counted_soc: true, soc_levels: vec![20, 80, 100], ..snapshot::context() };
    let mut counted = snapshot::discharging();
    counted.derived.bms_soc = Some(Percent::new(68.0));
    counted.derived.bms_remaining = Some(AmpHours::new(190.4));
    counted.derived.time_to_soc = vec![Some(Duration::from_secs(41_529)), None, None];
    counted.history.automatic_syncs = 17;
    compare("dbus-counted.txt", &context, &counted);
    // Unknown again once the data is stale.
    counted.derived = Derived::default();
    let items = Items::new(&context, &counted);
    for path in ["/SocBms", "/CapacityBms", "/CurrentAvg", "/TimeToGo", "/TimeToSoC/20"] {
        assert_eq!(*value(&items, path), Value::Invalid, "{path}");
    }
}

#[test]
fn a_bank_has_a_product_number_of_its_own() {
    let mut bank = snapshot::discharging();
    assert_eq!(*value(&Items::new(&snapshot::context(), &bank), "/ProductId"), Value::Int(BATTERY_PRODUCT_ID));
    bank.bank_summary = Some(Arc::new(BankSummary::default()));
    assert_eq!(*value(&Items::new(&snapshot::context(), &bank), "/ProductId"), Value::Int(BANK_PRODUCT_ID));
}

#[test]
fn a_soc_that_is_only_capped_has_no_synchronisations() {
    let context = Context { own_soc: true, ..snapshot::context() };
    let items = Items::new(&context, &snapshot::discharging());
    assert!(items.find("/SocBms").is_some() && items.find("/CapacityBms").is_some());
    assert_eq!(items.find("/History/AutomaticSyncs"), None);
}

fn value<'a>(items: &'a Items, path: &str) -> &'a Value<'static> {
    items.get(items.find(path).unwrap_or_else(|| panic!("{path} is missing"))).unwrap().1
}

#[test]
fn an_empty_battery_asks_for_charge_while_it_can_take_it() {
    let asks = |snapshot: &Snapshot| value(&Items::new(&snapshot::context(), snapshot), "/Info/ChargeRequest").clone();
    assert_eq!(asks(&snapshot::discharging()), Value::Int(0));
    for name in [AlarmName::CellLowVoltage, AlarmName::LowVoltage] {
        let mut empty = snapshot::discharging();
        empty.alarms = vec![Alarm { name, level: Level::Warning }];
        assert_eq!(asks(&empty), Value::Int(0), "{name:?}");
        empty.alarms = vec![Alarm { name, level: Level::Alarm }];
        assert_eq!(asks(&empty), Value::Int(1), "{name:?}");
        empty.freshness = Freshness::Stale;
        assert_eq!(asks(&empty), Value::Invalid, "{name:?}");
        empty.freshness = Freshness::Fresh;
        empty.limits.ccl.value = Amps::ZERO;
        assert_eq!(asks(&empty), Value::Int(0), "{name:?}: charging is forbidden");
    }
    assert_eq!(asks(&snapshot::alarmed()), Value::Int(0), "other alarms");
    let observing = Items::new(&Context { control: false, ..snapshot::context() }, &snapshot::discharging());
    assert_eq!(observing.find("/Info/ChargeRequest"), None);
}

#[test]
fn the_state_is_one_that_the_gx_has_a_word_for() {
    let mut battery = snapshot::discharging();
    let mut states = Vec::new();
    for freshness in [Freshness::Fresh, Freshness::Stale, Freshness::Silent, Freshness::Lost] {
        battery.freshness = freshness;
        states.push(value(&Items::new(&snapshot::context(), &battery), "/State").clone());
    }
    assert_eq!(states, [Value::Int(9), Value::Invalid, Value::Invalid, Value::Int(10)]);
}

#[test]
fn every_alarm_shows_somewhere_and_is_an_error_or_a_warning() {
    let raised = |items: &Items, level: i32| {
        (0..items.len())
            .filter_map(|number| items.get(number))
            .filter(|(path, _)| path.starts_with("/Alarms/"))
            .filter(|(_, value)| **value == Value::Int(level))
            .count()
    };
    for name in AlarmName::ALL {
        let mut snapshot = snapshot::discharging();
        for (level, shown) in [(Level::Warning, 1), (Level::Alarm, 2)] {
            snapshot.alarms = vec![Alarm { name, level }];
            let items = Items::new(&snapshot::context(), &snapshot);
            assert!(raised(&items, shown) >= 1, "{name:?} shows nowhere");
        }
        snapshot.freshness = Freshness::Stale;
        let items = Items::new(&snapshot::context(), &snapshot);
        assert_eq!(raised(&items, 2), 0, "{name:?} is not fresh");
    }
}

#[test]
fn alarms_are_unknown_until_the_bms_was_heard_on_them_but_our_own_show() {
    let mut snapshot = snapshot::discharging();
    snapshot.reading.alarms = None;
    snapshot.alarms = vec![Alarm { name: AlarmName::CellImbalance, level: Level::Warning }];
    let items = Items::new(&snapshot::context(), &snapshot);
    assert_eq!(*value(&items, "/Alarms/CellImbalance"), Value::Int(1));
    assert_eq!(*value(&items, "/Alarms/LowVoltage"), Value::Invalid);
    assert_eq!(*value(&items, "/Alarms/BmsCable"), Value::Int(0));
}

#[test]
fn an_incomplete_cell_set_is_not_shown() {
    let mut snapshot = snapshot::discharging();
    snapshot.reading.cells_complete = Some(false);
    let items = Items::new(&snapshot::context(), &snapshot);
    assert_eq!(*value(&items, "/Voltages/Cell1"), Value::Invalid);
}

#[test]
fn names_that_must_not_be_empty_never_are() {
    let items = Items::new(&Context::default(), &snapshot::lost());
    for path in ["/Mgmt/ProcessName", "/Mgmt/ProcessVersion", "/Mgmt/Connection", "/ProductName", "/FirmwareVersion"] {
        assert!(matches!(value(&items, path), Value::Text(text) if !text.is_empty()), "{path}");
    }
}

#[test]
fn noise_below_the_resolution_changes_nothing() {
    let (context, mut snapshot) = (snapshot::context(), snapshot::discharging());
    let mut items = Items::new(&context, &snapshot);
    let mut changed = vec![99];
    snapshot.reading.voltage = Some(Volts::new(52.8021));
    snapshot.reading.current = Some(Amps::new(-12.4961));
    items.update(&context, &snapshot, &mut changed);
    assert!(changed.is_empty(), "{changed:?}");
    snapshot.reading.current = Some(Amps::new(-12.48));
    items.update(&context, &snapshot, &mut changed);
    assert_eq!(changed, [items.find("/Dc/0/Current").unwrap()]);
}

#[test]
fn nodes_hold_exactly_what_is_below_them() {
    let items = Items::new(&snapshot::context(), &snapshot::discharging());
    assert_eq!(items.below("/"), 0..items.len());
    let below = |node: &str| items.below(node).map(|number| items.get(number).unwrap().0).collect::<Vec<_>>();
    let dc = ["/Dc/0/Current", "/Dc/0/Power", "/Dc/0/Temperature", "/Dc/0/Voltage"];
    assert_eq!(below("/Dc"), dc);
    assert_eq!(below("/Dc/0"), dc);
    for nothing in ["/D", "/Dc/", "/Dc/0/Current", "/Dc/1", "/Soc", "/Zzz", "Dc"] {
        if nothing != "/Dc/" {
            assert!(items.below(nothing).is_empty(), "{nothing}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// For any data of a BMS no NaN or infinity is published, and the limits are always non-negative numbers.
    #[test]
    fn nothing_impossible_gets_out(
        voltage in any::<f64>(), current in any::<f64>(), power in any::<f64>(), cvl in any::<f64>(), ccl in any::<f64>(),
        text in ".*\\x00?.*",
    ) {
        let mut snapshot = snapshot::discharging();
        snapshot.reading.voltage = Some(Volts::new(voltage));
        snapshot.reading.current = Some(Amps::new(current));
        snapshot.reading.power = Some(Watts::new(power));
        snapshot.reading.device.hw_version = Some(text);
        snapshot.limits.cvl.value = Volts::new(cvl);
        snapshot.limits.ccl.value = Amps::new(ccl);
        let items = Items::new(&snapshot::context(), &snapshot);
        for number in 0..items.len() {
            let (path, value) = items.get(number).unwrap();
            match value {
                Value::Double(x) => {
                    prop_assert!(x.is_finite(), "{path}");
                    prop_assert!(*x >= 0.0 || !path.starts_with("/Info/Max"), "{path}");
                }
                Value::Text(text) => prop_assert!(!text.contains('\0'), "{path}"),
                Value::Invalid => prop_assert!(!path.starts_with("/Info/Max"), "{path}"),
                Value::Int(_) => {}
            }
        }
    }
}
