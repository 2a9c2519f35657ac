//! Replies that consist of several numbered frames.

use crate::bms::DecodeError;
use crate::bms::bytes::Reader;

/// The frames of a reply, by number.
#[derive(Debug, Default)]
pub(super) struct Parts {
    frames: [Option<[u8; 7]>; 17],
    /// The previous reply was numbered from 0.
    from_zero: bool,
}

impl Parts {
    /// Adds a frame's data: its number and seven bytes.
    pub(super) fn add(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let number = usize::from(r.u8("frame number")?);
        let data = r.bytes(7, "frame data")?;
        // FF marks a frame as invalid.
        if let Some(frame) = self.frames.get_mut(number) {
            *frame = data.first_chunk().copied();
        }
        Ok(())
    }

    /// The frames up to the first gap. Frame 0 shows that numbering begins there; a lost frame must not shift cells.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &[u8; 7]> {
        let first = usize::from(!self.has_zero() && !self.from_zero);
        self.frames.iter().skip(first).map_while(Option::as_ref)
    }

    fn has_zero(&self) -> bool {
        matches!(self.frames, [Some(_), ..])
    }

    /// Drops the frames at the start of a reading.
    pub(super) fn reset(&mut self) {
        if self.frames.iter().any(Option::is_some) {
            self.from_zero = self.has_zero();
        }
        self.frames = Default::default();
    }
}
