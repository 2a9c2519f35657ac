//! EG4 LL, EG4 LifePower4 V2, ExpertPower and others with "MODBUS between UPS (SMPS) and BMS" V01.06: Modbus RTU, 9600 8N1,
//! function 03, big endian.
//!
//! ```text
//! 0000  39 registers: all values      0069  23 registers: model, firmware, a date or serial number
//! ```
//! PACE boards with Modbus answer the very same request with other values in the same 78 bytes, and so do some meters: the number of
//! cells, their sum and the SoC tell them apart.
//!
//! Sources: vendor documents EG4 LL V01.06 and ExpertPower V01.11, gonzalop/wombatt (issues 14 and 20), patman15/aiobmsble, and the
//! recordings in `tests/vectors/eg4-ll`. Registers 19 and 20 are mean and highest temperature in an order that the sources disagree
//! on; they are not used.

pub(crate) mod alarms;
mod values;

use super::asking::{AskUntilKnown, NAMES};
use super::modbus::{self, Function, Read};
use super::{Codec, DecodeError, Driver, Evidence, Expected, Framing, Line, Progress, Protocol, Request, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its DIP address; 16 is a master at 0.
pub const DRIVER: Driver = Driver {
    name: "eg4-ll",
    label: "EG4 LL",
    boards: "EG4 LL and LifePower4 V2, ExpertPower and other 48 V racks with this Modbus protocol (V01.06)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1, 16],
    gap: Duration::from_millis(100),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(16),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| Box::new(Eg4Ll { address: address.unwrap_or(1), ..Eg4Ll::default() }),
};

const VALUES: Read = Read::holding(0, 0x27);
const TEXTS: Read = Read::holding(0x69, 0x17);

#[derive(Debug, Default)]
struct Eg4Ll {
    address: u8,
    /// Places of sensors that have shown a temperature: 0 °C is one there, and no sensor elsewhere.
    fitted: [bool; 6],
    texts: AskUntilKnown,
}

impl Codec for Eg4Ll {
    fn framing(&self, buf: &[u8]) -> Framing {
        modbus::framing(buf, &[Function::HoldingRegisters], |from| matches!(from, 1..=16))
    }

    fn source(&self, frame: &[u8]) -> Option<u8> {
        frame.first().copied()
    }

    fn decode(&mut self, expected: Expected<'_>, frame: &[u8], into: &mut Reading) -> Result<Progress, DecodeError> {
        let read = Read::answered(expected, frame, |frame| Read::by_length(&[VALUES, TEXTS], frame))?;
        let registers = read.registers(frame)?;
        match read.first {
            0 => {
                values::values(&registers, &mut self.fitted, into)?;
                self.texts.heard();
            }
            0x69 => {
                values::texts(&registers, into);
                self.texts.answered();
            }
            _ => return Err(DecodeError::Foreign { what: "unknown registers" }),
        }
        Ok(Progress::Done)
    }
}

impl Protocol for Eg4Ll {
    fn identify(&self) -> Request {
        VALUES.ask("values", self.address, true)
    }

    fn plan(&mut self, known: &Reading) -> Vec<Request> {
        let mut plan = vec![self.identify()];
        // Keeps the first reading short; this can wait for the second.
        if known.cell_count.is_some() && known.device.model.is_none() && self.texts.is_due(&NAMES) {
            plan.push(TEXTS.ask("texts", self.address, false));
        }
        plan
    }

    fn has_weak_checksum(&self) -> bool {
        false
    }
}
