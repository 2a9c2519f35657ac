//! Reading fields of a frame without panics, and checksums shared by protocols.

use super::{DecodeError, Framing};
use crate::base::units::Volts;
use crate::model::Reading;

/// Reads the payload of a frame; every read names the field for error messages.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    data: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Short`] if fewer are left; nothing is consumed then.
    pub fn bytes(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.data.split_at_checked(n).ok_or(DecodeError::Short { field })?;
        self.data = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.data.split_first_chunk::<N>().ok_or(DecodeError::Short { field })?;
        self.data = tail;
        Ok(*head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end, as for all reads below.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|[byte]| byte)
    }
    /// Unsigned 16 bit, high byte first.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u16_be(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }
    /// Signed 16 bit, high byte first.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn i16_be(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        self.array(field).map(i16::from_be_bytes)
    }
    /// Unsigned 32 bit, high byte first.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u32_be(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }
    /// Unsigned 16 bit, low byte first.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u16_le(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }
    /// Signed 16 bit, low byte first.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn i16_le(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        self.array(field).map(i16::from_le_bytes)
    }
    /// Unsigned 32 bit, low byte first.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn u32_le(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }
    /// Signed 32 bit, low byte first.
    ///
    /// # Errors
    /// [`DecodeError::Short`] at the end.
    pub fn i32_le(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.array(field).map(i32::from_le_bytes)
    }
    /// Passes over `n` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Short`] when fewer are left.
    pub fn skip(&mut self, n: usize, field: &'static str) -> Result<(), DecodeError> {
        self.bytes(n, field).map(|_| ())
    }
    /// Number of bytes left.
    pub fn left(&self) -> usize {
        self.data.len()
    }
}

/// Finds a frame of `len` bytes ending in its Modbus CRC; skips the first byte if the CRC is wrong.
pub fn crc_frame(buf: &[u8], len: usize) -> Framing {
    match buf.get(..len).and_then(<[u8]>::split_last_chunk::<2>) {
        None => Framing::Incomplete,
        Some((summed, crc)) if crc16_modbus(summed).to_le_bytes() == *crc => Framing::Frame(0..len),
        Some(_) => Framing::Skip(1),
    }
}

/// Whether the last byte of a frame is the sum of the others.
pub fn has_sum8(frame: &[u8]) -> bool {
    frame.split_last().is_some_and(|(sum, summed)| sum8(summed) == *sum)
}

/// The first byte does not start a frame: skips to the next `start`.
pub fn skip_to(start: u8, buf: &[u8]) -> Framing {
    skip_to_any(|byte| byte == start, buf)
}

/// As [`skip_to`], for frames that start with one of several bytes.
pub fn skip_to_any(is_start: impl Fn(u8) -> bool, buf: &[u8]) -> Framing {
    Framing::Skip(buf.iter().skip(1).take_while(|byte| !is_start(**byte)).count().saturating_add(1))
}

/// Unsigned 16 bit values, high byte first; an odd last byte is ignored.
pub fn u16s_be(data: &[u8]) -> impl Iterator<Item = u16> {
    data.as_chunks().0.iter().copied().map(u16::from_be_bytes)
}

/// The raw value, unless it is one of the sentinels: not fitted, not available, not set.
pub fn unless<T: PartialEq + Copy>(none: &[T], raw: T) -> Option<T> {
    Some(raw).filter(|raw| !none.contains(raw))
}

/// Stores the cells up to the first unknown voltage; a set that ends there is incomplete.
pub fn show_cells(cells: impl Iterator<Item = Option<Volts>>, into: &mut Reading) {
    let mut complete = true;
    let known = cells.map_while(|cell| {
        complete = cell.is_some();
        cell
    });
    into.cells = known.collect();
    into.cells_complete = (!complete).then_some(false);
}

/// Numbers of the set bits, the lowest is 1.
pub fn set_bits(word: u32) -> Vec<u8> {
    (1..=32u8).zip(0..32u32).filter(|(_, bit)| (word >> bit) & 1 == 1).map(|(number, _)| number).collect()
}

/// Stores which cells are being balanced: one bit per cell, the first one lowest.
pub fn show_balancing(cells: u32, into: &mut Reading) {
    into.balancing.active = Some(cells != 0);
    into.balancing.cells = Some(set_bits(cells));
}

/// Sum of all bytes modulo 65536.
pub fn sum16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |sum, byte| sum.wrapping_add(u16::from(*byte)))
}

/// Sum of all bytes modulo 256.
pub fn sum8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte))
}

/// CRC-8 (polynomial 07, start 0).
pub fn crc8<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> u8 {
    bytes.into_iter().fold(0, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 7 }))
}

/// Modbus CRC-16 (polynomial A001 reflected, start FFFF). On the wire the low byte comes first.
pub fn crc16_modbus(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 })
    })
}

/// Text of a fixed-length field: up to the first NUL, printable ASCII only, trimmed; `None` if nothing is left.
pub fn text(field: &[u8]) -> Option<String> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let text: String = field.iter().take(end).filter(|byte| matches!(byte, 0x20..=0x7E)).map(|byte| char::from(*byte)).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_names_its_field_and_consumes_nothing() {
        let mut r = Reader::new(&[1, 2, 3]);
        assert_eq!(r.u16_be("voltage").unwrap(), 0x0102);
        let error = r.u16_be("current").unwrap_err();
        assert!(error.to_string().contains("current"), "{error}");
        assert_eq!(r.u8("rest").unwrap(), 3);
    }

    #[test]
    fn crc_of_known_requests() {
        // Daly `D2 03 00 00 00 3E D7 B9`, JK-PB `01 10 16 20 00 01 02 00 00 D6 F1`
        assert_eq!(crc16_modbus(&[0xD2, 3, 0, 0, 0, 0x3E]).to_le_bytes(), [0xD7, 0xB9]);
        assert_eq!(crc16_modbus(&[1, 0x10, 0x16, 0x20, 0, 1, 2, 0, 0]).to_le_bytes(), [0xD6, 0xF1]);
    }

    #[test]
    fn crc8_of_a_known_text() {
        // The check value of the catalogue of CRCs (CRC-8/SMBUS).
        assert_eq!(crc8(b"123456789"), 0xF4);
    }

    #[test]
    fn bits_are_counted_from_one() {
        assert_eq!(set_bits(0x8000_0005), [1, 3, 32]);
    }

    #[test]
    fn skipping_always_makes_progress() {
        assert_eq!(skip_to(0xDD, &[0xDD, 1, 2, 0xDD]), Framing::Skip(3));
        assert_eq!(skip_to(0xDD, &[0xDD, 0xDD]), Framing::Skip(1));
        assert_eq!(skip_to(0xDD, &[1, 2]), Framing::Skip(2));
        assert_eq!(skip_to_any(|byte| matches!(byte, 1 | 2), &[1, 0, 2, 1]), Framing::Skip(2));
    }

    #[test]
    fn text_stops_at_nul_and_drops_what_is_not_printable() {
        assert_eq!(text(b"JK_B2A20S\0\0junk").as_deref(), Some("JK_B2A20S"));
        assert_eq!(text(b"\xFF\xFF\0"), None);
    }
}
