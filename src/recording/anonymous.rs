//! Makes a recording a test that may be published: serial numbers and names in its frames are replaced by rule. Pure.
//!
//! | what | how it is found | what replaces it |
//! |---|---|---|
//! | serial number | the decoder reports it: its text, as hex, as a number, its digits, or words written in decimal digits | `0` and `X`, or bytes of 0x11; a beginning that the decoder reports as hardware stays |
//! | name or other text | at least five printable characters in a row; what of them the decoder reports as another value stays | `0` and `X` |
//! | text outside of valid frames | at least four printable characters, except in requests, which have no place for a text | `*` |
//! | note, source, settings | | a fixed text; of the settings only those of the limits |
//!
//! Frames stay valid: their check is found again by trying. The result must decode to the same values, apart from the serial number;
//! otherwise it is refused.

use super::file::{Direction, Recording};
use crate::bms::bytes::{crc16_modbus, sum16};
use crate::bms::{Driver, Framing, Protocol, ascii};
use crate::model::Reading;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use thiserror::Error;

/// Why a recording cannot be made anonymous.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AnonymousError {
    /// Personal data is left.
    #[error("{what} cannot be replaced in frames of {bms}; replace it by hand, or ask its owner")]
    Left {
        /// What it is.
        what: &'static str,
        /// BMS family.
        bms: &'static str,
    },
    /// Messages that anybody may have written.
    #[error("messages of {bms} may contain any text, so they cannot be made anonymous by rule; write the test by hand")]
    Text {
        /// BMS family.
        bms: &'static str,
    },
}

/// Minimum length of a text in a valid frame, and outside of one.
const TEXT: usize = 5;
const LOOSE_TEXT: usize = 4;
/// Minimum length of a serial number that is sent as several decimal numbers.
const MIN_DIGITS: usize = 6;
/// Bytes of a request with two bytes of content.
const SHORT_REQUEST: usize = 22;
/// Attempts to replace a part of a text.
const MAX_PARTS: usize = 32;
/// Fields of a reading with texts that everybody may know.
const PUBLIC: [&str; 5] = ["model", "hw_version", "sw_version", "production_date", "bms"];
/// The source of the result.
const SOURCE: &str = "an owner's recording, made anonymous by rule";

/// Replaces all that is personal.
///
/// # Errors
/// [`AnonymousError`]; the recording is then not to be published.
pub fn anonymise(recording: &mut Recording, driver: &'static Driver) -> Result<(), AnonymousError> {
    let bms = driver.name;
    if bms == "json" {
        return Err(AnonymousError::Text { bms });
    }
    recording.redact();
    SOURCE.clone_into(&mut recording.source);
    recording.note = None;
    recording.readings.clear();
    let before = decoded(recording, driver);
    let of = |reading: &Map<String, Value>, key: &str| reading.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut serials: Vec<String> = before.iter().filter_map(|reading| of(reading, "serial_number")).collect();
    serials.sort();
    serials.dedup();
    let public: Vec<String> = before.iter().flat_map(|reading| PUBLIC.iter().filter_map(|key| of(reading, key))).collect();
    // Nothing is left to hide in some serial numbers.
    serials.retain(|serial| !is_neutral(serial.as_bytes()));
    let mut frames = Frames::new(recording, driver);
    for serial in &serials {
        let kept = public.iter().filter(|known| serial.starts_with(known.as_str()) && known.len() < serial.len());
        let kept = kept.map(String::len).max().unwrap_or(0);
        let forms = forms(serial);
        frames.replace(|bytes| {
            let found = forms.iter().flat_map(|form| form.places(bytes, kept));
            found.chain(decimal_words(bytes, serial).into_iter().map(|place| (place, Coding::Plain))).collect()
        });
    }
    frames.store(recording);
    for text in frames.texts(&public) {
        frames.reload(recording);
        let whole = 0..text.bytes.len();
        frames.replace_text(text, whole, &before, recording);
    }
    frames.reload(recording);
    frames.overwrite_loose_text(&requests(recording, driver));
    frames.store(recording);
    let after = decoded(recording, driver);
    if !same(&before, &after) {
        return Err(AnonymousError::Left { what: "a text", bms });
    }
    let all = recording.received();
    let shown = serde_json::to_string(&after).unwrap_or_default();
    let is_left = |serial: &String| {
        shown.contains(serial.as_str())
            || forms(serial).iter().any(|form| !places(&all, &form.bytes).is_empty())
            || !decimal_words(&all, serial).is_empty()
    };
    if serials.iter().any(is_left) {
        return Err(AnonymousError::Left { what: "the serial number", bms });
    }
    Ok(())
}

