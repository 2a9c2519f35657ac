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
