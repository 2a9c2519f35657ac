//! Modbus RTU as used by BMSs: requests that read bits or registers, their replies, and exceptions.
//!
//! ```text
//! request    address function first.. count..  crc crc    function 01 coils, 03 holding registers, 04 input registers
//! reply      address function bytes data…      crc crc    registers of two bytes, the high one first; bits, the lowest first
//! exception  address function+80h code         crc crc
//! ```
//! The CRC has its low byte first. A reply does not contain its register numbers: only the request does ([`Read::of`]).
//!
//! A Modbus family plans its requests with [`Read::ask`], frames with [`framing`], and decodes what [`Read::answered`] tells with
//! [`Read::registers`] or [`Read::bits`]. The raw value for "not fitted" is specific to the family and specified beside the scale of its field.
//!
//! Source: "MODBUS Application Protocol Specification" V1.1b3, sections 6.1, 6.3, 6.4 and 7.

use super::bytes::{Reader, crc_frame, crc16_modbus, skip_to_any, text};
use super::{DecodeError, Expected, Framing, Request};
use std::time::Duration;

/// Flag in the function code of an exception.
const EXCEPTION: u8 = 0x80;
/// Length of an exception, CRC included.
const EXCEPTION_LEN: usize = 5;
/// Maximum data bytes of a reply: 125 registers or 2000 bits.
const MAX_DATA: u8 = 250;

/// A read function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// 01: bits.
    Coils,
    /// 03: registers.
    HoldingRegisters,
    /// 04: read-only registers.
    InputRegisters,
}

impl Function {
    /// Function code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Coils => 0x01,
            Self::HoldingRegisters => 0x03,
            Self::InputRegisters => 0x04,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Coils, Self::HoldingRegisters, Self::InputRegisters].into_iter().find(|function| function.code() == code)
    }

    /// Whether a reply can have this many data bytes.
    fn can_return(self, bytes: u8) -> bool {
        (1..=MAX_DATA).contains(&bytes) && (self == Self::Coils || bytes.is_multiple_of(2))
    }
}

/// Range of a read request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Function.
    pub function: Function,
    /// The first register or bit.
    pub first: u16,
    /// Number of registers or bits.
    pub count: u16,
}

impl Read {
    /// Reads `count` registers from `first` on with function 03.
    pub const fn holding(first: u16, count: u16) -> Self {
        Self { function: Function::HoldingRegisters, first, count }
    }

    /// Reads `count` registers from `first` on with function 04.
    pub const fn input(first: u16, count: u16) -> Self {
        Self { function: Function::InputRegisters, first, count }
    }

    /// Reads `count` bits from `first` on with function 01.
    pub const fn coils(first: u16, count: u16) -> Self {
        Self { function: Function::Coils, first, count }
    }

    /// The request to the board at `address`, CRC included.
    pub fn request(self, address: u8) -> Vec<u8> {
        let [first, count] = [self.first, self.count].map(u16::to_be_bytes);
        with_crc([&[address, self.function.code()][..], &first, &count].concat())
    }

    /// As [`Read::request`], with its name and timeout.
    pub fn ask(self, what: &'static str, address: u8, required: bool) -> Request {
        let timeout = Duration::from_millis(if required { 500 } else { 300 });
        Request { what, bytes: self.request(address).into(), timeout, required }
    }

    /// The read that `frame` answers, for families whose boards reply from the address in the request. Without a request it is what
    /// `unasked` recognises: the registers are known only if length or content tells them.
    ///
    /// # Errors
    /// [`DecodeError::Foreign`] for a request to another board, one that is not a read, and a frame that `unasked` does not recognise.
    pub fn answered(expected: Expected<'_>, frame: &[u8], unasked: impl Fn(&[u8]) -> Option<Self>) -> Result<Self, DecodeError> {
        let foreign = |what| DecodeError::Foreign { what };
        match expected {
            Expected::Any => unasked(frame).ok_or(foreign("registers that only the request tells")),
            Expected::Request(request) if request.bytes.first() != frame.first() => Err(foreign("another board")),
            Expected::Request(request) => Self::of(&request.bytes).ok_or(foreign("no read")),
        }
    }

    /// The first of `reads` whose number of registers `frame` has, for [`Read::answered`].
    pub fn by_length(reads: &[Self], frame: &[u8]) -> Option<Self> {
        reads.iter().find(|read| read.registers(frame).is_ok()).copied()
    }

