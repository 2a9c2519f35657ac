//! Which entry of dbus-serialbattery belongs to which battery of this driver, and which of its counters are continued.

use dbus_bms::base::units::{AmpHours, Volts};
use dbus_bms::model::{Device, History, ProductionDate, Reading};
use dbus_bms::takeover::counters::Counters;
use dbus_bms::takeover::entries::{Devices, Entry, SettingValue, devices, entries};
use dbus_bms::takeover::matcher::{Match, Matcher};
use dbus_bms::takeover::undo_record::{SavedSetting, UndoRecord, UndoStep};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn text(text: &str) -> SettingValue {
    SettingValue::Text(text.to_owned())
}

/// A battery as stored by that driver.
fn stored(identifier: &str, instance: u16, last_seen: i64) -> Vec<(String, SettingValue)> {
    let group = format!("serialbattery_{}", identifier.to_uppercase());
    [
        ("ClassAndVrmInstance", text(&format!("battery:{instance}"))),
        ("CustomName", text("Keller")),
        ("UniqueIdentifier", text(identifier)),
        ("LastSeen", SettingValue::Integer(last_seen)),
        ("HistoryValues", text("")),
    ]
    .map(|(name, value)| (format!("{group}/{name}"), value))
    .into()
}

fn all(batteries: &[(&str, u16, i64)]) -> Vec<Entry> {
    entries(&devices(batteries.iter().flat_map(|(identifier, instance, seen)| stored(identifier, *instance, *seen))))
}

fn taken<'a>(choice: &'a Match<'a>) -> Option<u16> {
    match choice {
        Match::Found(entry, _) => Some(entry.instance),
        Match::None | Match::Ambiguous(_) => None,
    }
}

fn jbd() -> Reading {
    let capacity = Some(AmpHours::new(280.0));
    Reading {
        device: Device { sw_version: Some("2.1".into()), ..Device::default() },
        capacity,
        voltage: Some(Volts::new(53.0)),
        ..Reading::new("jbd", None)
    }
}

fn jk(label: &str) -> Reading {
    Reading {
        label: Some(label.into()),
        device: Device { model: Some("JK_B2A20S20P".into()), ..Device::default() },
        ..Reading::new("jk", None)
    }
}

fn matcher(reading: &Reading) -> Matcher {
    Matcher::new("/dev/ttyUSB0", false, reading)
}

#[test]
fn each_bms_is_found_by_what_the_old_driver_calls_it() {
    let pb = |label: Option<&str>, serial: &str| Reading {
        label: label.map(Into::into),
        device: Device { serial_number: Some(serial.into()), model: Some("JK_PB2A16S20P".into()), ..Device::default() },
        ..Reading::new("jk-pb", Some(1))
    };
    let daly = |code: Option<&str>, date: Option<&str>| Reading {
        device: Device {
            serial_number: code.map(Into::into),
            production_date: date.map(|date| ProductionDate::Day(date.into())),
            ..Device::default()
        },
        capacity: Some(AmpHours::new(230.9)),
        ..Reading::new("daly", Some(1))
    };
    let ant = Reading { cells: vec![Volts::new(3.3); 16], capacity: Some(AmpHours::new(100.0)), ..Reading::new("ant", None) };
    for (reading, identifier) in [
        (jk("HOUSE 1     JK_B2A20S20P"), "HOUSE_1_JK_B2A20S20P"),
        (jk("40512345678901234567"), "40512345678901234567"),
        (jk("JK_B2A20S20P"), "JK_B2A20S20P"),
        (pb(Some("Keller"), "4051234567"), "Keller"),
        (pb(Some("Keller"), "405123456789"), "4051234567"),
        (pb(None, "405123"), "405123_____"),
        (pb(Some("JK_PB2A16S20P"), ""), "JK_PB2A16S20P"),
        (daly(Some("HOUSE BANK-1"), None), "HOUSE_BANK_1"),
        (daly(None, Some("2023-01-15")), "20230115_230"),
        (jbd(), "21_280_0Ah"),
        (ant, "ANTBMS16S_100_0Ah"),
        (jbd(), "ttyUSB0__0x01"),
        (jbd(), "_dev_ttyUSB0"),
        (jbd(), "_dev_ttyUSB0__0x01"),
    ] {
        // Another battery is present, too, so ours is not the only one.
        let entries = all(&[("elsewhere", 1, 5), (identifier, 3, 4)]);
        assert_eq!(taken(&matcher(&reading).choose(&entries, false)), Some(3), "{identifier}");
    }
}

