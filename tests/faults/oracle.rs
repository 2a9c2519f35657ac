//! Knows the true values: compares what a battery publishes with the actual state of its pack.

use crate::is_broadcast;
use dbus_bms::base::units::Moment;
use dbus_bms::bms::Driver;
use dbus_bms::link::Link;
use dbus_bms::model::{Reading, Snapshot};
use dbus_bms::recording::replay_port::{ReplayPort, SimClock, TimedBytes};
use dbus_bms::sim::{Board, Responder, Unit};
use serde_json::{Map, Value as Json};
use std::collections::VecDeque;
use std::time::Duration;

/// Maximum age of a reading when it arrives: with retries, it is as fresh as the line allows.
const FRESH: Duration = Duration::from_secs(3);

/// While the guard holds a value the previous one is published for this time.
const STANDS: Duration = Duration::from_secs(14);

/// Derived by the driver, without a true value.
const OURS: [&str; 2] = ["power_w", "address"];

/// Distance of a wrong value from the true one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Within the change possible in a second.
    Plausible,
    /// Larger.
    Far,
}

/// What a board that is not asked sends in the time of a reading.
fn undisturbed_words(board: &mut dyn Responder, units: &mut [Unit]) -> Vec<(Moment, Vec<u8>)> {
    let mut words = Vec::new();
    while let Some(at) = board.next_unsolicited_at().filter(|at| *at < Duration::from_secs(3)) {
        words.extend(board.unsolicited(at, units).into_iter().map(|word| (Moment::new(at), word.bytes)));
    }
    words
}

/// States of the pack over time, as an undisturbed line would have reported them.
pub(crate) struct Truth {
    driver: &'static Driver,
    board: &'static Board,
    known: VecDeque<(Moment, Map<String, Json>)>,
    last: Option<dbus_bms::sim::pack::ReportedState>,
}

impl Truth {
    pub(crate) fn new(driver: &'static Driver, board: &'static Board) -> Self {
        Self { driver, board, known: VecDeque::new(), last: None }
    }

    /// Records the present state of the pack. The board's replies are decoded by our own decoder, which recordings confirm, so
    /// every value has the resolution of the wire and the comparison is exact.
    pub(crate) fn note(&mut self, unit: &Unit, now: Moment) {
        if self.last.as_ref() == Some(unit.pack.reported()) {
            return;
        }
        self.last = Some(unit.pack.reported().clone());
        let reading = self.undisturbed(unit);
        self.known.push_back((now, plain(&reading)));
        while self.known.front().is_some_and(|(at, _)| now.since(*at) > STANDS) && self.known.len() > 1 {
            self.known.pop_front();
        }
    }

    /// Values of `unit` on an undisturbed line.
    pub(crate) fn undisturbed(&self, unit: &Unit) -> Reading {
        let clock = SimClock::default();
        let (mut board, mut units) = ((self.board.new)(), [unit.clone()]);
        units[0].pack.silent = false;
        let heard = if is_broadcast(self.driver) { undisturbed_words(board.as_mut(), &mut units) } else { Vec::new() };
        let port = ReplayPort::new(&clock, move |sent, _| {
            board.answer(sent, &mut units).into_iter().map(|reply| TimedBytes::after_ms(1, &reply.bytes)).collect()
        });
        let port = heard.iter().fold(port, |port, (at, bytes)| port.at(*at, bytes));
        let mut link = Link::new(Box::new(port), Box::new(clock));
        let address = self.driver.addresses.first().copied();
        link.prepare(self.driver.lines[0], Duration::ZERO).unwrap();
        let mut protocol = (self.driver.new)(address);
        let empty = Reading::new(self.driver.name, address);
        // Some data is only requested in later readings. What is sent without a request is complete.
        let polls = if heard.is_empty() { 4 } else { 1 };
        (0..polls).fold(empty, |known, _| link.poll(protocol.as_mut(), &known).unwrap())
    }

    /// Values of a reading that passed the line and are wrong.
    pub(crate) fn judge_reading(&self, reading: &Reading, now: Moment) -> Vec<(String, Wrong)> {
        self.judge(&plain(reading), now, FRESH)
    }

