//! One CAN frame as the 13 bytes that a port carries.

use super::frame::Frame;

/// A data frame with an 11-bit or 29-bit id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    id: u32,
    length: u8,
    data: [u8; 8],
}

impl Record {
    /// Length of a record, bytes.
    pub const LEN: usize = 13;
    /// Marks an id of 29 bits.
    pub const EXTENDED: u32 = 1 << 31;

    /// A frame with this id (including [`Record::EXTENDED`]) and the first 8 bytes.
    pub fn new(id: u32, bytes: &[u8]) -> Self {
        let mut record = Self { id, length: 0, data: [0; 8] };
        for (to, from) in record.data.iter_mut().zip(bytes) {
            *to = *from;
            record.length = record.length.saturating_add(1);
        }
        record
    }

    /// The record in exactly these bytes; `None` if they are none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, length, data @ ..] = *bytes.first_chunk::<{ Self::LEN }>()?;
        let record = Self { id: u32::from_be_bytes([a, b, c, d]), length, data };
        let is_filled_up = data.iter().skip(usize::from(length)).all(|byte| *byte == 0);
        (bytes.len() == Self::LEN && Self::is_id(record.id) && length <= 8 && is_filled_up).then_some(record)
    }

    /// Whether this is the id of a data frame.
    pub fn is_id(id: u32) -> bool {
        if id & Self::EXTENDED == 0 { id <= u32::from(Frame::HIGHEST_ID) } else { id & !Self::EXTENDED < 1 << 29 }
    }

    /// Its bytes.
    pub fn bytes(&self) -> [u8; Self::LEN] {
        let [a, b, c, d] = self.id.to_be_bytes();
        let [e, f, g, h, i, j, k, l] = self.data;
        [a, b, c, d, self.length, e, f, g, h, i, j, k, l]
    }

    /// The id, with [`Record::EXTENDED`].
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its content, up to 8 bytes.
    pub fn data(&self) -> &[u8] {
        self.data.get(..usize::from(self.length)).unwrap_or(&self.data)
    }

    /// The same as a frame with an 11-bit id; `None` if its id has 29 bits.
    pub fn frame(&self) -> Option<Frame> {
        u16::try_from(self.id).ok().filter(|id| *id <= Frame::HIGHEST_ID).map(|id| Frame::new(id, self.data()))
    }
}

impl From<Frame> for Record {
    fn from(frame: Frame) -> Self {
        Self::new(frame.id().into(), frame.bytes())
    }
}

/// Ids that a family reads: those equal to `id` in all bits of `mask`. Only ids of the same length match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdFilter {
    /// The id, with [`Record::EXTENDED`].
    pub id: u32,
    /// The bits that must be equal.
    pub mask: u32,
}

impl IdFilter {
    /// Whether a frame with this id passes.
    pub fn matches(&self, id: u32) -> bool {
        (self.id ^ id) & (self.mask | Record::EXTENDED) == 0
    }
}

/// The `index`th 16-bit word of a frame's data, low byte first, as an unsigned number.
pub fn word(bytes: &[u8], index: usize) -> Option<u16> {
    bytes.as_chunks().0.get(index).copied().map(u16::from_le_bytes)
}

/// The same as a signed number.
pub fn signed_word(bytes: &[u8], index: usize) -> Option<i16> {
    bytes.as_chunks().0.get(index).copied().map(i16::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written_and_nothing_else_is_one() {
        for record in [Record::new(0x351, &[1, 2, 3]), Record::new(0x1890_4001 | Record::EXTENDED, &[0xFF; 8]), Record::new(0, &[])]
        {
            assert_eq!(Record::parse(&record.bytes()), Some(record));
        }
        let good = Record::new(0x351, &[1, 2, 3]).bytes();
        for (place, byte) in [(0, 0x40), (0, 0x20), (1, 1), (2, 8), (4, 9), (4, 2), (12, 1)] {
            let mut wrong = good;
            wrong[place] = byte;
            assert_eq!(Record::parse(&wrong), None, "byte {place} is {byte:#x}");
        }
        assert_eq!(Record::parse(&good[..12]), None);
        assert_eq!(Record::parse(&[&good[..], &[0]].concat()), None);
    }

    #[test]
    fn a_filter_tells_ids_of_11_bits_from_those_of_29() {
        let daly = IdFilter { id: 0x1800_4000 | Record::EXTENDED, mask: 0x1F00_FF00 };
        assert!(daly.matches(0x1890_4001 | Record::EXTENDED) && daly.matches(0x1895_4010 | Record::EXTENDED));
        assert!(!daly.matches(0x1890_0140 | Record::EXTENDED), "a request");
        let limits = IdFilter { id: 0x351, mask: 0x7FF };
        assert!(limits.matches(0x351) && !limits.matches(0x351 | Record::EXTENDED) && !limits.matches(0x355));
    }
}
