//! Seplos V3: when the settings are read, and which cells are fitted.

use dbus_bms::base::units::Volts;
use dbus_bms::bms::modbus::{Read, with_crc};
use dbus_bms::bms::{Expected, Protocol, Request, seplos_v3};
use dbus_bms::model::Reading;

const CELLS: Read = Read::input(0x1100, 0x1A);
const SETTINGS: Read = Read::input(0x1300, 0x35);

fn answer(protocol: &mut dyn Protocol, read: Read, registers: &[u16], into: &mut Reading) {
    let mut words = registers.to_vec();
    words.resize(usize::from(read.count), 0);
    let data: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let frame = with_crc([&[0, 4, u8::try_from(data.len()).unwrap()], &data[..]].concat());
    let request: Request = read.ask("", 0, true);
    protocol.decode(Expected::Request(&request), &frame, into).unwrap();
}

fn is_settings(request: &Request) -> bool {
    *request.bytes == *SETTINGS.request(0)
}

#[test]
fn settings_are_read_before_the_cells_and_again_now_and_then() {
    let mut protocol = (seplos_v3::DRIVER.new)(Some(0));
    let first = protocol.plan(&Reading::new("seplos-v3", Some(0)));
    let place = |wanted: &[u8]| first.iter().position(|request| *request.bytes == *wanted).unwrap();
    assert!(place(&SETTINGS.request(0)) < place(&CELLS.request(0)), "their number is among the settings");

    let mut known = Reading::new("seplos-v3", Some(0));
    known.cell_count = Some(16);
    known.settings.cell_ovp = Some(Volts::new(3.65));
    let mut due = |answers: bool| {
        let asked = protocol.plan(&known).iter().any(is_settings);
        if asked && answers {
            answer(protocol.as_mut(), SETTINGS, &[4, 16], &mut known.clone());
        }
        asked
    };
    let refreshed = (0..240).filter(|_| due(true)).count();
    assert!((3..=5).contains(&refreshed), "{refreshed} times in 240 readings: an owner may change them");
    let unanswered = (0..240).filter(|_| due(false)).count();
    assert!(unanswered <= 13, "{unanswered} times in 240 readings of a board that does not reply any more");
}

/// Without the settings, the last cell of a pack may have a broken sense wire at first, and a voltage later.
#[test]
fn a_last_cell_that_shows_a_voltage_later_counts() {
    let mut protocol = (seplos_v3::DRIVER.new)(Some(0));
    let volts = |last: u16| [&[3300; 15][..], &[last]].concat();
    let mut reading = Reading::new("seplos-v3", Some(0));
    let mut cells = |registers: &[u16]| {
        reading = reading.next_poll();
        answer(protocol.as_mut(), CELLS, registers, &mut reading);
        reading.cells.iter().map(|cell| cell.get()).collect::<Vec<f64>>()
    };
    assert_eq!(cells(&volts(0)), [3.3; 15]);
    assert_eq!(cells(&volts(3301)).last(), Some(&3.301));
    let broken = cells(&volts(0));
    assert_eq!((broken.len(), broken.last()), (16, Some(&0.0)), "a broken sense wire is shown");
}
