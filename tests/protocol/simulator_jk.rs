//! The simulated JK boards beyond the features shared by all boards: all their values, addresses, switches, silence.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use dbus_bms::bms::bytes::{crc16_modbus, sum16};
use dbus_bms::bms::frame_collector::FrameCollector;
use dbus_bms::bms::{Driver, Expected, Line, Request, jk, jk_pb};
use dbus_bms::model::{Chemistry, ProductionDate, Reading};
use dbus_bms::sim::pack::{Demand, PackConfig};
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Responder, Unit, responder};
use std::time::Duration;

/// A battery that discharges.
fn unit(address: u8, soc_pct: f64) -> Unit {
    let mut unit = Unit::new(address, &PackConfig { soc_pct, ..PackConfig::default() }, Scenario::default());
    unit.pack.demand = Demand::Constant(-40.0);
    unit.advance(Duration::from_secs(30));
    unit
}

fn board(name: &str) -> Box<dyn Responder> {
    responder(name).unwrap()
}

fn reply(board: &mut dyn Responder, units: &mut [Unit], request: &[u8]) -> Vec<u8> {
    board.answer(request, units).into_iter().flat_map(|reply| reply.bytes).collect()
}

/// Reading of `driver` at `address`, from all requests of its first poll.
fn poll(driver: &'static Driver, address: Option<u8>, board: &mut dyn Responder, units: &mut [Unit]) -> Vec<Reading> {
    let requests: Vec<Request> = (driver.new)(address).plan(&Reading::new(driver.name, address));
    let mut traffic = FrameCollector::new(driver);
    for request in &requests {
        traffic.feed(&reply(board, units, &request.bytes), &requests);
    }
    traffic.end(&requests);
    traffic.readings().collect()
}

fn near(read: Option<f64>, shown: f64, step: f64) {
    let read = read.unwrap();
    assert!((read - shown).abs() <= step / 2.0 + 1e-9, "read {read}, shown {shown}");
}

#[test]
fn jk_boards_of_both_firmwares_tell_the_same() {
    for (name, model, sw) in [("jk", Some("JK_B2A20S20P"), "11.XW_S11.26___"), ("jk-2020", None, "NW_1_0_0_200428")] {
        let mut units = [unit(1, 60.0)];
        units[0].pack.set_temperature(-7.0);
        units[0].advance(Duration::from_secs(1));
        let reading = poll(&jk::DRIVER, None, board(name).as_mut(), &mut units).remove(0);
        let shown = units[0].pack.reported();
        assert_eq!((reading.device.model.as_deref(), reading.device.sw_version.as_deref()), (model, Some(sw)));
        near(reading.voltage.map(|v| v.get()), shown.voltage_v, 0.01);
        near(reading.current.map(|a| a.get()), shown.current_a, 0.01);
        assert!(shown.current_a < -39.0);
        near(reading.temperatures.mos.map(|c| c.get()), shown.mos_c, 1.0);
        for (read, shown) in reading.temperatures.sensors.as_deref().unwrap().iter().zip(shown.temperatures_c) {
            near(Some(read.get()), shown, 1.0);
            assert!(shown < -5.0);
        }
        assert_eq!((reading.cycles, reading.cell_count), (Some(shown.cycles), Some(16)));
        assert_eq!(reading.capacity.map(|ah| ah.get()), Some(280.0));
        assert_eq!((reading.settings.cell_ovp.map(|v| v.get()), reading.settings.chemistry), (Some(3.65), Some(Chemistry::Lfp)));
        // The factory default is not a serial number, and the password is not shown.
        assert_eq!(reading.device.serial_number, None);
        assert!(!serde_json::to_string(&reading).unwrap().contains("simulated"));
    }
}

#[test]
fn a_jk_board_gives_one_register_and_switches() {
    let (mut board, mut units) = (board("jk"), [unit(1, 60.0)]);
    let identify = (jk::DRIVER.new)(None).identify();
    let one = reply(board.as_mut(), &mut units, &identify.bytes);
    assert_eq!(one.len(), 23);
    let mut reading = Reading::default();
    (jk::DRIVER.new)(None).decode(Expected::Request(&identify), &one, &mut reading).unwrap();
    near(reading.voltage.map(|v| v.get()), units[0].pack.reported().voltage_v, 0.01);
    assert_eq!(board.writes(), 0);
    let off = write_ab_00();
    assert_eq!(reply(board.as_mut(), &mut units, &off)[8..12], [2, 0, 1, 0xAB]);
    units[0].advance(Duration::from_secs(1));
    assert!(!units[0].pack.reported().charge_fet && units[0].pack.reported().discharge_fet);
    assert_eq!(board.writes(), 1);
    let reading = poll(&jk::DRIVER, None, board.as_mut(), &mut units).remove(0);
    assert_eq!((reading.fets.charge, reading.notes.len()), (Some(false), 1));
}

