//! Register maps of both families of boards.

use crate::bms::modbus::Read;
use std::ops::Range;

/// Registers to read, and whether a reading needs them.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) what: &'static str,
    pub(super) read: Read,
    pub(super) required: bool,
}

pub(super) const fn block(what: &'static str, first: u16, words: u16, required: bool) -> Block {
    Block { what, read: Read::holding(first, words), required }
}

/// Register map of a family.
#[derive(Debug)]
pub(super) struct Map {
    /// Read in each reading, required blocks first.
    pub(super) live: &'static [Block],
    /// Read until known: the capacity, and for D2 the protections.
    pub(super) fixed: Block,
    /// The block contains the protections, too.
    pub(super) has_protections: bool,
    /// The protections of boards that do not have them there: read until known.
    pub(super) protections: Option<Block>,
    /// Read until known: texts of software and hardware.
    pub(super) version: Block,
    /// Bytes of the text of the software; that of the hardware follows.
    pub(super) software: usize,
    pub(super) heater: Option<u16>,
    /// Cell voltages begin at 0 and end here.
    pub(super) cells: u16,
    pub(super) temperatures: Range<u16>,
    pub(super) voltage: u16,
    pub(super) current: u16,
    pub(super) soc: u16,
    pub(super) cell_count: u16,
    pub(super) sensor_count: u16,
    pub(super) state: u16,
    pub(super) remaining: u16,
    pub(super) power: u16,
    pub(super) cycles: u16,
    pub(super) balancer: u16,
    pub(super) balancing: Range<u16>,
    pub(super) charge_fet: u16,
    pub(super) discharge_fet: u16,
    pub(super) mos_temperature: u16,
}

/// Boards at D2. All have 62 words; only some have further ones.
pub(super) const D2: Map = Map {
    live: &[block("live values", 0, 0x3E, true), block("MOS temperature", 0x3E, 9, false)],
    fixed: block("settings", 0x80, 0x29, false),
    has_protections: true,
    protections: None,
    version: block("version", 0xA9, 0x20, false),
    software: 32,
    heater: None,
    cells: 0x20,
    temperatures: 0x20..0x28,
    voltage: 0x28,
    current: 0x29,
    soc: 0x2A,
    cell_count: 0x31,
    sensor_count: 0x32,
    state: 0x2F,
    remaining: 0x30,
    power: 0x39,
    cycles: 0x33,
    balancer: 0x34,
    balancing: 0x3E..0x40,
    charge_fet: 0x35,
    discharge_fet: 0x36,
    mos_temperature: 0x42,
};

/// Boards at 80+n.
pub(super) const P81: Map = Map {
    live: &[block("cells and pack", 0, 0x40, true), block("state", 0x41, 0x3E, true)],
    fixed: block("capacity", 0x109, 4, false),
    has_protections: false,
    protections: Some(block("protections", P81_PROTECTIONS, 0x18, false)),
    version: block("version", 0x178, 21, false),
    software: 28,
    heater: Some(0x55),
    cells: 0x30,
    temperatures: 0x30..0x38,
    voltage: 0x38,
    current: 0x39,
    soc: 0x3A,
    cell_count: 0x3C,
    sensor_count: 0x3D,
    state: 0x48,
    remaining: 0x4B,
    power: 0x58,
    cycles: 0x4C,
    balancer: 0x4D,
    balancing: 0x4F..0x52,
    charge_fet: 0x52,
    discharge_fet: 0x53,
    mos_temperature: 0x5A,
};

/// Temperature of the board: syssi/esphome-daly-bms (docs/protocol-register-map.md) and both recordings of 16 cells. D2 boards have it
/// at 43 by the same source, but none was recorded that fills it.
pub(super) const P81_BOARD_TEMPERATURE: u16 = 0x5B;

/// First of the protections of a p81 board: warning, protection, release, delay of cells too high and too low, and of the pack; then of
/// both currents. The recorded board has them here, in the order of D2 boards; the register map has them elsewhere. The registers
/// shortly before contain the password.
pub(super) const P81_PROTECTIONS: u16 = 0x130;

/// Replies whose registers follow from their number without the request: those of D2 boards, and of the others.
pub(super) const D2_FULL: [Read; 2] = [Read::holding(0, 62), Read::holding(0, 80)];
pub(super) const P81_FULL: [Read; 2] = [Read::holding(0, 64), Read::holding(0x41, 62)];
