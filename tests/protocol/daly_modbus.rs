//! Daly Modbus: which registers are requested, at which address, and which replies count.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use dbus_bms::base::hex;
use dbus_bms::base::units::AmpHours;
use dbus_bms::bms::bytes::crc16_modbus;
use dbus_bms::bms::{DecodeError, Expected, Framing, Protocol, Request, daly_modbus};
use dbus_bms::model::{AlarmName, Device, Level, Reading};

const MOS: &str = "d203120000000075300000004effffffffffffffff0b4e";

fn board(address: Option<u8>) -> Box<dyn Protocol> {
    (daly_modbus::DRIVER.new)(address)
}

fn plan(board: &mut dyn Protocol, known: &Reading) -> Vec<String> {
    board.plan(known).iter().map(|request| hex::encode(&request.bytes)).collect()
}

fn known() -> Reading {
    Reading { capacity: Some(AmpHours::new(100.0)), ..Reading::new("daly-modbus", Some(210)) }
}

#[test]
fn requests_are_those_of_the_recordings() {
    for address in [None, Some(0xD2)] {
        assert_eq!(
            plan(board(address).as_mut(), &Reading::default()),
            ["d2030000003ed7b9", "d203003e0009f7a3", "d20300800029965f"]
        );
    }
    for address in [1, 0x81] {
        assert_eq!(plan(board(Some(address)).as_mut(), &known()), ["8103000000405bfa", "81030041003e8bce"]);
    }
    assert_eq!(board(Some(3)).identify().bytes[..2], [0x83, 3]);
}

/// The password is in C9 of D2 boards and in the settings of the others, after the capacity.
#[test]
fn nothing_is_written_and_no_password_read() {
    for (address, secret) in [(0xD2, 0xC9..0xCC), (1, 0x10D..0x1C3)] {
        let mut board = board(Some(address));
        for _ in 0..10 {
            for request in board.plan(&Reading::default()) {
                let [_, function, high, low, 0, words, ..] = request.bytes[..] else { panic!("{request:?}") };
                let (first, words) = (u16::from_be_bytes([high, low]), u16::from(words));
                assert_eq!(function, 3);
                assert!(first + words <= secret.start || first >= secret.end, "{request:?}");
            }
        }
    }
}

#[test]
fn a_board_without_the_mos_temperature_is_not_asked_for_ever() {
    let mut board = board(None);
    let live = board.identify();
    let reply = hex::decode(LIVE).unwrap();
    let mut asked = 0;
    for _ in 0..10 {
        asked += board.plan(&known()).iter().filter(|request| !request.required).count();
        board.decode(Expected::Request(&live), &reply, &mut Reading::default()).unwrap();
    }
    assert_eq!(asked, 4);
}

/// A line that loses some consecutive replies must not lose the temperature, and with it three quarters of the current, until a
/// restart.
#[test]
fn a_board_that_has_told_the_mos_temperature_goes_on_being_asked() {
    let mut board = board(None);
    let plan = board.plan(&known());
    board.decode(Expected::Request(&plan[1]), &hex::decode(MOS).unwrap(), &mut Reading::default()).unwrap();
    for lost in 0..100 {
        let plan = board.plan(&known());
        assert_eq!(plan.len(), 2, "after {lost} lost replies");
        board.decode(Expected::Request(&plan[0]), &hex::decode(LIVE).unwrap(), &mut Reading::default()).unwrap();
    }
}

#[test]
fn an_outage_or_an_answer_keeps_the_question() {
    let mut silent = board(None);
    assert!((0..10).all(|_| silent.plan(&known()).len() == 2), "nothing was heard at all");
    let mut board = board(None);
    for _ in 0..10 {
        let plan = board.plan(&Reading::default());
        let mut reading = Reading::default();
        board.decode(Expected::Request(&plan[0]), &hex::decode(LIVE).unwrap(), &mut reading).unwrap();
        board.decode(Expected::Request(&plan[1]), &hex::decode(MOS).unwrap(), &mut reading).unwrap();
        assert_eq!(reading.temperatures.mos.unwrap().get(), 38.0);
    }
}

