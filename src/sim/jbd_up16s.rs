//! A simulated chain of JBD UP16S packs; the frames are described in [`crate::bms::jbd_up16s`].
//!
//! The first one is the master, on whose cable the others are read: it tells the limits of all packs, and is the only one that
//! answers function 45 and the request for texts.

use super::encode::{bits, word};
use super::pack::ReportedState;
use super::requests::{RequestBuffer, RequestScan, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bits::bytes_of;
use crate::bms::bytes::crc16_modbus;
use crate::bms::jbd_up16s::alarms::FAULTS;
use crate::bms::modbus::with_crc;
use crate::model::AlarmName;
use std::time::Duration;

const REQUEST: usize = 10;
const TEXT: &[u8; 30] = b"JBD48100000\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const BOARD: &[u8; 30] = b"UP16S020000000000000000001\0\0\0\0";
/// Limits of one pack, in 0.1 A.
const LIMIT: u16 = 1000;

/// State of the chain: only an incomplete request.
#[derive(Debug, Default)]
pub struct Up16s {
    buffer: RequestBuffer,
    writes: usize,
}

impl Responder for Up16s {
    fn line(&self) -> Line {
        Line { baud: 9600 }
    }

    fn addressed(&self) -> bool {
        true
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some(request) = self.buffer.take(scan) {
            let [address, function, start, ..] = request;
            self.writes = self.writes.saturating_add(usize::from(function == 0x79));
            let packs = units.len();
            let Some(place) = units.iter().position(|unit| unit.answers_to(address)) else { continue };
            let Some(unit) = units.get(place) else { continue };
            let data = match (function, start) {
                (0x78, 0x10) => values(unit.pack.reported(), if place == 0 { packs } else { 1 }),
                (0x45, _) if place == 0 => own(unit.pack.reported()),
                (0x78, 0x1C) if place == 0 => texts(),
                (0x78, 0x18) if place == 0 => settings(),
                _ => continue,
            };
            let head = request.get(..6).unwrap_or_default();
            let bytes = with_crc([head, &(data.len() as u16).to_be_bytes(), &data].concat());
            replies.push(Reply { after: Duration::ZERO, bytes });
        }
        replies
    }

    fn quiet(&mut self) {
        self.buffer.clear();
    }

    fn writes(&self) -> usize {
        self.writes
    }
}

fn scan(bytes: &[u8]) -> RequestScan<[u8; REQUEST]> {
    of_length(
        bytes,
        |first| matches!(first, 1..=16),
        |request: &[u8; REQUEST]| {
            let [summed @ .., low, high] = *request;
            (crc16_modbus(&summed).to_le_bytes() == [low, high]).then_some(*request)
        },
    )
}

fn values(reported: &ReportedState, packs: usize) -> Vec<u8> {
    let mut data = Vec::new();
    let put = |data: &mut Vec<u8>, words: &[u16]| data.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    let degrees = |celsius: f64| word(celsius + 50.0, 10.0);
    put(&mut data, &[word(reported.voltage_v, 100.0), 0]);
    data.extend(((reported.current_a * 100.0).round() as i32 + 300_000).to_be_bytes());
    put(&mut data, &[word(reported.soc_pct, 100.0), word(reported.remaining_ah, 100.0)]);
    let [first, second] = reported.temperatures_c.map(degrees);
    put(&mut data, &[word(reported.capacity_ah, 100.0), word(reported.capacity_ah, 100.0), degrees(reported.mos_c), first, 0, 99]);
    let faults: [u8; 4] = bytes_of(&reported.alarms, &FAULTS, Some(AlarmName::BmsInternal)).try_into().unwrap_or_default();
    data.extend(u32::from_le_bytes(faults).to_be_bytes());
    data.extend([0; 4]);
    put(&mut data, &[u16::from(reported.discharge_fet) | u16::from(reported.charge_fet) << 1, 0, reported.cycles as u16]);
    put(&mut data, &[0; 10]);
    let limit = LIMIT.saturating_mul(packs as u16);
    put(&mut data, &[584, limit, 448, limit]);
    cells(&mut data, reported);
    put(&mut data, &[4, first, second, first, second, 0, bits(reported.balancing.iter().copied()) as u16, 0x0C04]);
    data.extend(TEXT);
    data
}

fn cells(data: &mut Vec<u8>, reported: &ReportedState) {
    data.extend((reported.cells_v.len() as u16).to_be_bytes());
    data.extend(reported.cells_v.iter().flat_map(|cell| word(*cell, 1000.0).to_be_bytes()));
}

/// 116 bytes, whatever the number of cells, with the limits at 96: as recorded with 16 cells.
fn own(reported: &ReportedState) -> Vec<u8> {
    let mut data = Vec::new();
    cells(&mut data, reported);
    data.extend([0; 4]);
    data.extend(word(reported.voltage_v, 100.0).to_be_bytes());
    data.extend(((reported.current_a * 100.0).round() as i32).to_be_bytes());
    data.extend([0; 4]);
    let charge = [word(reported.capacity_ah, 100.0), word(reported.remaining_ah, 100.0)];
    data.extend(charge.iter().flat_map(|word| word.to_be_bytes()));
    data.extend([reported.cycles as u16, word(reported.soc_pct, 1.0), 99].iter().flat_map(|word| word.to_be_bytes()));
    data.resize(96, 0);
    data.extend([LIMIT, LIMIT].iter().flat_map(|word| word.to_be_bytes()));
    data.resize(116, 0);
    data
}

fn settings() -> Vec<u8> {
    let mut words = [0u16; 104];
    for (place, word) in [(3, 3650), (9, 2500), (15, 5840), (21, 4000), (27, 1200), (37, 1200)] {
        words.iter_mut().skip(place).take(1).for_each(|at| *at = word);
    }
    words.map(u16::to_be_bytes).concat()
}

fn texts() -> Vec<u8> {
    let date = [2025u16, 4, 17].map(u16::to_be_bytes).concat();
    [&[0; 16][..], BOARD, &date, TEXT, &date, &[0; 30]].concat()
}
