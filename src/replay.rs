//! `replay`: a recording as the driver would have read it, reading by reading, with the limits at each. Pure.
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]

use crate::battery::{Battery, Now, Saved};
use crate::bms::Driver;
use crate::bms::traffic::Traffic;
use crate::charge;
use crate::model::{Limits, LinkStats, Reading};
use crate::units::Moment;
use crate::vector::{Direction, Event, Vector, prefer};
use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

/// One reading of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// When its last frame came, since the start of the recording.
    pub at: Duration,
    /// What the BMS said.
    pub reading: Reading,
}

/// The readings in a recording, in order. A battery of which no reading is complete gives what there is of it, once.
///
/// A reading ends where a request is made again; of overheard traffic, where nothing is missing.
pub fn readings(recording: &Vector, driver: &'static Driver) -> Vec<Played> {
    let mut asked = recording.requests();
    let overheard = asked.is_empty();
    let mut search = Search::new(driver);
    let mut player = Player { traffic: Traffic::new(driver), heard: Vec::new(), played: Vec::new() };
    let mut made: Vec<&[u8]> = Vec::new();
    for event in &recording.traffic {
        match event.direction {
            Direction::Sent => {
                prefer(&mut asked, event);
                if made.contains(&event.bytes.as_slice()) && !search.optional.contains(&event.bytes) {
                    let found = search.found(&event.bytes, made.last().copied());
                    player.cut(|address| !found.contains(&address));
                    made.clear();
                }
                made.push(&event.bytes);
            }
            Direction::Received => player.hear(event, |traffic, bytes| traffic.feed(bytes, &asked)),
        }
        if overheard {
            player.cut(|_| true);
        }
    }
    if let Some(last) = recording.traffic.last() {
        player.hear(last, |traffic, _| traffic.end(&asked));
    }
    player.cut(|_| true);
    player.complete_with(recording.play(driver).readings())
}

/// What is known of the requests.
struct Search {
    /// Those of a search. Their answers are no readings: what was found is read in full at once.
    identify: Vec<(Option<u8>, Cow<'static, [u8]>)>,
    /// Those that a reading can do without. They are made twice within a reading: see `link::poll`.
    optional: HashSet<Vec<u8>>,
}

impl Search {
    fn new(driver: &'static Driver) -> Self {
        let addresses = [None].into_iter().chain((0..=u8::MAX).map(Some));
        let (mut identify, mut optional) = (Vec::new(), HashSet::new());
        for address in addresses {
            let mut protocol = (driver.new)(address);
            identify.push((address, protocol.identify().bytes));
            let plan = protocol.plan(&Reading::default());
            optional.extend(plan.into_iter().filter(|request| !request.required).map(|request| request.bytes.into_owned()));
        }
        Self { identify, optional }
    }

    /// The address that was just found, with all that share its request: that is made twice in a row, for the first time.
    fn found(&mut self, request: &[u8], before: Option<&[u8]>) -> Vec<Option<u8>> {
        if before != Some(request) {
            return Vec::new();
        }
        self.identify.extract_if(.., |(_, identify)| **identify == *request).map(|(address, _)| address).collect()
    }
}

struct Player {
    traffic: Traffic,
    /// When each address gave values last.
    heard: Vec<(Option<u8>, Duration)>,
    played: Vec<Played>,
}

impl Player {
    fn hear(&mut self, event: &Event, feed: impl FnOnce(&mut Traffic, &[u8])) {
        feed(&mut self.traffic, &event.bytes);
        for address in self.traffic.take_heard() {
            self.heard.retain(|(known, _)| *known != address);
            self.heard.push((address, event.at));
        }
    }

    fn time_of(&self, address: Option<u8>) -> Duration {
        self.heard.iter().find(|(known, _)| *known == address).map(|(_, at)| *at).unwrap_or_default()
    }

    /// Takes what is complete, of those addresses that count.
    fn cut(&mut self, counts: impl Fn(Option<u8>) -> bool) {
        for reading in self.traffic.take_complete().into_iter().filter(|reading| counts(reading.address)) {
            self.played.push(Played { at: self.time_of(reading.address), reading });
        }
    }

    /// With a single reading of a battery all that was heard of it belongs together, also what came before and after.
    fn complete_with(mut self, merged: impl Iterator<Item = Reading>) -> Vec<Played> {
        for reading in merged {
            let at = self.time_of(reading.address);
            let mut same = self.played.iter_mut().filter(|played| played.reading.address == reading.address);
            match (same.next(), same.next()) {
                (None, _) => self.played.push(Played { at, reading }),
                (Some(only), None) => only.reading = reading,
                (Some(_), Some(_)) => {}
            }
        }
        self.played.sort_by_key(|played| played.at);
        self.played
    }
}

/// Guard and charge control over the readings of a recording, battery by battery.
pub struct Control {
    config: charge::Config,
    batteries: Vec<(Option<u8>, Battery)>,
}

impl Control {
    /// With these settings for all batteries, and nothing remembered of any.
    pub fn new(config: charge::Config) -> Self {
        Self { config, batteries: Vec::new() }
    }

    /// The limits after this reading, and what there is to tell the owner; none without a complete reading.
    pub fn limits(&mut self, played: &Played) -> Option<(Limits, Vec<String>)> {
        let Played { at, reading } = played;
        if !reading.is_complete() {
            return None;
        }
        let known = self.batteries.iter().position(|(address, _)| *address == reading.address);
        let place = known.unwrap_or_else(|| {
            self.batteries.push((reading.address, Battery::new(self.config.clone(), Saved::default())));
            self.batteries.len().saturating_sub(1)
        });
        let (_, battery) = self.batteries.get_mut(place)?;
        let now = Now { at: Moment::new(*at), unix: None };
        let snapshot = battery.read(reading.clone(), LinkStats::default(), now);
        Some((snapshot.limits, battery.take_notices()))
    }
}
