//! Overheard readings on a line with another master: one per battery, each from that battery's own frames.
//!
//! A frame counts only if the frame that identifies its sender follows without a pause, and only if no other board was asked
//! before. Anything else is dropped: a value of the wrong battery is worse than none.

use super::Driver;
use super::frame_collector::FrameCollector;
use crate::model::Reading;

/// The batteries of an overheard line.
pub struct Sniffer {
    traffic: FrameCollector,
    /// First readings, waiting for the settings that a master requests next.
    waiting: Vec<Reading>,
    /// Addresses with known settings, or with two readings without settings.
    known: Vec<u8>,
}

impl Sniffer {
    /// A line of this family without known batteries.
    pub fn new(driver: &'static Driver) -> Self {
        Self { traffic: FrameCollector::live(driver), waiting: Vec::new(), known: Vec::new() }
    }

    /// Adds received bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.traffic.feed(bytes, &[]);
    }

    /// See [`FrameCollector::pause`].
    pub fn pause(&mut self) {
        self.traffic.pause();
    }

    /// See [`FrameCollector::silence`].
    pub fn silence(&mut self) {
        self.traffic.silence();
    }

    /// See [`FrameCollector::forget`].
    pub fn forget(&mut self) {
        self.traffic.forget();
    }

    /// See [`FrameCollector::sent`].
    pub fn sent(&mut self, request: &[u8]) {
        self.traffic.sent(request);
    }

    /// See [`FrameCollector::asked`].
    pub fn asked(&self) -> Option<u8> {
        self.traffic.asked()
    }

    /// Number of bytes of an incomplete frame.
    pub fn pending(&self) -> usize {
        self.traffic.pending()
    }

    /// Number of requests of another master so far: while there is one, the driver must not send requests.
    pub fn requests(&self) -> usize {
        self.traffic.requests
    }

    /// Number of valid and of damaged frames so far.
    pub fn frames(&self) -> (usize, usize) {
        (self.traffic.frames, self.traffic.damaged)
    }

    /// Readings completed since the last call.
    pub fn take(&mut self) -> Vec<Reading> {
        let mut ready = Vec::new();
        for reading in self.traffic.take_complete() {
            let Some(address) = reading.address else { continue };
            if reading.contradiction().is_some() {
                continue;
            }
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

    /// Addresses received if these parts follow a frame without an address.
    fn heard(parts: &[&[u8]], pause_after: Option<usize>) -> Vec<Option<u8>> {
        let mut heard = Sniffer::new(&DRIVER);
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

    /// Data of a master and its slave: overheard settings are not awaited, not even by the reading before them.
    #[test]
    fn settings_that_were_overheard_are_not_awaited() {
        let recorded = include_str!("../../tests/vectors/jk-pb/sniff-phinix-cycle.json");
        let bytes = crate::recording::file::Recording::parse("cycle", recorded).unwrap().received();
        let mut heard = Sniffer::new(&DRIVER);
        heard.feed(&bytes);
        let told: Vec<_> = heard
            .take()
            .iter()
            .map(|reading| (reading.address, reading.settings.cell_ovp.is_some(), reading.awaited.settings))
            .collect();
        assert_eq!(told, [(Some(0), true, false), (Some(1), true, false)]);
        let text = include_str!("../../tests/vectors/jk-pb/passive-16s-discharging.json");
        let live = crate::recording::file::Recording::parse("live", text).unwrap().received();
        let mut heard = Sniffer::new(&DRIVER);
        let mut readings = Vec::new();
        for _ in 0..2 {
            heard.feed(&[&live[..], &record(0)[..]].concat());
            readings.extend(heard.take());
        }
        assert!(readings.iter().all(|reading| reading.awaited.settings) && readings.len() == 1);
    }

    #[test]
    fn a_frame_is_only_taken_for_whom_it_must_be() {
        let recorded = include_str!("../../tests/vectors/jk-pb/passive-16s-discharging.json");
        let frame = crate::recording::file::Recording::parse("frame", recorded).unwrap().received();
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
