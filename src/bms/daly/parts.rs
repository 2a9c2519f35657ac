//! Answers that come in several numbered frames.

use crate::bms::DecodeError;
use crate::bms::bytes::Reader;

/// The frames of an answer of several frames, by number.
#[derive(Debug, Default)]
pub(super) struct Parts {
    frames: [Option<[u8; 7]>; 17],
    /// The numbers began with 0 the last time.
    from_zero: bool,
}

impl Parts {
    /// Takes a frame's data: its number and seven bytes.
    pub(super) fn add(&mut self, r: &mut Reader<'_>) -> Result<(), DecodeError> {
        let number = usize::from(r.u8("frame number")?);
        let data = r.bytes(7, "frame data")?;
        // FF marks a frame as invalid.
        if let Some(frame) = self.frames.get_mut(number) {
            *frame = data.first_chunk().copied();
        }
        Ok(())
    }

    /// The frames up to the first gap. A frame 0 says that the numbers begin there; a lost one must not shift cells.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &[u8; 7]> {
        let first = usize::from(!self.has_zero() && !self.from_zero);
        self.frames.iter().skip(first).map_while(Option::as_ref)
    }

    fn has_zero(&self) -> bool {
        matches!(self.frames, [Some(_), ..])
    }

    /// Forgets the frames: a new reading begins.
    pub(super) fn restart(&mut self) {
        if self.frames.iter().any(Option::is_some) {
            self.from_zero = self.has_zero();
        }
        self.frames = Default::default();
    }
}
