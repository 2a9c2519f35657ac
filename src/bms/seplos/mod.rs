//! Seplos BMS 2.0 (EMU10xx, EMU11xx): the frame of `ascii.rs`, 19200 or 9600 8N1. The BMS 3.0 speaks Modbus and is another family.
//!
//! ```text
//! VER 20, CID1 46; INFO of a request is the address again, 0 to 15 (DIP)
//! 42  values     00, group, u8 cells, u16 mV each, u8 sensors, u16 0.1 K + 2731 each, i16 current 10 mA (+ charges), u16 pack 10 mV,
//!                u16 remaining 10 mAh, u8 words that follow (10): full 10 mAh, SoC 0.1 %, rated 10 mAh, cycles, SoH 0.1 %,
//!                port 10 mV, 4 reserved (not always 0)
//! 44  alarms     00, group, u8 cells, a code each, u8 sensors, a code each, current code, voltage code, u8 bytes that follow (20):
//!                events and states (`alarms.rs`)
//! 47  settings   00, u8 words that follow (60), of them: 4 cell high, 6 cell low (mV), 14 pack high, 16 pack low (10 mV), 54 charge,
//!                55 discharge current (10 mA, discharging is negative); u8 bytes that follow (27), switches, name. 49 writes them
//! 51  names      10 characters, version in two bytes, 20 characters of the maker
//! ```
//! Pylontech has the same header and other words behind the capacity. On the line between packs the master polls the others with
//! 5A, and their replies have 5A in place of RTN: those are for the master.
//!
//! Sources: vendor document V2.0 (syssi/esphome-seplos-bms, docs), issues #1, #8, #47 and pull request #155 there, and the recordings
//! in `tests/vectors/seplos`. Settings: flip555/bms_connector (two recordings and their values) and the description that comes with
//! Seplos's own program (ichernev/seplos-bms-tool, protocol): both name the same words and scales.

pub(crate) mod alarms;
mod values;

use super::ascii_pack::{AsciiPack, Block, Family, RequestInfo, UNFIT, one_pack, pack_of_header};
use super::asking::{When, has_version};
use super::bytes::{Reader, text};
use super::{DecodeError, Driver, Evidence, Line, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is that of its DIP switches.
pub const DRIVER: Driver = Driver {
    name: "seplos",
    label: "Seplos",
    boards: "Seplos BMS 2.0 (EMU10xx, EMU11xx, 1101-SP15 and others; ASCII protocol V2)",
    lines: &[Line { baud: 19200 }, Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[0, 1],
    // Two requests without a pause become one bad one in the board.
    gap: Duration::from_millis(100),
    listen: Duration::from_millis(250),
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| Box::new(AsciiPack::new(&FAMILY, address.unwrap_or(0))),
};

const FAMILY: Family = Family {
    version: 0x20,
    cid1: 0x46,
    blocks: &[
        Block { what: "values", command: 0x42, info: RequestInfo::Address, when: When::Always, decode: values::values },
        Block { what: "alarms", command: 0x44, info: RequestInfo::Address, when: When::Changing, decode: alarms::alarms },
        Block { what: "settings", command: 0x47, info: RequestInfo::Address, when: When::SettingsIfAny, decode: values::settings },
        Block { what: "names", command: 0x51, info: RequestInfo::Nothing, when: When::Name(has_version), decode: names },
    ],
    timeout: Duration::from_millis(600),
    pack: pack_of_header,
    packs: one_pack,
};

/// The flag, which is 0, and the number of the group.
fn head(r: &mut Reader<'_>) -> Result<(), DecodeError> {
    let flag = r.u8("flag")?;
    r.skip(1, "group")?;
    if flag == 0 { Ok(()) } else { Err(UNFIT) }
}

/// The maker's text is that of the CAN protocol on many boards, and not shown.
fn names(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    into.device.model = text(r.bytes(10, "name")?);
    into.device.sw_version = Some(format!("{}.{}", r.u8("version")?, r.u8("version")?));
    r.skip(20, "maker")?;
    let is_text = info.first().is_some_and(|first| *first >= b' ');
    if r.left() == 0 && is_text { Ok(()) } else { Err(UNFIT) }
}
