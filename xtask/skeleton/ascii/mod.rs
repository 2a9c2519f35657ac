//! %label%: the frame of `ascii.rs`, 9600 8N1.
//!
//! ```text
//! VER 31, CID1 4E; a request has no INFO, the address is 1 to 15
//! 42  values     flag, pack number, u8 cells, u16 mV each, u8 sensors, u16 0.1 K each, i16 current 10 mA (+ charges), u16 pack 10 mV,
//!                u16 remaining 10 mAh, u16 full 10 mAh, u16 cycles, u16 SoC %
//! 44  alarms     flag, pack number, u8 cells, a code each, u8 sensors, a code each, codes of charge current, pack voltage and
//!                discharge current, u8 state: bit 0 charge FET, bit 1 discharge FET
//! ```
//! TODO(1): the drawing above, and every number in this file, is an example. Draw the replies of the board instead.
//!
//! Sources: TODO(1): two independent descriptions, and the recordings in `tests/vectors/%name%`.

use super::ascii_pack::{AsciiPack, Block, Family, NO_SENSOR, RequestInfo, UNFIT};
use super::ascii_pack::{alarm_codes, cells, head, one_pack, pack_codes, pack_of_header, sensors};
use super::asking::When;
use super::bytes::{Reader, unless};
use super::{DecodeError, Driver, Evidence, Line, Sharing, Transport};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::model::Reading;
use std::time::Duration;

/// The registry entry. A battery's address is that of its DIP switches.
// TODO(2): `boards`, speed, addresses and pause as the manual has them; `Driver` in src/bms/mod.rs explains each field.
pub const DRIVER: Driver = Driver {
    name: "%name%",
    label: "%label%",
    boards: "%label% with RS485 (ASCII protocol)",
    lines: &[Line { baud: 9600 }],
    listed_lines_only: false,
    addresses: &[1],
    gap: Duration::from_millis(200),
    listen: Duration::ZERO,
    sharing: Sharing::Numbered(15),
    // Until recordings of two real boards prove the values: a search does not ask for it.
    evidence: Evidence::Untested,
    transports: &[Transport::Serial],
    new: |address| Box::new(AsciiPack::new(&FAMILY, address.unwrap_or(1))),
};

// TODO(2): VER, CID1 and the commands of the board. The first one identifies the family.
const FAMILY: Family = Family {
    version: 0x31,
    cid1: 0x4E,
    blocks: &[
        Block { what: "values", command: 0x42, info: RequestInfo::Nothing, when: When::Always, decode: values },
        Block { what: "alarms", command: 0x44, info: RequestInfo::Nothing, when: When::Changing, decode: alarms },
    ],
    timeout: Duration::from_millis(500),
    pack: pack_of_header,
    packs: one_pack,
};

/// INFO behind the sensors, bytes. Whatever does not fit to the byte is the reply to another command, or of another family.
const REST: usize = 12;

// TODO(3): order, scales, the sign of the current (positive charges), and the raw values that mean "none". What no source tells stays
// unknown: skip it.
fn values(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    cells(r, into)?;
    let celsius = |raw: u16| unless(&NO_SENSOR, raw).map(Celsius::deci_kelvin);
    into.temperatures.sensors = Some(sensors(r)?.into_iter().filter_map(celsius).collect());
    if r.left() != REST {
        return Err(UNFIT);
    }
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::centi);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("full capacity")?).map(AmpHours::centi);
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    into.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    Ok(())
}

// TODO(3): the codes and bits of the board. Bits in tables: `Bit` in src/bms/bits.rs, as in src/bms/lifepower4/alarms.rs.
fn alarms(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    alarm_codes(r, into)?;
    pack_codes(r, into)?;
    let state = r.u8("state")?;
    if r.left() != 0 {
        return Err(UNFIT);
    }
    into.fets.charge = Some(state & 1 != 0);
    into.fets.discharge = Some(state & 2 != 0);
    Ok(())
}
