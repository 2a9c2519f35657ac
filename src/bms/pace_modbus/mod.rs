//! PACE boards with "Modbus" selected in PbmsTools: Modbus RTU, 9600 8N1, function 03, big endian.
//!
//! ```text
//! 0000  39 registers: all values      003C  21 registers: protections      0096  30 registers: version, two serial numbers
//! ```
//! EG4 LL answers the very same first request with other values in the same 78 bytes: voltage and SoC in other registers, and the
//! sum of the cells tell them apart. Some boards have the first eight registers in common and another map behind them, with the
//! number of cells in front of the cells (Gobel Power, 59 registers); others have yet another one and refuse register 0 (Revov).
//!
//! Sources: "PACE BMS Modbus Protocol for RS485" V1.3 (syssi/esphome-pace-bms, docs) and the configuration there, which owners use;
//! patman15/aiobmsble for Gobel. Recorded are the map of Gobel, over Bluetooth, and a refusal: `tests/vectors/pace-modbus`; of the
//! published map there is no recording, so the family is untested.

pub(crate) mod alarms;
mod values;

use super::asking::{When, has_model};
use super::modbus::Read;
use super::modbus_pack::{Block, Board, ModbusPack};
use super::{Driver, Evidence, Line, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its DIP address.
pub const DRIVER: Driver = Driver {
    name: "pace-modbus",
    label: "PACE Modbus",
    boards: "PACE P4S, P8S and P16S boards with the Modbus protocol selected in PbmsTools",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1, 0],
    gap: Duration::from_millis(100),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |address| Box::new(ModbusPack::<PaceModbus>::new(address.unwrap_or(1))),
};

const VALUES: Read = Read::holding(0, 0x27);
/// As [`VALUES`], for boards with the map of Gobel.
const WIDE_VALUES: Read = Read::holding(0, 0x3B);
const SETTINGS: Read = Read::holding(0x3C, 0x15);
const TEXTS: Read = Read::holding(0x96, 0x1E);

/// Which registers follow the first eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Map {
    Published,
    Gobel,
}

#[derive(Debug, Default)]
struct PaceModbus {
    map: Option<Map>,
    /// Places that have shown a cell: no register has their number.
    cells: usize,
}

impl Board for PaceModbus {
    const BLOCKS: &'static [Block<Self>] = &[
        Block::new("values", VALUES, When::Always, values::values),
        Block::new("values", WIDE_VALUES, When::Always, values::values),
        Block::new("settings", SETTINGS, When::Settings, values::settings),
        Block::new("texts", TEXTS, When::Name(has_model), values::texts),
    ];

    fn is_sender(byte: u8) -> bool {
        matches!(byte, 0..=16)
    }

    fn unasked(frame: &[u8]) -> Option<Read> {
        Read::by_length(&[VALUES, WIDE_VALUES, SETTINGS, TEXTS], frame)
    }

    /// A board has the published map until it shows another.
    fn is_wanted(&self, read: Read, _: &Reading) -> bool {
        (read == WIDE_VALUES) == (self.map == Some(Map::Gobel))
    }
}
