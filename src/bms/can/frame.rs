//! A CAN frame with an 11-bit id, and its text as candump writes it.

use super::bus_error::BusError;
use super::record::Record;
use std::fmt;
use thiserror::Error;

/// A data frame with an 11-bit id, the only kind that this program sends to inverters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    id: u16,
    length: usize,
    data: [u8; 8],
}

impl Frame {
    /// Highest 11-bit id.
    pub const HIGHEST_ID: u16 = 0x7FF;

    /// A frame of the first 8 bytes and the lower 11 bits of the id.
    pub fn new(id: u16, bytes: &[u8]) -> Self {
        let mut frame = Self { id: id & Self::HIGHEST_ID, length: bytes.len().min(8), data: [0; 8] };
        frame.data.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        frame
    }

    /// The id.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Its content, up to 8 bytes.
    pub fn bytes(&self) -> &[u8] {
        self.data.get(..self.length).unwrap_or(&self.data)
    }
}

/// candump's log format: `351#1402C012C012C201`.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03X}#", self.id)?;
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// Content of a line of candump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// An empty line or a comment.
    Empty,
    /// A data frame with an 11-bit id.
    Frame(Frame),
    /// A data frame with a 29-bit id.
    Extended(Record),
    /// An error frame of the controller.
    Error(BusError),
    /// An irrelevant frame: a remote request, CAN FD.
    Other,
}

/// A line that is not in candump's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LineError {
    /// It has neither `ID#BYTES` nor `ID [LENGTH] BYTES`.
    #[error("no CAN frame in this line; write it as `351#1402C012C012C201` or `can0 351 [8] 14 02 C0 12 C0 12 C2 01`")]
    NoFrame,
    /// The id is not a hexadecimal number of up to 29 bits.
    #[error("the id is not a hexadecimal number of up to 8 digits; write it as in `351#1402C012`")]
    Id,
    /// The content is not pairs of hex digits.
    #[error("the content is not pairs of hex digits; write it as in `351#1402C012`")]
    Bytes,
    /// The number of bytes differs from the stated one, or exceeds 8.
    #[error("fewer bytes than the line declares, or more than 8; check that the line is complete")]
    Length,
}

/// Content of a line of candump, with ids of any length.
enum Content {
    Empty,
    Record(Record),
    Error(BusError),
    Other,
}

/// Parses a line of candump: log (`-L`) or screen format, with or without time and interface.
///
/// # Errors
/// [`LineError`] for anything else.
pub fn parse_line(line: &str) -> Result<Line, LineError> {
    Ok(match parse(line)? {
        Content::Empty => Line::Empty,
        Content::Record(record) => record.frame().map_or(Line::Extended(record), Line::Frame),
        Content::Error(error) => Line::Error(error),
        Content::Other => Line::Other,
    })
}

/// The data frame in a line of candump, with an 11-bit or 29-bit id; `None` for lines without one.
///
/// # Errors
/// As [`parse_line`].
pub fn parse_record(line: &str) -> Result<Option<Record>, LineError> {
    Ok(match parse(line)? {
        Content::Record(record) => Some(record),
        Content::Empty | Content::Error(_) | Content::Other => None,
    })
}

fn parse(line: &str) -> Result<Content, LineError> {
    let line = line.trim();
    if line.is_empty() || line.starts_with("//") {
        return Ok(Content::Empty);
    }
    let words = || line.split_whitespace();
    if let Some((id, content)) = words().find_map(|word| word.split_once('#')) {
        return log_form(id, content);
    }
    let mut before = None;
    let mut rest = words();
    for word in rest.by_ref() {
        if let Some(length) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
            return usual_form(before.ok_or(LineError::NoFrame)?, length, rest);
        }
        before = Some(word);
    }
    Err(LineError::NoFrame)
}

fn log_form(id: &str, content: &str) -> Result<Content, LineError> {
    let number = id_of(id)?;
    if let Some(error) = BusError::of(number, &bytes_of(content.split('.')).unwrap_or_default()) {
        return Ok(Content::Error(error));
    }
    // `R` marks a remote request, a second `#` a CAN FD frame.
    if content.starts_with(['R', 'r', '#']) || !Record::is_id(number) {
        return Ok(Content::Other);
    }
    // Dots between bytes are allowed; `_B` after them is a raw length code.
    let content = content.split('_').next().unwrap_or(content);
    finish(number, &bytes_of(content.split('.'))?)
}

