//! A simulated JBD board; the frames are described in [`crate::bms::jbd`].
//!
//! It answers reads of 03, 04 and 05, the FET switch E1 and entering (00) and leaving (01) factory mode, and refuses every
//! other register with 80.

use super::battery::{Obedience, Shown};
use super::encode::{bits, scaled};
use super::requests::{Inbox, Sight};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bytes::sum16;
use crate::bms::jbd::PROTECTIONS;
use crate::model::AlarmName;
use std::time::Duration;

const MODEL: &[u8] = b"JBD-SP25S003-L16S-100A-100A-B";
const VERSION: u8 = 0x23;
/// 2023-11-14: year since 2000 in 7 bits, month in 4, day in 5.
const PRODUCED: u16 = 23 << 9 | 11 << 5 | 14;
/// First byte of a request.
const START: u8 = 0xDD;
/// Longest request that is understood; a byte that claims more is noise.
const MAX_DATA: usize = 0x40;

/// The board's memory.
#[derive(Debug, Default)]
pub struct Jbd {
    newer_firmware: bool,
    inbox: Inbox,
    writes: usize,
    factory_mode: bool,
}

/// One understood request.
struct Asked {
    write: bool,
    register: u8,
    data: Vec<u8>,
}

impl Jbd {
    /// A board; `newer_firmware` (since about 2022) sends nine more bytes in register 03.
    pub fn new(newer_firmware: bool) -> Self {
        Self { newer_firmware, ..Self::default() }
    }

    /// Somebody has switched the board to factory mode and not back; reading never does that.
    pub fn factory_mode(&self) -> bool {
        self.factory_mode
    }

    /// The data of the answer; `None` is a refusal.
    fn serve(&mut self, asked: &Asked, unit: &mut Unit) -> Option<Vec<u8>> {
        let shown = unit.pack.shown();
        match (asked.write, asked.register, asked.data.as_slice()) {
            (false, 0x03, _) => Some(basic(shown, unit.pack.charge_off || unit.pack.discharge_off, self.newer_firmware)),
            (false, 0x04, _) => Some(shown.cells_v.iter().flat_map(|cell| scaled(*cell, 1000.0)).collect()),
            (false, 0x05, _) => Some(MODEL.to_vec()),
            (true, 0x00, [0x56, 0x78]) => {
                self.factory_mode = true;
                Some(Vec::new())
            }
            (true, 0x01, [_, _]) => {
                self.factory_mode = false;
                Some(Vec::new())
            }
            (true, 0xE1, _) if unit.pack.obedience == Obedience::WantsFactoryMode && !self.factory_mode => None,
            (true, 0xE1, [_, off]) => {
                let taken = unit.pack.obey(|pack| (pack.charge_off, pack.discharge_off) = (off & 1 != 0, off & 2 != 0));
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
        self.inbox.put(input);
        let mut replies = Vec::new();
        while let Some(asked) = self.inbox.take(look) {
            self.writes = self.writes.saturating_add(usize::from(asked.write));
            let Some(unit) = units.first_mut().filter(|unit| !unit.pack.silent) else { continue };
            let (status, data) = self.serve(&asked, unit).map_or((0x80, Vec::new()), |data| (0, data));
            replies.push(Reply { after: Duration::ZERO, bytes: frame(asked.register, status, &data) });
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

/// Start, kind, register, length, data, checksum, end.
fn look(bytes: &[u8]) -> Sight<Asked> {
    let (&[start, kind, register, len], body) = match bytes.split_first_chunk::<4>() {
        Some(split) => split,
        None if bytes.first() == Some(&START) => return Sight::Begun,
        None => return Sight::Nothing,
    };
    let len = usize::from(len);
    if start != START || !matches!(kind, 0xA5 | 0x5A) || len > MAX_DATA {
        return Sight::Nothing;
    }
    let Some((data, &[high, low, end])) =
        body.split_at_checked(len).and_then(|(data, tail)| Some((data, tail.first_chunk::<3>()?)))
    else {
        return Sight::Begun;
    };
    let summed = sum16(data).wrapping_add(u16::from(register)).wrapping_add(u16::try_from(len).unwrap_or_default());
    if end != 0x77 || summed.wrapping_add(u16::from_be_bytes([high, low])) != 0 {
        return Sight::Nothing;
    }
    Sight::Whole(Asked { write: kind == 0x5A, register, data: data.to_vec() }, len.saturating_add(7))
}

fn frame(register: u8, status: u8, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xDD, register, status, u8::try_from(data.len()).unwrap_or(u8::MAX)];
    frame.extend_from_slice(data);
    let check = sum16(frame.get(2..).unwrap_or_default()).wrapping_neg();
    frame.extend_from_slice(&check.to_be_bytes());
    frame.push(0x77);
    frame
}

fn basic(shown: &Shown, locked: bool, newer_firmware: bool) -> Vec<u8> {
    let mut data = Vec::with_capacity(0x26);
    data.extend(scaled(shown.voltage_v, 100.0));
    data.extend(((shown.current_a * 100.0).round() as i16).to_be_bytes());
    data.extend(scaled(shown.remaining_ah, 100.0));
    data.extend(scaled(shown.capacity_ah, 100.0));
    data.extend((shown.cycles as u16).to_be_bytes());
    data.extend(PRODUCED.to_be_bytes());
    let balancing = bits(shown.balancing.iter().copied());
    data.extend((balancing as u16).to_be_bytes());
    data.extend(((balancing >> 16) as u16).to_be_bytes());
    data.extend((protection(&shown.alarms) | u16::from(locked) << 12).to_be_bytes());
    data.extend([VERSION, shown.soc_pct.round() as u8, bits([shown.charge_fet, shown.discharge_fet]) as u8]);
    data.push(u8::try_from(shown.cells_v.len()).unwrap_or(u8::MAX));
    let [first, second] = shown.temperatures_c;
    data.push(3);
    data.extend([first, second, shown.mos_c].into_iter().flat_map(|celsius| scaled(celsius + 273.1, 10.0)));
    if newer_firmware {
        data.extend([45, 0, 0]); // humidity, alarm status
        data.extend(scaled(shown.capacity_ah * 0.99, 100.0));
        data.extend(scaled(shown.remaining_ah, 100.0));
        data.extend([0, 0]); // balance current
    }
    data
}

fn protection(alarms: &[AlarmName]) -> u16 {
    bits(PROTECTIONS.iter().map(|name| alarms.contains(name))) as u16
}
