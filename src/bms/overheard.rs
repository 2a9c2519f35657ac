//! What is overheard on a line where another master asks: the readings of every battery that speaks, each from its own frames.
//!
//! A frame counts only with what names its sender behind it, without a pause between, and only if nobody else was asked before.
//! Everything else is dropped: a value of the wrong battery is worse than none.

use super::Driver;
use super::traffic::Traffic;
use crate::model::Reading;

/// The batteries of a line that is listened to.
pub struct Overheard {
    traffic: Traffic,
    /// First readings, which wait for the settings that a master asks for next.
    waiting: Vec<Reading>,
    /// Who has told its settings, or has spoken twice without.
    known: Vec<u8>,
}

impl Overheard {
    /// Nobody yet, on a line of this family.
    pub fn new(driver: &'static Driver) -> Self {
        Self { traffic: Traffic::live(driver), waiting: Vec::new(), known: Vec::new() }
    }

    /// Takes what has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.traffic.feed(bytes, &[]);
    }

    /// See [`Traffic::pause`].
    pub fn pause(&mut self) {
        self.traffic.pause();
    }

    /// See [`Traffic::silence`].
    pub fn silence(&mut self) {
        self.traffic.silence();
    }

    /// See [`Traffic::forget`].
    pub fn forget(&mut self) {
        self.traffic.forget();
    }

    /// See [`Traffic::sent`].
    pub fn sent(&mut self, request: &[u8]) {
        self.traffic.sent(request);
    }

    /// See [`Traffic::asked`].
    pub fn asked(&self) -> Option<u8> {
        self.traffic.asked()
    }

    /// Bytes that wait for the rest of their frame.
    pub fn pending(&self) -> usize {
        self.traffic.pending()
    }

    /// Requests of another master so far: as long as there is one, nobody else may ask.
    pub fn requests(&self) -> usize {
        self.traffic.requests
    }

    /// Whole frames, and damaged ones, so far.
    pub fn frames(&self) -> (usize, usize) {
        (self.traffic.frames, self.traffic.damaged)
    }

    /// The readings that are complete since the last call.
    pub fn take(&mut self) -> Vec<Reading> {
        let mut ready = Vec::new();
        for reading in self.traffic.take_complete() {
            let Some(address) = reading.address else { continue };
            let first = self.waiting.iter().position(|waiting| waiting.address == reading.address);
            if self.known.contains(&address) {
                ready.push(reading);
            } else if reading.settings.cell_ovp.is_some() || first.is_some() {
                first.map(|at| self.waiting.remove(at));
                self.known.push(address);
                ready.push(reading);
            } else {
                self.waiting.push(reading);
            }
        }
        if !self.waiting.is_empty() {
            self.add_settings(&mut ready);
        }
        ready
    }

    fn add_settings(&mut self, ready: &mut Vec<Reading>) {
        for later in self.traffic.readings().filter(|later| later.settings.cell_ovp.is_some()) {
            if let Some(at) = self.waiting.iter().position(|waiting| waiting.address == later.address) {
                let mut reading = self.waiting.remove(at);
                reading.inherit(&later);
                (reading.capacity, reading.cell_count) = (later.capacity, later.cell_count);
                self.known.extend(reading.address);
                ready.push(reading);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::bytes::crc16_modbus;
    use crate::bms::jk_pb::{DRIVER, trigger};

    fn record(address: u8) -> Vec<u8> {
        let mut record = vec![address, 0x10, 0x16, 0x20, 0, 1];
        record.extend(crc16_modbus(&record).to_le_bytes());
        record
    }

    /// Who is heard when a frame of nobody in particular is followed by this.
    fn heard(parts: &[&[u8]], pause_after: Option<usize>) -> Vec<Option<u8>> {
        let mut heard = Overheard::new(&DRIVER);
        // A first reading waits for settings or for its second frame.
        for _ in 0..2 {
            for (number, part) in parts.iter().enumerate() {
                heard.feed(part);
                if pause_after == Some(number) {
                    heard.pause();
                }
            }
        }
        heard.take().iter().chain(&heard.waiting).map(|reading| reading.address).collect()
    }

    #[test]
    fn a_frame_is_only_taken_for_whom_it_must_be() {
        let recorded = include_str!("../../tests/vectors/jk-pb/passive-16s-discharging.json");
        let frame = crate::vector::Vector::parse("frame", recorded).unwrap().received();
        let mut damaged = record(2);
        damaged[7] ^= 1;
        assert_eq!(heard(&[&trigger(2, 0x20), &frame, &record(2)], None), [Some(2)]);
        assert_eq!(heard(&[&trigger(1, 0x20), &frame, &record(2)], None), [], "another board was asked");
        assert_eq!(heard(&[&frame, &trigger(2, 0x20)], None), [], "a request is no record");
        assert_eq!(heard(&[&frame, &damaged], None), [], "a damaged record");
        assert_eq!(heard(&[&frame, &record(2)], Some(0)), [], "a record after a pause");
        assert_eq!(heard(&[&trigger(15, 0x20), &frame, &record(0)], None), [], "the master before its time");
        assert_eq!(heard(&[&frame, &record(16)], None), [], "no board has this address");
    }
}
