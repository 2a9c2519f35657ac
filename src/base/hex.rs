//! Bytes as hex text, as in recordings, the log and `decode`.

pub use ::hex::encode;
use thiserror::Error;

/// Invalid hex text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HexError {
    /// A character that is neither a hex digit nor white space; positions count characters from 1.
    #[error("{found:?} at character {place} is not a hex digit")]
    Digit {
        /// The character.
        found: char,
        /// Its position.
        place: usize,
    },
    /// The last byte has only one digit.
    #[error("an odd number of hex digits: the last byte is incomplete")]
    Half,
}

/// Decodes `text`; upper or lower case, white space is ignored.
///
/// # Errors
/// [`HexError`] names the invalid character.
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let wrong = |found: &(usize, char)| !found.1.is_ascii_hexdigit() && !found.1.is_whitespace();
    if let Some((index, found)) = text.chars().enumerate().find(wrong) {
        return Err(HexError::Digit { found, place: index.saturating_add(1) });
    }
    ::hex::decode(text.split_whitespace().collect::<String>()).map_err(|_| HexError::Half)
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
