//! Boards with [`super::modbus`]: a family is a table of its requests, with a decoder for the registers of each.

use super::asking::{Asked, When};
use super::modbus::{self, Bits, Function, Read, Registers};
use super::{Codec, DecodeError, Expected, Framing, Progress, Protocol, Request};
use crate::model::Reading;
use std::fmt::Debug;
use std::time::Duration;

/// A family, with what its decoder must remember of a board between replies.
pub(super) trait Board: Debug + Default + Send + 'static {
    /// The requests of a reading, in this order; the first one that is [`When::Always`] identifies the family.
    const BLOCKS: &'static [Block<Self>];

    /// Functions of the replies.
    const FUNCTIONS: &'static [Function] = &[Function::HoldingRegisters];

    /// Whether a reply may begin with this byte, which is the board's address.
    fn is_sender(byte: u8) -> bool;

    /// The read that a reply without a known request answers, as far as length or content tell it; see [`Read::by_length`].
    fn unasked(frame: &[u8]) -> Option<Read>;

    /// Whether this board needs the request.
    fn is_wanted(&self, read: Read, known: &Reading) -> bool {
        let _ = (read, known);
        true
    }

    /// Marks what is awaited beside the settings, which need no mark; `is_awaited` tells whether a reply is still expected.
    fn mark_awaited(&self, is_awaited: &dyn Fn(Read) -> bool, into: &mut Reading) {
        let _ = (is_awaited, into);
    }
}

/// A request, and the meaning of its reply.
#[derive(Debug)]
pub(super) struct Block<B: 'static> {
    what: &'static str,
    read: Read,
    when: When,
    decode: Decode<B>,
}

/// Decodes the registers of one reply.
type FromRegisters<B> = fn(&mut B, &Registers<'_>, &mut Reading) -> Result<(), DecodeError>;
/// Decodes the bits of one reply.
type FromBits<B> = fn(&mut B, &Bits<'_>, &mut Reading) -> Result<(), DecodeError>;

#[derive(Debug)]
enum Decode<B: 'static> {
    Registers(FromRegisters<B>),
    Bits(FromBits<B>),
}

impl<B> Block<B> {
    /// Registers, called `what` in the log.
    pub(super) const fn new(what: &'static str, read: Read, when: When, decode: FromRegisters<B>) -> Self {
        Self { what, read, when, decode: Decode::Registers(decode) }
    }

    /// As [`Block::new`], for bits.
    pub(super) const fn bits(what: &'static str, read: Read, when: When, decode: FromBits<B>) -> Self {
        Self { what, read, when, decode: Decode::Bits(decode) }
    }

    fn request(&self, address: u8) -> Request {
        self.read.ask(self.what, address, matches!(self.when, When::Always))
    }
}

/// Decoder state: the address, which requests were answered, and what the family remembers.
#[derive(Debug)]
pub(super) struct ModbusPack<B> {
    address: u8,
    asked: Asked,
    board: B,
}

impl<B: Board> ModbusPack<B> {
    pub(super) fn new(address: u8) -> Self {
        Self { address, asked: Asked::new(address, B::BLOCKS.iter().map(|block| block.when)), board: B::default() }
    }

    fn decode_block(&mut self, block: &Block<B>, read: Read, frame: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
        match block.decode {
            Decode::Registers(decode) => decode(&mut self.board, &read.registers(frame)?, into),
            Decode::Bits(decode) => decode(&mut self.board, &read.bits(frame)?, into),
        }
    }

    fn mark_awaited(&self, into: &mut Reading) {
        let is_wanted = |number: usize| B::BLOCKS.get(number).is_some_and(|block| self.board.is_wanted(block.read, into));
        into.awaited.settings = self.asked.awaits_limits(into, is_wanted);
        let is_awaited = |read| number_of::<B>(read).is_some_and(|number| self.asked.is_awaited(number));
        self.board.mark_awaited(&is_awaited, into);
    }
}

/// Place of the block with this first register: other programs may read more or less from there.
fn number_of<B: Board>(read: Read) -> Option<usize> {
    B::BLOCKS.iter().position(|block| (block.read.function, block.read.first) == (read.function, read.first))
}

impl<B: Board> Codec for ModbusPack<B> {
    fn framing(&self, buf: &[u8]) -> Framing {
        modbus::framing(buf, B::FUNCTIONS, B::is_sender)
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let read = Read::answered(expected, frame, B::unasked)?;
        let numbered = number_of::<B>(read).and_then(|number| B::BLOCKS.get(number).map(|block| (number, block)));
        let other = || match modbus::exception(frame) {
            Some(code) => DecodeError::Refused { code },
            None => DecodeError::Foreign { what: "unknown registers" },
        };
        let (number, block) = numbered.ok_or_else(other)?;
        let decoded = self.decode_block(block, read, frame, into);
        if let Err(DecodeError::Refused { .. }) = decoded {
            self.asked.refused(number);
        }
        decoded?;
        self.asked.answered(number);
        self.mark_awaited(into);
        Ok(Progress::Done)
    }
}

impl<B: Board> Protocol for ModbusPack<B> {
    fn identify(&self) -> Request {
        let first = B::BLOCKS.iter().find(|block| matches!(block.when, When::Always));
        first.map_or_else(|| Request::only_listen("values", Duration::ZERO), |block| block.request(self.address))
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let Self { address, asked, board } = self;
        let is_wanted = |number: usize| B::BLOCKS.get(number).is_some_and(|block| board.is_wanted(block.read, known));
        let due = asked.due(known, is_wanted);
        due.into_iter().filter_map(|number| B::BLOCKS.get(number)).map(|block| block.request(*address)).collect()
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }
}
