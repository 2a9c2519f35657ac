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

use super::asking::{When, has_model};
use super::modbus::Read;
use super::modbus_pack::{Block, Board, ModbusPack};
use super::{Driver, Evidence, Line, Sharing, Transport};
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
    new: |address| Box::new(ModbusPack::<Eg4Ll>::new(address.unwrap_or(1))),
};

const VALUES: Read = Read::holding(0, 0x27);
const TEXTS: Read = Read::holding(0x69, 0x17);

#[derive(Debug, Default)]
struct Eg4Ll {
    /// Places of sensors that have shown a temperature: 0 °C is one there, and no sensor elsewhere.
    fitted: [bool; 6],
}

impl Board for Eg4Ll {
    const BLOCKS: &'static [Block<Self>] = &[
        Block::new("values", VALUES, When::Always, values::values),
        Block::new("texts", TEXTS, When::Name(has_model), values::texts),
    ];

    fn is_sender(byte: u8) -> bool {
        matches!(byte, 1..=16)
    }

    fn unasked(frame: &[u8]) -> Option<Read> {
        Read::by_length(&[VALUES, TEXTS], frame)
    }
}
