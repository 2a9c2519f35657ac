//! EG4 LifePower4 and its relatives (QT-YS00-16S…): the frame of `ascii.rs`, 9600 8N1. The same boards also answer a binary protocol.
//!
//! ```text
//! VER 20, CID1 4A; a request has no INFO, the address is 1 to 15 (DIP)
//! 42  values     flag, 01, u8 cells, u16 mV each, u8 sensors, u16 0.1 K + 2731 each, then two more: environment and MOSFETs,
//!                i16 current 10 mA (+ charges), u16 pack 10 mV, u16 remaining 10 mAh, u16 full 10 mAh, u16 cycles, 0F,
//!                u16 SoC %, u16 SoH %, highest, lowest, difference mV, two temperatures, 6 × u32 and 2 × u16 counters
//! 44  alarms     flag, 01, u8 cells, a code each, u8 sensors, a code each, two more codes, current and voltage code, 09,
//!                13 status bytes (`alarms.rs`)
//! 51  names      20 characters of the model, 26 bytes of the version and the maker; blank on the recorded board, so it is not asked for
//! ```
//! Sources: "LifePower4 Communication Protocol" and nkinnan/esphome-pace-bms, wombatt, and the recordings in
//! `tests/vectors/lifepower4`.

pub(crate) mod alarms;

use super::ascii_pack::{AsciiPack, Block, Family, NO_SENSOR, RequestInfo, UNFIT, cells, head, one_pack, pack_of_header, sensors};
use super::asking::When;
use super::bytes::{Reader, text, unless};
use super::{DecodeError, Driver, Evidence, Line, Sharing, Transport};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is that of its DIP switches.
pub const DRIVER: Driver = Driver {
    name: "lifepower4",
    label: "EG4 LifePower4",
    boards: "EG4 LifePower4 and boards with its ASCII protocol (QT-YS00-16S)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1],
    gap: Duration::from_millis(200),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    evidence: Evidence::Recordings,
    transports: &[Transport::Serial],
    new: |address| Box::new(AsciiPack::new(&FAMILY, address.unwrap_or(1))),
};

const FAMILY: Family = Family {
    version: 0x20,
    cid1: 0x4A,
    blocks: &[
        Block { what: "values", command: 0x42, info: RequestInfo::Nothing, when: When::Always, decode: values },
        Block { what: "alarms", command: 0x44, info: RequestInfo::Nothing, when: When::Changing, decode: alarms::alarms },
        Block { what: "names", command: 0x51, info: RequestInfo::Nothing, when: When::Never, decode: names },
    ],
    timeout: Duration::from_millis(500),
    pack: pack_of_header,
    packs: one_pack,
};

/// The number before the SoC, and the bytes behind it, which it does not count.
const WORDS: u8 = 15;
const REST: usize = 42;

fn values(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    cells(r, into)?;
    let celsius = |raw: u16| unless(&NO_SENSOR, raw).map(Celsius::deci_kelvin);
    into.temperatures.sensors = Some(sensors(r)?.into_iter().filter_map(celsius).collect());
    into.temperatures.environment = celsius(r.u16_be("environment temperature")?);
    into.temperatures.mos = celsius(r.u16_be("MOSFET temperature")?);
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::centi);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("full capacity")?).map(AmpHours::centi);
    into.full_charge = into.capacity;
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    if r.u8("word count")? != WORDS || r.left() != REST {
        return Err(UNFIT);
    }
    let percent = |raw: u16| Percent::new(f64::from(raw));
    into.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(percent);
    into.soh = unless(&[0, 0xFFFF], r.u16_be("SoH")?).map(percent);
    r.skip(14, "extremes, charge")?;
    into.throughput = unless(&[u32::MAX], r.u32_be("discharge")?).map(AmpHours::centi);
    Ok(())
}

fn names(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let Some((model, [_, _, maker @ .., _, _, _, _])) = info.split_at_checked(20) else { return Err(UNFIT) };
    let is_text = |field: &[u8]| field.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if maker.len() != 20 || !is_text(model) || !is_text(maker) {
        return Err(UNFIT);
    }
    into.device.model = text(model);
    Ok(())
}
