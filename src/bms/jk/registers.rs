//! The registers in a `4E 57` frame: pairs of id and value.

use crate::bms::DecodeError;
use crate::bms::bytes::{Reader, text};
use std::ops::{Range, RangeInclusive};

/// The cell block: its length, then number and millivolts of each cell.
pub(super) const CELLS: u8 = 0x79;
/// Cells in series.
pub(super) const CELL_COUNT: u8 = 0x8A;
/// The owner's password.
const PASSWORD: u8 = 0xB2;

/// Bytes per value, with the ids of that width. Any other id ends the parsing, because the position of the next one is unknown.
const WIDTHS: [(usize, &[RangeInclusive<u8>]); 8] = [
    (1, &[0x85..=0x86, 0x9D..=0x9D, 0xA9..=0xA9, 0xAB..=0xAC, 0xAE..=0xAF, 0xB1..=0xB1, 0xB3..=0xB3, 0xB8..=0xB8, 0xBB..=0xBD]),
    (1, &[0xC0..=0xC0]),
    (2, &[0x80..=0x84, 0x87..=0x87, 0x8A..=0x8C, 0x8E..=0x9C, 0x9E..=0xA8, 0xAD..=0xAD, 0xB0..=0xB0, 0xBE..=0xBF]),
    (4, &[0x89..=0x89, 0xAA..=0xAA, 0xB5..=0xB6, 0xB9..=0xB9]),
    (8, &[0xB4..=0xB4]),
    (10, &[0xB2..=0xB2]),
    (15, &[0xB7..=0xB7]),
    (24, &[0xBA..=0xBA]),
];

fn width(id: u8) -> Option<usize> {
    WIDTHS.iter().find(|(_, ids)| ids.iter().any(|ids| ids.contains(&id))).map(|(width, _)| *width)
}

/// Positions of the password in `body`: after its id, or, if the body is invalid or contains a register of unknown width, after
/// every byte that may be its id.
pub(super) fn passwords(body: &[u8], sound: bool) -> Vec<Range<usize>> {
    let Some(registers) = Registers::walk(body).ok().filter(|_| sound) else {
        let width = width(PASSWORD).unwrap_or_default();
        let ids = (1..).zip(body).filter(|(_, byte)| **byte == PASSWORD);
        return ids.map(|(start, _): (usize, _)| start..start.saturating_add(width).min(body.len())).collect();
    };
    let (mut places, mut at) = (Vec::new(), 0usize);
    for (id, value) in registers.0 {
        let start = at.saturating_add(if id == CELLS { 2 } else { 1 });
        at = start.saturating_add(value.len());
        if id == PASSWORD {
            places.push(start..at);
        }
    }
    places
}

/// The registers of a reply in order.
pub(super) struct Registers<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Registers<'a> {
    /// Parses all registers of a reply.
    ///
    /// # Errors
    /// [`DecodeError::Short`] if one has no known width or the last one is incomplete.
    pub(super) fn walk(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let mut registers = Vec::with_capacity(64);
        while r.left() > 0 {
            let id = r.u8("register")?;
            let width = if id == CELLS { Some(usize::from(r.u8("cell block")?)) } else { width(id) };
            let width = width.ok_or(DecodeError::Short { field: "next register (one of unknown width is in the way)" })?;
            registers.push((id, r.bytes(width, "last register")?));
        }
        Ok(Self(registers))
    }

    /// The bytes of a register, if present.
    pub(super) fn get(&self, id: u8) -> Option<&'a [u8]> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, value)| *value)
    }

    /// One byte.
    pub(super) fn u8(&self, id: u8) -> Option<u8> {
        self.get(id).and_then(<[u8]>::first).copied()
    }

    /// Two bytes, high byte first.
    pub(super) fn u16(&self, id: u8) -> Option<u16> {
        self.get(id).and_then(|value| value.first_chunk()).copied().map(u16::from_be_bytes)
    }

    /// Four bytes, high byte first.
    pub(super) fn u32(&self, id: u8) -> Option<u32> {
        self.get(id).and_then(|value| value.first_chunk()).copied().map(u32::from_be_bytes)
    }

    /// A text.
    pub(super) fn text(&self, id: u8) -> Option<String> {
        self.get(id).and_then(text)
    }
}