#[test]
fn settings_are_asked_for_until_they_are_known() {
    let count = |known: &Reading| {
        let mut board = board(None);
        (0..10).flat_map(|_| plan(board.as_mut(), known)).filter(|request| request == "d20300800029965f").count()
    };
    assert_eq!((count(&Reading::default()), count(&known())), (10, 0));
}

/// The failure registers of a board at 80+n, and the resulting alarms.
fn failures(register: u16, word: u16) -> (Vec<(AlarmName, Level)>, usize) {
    let mut board = board(Some(1));
    let state = board.plan(&Reading::default()).remove(1);
    let mut words = [0u16; 0x3E];
    words[usize::from(register - 0x41)] = word;
    let mut reply = vec![0x51, 3, 0x7C];
    reply.extend(words.into_iter().flat_map(u16::to_be_bytes));
    reply.extend(crc16_modbus(&reply).to_le_bytes());
    let mut reading = Reading::default();
    board.decode(Expected::Request(&state), &reply, &mut reading).unwrap();
    (reading.alarms.unwrap().into_iter().map(|alarm| (alarm.name, alarm.level)).collect(), reading.notes.len())
}

/// patagonaa/esphome-daly-hkms-bms: two levels of three bits per byte, the first is a warning.
#[test]
fn failures_of_numbered_boards_have_levels() {
    for level in 1..=7u16 {
        let grade = if level == 1 { Level::Warning } else { Level::Alarm };
        assert_eq!(failures(0x6D, level), (vec![(AlarmName::CellHighVoltage, grade)], 0), "{level}");
        assert_eq!(failures(0x6D, level << 3), (vec![(AlarmName::CellLowVoltage, grade)], 0), "{level}");
        assert_eq!(failures(0x6E, level << 8), (vec![(AlarmName::LowTemperature, grade)], 0), "{level}");
        assert_eq!(failures(0x6F, level << 11), (vec![(AlarmName::HighDischargeCurrent, grade)], 0), "{level}");
        assert_eq!(failures(0x70, level), (vec![(AlarmName::LowSoc, grade)], 0), "{level}");
    }
    assert_eq!(failures(0x6F, 0x0040).0, [(AlarmName::ShortCircuit, Level::Alarm)]);
    assert_eq!(failures(0x72, 0x8000).0, [(AlarmName::SensorFault, Level::Alarm)]);
    assert_eq!(failures(0x73, 0x0010).0, [(AlarmName::ChargeFetFault, Level::Alarm)]);
    assert_eq!(failures(0x73, 0x8000).0, [(AlarmName::BmsInternal, Level::Warning)]);
}

/// No bit is ignored except those of active or connected devices.
#[test]
fn every_failure_bit_of_numbered_boards_is_an_alarm_or_a_note() {
    // A charger, a load or another board is present; fan and heater run.
    let states = [(0x6D, 6), (0x6D, 14), (0x70, 6), (0x73, 12), (0x73, 13)];
    for (register, bit) in (0x6D..=0x73).flat_map(|register| (0..16).map(move |bit| (register, bit))) {
        let (alarms, notes) = failures(register, 1 << bit);
        assert_eq!(alarms.len() + notes > 0, !states.contains(&(register, bit)), "{register:02x} bit {bit}");
    }
}