#[test]
fn the_oldest_versions_knew_the_port_only() {
    let left =
        [("serialbattery_ttyUSB0/ClassAndVrmInstance", "battery:4"), ("serialbattery_ttyUSB1/ClassAndVrmInstance", "battery:5")];
    let entries = entries(&devices(left.map(|(path, value)| (path.to_owned(), text(value)))));
    assert_eq!(taken(&matcher(&jbd()).choose(&entries, false)), Some(4));
    assert_eq!(taken(&Matcher::new("/dev/ttyUSB1", false, &jbd()).choose(&entries, false)), Some(5));
    assert!(
        matches!(Matcher::new("/dev/ttyUSB11", false, &jbd()).choose(&entries, true), Match::Ambiguous(both) if both.len() == 2)
    );
}

#[test]
fn of_two_the_one_with_the_same_serial_number_is_taken_and_without_one_none() {
    let two = all(&[("HOUSE_JK_B2A20S20P", 3, 10), ("SHED_JK_B2A20S20P", 4, 20)]);
    assert_eq!(taken(&matcher(&jk("HOUSE       JK_B2A20S20P")).choose(&two, true)), Some(3));
    assert!(matches!(matcher(&jk("JK_B2A20S20P")).choose(&two, true), Match::Ambiguous(both) if both.len() == 2));
    // Only the model is the same: any board of that model may match.
    let shared = all(&[("JK_B2A20S20P", 3, 10)]);
    assert_eq!(taken(&matcher(&jk("HOUSE       JK_B2A20S20P")).choose(&shared, false)), None);
}

#[test]
fn an_entry_that_was_left_behind_gives_way_to_the_one_in_use() {
    // Two boards of one model, distinguished by their ports since the first entry was made.
    let left = all(&[("21_280_0Ah", 1, 10), ("ttyUSB0__0x01", 2, 50), ("ttyUSB1__0x01", 3, 50)]);
    assert_eq!(taken(&matcher(&jbd()).choose(&left, false)), Some(2));
    assert_eq!(taken(&Matcher::new("/dev/ttyUSB1", false, &jbd()).choose(&left, false)), Some(3));
    let same = all(&[("21_280_0Ah", 1, 50), ("ttyUSB0__0x01", 2, 50)]);
    assert!(matches!(matcher(&jbd()).choose(&same, true), Match::Ambiguous(both) if both.len() == 2));
}

#[test]
fn a_single_entry_is_taken_for_a_single_battery_that_it_fits() {
    let one = all(&[("22_280_0Ah", 3, 10)]);
    assert_eq!(taken(&matcher(&jbd()).choose(&one, true)), Some(3), "the firmware was updated");
    assert!(matches!(matcher(&jbd()).choose(&one, false), Match::Ambiguous(_)), "which of ours?");
    let shared_port = Matcher::new("/dev/ttyUSB0", true, &Reading { address: Some(2), ..jbd() });
    assert!(matches!(shared_port.choose(&one, true), Match::Ambiguous(_)), "which on the port?");
    assert!(matches!(matcher(&jbd()).choose(&all(&[("22_100_0Ah", 3, 10)]), true), Match::Ambiguous(_)), "another capacity");
    let mut small = stored("ttyUSB9__0x01", 3, 10);
    small[4].1 = text("{\"maximum_voltage\": 14.4}");
    assert!(matches!(matcher(&jbd()).choose(&entries(&devices(small)), true), Match::Ambiguous(_)), "a battery of 12 V");
    let elsewhere = all(&[("a4c138112233", 3, 10), ("can0__0x01", 4, 10), ("vecan1__0x01", 5, 10)]);
    assert_eq!(matcher(&jbd()).choose(&elsewhere, true), Match::None, "Bluetooth and CAN");
    assert_eq!(matcher(&Reading::new("topbms", None)).choose(&one, true), Match::None, "the old driver cannot read it");
    let mut taken_over = stored("21_280_0Ah", 3, 10);
    taken_over[0].1 = text("serialbattery:3");
    assert_eq!(matcher(&jbd()).choose(&entries(&devices(taken_over)), true), Match::None, "another of ours has it");
}

#[test]
fn on_a_shared_port_the_address_decides() {
    let left = all(&[("ttyUSB0__0x01", 1, 10), ("ttyUSB0__0x02", 2, 10), ("ttyUSB0__0x40", 5, 10)]);
    let at = |bms, address| Matcher::new("/dev/ttyUSB0", true, &Reading::new(bms, Some(address)));
    assert_eq!(taken(&at("jk-pb", 2).choose(&left, false)), Some(2));
    assert_eq!(taken(&at("daly", 1).choose(&all(&[("ttyUSB0__0x40", 5, 10), ("ttyUSB0__0x41", 6, 10)]), false)), Some(5));
    assert_eq!(taken(&at("jk-pb", 9).choose(&left, true)), None);
}