    /// Wrong values in a published snapshot.
    pub(crate) fn judge_snapshot(&self, snapshot: &Snapshot, now: Moment) -> Vec<(String, Wrong)> {
        let mut reading = snapshot.reading.clone();
        // These packs charge whatever the limits say: after a long silence that is true, and no BMS says it.
        let own = snapshot.derived.charge_excess.map(|excess| excess.sentence());
        reading.notes.retain(|note| own.as_deref() != Some(note.as_ref()));
        if !self.known.iter().any(|(_, truth)| truth.contains_key("remaining_ah")) || is_calculated(&reading) {
            // Calculated from SoC and capacity, which are compared themselves.
            reading.remaining = None;
        }
        let mut wrong = self.judge(&plain(&reading), now, STANDS);
        let told: Vec<Json> = self.known.iter().filter_map(|(_, truth)| truth.get("alarms")).flat_map(list).cloned().collect();
        for alarm in &snapshot.alarms {
            if !told.contains(&serde_json::to_value(alarm).unwrap()) {
                wrong.push((format!("alarm {:?}", alarm.name), Wrong::Far));
            }
        }
        wrong
    }

    fn judge(&self, said: &Map<String, Json>, now: Moment, window: Duration) -> Vec<(String, Wrong)> {
        // Values true at the start of the window are true in it.
        let first = self.known.iter().rposition(|(at, _)| now.since(*at) >= window).unwrap_or(0);
        let truths: Vec<_> = self.known.iter().skip(first).map(|(_, truth)| truth).collect();
        let mut wrong = Vec::new();
        for (key, value) in said.iter().filter(|(key, _)| !OURS.contains(&key.as_str())) {
            let mut truth: Vec<&Json> = truths.iter().filter_map(|truth| truth.get(key)).collect();
            if key == "capacity_ah" {
                // Until a lost reply with the nominal capacity arrives, the learned one replaces it.
                truth.extend(truths.iter().filter_map(|truth| truth.get("full_charge_ah")));
            }
            // A cell of 0 is unknown.
            let elements = list(value).iter().enumerate().filter(|(_, one)| one.as_f64() != Some(0.0));
            match value {
                Json::Array(_) if truth.iter().all(|truth| list(truth).len() == list(value).len()) => {
                    for (index, one) in elements {
                        let truth: Vec<&Json> = truth.iter().map(|truth| &list(truth)[index]).collect();
                        wrong.extend(distance(key, one, &truth).map(|far| (format!("{key}[{index}]"), far)));
                    }
                }
                _ => wrong.extend(distance(key, value, &truth).map(|far| (key.clone(), far))),
            }
        }
        wrong
    }
}

/// The remaining charge is that of SoC and capacity: the driver shows it while the BMS tells none.
fn is_calculated(reading: &Reading) -> bool {
    let (Some(remaining), Some(soc), Some(capacity)) = (reading.remaining, reading.soc, reading.capacity) else { return false };
    (remaining.get() - soc.get() / 100.0 * capacity.get()).abs() < 0.01
}

fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn plain(reading: &Reading) -> Map<String, Json> {
    match serde_json::to_value(reading).unwrap() {
        Json::Object(map) => map,
        other => panic!("no object: {other}"),
    }
}

/// Distance of `value` from all of `truths`; `None` if it is one of them.
fn distance(key: &str, value: &Json, truths: &[&Json]) -> Option<Wrong> {
    if truths.contains(&value) {
        return None;
    }
    let Some(said) = value.as_f64() else { return Some(Wrong::Far) };
    // Daly sends magnitude and direction in two replies: around zero they may belong to two moments.
    if key == "current_a" && said.abs() < 2.0 && truths.iter().any(|truth| truth.as_f64() == Some(-said)) {
        return None;
    }
    let near = truths.iter().filter_map(|truth| truth.as_f64()).any(|truth| (said - truth).abs() <= band(key, truth) + 1e-9);
    Some(if near { Wrong::Plausible } else { Wrong::Far })
}

/// Maximum change of a value within a second.
fn band(key: &str, truth: f64) -> f64 {
    match key {
        "soc_pct" | "soh_pct" => 3.0,
        "cell_voltages_v" => 0.030,
        "voltage_v" => truth.abs() * 0.01,
        "temperatures_c" => 3.0,
        "mos_temperature_c" => 10.0,
        "remaining_ah" => truth.abs() * 0.03,
        "current_a" => (truth.abs() * 0.2).max(5.0),
        "balance_current_a" => 0.5,
        _ => 0.0,
    }
}