    /// The range that `request` reads; `None` if it is not a read.
    pub fn of(request: &[u8]) -> Option<Self> {
        let &[_, function, first_high, first_low, count_high, count_low] = request.first_chunk()?;
        let [first, count] = [[first_high, first_low], [count_high, count_low]].map(u16::from_be_bytes);
        Some(Self { function: Function::of(function)?, first, count })
    }

    /// The registers in a reply to this read, found by [`framing`].
    ///
    /// # Errors
    /// [`DecodeError::Refused`] for an exception, [`DecodeError::Foreign`] for the reply to another read, [`DecodeError::Short`] if
    /// `frame` ends early.
    pub fn registers(self, frame: &[u8]) -> Result<Registers<'_>, DecodeError> {
        let data = self.data(frame, usize::from(self.count).saturating_mul(2), "another number of registers")?;
        Ok(Registers { first: self.first, data })
    }

    /// The bits in a reply to this read, as [`Read::registers`].
    ///
    /// # Errors
    /// As [`Read::registers`].
    pub fn bits(self, frame: &[u8]) -> Result<Bits<'_>, DecodeError> {
        let data = self.data(frame, usize::from(self.count).div_ceil(8), "another number of bits")?;
        Ok(Bits { read: self, data })
    }

    fn data<'a>(self, frame: &'a [u8], expected: usize, other: &'static str) -> Result<&'a [u8], DecodeError> {
        let mut r = Reader::new(frame);
        r.skip(1, "address")?;
        let function = r.u8("function")?;
        if function & !EXCEPTION != self.function.code() {
            return Err(DecodeError::Foreign { what: "another function" });
        }
        if function & EXCEPTION != 0 {
            return Err(DecodeError::Refused { code: r.u8("exception code")? });
        }
        let len = usize::from(r.u8("length")?);
        let data = r.bytes(len, "data")?;
        if len == expected { Ok(data) } else { Err(DecodeError::Foreign { what: other }) }
    }
}

/// Looks for a reply to a read with one of `functions`, or for an exception to one, at the start of `buf`. `is_sender` accepts the
/// first byte of a reply: the fewer it accepts, the less noise looks like the start of one.
pub fn framing(buf: &[u8], functions: &[Function], is_sender: impl Fn(u8) -> bool) -> Framing {
    let skip = || skip_to_any(&is_sender, buf);
    let known = |code: u8| functions.iter().find(|function| function.code() == code & !EXCEPTION);
    let len = match buf {
        [] => return Framing::Incomplete,
        [from, ..] if !is_sender(*from) => return skip(),
        [_] => return Framing::Incomplete,
        [_, code, rest @ ..] => match (known(*code), rest) {
            (Some(_), _) if code & EXCEPTION != 0 => EXCEPTION_LEN,
            (Some(_), []) => return Framing::Incomplete,
            (Some(function), [bytes, ..]) if function.can_return(*bytes) => usize::from(*bytes).saturating_add(5),
            _ => return skip(),
        },
    };
    match crc_frame(buf, len) {
        Framing::Skip(_) => skip(),
        step => step,
    }
}

/// The exception code; `None` for any other frame.
pub fn exception(frame: &[u8]) -> Option<u8> {
    match frame {
        [_, function, code, ..] if function & EXCEPTION != 0 => Some(*code),
        _ => None,
    }
}

/// Appends the CRC to `frame`.
pub fn with_crc(mut frame: Vec<u8>) -> Vec<u8> {
    frame.extend(crc16_modbus(&frame).to_le_bytes());
    frame
}

/// The registers of one reply. A register outside of the reply is `None`.
#[derive(Debug, Clone, Copy)]
pub struct Registers<'a> {
    /// Number of the first register.
    pub first: u16,
    /// Their bytes.
    pub data: &'a [u8],
}

impl Registers<'_> {
    fn bytes<const N: usize>(&self, register: u16) -> Option<[u8; N]> {
        let at = usize::from(register.checked_sub(self.first)?).checked_mul(2)?;
        self.data.get(at..)?.first_chunk().copied()
    }

    /// Unsigned, one register.
    pub fn u16(&self, register: u16) -> Option<u16> {
        self.bytes(register).map(u16::from_be_bytes)
    }

    /// Signed, one register.
    pub fn i16(&self, register: u16) -> Option<i16> {
        self.bytes(register).map(i16::from_be_bytes)
    }

    /// Unsigned, two registers, the high word in the first.
    pub fn u32_high_first(&self, register: u16) -> Option<u32> {
        self.bytes(register).map(u32::from_be_bytes)
    }

    /// Unsigned, two registers, the low word in the first.
    pub fn u32_low_first(&self, register: u16) -> Option<u32> {
        self.bytes(register).map(|[a, b, c, d]| u32::from_be_bytes([c, d, a, b]))
    }

    /// Text in `count` registers, see [`text`].
    pub fn text(&self, register: u16, count: u16) -> Option<String> {
        let at = usize::from(register.checked_sub(self.first)?).checked_mul(2)?;
        text(self.data.get(at..)?.get(..usize::from(count).checked_mul(2)?)?)
    }
}

