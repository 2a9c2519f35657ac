//! Felicity batteries (FLA, LPBF, LUX): Modbus RTU, 9600 8N1, function 03, big endian.
//!
//! ```text
//! 1302  status: b0 charging, b2 discharging allowed; two further, the fault bits      130A  °C of the board    130B  SoC %
//! 1306  pack 10 mV, i16 current 0.1 A (- charges)       131C  highest, lowest pack 10 mV, charge, discharge limit 0.1 A
//! 132A  16 cells mV     1339  (the last cell,) three sensors °C, one unknown       F804  serial number     F80B  firmware
//! ```
//! 7FFF is a cell or sensor that is not fitted: the registers are those of 16 cells on packs of eight, too. No register identifies
//! the board, so the cells have to sum up to the pack voltage. The requests are exactly those that the source sends.
//!
//! Source: mr-manuel/venus-os_dbus-serialbattery (felicity.py, pull requests 116 and 484). There is no recording.

pub(crate) mod alarms;
mod values;

use super::asking::{When, has_serial, has_version};
use super::modbus::Read;
use super::modbus_pack::{Block, Board, ModbusPack};
use super::{Driver, Evidence, Line, Sharing, Transport};
use std::time::Duration;

/// The registry entry. A battery's address is its DIP address.
pub const DRIVER: Driver = Driver {
    name: "felicity",
    label: "Felicity",
    boards: "Felicity batteries with RS485 (FLA, LPBF and LUX series; Modbus protocol)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |address| Box::new(ModbusPack::<Felicity>::new(address.unwrap_or(1))),
};

const STATUS: Read = Read::holding(0x1302, 3);
const PACK: Read = Read::holding(0x1306, 2);
const BOARD: Read = Read::holding(0x130A, 1);
const SOC: Read = Read::holding(0x130B, 1);
const LIMITS: Read = Read::holding(0x131C, 4);
const CELLS: Read = Read::holding(0x132A, 16);
const SENSORS: Read = Read::holding(0x1339, 5);
const SERIAL: Read = Read::holding(0xF804, 5);
const FIRMWARE: Read = Read::holding(0xF80B, 1);

#[derive(Debug, Default)]
struct Felicity;

impl Board for Felicity {
    const BLOCKS: &'static [Block<Self>] = &[
        Block::new("cells", CELLS, When::Always, values::cells),
        Block::new("pack", PACK, When::Always, values::pack),
        Block::new("SoC", SOC, When::Always, values::soc),
        Block::new("status", STATUS, When::Always, alarms::status),
        Block::new("limits", LIMITS, When::Changing, values::limits),
        Block::new("sensors", SENSORS, When::Changing, values::sensors),
        Block::new("board temperature", BOARD, When::Changing, values::board),
        Block::new("serial number", SERIAL, When::Name(has_serial), values::serial),
        Block::new("firmware", FIRMWARE, When::Name(has_version), values::firmware),
    ];

    fn is_sender(byte: u8) -> bool {
        matches!(byte, 1..=15)
    }

    /// Only these have lengths of their own.
    fn unasked(frame: &[u8]) -> Option<Read> {
        Read::by_length(&[STATUS, PACK, LIMITS, CELLS], frame)
    }
}
