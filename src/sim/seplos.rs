//! Simulated Seplos packs; the frames are described in [`crate::bms::seplos`].

use super::Responder;
use super::ascii::{AsciiPacks, cells, fine, kelvin, padded};
use super::encode::{bits, scaled, signed};
use super::pack::ReportedState;
use crate::bms::bits::bytes_of;
use crate::bms::seplos::alarms::BITS;
use crate::model::AlarmName;

/// Packs at their own addresses.
pub fn packs() -> Box<dyn Responder> {
    Box::new(AsciiPacks::new(19200, (0x20, 0x46), reply))
}

fn reply(command: u8, _address: u8, reported: &ReportedState) -> Option<Vec<u8>> {
    match command {
        0x42 => Some(values(reported)),
        0x44 => Some(alarms(reported)),
        0x47 => Some(settings(reported)),
        0x51 => Some([padded("1101-SIM", 10), vec![2, 7], padded("simulated", 20)].concat()),
        _ => None,
    }
}

fn values(reported: &ReportedState) -> Vec<u8> {
    let [first, second] = reported.temperatures_c;
    let mut info = [vec![0, 1], cells(reported), vec![6]].concat();
    info.extend(kelvin([first, second, first, second, second, reported.mos_c], 273.1));
    info.extend(signed(reported.current_a, 100.0));
    info.extend([scaled(reported.voltage_v, 100.0), scaled(reported.remaining_ah, 100.0)].concat());
    info.push(10);
    info.extend(
        [scaled(reported.capacity_ah, 100.0), scaled(reported.soc_pct, 10.0), scaled(reported.capacity_ah, 100.0)].concat(),
    );
    info.extend([(reported.cycles as u16).to_be_bytes(), scaled(99.0, 10.0), scaled(reported.voltage_v, 100.0)].concat());
    info.extend([0; 8]);
    info
}

fn settings(reported: &ReportedState) -> Vec<u8> {
    let cells = reported.cells_v.len() as u16;
    let mut words = [0u16; 60];
    let protections =
        [(4, 3650), (6, 2500), (14, cells.saturating_mul(365)), (16, cells.saturating_mul(250)), (54, 15000), (55, 0xC568)];
    for (at, value) in protections {
        if let Some(word) = words.get_mut(at) {
            *word = value;
        }
    }
    [vec![0, 60], words.map(u16::to_be_bytes).concat(), vec![27], vec![0; 27], vec![8], vec![0xFF; 8], padded("1101-SIM", 10)]
        .concat()
}

fn alarms(reported: &ReportedState) -> Vec<u8> {
    let mut info = [vec![0, 1], fine(reported.cells_v.len(), 6), vec![0, 0, 20]].concat();
    let mut status = bytes_of(&reported.alarms, &BITS, Some(AlarmName::BmsInternal));
    let [low, high, ..] = bits(reported.balancing.iter().copied()).to_le_bytes();
    if let [_, _, _, _, _, _, fets, first, second, ..] = status.as_mut_slice() {
        *fets |= u8::from(reported.discharge_fet) | u8::from(reported.charge_fet) << 1;
        (*first, *second) = (low, high);
    }
    info.extend(status);
    info.extend([0; 6]);
    info
}