fn usual_form<'a>(id: &str, length: &str, rest: impl Iterator<Item = &'a str>) -> Result<Content, LineError> {
    let number = id_of(id)?;
    let length: usize = length.parse().map_err(|_| LineError::Length)?;
    let mut rest = rest.peekable();
    if number & 1 << 29 != 0 {
        // An error frame has a text after its bytes.
        let bytes = bytes_of(rest.take(length.min(8))).unwrap_or_default();
        return Ok(BusError::of(number, &bytes).map_or(Content::Other, Content::Error));
    }
    // 12 or more is CAN FD.
    if rest.peek().is_some_and(|word| *word == "remote") || !Record::is_id(number) || length > 8 {
        return Ok(Content::Other);
    }
    let bytes = bytes_of(rest.take(length))?;
    if bytes.len() == length { finish(number, &bytes) } else { Err(LineError::Length) }
}

fn finish(id: u32, bytes: &[u8]) -> Result<Content, LineError> {
    if bytes.len() <= 8 { Ok(Content::Record(Record::new(id, bytes))) } else { Err(LineError::Length) }
}

fn id_of(text: &str) -> Result<u32, LineError> {
    let is_id = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_id.then(|| u32::from_str_radix(text, 16).ok()).flatten().ok_or(LineError::Id)?;
    // More than three digits mean a 29-bit id, whatever its value.
    Ok(if text.len() > 3 { number | Record::EXTENDED } else { number })
}

fn bytes_of<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, LineError> {
    let mut bytes = Vec::new();
    for part in parts {
        if part.len() % 2 != 0 || !part.is_ascii() {
            return Err(LineError::Bytes);
        }
        bytes.extend(crate::base::hex::decode(part).map_err(|_| LineError::Bytes)?);
        if bytes.len() > 64 {
            return Err(LineError::Length);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: u16, bytes: &[u8]) -> Result<Line, LineError> {
        Ok(Line::Frame(Frame::new(id, bytes)))
    }

    #[test]
    fn every_form_of_candump_is_read() {
        let pack = [0x14, 0x02, 0xC0, 0x12, 0xC0, 0x12, 0xC2, 0x01];
        for text in [
            "351#1402C012C012C201",
            "351#14.02.C0.12.C0.12.C2.01",
            "(1436509052.249713) can0 351#1402c012c012c201",
            "(1436509052.249713) can0 351#1402C012C012C201 R",
            "  can0  351   [8]  14 02 C0 12 C0 12 C2 01",
            "(000.001102) can0  351   [8]  14 02 C0 12 C0 12 C2 01   '........'",
        ] {
            assert_eq!(parse_line(text), frame(0x351, &pack), "{text}");
        }
        assert_eq!(parse_line("305#"), frame(0x305, &[]));
        assert_eq!(parse_line(" \t"), Ok(Line::Empty));
    }

    #[test]
    fn frames_of_no_interest_are_told_from_nonsense() {
        for text in ["18FF50E5#R", "351#R", "351##1AABB", "can0 351 [8] remote request"] {
            assert_eq!(parse_line(text), Ok(Line::Other), "{text}");
        }
        let long = |id, bytes: &[u8]| Ok(Line::Extended(Record::new(id | Record::EXTENDED, bytes)));
        assert_eq!(parse_line("00000305#0000"), long(0x305, &[0, 0]), "the number of digits tells the kind of the id");
        assert_eq!(parse_line("can0 18FF50E5 [1] 01"), long(0x18FF_50E5, &[1]));
        assert_eq!(parse_line("hello"), Err(LineError::NoFrame));
        assert_eq!(parse_line("xyz#00"), Err(LineError::Id));
        assert_eq!(parse_line("351#0"), Err(LineError::Bytes));
        assert_eq!(parse_line("351#000102030405060708"), Err(LineError::Length));
        assert_eq!(parse_line("can0 351 [8] 14 02"), Err(LineError::Length));
    }

    #[test]
    fn frames_of_a_battery_may_have_ids_of_29_bits() {
        let board = Record::new(0x1890_4001 | Record::EXTENDED, &[1, 7, 0, 0, 0x75, 0x30, 2, 0xBC]);
        for text in
            ["18904001#01070000753002BC", "(1.25) can0 18904001#01070000753002BC", "can0  18904001   [8]  01 07 00 00 75 30 02 BC"]
        {
            assert_eq!(parse_record(text), Ok(Some(board)), "{text}");
        }
        assert_eq!(parse_record("00000351#01"), Ok(Some(Record::new(0x351 | Record::EXTENDED, &[1]))));
        assert_eq!(parse_record("351#01"), Ok(Some(Record::new(0x351, &[1]))));
        for text in ["", "18904001#R", "20000040#00", "18904001##1AABB"] {
            assert_eq!(parse_record(text), Ok(None), "{text}");
        }
        assert_eq!(parse_record("18904001#010203040506070809"), Err(LineError::Length));
    }

    #[test]
    fn a_frame_prints_as_it_is_read() {
        let frame = Frame::new(0x35C, &[0xC0, 0]);
        assert_eq!(frame.to_string(), "35C#C000");
        assert_eq!(parse_line(&frame.to_string()), Ok(Line::Frame(frame)));
    }
}