fn decoded(recording: &Recording, driver: &'static Driver) -> Vec<Map<String, Value>> {
    let mut copy = recording.clone();
    copy.set_expected_readings(driver);
    copy.readings
}

/// Whether both have the same values, apart from serial numbers.
fn same(before: &[Map<String, Value>], after: &[Map<String, Value>]) -> bool {
    let rest = |readings: &[Map<String, Value>]| {
        let without = |reading: &Map<String, Value>| {
            let mut reading = reading.clone();
            reading.remove("serial_number");
            reading
        };
        readings.iter().map(without).collect::<Vec<_>>()
    };
    rest(before) == rest(after)
}

/// How the characters of a text are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Coding {
    /// As they are, or as a number.
    Plain,
    /// Two hex digits each.
    Hex,
}

/// The bytes of a text or a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    bytes: Vec<u8>,
    coding: Coding,
    /// Its characters are in their order, so that a part of them can stay.
    is_plain_text: bool,
}

impl Form {
    /// Where it occurs, without the first `kept` characters.
    fn places(&self, bytes: &[u8], kept: usize) -> Vec<Place> {
        let kept = match self.coding {
            _ if !self.is_plain_text => 0,
            Coding::Plain => kept,
            Coding::Hex => kept.saturating_mul(2),
        };
        let found = places(bytes, &self.bytes).into_iter();
        found.map(|place| (place.start.saturating_add(kept)..place.end, self.coding)).collect()
    }
}

/// Bytes to overwrite.
type Place = (Range<usize>, Coding);

/// The bytes in which a serial number may be sent.
fn forms(serial: &str) -> Vec<Form> {
    let swapped = |bytes: &[u8]| bytes.chunks(2).flat_map(|pair| pair.iter().rev().copied()).collect::<Vec<u8>>();
    let mut plain = vec![serial.as_bytes().to_vec(), swapped(serial.as_bytes())];
    if let Ok(number) = serial.parse::<u64>()
        && number > u64::from(u16::MAX)
    {
        if let Ok(short) = u32::try_from(number) {
            plain.extend([short.to_be_bytes().to_vec(), short.to_le_bytes().to_vec()]);
        } else {
            plain.extend([number.to_be_bytes().to_vec(), number.to_le_bytes().to_vec()]);
        }
    }
    let digits = serial.len() >= 6 && serial.len().is_multiple_of(2);
    plain.extend(crate::base::hex::decode(serial).ok().filter(|_| digits));
    let mut forms: Vec<Form> = Vec::new();
    for bytes in plain.into_iter().filter(|form| form.len() >= 3) {
        let is_plain_text = bytes == serial.as_bytes();
        let text = crate::base::hex::encode(&bytes);
        for hex in [text.to_ascii_uppercase(), text] {
            forms.push(Form { bytes: hex.into_bytes(), coding: Coding::Hex, is_plain_text });
        }
        forms.push(Form { bytes, coding: Coding::Plain, is_plain_text });
    }
    forms.sort();
    forms.dedup();
    forms
}

