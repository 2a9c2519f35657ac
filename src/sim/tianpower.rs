//! Simulated Tian Power packs, one per address; the frames are described in [`crate::bms::tianpower`].

use super::encode::{scaled, word};
use super::pack::ReportedState;
use super::requests::{RequestBuffer, RequestScan, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bits::{bytes_of, with_bit};
use crate::bms::tianpower::alarms::BITS;
use crate::bms::tianpower::check;
use crate::model::AlarmName;
use std::time::Duration;

const MODEL: &[u8] = b"HY-CW007-B200LT55-V1.0.0";
const LABEL: &[u8] = b"SIMULATED000001";
/// Start, delay and end of the protections of cells and pack; two more values; charge and discharge current with their delays.
const PROTECTIONS: [u16; 18] =
    [3650, 1000, 3400, 2500, 1000, 2900, 5840, 1000, 5440, 4000, 1000, 4640, 5760, 0, 15_000, 1000, 20_000, 1000];
const ENTRIES: usize = 51;

/// State of the packs: only an incomplete request.
#[derive(Debug, Default)]
pub struct TianPower {
    buffer: RequestBuffer,
    writes: usize,
}

impl Responder for TianPower {
    fn line(&self) -> Line {
        Line { baud: 9600 }
    }

    fn addressed(&self) -> bool {
        true
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some([_, address, function, length, ..]) = self.buffer.take(scan) {
            self.writes = self.writes.saturating_add(usize::from(function > 0x43));
            let Some(unit) = units.iter().find(|unit| unit.answers_to(address)) else { continue };
            let data = match (function, length) {
                (0x01, 0) => values(unit.pack.reported()),
                (0x33, 0) => MODEL.to_vec(),
                (0x42, 0) => LABEL.to_vec(),
                (0x43, 0xE0) => protections(),
                _ => continue,
            };
            let mut bytes = vec![0x7E, address, function, data.len() as u8];
            bytes.extend(data);
            bytes.extend([check(&bytes), 0x0D]);
            replies.push(Reply { after: Duration::ZERO, bytes });
        }
        replies
    }

    fn quiet(&mut self) {
        self.buffer.clear();
    }

    /// What has no bit is not shown.
    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        with_bit(alarm, &[&BITS])
    }

    fn shows_balancing(&self) -> bool {
        false
    }

    fn writes(&self) -> usize {
        self.writes
    }
}

fn scan(bytes: &[u8]) -> RequestScan<[u8; 6]> {
    of_length(
        bytes,
        |first| first == 0x7E,
        |request: &[u8; 6]| {
            let [checked @ .., sum, end] = *request;
            (check(&checked) == sum && end == 0x0D).then_some(*request)
        },
    )
}

fn values(reported: &ReportedState) -> Vec<u8> {
    let mut data = Vec::new();
    let mut group = |number: u8, values: &[[u8; 2]]| {
        data.extend([number, values.len() as u8]);
        data.extend(values.concat());
    };
    let cells: Vec<[u8; 2]> = reported.cells_v.iter().map(|cell| scaled(*cell, 1000.0)).collect();
    let sum: u32 = cells.iter().map(|cell| u32::from(u16::from_be_bytes(*cell))).sum();
    group(1, &cells);
    group(2, &[word(300.0 - reported.current_a, 100.0).to_be_bytes()]);
    group(3, &[scaled(reported.soc_pct, 100.0)]);
    group(4, &[scaled(reported.capacity_ah, 100.0)]);
    let sensor = |place: u8, celsius: f64| [place, (celsius + 50.0).round() as u8];
    let [first, second] = reported.temperatures_c;
    group(5, &[sensor(0, first), sensor(0, second), sensor(0x40, reported.mos_c), sensor(0x20, first)]);
    let status = status(reported);
    group(6, status.as_chunks().0);
    group(7, &[(reported.cycles as u16).to_be_bytes()]);
    // A board cuts the sum of its cells off.
    group(8, &[((sum / 10) as u16).to_be_bytes()]);
    group(9, &[9900u16.to_be_bytes()]);
    group(10, &[[0; 2]]);
    data
}

fn status(reported: &ReportedState) -> Vec<u8> {
    let mut status = bytes_of(&reported.alarms, &BITS, None);
    let mut set = |byte: usize, bits: u8| status.iter_mut().skip(byte).take(1).for_each(|byte| *byte |= bits);
    if reported.alarms.contains(&AlarmName::HighDischargeCurrent) {
        set(9, 0x20);
    }
    set(2, u8::from(!reported.charge_fet) << 4 | u8::from(!reported.discharge_fet) << 5);
    set(3, u8::from(reported.current_a > 0.0) | u8::from(reported.current_a < 0.0) << 1);
    status
}

fn protections() -> Vec<u8> {
    let raw = PROTECTIONS.iter().copied().chain(std::iter::repeat(0));
    let entry = |(raw, number): (u16, u8)| {
        let [high, low] = raw.to_be_bytes();
        [number, 2, high, low]
    };
    raw.zip(0u8..).take(ENTRIES).flat_map(entry).collect()
}
