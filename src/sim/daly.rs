//! Simulated Daly boards on RS485 or UART, one per address; the frames are described in [`crate::bms::daly`].
//!
//! They reply to reads of 50, 53, 57 and 90 to 98, accept the FET switches D9 and DA, and set the SoC (21). Like real boards they
//! do not clear unused bytes of a reply, which repeat those of the previous one.

use super::encode::{bits, scaled};
use super::pack::ReportedState;
use super::requests::{RequestBuffer, RequestScan, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bits::bytes_of;
use crate::bms::bytes::sum8;
use crate::bms::daly::alarms::BITS;
use crate::model::AlarmName;
use std::time::Duration;

const FRAME: usize = 13;

/// Differences between firmware versions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Firmware {
    /// Charge is positive in reply 90; otherwise discharge.
    pub charge_positive: bool,
    /// Always sends sixteen frames of cell voltages; otherwise as many as the cells need.
    pub all_frames: bool,
    /// Frames are numbered from 0; otherwise from 1.
    pub from_zero: bool,
    /// A sleeping (silent) board returns the request.
    pub echoes_asleep: bool,
}

/// Newer firmware, with all known quirks.
pub const NEWER: Firmware = Firmware { charge_positive: true, all_frames: true, from_zero: false, echoes_asleep: true };

/// State of the boards.
#[derive(Debug, Default)]
pub struct Daly {
    firmware: Firmware,
    buffer: RequestBuffer,
    writes: usize,
    /// Data of the last reply.
    last: [u8; 8],
}

impl Daly {
    /// Boards with this firmware.
    pub fn new(firmware: Firmware) -> Self {
        Self { firmware, ..Self::default() }
    }

    /// Data of all frames of the reply; empty for an unsupported command.
    fn serve(&mut self, command: u8, data: [u8; 8], unit: &mut Unit) -> Vec<[u8; 8]> {
        let [value, .., high, low] = data;
        let reported = unit.pack.reported();
        let capacity = (reported.capacity_ah * 1000.0).round() as u32;
        match command {
            0x50 => self.one(&[capacity.to_be_bytes(), 3200u32.to_be_bytes()].concat()),
            0x53 => self.one(&[0, 0, 23, 11, 14]),
            0x57 => self.code(unit.address),
            0x90 => self.one(&pack(reported, self.firmware.charge_positive)),
            0x91 => self.one(&extremes(reported)),
            0x92 => {
                let [first, second] = reported.temperatures_c.map(temperature);
                self.one(&[first.max(second), 1, first.min(second), 2])
            }
            0x93 => self.one(&state(reported)),
            0x94 => self.one(&counts(reported)),
            0x95 => self.cells(reported),
            0x96 => {
                let [first, second] = reported.temperatures_c.map(temperature);
                self.one(&[u8::from(!self.firmware.from_zero), first, second])
            }
            0x97 => {
                let balancing = bits(reported.balancing.iter().copied());
                self.one(&[balancing.to_le_bytes(), [0; 4]].concat())
            }
            0x98 => self.one(&[bytes_of(&reported.alarms, &BITS, Some(AlarmName::BmsInternal)), vec![0]].concat()),
            0xD9 | 0xDA => {
                let taken = unit.pack.execute(|pack| match command {
                    0xD9 => pack.discharge_off = value == 0,
                    _ => pack.charge_off = value == 0,
                });
                self.one(&[if taken { value } else { 0xFF }])
            }
            0x21 => {
                let soc = f64::from(u16::from_be_bytes([high, low])) / 10.0;
                let taken = unit.pack.execute(|pack| pack.correct_soc(soc));
                self.one(&[u8::from(taken)])
            }
            _ => Vec::new(),
        }
    }

    fn one(&mut self, data: &[u8]) -> Vec<[u8; 8]> {
        self.last.iter_mut().zip(data).for_each(|(place, byte)| *place = *byte);
        vec![self.last]
    }

