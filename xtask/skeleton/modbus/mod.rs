//! %label%: Modbus RTU, 9600 8N1, function 03, big endian.
//!
//! ```text
//! 5000  u16 pack 10 mV       5001  i16 current 10 mA, + charges      5002  u16 SoC 0.1 %         5003  u16 SoH 0.1 %
//! 5004  u16 cycles           5005  u16 remaining 10 mAh              5006  u16 full 10 mAh
//! 5007  alarms               5008  bit 0 charge FET, bit 1 discharge FET
//! 5009  u16 cells            500A  16 cells, u16 mV
//! 501A  u16 sensors          501B  4 sensors, i16 0.1 °C
//! ```
//! TODO(1): the drawing above, and every number in this file, is an example. Draw the registers of the board instead.
//!
//! Sources: TODO(1): two independent descriptions, and the recordings in `tests/vectors/%name%`.

use super::asking::When;
use super::bits::{Bit, apply_word, l1, l2};
use super::bytes::{show_cells, unless};
use super::modbus::{Read, Registers};
use super::modbus_pack::{Block, Board, ModbusPack};
use super::{DecodeError, Driver, Evidence, Line, Sharing, Transport};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::AlarmName::*;
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its Modbus address.
// TODO(2): `boards`, speed, addresses and pause as the manual has them; `Driver` in src/bms/mod.rs explains each field.
pub const DRIVER: Driver = Driver {
    name: "%name%",
    label: "%label%",
    boards: "%label% with RS485 (Modbus protocol)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1],
    gap: Duration::from_millis(50),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    // Until recordings of two real boards prove the values: a search does not ask for it.
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |address| Box::new(ModbusPack::<%type%>::new(address.unwrap_or(1))),
};

// TODO(2): the reads of the board: first register, number. The first one identifies the family, so it must be one that no other board
// answers alike.
const VALUES: Read = Read::holding(0x5000, 31);

const MAX_CELLS: u16 = 16;
const MAX_SENSORS: u16 = 4;
const OTHER_BOARD: DecodeError = DecodeError::Layout { what: "registers of another device" };

/// 5007: bit 0 first. A bit that no source explains is `Bit::Undocumented`; the names are in src/model/alarm.rs.
// TODO(3): the bits of the board; l1 is a warning, l2 a protection that has acted.
#[rustfmt::skip]
const ALARMS: [[Bit; 8]; 2] = [
    [l2(CellHighVoltage), l2(CellLowVoltage), l2(HighChargeCurrent), l2(HighDischargeCurrent),
     l2(HighTemperature), l2(LowChargeTemperature), l2(ShortCircuit), Bit::Undocumented],
    [l1(CellHighVoltage), l1(CellLowVoltage), Bit::Undocumented, Bit::Undocumented,
     Bit::Undocumented, Bit::Undocumented, Bit::Undocumented, Bit::Undocumented],
];

/// What the decoder must remember of a board: nothing.
#[derive(Debug, Default)]
struct %type%;

impl Board for %type% {
    const BLOCKS: &'static [Block<Self>] = &[Block::new("values", VALUES, When::Always, values)];

    fn is_sender(byte: u8) -> bool {
        matches!(byte, 1..=15)
    }

    fn unasked(frame: &[u8]) -> Option<Read> {
        Read::by_length(&[VALUES], frame)
    }
}

// TODO(3): places, scales, the sign of the current (positive charges), and the raw values that mean "none". What no source tells stays
// unknown: leave the line out.
fn values(_: &mut %type%, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let word = |register| registers.u16(register).and_then(|raw| unless(&[0xFFFF], raw));
    let count = |register, most| registers.u16(register).filter(|count| (1..=most).contains(count)).ok_or(OTHER_BOARD);
    into.voltage = word(0x5000).map(Volts::centi);
    into.current = registers.i16(0x5001).and_then(|raw| unless(&[i16::MIN, i16::MAX], raw)).map(Amps::centi);
    into.soc = word(0x5002).map(Percent::deci);
    into.soh = word(0x5003).map(Percent::deci);
    into.cycles = word(0x5004).map(u32::from);
    into.remaining = word(0x5005).map(AmpHours::centi);
    into.capacity = word(0x5006).and_then(|raw| unless(&[0], raw)).map(AmpHours::centi);

    into.alarms = Some(Vec::new());
    let alarms = registers.u16(0x5007).ok_or(DecodeError::Short { field: "alarms" })?;
    apply_word("alarm", alarms.to_le_bytes(), &ALARMS, into);
    into.fets.charge = word(0x5008).map(|state| state & 1 != 0);
    into.fets.discharge = word(0x5008).map(|state| state & 2 != 0);

    let cells = count(0x5009, MAX_CELLS)?;
    into.cell_count = u8::try_from(cells).ok();
    let cells = (0x500A..0x501A_u16).take(usize::from(cells));
    show_cells(cells.map(|register| word(register).map(Volts::milli)), into);
    let sensors = (0x501B..0x501F_u16).take(usize::from(count(0x501A, MAX_SENSORS)?));
    let sensors = sensors.filter_map(|register| registers.i16(register).and_then(|raw| unless(&[i16::MIN, i16::MAX, -1], raw)));
    into.temperatures.sensors = Some(sensors.map(Celsius::deci).collect());
    Ok(())
}