/// The bits of one reply.
#[derive(Debug, Clone, Copy)]
pub struct Bits<'a> {
    read: Read,
    data: &'a [u8],
}

impl Bits<'_> {
    /// The bit; `None` if it is outside of the reply.
    pub fn get(&self, bit: u16) -> Option<bool> {
        let index = bit.checked_sub(self.read.first).filter(|index| *index < self.read.count)?;
        let byte = self.data.get(usize::from(index / 8))?;
        Some((byte >> (index % 8)) & 1 == 1)
    }

    /// Eight bits from `first` on, the first one lowest.
    pub fn byte(&self, first: u16) -> Option<u8> {
        (0..8u16).try_fold(0, |byte, bit| Some(byte | u8::from(self.get(first.checked_add(bit)?)?) << bit))
    }
}

#[cfg(test)]
mod tests {
    use super::Function::{Coils, HoldingRegisters, InputRegisters};
    use super::*;
    use proptest::prelude::*;

    const ALL: [Function; 3] = [Coils, HoldingRegisters, InputRegisters];

    /// The examples of the specification, sections 6.1, 6.3 and 6.4, with address 11h.
    #[test]
    fn the_examples_of_the_specification_are_read() {
        let coils = Read::coils(0x13, 0x13);
        assert_eq!(coils.request(0x11)[..6], [0x11, 1, 0, 0x13, 0, 0x13]);
        let reply = with_crc(vec![0x11, 1, 3, 0xCD, 0x6B, 0x05]);
        let bits = coils.bits(&reply).unwrap();
        let set: Vec<u16> = (0x13..0x26).filter(|bit| bits.get(*bit).unwrap()).collect();
        assert_eq!(set, [0x13, 0x15, 0x16, 0x19, 0x1A, 0x1B, 0x1C, 0x1E, 0x20, 0x21, 0x23, 0x25]);
        assert_eq!((bits.get(0x12), bits.get(0x26)), (None, None), "outside of the reply");
        assert_eq!((bits.byte(0x17), bits.byte(0x1F)), (Some(0xBC), None), "bits of two bytes; beyond the last bit");

        let registers = Read::holding(0x6B, 3);
        let reply = with_crc(vec![0x11, 3, 6, 0x02, 0x2B, 0, 0, 0, 0x64]);
        let registers = registers.registers(&reply).unwrap();
        assert_eq!([0x6A, 0x6B, 0x6D, 0x6E].map(|at| registers.u16(at)), [None, Some(555), Some(100), None]);

        let reply = with_crc(vec![0x11, 4, 2, 0, 0x0A]);
        assert_eq!(Read::input(8, 1).registers(&reply).unwrap().u16(8), Some(10));
    }

    #[test]
    fn values_of_two_registers_have_either_word_first() {
        let registers = Registers { first: 0x100, data: &[0x00, 0x01, 0xFF, 0xFE] };
        assert_eq!(registers.u32_high_first(0x100), Some(0x0001_FFFE));
        assert_eq!(registers.u32_low_first(0x100), Some(0xFFFE_0001));
        assert_eq!(registers.u32_low_first(0x101), None, "its second word is not there");
        assert_eq!(registers.i16(0x101), Some(-2));
        let named = Registers { first: 0x10, data: b"..ABC\0" };
        assert_eq!((named.text(0x11, 2).as_deref(), named.text(0x11, 3)), (Some("ABC"), None), "beyond the reply");
    }

    /// A request for D2's live values as sent by the manufacturer's app.
    #[test]
    fn a_request_says_what_it_reads() {
        let request = Read::holding(0, 0x3E).request(0xD2);
        assert_eq!(request, [0xD2, 3, 0, 0, 0, 0x3E, 0xD7, 0xB9]);
        assert_eq!(Read::of(&request), Some(Read::holding(0, 0x3E)));
        assert_eq!(Read::of(&[1, 6, 0, 0xA5, 0, 1]), None, "a write");
        assert_eq!(Read::of(&[1, 3, 0, 0, 0]), None, "cut");
    }

