//! LiTime, Redodo and Power Queen: batteries on Bluetooth only, one frame per reading.
//!
//! ```text
//! request  00 00 04 01 13 55 AA 17          the only one that is sent: some other commands switch the battery off for good
//! reply    00 00 65 01 93 55 AA 00 … sum8   105 bytes, low byte first; the length counts all but the first three and the sum
//! content  8 u32 mV pack · 12 u16 mV sum of the cells · 16 sixteen cells, u16 mV, 0 = none · 48 i32 mA, + charges ·
//!          52 five sensors, i16 °C: cells, MOSFETs, … · 62 u16 10 mAh remaining · 64 u32 10 mAh capacity · 76 u32 protections ·
//!          80 u32 failures · 84 u32 cells that balance · 88 u16 state, 4 = charging disabled · 90 u16 SoC · 92 u32 SoH · 96 u32 cycles
//! ```
//! Sources: patman15/aiobmsble (`redodo_bms.py` and its test), a description of Redodo's protocol with captures of its app, and the
//! protection bits in a third program with the same meaning. No recording of a real battery with all values is public.

use super::bits::{Bit, apply_word, l2};
use super::bytes::{Reader, has_sum8, show_cells, unless};
use super::frame_shape::{FrameShape, Length};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::AlarmName::*;
use crate::model::Reading;
use std::borrow::Cow;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "litime",
    label: "LiTime",
    boards: "LiTime, Redodo and Power Queen batteries with Bluetooth",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[],
    // Its app asks every 1.5 s at most.
    gap: Duration::from_millis(500),
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    evidence: Evidence::Untested,
    transports: &[Transport::Bluetooth],
    new: |_| Box::new(LiTime::default()),
};

const STATUS: Request = Request {
    what: "status",
    bytes: Cow::Borrowed(&[0x00, 0x00, 0x04, 0x01, 0x13, 0x55, 0xAA, 0x17]),
    timeout: Duration::from_millis(1500),
    required: true,
};

const HEADER: [u8; 7] = [0x00, 0x00, 0x65, 0x01, 0x93, 0x55, 0xAA];
const SHAPE: FrameShape = FrameShape { header: &HEADER, length: Length::Fixed(105), is_sound: has_sum8 };

const CELLS: usize = 16;
const SENSORS: usize = 5;

/// Protections that have acted, low byte first.
#[rustfmt::skip]
const PROTECTIONS: [[Bit; 8]; 4] = [
    [Bit::Undocumented, Bit::Undocumented, l2(HighVoltage), Bit::Undocumented,
     Bit::Undocumented, l2(LowVoltage), l2(HighChargeCurrent), l2(HighDischargeCurrent)],
    [l2(HighChargeTemperature), l2(HighTemperature), l2(LowChargeTemperature), l2(LowTemperature),
     Bit::Undocumented, Bit::Undocumented, l2(ShortCircuit), Bit::Undocumented],
    [Bit::Undocumented; 8],
    [Bit::Undocumented; 8],
];

/// Decoder state.
#[derive(Debug, Default)]
struct LiTime {
    /// Sensors that have ever had a value: those that are not fitted stay at 0.
    sensors: usize,
}

impl Codec for LiTime {
    fn framing(&self, buf: &[u8]) -> Framing {
        SHAPE.framing(buf)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        if let Expected::Request(request) = expected
            && request.bytes != STATUS.bytes
        {
            return Err(DecodeError::Foreign { what: "another request" });
        }
        let r = &mut Reader::new(frame);
        r.skip(12, "header and pack")?;
        into.voltage = unless(&[0, u32::MAX], r.u32_le("voltage")?).map(Volts::milli);
        let cells = r.bytes(2 * CELLS, "cells")?.as_chunks().0.iter().copied().map(u16::from_le_bytes);
        let mut cells: Vec<u16> = cells.collect();
        // One of 0 V before the last cell has a broken wire.
        cells.truncate(cells.iter().rposition(|cell| *cell != 0).map_or(0, |last| last.saturating_add(1)));
        into.cell_count = u8::try_from(cells.len()).ok().filter(|count| *count > 0);
        show_cells(cells.into_iter().map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
        into.current = unless(&[i32::MIN, i32::MAX], r.i32_le("current")?).map(Amps::milli);
        self.temperatures(r, into)?;
        into.remaining = unless(&[0xFFFF], r.u16_le("remaining")?).map(AmpHours::centi);
        into.capacity = unless(&[0, u32::MAX], r.u32_le("capacity")?).map(AmpHours::centi);
        r.skip(8, "heater")?;
        into.alarms = Some(Vec::new());
        let protections = r.u32_le("protections")?.to_le_bytes();
        apply_word("protection", protections, &PROTECTIONS, into);
        let failures = r.u32_le("failures")?;
        if failures != 0 {
            into.raise(BmsInternal, crate::model::Level::Alarm);
            into.note(format!("failure bits {failures:08x} (meaning not documented)"));
        }
        into.balancing.active = Some(r.u32_le("balancing")? != 0);
        let state = r.u16_le("state")?;
        into.fets.charge = (state <= 7).then_some(state & 4 == 0);
        into.soc = unless(&[0xFFFF], r.u16_le("SoC")?).map(|raw| Percent::new(f64::from(raw)));
        into.soh = unless(&[u32::MAX], r.u32_le("SoH")?).map(|raw| Percent::new(f64::from(raw)));
        into.cycles = unless(&[u32::MAX], r.u32_le("cycles")?);
        Ok(Progress::Done)
    }
}

impl LiTime {
    fn temperatures(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
        let mut all = Vec::new();
        for _ in 0..SENSORS {
            all.push(r.i16_le("temperature")?);
        }
        let used = all.iter().rposition(|raw| *raw != 0).map_or(1, |last| last.saturating_add(1));
        self.sensors = self.sensors.max(used);
        all.truncate(self.sensors);
        into.temperatures.sensors = Some(all.into_iter().map(|raw| Celsius::new(f64::from(raw))).collect());
        Ok(())
    }
}

impl Protocol for LiTime {
    fn identify(&self) -> Request {
        STATUS
    }

    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        vec![STATUS]
    }
}
