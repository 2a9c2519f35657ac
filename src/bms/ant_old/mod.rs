//! ANT boards made until 2020: 19200 8N1, big endian. The frame of newer boards (7E A1) is another protocol: see `ant`.
//!
//! ```text
//! request  DB DB 00 00 00 00
//! reply    AA 55 AA FF, 134 bytes, u16 sum of these, 140 bytes in all:
//!   4 voltage 0.1 V    6 cells, 32 × mV     70 i32 current 0.1 A     74 SoC %       75 capacity, 79 remaining in 1e-6 Ah
//!  83 throughput mAh   87 run time          91 six sensors, i16 °C  103 charge FET, 104 discharge FET, 105 balancer
//! 111 power           115 extremes         123 number of cells      132 cells being balanced
//! ```
//! A positive current discharges, as on newer boards: in a recording of -10.7 A the cells of an LFP pack at 41 % have 3.34 V, which
//! they have only while they are charged. Two sources agree, a comment in a third does not.
//! The bits at 132 are the cells being balanced: in a recorded full pack they are the five highest ones.
//!
//! Sources: syssi/esphome-ant-bms (docs/ANT_communication_protocol_EN, components/ant_bms_old), patman15/aiobmsble, and the
//! recordings in `tests/vectors/ant-old`.

pub(crate) mod alarms;
mod values;

use super::bytes::{Reader, sum16};
use super::frame_shape::{FrameShape, Length};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::borrow::Cow;
use std::time::Duration;

/// The registry entry.
pub const DRIVER: Driver = Driver {
    name: "ant-old",
    label: "ANT before 2020",
    boards: "ANT BMS made until 2020 with a serial socket or Bluetooth (AA 55 AA FF protocol)",
    lines: &[Line { baud: 19200 }],
    listed_lines_only: false,
    addresses: &[],
    gap: Duration::from_millis(20),
    listen: Duration::ZERO,
    sharing: Sharing::Alone,
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial, Transport::Bluetooth],
    new: |_| Box::new(AntOld),
};

const REQUEST: [u8; 6] = [0xDB, 0xDB, 0, 0, 0, 0];
const HEADER: usize = 4;
const SHAPE: FrameShape = FrameShape { header: &[0xAA, 0x55, 0xAA, 0xFF], length: Length::Fixed(140), is_sound };

fn is_sound(frame: &[u8]) -> bool {
    let Some((body, sum)) = frame.split_last_chunk::<2>() else { return false };
    sum16(body.get(HEADER..).unwrap_or_default()).to_be_bytes() == *sum
}

#[derive(Debug)]
struct AntOld;

impl Codec for AntOld {
    fn framing(&self, buf: &[u8]) -> Framing {
        SHAPE.framing(buf)
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        if let Expected::Request(request) = expected
            && *request.bytes != REQUEST
        {
            return Err(DecodeError::Foreign { what: "the status" });
        }
        values::status(&mut Reader::new(frame.get(HEADER..).unwrap_or_default()), into)?;
        Ok(Progress::Done)
    }
}

impl Protocol for AntOld {
    fn identify(&self) -> Request {
        Request { what: "status", bytes: Cow::Borrowed(&REQUEST), timeout: Duration::from_millis(500), required: true }
    }

    fn plan(&mut self, _: &Reading) -> Vec<Request> {
        vec![self.identify()]
    }
}
