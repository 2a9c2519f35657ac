//! Frames of upper-case hex digits between `~` and CR, as used by Pylontech, Seplos, Pace, TopBMS and others.
//!
//! ```text
//! frame    ~ VER ADR CID1 CID2 LENGTH INFO CHKSUM CR    two digits for each of the first four, four for LENGTH and CHKSUM
//! CID2     the command in a request; in a reply RTN: 00 fine, anything else a refusal
//! LENGTH   a check digit and LENID, the number of INFO's digits; the four digits' values sum up to 0 mod 16
//! CHKSUM   two's complement of the sum of all characters between ~ and CHKSUM
//! ```
//! The families share this frame and differ in its numbers, above all VER, and in the content of INFO: valid checks do not prove
//! that a frame belongs to this family.
//!
//! Source: Pylontech "RS485-protocol-pylon-low-voltage" V3.3 and kekemar/TopBMS_To_Domoticz (BMS/Protocol_BMS.pdf).

use super::bytes::{Reader, skip_to, sum16};
use super::{DecodeError, Framing};

const START: u8 = b'~';
const END: u8 = b'\r';
/// Length of `~`, VER, ADR, CID1 and CID2.
const HEADER: usize = 9;
/// Length of the header and LENGTH.
const HEAD: usize = HEADER + 4;
/// Length of CHKSUM and CR.
const TAIL: usize = 5;
/// Maximum bytes of INFO that LENID can express.
const MAX_INFO: usize = 0xFFF / 2;

/// Fields at the start of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// VER: the protocol version, which distinguishes the families.
    pub version: u8,
    /// ADR: the pack's address.
    pub address: u8,
    /// CID1: the device type, 46 for a battery.
    pub cid1: u8,
    /// CID2 of a request, RTN of a reply.
    pub cid2: u8,
}

impl Header {
    /// The header of a frame, once it is complete.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let (digits, _) = frame.get(1..HEADER)?.as_chunks::<2>();
        let &[version, address, cid1, cid2] = digits else { return None };
        Some(Self { version: byte(version)?, address: byte(address)?, cid1: byte(cid1)?, cid2: byte(cid2)? })
    }

    /// Builds a frame with this header and `info` of at most 2047 bytes.
    pub fn frame(self, info: &[u8]) -> Vec<u8> {
        let info: String = info.iter().take(MAX_INFO).map(|byte| format!("{byte:02X}")).collect();
        let length = format!("{:03X}", info.len());
        let sum = length.bytes().filter_map(digit).fold(0u8, u8::wrapping_add);
        let Self { version, address, cid1, cid2 } = self;
        let body = format!("{version:02X}{address:02X}{cid1:02X}{cid2:02X}{:X}{length}{info}", sum.wrapping_neg() & 0x0F);
        let check = sum16(body.as_bytes()).wrapping_neg();
        format!("~{body}{check:04X}\r").into_bytes()
    }
}

/// Looks for a frame at the start of `buf`. A reply has at most `max_info` bytes of INFO; a frame whose header is a request
/// (`is_request`: an echo, or a request of another master) is skipped.
pub fn framing(buf: &[u8], max_info: usize, is_request: impl Fn(Header) -> bool) -> Framing {
    let Some((&START, rest)) = buf.split_first() else {
        return if buf.is_empty() { Framing::Incomplete } else { skip_to(START, buf) };
    };
    let are_digits = |characters: usize| rest.iter().take(characters).all(|character| digit(*character).is_some());
    if !are_digits(HEAD.saturating_sub(1)) || Header::of(buf).is_some_and(is_request) {
        return skip_to(START, buf);
    }
    let Some(length) = buf.get(HEADER..HEAD) else { return Framing::Incomplete };
    let Some(digits) = lenid(length).filter(|digits| *digits <= max_info.saturating_mul(2)) else { return skip_to(START, buf) };
    let end = HEAD.saturating_add(digits).saturating_add(TAIL);
    match buf.get(..end) {
        _ if !are_digits(end.saturating_sub(2)) => skip_to(START, buf),
        None => Framing::Incomplete,
        Some(frame) if is_right(frame) => Framing::Frame(0..end),
        Some(_) => skip_to(START, buf),
    }
}

/// What is wrong with a received request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestFault {
    /// CHKSUM.
    Checksum,
    /// LENGTH: its check digit, or another number of digits.
    Length,
}

/// Looks for a request at the start of `buf`, for a board that is asked: everything from `~` to CR of at most `max` bytes. Its checks
/// are those of [`request`], because a wrong one has a reply, too.
pub fn request_framing(buf: &[u8], max: usize) -> Framing {
    match buf.first() {
        None => return Framing::Incomplete,
        Some(&START) => {}
        Some(_) => return skip_to(START, buf),
    }
    let restarts = buf.iter().skip(1).take(max).take_while(|byte| **byte != END).any(|byte| *byte == START);
    match buf.iter().take(max).position(|byte| *byte == END) {
        _ if restarts => skip_to(START, buf),
        Some(end) => Framing::Frame(0..end.saturating_add(1)),
        None if buf.len() >= max => skip_to(START, buf),
        None => Framing::Incomplete,
    }
}

/// Header of a request found by [`request_framing`], and INFO or what is wrong with it; `None` without a header.
pub fn request(frame: &[u8]) -> Option<(Header, Result<Vec<u8>, RequestFault>)> {
    let header = Header::of(frame)?;
    if !is_right(frame) {
        return Some((header, Err(RequestFault::Checksum)));
    }
    let digits = frame.get(HEADER..HEAD).and_then(lenid);
    let fits = digits == frame.len().checked_sub(HEAD.saturating_add(TAIL));
    Some((header, info(frame).ok().filter(|_| fits).ok_or(RequestFault::Length)))
}

