//! Daren and Basen boards ("DR-1363", JC03; Chisage, HUANYE and many packs without a name): the frame of `ascii.rs`, 9600 or 19200
//! 8N1.
//!
//! ```text
//! VER 22, CID1 4A; INFO of a request is the address again, from 1 (DIP)
//! 42  values     flag, u16 SoC 0.01 %, u16 pack 10 mV, u8 cells, u16 mV each, i16 0.1 °C of environment, average, MOSFETs,
//!                u8 sensors, i16 0.1 °C each, i16 current 10 mA (+ charges), u16 resistance, u16 SoH %, u8 number, u16 full 10 mAh,
//!                u16 remaining 10 mAh, u16 cycles, 5 status words (`alarms.rs`), 4 words of cells, u16 balancing, up to 16 bytes
//! 47  limits     flag, cell high and low mV, temperatures, charge current 10 mA, pack high and low, cells, charge current, capacity
//!                10 mAh, …, serial number
//! 51  names      3 × 10 characters (board, product, project), version in three bytes, 2 bytes
//! B0  registers  of another program; 83 and B0 can also write and are never sent
//! ```
//! Sources: Basen document and cpttinkering/daren-485, dbus-serialbattery, syssi/esphome-pace-bms#37, and the recordings in
//! `tests/vectors/daren`.

pub(crate) mod alarms;
mod values;

use super::ascii_pack::{AsciiPack, Block, Family, RequestInfo, UNFIT, one_pack, pack_of_header};
use super::asking::{When, has_version};
use super::bytes::{Reader, text, unless};
use super::{DecodeError, Driver, Evidence, Line, Sharing, Transport};
use crate::base::units::{AmpHours, Amps, Volts};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is that of its DIP switches.
pub const DRIVER: Driver = Driver {
    name: "daren",
    label: "Daren / Basen",
    boards: "Daren and Basen boards (DR-1363, JC03; ASCII protocol) in packs of Basen, Chisage, HUANYE and others",
    lines: &[Line { baud: 9600 }, Line { baud: 19200 }],
    listed_lines_only: false,
    addresses: &[1],
    gap: Duration::from_millis(100),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| Box::new(AsciiPack::new(&FAMILY, address.unwrap_or(1))),
};

const FAMILY: Family = Family {
    version: 0x22,
    cid1: 0x4A,
    blocks: &[
        Block { what: "values", command: 0x42, info: RequestInfo::Address, when: When::Always, decode: values::values },
        Block { what: "limits", command: 0x47, info: RequestInfo::Address, when: When::Settings, decode: limits },
        Block { what: "names", command: 0x51, info: RequestInfo::Nothing, when: When::Name(has_version), decode: names },
        Block { what: "registers", command: 0xB0, info: RequestInfo::Nothing, when: When::Never, decode: registers },
    ],
    timeout: Duration::from_millis(600),
    pack: pack_of_header,
    packs: one_pack,
};

/// Bytes behind the words that are known, before the serial number.
const LIMIT_REST: usize = 24;
const SERIAL: usize = 20;

/// Cell limits, the charge current (12000 is 120 A, as the capacity of that board shows: 8000 is 80 Ah), and the capacity. A table calls
/// it design, but the registers of the recorded board say 100 Ah for that: it counts only until reply 42 is known.
fn limits(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    r.skip(1, "flag")?;
    let mut word = || r.u16_be("limits");
    let known = |raw: u16| unless(&[0, 0xFFFF], raw);
    let (high, low) = (word()?, word()?);
    let (_hot, _cold, charge) = (word()?, word()?, word()?);
    let (_pack_high, _pack_low, cells) = (word()?, word()?, word()?);
    let (_charge, capacity) = (word()?, word()?);
    r.skip(LIMIT_REST, "limits of the pack")?;
    let serial = r.bytes(SERIAL, "serial number")?;
    if r.left() > 0 {
        return Err(UNFIT);
    }
    into.cell_count = into.cell_count.or_else(|| known(cells).and_then(|cells| u8::try_from(cells).ok()));
    into.settings.cell_ovp = known(high).map(Volts::milli);
    into.settings.cell_uvp = known(low).map(Volts::milli);
    into.settings.charge_ocp = known(charge).map(Amps::centi);
    into.capacity = into.capacity.or_else(|| known(capacity).map(AmpHours::centi));
    into.device.serial_number = text(serial);
    Ok(())
}

fn names(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    into.device.hw_version = text(r.bytes(10, "board")?);
    into.device.model = text(r.bytes(10, "product")?);
    r.skip(10, "project")?;
    let [major, minor, patch] = [r.u8("version")?, r.u8("version")?, r.u8("version")?];
    into.device.sw_version = Some(format!("{major:02}.{minor:02}.{patch:02}"));
    let is_text = info.first().is_some_and(|first| *first >= b' ');
    if r.left() == 2 && is_text { Ok(()) } else { Err(UNFIT) }
}

/// Registers 3, the board's number, and 4, the capacities: remaining, full, design.
fn registers(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    if let [0xB0, 1, 1, 3, 0xFF, _, number @ ..] = info {
        into.device.serial_number = into.device.serial_number.take().or_else(|| text(number));
        return Ok(());
    }
    let &[0xB0, 1, 1, 4, 0xFF, 0, a, b, c, d, e, f, ..] = info else { return Err(UNFIT) };
    let charge = |bytes| unless(&[0xFFFF], u16::from_be_bytes(bytes)).map(AmpHours::centi);
    into.remaining = charge([a, b]);
    into.full_charge = charge([c, d]).filter(|full| full.get() > 0.0);
    into.design = charge([e, f]).filter(|design| design.get() > 0.0);
    into.capacity = into.full_charge.or(into.capacity);
    Ok(())
}
