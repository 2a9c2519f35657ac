//! PACE boards (P16S100A, P16S200A, P8S150A, P4S200A and many brands), protocol V25: the frame of `ascii.rs`, 9600 8N1.
//!
//! ```text
//! VER 25, CID1 46; INFO of a request is the pack's number
//! 42  values     flag, pack, u8 cells, u16 mV each, u8 sensors, u16 0.1 K + 2730 each, i16 current 10 mA (+ charges), u16 pack mV,
//!                u16 remaining 10 mAh, u8 without a meaning, u16 full 10 mAh, u16 cycles, u16 design 10 mAh, 0 to 14 bytes: SoC,
//!                4 × u16, SoH, …
//! 44  alarms     flag, pack, u8 cells, a code each, u8 sensors, a code each, codes of charge current, pack voltage, discharge
//!                current, 9 status bytes (`alarms.rs`), 0 to 5 bytes
//! C1  version    20 characters, the model        C2  serial numbers of board and pack, 20 characters each
//! D1, D3, D5, D7 cell high, cell low, pack high, pack low: flag, u16 mV warning, u16 mV protection, u16 mV release, u8 delay
//! D9, DB         charge and discharge current: flag, i16 A warning, i16 A protection (discharging is negative), u8 delay
//! ```
//! The numbers one below those of the settings, D0 to DA, write them: they are never sent.
//!
//! On RS485 a pack answers at its DIP address (0 alone, 1 the master). On RS232 the master answers for all packs, with ADR 1: there
//! the number in INFO tells which one.
//!
//! Sources: vendor documents RS232 20180705 and RS485 20180615 (syssi/esphome-pace-bms, docs), fancyui/Gobel-Battery-HA-Addon,
//! nkinnan/esphome-pace-bms, and the recordings in `tests/vectors/pace`. The settings are known from one board (DIP 0) and what
//! PbmsTools shows of them: syssi/esphome-pace-bms, docs/pbmstools-communication.md.

pub(crate) mod alarms;
mod values;

use super::ascii::Header;
use super::ascii_pack::{AsciiPack, Block, Family, MAX_FLAG, RequestInfo, UNFIT};
use super::asking::{When, has_model, has_serial};
use super::bytes::text;
use super::{DecodeError, Driver, Evidence, Line, Sharing, Transport};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is its pack number, or its DIP address.
pub const DRIVER: Driver = Driver {
    name: "pace",
    label: "PACE",
    boards: "PACE P4S, P8S and P16S boards (V25 ASCII protocol) in packs of many brands: Jakiper, SOK, Hubble, Revov, Gobel Power, EASUN, Sungoldpower and others",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1, 0],
    // Some boards reset themselves when they are asked too fast (nkinnan/esphome-pace-bms#30).
    gap: Duration::from_millis(150),
    listen: Duration::from_millis(250),
    sharing: Sharing::Numbered(16),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| Box::new(AsciiPack::new(&FAMILY, address.unwrap_or(1))),
};

const FAMILY: Family = Family {
    version: 0x25,
    cid1: 0x46,
    blocks: &[
        Block { what: "values", command: 0x42, info: RequestInfo::Address, when: When::Always, decode: values::values },
        Block { what: "alarms", command: 0x44, info: RequestInfo::Address, when: When::Changing, decode: alarms::alarms },
        Block {
            what: "cell over-voltage",
            command: 0xD1,
            info: RequestInfo::Nothing,
            when: When::SettingsIfAny,
            decode: values::cell_ovp,
        },
        more("charge over-current", 0xD9, |known| known.settings.charge_ocp.is_some(), values::charge_ocp),
        more("discharge over-current", 0xDB, |known| known.settings.discharge_ocp.is_some(), values::discharge_ocp),
        more("cell under-voltage", 0xD3, |known| known.settings.cell_uvp.is_some(), values::cell_uvp),
        more("pack over-voltage", 0xD5, |known| known.settings.pack_ovp.is_some(), values::pack_ovp),
        more("pack under-voltage", 0xD7, |known| known.settings.pack_uvp.is_some(), values::pack_uvp),
        Block { what: "version", command: 0xC1, info: RequestInfo::Nothing, when: When::Name(has_model), decode: version },
        Block { what: "serial number", command: 0xC2, info: RequestInfo::Nothing, when: When::Name(has_serial), decode: serial },
    ],
    timeout: Duration::from_millis(600),
    pack,
    packs,
};

/// One of the settings behind the first.
const fn more(
    what: &'static str,
    command: u8,
    is_known: fn(&Reading) -> bool,
    decode: fn(&[u8], &mut Reading) -> Result<(), DecodeError>,
) -> Block {
    Block { what, command, info: RequestInfo::Nothing, when: When::MoreSettings(is_known), decode }
}

const MAX_PACKS: u8 = 16;
/// Longer replies have the pack's number in INFO; in settings the same place is part of a voltage.
const LONGEST_SETTINGS: usize = 8;

/// Over RS232 every reply has ADR 1, so the number in INFO counts.
fn pack(header: Header, info: &[u8]) -> u8 {
    match info {
        [0..=MAX_FLAG, pack @ 1..=MAX_PACKS, ..] if header.address == 1 && info.len() > LONGEST_SETTINGS => *pack,
        _ => header.address,
    }
}

/// The packs of a reply to a request for all (FF): equal parts, in some firmware with a flag between them.
fn packs(info: &[u8]) -> Vec<Vec<u8>> {
    let &[flag, count @ 2..=MAX_PACKS, ref rest @ ..] = info else { return Vec::new() };
    let is_one = |info: &[u8]| [values::values, alarms::alarms].iter().any(|decode| decode(info, &mut Reading::default()).is_ok());
    if is_one(info) {
        return Vec::new();
    }
    let several = [0usize, 1].into_iter().find_map(|between| {
        let parts = usize::from(count);
        let stride = rest.len().saturating_add(between).checked_div(parts).filter(|stride| *stride > between)?;
        let length = stride.saturating_sub(between);
        let fits = stride.saturating_mul(parts).saturating_sub(between) == rest.len();
        let parts =
            rest.chunks(stride).zip(1u8..).map(|(part, number)| [&[flag, number], part.get(..length).unwrap_or_default()].concat());
        let parts: Vec<Vec<u8>> = parts.collect();
        (fits && parts.iter().all(|part| is_one(part))).then_some(parts)
    });
    several.unwrap_or_default()
}

fn version(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let model = if info.len() == 20 { text(info) } else { None };
    into.device.model = Some(model.ok_or(UNFIT)?);
    Ok(())
}

/// The board's serial number; that of the pack may be a date, or empty.
fn serial(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let board = if info.len() == 40 { info.get(..20).and_then(text) } else { None };
    into.device.serial_number = Some(board.ok_or(UNFIT)?);
    Ok(())
}
