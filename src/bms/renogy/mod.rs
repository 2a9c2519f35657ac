//! Renogy smart batteries: Modbus RTU, 9600 8N1, function 03, big endian.
//!
//! ```text
//! 1388  34 registers: cells in 0.1 V, sensors     13EC  8 registers: alarms, FETs
//! 13B2   7 registers: current, voltage, charge    13F6, 1402, 140A  texts: serial number, model, firmware
//! ```
//! Address 30 from the factory; after automatic numbering 48, 49 and so on. The unit of the current depends on the model (0.01 A, of
//! the Pro series 0.1 A), and no register tells it: until the model is read, and for models of unknown unit, it is unknown.
//! Register 1467 sets the address; nothing is ever written here.
//!
//! Sources: "Lithium Iron Battery BMS Modbus Protocol" V1.7 (cyrils/renogy-bt#21), cyrils/renogy-bt, Grmume/renogy-smart-battery
//! issue 3, patman15/aiobmsble, and the recordings in `tests/vectors/renogy`.

pub(crate) mod alarms;
mod values;

use super::asking::{When, has_model, has_serial, has_version};
use super::modbus::Read;
use super::modbus_pack::{Block, Board, ModbusPack};
use super::{Driver, Evidence, Line, Sharing, Transport};
use std::time::Duration;

/// The registry entry. A battery's address is its Modbus address.
pub const DRIVER: Driver = Driver {
    name: "renogy",
    label: "Renogy",
    boards: "Renogy smart batteries with RS485 (RBT100LFP12 and others; current only of models whose unit is known)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[0x30, 0x48],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(0x57),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| Box::new(ModbusPack::<Renogy>::new(address.unwrap_or(0x30))),
};

const CELLS: Read = Read::holding(0x1388, 0x22);
const STATE: Read = Read::holding(0x13B2, 7);
const ALARMS: Read = Read::holding(0x13EC, 8);
const SERIAL: Read = Read::holding(0x13F6, 8);
const MODEL: Read = Read::holding(0x1402, 8);
const FIRMWARE: Read = Read::holding(0x140A, 2);

#[derive(Debug, Default)]
struct Renogy;

impl Board for Renogy {
    const BLOCKS: &'static [Block<Self>] = &[
        // First, because the unit of the current depends on it.
        Block::new("model", MODEL, When::Needed(has_model), values::model),
        Block::new("state", STATE, When::Always, values::state),
        Block::new("cells", CELLS, When::Always, values::cells),
        Block::new("alarms", ALARMS, When::Changing, alarms::alarms),
        Block::new("serial number", SERIAL, When::Name(has_serial), values::serial),
        Block::new("firmware", FIRMWARE, When::Name(has_version), values::firmware),
    ];

    fn is_sender(byte: u8) -> bool {
        matches!(byte, 0x30..=0x57)
    }

    fn unasked(frame: &[u8]) -> Option<Read> {
        values::unasked(frame)
    }
}
