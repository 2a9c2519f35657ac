//! What a recording of the flight recorder has beside the traffic: settings, state, the driver's decisions, and why it was written.
//! Its replay comes to the same limits, or shows where not.
//!
//! ```json
//! "flight": {
//!   "began": 1764540000,
//!   "triggers": [{"t": 291.2, "battery": 0, "why": "alarm: cell_high_voltage"}],
//!   "batteries": [{"address": null, "settings": "max_charge_current_a = 100.0\n", "state": { … }}],
//!   "decisions": [
//!     {"t": 0.82, "battery": 0, "reading": 4, "cvl": 55.2, "ccl": 50.0, "dcl": 60.0, "why": ["…", "…", "…"], "owner": [null, null]}
//!   ]
//! }
//! ```
//! `began` is the wall clock at 0 s, if it was set. A decision was made at `t`: on a new reading, which was complete before event number
//! `reading` of the traffic, or without one as time passed. `why` and `owner` (the owner's limits of the charge and discharge current)
//! are left out where they are as in the battery's decision before.

use super::file::{Direction, Recording, move_to_front};
use crate::base::time::Now;
use crate::base::units::{Amps, Moment, round};
use crate::battery::charge;
use crate::battery::soc;
use crate::battery::{Battery, PersistedState};
use crate::bms::Driver;
use crate::bms::frame_collector::FrameCollector;
use crate::model::{ByDirection, Limits, LinkStats, Reading};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Additions of the flight recorder to a recording.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flight {
    /// Wall clock at 0 s, seconds since 1970, if it was set.
    pub began: Option<u64>,
    /// Why it was written.
    pub triggers: Vec<Trigger>,
    /// The batteries, in the order of their numbers on the port.
    pub batteries: Vec<RecordedBattery>,
    /// The decisions in order of time.
    pub decisions: Vec<Decision>,
}

/// An event that made the flight recorder write a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Time since the start of the recording, s.
    pub t: f64,
    /// Number of the battery.
    pub battery: usize,
    /// What happened.
    pub why: String,
}

/// A battery of a recording.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedBattery {
    /// Its address on the line.
    pub address: Option<u8>,
    /// The settings that its limits depend on, as lines of a configuration; those at their defaults are left out.
    pub settings: String,
    /// Its state at the start, without counters.
    #[serde(serialize_with = "serialize_state")]
    pub state: PersistedState,
}

/// A state as JSON, without the counters of the battery's life, on which no limit depends.
pub(super) fn without_counters(state: &PersistedState) -> serde_json::Value {
    let mut value = serde_json::to_value(state).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.remove("history");
    }
    value
}

fn serialize_state<S: serde::Serializer>(state: &PersistedState, serializer: S) -> Result<S::Ok, S::Error> {
    without_counters(state).serialize(serializer)
}

/// A decision of charge control.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Time since the start of the recording, s.
    pub t: f64,
    /// Number of the battery.
    pub battery: usize,
    /// It was made on a reading, which was complete before this event of the traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reading: Option<usize>,
    /// Charge voltage limit, V.
    pub cvl: f64,
    /// Charge current limit, A.
    pub ccl: f64,
    /// Discharge current limit, A.
    pub dcl: f64,
    /// The rules that set them; `None`: as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<[String; 3]>,
    /// The owner's limits of charge and discharge current, A; `None`: as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<[Option<f64>; 2]>,
}

/// A test has this much before the first trigger, and after it.
const TEST_BEFORE: Duration = Duration::from_secs(20);
const TEST_AFTER: Duration = Duration::from_secs(6);

