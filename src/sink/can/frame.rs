//! A CAN frame with an 11-bit id, and its text as candump writes it.

use super::bus_error::BusError;
use std::fmt;
use thiserror::Error;

/// A data frame with an 11-bit id; all that batteries and inverters say to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    id: u16,
    length: usize,
    data: [u8; 8],
}

impl Frame {
    /// Highest 11-bit id.
    pub const HIGHEST_ID: u16 = 0x7FF;

    /// A frame; of more than 8 bytes the first 8 are taken, of an id the lower 11 bits.
    pub fn new(id: u16, bytes: &[u8]) -> Self {
        let mut frame = Self { id: id & Self::HIGHEST_ID, length: bytes.len().min(8), data: [0; 8] };
        frame.data.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        frame
    }

    /// Which kind of message it is.
    pub fn id(&self) -> u16 {
        self.id
    }

    /// Its content, up to 8 bytes.
    pub fn bytes(&self) -> &[u8] {
        self.data.get(..self.length).unwrap_or(&self.data)
    }
}

/// candump's log form: `351#1402C012C012C201`.
impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03X}#", self.id)?;
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// What a line of a candump says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Nothing: the line is empty or a comment.
    Empty,
    /// A frame of the kind that batteries and inverters use.
    Frame(Frame),
    /// What the controller says of the bus.
    Error(BusError),
    /// A frame that is of no interest here: a 29-bit id, a remote request, CAN FD.
    Other,
}

/// A line that no candump wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LineError {
    /// Neither `ID#BYTES` nor `ID [LENGTH] BYTES` is in it.
    #[error("there is no frame in it; write a line as `351#1402C012C012C201` or `can0 351 [8] 14 02 C0 12 C0 12 C2 01`")]
    NoFrame,
    /// The id is no hexadecimal number of up to 29 bits.
    #[error("the id is no hexadecimal number of up to 8 digits; write it as in `351#1402C012`")]
    Id,
    /// The content is not made of pairs of hex digits.
    #[error("the content is not pairs of hex digits; write it as in `351#1402C012`")]
    Bytes,
    /// There are other than the stated, or more than 8 bytes.
    #[error("there are not as many bytes as the line says, or more than 8; check that the line is whole")]
    Length,
}

/// Reads a line of a candump: its log form (`-L`) or its usual form, with or without time and interface.
///
/// # Errors
/// [`LineError`] for anything else.
pub fn parse_line(line: &str) -> Result<Line, LineError> {
    let line = line.trim();
    if line.is_empty() || line.starts_with("//") {
        return Ok(Line::Empty);
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

fn log_form(id: &str, content: &str) -> Result<Line, LineError> {
    let number = id_of(id)?;
    if let Some(error) = BusError::of(number, &bytes_of(content.split('.')).unwrap_or_default()) {
        return Ok(Line::Error(error));
    }
    // `R` asks for a frame, a second `#` begins one of CAN FD.
    if content.starts_with(['R', 'r', '#']) || number > u32::from(Frame::HIGHEST_ID) {
        return Ok(Line::Other);
    }
    // Dots between bytes are allowed, and a `_B` behind them is a raw length code.
    let content = content.split('_').next().unwrap_or(content);
    finish(number, &bytes_of(content.split('.'))?)
}

fn usual_form<'a>(id: &str, length: &str, rest: impl Iterator<Item = &'a str>) -> Result<Line, LineError> {
    let number = id_of(id)?;
    let length: usize = length.parse().map_err(|_| LineError::Length)?;
    let mut rest = rest.peekable();
    if number & 1 << 29 != 0 {
        // An error frame has a text behind its bytes.
        let bytes = bytes_of(rest.take(length.min(8))).unwrap_or_default();
        return Ok(BusError::of(number, &bytes).map_or(Line::Other, Line::Error));
    }
    // 12 and more is CAN FD.
    if rest.peek().is_some_and(|word| *word == "remote") || number > u32::from(Frame::HIGHEST_ID) || length > 8 {
        return Ok(Line::Other);
    }
    let bytes = bytes_of(rest.take(length))?;
    if bytes.len() == length { finish(number, &bytes) } else { Err(LineError::Length) }
}

fn finish(id: u32, bytes: &[u8]) -> Result<Line, LineError> {
    match u16::try_from(id) {
        Ok(id) if bytes.len() <= 8 => Ok(Line::Frame(Frame::new(id, bytes))),
        Ok(_) => Err(LineError::Length),
        Err(_) => Ok(Line::Other),
    }
}

fn id_of(text: &str) -> Result<u32, LineError> {
    let is_id = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_id.then(|| u32::from_str_radix(text, 16).ok()).flatten().ok_or(LineError::Id)?;
    // More than three digits say a 29-bit id, whatever its value.
    Ok(if text.len() > 3 { number | 1 << 31 } else { number })
}

fn bytes_of<'a>(parts: impl Iterator<Item = &'a str>) -> Result<Vec<u8>, LineError> {
    let mut bytes = Vec::new();
    for part in parts {
        if part.len() % 2 != 0 || !part.is_ascii() {
            return Err(LineError::Bytes);
        }
        bytes.extend(crate::hex::decode(part).map_err(|_| LineError::Bytes)?);
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
        for text in ["18FF50E5#01", "351#R", "351##1AABB", "00000351#01", "can0 351 [8] remote request"] {
            assert_eq!(parse_line(text), Ok(Line::Other), "{text}");
        }
        assert_eq!(parse_line("hello"), Err(LineError::NoFrame));
        assert_eq!(parse_line("xyz#00"), Err(LineError::Id));
        assert_eq!(parse_line("351#0"), Err(LineError::Bytes));
        assert_eq!(parse_line("351#000102030405060708"), Err(LineError::Length));
        assert_eq!(parse_line("can0 351 [8] 14 02"), Err(LineError::Length));
    }

    #[test]
    fn a_frame_prints_as_it_is_read() {
        let frame = Frame::new(0x35C, &[0xC0, 0]);
        assert_eq!(frame.to_string(), "35C#C000");
        assert_eq!(parse_line(&frame.to_string()), Ok(Line::Frame(frame)));
    }
}