#[test]
fn names_and_counters_are_read_as_they_are_meant() {
    let history = "{\"clear\": 0, \"deepest_discharge\": 120.5, \"last_discharge\": 3.0, \"total_ah_drawn\": -9000.25, \
                   \"charge_cycles\": 32.1, \"timestamp_last_full_charge\": 1779000000, \"minimum_voltage\": 48.2, \
                   \"maximum_voltage\": 56.1, \"minimum_cell_voltage\": 0, \"maximum_cell_voltage\": 3.55, \
                   \"minimum_temperature\": -3.5, \"maximum_temperature\": 41.0, \"discharged_energy\": 460.5, \"charged_energy\": 481.25}";
    let counters = Counters::parse(history);
    let mut ours = History { min_voltage: Some(53.0), max_voltage: Some(53.1), total_drawn_ah: -1.0, ..History::default() };
    counters.add_to(&mut ours);
    let expected = History {
        deepest_discharge_ah: Some(-120.5),
        total_drawn_ah: -9000.25,
        min_voltage: Some(48.2),
        max_voltage: Some(56.1),
        max_cell_voltage: Some(3.55),
        min_temperature: Some(-3.5),
        max_temperature: Some(41.0),
        discharged_kwh: 460.5,
        charged_kwh: 481.25,
        last_full_unix: Some(1_779_000_000),
        ..History::default()
    };
    assert_eq!(ours, expected, "a minimum of 0 V was never measured");
    assert_eq!(
        counters.words(),
        "460.5 kWh taken out, 481.2 kWh put in, 9000.2 Ah drawn in all, deepest discharge 120.5 Ah, 48.20 to 56.10 V, -4 to 41 °C, the last full charge"
    );
    let entry = |name: &str| {
        let mut settings = stored("x", 3, 10);
        settings[1].1 = text(name);
        entries(&devices(settings)).remove(0).name
    };
    assert_eq!((entry(" Keller ").as_str(), entry("SerialBattery(LLT/JBD)").as_str()), ("Keller", ""));
}

/// The saved copy of an entry.
fn record(device: &str, last_seen: i64) -> UndoRecord {
    let settings = stored("21_280_0Ah", 3, last_seen);
    let kept = |(path, value): (String, SettingValue)| SavedSetting {
        name: path.rsplit('/').next().unwrap().to_owned(),
        default: value.clone(),
        value,
        limits: (SettingValue::Integer(0), SettingValue::Integer(0)),
        silent: false,
    };
    let group = "serialbattery_21_280_0AH".to_owned();
    UndoRecord { device: device.to_owned(), group, instance: 3, settings: settings.into_iter().map(kept).collect() }
}

/// An entry after the undo steps.
fn after(record: &UndoRecord, before: &BTreeMap<String, SettingValue>, unix: u64) -> BTreeMap<String, SettingValue> {
    let mut now = before.clone();
    for step in record.steps(|name| before.get(name).cloned(), Some(unix)) {
        match step {
            UndoStep::Make(kept) => now.insert(kept.name, kept.value),
            UndoStep::Set(name, value) => now.insert(name, value),
        };
    }
    now
}

#[test]
fn one_battery_has_an_entry_and_no_other_can_claim_it() {
    let folder = std::env::temp_dir().join(format!("dbus-bms-heir-{}", std::process::id()));
    let (first, second) = (record("jbd_ttyUSB0", 10), record("jbd_ttyUSB1", 10));
    assert!(first.claim(&folder).unwrap() && first.claim(&folder).unwrap(), "also after a start that ended half-way");
    assert!(!second.claim(&folder).unwrap());
    assert_eq!(UndoRecord::all(&folder), std::slice::from_ref(&first));
    first.forget(&folder).unwrap();
    assert!(second.claim(&folder).unwrap() && UndoRecord::all(&folder) == [second]);
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "a file where the folder should be").unwrap();
    assert!(first.claim(&folder).is_err());
    std::fs::remove_file(&folder).unwrap();
}

fn any_setting_value() -> impl Strategy<Value = SettingValue> {
    prop_oneof![
        "\\PC{0,40}".prop_map(SettingValue::Text),
        any::<i64>().prop_map(SettingValue::Integer),
        any::<f64>().prop_map(SettingValue::Float),
        (0_u16..9).prop_map(|number| SettingValue::Text(format!("battery:{number}"))),
    ]
}

fn any_devices() -> impl Strategy<Value = Devices> {
    let name = prop_oneof![
        Just("ClassAndVrmInstance".to_owned()),
        Just("UniqueIdentifier".to_owned()),
        Just("LastSeen".to_owned()),
        Just("HistoryValues".to_owned()),
        Just("CustomName".to_owned()),
    ];
    let group = prop_oneof!["serialbattery_[A-C]", "[a-z]{1,4}_[0-9]", Just("serialbattery_ttyUSB0".to_owned())];
    proptest::collection::btree_map(group, proptest::collection::btree_map(name, any_setting_value(), 0..5), 0..6)
}

