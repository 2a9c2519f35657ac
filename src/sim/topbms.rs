//! Simulated TopBMS packs, one per address; the frames are described in [`crate::bms::topbms`].
//!
//! They reply to 42 (values) and 44 (alarms) and refuse every other command with RTN 04.

use super::encode::{bits, scaled};
use super::pack::ReportedState;
use super::requests::{RequestBuffer, RequestScan, of_length};
use super::{Reply, Responder, Unit};
use crate::base::hex;
use crate::bms::Line;
use crate::bms::bits::bytes_of;
use crate::bms::bytes::sum16;
use crate::bms::topbms::alarms::BITS;
use crate::model::AlarmName;
use std::time::Duration;

/// `~`, 12 characters, INFO of one byte, checksum, CR.
const REQUEST: usize = 20;

/// State of the packs: only an incomplete request.
#[derive(Debug, Default)]
pub struct TopBms {
    buffer: RequestBuffer,
}

impl Responder for TopBms {
    fn line(&self) -> Line {
        Line { baud: 9600 }
    }

    fn addressed(&self) -> bool {
        true
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some((address, command)) = self.buffer.take(scan) {
            let Some(unit) = units.iter().find(|unit| unit.answers_to(address)) else { continue };
            let (rtn, info) = match command {
                0x42 => (0, values(address, unit.pack.reported())),
                0x44 => (0, alarms(address, unit.pack.reported())),
                _ => (4, Vec::new()),
            };
            replies.push(Reply { after: Duration::ZERO, bytes: frame(address, rtn, &info) });
        }
        replies
    }

    fn quiet(&mut self) {
        self.buffer.clear();
    }

    fn writes(&self) -> usize {
        0
    }
}

fn scan(bytes: &[u8]) -> RequestScan<(u8, u8)> {
    of_length(bytes, |first| first == b'~', understand)
}

/// Address and command of a request with a correct checksum.
fn understand(request: &[u8; REQUEST]) -> Option<(u8, u8)> {
    let (text, [check @ .., b'\r']) = request.split_last_chunk::<5>()? else { return None };
    let text = text.get(1..)?;
    let right = format!("{:04X}", sum16(text).wrapping_neg()).as_bytes() == check;
    match hex::decode(&String::from_utf8_lossy(text)).ok()?.as_slice() {
        [0x21, address, 0x46, command, 0xE0, 0x02, _] if right => Some((*address, *command)),
        _ => None,
    }
}

fn frame(address: u8, rtn: u8, info: &[u8]) -> Vec<u8> {
    let digits = hex::encode(info).to_uppercase();
    let length = digits.len();
    let check = (length + (length >> 4) + (length >> 8)).wrapping_neg() & 15;
    let text = format!("52{address:02X}46{rtn:02X}{check:X}{length:03X}{digits}");
    format!("~{text}{:04X}\r", sum16(text.as_bytes()).wrapping_neg()).into_bytes()
}

fn values(address: u8, reported: &ReportedState) -> Vec<u8> {
    let mut info = vec![address, u8::try_from(reported.cells_v.len()).unwrap_or(u8::MAX)];
    info.extend(reported.cells_v.iter().flat_map(|volts| scaled(*volts, 1000.0)));
    info.push(2);
    info.extend(reported.temperatures_c.iter().flat_map(|celsius| scaled(celsius + 40.0, 1.0)));
    info.extend(((reported.current_a * 100.0).round() as i16).to_be_bytes());
    info.extend([scaled(reported.voltage_v, 100.0), scaled(reported.remaining_ah, 100.0)].concat());
    info.push(6);
    info.extend([scaled(reported.capacity_ah, 100.0), (reported.cycles as u16).to_be_bytes()].concat());
    info.extend([reported.soc_pct.round() as u8, 99]);
    info.extend((bits(reported.balancing.iter().copied()) as u16).to_be_bytes());
    info.extend([0; 4]);
    info
}

fn alarms(address: u8, reported: &ReportedState) -> Vec<u8> {
    let cells = reported.cells_v.len();
    let mut info = vec![address, u8::try_from(cells).unwrap_or(u8::MAX)];
    info.resize(2 + cells, 0);
    info.extend([2, 0, 0, 0, 0, 0, 0]);
    let mut status = bytes_of(&reported.alarms, &BITS, Some(AlarmName::BmsInternal));
    if let Some(fets) = status.get_mut(5) {
        *fets |= u8::from(reported.discharge_fet) | u8::from(reported.charge_fet) << 1;
    }
    info.push(u8::try_from(status.len()).unwrap_or(u8::MAX));
    info.extend(status);
    info.extend([0; 2]);
    info
}
