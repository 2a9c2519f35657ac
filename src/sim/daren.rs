//! Simulated Daren packs; the frames are described in [`crate::bms::daren`].

use super::Responder;
use super::ascii::{AsciiPacks, cells, padded};
use super::encode::{bits, scaled, signed};
use super::pack::ReportedState;
use crate::bms::bits::bytes_of;
use crate::bms::daren::alarms::BITS;
use crate::model::AlarmName;

/// Packs at their own addresses. Which of the two bits is which FET is not known: a driver can tell them only if they are equal.
pub fn packs() -> Box<dyn Responder> {
    let fets = |charge: bool, discharge: bool| [(charge == discharge).then_some(charge); 2];
    Box::new(AsciiPacks { fets, ..AsciiPacks::new(9600, (0x22, 0x4A), reply) })
}

fn reply(command: u8, address: u8, reported: &ReportedState) -> Option<Vec<u8>> {
    match command {
        0x42 => Some(values(reported)),
        0x47 => Some(limits(address, reported)),
        0x51 => Some([padded("SIM_D", 10), padded("SIMULATED", 10), padded("16S100A", 10), vec![1, 0, 2, 1, 1]].concat()),
        _ => None,
    }
}

fn values(reported: &ReportedState) -> Vec<u8> {
    let [first, second] = reported.temperatures_c;
    let mut info = vec![0];
    info.extend([scaled(reported.soc_pct, 100.0), scaled(reported.voltage_v, 100.0)].concat());
    info.extend(cells(reported));
    info.extend([first, second, reported.mos_c].iter().flat_map(|celsius| signed(*celsius, 10.0)));
    info.push(4);
    info.extend([first, second, first, second].iter().flat_map(|celsius| signed(*celsius, 10.0)));
    info.extend([signed(reported.current_a, 100.0), [0, 0], [0, 99]].concat());
    info.push(1);
    info.extend([scaled(reported.capacity_ah, 100.0), scaled(reported.remaining_ah, 100.0)].concat());
    info.extend((reported.cycles as u16).to_be_bytes());
    // The table has the low byte first.
    let status = bytes_of(&reported.alarms, &BITS, Some(AlarmName::BmsInternal));
    info.extend(status.as_chunks::<2>().0.iter().flat_map(|[low, high]| [*high, *low]));
    info.extend([0, 0x20 | u8::from(reported.charge_fet) | u8::from(reported.discharge_fet) << 1]);
    info.extend([0; 8]);
    info.extend((bits(reported.balancing.iter().copied()) as u16).to_be_bytes());
    info.extend([0; 13]);
    info
}

fn limits(address: u8, reported: &ReportedState) -> Vec<u8> {
    let mut info = vec![0];
    for word in [3650u16, 2500, 115, 45, 15000, 3650, 2500, reported.cells_v.len() as u16, 15000] {
        info.extend(word.to_be_bytes());
    }
    info.extend(scaled(reported.capacity_ah, 100.0));
    info.extend([0; 4]);
    info.extend([0xFF; 20]);
    info.extend(padded(&format!("SIM{address:03}"), 20));
    info
}
