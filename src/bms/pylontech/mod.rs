//! Pylontech packs on RS485 (US2000, US3000, US5000, UP2500, UP5000, Phantom-S): the frame of `ascii.rs`, 115200 or 9600 8N1 (DIP 1).
//!
//! ```text
//! VER 20, CID1 46; packs are numbered from 2 (group 1: from 12 hex), INFO of a request is the number again
//! 42  values     flag, number, then of each pack: u8 cells, u16 mV each, u8 sensors, u16 0.1 K + 2731 each (the first is the board),
//!                i16 current 100 mA (+ charges), u16 pack mV, u16 remaining mAh, u8 words, u16 total mAh, u16 cycles; with 4 words
//!                remaining and total follow in three bytes each
//! 44  alarms     flag, number, u8 cells, a code each, u8 sensors, a code each, codes of charge current, voltage, discharge current,
//!                5 status bytes (`alarms.rs`)
//! 47  limits     flag, 12 words       92  limits at present, of the master       93  serial number       96  firmware
//! ```
//! Clones with this protocol count capacity, and perhaps current, in 10 mAh and 10 mA. What a capacity in two bytes means is known
//! only where it can have one meaning (`values.rs`); with three bytes it is always mAh.
//!
//! Sources: vendor document V3.3 (syssi/esphome-seplos-bms, docs), Frankkkkk/python-pylontech, and the recordings in
//! `tests/vectors/pylontech`. Replies 44, 93 and 96 are known from descriptions only.

pub(crate) mod alarms;
mod values;

use super::ascii_pack::{AsciiPack, Block, Family, MAX_FLAG, RequestInfo, UNFIT, pack_of_header};
use super::asking::{When, has_serial, has_version};
use super::bytes::{Reader, text, unless};
use super::{DecodeError, Driver, Evidence, Line, Sharing, Transport};
use crate::base::units::{Amps, Volts};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its number, from 2.
pub const DRIVER: Driver = Driver {
    name: "pylontech",
    label: "Pylontech RS485",
    boards: "Pylontech US2000, US3000, US5000, UP2500, UP5000, Phantom-S on RS485, and packs with the same protocol",
    lines: &[Line { baud: 115_200 }, Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[MASTER],
    gap: Duration::from_millis(100),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(16),
    evidence: Evidence::RecordingsExcept(
        "alarms, FETs, serial number and firmware (commands 44, 93, 96), which one document describes",
    ),
    transports: &[Transport::Serial],
    new: |address| Box::new(AsciiPack::new(&FAMILY, address.unwrap_or(MASTER))),
};

/// Number of the first pack. What a slave replies to 92 is not meaningful.
const MASTER: u8 = 2;

const FAMILY: Family = Family {
    version: 0x20,
    cid1: 0x46,
    blocks: &[
        Block { what: "values", command: 0x42, info: RequestInfo::Address, when: When::Always, decode: values::values },
        Block { what: "alarms", command: 0x44, info: RequestInfo::Address, when: When::Changing, decode: alarms::alarms },
        Block { what: "limits", command: 0x92, info: RequestInfo::Address, when: When::ChangingAt(MASTER), decode: values::limits },
        Block { what: "settings", command: 0x47, info: RequestInfo::Nothing, when: When::Settings, decode: settings },
        Block { what: "serial number", command: 0x93, info: RequestInfo::Address, when: When::Name(has_serial), decode: serial },
        Block { what: "firmware", command: 0x96, info: RequestInfo::Address, when: When::Name(has_version), decode: version },
    ],
    timeout: Duration::from_millis(600),
    pack: pack_of_header,
    packs: values::packs,
};

/// Protections. Currents are in 100 mA: 900 on a pack that shows 90 A elsewhere.
fn settings(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    let flag = r.u8("flag")?;
    let volts = |raw: u16| unless(&[0, 0xFFFF], raw).map(Volts::milli);
    let amps = |raw: i16| unless(&[0, i16::MIN, i16::MAX], raw).map(|raw| Amps::deci(raw).abs());
    into.settings.cell_ovp = volts(r.u16_be("cell high")?);
    r.skip(2, "cell low warning")?;
    into.settings.cell_uvp = volts(r.u16_be("cell low")?);
    r.skip(4, "charge temperatures")?;
    into.settings.charge_ocp = amps(r.i16_be("charge current")?);
    into.settings.pack_ovp = volts(r.u16_be("pack high")?);
    r.skip(2, "pack low warning")?;
    into.settings.pack_uvp = volts(r.u16_be("pack low")?);
    r.skip(4, "discharge temperatures")?;
    into.settings.discharge_ocp = amps(r.i16_be("discharge current")?);
    if r.left() == 0 && flag <= MAX_FLAG { Ok(()) } else { Err(UNFIT) }
}

fn serial(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let Some((_, serial)) = info.split_first().filter(|(_, serial)| serial.len() == 16) else { return Err(UNFIT) };
    into.device.serial_number = text(serial);
    Ok(())
}

/// The version that other packs of the string can have, too; two bytes of the maker come before it.
fn version(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let &[_, _, _, major, minor, patch] = info else { return Err(UNFIT) };
    into.device.sw_version = Some(format!("{major}.{minor}.{patch}"));
    Ok(())
}