/// Shortens a recording of the flight recorder to the seconds around its first trigger, as a test: every byte of a test is damaged in
/// turn, and minutes of equal readings prove nothing more. The last reply to each request from before stays, for values that are read
/// rarely. Texts of the recording are dropped, and `settings` makes those of a battery from theirs.
pub fn shorten(recording: &mut Recording, settings: &dyn Fn(&str) -> String) {
    let Some(mut flight) = recording.flight.take() else { return };
    let trigger = flight.triggers.iter().map(|trigger| trigger.t).reduce(f64::min);
    let trigger = trigger.and_then(|t| Duration::try_from_secs_f64(t).ok()).unwrap_or_default();
    let (from, to) = (trigger.saturating_sub(TEST_BEFORE), trigger.saturating_add(TEST_AFTER));
    // Of each request before, the last exchange; the request and its reply stand together.
    let mut kept = vec![false; recording.traffic.len()];
    let mut request: Option<usize> = None;
    let mut exchanges: std::collections::BTreeMap<&[u8], Vec<usize>> = std::collections::BTreeMap::new();
    for (index, event) in recording.traffic.iter().enumerate() {
        if event.at >= from {
            if let Some(kept) = kept.get_mut(index) {
                *kept = event.at <= to;
            }
            continue;
        }
        match event.direction {
            Direction::Sent => {
                request = Some(index);
                exchanges.insert(&event.bytes, vec![index]);
            }
            Direction::Received => {
                let asked = request.and_then(|index| recording.traffic.get(index)).map(|event| event.bytes.as_slice());
                if let Some(exchange) = asked.and_then(|asked| exchanges.get_mut(asked)) {
                    exchange.push(index);
                }
            }
        }
    }
    for index in exchanges.into_values().flatten() {
        if let Some(kept) = kept.get_mut(index) {
            *kept = true;
        }
    }
    // The number of events before each place, in the new traffic.
    let mut places: Vec<usize> = vec![0];
    for kept in &kept {
        places.push(places.last().copied().unwrap_or_default().saturating_add(usize::from(*kept)));
    }
    let mut kept = kept.into_iter();
    recording.traffic.retain(|_| kept.next().unwrap_or_default());
    for event in &mut recording.traffic {
        event.at = event.at.saturating_sub(from);
    }
    let moved = |t: f64| round((t - from.as_secs_f64()).max(0.0), 6);
    let within = |t: f64| t >= from.as_secs_f64() && t <= to.as_secs_f64();
    // The owner's limits are only told when they change.
    let mut owner: Vec<Option<[Option<f64>; 2]>> = vec![None; flight.batteries.len()];
    let mut decisions: Vec<Decision> = Vec::new();
    for mut decision in std::mem::take(&mut flight.decisions) {
        let Some(known) = owner.get_mut(decision.battery) else { continue };
        *known = decision.owner.or(*known);
        if !within(decision.t) {
            continue;
        }
        if !decisions.iter().any(|before| before.battery == decision.battery) {
            decision.owner = *known;
        }
        decision.t = moved(decision.t);
        decision.why = None;
        decision.reading = decision.reading.and_then(|place| places.get(place).copied());
        decisions.push(decision);
    }
    for battery in &mut flight.batteries {
        battery.settings = settings(&battery.settings);
    }
    flight.triggers.retain(|trigger| within(trigger.t));
    for trigger in &mut flight.triggers {
        trigger.t = moved(trigger.t);
        trigger.why = "trigger".to_owned();
    }
    recording.flight = Some(Flight { began: None, decisions, ..flight });
}

impl Flight {
    /// The object as text, a line for each decision.
    pub(super) fn text(&self) -> String {
        format!(
            "{{\n    \"began\": {},\n    \"triggers\": {},\n    \"batteries\": {},\n    \"decisions\": {}\n  }}",
            json(&self.began),
            lines(&self.triggers),
            lines(&self.batteries),
            lines(&self.decisions)
        )
    }
}

/// Numbers and texts: it cannot fail.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A list with a line for each item.
fn lines(items: &[impl Serialize]) -> String {
    let lines: Vec<String> = items.iter().map(|item| format!("      {}", json(item))).collect();
    if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}\n    ]", lines.join(",\n")) }
}

/// A decision made again.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayedDecision {
    /// Time since the start of the recording.
    pub at: Duration,
    /// Number of the battery.
    pub battery: usize,
    /// The reading, if it was made on one.
    pub reading: Option<Reading>,
    /// The limits.
    pub limits: Limits,
    /// The limits are those of the recording.
    pub is_same: bool,
    /// Notices for the owner.
    pub notices: Vec<String>,
}

/// Whether a replay came to the limits of the recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Comparison {
    /// Number of decisions.
    pub decisions: usize,
    /// Number of decisions at the start with other limits: ramps and hold times began before the recording.
    pub settling: usize,
    /// Number of all other decisions with the same limits.
    pub same: usize,
    /// The first other decision with different limits.
    pub first_difference: Option<Decision>,
}

impl Comparison {
    /// One sentence for the owner or a maintainer.
    pub fn sentence(&self) -> String {
        let Self { decisions, settling, same, first_difference } = self;
        let settling = match settling {
            0 => String::new(),
            settling => format!(" {settling} at the start differ, as limits were rising when the recording began."),
        };
        match first_difference {
            None => format!("same limits: {same} of {decisions} decisions.{settling}"),
            Some(first) => format!(
                "different limits: {same} of {decisions} decisions are the same.{settling} The first other one is at {:.3} s, battery {}: \
                 recorded CVL {:.2} CCL {:.1} DCL {:.1}. Values of other devices (an external sensor, the grid power, a partner inverter) \
                 are not recorded; another version may decide differently",
                first.t, first.battery, first.cvl, first.ccl, first.dcl
            ),
        }
    }

    /// The same for programs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "same_limits": self.first_difference.is_none(),
            "decisions": self.decisions,
            "settling": self.settling,
            "first_difference": self.first_difference,
        })
    }
}

