//! %label%: binary frames with a sum, 9600 8N1, big endian. One request gives all values.
//!
//! ```text
//! request  B7 1D command 00 … sum16          reply  B7 1D command length data… sum16
//! sum16    u16, sum of all bytes before it
//! 01  values   u16 pack 10 mV, i16 current 10 mA (+ charges), u16 SoC 0.1 %, u16 cycles, u16 remaining 10 mAh, u16 full 10 mAh,
//!              u16 alarms, u8 state (bit 0 charge FET, bit 1 discharge FET), u8 cells, u16 mV each, u8 sensors, i16 0.1 °C each
//! ```
//! TODO(1): the drawing above, and every number in this file, is an example. Draw the frames of the board instead.
//!
//! Sources: TODO(1): two independent descriptions, and the recordings in `tests/vectors/%name%`.

use super::bits::{Bit, apply_word, l1, l2};
use super::bytes::{Reader, show_cells, sum16, u16s_be, unless};
use super::frame_shape::{FrameShape, Length};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::AlarmName::*;
use crate::model::Reading;
use std::time::Duration;

/// The registry entry.
// TODO(2): `boards`, speed, addresses and pause as the manual has them; `Driver` in src/bms/mod.rs explains each field.
pub const DRIVER: Driver = Driver {
    name: "%name%",
    label: "%label%",
    boards: "%label% with RS485",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    // Until recordings of two real boards prove the values: a search does not ask for it.
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |_| Box::new(%type%),
};

// TODO(2): first bytes, place of the length, bytes that the length does not count, and the check. A request has no data, so that its
// echo is none of these frames.
const HEADER: [u8; 2] = [0xB7, 0x1D];
const SHAPE: FrameShape =
    FrameShape { header: &HEADER, length: Length::Stated { at: 3, wide: false, values: 1..=0xFF, uncounted: 6 }, is_sound };

/// The command whose reply has the values. It identifies the family.
const VALUES: u8 = 0x01;

const MAX_CELLS: u8 = 24;
const MAX_SENSORS: u8 = 8;
const OTHER_BOARD: DecodeError = DecodeError::Layout { what: "values of another board" };

/// Bit 0 first. A bit that no source explains is `Bit::Undocumented`; the names are in src/model/alarm.rs.
// TODO(3): the bits of the board; l1 is a warning, l2 a protection that has acted.
#[rustfmt::skip]
const ALARMS: [[Bit; 8]; 2] = [
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(HighChargeCurrent), l2(HighDischargeCurrent),
     l2(HighTemperature), l2(LowChargeTemperature), l2(ShortCircuit), Bit::Undocumented],
    [l1(CellHighVoltage), l1(CellLowVoltage), Bit::Undocumented, Bit::Undocumented,
     Bit::Undocumented, Bit::Undocumented, Bit::Undocumented, Bit::Undocumented],
];

fn is_sound(frame: &[u8]) -> bool {
    frame.split_last_chunk().is_some_and(|(checked, sum)| sum16(checked) == u16::from_be_bytes(*sum))
}

fn request(what: &'static str, command: u8) -> Request {
    let [header, second] = HEADER;
    let head = [header, second, command, 0];
    let bytes = [&head[..], &sum16(&head).to_be_bytes()].concat();
    Request { what, bytes: bytes.into(), timeout: Duration::from_millis(500), required: true }
}

/// Decoder state: none.
#[derive(Debug)]
struct %type%;

impl Codec for %type% {
    fn framing(&self, buf: &[u8]) -> Framing {
        SHAPE.framing(buf)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let Some((&[_, _, command, length], rest)) = frame.split_first_chunk::<4>() else {
            return Err(DecodeError::Short { field: "head" });
        };
        if let Expected::Request(asked) = expected
            && asked.bytes.get(2) != Some(&command)
        {
            return Err(DecodeError::Foreign { what: "a reply to another request" });
        }
        let data = rest.get(..usize::from(length)).ok_or(DecodeError::Short { field: "data" })?;
        match command {
            VALUES => values(data, into)?,
            _ => return Err(DecodeError::Foreign { what: "a reply to an unknown request" }),
        }
        Ok(Progress::Done)
    }
}

impl Protocol for %type% {
    fn identify(&self) -> Request {
        request("values", VALUES)
    }

    // TODO(3): further requests, each with its reply in `decode`; data that never changes only until they are known
    // (`AskUntilKnown`), as in src/bms/tianpower/mod.rs.
    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        vec![self.identify()]
    }
}

// TODO(3): order, scales, the sign of the current (positive charges), and the raw values that mean "none". What no source tells stays
// unknown: skip it.
fn values(data: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(data);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::centi);
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(Percent::deci);
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("full capacity")?).map(AmpHours::centi);

    into.alarms = Some(Vec::new());
    apply_word("alarm", r.u16_be("alarms")?.to_le_bytes(), &ALARMS, into);
    let state = unless(&[0xFF], r.u8("state")?);
    into.fets.charge = state.map(|state| state & 1 != 0);
    into.fets.discharge = state.map(|state| state & 2 != 0);

    let cells = Some(r.u8("number of cells")?).filter(|count| (1..=MAX_CELLS).contains(count)).ok_or(OTHER_BOARD)?;
    into.cell_count = Some(cells);
    let cells = u16s_be(r.bytes(usize::from(cells).saturating_mul(2), "cells")?);
    show_cells(cells.map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
    let mut sensors = Vec::new();
    for _ in 0..Some(r.u8("number of sensors")?).filter(|count| *count <= MAX_SENSORS).ok_or(OTHER_BOARD)? {
        sensors.extend(unless(&[i16::MIN, i16::MAX, -1], r.i16_be("temperature")?).map(Celsius::deci));
    }
    into.temperatures.sensors = Some(sensors);
    if r.left() == 0 { Ok(()) } else { Err(OTHER_BOARD) }
}
