//! Frames of a JK PB board, each with the acknowledge of its trigger behind it: where they end, what they contain, whose they are.

use super::layout;
use crate::bms::Framing;
use crate::bms::bytes::{Reader, crc_frame, crc16_modbus, has_sum8, skip_to};
use crate::bms::frame_shape::{FrameShape, Length};
use std::time::Duration;

pub(super) const HEADER: [u8; 4] = [0x55, 0xAA, 0xEB, 0x90];
/// Length of a frame, and of the acknowledge after it.
pub(super) const FRAME: usize = 300;
const RECORD: usize = 8;
pub(super) const SHAPE: FrameShape = FrameShape { header: &HEADER, length: Length::Fixed(FRAME), is_sound: has_sum8 };

/// Content of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Settings,
    Live,
    Device,
}

/// Type byte of the frame, low byte of its trigger register 16xx, name and timeout of its request.
pub(super) const KINDS: [(Kind, u8, u8, &str, Duration); 3] = [
    (Kind::Settings, 0x01, 0x1E, "settings", Duration::from_secs(1)),
    (Kind::Live, 0x02, 0x20, "live data", Duration::from_millis(500)),
    (Kind::Device, 0x03, 0x1C, "device data", Duration::from_secs(1)),
];

/// Kind of a frame and its trigger register.
pub(super) fn kind(frame: &[u8]) -> Option<(Kind, u8)> {
    let byte = *frame.get(4)?;
    KINDS.iter().find(|(_, number, ..)| *number == byte).map(|(kind, _, register, ..)| (*kind, *register))
}

/// The request that makes a board send a frame: `AA 10 16 RR 00 01 02 00 00 crc`.
pub(crate) fn trigger(address: u8, register: u8) -> [u8; 11] {
    let asked = [address, 0x10, 0x16, register, 0, 1, 2, 0, 0];
    let [low, high] = crc16_modbus(&asked).to_le_bytes();
    [address, 0x10, 0x16, register, 0, 1, 2, 0, 0, low, high]
}

/// Position of the first frame and its acknowledge.
pub(super) fn framing(buf: &[u8]) -> Framing {
    let frame = SHAPE.framing(buf);
    let Framing::Frame(range) = &frame else { return frame };
    let behind = buf.get(range.end..).unwrap_or_default();
    match kind(buf).map_or(Framing::Skip(1), |(_, register)| record(register, behind)) {
        Framing::Frame(record) => Framing::Frame(0..range.end.saturating_add(record.end)),
        Framing::Incomplete => Framing::Incomplete,
        Framing::Skip(_) if buf.get(..FRAME).is_some_and(layout::is_never_acknowledged) => frame,
        Framing::Skip(_) => skip_to(0x55, buf),
    }
}

/// Address of the board that sent a frame, if it is known.
pub(super) fn source(frame: &[u8]) -> Option<u8> {
    acknowledged_by(frame).or_else(|| own_address(frame))
}

/// The acknowledge after a frame, with the padding byte that some firmware sends before it.
fn record(register: u8, behind: &[u8]) -> Framing {
    let plain = acknowledge(register, behind);
    let padded = match behind {
        [] => Framing::Incomplete,
        [0, rest @ ..] => acknowledge(register, rest),
        _ => Framing::Skip(1),
    };
    match (plain, padded) {
        (Framing::Frame(_), _) => Framing::Frame(0..RECORD),
        (_, Framing::Frame(_)) => Framing::Frame(0..RECORD.saturating_add(1)),
        (Framing::Incomplete, _) | (_, Framing::Incomplete) => Framing::Incomplete,
        _ => Framing::Skip(1),
    }
}

fn acknowledge(register: u8, bytes: &[u8]) -> Framing {
    let Some((address, rest)) = bytes.split_first() else { return Framing::Incomplete };
    let expected = [0x10, 0x16, register, 0, 1];
    if *address > 15 || !expected.starts_with(rest.get(..expected.len()).unwrap_or(rest)) {
        return Framing::Skip(1);
    }
    crc_frame(bytes, RECORD)
}

fn acknowledged_by(frame: &[u8]) -> Option<u8> {
    let (_, behind) = frame.split_at_checked(FRAME)?;
    behind.last_chunk::<RECORD>()?.first().copied()
}

/// Settings contain the board's address, except those of old boards.
pub(super) fn own_address(frame: &[u8]) -> Option<u8> {
    let (Kind::Settings, _) = kind(frame).filter(|_| layout::has_address(frame))? else { return None };
    u8::try_from(at(frame, 270).u32_le("device address").ok()?).ok()
}

pub(super) fn at(frame: &[u8], offset: usize) -> Reader<'_> {
    Reader::new(frame.get(offset..).unwrap_or_default())
}