fn any_counters() -> impl Strategy<Value = Counters> {
    let keys = [
        "deepest_discharge",
        "total_ah_drawn",
        "timestamp_last_full_charge",
        "minimum_voltage",
        "maximum_voltage",
        "minimum_cell_voltage",
        "maximum_temperature",
        "discharged_energy",
        "charged_energy",
    ];
    proptest::collection::vec(prop_oneof![Just(f64::NAN), -1e9..1e9_f64, 0.0..60.0_f64], keys.len()).prop_map(move |values| {
        let object: serde_json::Map<String, serde_json::Value> =
            keys.iter().zip(values).map(|(key, value)| ((*key).to_owned(), serde_json::json!(value))).collect();
        Counters::parse(&serde_json::to_string(&object).unwrap())
    })
}

proptest! {
    #[test]
    fn nothing_foreign_is_ever_taken(devices in any_devices(), alone in any::<bool>(), jk_label in "[A-C]{1,2}") {
        let entries = entries(&devices);
        for reading in [jbd(), jk(&jk_label)] {
            if let Match::Found(entry, _) = matcher(&reading).choose(&entries, alone) {
                prop_assert!(entry.group.starts_with("serialbattery_") && !entry.taken_over);
                prop_assert_eq!(devices[&entry.group]["ClassAndVrmInstance"].text(), format!("battery:{}", entry.instance));
            }
        }
    }

    #[test]
    fn the_order_of_entries_never_decides(devices in any_devices(), alone in any::<bool>()) {
        let there = entries(&devices);
        let back: Vec<Entry> = there.iter().rev().cloned().collect();
        let matcher = matcher(&jbd());
        prop_assert_eq!(taken(&matcher.choose(&there, alone)), taken(&matcher.choose(&back, alone)));
    }

    #[test]
    fn with_company_no_entry_is_taken_that_is_not_matched(seen in proptest::collection::vec(0_i64..4, 2..6)) {
        let names: Vec<String> = (0..seen.len()).map(|number| format!("33_{number}_0Ah")).collect();
        let batteries: Vec<(&str, u16, i64)> = names.iter().zip(&seen).zip(1..).map(|((name, seen), n)| (name.as_str(), n, *seen)).collect();
        prop_assert_eq!(taken(&matcher(&jbd()).choose(&all(&batteries), true)), None);
    }

    #[test]
    fn counters_only_ever_go_on(counters in any_counters(), drawn in -1e6..0.0_f64, low in 1.0..60.0_f64, full in 0_u64..2_000_000_000) {
        let before = History { total_drawn_ah: drawn, min_voltage: Some(low), last_full_unix: Some(full), ..History::default() };
        let mut once = before.clone();
        counters.add_to(&mut once);
        let mut twice = once.clone();
        counters.add_to(&mut twice);
        prop_assert_eq!(&once, &twice, "doing it again counts nothing twice");
        prop_assert!(once.total_drawn_ah <= before.total_drawn_ah && once.charged_kwh >= 0.0 && once.discharged_kwh >= 0.0);
        prop_assert!(once.min_voltage <= before.min_voltage && once.last_full_unix >= before.last_full_unix);
        prop_assert_eq!((once.automatic_syncs, once.low_voltage_alarms, once.last_discharge_ah), (0, 0, None));
    }

    #[test]
    fn whatever_happened_meanwhile_the_entry_is_whole_again(
        gone in proptest::collection::vec(any::<bool>(), 5), own in proptest::option::of(1_u16..9), written in any::<bool>(), days in 0_u64..60,
    ) {
        let seen = 1_790_000_000;
        let (record, now) = (record("jbd_1", seen), seen as u64 + days * 86_400);
        let was: BTreeMap<String, SettingValue> = record.settings.iter().map(|kept| (kept.name.clone(), kept.value.clone())).collect();
        let mut present = was.clone();
        // This driver uses its number, or that driver has assigned another one itself.
        present.extend([("ClassAndVrmInstance".to_owned(), text(&own.map_or("serialbattery:3".to_owned(), |own| format!("battery:{own}"))))]);
        if written {
            present.extend([("CustomName".to_owned(), text("Shed"))]);
        }
        for (name, _) in was.keys().zip(&gone).filter(|(_, gone)| **gone) {
            present.remove(name);
        }
        let given = after(&record, &present, now);
        prop_assert_eq!(&after(&record, &given, now), &given, "once is enough");
        for (name, value) in &was {
            let expected = match (name.as_str(), present.get(name)) {
                ("LastSeen", _) if days > 25 => SettingValue::Integer(now as i64),
                ("ClassAndVrmInstance", Some(_)) => own.map_or(value.clone(), |own| text(&format!("battery:{own}"))),
                (_, Some(there)) => there.clone(),
                (_, None) => value.clone(),
            };
            prop_assert_eq!(&given[name], &expected, "{}", name);
        }
    }
}
