//! Simulated Daly boards on RS485 or UART, one per address; the frames are described in [`crate::bms::daly`].
//!
//! They answer reads of 50, 53, 57 and 90 to 98, take the FET switches D9 and DA, and set the SoC (21). Like the real ones they do
//! not clear bytes that an answer does not use: what the answer before had there goes out again.

use super::battery::Shown;
use super::encode::{bits, scaled};
use super::requests::{Inbox, Sight, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::alarm_bits::bytes_of;
use crate::bms::bytes::sum8;
use crate::bms::daly::failures::BITS;
use std::time::Duration;

const FRAME: usize = 13;

/// How firmware versions differ.
#[derive(Debug, Clone, Copy, Default)]
pub struct Firmware {
    /// Charge is positive in answer 90; discharge else.
    pub charge_positive: bool,
    /// Always sixteen frames of cell voltages; as many as there are cells for else.
    pub all_frames: bool,
    /// Frames are numbered from 0; from 1 else.
    pub from_zero: bool,
    /// A sleeping (silent) board returns the request.
    pub echoes_asleep: bool,
}

/// Newer firmware, with all the habits that make a reader stumble.
pub const NEWER: Firmware = Firmware { charge_positive: true, all_frames: true, from_zero: false, echoes_asleep: true };

/// The boards' memory.
#[derive(Debug, Default)]
pub struct Daly {
    firmware: Firmware,
    inbox: Inbox,
    writes: usize,
    /// The data of the last answer.
    last: [u8; 8],
}

impl Daly {
    /// Boards with this firmware.
    pub fn new(firmware: Firmware) -> Self {
        Self { firmware, ..Self::default() }
    }

    /// The data of all frames of the answer; nothing to a command that the boards do not have.
    fn serve(&mut self, command: u8, data: [u8; 8], unit: &mut Unit) -> Vec<[u8; 8]> {
        let [value, .., high, low] = data;
        let shown = unit.pack.shown();
        let capacity = (shown.capacity_ah * 1000.0).round() as u32;
        match command {
            0x50 => self.one(&[capacity.to_be_bytes(), 3200u32.to_be_bytes()].concat()),
            0x53 => self.one(&[0, 0, 23, 11, 14]),
            0x57 => self.code(unit.address),
            0x90 => self.one(&pack(shown, self.firmware.charge_positive)),
            0x91 => self.one(&extremes(shown)),
            0x92 => {
                let [first, second] = shown.temperatures_c.map(temperature);
                self.one(&[first.max(second), 1, first.min(second), 2])
            }
            0x93 => self.one(&state(shown)),
            0x94 => self.one(&counts(shown)),
            0x95 => self.cells(shown),
            0x96 => {
                let [first, second] = shown.temperatures_c.map(temperature);
                self.one(&[u8::from(!self.firmware.from_zero), first, second])
            }
            0x97 => {
                let balancing = bits(shown.balancing.iter().copied());
                self.one(&[balancing.to_le_bytes(), [0; 4]].concat())
            }
            0x98 => self.one(&[bytes_of(&shown.alarms, &BITS), vec![0]].concat()),
            0xD9 | 0xDA => {
                let taken = unit.pack.obey(|pack| match command {
                    0xD9 => pack.discharge_off = value == 0,
                    _ => pack.charge_off = value == 0,
                });
                self.one(&[if taken { value } else { 0xFF }])
            }
            0x21 => {
                let soc = f64::from(u16::from_be_bytes([high, low])) / 10.0;
                let taken = unit.pack.obey(|pack| pack.correct_soc(soc));
                self.one(&[u8::from(taken)])
            }
            _ => Vec::new(),
        }
    }

    fn one(&mut self, data: &[u8]) -> Vec<[u8; 8]> {
        self.last.iter_mut().zip(data).for_each(|(place, byte)| *place = *byte);
        vec![self.last]
    }

    fn cells(&mut self, shown: &Shown) -> Vec<[u8; 8]> {
        let first = u8::from(!self.firmware.from_zero);
        let mut slots: Vec<[u8; 2]> = shown.cells_v.iter().map(|volts| scaled(*volts, 1000.0)).collect();
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
        self.inbox.put(input);
        let mut replies = Vec::new();
        while let Some(request) = self.inbox.take(look) {
            let [_, host, command, _, data @ .., _] = request;
            self.writes = self.writes.saturating_add(usize::from(!matches!(command, 0x50..=0x98)));
            // Host 80 speaks to board 1, too.
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
        self.inbox.clear();
    }

    fn writes(&self) -> usize {
        self.writes
    }
}

fn look(bytes: &[u8]) -> Sight<[u8; FRAME]> {
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

fn pack(shown: &Shown, charge_positive: bool) -> Vec<u8> {
    let current = if charge_positive { shown.current_a } else { -shown.current_a };
    [scaled(shown.voltage_v, 10.0), [0, 0], scaled(current + 3000.0, 10.0), scaled(shown.soc_pct, 10.0)].concat()
}

fn extremes(shown: &Shown) -> Vec<u8> {
    let numbered = || shown.cells_v.iter().zip(1u8..);
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

fn state(shown: &Shown) -> Vec<u8> {
    let deci = (shown.current_a * 10.0).round();
    let state = if deci > 0.0 { 1 } else { 2 * u8::from(deci < 0.0) };
    let remaining = (shown.remaining_ah * 1000.0).round() as u32;
    [[state, u8::from(shown.charge_fet), u8::from(shown.discharge_fet), 77], remaining.to_be_bytes()].concat()
}

fn counts(shown: &Shown) -> Vec<u8> {
    let cells = u8::try_from(shown.cells_v.len()).unwrap_or(u8::MAX);
    let [high, low] = (shown.cycles as u16).to_be_bytes();
    vec![cells, 2, 0, 0, 0, high, low]
}
