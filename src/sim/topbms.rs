//! Simulated TopBMS packs, one per address; the frames are described in [`crate::bms::topbms`].
//!
//! They answer 42 (values) and 44 (alarms) and refuse every other command with RTN 04.

use super::battery::Shown;
use super::encode::{bits, scaled};
use super::requests::{Inbox, Sight, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::alarm_bits::bytes_of;
use crate::bms::bytes::sum16;
use crate::bms::topbms::status::BITS;
use crate::hex;
use std::time::Duration;

/// `~`, 12 characters, INFO of one byte, checksum, CR.
const REQUEST: usize = 20;

/// The packs' memory: none but a request that has begun.
#[derive(Debug, Default)]
pub struct TopBms {
    inbox: Inbox,
}

impl Responder for TopBms {
    fn line(&self) -> Line {
        Line { baud: 9600 }
    }

    fn addressed(&self) -> bool {
        true
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.inbox.put(input);
        let mut replies = Vec::new();
        while let Some((address, command)) = self.inbox.take(look) {
            let Some(unit) = units.iter().find(|unit| unit.address == address && !unit.pack.silent) else { continue };
            let (rtn, info) = match command {
                0x42 => (0, values(address, unit.pack.shown())),
                0x44 => (0, alarms(address, unit.pack.shown())),
                _ => (4, Vec::new()),
            };
            replies.push(Reply { after: Duration::ZERO, bytes: frame(address, rtn, &info) });
        }
        replies
    }

    fn quiet(&mut self) {
        self.inbox.clear();
    }

    fn writes(&self) -> usize {
        0
    }
}

fn look(bytes: &[u8]) -> Sight<(u8, u8)> {
    of_length(bytes, |first| first == b'~', understand)
}

/// Address and command of a request with right checksum.
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

fn values(address: u8, shown: &Shown) -> Vec<u8> {
    let mut info = vec![address, u8::try_from(shown.cells_v.len()).unwrap_or(u8::MAX)];
    info.extend(shown.cells_v.iter().flat_map(|volts| scaled(*volts, 1000.0)));
    info.push(2);
    info.extend(shown.temperatures_c.iter().flat_map(|celsius| scaled(celsius + 40.0, 1.0)));
    info.extend(((shown.current_a * 100.0).round() as i16).to_be_bytes());
    info.extend([scaled(shown.voltage_v, 100.0), scaled(shown.remaining_ah, 100.0)].concat());
    info.push(6);
    info.extend([scaled(shown.capacity_ah, 100.0), (shown.cycles as u16).to_be_bytes()].concat());
    info.extend([shown.soc_pct.round() as u8, 99]);
    info.extend((bits(shown.balancing.iter().copied()) as u16).to_be_bytes());
    info.extend([0; 4]);
    info
}

fn alarms(address: u8, shown: &Shown) -> Vec<u8> {
    let cells = shown.cells_v.len();
    let mut info = vec![address, u8::try_from(cells).unwrap_or(u8::MAX)];
    info.resize(2 + cells, 0);
    info.extend([2, 0, 0, 0, 0, 0, 0]);
    let mut status = bytes_of(&shown.alarms, &BITS);
    if let Some(fets) = status.get_mut(5) {
        *fets |= u8::from(shown.discharge_fet) | u8::from(shown.charge_fet) << 1;
    }
    info.push(u8::try_from(status.len()).unwrap_or(u8::MAX));
    info.extend(status);
    info.extend([0; 2]);
    info
}
