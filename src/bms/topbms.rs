//! TopBMS (16S LFP, "V1.7" ASCII protocol): `~ … CR` in upper-case hex, 9600 8N1.
//!
//! ```text
//! request  ~ 21 adr 46 cid2 LENGTH pack CHKSUM CR     cid2: 42 values, 44 alarms; pack is the address again
//! reply    ~ 52 adr 46 rtn  LENGTH INFO CHKSUM CR     rtn: 00 fine, anything else a refusal
//! LENGTH   four digits: check digit, then the number of INFO's characters; the four digits' values sum up to 0 mod 16
//! CHKSUM   two's complement of the sum of all characters between ~ and CHKSUM
//!
//! INFO 42  pack, u8 cells, u16 mV each, u8 sensors, u16 °C + 40 each, i16 current 10 mA (+ charges), u16 pack 10 mV,
//!          u16 remaining 10 mAh, u8 words that follow (5 or 6): capacity 10 mAh, cycles, u8 SoC and u8 SoH, balancing (bit 0 is
//!          cell 1), the rest is unknown
//! INFO 44  pack, u8 cells, a code each, u8 sensors, a code each, current code, voltage code, 2 bytes short circuits,
//!          u8 status bytes that follow, 0 to 2 reserved (the document has 2, boards send fewer); codes: 00 fine, 01 low,
//!          02 high, F0 other
//! ```
//! The document puts an INFOFLAG before INFO, the recording has none: both are taken where the counts fit the length.
//! Pylontech (VER 20, 0.1 K), Pace (25) and TopBAND (the same request, 0.1 K) look alike and are not this protocol.
//!
//! Source: kekemar/TopBMS_To_Domoticz (BMS/Protocol_BMS.pdf, README.md). Reply 44 is known from the document only.

use super::bytes::{Reader, set_bits, show_cells, skip_to, sum16, u16s_be, unless};
use super::{Asked, DecodeError, Driver, Framing, Line, Progress, Protocol, Request, Sharing};
use crate::hex;
use crate::model::Reading;
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts};
use std::borrow::Cow;
use std::time::Duration;

pub(crate) mod status;

/// The registry entry. A battery's address is its pack number.
pub const DRIVER: Driver = Driver {
    name: "topbms",
    label: "TopBMS",
    boards: "TopBMS 16S LFP packs (ASCII protocol V1.7)",
    lines: &[Line { baud: 9600 }],
    lines_only: false,
    addresses: &[1, 0],
    gap: Duration::from_millis(20),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(16),
    new: |address| Box::new(TopBms { address: address.unwrap_or(1), without_alarms: 0 }),
};

const VALUES: u8 = 0x42;
const ALARMS: u8 = 0x44;

/// `~`, VER, ADR, CID1, RTN, LENGTH.
const HEAD: usize = 13;
/// CHKSUM and CR.
const TAIL: usize = 5;
/// Characters of INFO in the longest reply: 48 cells, 16 sensors.
const MAX_INFO: usize = 2 * (2 + 2 * 48 + 1 + 2 * 16 + 8 + 16);
const MAX_CELLS: usize = 48;
const MAX_SENSORS: usize = 16;

/// Decoder state: whom to ask, and what this pack never answers.
#[derive(Debug)]
struct TopBms {
    address: u8,
    /// Readings of values since alarms were heard.
    without_alarms: u8,
}

impl Protocol for TopBms {
    fn identify(&self) -> Request {
        self.request("values", VALUES, true)
    }

    fn plan(&mut self, _known: &Reading) -> Vec<Request> {
        let mut plan = vec![self.identify()];
        // A pack that does not know this costs a timeout each time: it is asked seldom then.
        if self.without_alarms <= 3 || self.without_alarms.is_multiple_of(16) {
            plan.push(self.request("alarms", ALARMS, false));
        }
        plan
    }

    fn framing(&self, buf: &[u8]) -> Framing {
        let Some((b'~', rest)) = buf.split_first() else {
            return if buf.is_empty() { Framing::Incomplete } else { skip_to(b'~', buf) };
        };
        let are_digits = |characters: usize| rest.iter().take(characters).all(|character| digit(*character).is_some());
        // A request, our own echoed or another master's: VER 21 and a command in place of RTN.
        let request = matches!(rest, [b'2', b'1', _, _, _, _, b'4' | b'5' | b'E' | b'F', ..]);
        if request || !are_digits(HEAD - 1) {
            return skip_to(b'~', buf);
        }
        let Some(length) = buf.get(HEAD - 4..HEAD) else { return Framing::Incomplete };
        let Some(info) = info_length(length).filter(|info| *info <= MAX_INFO) else { return skip_to(b'~', buf) };
        let end = HEAD.saturating_add(info).saturating_add(TAIL);
        match buf.get(..end) {
            _ if !are_digits(end.saturating_sub(2)) => skip_to(b'~', buf),
            None => Framing::Incomplete,
            Some(frame) if is_right(frame) => Framing::Frame(0..end),
            Some(_) => skip_to(b'~', buf),
        }
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.get(3..5).and_then(byte)
    }

