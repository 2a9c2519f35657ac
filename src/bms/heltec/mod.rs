//! Heltec and other boards of Yanyang ("YYBMS", "SmartBMS"): Modbus RTU, 9600 8N1, function 03; all numbers have the low byte first.
//!
//! ```text
//!  2  serial number, 8 bytes     7  model, 26 characters      52  bytes: switch, battery sensors, MOSFET sensor, balancer sensor
//! 62  bytes: boot loader, firmware (hundredths)    63  "SBDM"  75  bytes: cells, chemistry   76  i32 mV   78  i32 current 10 mA
//! 81  25 cells mV    112  bytes: MOSFETs, balancer, 8 sensors, each °C + 40    118  rated 0.1 Ah     120  bytes: SoC %, SoH %
//! 127 high byte: cycles    139  u32 cells being balanced       152  u32 state     156  u32 alarms
//! 169, 172  highest, lowest cell mV        191, 194  charge, discharge protection 10 mA
//! ```
//! "SBDM" tells these boards from all others. Registers 47 and 48 are a password and are never read.
//!
//! The sign of the current: two sources negate it, one does not; the state tells which way it flows, and decides. What one source calls
//! the remaining capacity (119), the others call the actual one: it is not read.
//!
//! Sources: mr-manuel/venus-os_dbus-serialbattery (heltecmodbus.py, Louisvdw pull request 658), the app de.drick.bmsmonitor (YYBmsDecoder),
//! and a reader of the profile "YYBMS B" for browsers. They agree but for what is said here. There is no recording.

pub(crate) mod alarms;
mod values;

use super::asking::When;
use super::modbus::Read;
use super::modbus_pack::{Block, Board, ModbusPack};
use super::{Driver, Evidence, Line, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is the one set in its app.
pub const DRIVER: Driver = Driver {
    name: "heltec",
    label: "Heltec / YYBMS",
    boards: "Heltec SmartBMS and other boards of Yanyang (YYBMS) with RS485 (Modbus protocol)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |address| Box::new(ModbusPack::<Heltec>::new(address.unwrap_or(1))),
};

const NAME: Read = Read::holding(2, 18);
const FITTED: Read = Read::holding(52, 2);
const PACK: Read = Read::holding(62, 18);
const STATUS: Read = Read::holding(80, 80);
const SETTINGS: Read = Read::holding(169, 26);

#[derive(Debug, Default)]
struct Heltec {
    /// The temperatures have the known scale; `None` until the serial number is read.
    has_scale: Option<bool>,
    /// Battery sensors, MOSFET sensors, balancer sensors.
    sensors: Option<[u8; 3]>,
    /// Readings in a row whose current contradicts the state.
    contradictions: u8,
}

impl Board for Heltec {
    const BLOCKS: &'static [Block<Self>] = &[
        Block::new("pack", PACK, When::Always, values::pack),
        // The temperatures in the status need these two.
        Block::new("name", NAME, When::Needed(|_| false), values::name),
        Block::new("sensors", FITTED, When::Needed(|_| false), values::fitted),
        Block::new("settings", SETTINGS, When::Settings, values::settings),
        Block::new("status", STATUS, When::Always, values::status),
    ];

    fn is_sender(byte: u8) -> bool {
        matches!(byte, 1..=15)
    }

    fn unasked(frame: &[u8]) -> Option<Read> {
        values::signed(frame).or_else(|| Read::by_length(&[STATUS, SETTINGS], frame))
    }

    fn is_wanted(&self, read: Read, _: &Reading) -> bool {
        match read {
            NAME => self.has_scale.is_none(),
            FITTED => self.sensors.is_none(),
            _ => true,
        }
    }

    fn mark_awaited(&self, is_awaited: &dyn Fn(Read) -> bool, into: &mut Reading) {
        into.awaited.temperatures = is_awaited(NAME) || is_awaited(FITTED);
    }
}
