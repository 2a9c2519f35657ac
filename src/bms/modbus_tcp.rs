//! Modbus TCP: a request to a unit behind a gateway, and its reply.
//!
//! ```text
//! transaction.. 0 0 length.. unit function …         all with the high byte first; length counts from the unit on
//! read          03 first.. count..        → 03 bytes data…
//! write         06 register.. value..     → the same
//! exception     function+80h code
//! ```
//! Source: "MODBUS Messaging on TCP/IP Implementation Guide" V1.0b, section 3.1.3, and the protocol specification V1.1b3, 6.3 and 6.6.

use thiserror::Error;

/// Length of the head, unit included.
pub const HEAD_LEN: usize = 7;
/// Maximum length of what follows the unit.
const MAX_BODY: usize = 253;
const READ: u8 = 0x03;
const WRITE: u8 = 0x06;
const EXCEPTION: u8 = 0x80;

/// Why a reply is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The unit refuses, with this code.
    #[error("exception {0}")]
    Exception(u8),
    /// It does not answer this request.
    #[error("an answer to another request")]
    Foreign,
    /// It is no Modbus TCP.
    #[error("no Modbus TCP")]
    Malformed,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Read `count` registers from `first` on.
    Read {
        /// First register.
        first: u16,
        /// Number of registers.
        count: u16,
    },
    /// Write one register.
    Write {
        /// The register.
        register: u16,
        /// Its value.
        value: u16,
    },
}

/// A request.
pub fn request(transaction: u16, unit: u8, ask: Ask) -> [u8; 12] {
    let (function, a, b) = match ask {
        Ask::Read { first, count } => (READ, first, count),
        Ask::Write { register, value } => (WRITE, register, value),
    };
    let ([t0, t1], [a0, a1], [b0, b1]) = (transaction.to_be_bytes(), a.to_be_bytes(), b.to_be_bytes());
    [t0, t1, 0, 0, 0, 6, unit, function, a0, a1, b0, b1]
}

/// Transaction, unit, and length of what follows the head.
///
/// # Errors
/// [`FrameError::Malformed`]
pub fn head(head: &[u8; HEAD_LEN]) -> Result<(u16, u8, usize), FrameError> {
    let [t0, t1, p0, p1, l0, l1, unit] = *head;
    let length = usize::from(u16::from_be_bytes([l0, l1])).checked_sub(1).ok_or(FrameError::Malformed)?;
    let fine = [p0, p1] == [0, 0] && (2..=MAX_BODY).contains(&length);
    if fine { Ok((u16::from_be_bytes([t0, t1]), unit, length)) } else { Err(FrameError::Malformed) }
}

/// The registers in what follows the head; for a write the value written.
///
/// # Errors
/// [`FrameError`]
pub fn body(ask: Ask, body: &[u8]) -> Result<Vec<u16>, FrameError> {
    let words = |bytes: &[u8]| bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    match (ask, body) {
        (Ask::Read { .. }, [function, code]) if *function == READ | EXCEPTION => Err(FrameError::Exception(*code)),
        (Ask::Write { .. }, [function, code]) if *function == WRITE | EXCEPTION => Err(FrameError::Exception(*code)),
        (Ask::Read { count, .. }, [READ, bytes, data @ ..]) => {
            let fits = usize::from(*bytes) == data.len() && data.len() == usize::from(count).saturating_mul(2);
            if fits { Ok(words(data)) } else { Err(FrameError::Foreign) }
        }
        (Ask::Write { register, value }, [WRITE, r0, r1, v0, v1])
            if u16::from_be_bytes([*r0, *r1]) == register && u16::from_be_bytes([*v0, *v1]) == value =>
        {
            Ok(vec![value])
        }
        _ => Err(FrameError::Foreign),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_and_replies_are_those_of_the_specification() {
        let ask = Ask::Read { first: 0x46, count: 2 };
        assert_eq!(request(0x1501, 190, ask), [0x15, 1, 0, 0, 0, 6, 190, 3, 0, 0x46, 0, 2]);
        // Recorded answer of a Battery Monitor: 53.280 V.
        assert_eq!(head(&[0x15, 1, 0, 0, 0, 7, 190]), Ok((0x1501, 190, 6)));
        assert_eq!(body(ask, &[3, 4, 0, 0, 0xD0, 0x20]), Ok(vec![0, 53280]));
        assert_eq!(body(ask, &[0x83, 2]), Err(FrameError::Exception(2)));
        assert_eq!(body(ask, &[3, 2, 0, 0]), Err(FrameError::Foreign), "another length");
        let write = Ask::Write { register: 0x4D, value: 1 };
        assert_eq!(request(2, 50, write)[7..], [6, 0, 0x4D, 0, 1]);
        assert_eq!((body(write, &[6, 0, 0x4D, 0, 1]), body(write, &[6, 0, 0x4D, 0, 0])), (Ok(vec![1]), Err(FrameError::Foreign)));
        for wrong in [[0, 1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 1, 1], [0, 1, 0, 1, 0, 6, 1], [0, 1, 0, 0, 1, 0, 1]] {
            assert_eq!(head(&wrong), Err(FrameError::Malformed));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..260), first: u16, count: u16) {
            let _ = body(Ask::Read { first, count }, &bytes);
            let _ = body(Ask::Write { register: first, value: count }, &bytes);
            if let Some(bytes) = bytes.first_chunk() {
                let _ = head(bytes);
            }
        }
    }
}