/// Words with the high byte first that are `serial` if each is written as a decimal number.
fn decimal_words(bytes: &[u8], serial: &str) -> Vec<Range<usize>> {
    if serial.len() < MIN_DIGITS || !serial.bytes().all(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    let end_of = |start: usize| {
        let (mut rest, mut at) = (serial, start);
        while !rest.is_empty() {
            let word = u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
            rest = rest.strip_prefix(word.to_string().as_str())?;
            at = at.saturating_add(2);
        }
        Some(at)
    };
    (0..bytes.len()).filter_map(|start| Some(start..end_of(start)?)).collect()
}

/// The requests in `recording` that have no place for a text: those that the driver makes, and those of [`ascii`] with two bytes at most.
fn requests(recording: &Recording, driver: &'static Driver) -> Vec<Range<usize>> {
    let known = Reading::default();
    let addresses = (0..=u8::MAX).map(Some).chain([None]);
    let made: BTreeSet<Vec<u8>> = addresses
        .flat_map(|address| {
            let mut protocol = (driver.new)(address);
            let plan = protocol.plan(&known);
            plan.into_iter().chain([protocol.identify()]).map(|request| request.bytes.into_owned())
        })
        .collect();
    let mut at = 0_usize;
    let sent = recording.traffic.iter().filter(|event| event.direction == Direction::Sent).map(|event| {
        let start = at;
        at = at.saturating_add(event.bytes.len());
        (start..at, &event.bytes)
    });
    sent.filter(|(_, bytes)| made.contains(*bytes) || short_request(bytes) == Some(bytes.len())).map(|(range, _)| range).collect()
}

/// Length of the request of [`ascii`] at the start of `bytes`, if it has no place for a text.
fn short_request(bytes: &[u8]) -> Option<usize> {
    let Framing::Frame(range) = ascii::request_framing(bytes, SHORT_REQUEST) else { return None };
    let (_, info) = ascii::request(bytes.get(range.clone())?)?;
    info.is_ok_and(|info| info.len() <= 2).then_some(range.end)
}

/// Where `wanted` occurs.
fn places(bytes: &[u8], wanted: &[u8]) -> Vec<Range<usize>> {
    let found = bytes.windows(wanted.len().max(1)).enumerate().filter(|(_, window)| *window == wanted);
    found.map(|(at, _)| at..at.saturating_add(wanted.len())).collect()
}

fn is_text(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E)
}

/// Overwrites a text, or bytes that are none.
fn overwrite(bytes: &mut [u8], coding: Coding) {
    let pairs = match coding {
        Coding::Hex => crate::base::hex::decode(&String::from_utf8_lossy(bytes)).ok(),
        Coding::Plain => None,
    };
    if let Some(mut pairs) = pairs {
        let is_lower = bytes.iter().any(u8::is_ascii_lowercase);
        overwrite(&mut pairs, Coding::Plain);
        let digits = crate::base::hex::encode(pairs);
        bytes.copy_from_slice(if is_lower { digits } else { digits.to_ascii_uppercase() }.as_bytes());
    } else if bytes.iter().all(|byte| is_text(*byte)) {
        bytes.iter_mut().for_each(|byte| *byte = neutral(*byte));
    } else {
        bytes.fill(0x11);
    }
}

fn neutral(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => b'0',
        byte if byte.is_ascii_alphabetic() => b'X',
        other => other,
    }
}

/// Where the check of a frame is: bytes behind it, its length, and whether it is written in hex digits.
type CheckPlace = (usize, usize, bool);

const CHECKS: [CheckPlace; 9] = [
    (0, 1, false),
    (1, 1, false),
    (0, 2, false),
    (1, 2, false),
    (2, 2, false),
    (1, 4, true),
    (1, 2, true),
    (0, 2, true),
    // Last, because this byte is content where the check has two bytes.
    (2, 1, false),
];

/// Bytes at the start of a frame that its check may leave out.
const UNCHECKED: usize = 4;

/// Sums and CRCs of the bytes before a check of 16 bits, in either order of its bytes.
fn usual_checks(before: &[u8]) -> Vec<u16> {
    let parts = (0..=UNCHECKED).filter_map(|start| before.get(start..));
    let checks = parts.flat_map(|part| [crc16_modbus(part), sum16(part), sum16(part).wrapping_neg()]);
    checks.flat_map(|check| [check, check.swap_bytes()]).collect()
}

/// The streams of both directions, divided into frames.
struct Frames {
    driver: &'static Driver,
    protocol: Box<dyn Protocol>,
    streams: [Vec<u8>; 2],
    /// Where the last check was found.
    check: Option<CheckPlace>,
    /// Frames that were changed before, with their result.
    known: BTreeMap<Vec<u8>, Vec<u8>>,
}

const DIRECTIONS: [Direction; 2] = [Direction::Sent, Direction::Received];

impl Frames {
    fn new(recording: &Recording, driver: &'static Driver) -> Self {
        let mut frames =
            Self { driver, protocol: (driver.new)(None), streams: Default::default(), check: None, known: BTreeMap::new() };
        frames.reload(recording);
        frames
    }

    fn reload(&mut self, recording: &Recording) {
        self.streams = DIRECTIONS.map(|direction| {
            let events = recording.traffic.iter().filter(|event| event.direction == direction);
            events.flat_map(|event| event.bytes.iter().copied()).collect()
        });
    }