    fn cells(&mut self, reported: &ReportedState) -> Vec<[u8; 8]> {
        let first = u8::from(!self.firmware.from_zero);
        let mut slots: Vec<[u8; 2]> = reported.cells_v.iter().map(|volts| scaled(*volts, 1000.0)).collect();
        if self.firmware.all_frames {
            slots.resize(48, [0; 2]);
        }
        let frames = slots.chunks(3).zip(first..);
        frames.flat_map(|(cells, number)| self.one(&[&[number], cells.concat().as_slice()].concat())).collect()
    }

    fn code(&mut self, address: u8) -> Vec<[u8; 8]> {
        let first = u8::from(!self.firmware.from_zero);
        let mut text = format!("SIMULATED-{address:05}").into_bytes();
        text.resize(35, 0);
        text.chunks(7).zip(first..).flat_map(|(part, number)| self.one(&[&[number], part].concat())).collect()
    }
}

impl Responder for Daly {
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
            let [_, host, command, _, data @ .., _] = request;
            self.writes = self.writes.saturating_add(usize::from(!matches!(command, 0x50..=0x98)));
            // Host 80 addresses board 1, too.
            let from = host.wrapping_sub(0x3F);
            let address = if host == 0x80 { 1 } else { from };
            let Some(unit) = units.iter_mut().find(|unit| unit.address == address) else { continue };
            if unit.pack.silent {
                let echo = self.firmware.echoes_asleep.then(|| Reply { after: Duration::ZERO, bytes: request.to_vec() });
                replies.extend(echo);
                continue;
            }
            let frames = self.serve(command, data, unit).into_iter();
            replies.extend(frames.map(|data| Reply { after: Duration::ZERO, bytes: frame(from, command, data) }));
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

fn scan(bytes: &[u8]) -> RequestScan<[u8; FRAME]> {
    of_length(
        bytes,
        |first| first == 0xA5,
        |request: &[u8; FRAME]| {
            let [start @ .., sum] = *request;
            let [_, host, _, len, ..] = start;
            (matches!(host, 0x40..=0x4F | 0x80) && len == 8 && sum8(&start) == sum).then_some(*request)
        },
    )
}

fn frame(from: u8, command: u8, data: [u8; 8]) -> Vec<u8> {
    let mut frame = [&[0xA5, from, command, 8], data.as_slice()].concat();
    frame.push(sum8(&frame));
    frame
}

fn temperature(celsius: f64) -> u8 {
    (celsius + 40.0).round() as u8
}

fn pack(reported: &ReportedState, charge_positive: bool) -> Vec<u8> {
    let current = if charge_positive { reported.current_a } else { -reported.current_a };
    [scaled(reported.voltage_v, 10.0), [0, 0], scaled(current + 3000.0, 10.0), scaled(reported.soc_pct, 10.0)].concat()
}

fn extremes(reported: &ReportedState) -> Vec<u8> {
    let numbered = || reported.cells_v.iter().zip(1u8..);
    let of = |cell: Option<(&f64, u8)>| {
        cell.map_or([0; 3], |(volts, number)| {
            let [high, low] = scaled(*volts, 1000.0);
            [high, low, number]
        })
    };
    let highest = of(numbered().max_by(|(a, _), (b, _)| a.total_cmp(b)));
    let lowest = of(numbered().min_by(|(a, _), (b, _)| a.total_cmp(b)));
    [highest, lowest].concat()
}

fn state(reported: &ReportedState) -> Vec<u8> {
    let deci = (reported.current_a * 10.0).round();
    let state = if deci > 0.0 { 1 } else { 2 * u8::from(deci < 0.0) };
    let remaining = (reported.remaining_ah * 1000.0).round() as u32;
    [[state, u8::from(reported.charge_fet), u8::from(reported.discharge_fet), 77], remaining.to_be_bytes()].concat()
}

fn counts(reported: &ReportedState) -> Vec<u8> {
    let cells = u8::try_from(reported.cells_v.len()).unwrap_or(u8::MAX);
    let [high, low] = (reported.cycles as u16).to_be_bytes();
    vec![cells, 2, 0, 0, 0, high, low]
}
