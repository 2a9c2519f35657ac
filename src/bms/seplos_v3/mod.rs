//! Seplos BMS 3.0 (XZH-ElecTech): Modbus RTU, 19200 8N1, functions 04 and 01, big endian.
//!
//! ```text
//! 04 1000  pack      voltage, current, capacities, SoC, SoH, cycles, lowest, mean and highest cell, limits asked for
//! 04 1100  cells     16 voltages, 4 cell sensors, 4 unused, environment, MOSFETs
//! 01 1200  pack's events: 4 bytes of cells, 2 of sensors, 2 of balancing, then ten as below
//! 01 2200  events    ten bytes: see `alarms.rs`; of all packs if there are several. 1400 looks the same and is switches
//! 04 1300  settings  a board may answer with half of them at most
//! 04 1700  texts     maker, model, firmware, serial numbers
//! 04 2000  bank      as 1000, pairs of registers with the low word first; never requested here
//! ```
//! A pack replies at its DIP address, 0 to 15; a single one is 0. Some firmware has only one of both event blocks and refuses the
//! other.
//!
//! Sources: syssi/esphome-seplos-bms (docs/XZH BMS Modbus-RTU Protocol.md, docs/pdus/v3), patman15/aiobmsble, flip555/bms_connector
//! issue 6 (RS485), and the recordings in `tests/vectors/seplos-v3`.

pub(crate) mod alarms;
mod values;

use super::asking::{When, has_model};
use super::modbus::{Function, Read};
use super::modbus_pack::{Block, Board, ModbusPack};
use super::{Driver, Evidence, Line, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its DIP address.
pub const DRIVER: Driver = Driver {
    name: "seplos-v3",
    label: "Seplos V3",
    boards: "Seplos BMS 3.0 (Mason, Polo, 48100 and 48200 boards) and others by XZH-ElecTech (Modbus protocol)",
    lines: &[Line { baud: 19200 }],
    listed_lines_only: false,
    addresses: &[0, 1],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| Box::new(ModbusPack::<SeplosV3>::new(address.unwrap_or(0))),
};

const PACK: Read = Read::input(0x1000, 0x11);
const CELLS: Read = Read::input(0x1100, 0x1A);
const PACK_EVENTS: Read = Read::coils(0x1200, 0x90);
const SETTINGS: Read = Read::input(0x1300, 0x35);
const TEXTS: Read = Read::input(0x1700, 0x33);
const BANK: Read = Read::input(0x2000, 0x1A);
const EVENTS: Read = Read::coils(0x2200, 0x50);

/// Which places of the cells' block are in use, and which events the board has.
#[derive(Debug, Default)]
struct SeplosV3 {
    /// Numbers of sensors and cells, from the settings.
    sensors: Option<usize>,
    cells: Option<usize>,
    /// Without the settings: places that have shown a cell so far. One whose sense wire is broken may show none at first.
    shown: usize,
    has_pack_events: bool,
}

impl Board for SeplosV3 {
    const BLOCKS: &'static [Block<Self>] = &[
        Block::new("pack values", PACK, When::Always, values::pack),
        // Before the cells, as they have their number.
        Block::new("settings", SETTINGS, When::Settings, values::settings),
        Block::new("cells", CELLS, When::Always, values::cells),
        Block::bits("events of the pack", PACK_EVENTS, When::Changing, alarms::pack_events),
        Block::bits("events", EVENTS, When::Changing, alarms::events),
        Block::new("texts", TEXTS, When::Name(has_model), values::texts),
        Block::new("bank", BANK, When::Never, values::bank),
    ];
    const FUNCTIONS: &'static [Function] = &[Function::InputRegisters, Function::Coils];

    /// E0 is the address of a display or Bluetooth module.
    fn is_sender(byte: u8) -> bool {
        matches!(byte, 0..=15 | 0xE0)
    }

    fn unasked(frame: &[u8]) -> Option<Read> {
        values::unasked(frame)
    }

    /// The events of all packs are in place of the pack's own, which are asked for first.
    fn is_wanted(&self, read: Read, known: &Reading) -> bool {
        read != EVENTS || known.cell_count.is_some() && !self.has_pack_events
    }
}
