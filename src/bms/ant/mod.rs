//! ANT ("ANT BMS", BLE and TB models since 2021): `7E A1 … AA 55` frames, 19200 8N1.
//!
//! ```text
//! request  7E A1 func     addr addr len       crc crc AA 55    func 01 status, 02 registers (22, 23 and 51 would write; never sent)
//! reply    7E A1 func+10h addr addr len data… crc crc … AA 55  behind the CRC of registers stand 6 to 12 bytes of unknown meaning
//! check    Modbus CRC from A1 to the end of the data, low byte first, as all values
//! status   level, state, sensors T, cells C, protections[8], warnings[8], reserved[8], C × mV, T × °C, MOS °C, balancer °C,
//!          V/100, A/10, SoC, SoH, discharge FET, charge FET, balancer, type, capacity µAh, remaining µAh, …
//! ```
//! Sources: the manufacturer's app as described in NotANewNick/antbms-gui (PROTOCOL.md, realtime.py) and PrintNow/antbms-web, and
//! independently syssi/esphome-ant-bms (components/ant_bms), patman15/aiobmsble and Merve-Sa/ANT-BMS-ESP32-C3-UART-Comm. Where they
//! contradict each other, the recordings in `tests/vectors/ant` decide:
//! - Current: positive discharges. `22s-discharging` and `-later`, 39 s apart, lose 0.0236 Ah at +2.1 A.
//! - FETs: first discharge, then charge. `8s-full` and `14s-full` have code 2 (voltage) in the second and a cell too high. The
//!   warnings contain both again (bits 23 and 24); a FET whose two bits contradict each other is unknown.
//! - State 4 is discharging, not 3: both packs of 22 cells, and warning bit 19.
//!
//! Boards until 2020 have another protocol (requests DB DB, replies AA 55 AA FF): see `ant_old`.

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, LIMITS, NAMES};
use super::bytes::{Reader, crc16_modbus, skip_to, text};
use super::frame_shape::{FrameShape, Length};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::borrow::Cow;
use std::time::Duration;
use values::{currents, status, voltages};

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "ant",
    label: "ANT",
    boards: "ANT BMS since 2021 with a serial socket (7E A1 protocol)",
    lines: &[Line { baud: 19200 }],
    listed_lines_only: false,
    addresses: &[],
    gap: Duration::from_millis(10),
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial, Transport::Bluetooth],
    new: |_| Box::new(Ant::default()),
};

const STATUS: Request = read("status", &[0x7E, 0xA1, 0x01, 0x00, 0x00, 0xBE, 0x18, 0x55, 0xAA, 0x55], true);
const MODEL: Request = read("model", &[0x7E, 0xA1, 0x02, 0x6C, 0x02, 0x20, 0x58, 0xC4, 0xAA, 0x55], false);
const VOLTAGES: Request = read("voltage settings", &[0x7E, 0xA1, 0x02, 0x00, 0x00, 0x34, 0x99, 0xB6, 0xAA, 0x55], false);
const CURRENTS: Request = read("current settings", &[0x7E, 0xA1, 0x02, 0x68, 0x00, 0x20, 0x18, 0x65, 0xAA, 0x55], false);

const fn read(what: &'static str, bytes: &'static [u8], required: bool) -> Request {
    Request { what, bytes: Cow::Borrowed(bytes), timeout: Duration::from_millis(500), required }
}

/// At most 12 bytes were seen between the CRC of registers and the end mark.
const MAX_TRAILER: usize = 16;

/// A frame up to its CRC.
const REPLY: FrameShape =
    FrameShape { header: &[0x7E, 0xA1], length: Length::Stated { at: 5, wide: false, values: 0..=0xFF, uncounted: 8 }, is_sound };
/// An echoed request contains the requested length and no data.
const ECHO: FrameShape = FrameShape { length: Length::Fixed(8), ..REPLY };
/// End mark of all frames.
const END: [u8; 2] = [0xAA, 0x55];

/// Decoder state: how often constant data has been requested.
#[derive(Debug, Default)]
struct Ant {
    model: AskUntilKnown,
    voltages: AskUntilKnown,
    currents: AskUntilKnown,
}

impl Codec for Ant {
    fn framing(&self, buf: &[u8]) -> Framing {
        let (shape, trailer) = match buf {
            [_, _, 0x01 | 0x02, _, _, _, ..] => (&ECHO, 0),
            [_, _, 0x11, 0, 0, _, ..] => (&REPLY, 0),
            [_, _, 0x12, _, _, _, ..] => (&REPLY, MAX_TRAILER),
            [_, _, _, _, _, _, ..] => return skip_to(0x7E, buf),
            _ => (&REPLY, 0),
        };
        let frame = shape.framing(buf);
        let Framing::Frame(range) = frame else { return frame };
        // The end mark follows the CRC, with or without a trailer.
        let most = trailer.saturating_add(END.len());
        let behind = buf.get(range.end..).unwrap_or_default();
        let behind = behind.get(..most).unwrap_or(behind);
        let Some(mark) = behind.windows(END.len()).position(|bytes| bytes == END) else {
            return if behind.len() < most { Framing::Incomplete } else { skip_to(0x7E, buf) };
        };
        let end = range.end.saturating_add(mark).saturating_add(END.len());
        if matches!(buf, [_, _, 0x01 | 0x02, ..]) { Framing::Skip(end) } else { Framing::Frame(0..end) }
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let mut r = Reader::new(frame);
        r.skip(2, "start")?;
        let (function, register) = (r.u8("function")?, r.u16_le("address")?);
        let [low, high] = register.to_le_bytes();
        if let Expected::Request(request) = expected
            && request.bytes.get(2..5) != Some(&[function ^ 0x10, low, high])
        {
            return Err(DecodeError::Foreign { what: "another function or register" });
        }
        let len = usize::from(r.u8("length")?);
        let r = &mut Reader::new(r.bytes(len, "data")?);
        match (function, register) {
            (0x11, _) => {
                status(r, into)?;
                self.model.heard();
                self.voltages.heard();
                self.currents.heard();
            }
            (0x12, 0x026C) => {
                into.device.model = text(r.bytes(16, "model")?);
                into.device.sw_version = text(r.bytes(16, "version")?);
            }
            (0x12, 0x0000) => {
                voltages(r, into)?;
                self.voltages.answered();
            }
            (0x12, 0x0068) => {
                currents(r, into)?;
                self.currents.answered();
            }
            _ => {} // registers without values for a reading
        }
        let settings = &into.settings;
        into.awaited.settings = (settings.cell_ovp.is_none() && self.voltages.is_awaited())
            || (settings.charge_ocp.is_none() && self.currents.is_awaited());
        Ok(Progress::Done)
    }
}

impl Protocol for Ant {
    fn identify(&self) -> Request {
        STATUS
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![STATUS];
        if known.device.model.is_none() && self.model.is_due(&NAMES) {
            plan.push(MODEL);
        }
        let settings = &known.settings;
        if settings.cell_ovp.is_none() && self.voltages.is_due(&LIMITS) {
            plan.push(VOLTAGES);
        }
        if settings.charge_ocp.is_none() && self.currents.is_due(&LIMITS) {
            plan.push(CURRENTS);
        }
        plan
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }
}

/// Whether the CRC of all but the first byte is at the end.
fn is_sound(frame: &[u8]) -> bool {
    let Some((summed, crc)) = frame.split_last_chunk::<2>() else { return false };
    crc16_modbus(summed.get(1..).unwrap_or_default()) == u16::from_le_bytes(*crc)
}
