//! Simulated Pylontech packs; the frames are described in [`crate::bms::pylontech`].

use super::Responder;
use super::ascii::{AsciiPacks, cells, fine, kelvin, padded};
use super::encode::{scaled, signed};
use super::pack::ReportedState;
use crate::bms::bits::bytes_of;
use crate::bms::pylontech::alarms::BITS;
use crate::model::AlarmName;

/// Packs at their own addresses, with capacities in three bytes. The protocol has no flag for balancing, and for a high cell or a cold
/// pack only the codes of cells and sensors.
pub fn packs() -> Box<dyn Responder> {
    Box::new(AsciiPacks { shows_balancing: false, shown_as, ..AsciiPacks::new(115_200, (0x20, 0x46), reply) })
}

fn reply(command: u8, address: u8, reported: &ReportedState) -> Option<Vec<u8>> {
    match command {
        0x42 => Some(values(address, reported)),
        0x44 => Some(alarms(address, reported)),
        0x47 => Some([vec![0x11], words(&[3650, 3050, 2500, 3331, 2631, 1500, 58400, 48800, 40000, 3331, 2631, 0xFA24])].concat()),
        0x92 => Some([vec![address], words(&[57600, 44800, 1000, 0xFC18]), vec![0xC0]].concat()),
        0x93 => Some([vec![address], padded(&format!("SIM{address:03}"), 16)].concat()),
        0x96 => Some(vec![address, 0, 0, 1, 2, 3]),
        _ => None,
    }
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn values(address: u8, reported: &ReportedState) -> Vec<u8> {
    let [first, second] = reported.temperatures_c;
    let milli = |ah: f64| ((ah * 1000.0).round() as u32).to_be_bytes();
    let ([_, left @ ..], [_, all @ ..]) = (milli(reported.remaining_ah), milli(reported.capacity_ah));
    let mut info = [vec![0x11, address], cells(reported), vec![5]].concat();
    info.extend(kelvin([reported.mos_c, first, second, first, second], 273.1));
    info.extend([signed(reported.current_a, 10.0), scaled(reported.voltage_v, 1000.0), [0xFF, 0xFF]].concat());
    info.extend([4, 0xFF, 0xFF]);
    info.extend((reported.cycles as u16).to_be_bytes());
    info.extend([left, all].concat());
    info
}

fn shown_as(alarm: AlarmName) -> Option<AlarmName> {
    Some(match alarm {
        AlarmName::LowChargeTemperature => AlarmName::LowTemperature,
        AlarmName::ShortCircuit => AlarmName::HighDischargeCurrent,
        other => other,
    })
}

fn alarms(address: u8, reported: &ReportedState) -> Vec<u8> {
    let shown: Vec<AlarmName> = reported.alarms.iter().filter_map(|alarm| shown_as(*alarm)).collect();
    let mut codes = fine(reported.cells_v.len(), 5);
    let [cell, sensor] = [1, reported.cells_v.len() + 2];
    for (at, code, alarm) in [(cell, 2, AlarmName::CellHighVoltage), (sensor, 1, AlarmName::LowTemperature)] {
        if let Some(place) = codes.get_mut(at).filter(|_| shown.contains(&alarm)) {
            *place = code;
        }
    }
    let mut info = [vec![0, address], codes, vec![0; 3]].concat();
    let mut status = bytes_of(&shown, &BITS, None);
    if let [_, fets, ..] = status.as_mut_slice() {
        *fets |= u8::from(reported.charge_fet) << 1 | u8::from(reported.discharge_fet) << 2;
    }
    info.extend(status);
    info
}
