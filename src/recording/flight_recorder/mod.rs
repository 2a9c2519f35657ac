//! The flight recorder: the last minutes of a line and of the decisions about its batteries, in memory; written to a file when an alarm,
//! a fault of the line or a jump of a limit happens.
//!
//! ```text
//! port ──FlightPort──▶ ring (compact, bounded) ◀── decisions, states ── battery task
//!                        └─ trigger, then half a minute later ─▶ store ─▶ a recording (`file`, `flight`) in the state folder
//! ```
//! Passwords are overwritten before a file is written, as in every recording; it contains neither the port's name nor an address.

mod port;
mod ring;
mod store;
mod trigger;

pub use port::FlightPort;
pub use store::{FLIGHT_FOLDER, FlightFile, FlightStore, MAX_FILES, list, read};
pub use trigger::Alarmed;

use super::file::{Direction, Event, MAX_EVENT, Recording, UNKNOWN};
use super::flight::{Decision, Flight, RecordedBattery, Trigger, seconds, without_counters};
use crate::base::time::Now;
use crate::base::units::Moment;
use crate::battery::PersistedState;
use crate::bms::Driver;
use crate::bms::can::Record;
use crate::model::{ByDirection, Limits};
use ring::{Key, Message, Ring};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use trigger::Watch;

/// Memory of all recorders of the program together, bytes.
const MEMORY: usize = 128 * 1024;
/// Least and most memory of one recorder, bytes.
const LEAST_MEMORY: usize = 8 * 1024;
const MOST_MEMORY: usize = 64 * 1024;

/// The recording goes on for this time after the trigger.
const AFTER_TRIGGER: Duration = Duration::from_secs(30);
/// Time between two records of a battery's state.
const STATE_INTERVAL: Duration = Duration::from_secs(60);
/// Bytes without a gap of this length are recorded as one event.
const GAP: Duration = Duration::from_millis(25);
/// Longest request of another master, bytes, and the time in which its reply begins.
const OVERHEARD_REQUEST: usize = 16;
const OVERHEARD_GAP: Duration = Duration::from_millis(100);
/// Maximum number of reasons of limits that are told apart; more are not expected.
const MAX_REASONS: usize = 250;
/// Maximum number of batteries of a line.
const MAX_BATTERIES: usize = 64;
/// Maximum number of triggers in a file.
const MAX_TRIGGERS: usize = 16;

/// Kinds of messages in the ring.
const SENT: u8 = 0;
const RECEIVED: u8 = 1;
const READING: u8 = 2;
const DECISION: u8 = 3;
const STATE: u8 = 4;

/// The recorder of one port. Clones share it.
#[derive(Debug, Clone)]
pub struct FlightRecorder(Arc<Mutex<Recorder>>);

#[derive(Debug)]
struct Recorder {
    ring: Ring,
    /// Received bytes that more may follow, and when the first and the last of them came.
    pending: Vec<u8>,
    pending_at: [Moment; 2],
    /// What a reply resembles: that to the same request.
    asked: Option<u16>,
    is_can: bool,
    driver: Option<&'static Driver>,
    batteries: Vec<KnownBattery>,
    /// Reasons of limits by their numbers in the ring.
    reasons: Vec<&'static str>,
    triggers: Vec<(Moment, usize, String)>,
    /// When the file is to be written.
    due: Option<Moment>,
    store: FlightStore,
}

/// A battery on the port.
#[derive(Debug, Default)]
struct KnownBattery {
    address: Option<u8>,
    settings: String,
    watch: Watch,
    state_at: Option<Moment>,
}

/// The limits at a moment, and what led to them.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// Time that charge control was given: that of the reading, or the present.
    pub at: Moment,
    /// On a reading, else as time passed.
    pub on_reading: bool,
    /// The limits.
    pub limits: &'a Limits,
    /// Temporary limits of the owner.
    pub owner: ByDirection<Option<f64>>,
    /// The alarms, for the trigger.
    pub alarmed: Alarmed<'a>,
}

