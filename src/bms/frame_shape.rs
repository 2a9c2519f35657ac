//! The common form of frames: a fixed header, a length at a fixed offset, a check at the end.
//!
//! A family describes it as a [`FrameShape`] and adds only its specifics: which frames are requests, and what follows a frame.
//! Exceptions are Modbus replies, which begin with an address and have another length for errors ([`super::modbus`]), and frames of
//! hex digits ([`super::ascii`]).

use super::Framing;
use super::bytes::skip_to;
use std::ops::RangeInclusive;

/// Form of a protocol's frames.
#[derive(Debug)]
pub struct FrameShape {
    /// First bytes of every frame; at least one.
    pub header: &'static [u8],
    /// Length of a frame.
    pub length: Length,
    /// Whether the check and the end of a complete frame are valid.
    pub is_sound: fn(&[u8]) -> bool,
}

/// Length of a frame in bytes, all included.
#[derive(Debug)]
pub enum Length {
    /// Fixed length.
    Fixed(usize),
    /// Stated in the frame.
    Stated {
        /// Offset of the length field.
        at: usize,
        /// The field has two bytes, high byte first, instead of one.
        wide: bool,
        /// Valid values; with any other this is not a frame.
        values: RangeInclusive<usize>,
        /// Bytes of the frame that the field does not count.
        uncounted: usize,
    },
}

/// What the first bytes tell of the length.
enum KnownLength {
    TooShort,
    Impossible,
    Bytes(usize),
}

impl FrameShape {
    /// Looks for a frame at the start of `buf`.
    pub fn framing(&self, buf: &[u8]) -> Framing {
        let Some(start) = self.header.first() else { return Framing::Skip(1) };
        if !self.header.starts_with(buf.get(..self.header.len()).unwrap_or(buf)) {
            return skip_to(*start, buf);
        }
        let len = match self.length.of(buf) {
            KnownLength::TooShort => return Framing::Incomplete,
            KnownLength::Impossible => return skip_to(*start, buf),
            KnownLength::Bytes(len) => len,
        };
        match buf.get(..len) {
            None => Framing::Incomplete,
            Some(frame) if (self.is_sound)(frame) => Framing::Frame(0..len),
            Some(_) => skip_to(*start, buf),
        }
    }

    /// Length of the frame at the start of `buf`; 0 if there is none.
    pub fn valid_len(&self, buf: &[u8]) -> usize {
        if let Framing::Frame(range) = self.framing(buf) { range.end } else { 0 }
    }
}

impl Length {
    fn of(&self, buf: &[u8]) -> KnownLength {
        let (at, wide, values, uncounted) = match self {
            Self::Fixed(len) => return KnownLength::Bytes(*len),
            Self::Stated { at, wide, values, uncounted } => (*at, *wide, values, *uncounted),
        };
        let number = match buf.get(at..).unwrap_or_default() {
            [high, low, ..] if wide => usize::from(u16::from_be_bytes([*high, *low])),
            [number, ..] if !wide => usize::from(*number),
            _ => return KnownLength::TooShort,
        };
        if values.contains(&number) { KnownLength::Bytes(number.saturating_add(uncounted)) } else { KnownLength::Impossible }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::bytes::has_sum8;
    use proptest::prelude::*;

    const NARROW: FrameShape = FrameShape {
        header: &[0xAA, 0x55],
        length: Length::Stated { at: 2, wide: false, values: 1..=40, uncounted: 4 },
        is_sound: has_sum8,
    };
    const WIDE: FrameShape = FrameShape { length: Length::Stated { at: 3, wide: true, values: 7..=300, uncounted: 0 }, ..NARROW };
    const FIXED: FrameShape = FrameShape { length: Length::Fixed(9), ..NARROW };

    fn framed(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.push(crate::bms::bytes::sum8(&bytes));
        bytes
    }

    #[test]
    fn the_length_stands_where_the_shape_says() {
        for (shape, frame) in [
            (NARROW, framed(vec![0xAA, 0x55, 2, 7, 8])),
            (WIDE, framed(vec![0xAA, 0x55, 0, 0, 8, 1, 2])),
            (FIXED, framed(vec![0xAA, 0x55, 1, 2, 3, 4, 5, 6])),
        ] {
            assert_eq!(shape.framing(&frame), Framing::Frame(0..frame.len()));
            assert_eq!(shape.framing(&[&frame[..], &[1, 2]].concat()), Framing::Frame(0..frame.len()), "what is behind stays");
            assert_eq!(shape.valid_len(&frame[1..]), 0);
        }
    }

    #[test]
    fn a_length_that_does_not_occur_is_no_frame() {
        assert_eq!(NARROW.framing(&[0xAA, 0x55, 0, 0xAA]), Framing::Skip(3));
        assert_eq!(NARROW.framing(&[0xAA, 0x55, 41]), Framing::Skip(3));
        assert_eq!(WIDE.framing(&[0xAA, 0x55, 0, 1]), Framing::Incomplete, "half a number");
        assert_eq!(WIDE.framing(&[0xAA, 0x55, 0, 1, 0xFF]), Framing::Skip(5));
        assert_eq!(NARROW.framing(&[0xAA, 0xAA, 0x55]), Framing::Skip(1));
    }

    proptest! {
        /// A built frame is found only when complete and unchanged.
        #[test]
        fn a_frame_is_found_whole_and_only_whole(
            data in proptest::collection::vec(any::<u8>(), 1..=40), damaged in any::<prop::sample::Index>(), flip in 1u8..,
        ) {
            let length = u8::try_from(data.len()).unwrap();
            let frame = framed([&[0xAA, 0x55, length][..], &data].concat());
            prop_assert_eq!(NARROW.framing(&frame), Framing::Frame(0..frame.len()));
            for end in 0..frame.len() {
                prop_assert_eq!(NARROW.framing(&frame[..end]), Framing::Incomplete);
            }
            let mut wrong = frame.clone();
            wrong[damaged.index(frame.len())] ^= flip;
            prop_assert!(NARROW.framing(&wrong) != Framing::Frame(0..frame.len()));
        }
    }
}
