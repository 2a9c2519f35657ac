//! Simulated EG4 LifePower4 packs; the frames are described in [`crate::bms::lifepower4`].

use super::Responder;
use super::ascii::{AsciiPacks, cells, fine, kelvin};
use super::encode::{bits, scaled, signed};
use super::pack::ReportedState;
use crate::bms::bits::bytes_of;
use crate::bms::lifepower4::alarms::BITS;
use crate::model::AlarmName;

/// Packs at their own addresses. The board has no bit for an internal fault.
pub fn packs() -> Box<dyn Responder> {
    Box::new(AsciiPacks::new(9600, (0x20, 0x4A), reply))
}

fn reply(command: u8, _address: u8, reported: &ReportedState) -> Option<Vec<u8>> {
    match command {
        0x42 => Some(values(reported)),
        0x44 => Some(alarms(reported)),
        _ => None,
    }
}

fn values(reported: &ReportedState) -> Vec<u8> {
    let [first, second] = reported.temperatures_c;
    let mut info = [vec![0, 1], cells(reported), vec![4]].concat();
    info.extend(kelvin([first, second, first, second, second, reported.mos_c], 273.1));
    info.extend(signed(reported.current_a, 100.0));
    info.extend([scaled(reported.voltage_v, 100.0), scaled(reported.remaining_ah, 100.0)].concat());
    info.extend([scaled(reported.capacity_ah, 100.0), (reported.cycles as u16).to_be_bytes()].concat());
    info.push(15);
    info.extend([scaled(reported.soc_pct, 1.0), scaled(98.0, 1.0)].concat());
    info.extend([0; 38]);
    info
}

fn alarms(reported: &ReportedState) -> Vec<u8> {
    let mut info = [vec![0, 1], fine(reported.cells_v.len(), 4), vec![0, 0, 0, 0, 9]].concat();
    let mut status = bytes_of(&reported.alarms, &BITS, Some(AlarmName::HighTemperature));
    if let [_, _, _, _, _, _, fets, _] = status.as_mut_slice() {
        *fets |= u8::from(reported.discharge_fet) | u8::from(reported.charge_fet) << 1;
    }
    info.extend(status);
    info.extend(bits(reported.balancing.iter().copied()).to_be_bytes());
    info.push(0);
    info
}
