//! Frames of simulated boards whose only function is to reply to Modbus reads.

use super::requests::{RequestBuffer, RequestScan, of_length};
use super::{Reply, Responder, Unit};
use crate::bms::Line;
use crate::bms::bytes::crc16_modbus;
use crate::bms::modbus::{Read, with_crc};
use crate::model::AlarmName;
use std::time::Duration;

/// Differences between the families.
pub(super) struct Map {
    pub(super) baud: u32,
    /// The data of a reply; an exception if there is none.
    pub(super) data: fn(Read, &Unit) -> Option<Vec<u8>>,
    /// As [`Responder::shown_as`].
    pub(super) shown_as: fn(AlarmName) -> Option<AlarmName>,
    pub(super) shows_fets: bool,
    pub(super) shows_balancing: bool,
    /// As [`Responder::cell_step_v`].
    pub(super) cell_step_v: f64,
}

/// A board that replies at the address of each of its units.
pub(super) struct ModbusBoard {
    map: Map,
    buffer: RequestBuffer,
    writes: usize,
}

impl ModbusBoard {
    pub(super) fn boxed(map: Map) -> Box<dyn Responder> {
        Box::new(Self { map, buffer: RequestBuffer::default(), writes: 0 })
    }
}

impl Responder for ModbusBoard {
    fn line(&self) -> Line {
        Line { baud: self.map.baud }
    }

    fn addressed(&self) -> bool {
        true
    }

    fn answer(&mut self, input: &[u8], units: &mut [Unit]) -> Vec<Reply> {
        self.buffer.put(input);
        let mut replies = Vec::new();
        while let Some(request) = self.buffer.take(scan) {
            let read = Read::of(&request);
            self.writes = self.writes.saturating_add(usize::from(read.is_none()));
            let [address, function, ..] = request;
            let Some(unit) = units.iter().find(|unit| unit.answers_to(address)) else { continue };
            let data = read.and_then(|read| (self.map.data)(read, unit));
            let content =
                data.and_then(|data| Some([&[address, function, u8::try_from(data.len()).ok()?], data.as_slice()].concat()));
            let bytes = with_crc(content.unwrap_or_else(|| vec![address, function | 0x80, 2]));
            replies.push(Reply { after: Duration::ZERO, bytes });
        }
        replies
    }

    fn quiet(&mut self) {
        self.buffer.clear();
    }

    fn shown_as(&self, alarm: AlarmName) -> Option<AlarmName> {
        (self.map.shown_as)(alarm)
    }

    fn shows_fets(&self) -> bool {
        self.map.shows_fets
    }

    fn shows_balancing(&self) -> bool {
        self.map.shows_balancing
    }

    fn cell_step_v(&self) -> f64 {
        self.map.cell_step_v
    }

    fn writes(&self) -> usize {
        self.writes
    }
}

/// A request of eight bytes with a correct check: a read, or a write of one register.
fn scan(bytes: &[u8]) -> RequestScan<[u8; 8]> {
    of_length(
        bytes,
        |_| true,
        |request: &[u8; 8]| {
            let [summed @ .., low, high] = *request;
            let known = matches!(summed, [_, 1 | 3 | 4 | 5 | 6, ..]);
            (known && crc16_modbus(&summed).to_le_bytes() == [low, high]).then_some(*request)
        },
    )
}

/// Registers from `first` on; all others are zero.
pub(super) struct Block {
    first: u16,
    words: Vec<u16>,
}

impl Block {
    pub(super) fn new(first: u16, count: usize) -> Self {
        Self { first, words: vec![0; count] }
    }

    pub(super) fn put(&mut self, register: u16, words: impl IntoIterator<Item = u16>) {
        let at = usize::from(register.saturating_sub(self.first));
        self.words.iter_mut().skip(at).zip(words).for_each(|(place, word)| *place = word);
    }

    /// Text in `count` registers, filled with NUL.
    pub(super) fn put_text(&mut self, register: u16, count: usize, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(count.saturating_mul(2), 0);
        self.put(register, bytes.as_chunks().0.iter().copied().map(u16::from_be_bytes));
    }

    /// The bytes of `read`, if all of its registers are here.
    pub(super) fn read(&self, read: Read) -> Option<Vec<u8>> {
        let at = usize::from(read.first.checked_sub(self.first)?);
        let words = self.words.get(at..at.checked_add(usize::from(read.count))?)?;
        Some(words.iter().flat_map(|word| word.to_be_bytes()).collect())
    }
}
