//! A simulated JBD board; the frames are described in [`crate::bms::jbd`].
//!
//! It replies to reads of 03, 04, 05 and AA (no protection has acted), accepts the FET switch E1 and the commands to enter (00) and leave (01) factory mode, and
//! refuses every other register with 80.

use super::encode::{bits, scaled};
use super::pack::{CommandBehaviour, ReportedState};
use super::requests::{RequestBuffer, RequestScan};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bits::bytes_of;
use crate::bms::bytes::sum16;
use crate::bms::jbd::alarms::PROTECTIONS;
use crate::model::AlarmName;
use std::time::Duration;

const MODEL: &[u8] = b"JBD-SP25S003-L16S-100A-100A-B";
const VERSION: u8 = 0x23;
/// 2023-11-14: year since 2000 in 7 bits, month in 4, day in 5.
const PRODUCED: u16 = 23 << 9 | 11 << 5 | 14;
/// First byte of a request.
const START: u8 = 0xDD;
/// Maximum length of a request; a byte that claims more is noise.
const MAX_DATA: usize = 0x40;

/// State of the board.
#[derive(Debug, Default)]
pub struct Jbd {
    newer_firmware: bool,
    buffer: RequestBuffer,
    writes: usize,
    factory_mode: bool,
}

/// A parsed request.
struct ParsedRequest {
    write: bool,
    register: u8,
    data: Vec<u8>,
}

impl Jbd {
    /// Creates a board; `newer_firmware` (since about 2022) sends nine more bytes in register 03.
    pub fn new(newer_firmware: bool) -> Self {
        Self { newer_firmware, ..Self::default() }
    }

    /// The board was switched to factory mode and not back; reading never does that.
    pub fn factory_mode(&self) -> bool {
        self.factory_mode
    }

    /// Data of the reply; `None` is a refusal.
    fn serve(&mut self, request: &ParsedRequest, unit: &mut Unit) -> Option<Vec<u8>> {
        let reported = unit.pack.reported();
        match (request.write, request.register, request.data.as_slice()) {
            (false, 0x03, _) => Some(basic(reported, unit.pack.charge_off || unit.pack.discharge_off, self.newer_firmware)),
            (false, 0x04, _) => Some(reported.cells_v.iter().flat_map(|cell| scaled(*cell, 1000.0)).collect()),
            (false, 0x05, _) => Some(MODEL.to_vec()),
            (false, 0xAA, _) => Some(vec![0; 24]),
            (true, 0x00, [0x56, 0x78]) => {
                self.factory_mode = true;
                Some(Vec::new())
            }
            (true, 0x01, [_, _]) => {
                self.factory_mode = false;
                Some(Vec::new())
            }
            (true, 0xE1, _) if unit.pack.command_behaviour == CommandBehaviour::NeedsFactoryMode && !self.factory_mode => None,
            (true, 0xE1, [_, off]) => {
                let taken = unit.pack.execute(|pack| (pack.charge_off, pack.discharge_off) = (off & 1 != 0, off & 2 != 0));
                taken.then(Vec::new)
            }
            _ => None,
        }
    }
}

impl Responder for Jbd {
    fn line(&self) -> Line {
        Line { baud: 9600 }
    }

    fn addressed(&self) -> bool {
        false
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some(request) = self.buffer.take(scan) {
            self.writes = self.writes.saturating_add(usize::from(request.write));
            let Some(unit) = units.first_mut().filter(|unit| !unit.pack.silent) else { continue };
            let (status, data) = self.serve(&request, unit).map_or((0x80, Vec::new()), |data| (0, data));
            replies.push(Reply { after: Duration::ZERO, bytes: frame(request.register, status, &data) });
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

/// Start, kind, register, length, data, checksum, end.
fn scan(bytes: &[u8]) -> RequestScan<ParsedRequest> {
    let (&[start, kind, register, len], body) = match bytes.split_first_chunk::<4>() {
        Some(split) => split,
        None if bytes.first() == Some(&START) => return RequestScan::Incomplete,
        None => return RequestScan::NoRequest,
    };
    let len = usize::from(len);
    if start != START || !matches!(kind, 0xA5 | 0x5A) || len > MAX_DATA {
        return RequestScan::NoRequest;
    }
    let Some((data, &[high, low, end])) =
        body.split_at_checked(len).and_then(|(data, tail)| Some((data, tail.first_chunk::<3>()?)))
    else {
        return RequestScan::Incomplete;
    };
    let summed = sum16(data).wrapping_add(u16::from(register)).wrapping_add(u16::try_from(len).unwrap_or_default());
    if end != 0x77 || summed.wrapping_add(u16::from_be_bytes([high, low])) != 0 {
        return RequestScan::NoRequest;
    }
    RequestScan::Complete(ParsedRequest { write: kind == 0x5A, register, data: data.to_vec() }, len.saturating_add(7))
}

fn frame(register: u8, status: u8, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xDD, register, status, u8::try_from(data.len()).unwrap_or(u8::MAX)];
    frame.extend_from_slice(data);
    let check = sum16(frame.get(2..).unwrap_or_default()).wrapping_neg();
    frame.extend_from_slice(&check.to_be_bytes());
    frame.push(0x77);
    frame
}

fn basic(reported: &ReportedState, locked: bool, newer_firmware: bool) -> Vec<u8> {
    let mut data = Vec::with_capacity(0x26);
    data.extend(scaled(reported.voltage_v, 100.0));
    data.extend(((reported.current_a * 100.0).round() as i16).to_be_bytes());
    data.extend(scaled(reported.remaining_ah, 100.0));
    data.extend(scaled(reported.capacity_ah, 100.0));
    data.extend((reported.cycles as u16).to_be_bytes());
    data.extend(PRODUCED.to_be_bytes());
    let balancing = bits(reported.balancing.iter().copied());
    data.extend((balancing as u16).to_be_bytes());
    data.extend(((balancing >> 16) as u16).to_be_bytes());
    data.extend((protection(&reported.alarms) | u16::from(locked) << 12).to_be_bytes());
    data.extend([VERSION, reported.soc_pct.round() as u8, bits([reported.charge_fet, reported.discharge_fet]) as u8]);
    data.push(u8::try_from(reported.cells_v.len()).unwrap_or(u8::MAX));
    let [first, second] = reported.temperatures_c;
    data.push(3);
    data.extend([first, second, reported.mos_c].into_iter().flat_map(|celsius| scaled(celsius + 273.1, 10.0)));
    if newer_firmware {
        data.extend([45, 0, 0]); // humidity, alarm status
        data.extend(scaled(reported.capacity_ah * 0.99, 100.0));
        data.extend(scaled(reported.remaining_ah, 100.0));
        data.extend([0, 0]); // balance current
    }
    data
}

fn protection(alarms: &[AlarmName]) -> u16 {
    let known = bytes_of(alarms, &PROTECTIONS, None);
    u16::from_le_bytes(known.first_chunk().copied().unwrap_or_default())
}
