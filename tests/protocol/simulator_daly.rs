//! The simulated Daly and TopBMS boards beyond the features shared by all boards: firmware quirks, addresses, switches, sleep.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use dbus_bms::bms::bytes::{crc16_modbus, sum8};
use dbus_bms::bms::frame_collector::FrameCollector;
use dbus_bms::bms::{DecodeError, Driver, daly, daly_modbus, topbms};
use dbus_bms::model::{AlarmName, ProductionDate, Reading};
use dbus_bms::sim::daly::{Daly, Firmware};
use dbus_bms::sim::pack::{Demand, PackConfig};
use dbus_bms::sim::scenario::Scenario;
use dbus_bms::sim::{Responder, Unit, responder};
use std::collections::BTreeSet;
use std::time::Duration;

fn unit(address: u8, cells: usize, current: f64) -> Unit {
    let config = PackConfig { cells, soc_pct: 60.0, ..PackConfig::default() };
    let mut unit = Unit::new(address, &config, Scenario::default());
    unit.pack.demand = Demand::Constant(current);
    unit.advance(Duration::from_secs(30));
    unit
}

/// Reading of `driver` at `address` after several polls.
fn hear(driver: &'static Driver, address: Option<u8>, board: &mut dyn Responder, units: &mut [Unit]) -> FrameCollector {
    let mut protocol = (driver.new)(address);
    let mut traffic = FrameCollector::new(driver);
    let mut known = Reading::new(driver.name, address);
    for _ in 0..5 {
        let requests = protocol.plan(&known);
        for request in &requests {
            board.answer(&request.bytes, units).iter().for_each(|reply| traffic.feed(&reply.bytes, &requests));
        }
        known = traffic.readings().next().unwrap_or(known);
    }
    traffic
}

fn read(driver: &'static Driver, address: Option<u8>, board: &mut dyn Responder, units: &mut [Unit]) -> Reading {
    hear(driver, address, board, units).readings().next().unwrap()
}

fn near(read: Option<f64>, shown: f64, step: f64) {
    let read = read.unwrap();
    assert!((read - shown).abs() <= step / 2.0 + 1e-9, "read {read}, shown {shown}");
}

#[test]
fn every_firmware_of_daly_boards_tells_the_same() {
    let habits = (0..16u8).map(|bits| Firmware {
        charge_positive: bits & 1 != 0,
        all_frames: bits & 2 != 0,
        from_zero: bits & 4 != 0,
        echoes_asleep: bits & 8 != 0,
    });
    for (firmware, cells, current) in habits.flat_map(|firmware| [(firmware, 7, -40.0), (firmware, 16, 25.0), (firmware, 8, 0.0)]) {
        let (mut board, mut units) = (Daly::new(firmware), [unit(1, cells, current)]);
        let reading = read(&daly::DRIVER, Some(1), &mut board, &mut units);
        let shown = units[0].pack.reported();
        near(reading.current.map(|a| a.get()), shown.current_a, 0.1);
        assert_eq!(shown.current_a.abs() > 20.0, current != 0.0);
        assert_eq!((reading.cells.len(), reading.cells_complete, reading.cell_count), (cells, None, u8::try_from(cells).ok()));
        for (read, shown) in reading.cells.iter().zip(&shown.cells_v) {
            near(Some(read.get()), *shown, 0.001);
        }
        near(reading.remaining.map(|ah| ah.get()), shown.remaining_ah, 0.001);
        assert_eq!(reading.temperatures.sensors.as_deref().unwrap().len(), 2);
        near(reading.temperatures.sensors.as_deref().unwrap().get(1).map(|c| c.get()), shown.temperatures_c[1], 1.0);
        assert_eq!((reading.capacity.map(|ah| ah.get()), reading.cycles), (Some(280.0), Some(shown.cycles)));
        assert_eq!(reading.device.production_date, Some(ProductionDate::Day("2023-11-14".to_owned())));
        assert_eq!(reading.device.serial_number.as_deref(), Some("SIMULATED-00001"));
        assert_eq!(board.writes(), 0);
    }
}

#[test]
fn a_sleeping_daly_board_is_no_battery() {
    for (echoes_asleep, expected) in [(true, 13), (false, 0)] {
        let (mut board, mut units) = (Daly::new(Firmware { echoes_asleep, ..Firmware::default() }), [unit(1, 16, 0.0)]);
        units[0].pack.silent = true;
        let request = (daly::DRIVER.new)(Some(1)).identify().bytes;
        let echo: Vec<u8> = board.answer(&request, &mut units).into_iter().flat_map(|reply| reply.bytes).collect();
        assert_eq!(echo.len(), expected);
        let traffic = hear(&daly::DRIVER, Some(1), &mut board, &mut units);
        assert_eq!((traffic.frames, traffic.readings().count()), (0, 0));
    }
}

