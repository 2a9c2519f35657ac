//! Makes a recording a test that may be published: serial numbers and names in its frames are replaced by rule. Pure.
//!
//! | what | how it is found | what replaces it |
//! |---|---|---|
//! | serial number | the decoder reports it: its text, as hex, as a number or its digits | `0` and `X`, or bytes of 0x11 |
//! | name or other text | at least five printable characters in a row that are not the model, a version or a date | `0` and `X` |
//! | text outside of valid frames | at least four printable characters | `*` |
//! | note, source, settings | | a fixed text; of the settings only those of the limits |
//!
//! Frames stay valid: their check is found again by trying. The result must decode to the same values, apart from the serial number;
//! otherwise it is refused.

use super::file::{Direction, Recording};
use crate::bms::{Driver, Protocol};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
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
    let mut frames = Frames::new(recording, driver);
    for serial in &serials {
        let forms = forms(serial);
        frames.replace(|bytes| forms.iter().flat_map(|form| places(bytes, form)).collect());
    }
    frames.store(recording);
    // One text after the other: bytes that only look like one would change a value.
    for text in frames.texts(&public) {
        let mut changed = recording.clone();
        frames.reload(&changed);
        frames.replace(|bytes| places(bytes, &text));
        frames.store(&mut changed);
        if same(&before, &decoded(&changed, driver)) {
            *recording = changed;
        }
    }
    frames.reload(recording);
    frames.overwrite_loose_text();
    frames.store(recording);
    let after = decoded(recording, driver);
    if !same(&before, &after) {
        return Err(AnonymousError::Left { what: "a text", bms });
    }
    let all = recording.received();
    let shown = serde_json::to_string(&after).unwrap_or_default();
    if serials
        .iter()
        .any(|serial| shown.contains(serial.as_str()) || forms(serial).iter().any(|form| !places(&all, form).is_empty()))
    {
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

/// The bytes in which a serial number may be sent.
fn forms(serial: &str) -> Vec<Vec<u8>> {
    let swapped = |bytes: &[u8]| bytes.chunks(2).flat_map(|pair| pair.iter().rev().copied()).collect::<Vec<u8>>();
    let mut forms = vec![serial.as_bytes().to_vec(), swapped(serial.as_bytes())];
    if let Ok(number) = serial.parse::<u64>()
        && number > u64::from(u16::MAX)
    {
        if let Ok(short) = u32::try_from(number) {
            forms.extend([short.to_be_bytes().to_vec(), short.to_le_bytes().to_vec()]);
        } else {
            forms.extend([number.to_be_bytes().to_vec(), number.to_le_bytes().to_vec()]);
        }
    }
    let digits = serial.len() >= 6 && serial.len().is_multiple_of(2);
    forms.extend(crate::base::hex::decode(serial).ok().filter(|_| digits));
    let hex: Vec<Vec<u8>> = forms
        .iter()
        .flat_map(|form| {
            let text = crate::base::hex::encode(form);
            [text.to_ascii_uppercase().into_bytes(), text.into_bytes()]
        })
        .collect();
    forms.extend(hex);
    forms.retain(|form| form.len() >= 3);
    forms.sort();
    forms.dedup();
    forms
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
fn overwrite(bytes: &mut [u8]) {
    let text = bytes.iter().all(|byte| is_text(*byte));
    let pairs: Vec<u8> =
        if text { crate::base::hex::decode(&String::from_utf8_lossy(bytes)).unwrap_or_default() } else { Vec::new() };
    if pairs.len() >= 3 && pairs.iter().all(|byte| is_text(*byte)) {
        // Text in hex digits.
        let neutral: Vec<u8> = pairs.iter().map(|byte| neutral(*byte)).collect();
        bytes.copy_from_slice(crate::base::hex::encode(neutral).to_ascii_uppercase().as_bytes());
    } else if text {
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
    (2, 1, false),
    (0, 2, false),
    (1, 2, false),
    (2, 2, false),
    (1, 4, true),
    (1, 2, true),
    (0, 2, true),
];

/// The streams of both directions, divided into frames.
struct Frames {
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
        let mut frames = Self { protocol: (driver.new)(None), streams: Default::default(), check: None, known: BTreeMap::new() };
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
    fn replace(&mut self, find: impl Fn(&[u8]) -> Vec<Range<usize>>) {
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
                found.into_iter().for_each(|place| overwrite(bytes.get_mut(place).unwrap_or_default()));
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
        let places: Vec<CheckPlace> = self.check.into_iter().chain(CHECKS).collect();
        for (behind, length, in_hex) in places {
            let end = frame.len().saturating_sub(behind);
            let range = end.saturating_sub(length)..end;
            let Some(before) = frame.get(range.clone()).map(<[u8]>::to_vec) else { continue };
            if in_hex && !before.iter().all(u8::is_ascii_hexdigit) {
                continue;
            }
            let bits = if in_hex { length.saturating_mul(4) } else { length.saturating_mul(8) };
            for check in 0..(1_u32 << bits.min(16)) {
                let bytes = match (in_hex, length) {
                    (true, 4) => format!("{check:04X}").into_bytes(),
                    (true, _) => format!("{check:02X}").into_bytes(),
                    (false, 2) => (check as u16).to_be_bytes().to_vec(),
                    (false, _) => vec![check as u8],
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

    /// The distinct texts in valid frames, in plain characters or in hex digits, the longest first.
    fn texts(&self, public: &[String]) -> Vec<Vec<u8>> {
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let [_, received] = &self.streams;
        for (range, _) in self.parts(received).into_iter().filter(|(_, is_frame)| *is_frame) {
            let frame = received.get(range).unwrap_or_default();
            let whole = frame.iter().filter(|byte| is_text(**byte)).count().saturating_add(2) >= frame.len();
            if whole {
                // A protocol of hex digits: a text is twice as long.
                for start in 0..2_usize {
                    let digits = frame.get(start..).unwrap_or_default();
                    let pairs: Vec<Option<u8>> = digits
                        .chunks_exact(2)
                        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|byte| is_text(*byte)))
                        .collect();
                    for run in pairs.split(Option::is_none).filter(|run| run.len() >= TEXT) {
                        let plain: Vec<u8> = run.iter().flatten().copied().collect();
                        if is_personal(&plain, public) {
                            let text = crate::base::hex::encode(&plain);
                            texts.extend([text.to_ascii_uppercase().into_bytes(), text.into_bytes()]);
                        }
                    }
                }
                continue;
            }
            let runs = frame.split(|byte| !is_text(*byte)).filter(|run| run.len() >= TEXT && is_personal(run, public));
            texts.extend(runs.map(<[u8]>::to_vec));
        }
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        texts.dedup();
        texts
    }

    fn overwrite_loose_text(&mut self) {
        let parts: Vec<_> = self.streams.iter().map(|stream| self.parts(stream)).collect();
        for (stream, parts) in self.streams.iter_mut().zip(parts) {
            for (range, _) in parts.into_iter().filter(|(_, is_frame)| !is_frame) {
                let runs = stream.get_mut(range).unwrap_or_default().chunk_by_mut(|a, b| is_text(*a) == is_text(*b));
                let texts = runs.filter(|run| run.len() >= LOOSE_TEXT && run.first().is_some_and(|byte| is_text(*byte)));
                texts.for_each(|run| run.fill(b'*'));
            }
        }
    }
}

/// Whether a text has letters or digits to hide, and is none that everybody may know.
fn is_personal(text: &[u8], public: &[String]) -> bool {
    let shown = String::from_utf8_lossy(text);
    let shown = shown.trim();
    let known = public.iter().any(|known| !known.is_empty() && (known.contains(shown) || shown.contains(known.as_str())));
    let hidden = text.iter().all(|byte| !byte.is_ascii_alphanumeric() || neutral(*byte) == *byte);
    !known && !hidden
}