/// A board that refuses its settings has replied: nothing is awaited, and they are not requested in every reading.
#[test]
fn refused_settings_are_unknown_and_not_awaited() {
    let mut board = board(None);
    let plan = board.plan(&Reading::default());
    let mut reading = Reading::default();
    board.decode(Expected::Request(&plan[0]), &hex::decode(LIVE).unwrap(), &mut reading).unwrap();
    assert_eq!((reading.awaited.capacity, reading.awaited.settings), (true, true));
    let refusal = board.decode(Expected::Request(&plan[2]), &hex::decode("d283023108").unwrap(), &mut reading);
    assert_eq!(refusal, Err(DecodeError::Refused { code: 2 }));
    let mut asked = 0;
    for _ in 0..20 {
        let plan = board.plan(&Reading::default());
        asked += plan.iter().filter(|request| request.what == "settings").count();
        let mut reading = Reading::default();
        board.decode(Expected::Request(&plan[0]), &hex::decode(LIVE).unwrap(), &mut reading).unwrap();
        assert_eq!((reading.awaited.capacity, reading.awaited.settings), (false, false));
    }
    assert_eq!(asked, 0);
}

/// The texts of software and hardware are requested after the first reading, without any register of the password behind them.
#[test]
fn the_version_is_asked_for_in_the_second_reading() {
    let mut d2 = board(None);
    let read = Reading { cell_count: Some(16), ..known() };
    assert!(plan(d2.as_mut(), &read).contains(&"d20300a900208791".to_owned()));
    assert!(
        !plan(
            d2.as_mut(),
            &Reading { device: Device { sw_version: Some("401012".into()), ..read.clone().device }, ..read.clone() }
        )
        .contains(&"d20300a900208791".to_owned())
    );
}

/// Protections and texts of boards at 81 and up are requested after the first reading, without the registers of the password between them.
#[test]
fn no_board_is_asked_for_its_password() {
    let read = Reading { cell_count: Some(16), ..known() };
    let mut asked = Vec::new();
    for address in [None, Some(1)] {
        for request in [&Reading::default(), &read].into_iter().flat_map(|known| plan(board(address).as_mut(), known)) {
            let bytes = hex::decode(&request).unwrap();
            let first = u16::from_be_bytes([bytes[2], bytes[3]]);
            let behind = first + u16::from_be_bytes([bytes[4], bytes[5]]);
            let password = if address.is_none() { 0xC9..0xCC } else { 0x126..0x129 };
            assert!(behind <= password.start || first >= password.end, "{request}");
            asked.push(request);
        }
    }
    assert!(asked.contains(&"8103013000185bf3".to_owned()) && asked.contains(&"8103017800151a20".to_owned()), "{asked:?}");
}

#[test]
fn answers_of_other_boards_and_to_other_reads_are_foreign() {
    let (mut d2, mut p81) = (board(None), board(Some(2)));
    let reply = hex::decode(LIVE).unwrap();
    let decline = |board: &mut dyn Protocol, request: &Request| {
        board.decode(Expected::Request(request), &reply, &mut Reading::default()).unwrap_err()
    };
    let of_other_board = p81.identify();
    assert!(matches!(decline(p81.as_mut(), &of_other_board), DecodeError::Foreign { what: "another board" }));
    let other_registers = d2.plan(&Reading::default()).remove(1);
    assert!(matches!(decline(d2.as_mut(), &other_registers), DecodeError::Foreign { .. }));
}

#[test]
fn an_exception_is_a_refusal_not_a_battery() {
    let mut board = board(None);
    let request = board.identify();
    let exception = hex::decode("d283023108").unwrap();
    assert_eq!(board.framing(&exception), Framing::Frame(0..5));
    let mut reading = Reading::default();
    let error = board.decode(Expected::Request(&request), &exception, &mut reading).unwrap_err();
    assert_eq!((error, reading), (DecodeError::Refused { code: 2 }, Reading::default()));
}

/// syssi/esphome-daly-bms:docs/pdus/btsnoop_daly_balancer.log
const LIVE: &str = concat!(
    "d2037c0d070d060d070d050d080d090d080d090d090d080d0a0d080d060d0a0d080d080000000000000000000000000000000000000000",
    "00000000000000000000000000440000000000000000000002150d070215753000000d0a0d040044004400000000001000010000000000",
    "0000000d07000600000000000000000000d356",
);
