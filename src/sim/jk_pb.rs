//! Simulated JK PB boards on RS485, one per address; the frames are described in [`crate::bms::jk_pb`].
//!
//! They reply to the three triggers with a frame and the acknowledge, and accept the three switches of the settings. Like real
//! boards they ignore address 0 and other protocols.

use super::pack::ReportedState;
use super::requests::{RequestBuffer, RequestScan};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bits::bytes_of;
use crate::bms::bytes::{crc16_modbus, sum8};
use crate::bms::jk_pb::DRIVER;
use crate::bms::jk_pb::alarms::ALARMS;
use crate::model::AlarmName;
use std::time::Duration;

/// Maximum data length of a write.
const MAX_DATA: usize = 8;

/// State of the boards.
#[derive(Debug, Default)]
pub struct JkPb {
    padded: bool,
    buffer: RequestBuffer,
    writes: usize,
}

/// A parsed write.
struct ParsedRequest {
    address: u8,
    register: u16,
    data: Vec<u8>,
    /// Its first six bytes, repeated in the acknowledge.
    head: Vec<u8>,
}

/// Result of a write.
enum Answer {
    /// A frame precedes the acknowledge.
    Frame(Vec<u8>),
    /// A switch was set.
    Written,
    /// An exception.
    Refused,
}

impl JkPb {
    /// Creates boards; `padded` firmware (15.41) sends a byte 00 between frame and acknowledge.
    pub fn new(padded: bool) -> Self {
        Self { padded, ..Self::default() }
    }

    /// Result of a write; `None` if the board stays silent.
    fn serve(&mut self, request: &ParsedRequest, unit: &mut Unit) -> Option<Answer> {
        let frame = match (request.register, request.data.as_slice()) {
            (0x1620, _) => live(unit.pack.reported()),
            (0x161E, _) => settings(unit),
            (0x161C, _) => device(unit.address),
            (0x1070 | 0x1074 | 0x1078, [.., on]) => {
                let taken = unit.pack.execute(|pack| match request.register {
                    0x1070 => pack.charge_off = *on == 0,
                    0x1074 => pack.discharge_off = *on == 0,
                    _ => pack.balance_off = *on == 0,
                });
                return Some(if taken { Answer::Written } else { Answer::Refused });
            }
            _ => return None,
        };
        let mut bytes = frame.finish();
        bytes.extend(self.padded.then_some(0));
        Some(Answer::Frame(bytes))
    }
}

impl Responder for JkPb {
    fn line(&self) -> Line {
        DRIVER.lines.first().copied().unwrap_or(Line { baud: 115_200 })
    }