    fn decode(&mut self, asked: Asked<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let [version, address, group, rtn] = [1usize, 3, 5, 7].map(|at| frame.get(at..at.saturating_add(2)).and_then(byte));
        family(version, group)?;
        let command = match asked {
            Asked::Anything => None,
            Asked::Request(request) if request.bytes.get(3..5).and_then(byte) != address => {
                return Err(DecodeError::Foreign { what: "another pack" });
            }
            Asked::Request(request) => request.bytes.get(7..9).and_then(byte),
        };
        match rtn.ok_or(DecodeError::Short { field: "return code" })? {
            0 => {}
            code => return Err(DecodeError::Refused { code }),
        }
        let digits = frame.get(HEAD..frame.len().saturating_sub(TAIL)).unwrap_or_default();
        let info = hex::decode(&String::from_utf8_lossy(digits)).map_err(|_| DecodeError::Short { field: "information" })?;
        // With INFOFLAG the same stands one byte later.
        let layouts = [info.as_slice(), info.get(1..).unwrap_or_default()];
        let kinds = [VALUES, ALARMS].into_iter().filter(|kind| command.is_none_or(|command| command == *kind));
        let mut declined = None;
        for (kind, layout) in kinds.flat_map(|kind| layouts.map(|layout| (kind, layout))) {
            let mut merged = into.clone();
            match read(kind, layout, &mut merged) {
                Ok(()) => {
                    *into = merged;
                    self.without_alarms = if kind == ALARMS { 0 } else { self.without_alarms.wrapping_add(1) };
                    return Ok(Progress::Done);
                }
                Err(error) => declined = declined.or(Some(error)),
            }
        }
        Err(declined.unwrap_or(DecodeError::Foreign { what: "another command" }))
    }
}

impl TopBms {
    fn request(&self, what: &'static str, command: u8, required: bool) -> Request {
        let body = format!("21{0:02X}46{command:02X}E002{0:02X}", self.address);
        let check = sum16(body.as_bytes()).wrapping_neg();
        let bytes = Cow::Owned(format!("~{body}{check:04X}\r").into_bytes());
        Request { what, bytes, timeout: Duration::from_millis(600), required }
    }
}

fn read(kind: u8, info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let mut r = Reader::new(info);
    r.skip(1, "pack number")?;
    if kind == VALUES { values(&mut r, into) } else { status::alarms(&mut r, into) }
}

fn values(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let cells = count(r, MAX_CELLS, "cell count")?;
    into.cell_count = u8::try_from(cells).ok().filter(|count| *count > 0);
    let cells = u16s_be(r.bytes(cells.saturating_mul(2), "cell voltages")?);
    show_cells(cells.map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
    let sensors = count(r, MAX_SENSORS, "sensor count")?;
    let temperatures: Vec<u16> = u16s_be(r.bytes(sensors.saturating_mul(2), "temperatures")?).collect();
    if temperatures.iter().any(|raw| *raw > 0xFF && *raw != 0xFFFF) {
        return Err(DecodeError::Foreign { what: "temperatures in 0.1 K: a TopBAND or Pylontech battery" });
    }
    let fitted = temperatures.into_iter().filter_map(|raw| unless(&NO_SENSOR, raw));
    into.temperatures = Some(fitted.map(Celsius::offset_40).collect());
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::centi);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    let words = usize::from(r.u8("word count")?);
    if !matches!(words, 5 | 6) || r.left() != words.saturating_mul(2) {
        return Err(UNFIT);
    }
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("full capacity")?).map(AmpHours::centi);
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    into.soc = unless(&[0xFF], r.u8("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    into.soh = unless(&[0, 0xFF], r.u8("SoH")?).map(|raw| Percent::new(f64::from(raw)));
    let balancing = u32::from(r.u16_be("balancing")?);
    into.balancing = Some(balancing != 0);
    into.balancing_cells = Some(set_bits(balancing));
    Ok(())
}

/// A sensor that is not fitted: nobody documents it, but these are -40 °C, 215 °C and beyond one byte.
const NO_SENSOR: [u16; 3] = [0x0000, 0x00FF, 0xFFFF];

const UNFIT: DecodeError = DecodeError::Foreign { what: "counts that do not fit the length" };

fn count(r: &mut Reader<'_>, most: usize, field: &'static str) -> Result<usize, DecodeError> {
    Some(usize::from(r.u8(field)?)).filter(|count| *count <= most).ok_or(UNFIT)
}

/// Other families share the frame and the checksums, but not what stands inside.
fn family(version: Option<u8>, group: Option<u8>) -> Result<(), DecodeError> {
    let what = match (version, group) {
        (Some(0x52), Some(0x46)) => return Ok(()),
        (Some(0x20), _) => "VER 20: a Pylontech or Seplos battery",
        (Some(0x21), _) => "VER 21: a TopBAND battery, or a request",
        (Some(0x22), _) => "VER 22: a Daren or KS48100 battery",
        (Some(0x25), _) => "VER 25: a Pace or TDT battery",
        _ => "another battery family with this frame",
    };
    Err(DecodeError::Foreign { what })
}

/// Two hex digits.
fn byte(digits: &[u8]) -> Option<u8> {
    match digits {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// Only upper case: the checksum is one of characters.
fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character & 0x0F),
        b'A'..=b'F' => Some((character & 0x0F).wrapping_add(9)),
        _ => None,
    }
}

/// Number of INFO's characters, if the check digit is right.
fn info_length(digits: &[u8]) -> Option<usize> {
    let [check, rest @ ..] = digits else { return None };
    let values = rest.iter().map(|character| digit(*character)).collect::<Option<Vec<u8>>>()?;
    let sum = values.iter().fold(digit(*check)?, |sum, value| sum.wrapping_add(*value));
    (sum & 0x0F == 0).then(|| values.iter().fold(0, |length, value| length << 4 | usize::from(*value)))
}

/// Whether CHKSUM and CR end the frame.
fn is_right(frame: &[u8]) -> bool {
    let Some((text, &[a, b, c, d, b'\r'])) = frame.split_last_chunk::<TAIL>() else { return false };
    let (Some(high), Some(low)) = (byte(&[a, b]), byte(&[c, d])) else { return false };
    sum16(text.get(1..).unwrap_or_default()).wrapping_add(u16::from_be_bytes([high, low])) == 0
}
