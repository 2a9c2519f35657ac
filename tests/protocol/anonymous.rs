//! No serial number or name of a recording survives `replay --as-test`.

use crate::support::vector_files;
use dbus_bms::base::hex;
use dbus_bms::bms;
use dbus_bms::recording::anonymous::{AnonymousError, anonymise};
use dbus_bms::recording::file::Recording;

fn serials(recording: &Recording) -> Vec<String> {
    let all = recording.readings.iter().filter_map(|reading| Some(reading.get("serial_number")?.as_str()?.to_owned()));
    all.filter(|serial| serial.chars().any(|c| c.is_ascii_alphanumeric() && c != '0' && c != 'X')).collect()
}

#[test]
fn serial_numbers_of_all_vectors_are_replaced_or_refused() {
    let (mut replaced, mut refused) = (0, Vec::new());
    let files = vector_files::all();
    // One of each family with a serial number: frames of a family are alike.
    let mut seen: Vec<&str> = Vec::new();
    for file in files.iter().filter(|file| !serials(&file.vector).is_empty()) {
        if seen.contains(&file.driver.name) {
            continue;
        }
        seen.push(file.driver.name);
        let mut recording = file.vector.clone();
        match anonymise(&mut recording, file.driver) {
            Ok(()) => {
                recording.set_expected_readings(file.driver);
                let (text, bytes) = (recording.text(), recording.received());
                let plain = String::from_utf8_lossy(&bytes);
                for serial in serials(&file.vector) {
                    let coded = hex::encode(&serial);
                    assert!(
                        !text.contains(&serial) && !text.contains(&coded) && !plain.contains(&serial),
                        "{}: {serial}",
                        file.name
                    );
                }
                assert_eq!(recording.readings.len(), file.vector.readings.len(), "{}", file.name);
                replaced += 1;
            }
            Err(error) => refused.push(format!("{}: {error}", file.name)),
        }
    }
    println!("{replaced} replaced; refused: {refused:#?}");
    assert!(replaced >= 3, "{refused:#?}");
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
