//! Simulated PACE packs; the frames are described in [`crate::bms::pace`].

use super::Responder;
use super::ascii::{AsciiPacks, cells, fine, kelvin, padded};
use super::encode::{bits, scaled, signed};
use super::pack::ReportedState;
use crate::bms::bits::bytes_of;
use crate::bms::pace::alarms::BITS;
use crate::model::AlarmName;

/// Packs as with a 16S board, at their own addresses (RS485).
pub fn packs() -> Box<dyn Responder> {
    Box::new(AsciiPacks::new(9600, (0x25, 0x46), reply))
}

fn reply(command: u8, address: u8, reported: &ReportedState) -> Option<Vec<u8>> {
    match command {
        0x42 => Some(values(address, reported)),
        0x44 => Some(alarms(address, reported)),
        0xD1 => Some(voltages([3600, 3650, 3380])),
        0xD3 => Some(voltages([2800, 2500, 2900])),
        0xD5 => Some(voltages([3600, 3650, 3380].map(|cell| of_pack(cell, reported)))),
        0xD7 => Some(voltages([2800, 2500, 2900].map(|cell| of_pack(cell, reported)))),
        0xD9 => Some(currents([145, 150])),
        0xDB => Some(currents([-145, -150])),
        0xC1 => Some(padded("P16S100A-0000-1.00", 20)),
        0xC2 => Some([padded(&format!("SIM{address:03}"), 20), padded("", 20)].concat()),
        _ => None,
    }
}

/// Voltage of all cells, mV.
fn of_pack(cell: u16, reported: &ReportedState) -> u16 {
    cell.saturating_mul(reported.cells_v.len() as u16)
}

/// Warning, protection and release, mV, with a delay of one second.
fn voltages(of: [u16; 3]) -> Vec<u8> {
    [vec![1], of.map(u16::to_be_bytes).concat(), vec![10]].concat()
}

/// Warning and protection, A, with a delay of one second.
fn currents(of: [i16; 2]) -> Vec<u8> {
    [vec![1], of.map(i16::to_be_bytes).concat(), vec![10]].concat()
}

fn values(address: u8, reported: &ReportedState) -> Vec<u8> {
    let [first, second] = reported.temperatures_c;
    let mut info = [vec![0, address], cells(reported), vec![6]].concat();
    info.extend(kelvin([first, second, first, second, reported.mos_c, second], 273.0));
    info.extend(signed(reported.current_a, 100.0));
    info.extend([scaled(reported.voltage_v, 1000.0), scaled(reported.remaining_ah, 100.0)].concat());
    info.push(4);
    info.extend([scaled(reported.capacity_ah, 100.0), (reported.cycles as u16).to_be_bytes()].concat());
    info.extend(scaled(reported.capacity_ah, 100.0));
    info.push(reported.soc_pct.round() as u8);
    info
}

fn alarms(address: u8, reported: &ReportedState) -> Vec<u8> {
    let mut info = [vec![0, address], fine(reported.cells_v.len(), 6), vec![0; 3]].concat();
    let mut status = bytes_of(&reported.alarms, &BITS, Some(AlarmName::BmsInternal));
    let [low, high, ..] = bits(reported.balancing.iter().copied()).to_le_bytes();
    if let [_, _, indication, _, _, first, second, ..] = status.as_mut_slice() {
        *indication |= u8::from(reported.charge_fet) << 1 | u8::from(reported.discharge_fet) << 2;
        (*first, *second) = (low, high);
    }
    info.extend(status);
    info.push(0);
    info
}
