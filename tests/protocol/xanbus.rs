//! Recorded messages of Xanbus give the stated values; a message that was lost in part, doubled or mixed with others gives nothing
//! wrong.

use dbus_bms::base::units::Moment;
use dbus_bms::bms::can::{Record, parse_record};
use dbus_bms::conext::Family;
use dbus_bms::conext::xanbus::{Assembler, Network, TIMEOUT, decode};
use dbus_bms::model::DeviceValue;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

fn vectors() -> BTreeMap<String, Json> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/xanbus/vectors");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|file| (name(&file), serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap())).collect()
}

fn frames(vector: &Json) -> Vec<Record> {
    vector["frames"].as_array().unwrap().iter().map(|line| parse_record(line.as_str().unwrap()).unwrap().unwrap()).collect()
}

/// The values after these frames, by source and key.
fn heard(frames: &[Record]) -> BTreeMap<(u8, &'static str), DeviceValue> {
    let now = Moment::from_secs(1.0);
    let mut network = Network::default();
    frames.iter().for_each(|frame| network.take(frame, now));
    let devices = network.devices(now);
    devices
        .into_iter()
        .flat_map(|device| device.values.into_iter().map(move |(quantity, value)| ((device.source, quantity.key), value)))
        .collect()
}

#[test]
fn frames_give_the_recorded_payload() {
    for (name, vector) in vectors() {
        let mut assembler = Assembler::default();
        let whole: Vec<_> = frames(&vector).iter().filter_map(|frame| assembler.take(frame, Moment::from_secs(1.0))).collect();
        let [(_, pgn, payload)] = whole.as_slice() else { panic!("{name}: {whole:?}") };
        assert_eq!(format!("0x{pgn:X}"), vector["pgn"].as_str().unwrap(), "{name}");
        assert_eq!(hex::encode(payload), vector["payload"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn every_recorded_message_gives_its_stated_values() {
    let vectors = vectors();
    let value = |name: &str, key: &str| {
        let vector = &vectors[name];
        let pgn = u32::from_str_radix(vector["pgn"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
        let payload = hex::decode(vector["payload"].as_str().unwrap()).unwrap();
        let decoded = decode(pgn, &payload)?;
        decoded.values.into_iter().find(|(quantity, _)| quantity.key == key).map(|(_, value)| value)
    };
    for (name, key, expected) in [
        ("xanbus-acsts-grid-on", "grid_voltage_v", 120.64),
        ("xanbus-acsts-grid-on", "grid_power_w", 3863.0 + 3667.0),
        ("xanbus-acsts-grid-on", "grid_frequency_hz", 60.36),
        ("xanbus-acsts-grid-on", "grid_current_a", 31.92 + 30.31),
        ("xanbus-acsts-grid-absent", "grid_power_w", 0.0),
        ("xanbus-acsts-load", "load_power_w", 278.0 + 671.0),
        ("xanbus-acsts-load", "load_current_a", 1.47 + 4.84),
        ("xanbus-acsts-load", "load_frequency_hz", 59.99),
        ("xanbus-battmon", "voltage_v", 54.23),
        ("xanbus-battmon", "current_a", 91.38),
        ("xanbus-battmon", "temperature_c", 25.0),
        ("xanbus-battmon", "removed_ah", 149.0),
        ("xanbus-battmon", "remaining_ah", 1071.0),
        ("xanbus-battmon", "soc_pct", 88.0),
        ("xanbus-battmon", "time_to_empty_s", 1157.0 * 60.0),
        ("xanbus-battsts2-mppt", "dc_voltage_v", 54.16),
        ("xanbus-battsts2-mppt", "dc_current_a", 29.08),
        ("xanbus-battsts2-mppt", "dc_power_w", 1574.0),
        ("xanbus-dcsrcsts2-pv", "pv_voltage_v", 266.56),
        ("xanbus-dcsrcsts2-pv", "pv_current_a", 5.09),
        ("xanbus-dcsrcsts2-pv", "pv_power_w", 1356.0),
        ("xanbus-chgsts-xw-generator", "charge_level_pct", 82.0),
    ] {
        let Some(DeviceValue::Number(number)) = value(name, key) else { panic!("{name}: {key}") };
        assert!((number - expected).abs() < 1e-6, "{name}: {key} is {number}");
    }
    for (name, key, expected) in [
        ("xanbus-chgsts-xw-generator", "charger", "bulk"),
        ("xanbus-chgsts-xw-idle", "charger", "qualifying ac"),
        ("xanbus-invsts2-invert", "inverter", "invert"),
        ("xanbus-agssts", "action", "stopped"),
    ] {
        assert_eq!(value(name, key), Some(DeviceValue::Text(expected.into())), "{name}: {key}");
    }
    assert_eq!(value("xanbus-acsts-grid-absent", "grid_frequency_hz"), None, "no grid, no frequency");
    let product = |name: &str| decode(0x1F014, &hex::decode(vectors[name]["payload"].as_str().unwrap()).unwrap()).unwrap().product;
    assert_eq!(product("xanbus-prodinfo-mppt80"), Some(Family::Mppt80));
    assert_eq!(product("xanbus-prodinfo-xw"), Some(Family::Xw));
    assert!(decode(0x1F809, &hex::decode(vectors["xanbus-date"]["payload"].as_str().unwrap()).unwrap()).is_none());
}

#[test]
fn a_message_mixed_from_two_is_refused() {
    let mut network = Network::default();
    let vectors = vectors();
    for frame in frames(&vectors["xanbus-prodinfo-mppt80"]).iter().chain(&frames(&vectors["xanbus-dcsrcsts2-corrupt"])) {
        network.take(frame, Moment::from_secs(1.0));
    }
    let devices = network.devices(Moment::from_secs(1.0));
    assert_eq!((devices[0].values.len(), network.refused()), (0, 1));
}

#[test]
fn lost_doubled_and_interleaved_frames_give_the_same_values_or_none() {
    let vectors = vectors();
    let pv = frames(&vectors["xanbus-dcsrcsts2-pv"]);
    let whole = heard(&pv);
    assert_eq!(whole.len(), 3);
    for lost in 0..pv.len() {
        let rest: Vec<Record> = pv.iter().enumerate().filter(|(place, _)| *place != lost).map(|(_, frame)| *frame).collect();
        // The last frame of this message is beyond its declared length by its padding only.
        assert!(heard(&rest).is_empty() || lost == pv.len() - 1 && heard(&rest) == whole, "without frame {lost}");
        let again = [rest.as_slice(), pv.as_slice()].concat();
        assert_eq!(heard(&again), whole, "the next message is whole");
    }
    let doubled: Vec<Record> = pv.iter().flat_map(|frame| [*frame, *frame]).collect();
    assert_eq!(heard(&doubled), whole);
    // The same message of two sources, and two sequences of one source, frame by frame.
    let turn = |frame: &Record, id: u32, sequence: u8| {
        let mut data = frame.data().to_vec();
        data[0] = data[0] & 0x1F | sequence << 5;
        Record::new(frame.id() & !0xFF | id, &data)
    };
    let mixed: Vec<Record> = pv.iter().flat_map(|frame| [turn(frame, 1, 3), turn(frame, 9, 3), turn(frame, 1, 4)]).collect();
    let both = heard(&mixed);
    assert_eq!(
        (both.len(), &both[&(1, "pv_power_w")], &both[&(9, "pv_power_w")]),
        (6, &whole[&(1, "pv_power_w")], &whole[&(1, "pv_power_w")])
    );
    // Frames of another message in between, with the same sequence.
    let battery = frames(&vectors["xanbus-battsts2-mppt"]);
    let woven: Vec<Record> =
        pv.iter().zip(&battery).flat_map(|(a, b)| [*a, *b]).chain(battery.iter().skip(pv.len()).copied()).collect();
    let woven = heard(&woven);
    assert_eq!(
        (&woven[&(1, "pv_power_w")], &woven[&(1, "dc_power_w")]),
        (&DeviceValue::Number(1356.0), &DeviceValue::Number(1574.0))
    );
}

#[test]
fn values_that_are_not_repeated_become_unknown() {
    let mut network = Network::default();
    let start = Moment::from_secs(10.0);
    frames(&vectors()["xanbus-battmon"]).iter().for_each(|frame| network.take(frame, start));
    assert!(!network.devices(start.after(TIMEOUT))[0].values.is_empty());
    assert!(network.devices(start.after(TIMEOUT + Duration::from_secs(1)))[0].values.is_empty());
}

#[test]
fn an_old_first_frame_is_not_continued_by_a_new_message() {
    let pv = frames(&vectors()["xanbus-dcsrcsts2-pv"]);
    let mut network = Network::default();
    network.take(&pv[0], Moment::from_secs(1.0));
    pv[1..].iter().for_each(|frame| network.take(frame, Moment::from_secs(2.0)));
    assert!(network.devices(Moment::from_secs(2.0)).is_empty());
}

proptest! {
    #[test]
    fn no_frames_panic(list in proptest::collection::vec((any::<u32>(), proptest::collection::vec(any::<u8>(), 0..9)), 0..60)) {
        let mut network = Network::default();
        for (id, data) in list {
            // The numbers of the known messages, too.
            let id = if id & 1 == 0 { id } else { 0x19F0_0000 | id & 0xFFFF };
            network.take(&Record::new(id & 0x1FFF_FFFF | Record::EXTENDED, &data), Moment::from_secs(1.0));
        }
        for device in network.devices(Moment::from_secs(1.0)) {
            for (_, value) in device.values {
                prop_assert!(!matches!(value, DeviceValue::Number(number) if !number.is_finite()));
            }
        }
    }

    #[test]
    fn no_message_panics(pgn in 0x1F000u32..0x1F900, bytes in proptest::collection::vec(any::<u8>(), 0..230)) {
        let _ = decode(pgn, &bytes);
    }
}
