//! No serial number or name of a recording survives `replay --as-test`.

use crate::support::vector_files;
use dbus_bms::base::hex;
use dbus_bms::bms;
use dbus_bms::bms::ascii::Header;
use dbus_bms::recording::anonymous::{AnonymousError, anonymise};
use dbus_bms::recording::file::{Direction, Recording};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

fn serials(recording: &Recording) -> Vec<String> {
    let all = recording.readings.iter().filter_map(|reading| Some(reading.get("serial_number")?.as_str()?.to_owned()));
    all.filter(|serial| serial.chars().any(|c| c.is_ascii_alphanumeric() && c != '0' && c != 'X')).collect()
}

/// Recordings that are refused, by the start of their names: their meaning depends on the serial number, requests of another program
/// have a place for a text, or they are free text.
const REFUSED: [&str; 3] = ["heltec/other-temperatures", "daren/capacities", "json/"];

/// The readings, without what is replaced.
fn values(recording: &Recording) -> Vec<Map<String, Value>> {
    let mut readings = recording.readings.clone();
    readings.iter_mut().for_each(|reading| drop(reading.remove("serial_number")));
    readings
}

#[test]
fn in_every_vector_serial_numbers_are_replaced_and_all_other_values_stay() {
    let (mut replaced, mut wrong) = (BTreeSet::new(), Vec::new());
    for file in vector_files::all() {
        let mut recording = file.vector.clone();
        let is_refused = REFUSED.iter().any(|start| file.name.starts_with(start));
        match anonymise(&mut recording, file.driver) {
            Err(error) if !is_refused => wrong.push(format!("{}: {error}", file.name)),
            Ok(()) if is_refused => wrong.push(format!("{}: is not refused", file.name)),
            _ if is_refused => continue,
            _ => {}
        }
        recording.set_expected_readings(file.driver);
        let mut before = file.vector.clone();
        before.set_expected_readings(file.driver);
        if values(&recording) != values(&before) {
            wrong.push(format!("{}: {:?} became {:?}", file.name, before.readings, recording.readings));
        }
        let (text, bytes) = (recording.text(), recording.received());
        let plain = String::from_utf8_lossy(&bytes);
        for serial in serials(&before) {
            let coded = hex::encode(&serial);
            if text.contains(&serial) || text.contains(&coded) || plain.contains(&serial) || plain.contains(&coded.to_uppercase()) {
                wrong.push(format!("{}: {serial} is left", file.name));
            }
            replaced.insert(file.driver.name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all =
        ["daly", "daren", "felicity", "heltec", "jbd-up16s", "jk", "jk-pb", "pace", "pace-modbus", "pylontech", "pylontech-can"];
    let missing: Vec<_> = all.iter().filter(|name| !replaced.contains(*name)).collect();
    assert!(missing.is_empty(), "no serial number in the vectors of {missing:?}, only of {replaced:?}");
}

/// A reply that no decoder reads, with a name in it, in the frames of each family of hex digits.
#[test]
fn a_name_in_hex_digits_goes_and_requests_stay() {
    let files = vector_files::all();
    for family in ["daren", "lifepower4", "pace", "pylontech", "seplos", "topbms"] {
        let is_first =
            |file: &&vector_files::File| file.driver.name == family && file.vector.recorded && !file.vector.readings.is_empty();
        let file = files.iter().find(is_first).unwrap();
        let mut recording = file.vector.clone();
        let own = recording.received();
        let start = own.iter().position(|byte| *byte == b'~').unwrap();
        let header = Header { cid2: 0, ..Header::of(&own[start..]).unwrap() };
        let mut event = recording.traffic.last().unwrap().clone();
        (event.direction, event.bytes) = (Direction::Received, header.frame(b"of John Doe, cabin 12"));
        recording.traffic.push(event);
        recording.set_expected_readings(file.driver);
        let before = recording.clone();
        anonymise(&mut recording, file.driver).unwrap_or_else(|error| panic!("{}: {error}", file.name));
        recording.set_expected_readings(file.driver);
        let text = recording.text().to_uppercase();
        for name in ["John", "Doe", "cabin", "12"] {
            let coded = hex::encode(hex::encode(name).to_uppercase()).to_uppercase();
            assert!(name == "12" || !text.contains(&coded), "{}: {name} in {text}", file.name);
        }
        assert!(
            text.contains(&hex::encode(hex::encode("XX XXXX XXX, XXXXX 00").to_uppercase()).to_uppercase()),
            "{}: {text}",
            file.name
        );
        assert_eq!(values(&recording), values(&before), "{}", file.name);
        let sent = |recording: &Recording| recording.requests();
        assert_eq!(sent(&recording), sent(&before), "{}: the requests of the driver are not personal", file.name);
    }
}

/// A name beside a text that the decoder reports, and one with a number in it that is also a version, are no part of them.
#[test]
fn a_name_beside_a_known_text_goes() {
    let file = vector_files::all().into_iter().find(|file| file.name == "pace/16s-discharging.json").unwrap();
    let mut recording = file.vector.clone();
    recording.set_expected_readings(file.driver);
    let model = recording.readings[0]["model"].as_str().unwrap().to_owned();
    let mut event = recording.traffic.last().unwrap().clone();
    let text = format!("{model} of John Doe");
    (event.direction, event.bytes) =
        (Direction::Received, Header { version: 0x25, address: 1, cid1: 0x46, cid2: 0 }.frame(text.as_bytes()));
    recording.traffic.push(event);
    anonymise(&mut recording, file.driver).unwrap();
    let left = String::from_utf8_lossy(&recording.received()).into_owned();
    assert!(!left.contains(&hex::encode("John").to_uppercase()) && !left.contains(&hex::encode("Doe").to_uppercase()), "{left}");
}

#[test]
fn a_name_in_the_bytes_of_a_frame_goes_and_the_values_stay() {
    let file = vector_files::all().into_iter().find(|file| file.driver.name == "jbd" && file.vector.readings.len() == 1).unwrap();
    let mut recording = file.vector.clone();
    recording.note = Some("from John Doe's cellar".into());
    recording.source = "by John Doe".into();
    // A name as the BMS would send it: which the decoder does not read, with a right check.
    let name = b"JohnDoeBoat".as_slice();
    let mut frame = [&[0xDD, 0xA2, 0x00, name.len() as u8], name].concat();
    let sum = frame[2..].iter().fold(0_u16, |sum, byte| sum.wrapping_sub(u16::from(*byte)));
    frame.extend(sum.to_be_bytes());
    frame.push(0x77);
    let mut event = recording.traffic.last().unwrap().clone();
    event.bytes = frame;
    recording.traffic.push(event.clone());
    // And a text outside of any frame.
    event.bytes = b"hello John Doe".to_vec();
    recording.traffic.push(event);
    recording.any_valid_frame = false;
    let before = Recording { readings: Vec::new(), ..recording.clone() };
    anonymise(&mut recording, file.driver).unwrap();
    let text = String::from_utf8_lossy(&recording.received()).into_owned();
    assert!(!text.contains("John") && !text.contains("Doe"), "{text}");
    assert!(!recording.text().contains("John") && recording.note.is_none());
    assert_eq!(recording.received().len(), before.received().len());
    let mut once = recording.clone();
    anonymise(&mut once, file.driver).unwrap();
    assert_eq!(once, recording, "doing it again changes nothing");
}

#[test]
fn messages_of_free_text_are_refused() {
    let file = vector_files::all().into_iter().find(|file| file.driver.name == "json").unwrap();
    let error = anonymise(&mut file.vector.clone(), bms::driver("json").unwrap()).unwrap_err();
    assert_eq!(error, AnonymousError::Text { bms: "json" });
}