    fn addressed(&self) -> bool {
        true
    }

    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        Some(nearest(alarm))
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some(request) = self.buffer.take(scan) {
            let trigger = matches!(request.register, 0x161C | 0x161E | 0x1620);
            self.writes = self.writes.saturating_add(usize::from(!trigger));
            let here = |unit: &&mut Unit| request.address != 0 && unit.answers_to(request.address);
            let Some(unit) = units.iter_mut().find(here) else { continue };
            let Some(served) = self.serve(&request, unit) else { continue };
            let refusal = vec![request.address, 0x90, 2];
            let (mut bytes, record) = match served {
                Answer::Frame(frame) => (frame, &request.head),
                Answer::Written => (Vec::new(), &request.head),
                Answer::Refused => (Vec::new(), &refusal),
            };
            bytes.extend_from_slice(record);
            bytes.extend(crc16_modbus(record).to_le_bytes());
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

/// A board's reply to one of the triggers with its acknowledge; also sent by a master without a request.
pub(super) fn own_frames(unit: &Unit, register: u8) -> Vec<u8> {
    let mut bytes = if register == 0x1E { settings(unit) } else { live(unit.pack.reported()) }.finish();
    let record = [unit.address, 0x10, 0x16, register, 0, 1];
    bytes.extend(record);
    bytes.extend(crc16_modbus(&record).to_le_bytes());
    bytes
}

/// A write of registers: its length is in the seventh byte. Any first byte may be an address.
fn scan(bytes: &[u8]) -> RequestScan<ParsedRequest> {
    let Some(&[_, function, _, _, _, words, len]) = bytes.first_chunk::<7>() else { return RequestScan::Incomplete };
    if function != 0x10 || usize::from(len) > MAX_DATA || len != words.saturating_mul(2) {
        return RequestScan::NoRequest;
    }
    let end = usize::from(len).saturating_add(9);
    match bytes.get(..end) {
        None => RequestScan::Incomplete,
        Some(frame) => understand(frame).map_or(RequestScan::NoRequest, |request| RequestScan::Complete(request, end)),
    }
}

fn understand(bytes: &[u8]) -> Option<ParsedRequest> {
    let (summed, crc) = bytes.split_last_chunk::<2>()?;
    let (&[address, _, high, low, ..], _) = summed.split_first_chunk::<7>()?;
    let right = crc16_modbus(summed).to_le_bytes() == *crc;
    let (head, data) = (summed.get(..6)?.to_vec(), summed.get(7..)?.to_vec());
    right.then(|| ParsedRequest { address, register: u16::from_be_bytes([high, low]), data, head })
}

/// A frame under construction.
struct Frame(Vec<u8>);

impl Frame {
    fn new(kind: u8) -> Self {
        let mut frame = Self(vec![0; 299]);
        frame.put(0, [0x55, 0xAA, 0xEB, 0x90, kind, 5]);
        frame
    }

    fn put<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) {
        self.0.iter_mut().skip(offset).zip(bytes).for_each(|(place, byte)| *place = byte);
    }

    /// Thousandths in four bytes, including negative ones.
    fn milli(&mut self, offset: usize, value: f64) {
        self.put(offset, ((value * 1000.0).round() as i32).to_le_bytes());
    }

    fn text(&mut self, offset: usize, text: &str) {
        self.0.iter_mut().skip(offset).zip(text.bytes()).for_each(|(place, byte)| *place = byte);
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.push(sum8(&self.0));
        self.0
    }
}

fn live(reported: &ReportedState) -> Frame {
    let mut frame = Frame::new(2);
    let deci = |celsius: f64| ((celsius * 10.0).round() as i16).to_le_bytes();
    for (cell, volts) in reported.cells_v.iter().take(32).enumerate() {
        frame.put(cell.saturating_mul(2).saturating_add(6), ((volts * 1000.0).round() as u16).to_le_bytes());
    }
    let mean = reported.cells_v.iter().sum::<f64>() / reported.cells_v.len().max(1) as f64;
    frame.put(74, ((mean * 1000.0).round() as u16).to_le_bytes());
    frame.put(70, (0..reported.cells_v.len().min(32)).fold(0u32, |mask, cell| mask | 1 << cell).to_le_bytes());
    let [first, second] = reported.temperatures_c;
    frame.put(144, deci(reported.mos_c));
    frame.put(162, deci(first));
    frame.put(164, deci(second));
    frame.milli(150, reported.voltage_v);
    frame.milli(154, (reported.voltage_v * reported.current_a).abs());
    frame.milli(158, reported.current_a);
    frame.put(166, alarms(&reported.alarms).to_le_bytes());
    let balancing = reported.balancing.contains(&true);
    frame.put(170, if balancing { 1000i16 } else { 0 }.to_le_bytes());
    frame.put(172, [u8::from(balancing), reported.soc_pct.round() as u8]);
    frame.milli(174, reported.remaining_ah);
    frame.milli(178, reported.capacity_ah * 0.99);
    frame.put(182, reported.cycles.to_le_bytes());
    frame.put(190, [99]);
    frame.put(198, [u8::from(reported.charge_fet), u8::from(reported.discharge_fet)]);
    frame
}

/// Settings with the values of the simulated protections.
fn settings(unit: &Unit) -> Frame {
    let mut frame = Frame::new(1);
    let reported = unit.pack.reported();
    for (offset, value) in [(10, 2.5), (18, 3.65), (38, 3.45), (50, 150.0), (62, 200.0), (130, reported.capacity_ah)] {
        frame.milli(offset, value);
    }
    frame.put(114, [u8::try_from(reported.cells_v.len()).unwrap_or(u8::MAX)]);
    frame.put(118, [u8::from(!unit.pack.charge_off)]);
    frame.put(122, [u8::from(!unit.pack.discharge_off)]);
    frame.put(126, [u8::from(!unit.pack.balance_off)]);
    frame.put(270, [unit.address]);
    frame
}

fn device(address: u8) -> Frame {
    let mut frame = Frame::new(3);
    let serial = format!("311148{address:05}");
    for (offset, text) in
        [(6, "JK_PB2A16S20P"), (22, "15A"), (30, "15.41"), (46, "simulated"), (78, "231114"), (86, serial.as_str())]
    {
        frame.text(offset, text);
    }
    frame
}

/// An alarm without a bit of its own uses the nearest one.
fn nearest(alarm: AlarmName) -> AlarmName {
    if alarm == AlarmName::LowTemperature { AlarmName::LowChargeTemperature } else { alarm }
}

fn alarms(active: &[AlarmName]) -> u32 {
    let shown: Vec<AlarmName> = active.iter().copied().map(nearest).collect();
    let bytes = bytes_of(&shown, &ALARMS, Some(AlarmName::BmsInternal));
    u32::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())
}