    fn store(&self, recording: &mut Recording) {
        for (direction, stream) in DIRECTIONS.into_iter().zip(&self.streams) {
            let mut rest = stream.as_slice();
            for event in recording.traffic.iter_mut().filter(|event| event.direction == direction) {
                if let Some((bytes, behind)) = rest.split_at_checked(event.bytes.len()) {
                    event.bytes.copy_from_slice(bytes);
                    rest = behind;
                }
            }
        }
    }

    /// The valid frames of a stream, and what lies between them.
    fn parts(&self, stream: &[u8]) -> Vec<(Range<usize>, bool)> {
        let (mut parts, mut at, mut loose) = (Vec::new(), 0_usize, 0_usize);
        while at < stream.len() {
            let rest = stream.get(at..).unwrap_or_default();
            let length = self.protocol.valid_frame_len(rest).min(rest.len());
            if length == 0 {
                at = at.saturating_add(1);
                continue;
            }
            if loose < at {
                parts.push((loose..at, false));
            }
            let end = at.saturating_add(length);
            parts.push((at..end, true));
            (at, loose) = (end, end);
        }
        if loose < stream.len() {
            parts.push((loose..stream.len(), false));
        }
        parts
    }

    /// Overwrites what `find` finds in each part, and repairs the checks.
    fn replace(&mut self, find: impl Fn(&[u8]) -> Vec<Place>) {
        self.known.clear();
        let mut streams = std::mem::take(&mut self.streams);
        for stream in &mut streams {
            for (range, is_frame) in self.parts(stream) {
                let Some(bytes) = stream.get_mut(range) else { continue };
                let found = find(bytes);
                if found.is_empty() {
                    continue;
                }
                if let Some(done) = self.known.get(bytes) {
                    bytes.copy_from_slice(done);
                    continue;
                }
                let original = bytes.to_vec();
                found.into_iter().for_each(|(place, coding)| overwrite(bytes.get_mut(place).unwrap_or_default(), coding));
                if is_frame {
                    self.repair(bytes);
                }
                self.known.insert(original, bytes.to_vec());
            }
        }
        self.streams = streams;
    }

    /// Finds the check by which the frame is valid again. Without one it stays damaged, which is noticed by decoding.
    fn repair(&mut self, frame: &mut [u8]) {
        // The usual checks at all places first; trying all values of 16 bits takes long.
        let usual = self.check.into_iter().chain(CHECKS).map(|place| (place, false));
        for ((behind, length, in_hex), exhaustive) in usual.chain(CHECKS.map(|place| (place, true))).collect::<Vec<_>>() {
            let end = frame.len().saturating_sub(behind);
            let range = end.saturating_sub(length)..end;
            let Some(before) = frame.get(range.clone()).map(<[u8]>::to_vec) else { continue };
            if in_hex && !before.iter().all(u8::is_ascii_hexdigit) {
                continue;
            }
            let is_wide = length == if in_hex { 4 } else { 2 };
            let checks: Vec<u16> = match (is_wide, exhaustive) {
                (false, _) => (0..=0xFF).collect(),
                (true, true) => (0..=u16::MAX).collect(),
                (true, false) => usual_checks(frame.get(..range.start).unwrap_or_default()),
            };
            for check in checks {
                let bytes = match (in_hex, is_wide) {
                    (true, true) => format!("{check:04X}").into_bytes(),
                    (true, false) => format!("{check:02X}").into_bytes(),
                    (false, true) => check.to_be_bytes().to_vec(),
                    (false, false) => check.to_be_bytes().into_iter().skip(1).collect(),
                };
                if let Some(place) = frame.get_mut(range.clone()) {
                    place.copy_from_slice(&bytes);
                }
                if self.protocol.valid_frame_len(frame) == frame.len() {
                    self.check = Some((behind, length, in_hex));
                    return;
                }
            }
            if let Some(place) = frame.get_mut(range) {
                place.copy_from_slice(&before);
            }
        }
    }

