//! `replay`: the readings of a recording as the driver would have read them, with the limits at each. Pure.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use crate::base::time::Now;
use crate::base::units::Moment;
use crate::battery::charge;
use crate::battery::{Battery, PersistedState};
use crate::bms::Driver;
use crate::bms::frame_collector::FrameCollector;
use crate::model::{Limits, LinkStats, Reading};
use crate::recording::file::{Direction, Event, Recording, move_to_front};
use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

/// One reading of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedReading {
    /// Time of its last frame since the start of the recording.
    pub at: Duration,
    /// The BMS's values.
    pub reading: Reading,
}

/// The readings of a recording in order. A battery without a complete reading gives one with the available values.
///
/// A reading ends where a request is repeated; in overheard traffic, where it is complete.
pub fn readings(recording: &Recording, driver: &'static Driver) -> Vec<ReplayedReading> {
    let (driver, mut asked) = recording.decoded_by(driver);
    let overheard = asked.is_empty();
    let mut search = SearchRequests::new(driver);
    let mut splitter = Splitter { traffic: FrameCollector::new(driver), heard: Vec::new(), replayed: Vec::new() };
    let mut made: Vec<&[u8]> = Vec::new();
    for event in &recording.traffic {
        match event.direction {
            Direction::Sent => {
                move_to_front(&mut asked, event);
                let confirms = search.is_confirmed(&event.bytes) && made.last() == Some(&event.bytes.as_slice());
                if made.contains(&event.bytes.as_slice()) && !search.optional.contains(&event.bytes) && !confirms {
                    let found = search.found(&event.bytes, made.last().copied());
                    splitter.end_reading(|address| !found.contains(&address));
                    made.clear();
                }
                made.push(&event.bytes);
            }
            Direction::Received => splitter.receive(event, |traffic, bytes| traffic.feed(bytes, &asked)),
        }
        if overheard {
            splitter.end_reading(|_| true);
        }
    }
    if let Some(last) = recording.traffic.last() {
        splitter.receive(last, |traffic, _| traffic.end(&asked));
    }
    splitter.end_reading(|_| true);
    splitter.complete_with(recording.play(driver).readings())
}

/// Requests with a special meaning.
struct SearchRequests {
    /// Requests of a search. Their replies are not readings: a battery found is read completely right after.
    identify: Vec<(Option<u8>, Cow<'static, [u8]>)>,
    /// Optional requests. They are repeated within a reading: see `link::poll`.
    optional: HashSet<Vec<u8>>,
    /// First requests of a reading, of families whose first reading is confirmed: they repeat all others as well.
    begin: HashSet<Vec<u8>>,
}

impl SearchRequests {
    fn new(driver: &'static Driver) -> Self {
        let addresses = [None].into_iter().chain((0..=u8::MAX).map(Some));
        let (mut identify, mut optional, mut begin) = (Vec::new(), HashSet::new(), HashSet::new());
        for (address, line) in addresses.flat_map(|address| driver.lines.iter().map(move |line| (address, *line))) {
            let mut protocol = (driver.new)(address);
            protocol.use_line(line);
            identify.push((address, protocol.identify().bytes));
            let plan = protocol.plan(&Reading::default());
            if !protocol.has_start() {
                begin.extend(plan.iter().find(|request| request.required).map(|request| request.bytes.to_vec()));
            }
            optional.extend(plan.into_iter().filter(|request| !request.required).map(|request| request.bytes.into_owned()));
        }
        Self { identify, optional, begin }
    }

    /// Whether a repetition of this request right after itself may only confirm its answer.
    fn is_confirmed(&self, request: &[u8]) -> bool {
        !self.begin.is_empty() && !self.begin.contains(request)
    }

    /// The address just found, with all that share its request: a search sends that request twice in a row.
    fn found(&mut self, request: &[u8], before: Option<&[u8]>) -> Vec<Option<u8>> {
        if before != Some(request) {
            return Vec::new();
        }
        self.identify.extract_if(.., |(_, identify)| **identify == *request).map(|(address, _)| address).collect()
    }
}

struct Splitter {
    traffic: FrameCollector,
    /// Time of the last values from each address.
    heard: Vec<(Option<u8>, Duration)>,
    replayed: Vec<ReplayedReading>,
}

impl Splitter {
    fn receive(&mut self, event: &Event, feed: impl FnOnce(&mut FrameCollector, &[u8])) {
        self.traffic.arrived_at(Moment::new(event.at));
        feed(&mut self.traffic, &event.bytes);
        for address in self.traffic.take_heard() {
            self.heard.retain(|(known, _)| *known != address);
            self.heard.push((address, event.at));
        }
    }

    fn time_of(&self, address: Option<u8>) -> Duration {
        self.heard.iter().find(|(known, _)| *known == address).map(|(_, at)| *at).unwrap_or_default()
    }

    /// Stores the complete readings of the accepted addresses.
    fn end_reading(&mut self, counts: impl Fn(Option<u8>) -> bool) {
        for reading in self.traffic.take_complete().into_iter().filter(|reading| counts(reading.address)) {
            self.replayed.push(ReplayedReading { at: self.time_of(reading.address), reading });
        }
    }

    /// If a battery has a single reading, all its values belong to that one, including earlier and later ones.
    fn complete_with(mut self, merged: impl Iterator<Item = Reading>) -> Vec<ReplayedReading> {
        for reading in merged {
            let at = self.time_of(reading.address);
            let mut same = self.replayed.iter_mut().filter(|replayed| replayed.reading.address == reading.address);
            match (same.next(), same.next()) {
                (None, _) => self.replayed.push(ReplayedReading { at, reading }),
                (Some(only), None) => only.reading = reading,
                (Some(_), Some(_)) => {}
            }
        }
        self.replayed.sort_by_key(|replayed| replayed.at);
        self.replayed
    }
}

/// Guard and charge control applied to the readings of a recording, per battery.
pub struct LimitsReplay {
    config: charge::Config,
    batteries: Vec<(Option<u8>, Battery)>,
}

impl LimitsReplay {
    /// Uses these settings for all batteries, without a saved state.
    pub fn new(config: charge::Config) -> Self {
        Self { config, batteries: Vec::new() }
    }

    /// The limits after this reading, and notices for the owner; `None` for an incomplete reading.
    pub fn limits(&mut self, replayed: &ReplayedReading) -> Option<(Limits, Vec<String>)> {
        let ReplayedReading { at, reading } = replayed;
        let reading = reading.clone().assuming(&self.config.assume);
        if !reading.is_complete() {
            return None;
        }
        let known = self.batteries.iter().position(|(address, _)| *address == reading.address);
        let place = known.unwrap_or_else(|| {
            self.batteries.push((reading.address, Battery::new(self.config.clone(), PersistedState::default())));
            self.batteries.len().saturating_sub(1)
        });
        let (_, battery) = self.batteries.get_mut(place)?;
        let now = Now { at: Moment::new(*at), unix: None };
        let snapshot = battery.read(reading, LinkStats::default(), now);
        Some((snapshot.limits, battery.take_notices()))
    }
}
