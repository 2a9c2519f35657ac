//! What the protocols with Modbus requests share.

use super::words::with_alarms;
use crate::bms::Framing;
use crate::bms::bytes::crc_frame;
use crate::bms::modbus::{Function, Read, with_crc};
use crate::output::can::InverterData;
use std::ops::RangeInclusive;

/// Length of a request.
const REQUEST: usize = 8;
/// Registers in a reply at most.
const MAX_COUNT: u16 = 125;

/// A request of Modbus RTU to any address.
pub(super) fn framing(buf: &[u8]) -> Framing {
    if buf.len() < REQUEST { Framing::Incomplete } else { crc_frame(buf, REQUEST) }
}

/// First and last register of a request in hexadecimal, such as `13-23`; the number of a function that is not served.
pub(super) fn asks(request: &[u8]) -> String {
    match asked(request) {
        Ok(Read { first, count, .. }) => format!("{first:02X}-{:02X}", first.saturating_add(count.saturating_sub(1))),
        Err(_) => format!("function {:02X}", request.get(1).copied().unwrap_or_default()),
    }
}

/// The reply of plain Modbus RTU; `None` for the request to another address, and as with [`words`].
pub(super) fn reply(
    request: &[u8],
    address: u8,
    data: &InverterData,
    measured: RangeInclusive<u16>,
    value: fn(u16, &InverterData) -> u16,
) -> Option<Vec<u8>> {
    let (&to, function) = (request.first()?, request.get(1)?);
    if to != address {
        return None;
    }
    let read = match asked(request) {
        Ok(read) => read,
        Err(code) => return Some(with_crc(vec![address, function | 0x80, code])),
    };
    let words = words(&read, data, measured, value)?;
    let length = u8::try_from(words.len().saturating_mul(2)).ok()?;
    Some(with_crc([&[address, *function, length], words.as_flattened()].concat()))
}

/// The registers that a request reads; an error code for one that cannot be answered.
pub(super) fn asked(request: &[u8]) -> Result<Read, u8> {
    match Read::of(request) {
        Some(read) if read.function == Function::HoldingRegisters => {
            let fits = (1..=MAX_COUNT).contains(&read.count) && read.first.checked_add(read.count).is_some();
            if fits { Ok(read) } else { Err(3) }
        }
        _ => Err(1),
    }
}

/// The values of the registers read, the high byte first; `None` if one is among those that are `measured` and have no mark for
/// "unknown", and there is no fresh data.
pub(super) fn words(
    read: &Read,
    data: &InverterData,
    measured: RangeInclusive<u16>,
    value: fn(u16, &InverterData) -> u16,
) -> Option<Vec<[u8; 2]>> {
    let registers = read.first..read.first.saturating_add(read.count);
    let is_measured = data.state.voltage.is_some() && data.state.current.is_some() && data.state.soc.is_some();
    if !is_measured && registers.clone().any(|register| measured.contains(&register)) {
        return None;
    }
    let data = with_alarms(data);
    Some(registers.map(|register| value(register, &data).to_be_bytes()).collect())
}