    /// Overwrites `part` of a text wherever it is. Where that changes a value, it halves the part, because bytes of a value may look like a
    /// text, and stand beside one.
    fn replace_text(&mut self, text: Form, part: Range<usize>, before: &[Map<String, Value>], recording: &mut Recording) {
        let width = if text.coding == Coding::Hex { 2 } else { 1 };
        let (mut text, mut parts) = (text, vec![part]);
        let mut tries = 0_usize;
        while let Some(part) = parts.pop().filter(|_| tries < MAX_PARTS) {
            let mut after = text.clone();
            overwrite(after.bytes.get_mut(part.clone()).unwrap_or_default(), text.coding);
            if after == text {
                continue;
            }
            tries = tries.saturating_add(1);
            let mut changed = recording.clone();
            self.reload(&changed);
            self.replace(|bytes| {
                let whole = places(bytes, &text.bytes).into_iter().map(|place| place.start);
                whole.map(|at| (at.saturating_add(part.start)..at.saturating_add(part.end), text.coding)).collect()
            });
            self.store(&mut changed);
            if same(before, &decoded(&changed, self.driver)) {
                (*recording, text) = (changed, after);
            } else if part.len() > width {
                let half = part.len().div_ceil(2).next_multiple_of(width);
                let middle = part.start.saturating_add(half).min(part.end);
                parts.extend([part.start..middle, middle..part.end]);
            }
        }
    }

    /// The distinct texts in valid frames, in plain characters or in hex digits, the longest first.
    fn texts(&self, public: &[String]) -> Vec<Form> {
        let mut texts: Vec<Form> = Vec::new();
        let [_, received] = &self.streams;
        for (range, _) in self.parts(received).into_iter().filter(|(_, is_frame)| *is_frame) {
            let frame = received.get(range).unwrap_or_default();
            let digits = frame.strip_prefix(b"~").filter(|digits| digits.iter().rev().skip(1).all(u8::is_ascii_hexdigit));
            if let Some(digits) = digits {
                // A protocol of hex digits: a text is twice as long.
                let is_char = |pair: &&[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).is_ok_and(is_text);
                let pairs: Vec<&[u8]> = digits.chunks_exact(2).collect();
                for run in pairs.split(|pair| !is_char(pair)).filter(|run| run.len() >= TEXT) {
                    let bytes = run.concat();
                    if crate::base::hex::decode(&String::from_utf8_lossy(&bytes)).is_ok_and(|plain| is_personal(&plain, public)) {
                        texts.push(Form { bytes, coding: Coding::Hex, is_plain_text: true });
                    }
                }
                continue;
            }
            let runs = frame.split(|byte| !is_text(*byte)).filter(|run| run.len() >= TEXT && is_personal(run, public));
            texts.extend(runs.map(|run| Form { bytes: run.to_vec(), coding: Coding::Plain, is_plain_text: true }));
        }
        texts.sort_by(|a, b| b.bytes.len().cmp(&a.bytes.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        texts
    }

    /// Overwrites texts outside of valid frames, except in `requests`, which are ranges of what was sent, and in echoes of such.
    fn overwrite_loose_text(&mut self, requests: &[Range<usize>]) {
        let parts: Vec<_> = self.streams.iter().map(|stream| self.parts(stream)).collect();
        for ((stream, parts), requests) in self.streams.iter_mut().zip(parts).zip([requests, &[]]) {
            let is_asked = |at: &usize| requests.iter().any(|request| request.contains(at));
            for (range, _) in parts.into_iter().filter(|(_, is_frame)| !is_frame) {
                let mut is_loose: Vec<bool> = range.clone().map(|at| !is_asked(&at)).collect();
                let bytes = stream.get_mut(range).unwrap_or_default();
                let mut at = 0_usize;
                while at < bytes.len() {
                    let length = bytes.get(at..).and_then(short_request).unwrap_or(0);
                    is_loose.iter_mut().skip(at).take(length).for_each(|loose| *loose = false);
                    at = at.saturating_add(length.max(1));
                }
                let mut marked: Vec<(&mut u8, bool)> = bytes.iter_mut().zip(is_loose).collect();
                let is_shown = |(byte, loose): &(&mut u8, bool)| *loose && is_text(**byte);
                let runs = marked.chunk_by_mut(|a, b| is_shown(a) == is_shown(b));
                let texts = runs.filter(|run| run.len() >= LOOSE_TEXT && run.first().is_some_and(is_shown));
                texts.flat_map(|run| run.iter_mut()).for_each(|(byte, _)| **byte = b'*');
            }
        }
    }
}

/// Whether a text has letters or digits to hide, and is none that everybody may know, or part of one.
fn is_personal(text: &[u8], public: &[String]) -> bool {
    let shown = String::from_utf8_lossy(text);
    !is_neutral(text) && !public.iter().any(|known| known.contains(shown.trim()))
}

/// Whether a text is what would replace it.
fn is_neutral(text: &[u8]) -> bool {
    text.iter().all(|byte| !byte.is_ascii_alphanumeric() || neutral(*byte) == *byte)
}