/// The bytes of INFO in a frame found by [`framing`].
///
/// # Errors
/// [`DecodeError::Short`] if the frame ends early or in half a byte.
pub fn info(frame: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut r = Reader::new(frame);
    r.skip(HEAD, "length")?;
    let digits = r.left().checked_sub(TAIL).ok_or(DecodeError::Short { field: "checksum" })?;
    let (pairs, half) = r.bytes(digits, "information")?.as_chunks::<2>();
    let bytes = pairs.iter().map(|pair| byte(*pair)).collect::<Option<_>>().filter(|_| half.is_empty());
    bytes.ok_or(DecodeError::Short { field: "information" })
}

/// Two hex digits.
fn byte([high, low]: [u8; 2]) -> Option<u8> {
    Some(digit(high)? << 4 | digit(low)?)
}

/// Upper case only: the checksum is computed over characters.
fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character & 0x0F),
        b'A'..=b'F' => Some((character & 0x0F).wrapping_add(9)),
        _ => None,
    }
}

/// Number of digits of INFO, if the check digit is correct.
fn lenid(digits: &[u8]) -> Option<usize> {
    let [check, rest @ ..] = digits else { return None };
    let values = rest.iter().map(|character| digit(*character)).collect::<Option<Vec<u8>>>()?;
    let sum = values.iter().fold(digit(*check)?, |sum, value| sum.wrapping_add(*value));
    (sum & 0x0F == 0).then(|| values.iter().fold(0, |length, value| length << 4 | usize::from(*value)))
}

/// Whether the frame ends in the correct CHKSUM and CR.
fn is_right(frame: &[u8]) -> bool {
    let Some((text, &[a, b, c, d, END])) = frame.split_last_chunk::<TAIL>() else { return false };
    let (Some(high), Some(low)) = (byte([a, b]), byte([c, d])) else { return false };
    sum16(text.get(1..).unwrap_or_default()).wrapping_add(u16::from_be_bytes([high, low])) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn header(version: u8, address: u8, cid1: u8, cid2: u8) -> Header {
        Header { version, address, cid1, cid2 }
    }

    /// The request for all values in section 5.2 of Pylontech's document, and that of a TopBMS pack.
    #[test]
    fn frames_are_those_of_the_documents() {
        assert_eq!(header(0x20, 2, 0x46, 0x42).frame(&[2]), b"~20024642E00202FD33\r");
        assert_eq!(header(0x21, 1, 0x46, 0x42).frame(&[1]), b"~21014642E00201FD34\r");
        assert_eq!(header(0x20, 1, 0x46, 0x42).frame(&[1, 0xAB])[9..13], *b"C004");
    }

    #[test]
    fn a_request_and_a_reply_that_is_too_long_are_passed_over() {
        let reply = header(0x20, 2, 0x46, 0).frame(&[1, 2, 3]);
        assert_eq!(framing(&reply, 3, |_| false), Framing::Frame(0..reply.len()));
        assert_eq!(framing(&reply, 2, |_| false), Framing::Skip(reply.len()));
        assert_eq!(framing(&reply, 3, |header| header.version == 0x20), Framing::Skip(reply.len()));
        assert_eq!(framing(&reply[..8], 3, |_| true), Framing::Incomplete, "half a header");
        let lower: Vec<u8> = header(0xAB, 2, 0x46, 0).frame(&[]).to_ascii_lowercase();
        assert_eq!(framing(&lower, 3, |_| false), Framing::Skip(lower.len()));
    }

    #[test]
    fn information_that_is_cut_is_an_error() {
        assert_eq!(info(b"~20024600C004A1B2FD33\r"), Ok(vec![0xA1, 0xB2]));
        assert!(info(b"~20024600D003A1BFD33\r").is_err(), "half a byte");
        assert!(info(b"~20024600C004").is_err() && info(b"").is_err());
    }

    proptest! {
        /// A built frame is found only when complete, never with a changed character, and decodes to its input.
        #[test]
        fn a_frame_is_found_whole_and_only_whole(
            version in any::<u8>(), address in any::<u8>(), cid2 in any::<u8>(), content in proptest::collection::vec(any::<u8>(), 0..80),
            damaged in any::<prop::sample::Index>(), flip in 1u8..,
        ) {
            let header = header(version, address, 0x46, cid2);
            let frame = header.frame(&content);
            prop_assert_eq!(framing(&frame, 80, |_| false), Framing::Frame(0..frame.len()));
            prop_assert_eq!((Header::of(&frame), info(&frame)), (Some(header), Ok(content)));
            for end in 0..frame.len() {
                prop_assert_eq!(framing(&frame[..end], 80, |_| false), Framing::Incomplete);
            }
            let mut wrong = frame.clone();
            wrong[damaged.index(frame.len())] ^= flip;
            prop_assert!(framing(&wrong, 80, |_| false) != Framing::Frame(0..frame.len()));
        }

        /// Any input: no panic, and each step makes progress.
        #[test]
        fn any_bytes_are_stepped_over(mut buf in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'~'), Just(b'0'), Just(b'E')], 1..120)) {
            match framing(&buf, 80, |_| false) {
                Framing::Incomplete => {}
                Framing::Skip(n) => prop_assert!((1..=buf.len()).contains(&n)),
                Framing::Frame(range) => prop_assert!(range.start == 0 && range.end <= buf.len()),
            }
            buf[0] = b'~';
            let _ = (Header::of(&buf), info(&buf), framing(&buf, 80, |_| false));
        }
    }
}
