//! A simulated ANT board; the frames are described in [`crate::bms::ant`].
//!
//! It replies to status requests and reads of all registers (unused ones are zero), accepts the FET switches 51, and ignores
//! everything else.

use super::encode::bits;
use super::pack::ReportedState;
use super::requests::{RequestBuffer, RequestScan, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::ant::alarms::PROTECTIONS;
use crate::bms::bits::bytes_of;
use crate::bms::bytes::crc16_modbus;
use crate::model::AlarmName;
use std::time::Duration;

const REQUEST: usize = 10;
/// Bytes after the CRC of registers on real boards.
const TRAILER: [u8; 6] = [0xFF, 0x0B, 0x00, 0x00, 0x41, 0xF2];

/// State of the board.
#[derive(Debug, Default)]
pub struct Ant {
    buffer: RequestBuffer,
    writes: usize,
}

impl Responder for Ant {
    fn line(&self) -> Line {
        Line { baud: 19200 }
    }

    fn addressed(&self) -> bool {
        false
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some((function, register, len)) = self.buffer.take(scan) {
            self.writes = self.writes.saturating_add(usize::from(function == 0x51));
            let Some(unit) = units.first_mut().filter(|unit| !unit.pack.silent) else { continue };
            let (data, trailer): (Vec<u8>, &[u8]) = match function {
                0x01 => (status(unit.pack.reported()), &[]),
                0x02 => (registers(register, len), &TRAILER),
                0x51 => {
                    match register {
                        1 | 3 => unit.pack.discharge_off = register == 1,
                        4 | 6 => unit.pack.charge_off = register == 4,
                        _ => {}
                    }
                    (vec![1, 0], &[])
                }
                _ => continue,
            };
            replies.push(Reply { after: Duration::ZERO, bytes: frame(function | 0x10, register, &data, trailer) });
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

/// Function, register, length.
fn scan(bytes: &[u8]) -> RequestScan<(u8, u16, u8)> {
    of_length(
        bytes,
        |first| first == 0x7E,
        |request: &[u8; REQUEST]| {
            let [_, summed @ .., crc_low, crc_high, last, end] = *request;
            let [second, function, low, high, len] = summed;
            let whole = second == 0xA1 && (last, end) == (0xAA, 0x55);
            let known = whole && crc16_modbus(&summed).to_le_bytes() == [crc_low, crc_high];
            known.then(|| (function, u16::from_le_bytes([low, high]), len))
        },
    )
}

fn frame(function: u8, register: u16, data: &[u8], trailer: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x7E, 0xA1, function];
    frame.extend(register.to_le_bytes());
    frame.push(u8::try_from(data.len()).unwrap_or(u8::MAX));
    frame.extend_from_slice(data);
    let crc = crc16_modbus(frame.get(1..).unwrap_or_default());
    frame.extend(crc.to_le_bytes());
    frame.extend_from_slice(trailer);
    frame.extend([0xAA, 0x55]);
    frame
}

fn status(reported: &ReportedState) -> Vec<u8> {
    let state = if reported.current_a > 0.05 { 2 } else { 1 + 3 * u8::from(reported.current_a < -0.05) };
    let [first, second] = reported.temperatures_c;
    let mut data = vec![5, state, 4, u8::try_from(reported.cells_v.len()).unwrap_or(u8::MAX)];
    data.extend(bytes_of(&reported.alarms, &PROTECTIONS, Some(AlarmName::BmsInternal)));
    data.extend([0, 0, u8::from(reported.charge_fet) << 7, u8::from(reported.discharge_fet)]);
    data.extend([0; 12]); // the other warnings, reserved
    reported.cells_v.iter().for_each(|cell| data.extend(word(*cell, 1000.0)));
    // Two of the four sensors are not fitted.
    [first, -40.0, second, -40.0, reported.mos_c, reported.mos_c].into_iter().for_each(|celsius| data.extend(word(celsius, 1.0)));
    data.extend(word(reported.voltage_v, 100.0));
    data.extend(word(-reported.current_a, 10.0));
    data.extend(word(reported.soc_pct, 1.0));
    data.extend(word(99.0, 1.0));
    let balancing = bits(reported.balancing.iter().copied());
    // FETs: on, or off without a reason; the balancer separately.
    let fet = u8::from;
    data.extend([fet(reported.discharge_fet), fet(reported.charge_fet), 4 * u8::from(balancing != 0), 0]);
    data.extend(((reported.capacity_ah * 1e6).round() as u32).to_le_bytes());
    data.extend(((reported.remaining_ah * 1e6).round() as u32).to_le_bytes());
    data.extend([0; 4]); // throughput
    data.extend(((-reported.voltage_v * reported.current_a).round() as i32).to_le_bytes());
    data.extend([0; 4]); // run time
    data.extend(balancing.to_le_bytes());
    data.extend([0; 20]); // extremes, drive voltages
    data.extend(0xFAF2u16.to_le_bytes());
    data.extend([0; 16]); // counters
    data
}

/// `value` in units of 1/`scale`, limited to 16 bits.
fn word(value: f64, scale: f64) -> [u8; 2] {
    ((value * scale).round() as i16).to_le_bytes()
}

/// Registers with the values of the simulated protections.
fn registers(register: u16, len: u8) -> Vec<u8> {
    let words: &[u16] = match register {
        0x0000 => &[3650, 3550, 3700, 3600, 0, 0, 2500, 2700, 2400, 2700, 0],
        0x0068 => &[1500, 5, 2000, 5],
        _ => &[],
    };
    let mut data: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    if register == 0x026C {
        data.extend(b"16ZMB0TB120A\0\0\0\0");
        data.extend(b"16ZMUB00-220501A");
    }
    data.resize(usize::from(len), 0);
    data
}
