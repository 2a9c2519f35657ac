//! Bytes as hex text, as in recordings, the log and `decode`.

use std::fmt::Write as _;
use thiserror::Error;

/// Hex text that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HexError {
    /// A character that is neither a hex digit nor white space; the place counts characters from 1.
    #[error("{found:?} at character {place} is no hex digit")]
    Digit {
        /// The character.
        found: char,
        /// Its place.
        place: usize,
    },
    /// The last byte has one digit only.
    #[error("an odd number of hex digits: the last byte is cut in half")]
    Half,
}

/// `bytes` as lower-case hex without spaces.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len().saturating_mul(2)), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that `text` says; upper and lower case, white space is ignored.
///
/// # Errors
/// [`HexError`] names the character that does not belong there.
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high: Option<u8> = None;
    for (index, found) in text.chars().enumerate().filter(|(_, c)| !c.is_whitespace()) {
        let digit = found.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digit = digit.ok_or(HexError::Digit { found, place: index.saturating_add(1) })?;
        match high.take() {
            Some(high) => bytes.push(high << 4 | digit),
            None => high = Some(digit),
        }
    }
    if high.is_some() { Err(HexError::Half) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_hex_is_named() {
        assert_eq!(decode("DD a5\n03").unwrap(), [0xDD, 0xA5, 0x03]);
        assert_eq!(decode("dd 0x").unwrap_err(), HexError::Digit { found: 'x', place: 5 });
        assert_eq!(decode("dda").unwrap_err(), HexError::Half);
    }

    proptest! {
        #[test]
        fn decode_undoes_encode(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }
    }
}