#[test]
fn boards_share_a_line() {
    for (driver, name) in [(&daly::DRIVER, "daly"), (&topbms::DRIVER, "topbms")] {
        let (mut board, mut units) = (responder(name).unwrap(), [unit(1, 16, 10.0), unit(7, 15, -30.0)]);
        assert!(board.addressed());
        for index in [0, 1] {
            let address = units[index].address;
            let reading = read(driver, Some(address), board.as_mut(), &mut units);
            let shown = units[index].pack.reported();
            assert_eq!((reading.address, reading.cells.len()), (Some(address), shown.cells_v.len()));
            near(reading.current.map(|a| a.get()), shown.current_a, 0.1);
        }
        assert_eq!(hear(driver, Some(3), board.as_mut(), &mut units).frames, 0);
    }
}

#[test]
fn host_80_reaches_board_1() {
    let (mut board, mut units) = (Daly::default(), [unit(1, 16, 10.0)]);
    let reading = read(&daly::DRIVER, Some(65), &mut board, &mut units);
    assert_eq!((reading.address, reading.cells.len()), (Some(65), 16));
}

#[test]
fn daly_boards_switch_their_fets() {
    let (mut board, mut units) = (Daly::default(), [unit(1, 16, 0.0)]);
    let mut off = vec![0xA5, 0x40, 0xD9, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    off.push(sum8(&off));
    board.answer(&off, &mut units);
    units[0].advance(Duration::from_secs(1));
    let reading = read(&daly::DRIVER, Some(1), &mut board, &mut units);
    assert_eq!((reading.fets.charge, reading.fets.discharge, board.writes()), (Some(true), Some(false), 1));
}

#[test]
fn a_daly_modbus_board_tells_its_settings_and_refuses_the_rest() {
    let (mut board, mut units) = (responder("daly-modbus").unwrap(), [unit(1, 16, -40.0)]);
    let reading = read(&daly_modbus::DRIVER, None, board.as_mut(), &mut units);
    let shown = units[0].pack.reported();
    near(reading.current.map(|a| a.get()), shown.current_a, 0.1);
    near(reading.temperatures.mos.map(|c| c.get()), shown.mos_c, 1.0);
    near(reading.power.map(|w| w.get()), (shown.voltage_v * shown.current_a).abs(), 1.0);
    let settings = &reading.settings;
    assert_eq!((settings.cell_ovp.map(|v| v.get()), settings.cell_uvp.map(|v| v.get())), (Some(3.65), Some(2.5)));
    assert_eq!((settings.charge_ocp.map(|a| a.get()), settings.discharge_ocp.map(|a| a.get())), (Some(150.0), Some(200.0)));
    assert_eq!((reading.capacity.map(|ah| ah.get()), board.writes()), (Some(280.0), 0));
    let mut password = vec![0xD2, 3, 0, 0xC9, 0, 3];
    password.extend(crc16_modbus(&password).to_le_bytes());
    let replies = board.answer(&password, &mut units);
    let mut traffic = FrameCollector::new(&daly_modbus::DRIVER);
    traffic.feed(&replies[0].bytes, &[]);
    assert_eq!(traffic.declined, [DecodeError::Refused { code: 2 }]);
}

#[test]
fn boards_of_both_modbus_maps_tell_their_alarms() {
    let forced = [AlarmName::CellHighVoltage, AlarmName::LowTemperature, AlarmName::ShortCircuit, AlarmName::ChargeFetFault];
    for address in [0xD2, 2] {
        let mut unit = unit(address, 16, 0.0);
        unit.pack.forced_alarms = forced.to_vec();
        unit.advance(Duration::from_secs(1));
        let mut board = responder("daly-modbus").unwrap();
        let reading = read(&daly_modbus::DRIVER, Some(address), board.as_mut(), &mut [unit]);
        let told: BTreeSet<AlarmName> = reading.alarms.unwrap().into_iter().map(|alarm| alarm.name).collect();
        assert_eq!(told, forced.into_iter().collect(), "{address}");
    }
}

#[test]
fn a_topbms_pack_refuses_what_it_does_not_know() {
    let (mut board, mut units) = (responder("topbms").unwrap(), [unit(1, 16, 10.0)]);
    let replies = board.answer(b"~21014647E00201FD2F\r", &mut units);
    let mut traffic = FrameCollector::new(&topbms::DRIVER);
    traffic.feed(&replies[0].bytes, &[]);
    assert_eq!(traffic.declined, [DecodeError::Refused { code: 4 }]);
    let reading = read(&topbms::DRIVER, Some(1), board.as_mut(), &mut units);
    let shown = units[0].pack.reported();
    near(reading.remaining.map(|ah| ah.get()), shown.remaining_ah, 0.01);
    near(reading.voltage.map(|v| v.get()), shown.voltage_v, 0.01);
    assert_eq!((reading.soh.map(|p| p.get()), reading.cycles), (Some(99.0), Some(shown.cycles)));
}