/// `4E57 0014 00000000 02 02 00 AB 00 00000000 68 0000 01D0` switches charging off.
fn write_ab_00() -> Vec<u8> {
    let mut frame = vec![0x4E, 0x57, 0, 0x14, 0, 0, 0, 0, 2, 2, 0, 0xAB, 0, 0, 0, 0, 0, 0x68];
    let sum = sum16(&frame);
    assert_eq!(sum, 0x01D0);
    frame.extend([0, 0, 0x01, 0xD0]);
    frame
}

#[test]
fn jk_pb_boards_share_a_line() {
    for name in ["jk-pb", "jk-pb-15.41"] {
        let (mut board, mut units) = (board(name), [unit(1, 60.0), unit(7, 30.0)]);
        assert_eq!((board.line(), board.addressed()), (Line { baud: 115_200 }, true));
        for index in [0, 1] {
            let address = units[index].address;
            let reading = poll(&jk_pb::DRIVER, Some(address), board.as_mut(), &mut units).remove(0);
            let shown = units[index].pack.reported();
            assert_eq!(reading.address, Some(address));
            near(reading.voltage.map(|v| v.get()), shown.voltage_v, 0.001);
            near(reading.current.map(|a| a.get()), shown.current_a, 0.001);
            near(reading.remaining.map(|ah| ah.get()), shown.remaining_ah, 0.001);
            near(reading.temperatures.mos.map(|c| c.get()), shown.mos_c, 0.1);
            near(reading.temperatures.sensors.as_deref().unwrap().get(1).map(|c| c.get()), shown.temperatures_c[1], 0.1);
            // The settings' capacity, not the learned one.
            assert_eq!((reading.capacity.map(|ah| ah.get()), reading.full_charge.map(|ah| ah.get())), (Some(280.0), Some(277.2)));
            let settings = &reading.settings;
            assert_eq!((settings.cell_ovp.map(|v| v.get()), settings.cell_uvp.map(|v| v.get())), (Some(3.65), Some(2.5)));
            assert_eq!((settings.charge_ocp.map(|a| a.get()), settings.discharge_ocp.map(|a| a.get())), (Some(150.0), Some(200.0)));
            assert_eq!(reading.device.serial_number, Some(format!("311148{address:05}")));
            assert_eq!(reading.device.production_date, Some(ProductionDate::Day("2023-11-14".to_owned())));
        }
        assert_eq!(board.writes(), 0);
    }
}

fn modbus(bytes: &[u8]) -> Vec<u8> {
    [bytes, &crc16_modbus(bytes).to_le_bytes()].concat()
}

#[test]
fn jk_pb_boards_are_silent_to_everything_else() {
    let (mut board, mut units) = (board("jk-pb"), [unit(0, 60.0), unit(1, 60.0)]);
    let others = [
        modbus(&[0, 0x10, 0x16, 0x20, 0, 1, 2, 0, 0]),
        modbus(&[2, 0x10, 0x16, 0x20, 0, 1, 2, 0, 0]),
        modbus(&[1, 3, 0x12, 0, 0, 0x3E]),
        vec![0xDD, 0xA5, 0x03, 0x00, 0xFF, 0xFD, 0x77],
        vec![0xA5, 0x40, 0x90, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0x7D],
        (jk::DRIVER.new)(None).identify().bytes.into_owned(),
    ];
    for other in others {
        assert!(reply(board.as_mut(), &mut units, &other).is_empty(), "{other:02x?}");
        board.quiet();
    }
    assert_eq!(board.writes(), 0);
    // Charging off at address 1: `01 10 10 70 00 02 04 00 00 00 00 39 4B`.
    let off = modbus(&[1, 0x10, 0x10, 0x70, 0, 2, 4, 0, 0, 0, 0]);
    assert_eq!(off[11..], [0x39, 0x4B]);
    assert_eq!(reply(board.as_mut(), &mut units, &off), modbus(&[1, 0x10, 0x10, 0x70, 0, 2]));
    assert_eq!((board.writes(), units[0].pack.charge_off, units[1].pack.charge_off), (1, false, true));
}
