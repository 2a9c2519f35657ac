//! Daly boards with Modbus RTU (H, K, M, S series and newer): 9600 8N1, function 03, big endian.
//!
//! ```text
//! request  to D2 for D2 boards; 80+n for board n of the others ("p81"); the frames are those of `modbus.rs`
//! reply    from D2, or 50+n
//! ```
//! FFFF is a register that is not fitted, 00FF and 0000 a sensor that is not. Both families have the same values at different
//! registers, see `D2` and `P81`. The registers with the password are never read: C9 of D2 boards, 126 to 128 of the others.
//!
//! The manufacturer's document counts charge as negative, the recordings as positive: if the state register reports charging or
//! discharging, that decides. Balancing bits and MOS temperature are in registers that the document calls reserved: they are used
//! if they agree with the rest.
//!
//! Source: syssi/esphome-daly-bms (docs/dalyModbusProtocol.xlsx, docs/protocol-register-map.md), for the p81 boards
//! patagonaa/esphome-daly-hkms-bms as well, and the recordings in `tests/vectors/daly-modbus`.

pub(crate) mod alarms;
mod commands;
mod registers;
mod values;

use super::asking::{AskUntilKnown, CHANGING, LIMITS, NAMES};
use super::modbus::{self, Function, Read};
use super::write_sequence::WriteSequence;
use super::{
    Codec, Commands, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport,
};
use crate::model::{Command, Reading};
use registers::{Block, D2, D2_FULL, Map, P81, P81_FULL};
use std::time::Duration;
use values::Registers;

/// The registry entry. A battery's address is 210 (D2), or the board number of the other family.
pub const DRIVER: Driver = Driver {
    name: "daly-modbus",
    label: "Daly Modbus",
    boards: "Daly smart BMS of the H, K, M and S series and newer (Modbus protocol)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[0xD2, 1],
    gap: Duration::from_millis(20),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(16),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial, Transport::Bluetooth],
    new: |address| Box::new(DalyModbus { host: host(address.unwrap_or(0xD2)), ..DalyModbus::default() }),
};

/// The same over Bluetooth: one board of the D2 family.
pub(super) const OVER_BLUETOOTH: Driver = Driver { addresses: &[0xD2], sharing: Sharing::Alone, ..DRIVER };

#[derive(Debug, Default)]
struct DalyModbus {
    host: u8,
    /// Optional block of live values.
    optional: AskUntilKnown,
    fixed: AskUntilKnown,
    protections: AskUntilKnown,
    version: AskUntilKnown,
}

impl Codec for DalyModbus {
    fn framing(&self, buf: &[u8]) -> Framing {
        modbus::framing(buf, &[Function::HoldingRegisters], is_board)
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().map(|from| if *from == 0xD2 { 0xD2 } else { from.wrapping_sub(0x50) })
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let from = *frame.first().ok_or(DecodeError::Short { field: "address" })?;
        if let Expected::Request(request) = expected
            && request.bytes.first().map(|host| answers(*host)) != Some(from)
        {
            return Err(DecodeError::Foreign { what: "another board" });
        }
        let read = match expected {
            Expected::Request(request) => Read::of(&request.bytes).ok_or(DecodeError::Foreign { what: "no read" })?,
            Expected::Any => unasked(from, frame)?,
        };
        let registers = match read.registers(frame) {
            Err(refused @ DecodeError::Refused { .. }) if read == self.map().fixed.read => {
                self.fixed.answered();
                return Err(refused);
            }
            registers => Registers(registers?),
        };
        if from == 0xD2 {
            registers.d2(into)
        } else {
            registers.p81(into)
        }
        self.heard(&registers, into);
        Ok(Progress::Done)
    }
}

impl Protocol for DalyModbus {
    fn identify(&self) -> Request {
        let [first, ..] = self.map().live else { return self.request(&D2.fixed) };
        self.request(first)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let map = self.map();
        let optional = self.optional.is_due(&CHANGING);
        let live = map.live.iter().filter(|block| block.required || optional);
        let mut plan: Vec<Request> = live.map(|block| self.request(block)).collect();
        if known.capacity.is_none() && self.fixed.is_due(&LIMITS) {
            plan.push(self.request(&map.fixed));
        }
        // Keeps the first reading short; these can wait for the second.
        if known.cell_count.is_none() {
            return plan;
        }
        if let Some(protections) = &map.protections
            && known.settings.cell_ovp.is_none()
            && self.protections.is_due(&NAMES)
        {
            plan.push(self.request(protections));
        }
        if known.device.sw_version.is_none() && self.version.is_due(&NAMES) {
            plan.push(self.request(&map.version));
        }
        plan
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }

    fn commands(&self) -> Option<&dyn Commands> {
        Some(self)
    }
}

impl Commands for DalyModbus {
    fn encode(&self, command: Command, _: &Reading, _: Option<u64>, _: bool) -> Option<WriteSequence> {
        (self.host == 0xD2).then(|| commands::encode(command, self.identify()))?
    }
}

impl DalyModbus {
    fn map(&self) -> &'static Map {
        if self.host == 0xD2 { &D2 } else { &P81 }
    }

    fn request(&self, block: &Block) -> Request {
        block.read.ask(block.what, self.host, block.required)
    }

    /// Records which data was received, and marks what is still awaited.
    fn heard(&mut self, registers: &Registers<'_>, into: &mut Reading) {
        let map = self.map();
        let first = registers.0.first;
        if first == map.fixed.read.first {
            self.fixed.answered();
        } else if first == 0 {
            self.fixed.heard();
            self.protections.heard();
            self.version.heard();
        }
        let awaited = into.capacity.is_none() && self.fixed.is_awaited();
        into.awaited.capacity = awaited;
        into.awaited.settings = awaited && map.has_protections;
        match first {
            0 => self.optional.heard(),
            _ if registers.word(map.mos_temperature).is_some() => self.optional.answered(),
            _ => {}
        }
    }
}

/// The address in requests: board numbers are offset by 80.
fn host(address: u8) -> u8 {
    if matches!(address, 1..=16) { address | 0x80 } else { address }
}

/// The first byte of the reply to a request to `host`.
fn answers(host: u8) -> u8 {
    if matches!(host, 0x81..=0x90) { host.wrapping_sub(0x30) } else { host }
}

fn is_board(from: u8) -> bool {
    matches!(from, 0xD2 | 0x51..=0x60)
}

/// The registers of a reply without a known request, as far as its length shows.
fn unasked(from: u8, frame: &[u8]) -> Result<Read, DecodeError> {
    let full = if from == 0xD2 { D2_FULL } else { P81_FULL };
    let fits = |read: &&Read| !matches!(read.registers(frame), Err(DecodeError::Foreign { .. }));
    full.iter().find(fits).copied().ok_or(DecodeError::Foreign { what: "registers that only the request tells" })
}