    #[test]
    fn a_reply_to_another_read_is_foreign_and_an_exception_a_refusal() {
        let read = Read::holding(0, 2);
        let foreign = |what| Err(DecodeError::Foreign { what });
        let of = |body: &[u8]| read.registers(&with_crc(body.to_vec())).map(|registers| registers.data.len());
        assert_eq!(of(&[1, 3, 4, 0, 1, 0, 2]), Ok(4));
        assert_eq!(of(&[1, 3, 2, 0, 1]), foreign("another number of registers"));
        assert_eq!(of(&[1, 4, 4, 0, 1, 0, 2]), foreign("another function"));
        assert_eq!(of(&[1, 0x84, 2]), foreign("another function"));
        assert_eq!(of(&[1, 0x83, 2]), Err(DecodeError::Refused { code: 2 }));
        assert!(matches!(read.registers(&[1, 3, 4, 0]), Err(DecodeError::Short { .. })));
        assert_eq!([exception(&[1, 0x83, 2, 0, 0]), exception(&[1, 3, 2, 0, 0])], [Some(2), None]);
    }

    #[test]
    fn only_the_functions_and_senders_of_the_family_begin_a_frame() {
        let reply = with_crc(vec![2, 3, 4, 0, 1, 0, 7]);
        let mine = |from| from == 2;
        assert_eq!(framing(&reply, &[HoldingRegisters], mine), Framing::Frame(0..9));
        assert_eq!(framing(&reply, &[InputRegisters, Coils], mine), Framing::Skip(9));
        assert_eq!(framing(&reply, &ALL, |from| from == 3), Framing::Skip(1), "3 may begin the next one");
        assert_eq!(framing(&[2, 3, 3], &ALL, mine), Framing::Skip(3), "half a register");
        assert_eq!(framing(&[2, 1, 3], &ALL, mine), Framing::Incomplete, "three bytes of bits");
        assert_eq!(framing(&with_crc(vec![2, 0x83, 2]), &ALL, mine), Framing::Frame(0..5));
        let echo = Read::holding(0x1234, 2).request(2);
        assert!(matches!(framing(&echo, &ALL, mine), Framing::Incomplete | Framing::Skip(_)), "a request is no reply");
    }

    proptest! {
        /// A built reply is found only when complete and unchanged.
        #[test]
        fn a_reply_is_found_whole_and_only_whole(
            from in 1u8..=247, at in 0usize..3, words in 1u8..=125, data in proptest::collection::vec(any::<u8>(), 250),
            damaged in any::<prop::sample::Index>(), flip in 1u8..,
        ) {
            let function = ALL[at];
            let bytes = words.saturating_mul(2);
            let reply = with_crc([&[from, function.code(), bytes][..], &data[..usize::from(bytes)]].concat());
            let is_sender = |byte| byte == from;
            prop_assert_eq!(framing(&reply, &ALL, is_sender), Framing::Frame(0..reply.len()));
            for end in 0..reply.len() {
                prop_assert_eq!(framing(&reply[..end], &ALL, is_sender), Framing::Incomplete);
            }
            let mut wrong = reply.clone();
            wrong[damaged.index(reply.len())] ^= flip;
            prop_assert!(framing(&wrong, &ALL, is_sender) != Framing::Frame(0..reply.len()));
        }

        /// Any input: no panic, each step makes progress, and no register outside of the frame is read.
        #[test]
        fn any_bytes_are_stepped_over(
            buf in proptest::collection::vec(any::<u8>(), 0..300), first in any::<u16>(), count in any::<u16>(), at in any::<u16>(),
        ) {
            match framing(&buf, &ALL, |from| from < 0x20) {
                Framing::Incomplete => {}
                Framing::Skip(n) => prop_assert!((1..=buf.len()).contains(&n)),
                Framing::Frame(range) => prop_assert!(range.start == 0 && range.end <= buf.len()),
            }
            let _ = Read::of(&buf);
            if let Ok(bits) = Read::coils(first, count).bits(&buf) {
                prop_assert!(bits.get(at).is_none() || at.checked_sub(first).is_some_and(|index| index < count));
            }
            let registers = Registers { first, data: &buf };
            let there = at.checked_sub(first).is_some_and(|index| usize::from(index) < buf.len() / 2);
            prop_assert_eq!(registers.u16(at).is_some(), there);
            let _ = (registers.i16(at), registers.u32_high_first(at), registers.u32_low_first(at));
        }
    }
}