impl FlightRecorder {
    /// The recorder of one of `ports` ports; its files are in the state folder `folder`.
    pub fn new(ports: usize, is_can: bool, folder: &std::path::Path) -> Self {
        let memory = MEMORY.checked_div(ports).unwrap_or(MEMORY).clamp(LEAST_MEMORY, MOST_MEMORY);
        Self(Arc::new(Mutex::new(Recorder {
            ring: Ring::new(memory),
            pending: Vec::new(),
            pending_at: [Moment::default(); 2],
            asked: None,
            is_can,
            driver: None,
            batteries: Vec::new(),
            reasons: Vec::new(),
            triggers: Vec::new(),
            due: None,
            store: FlightStore::new(folder),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes were sent.
    pub fn sent(&self, bytes: &[u8], now: Moment) {
        let mut recorder = self.lock();
        recorder.flush();
        let like = likeness(bytes);
        recorder.asked = Some(like);
        recorder.ring.push(Key { kind: SENT, like }, micros(now), bytes);
    }

    /// Bytes were received; none: the line is quiet.
    pub fn received(&self, bytes: &[u8], now: Moment) {
        let mut recorder = self.lock();
        let [_, last] = recorder.pending_at;
        let whole = recorder.is_can || recorder.pending.len().saturating_add(bytes.len()) > MAX_EVENT;
        // The request of another master belongs to its reply: replies of several boards begin alike.
        let is_request = recorder.asked.is_none() && recorder.pending.len() <= OVERHEARD_REQUEST;
        let gap = if is_request { OVERHEARD_GAP } else { GAP };
        if whole || now.since(last) > gap || (bytes.is_empty() && !is_request) {
            recorder.flush();
        }
        if recorder.is_can {
            for record in bytes.chunks(Record::LEN) {
                let like = likeness(record.get(..4).unwrap_or(record));
                recorder.ring.push(Key { kind: RECEIVED, like }, micros(now), record);
            }
        } else if !bytes.is_empty() {
            let first = if recorder.pending.is_empty() { now } else { recorder.pending_at[0] };
            recorder.pending_at = [first, now];
            recorder.pending.extend_from_slice(bytes.get(..MAX_EVENT).unwrap_or(bytes));
        }
    }

    /// A reading of battery `number` is complete; `at` is its time.
    pub fn reading(&self, number: usize, address: Option<u8>, at: Moment, now: Moment) {
        let mut recorder = self.lock();
        recorder.flush();
        if let Some(battery) = recorder.battery(number) {
            battery.address = address;
            recorder.ring.push(Key { kind: READING, like: like(number) }, micros(now), &micros(at).to_le_bytes());
        }
    }

    /// The family of the batteries, and the settings of battery `number`.
    pub fn configure(&self, number: usize, driver: &'static Driver, settings: String) {
        let mut recorder = self.lock();
        recorder.driver = Some(driver);
        if let Some(battery) = recorder.battery(number) {
            battery.settings = settings;
        }
    }

    /// Charge control has decided about battery `number`. `state` is called when its state is due.
    pub fn decided(&self, number: usize, decided: &Decided<'_>, state: impl FnOnce() -> PersistedState, now: Moment) {
        let mut recorder = self.lock();
        let why = {
            let limits = decided.limits;
            [limits.cvl.why, limits.ccl.why, limits.dcl.why].map(|why| recorder.reason(why))
        };
        let Some(battery) = recorder.battery(number) else { return };
        let state_is_due = battery.state_at.is_none_or(|at| now.since(at) >= STATE_INTERVAL);
        if state_is_due {
            battery.state_at = Some(now);
        }
        let triggered = battery.watch.observe(decided);
        if state_is_due && let Ok(text) = serde_json::to_vec(&without_counters(&state())) {
            recorder.ring.push(Key { kind: STATE, like: like(number) }, micros(now), &text);
        }
        recorder.ring.push(Key { kind: DECISION, like: like(number) }, micros(now), &packed(decided, why));
        if let Some(why) = triggered {
            recorder.trigger(number, why, now);
        }
    }

    /// The port of battery `number` has failed.
    pub fn port_failed(&self, number: usize, now: Moment) {
        self.lock().trigger(number, trigger::Reason::fault("the port failed"), now);
    }

    /// When a file is to be written.
    pub fn due(&self) -> Option<Moment> {
        self.lock().due
    }

    /// Whether a file is to be written now, or `last`: the program ends. Then [`FlightRecorder::write`] has to be called.
    pub fn is_due(&self, last: bool, now: Moment) -> bool {
        self.lock().due.take_if(|due| last || *due <= now).is_some()
    }

    /// Writes a file. Waits for the disk.
    pub fn write(&self, now: Now) {
        let (recording, store) = {
            let mut recorder = self.lock();
            (recorder.recording(now), recorder.store.clone())
        };
        // The port must not wait for the disk.
        if let Err(error) = store.write(recording, now) {
            log::warn!("{error}");
        }
    }

    /// Memory in use, bytes, and the time from the first to the last message.
    pub fn extent(&self) -> (usize, Duration) {
        let recorder = self.lock();
        (recorder.ring.memory(), Duration::from_micros(recorder.ring.span()))
    }
}

impl Recorder {
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let like = self.asked.unwrap_or_else(|| likeness(self.pending.get(..6).unwrap_or(&self.pending)));
        let [first, _] = self.pending_at;
        self.ring.push(Key { kind: RECEIVED, like }, micros(first), &self.pending);
        self.pending.clear();
        // Only the first event after a request is like its reply.
        self.asked = None;
    }

    fn battery(&mut self, number: usize) -> Option<&mut KnownBattery> {
        if number >= MAX_BATTERIES {
            return None;
        }
        while self.batteries.len() <= number {
            self.batteries.push(KnownBattery::default());
        }
        self.batteries.get_mut(number)
    }

    /// The number of a reason in the ring.
    fn reason(&mut self, why: &'static str) -> u8 {
        let known = self.reasons.iter().position(|known| *known == why);
        let place = known.unwrap_or_else(|| {
            if self.reasons.len() < MAX_REASONS {
                self.reasons.push(why);
            }
            self.reasons.len().saturating_sub(1)
        });
        u8::try_from(place).unwrap_or(u8::MAX)
    }

    fn trigger(&mut self, number: usize, reason: trigger::Reason, now: Moment) {
        if self.due.is_none() {
            if !self.store.allows(reason.is_minor, now) {
                log::debug!("flight recorder: {}; not written, because enough was lately", reason.text);
                return;
            }
            self.due = Some(now.after(AFTER_TRIGGER));
            log::info!("flight recorder: {}; a file follows in {} s", reason.text, AFTER_TRIGGER.as_secs());
        }
        if self.triggers.len() < MAX_TRIGGERS {
            self.triggers.push((now, number, reason.text));
        }
    }

    /// The content of the ring as a recording.
    fn recording(&mut self, now: Now) -> Recording {
        self.flush();
        let (before, messages) = self.ring.messages();
        let start = messages.first().or(before.first()).map_or(0, |message| message.at);
        let mut converted = Converted::new(start, &self.reasons, self.batteries.len());
        converted.before(&before);
        messages.iter().for_each(|message| converted.message(message));
        let Converted { traffic, decisions, states, .. } = converted;
        let batteries = self.batteries.iter().zip(states).map(|(battery, state)| RecordedBattery {
            address: battery.address,
            settings: battery.settings.clone(),
            state: state.unwrap_or_default(),
        });
        let since_start = |at: Moment| seconds(Duration::from_micros(micros(at).saturating_sub(start)));
        let triggers: Vec<Trigger> = std::mem::take(&mut self.triggers)
            .into_iter()
            .map(|(at, battery, why)| Trigger { t: since_start(at), battery, why })
            .collect();
        let elapsed = Duration::from_micros(micros(now.at).saturating_sub(start));
        let mut reasons: Vec<&str> = triggers.iter().map(|trigger| trigger.why.as_str()).collect();
        reasons.dedup();
        let mut recording = Recording {
            bms: self.driver.map_or(UNKNOWN, |driver| driver.name).to_owned(),
            source: format!("written by the flight recorder of {} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            recorded: true,
            note: Some(reasons.join("; ")),
            any_valid_frame: !traffic.iter().any(|event| event.direction == Direction::Sent),
            traffic,
            readings: Vec::new(),
            flight: Some(Flight {
                began: now.unix.map(|unix| unix.saturating_sub(elapsed.as_secs())),
                triggers,
                batteries: batteries.collect(),
                decisions,
            }),
        };
        recording.redact();
        recording
    }
}

/// Messages of the ring as parts of a recording.
struct Converted<'a> {
    start: u64,
    reasons: &'a [&'static str],
    traffic: Vec<Event>,
    decisions: Vec<Decision>,
    /// The first state of each battery.
    states: Vec<Option<PersistedState>>,
    /// The last readings of each battery: time, and number of events before its end.
    readings: Vec<Option<(u64, usize)>>,
    /// The last decision of each battery as packed.
    last: Vec<Option<Vec<u8>>>,
}

impl<'a> Converted<'a> {
    fn new(start: u64, reasons: &'a [&'static str], batteries: usize) -> Self {
        Self {
            start,
            reasons,
            traffic: Vec::new(),
            decisions: Vec::new(),
            states: (0..batteries).map(|_| None).collect(),
            readings: vec![None; batteries],
            last: vec![None; batteries],
        }
    }

    /// The last messages from before the ring: each request with its reply, so that values that are read rarely are known.
    fn before(&mut self, messages: &[Message]) {
        let of = |kind: u8| messages.iter().filter(move |message| message.key.kind == kind);
        for reply in of(RECEIVED) {
            let request = of(SENT).find(|request| request.key.like == reply.key.like);
            request.into_iter().chain([reply]).for_each(|message| self.message(message));
        }
        of(STATE).for_each(|message| self.message(message));
    }

    fn since_start(&self, at: u64) -> Duration {
        Duration::from_micros(at.saturating_sub(self.start))
    }

    fn message(&mut self, message: &Message) {
        let number = usize::from(message.key.like);
        match message.key.kind {
            SENT | RECEIVED if !message.bytes.is_empty() => {
                let direction = if message.key.kind == SENT { Direction::Sent } else { Direction::Received };
                self.traffic.push(Event { at: self.since_start(message.at), baud: None, direction, bytes: message.bytes.clone() });
            }
            READING => {
                let at = message.bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
                if let Some(place) = self.readings.get_mut(number) {
                    *place = at.map(|at| (at, self.traffic.len()));
                }
            }
            STATE => {
                if let Some(place) = self.states.get_mut(number)
                    && place.is_none()
                    && self.last.get(number).is_some_and(Option::is_none)
                {
                    *place = serde_json::from_slice(&message.bytes).ok();
                }
            }
            DECISION => self.decision(number, &message.bytes),
            _ => {}
        }
    }

    fn decision(&mut self, number: usize, bytes: &[u8]) {
        let Some(packed) = Packed::of(bytes) else { return };
        let reading = self.readings.get(number).copied().flatten();
        let reading = reading.filter(|(at, _)| packed.on_reading && *at == packed.at).map(|(_, events)| events);
        if packed.on_reading && reading.is_none() {
            // Its reading is older than the ring.
            return;
        }
        let last = self.last.get(number).and_then(Option::as_deref).and_then(Packed::of);
        let why = packed.why.map(|place| self.reasons.get(usize::from(place)).copied().unwrap_or_default().to_owned());
        let amps = |milli: i32| (milli != NO_LIMIT).then(|| f64::from(milli) / 1000.0);
        let since = Duration::from_micros(packed.at.saturating_sub(self.start));
        self.decisions.push(Decision {
            t: seconds(since),
            battery: number,
            reading,
            cvl: f64::from(packed.limits[0]) / 1000.0,
            ccl: f64::from(packed.limits[1]) / 1000.0,
            dcl: f64::from(packed.limits[2]) / 1000.0,
            why: last.as_ref().is_none_or(|last| last.why != packed.why).then_some(why),
            owner: last.as_ref().is_none_or(|last| last.owner != packed.owner).then(|| packed.owner.map(amps)),
        });
        if let Some(place) = self.last.get_mut(number) {
            *place = Some(bytes.to_vec());
        }
    }
}

/// A decision as in the ring.
#[derive(Debug, PartialEq)]
struct Packed {
    on_reading: bool,
    why: [u8; 3],
    /// CVL in mV, CCL and DCL in mA.
    limits: [i32; 3],
    /// In mA, or [`NO_LIMIT`].
    owner: [i32; 2],
    at: u64,
}

/// The owner has set no limit.
const NO_LIMIT: i32 = i32::MIN;

fn milli(value: f64) -> i32 {
    // A conversion saturates.
    (value * 1000.0).round() as i32
}

fn packed(decided: &Decided<'_>, why: [u8; 3]) -> Vec<u8> {
    let Limits { cvl, ccl, dcl, .. } = decided.limits;
    let owner = [decided.owner.charge, decided.owner.discharge].map(|amps| amps.map_or(NO_LIMIT, milli));
    let numbers = [milli(cvl.value.get()), milli(ccl.value.get()), milli(dcl.value.get())].into_iter().chain(owner);
    let mut bytes = vec![u8::from(decided.on_reading)];
    bytes.extend(why);
    bytes.extend(numbers.flat_map(i32::to_le_bytes));
    bytes.extend(micros(decided.at).to_le_bytes());
    bytes
}

impl Packed {
    fn of(bytes: &[u8]) -> Option<Self> {
        let (on_reading, rest) = bytes.split_first()?;
        let (why, mut rest) = rest.split_first_chunk::<3>()?;
        let mut number = || -> Option<i32> {
            let (number, behind) = rest.split_first_chunk::<4>()?;
            rest = behind;
            Some(i32::from_le_bytes(*number))
        };
        let limits = [number()?, number()?, number()?];
        let owner = [number()?, number()?];
        Some(Self { on_reading: *on_reading != 0, why: *why, limits, owner, at: u64::from_le_bytes(*rest.first_chunk()?) })
    }
}

fn micros(at: Moment) -> u64 {
    u64::try_from(at.since_origin().as_micros()).unwrap_or(u64::MAX)
}

/// A key for messages that resemble each other; equal keys of different ones only cost memory.
fn likeness(bytes: &[u8]) -> u16 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish() as u16
}

fn like(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}