/// How much replayed limits may differ: one step of their rounding, as times are recorded in microseconds.
const VOLTS: f64 = 0.0101;
const AMPS: f64 = 0.101;

/// Recorded and replayed limits may differ for this time from the start: a limit that was rising when the recording began.
const SETTLING: Duration = Duration::from_secs(120);

impl Decision {
    fn is_same(&self, limits: &Limits) -> bool {
        (self.cvl - limits.cvl.value.get()).abs() < VOLTS
            && (self.ccl - limits.ccl.value.get()).abs() < AMPS
            && (self.dcl - limits.dcl.value.get()).abs() < AMPS
    }
}

/// Makes all decisions again. `settings`: those of a battery, from their text in the recording.
pub fn replay(
    recording: &Recording,
    flight: &Flight,
    driver: &'static Driver,
    settings: &dyn Fn(&str) -> (charge::Config, soc::Config),
) -> (Vec<ReplayedDecision>, Comparison) {
    let mut line = ReplayedLine::new(recording, driver);
    let mut batteries: Vec<Option<Battery>> = flight.batteries.iter().map(|_| None).collect();
    let (mut made, mut comparison) = (Vec::new(), Comparison::default());
    let mut settled = vec![false; flight.batteries.len()];
    for decision in &flight.decisions {
        let Some((recorded, place)) = flight.batteries.get(decision.battery).zip(batteries.get_mut(decision.battery)) else {
            continue;
        };
        let battery = place.get_or_insert_with(|| {
            let (charge, soc) = settings(&recorded.settings);
            Battery::new(charge, recorded.state.clone()).with_soc(soc)
        });
        if let Some([charge, discharge]) = decision.owner {
            battery.set_owner_limits(ByDirection { charge, discharge }.map(|amps| amps.map(Amps::new)));
        }
        let at = Duration::try_from_secs_f64(decision.t).unwrap_or_default();
        // The origin of the clock is no moment of a running program.
        let moment = Moment::new(at).after(Duration::from_secs(3600));
        let now = Now { at: moment, unix: flight.began.map(|began| began.saturating_add(at.as_secs())) };
        let reading = decision.reading.and_then(|events| line.reading(recorded.address, events));
        let snapshot = match &reading {
            Some(reading) => battery.read(reading.clone(), LinkStats::default(), now),
            None => battery.tick(LinkStats::default(), now),
        };
        let is_same = decision.is_same(&snapshot.limits);
        comparison.decisions = comparison.decisions.saturating_add(1);
        if let Some(settled) = settled.get_mut(decision.battery) {
            *settled |= is_same || at > SETTLING;
            match (is_same, *settled) {
                (true, _) => comparison.same = comparison.same.saturating_add(1),
                (false, false) => comparison.settling = comparison.settling.saturating_add(1),
                (false, true) => {
                    comparison.first_difference.get_or_insert_with(|| decision.clone());
                }
            }
        }
        made.push(ReplayedDecision {
            at,
            battery: decision.battery,
            reading,
            limits: snapshot.limits,
            is_same,
            notices: battery.take_notices(),
        });
    }
    (made, comparison)
}

/// The readings of a recording at given places of its traffic.
struct ReplayedLine<'a> {
    recording: &'a Recording,
    asked: Vec<crate::bms::Request>,
    /// Replies to the requests, and everything whoever asked: readings of a line with another master are overheard.
    replies: FrameCollector,
    overheard: FrameCollector,
    place: usize,
}

impl<'a> ReplayedLine<'a> {
    fn new(recording: &'a Recording, driver: &'static Driver) -> Self {
        let (replies, overheard) = (FrameCollector::new(driver), FrameCollector::new(driver));
        Self { recording, asked: recording.requests(), replies, overheard, place: 0 }
    }

    /// The values from this address up to event number `end`, if they are a whole reading.
    fn reading(&mut self, address: Option<u8>, end: usize) -> Option<Reading> {
        let events = self.recording.traffic.get(self.place..end).unwrap_or_default();
        self.place = self.place.max(end);
        for event in events {
            match event.direction {
                Direction::Sent => move_to_front(&mut self.asked, event),
                Direction::Received => {
                    self.replies.arrived_at(Moment::new(event.at));
                    self.replies.feed(&event.bytes, &self.asked);
                    self.overheard.arrived_at(Moment::new(event.at));
                    self.overheard.feed(&event.bytes, &[]);
                }
            }
        }
        // Both, so that neither keeps values of this reading for the next one.
        let (reply, overheard) = (self.replies.take_complete_of(address), self.overheard.take_complete_of(address));
        reply.or(overheard)
    }
}

/// A time for a file, s.
pub(super) fn seconds(time: Duration) -> f64 {
    round(time.as_secs_f64(), 6)
}
