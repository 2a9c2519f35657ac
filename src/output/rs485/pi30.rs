//! Voltronic "PI30 MAX": the battery's limits as a command to the inverter's own port (RS232 or USB), 2400 baud. Axpert MAX and its
//! relatives take them with the battery type "LIb" without a battery on their RS485 port.
//!
//! ```text
//! PBMS1 057 0 0 0 560 552 464 0100 0150 crc crc CR        every second
//!      connected | SoC % | force charge | stop discharging | stop charging | CVL, float, lowest voltage 0.1 V | CCL, DCL A
//! (ACK crc crc CR    (NAK crc crc CR                       taken, refused
//! ```
//! The check is CRC-16/XMODEM, the high byte first; a byte 28, 0D or 0A of it is sent as one more. The float voltage is our charge
//! voltage: the charge control lowers that by itself. Source: Voltronic's paper (tests/rs485/vectors); no owner is known who uses it.
//! jblance/mpp-solar reads the same fields in the same order from the inverter (QBMS), with the first one the other way round.

use super::words::{at_least, at_most, at_most_current, percent, with_alarms};
use super::{Protocol, Says};
use crate::bms::Framing;
use crate::output::can::InverterData;
use std::time::Duration;

/// The protocol.
pub(super) static PROTOCOL: Protocol = Protocol {
    name: "pi30",
    label: "Voltronic PI30 MAX, sent to the inverter's own port",
    baud: 2400,
    address: 0,
    framing,
    answer: |_, _, _| None,
    asks: |_| "PBMS".to_owned(),
    says: Some(&Says { every: Duration::from_secs(1), message, is_taken }),
};

/// `(ACK` or `(NAK`, the check and the end.
const REPLY: usize = 7;
const END: u8 = b'\r';
/// The largest numbers that fit: 0.1 V, and A.
const MOST_VOLTAGE: u16 = 999;
const MOST_CURRENT: u16 = 9999;

fn message(data: &InverterData) -> Option<Vec<u8>> {
    let data = with_alarms(data);
    let limits = &data.limits;
    let charge_voltage = at_most(limits.charge_voltage?.get(), 10.0).min(MOST_VOLTAGE);
    let lowest_voltage = limits.discharge_voltage.map_or(0, |volts| at_least(volts.get(), 10.0)).min(MOST_VOLTAGE);
    let soc = percent(data.state.soc?.get());
    let [charge, discharge] = [data.charge_amps(), data.discharge_amps()].map(|amps| at_most_current(amps, 1.0).min(MOST_CURRENT));
    let force = data.requests.force_charge_1 == Some(true) || data.requests.force_charge_2 == Some(true);
    let text = format!(
        "PBMS1 {soc:03} {} {} {} {charge_voltage:03} {charge_voltage:03} {lowest_voltage:03} {charge:04} {discharge:04}",
        u8::from(charge > 0 && force),
        u8::from(discharge == 0),
        u8::from(charge == 0),
    );
    Some([text.as_bytes(), &check(text.as_bytes()), &[END]].concat())
}

/// Looks for a reply of the inverter.
fn framing(buf: &[u8]) -> Framing {
    match (buf.first(), buf.get(..REPLY)) {
        (None, _) => Framing::Incomplete,
        (Some(b'('), None) => Framing::Incomplete,
        (Some(b'('), Some([text @ .., high, low, END])) if check(text) == [*high, *low] => Framing::Frame(0..REPLY),
        _ => Framing::Skip(1),
    }
}

fn is_taken(reply: &[u8]) -> bool {
    reply.starts_with(b"(ACK")
}

/// CRC-16/XMODEM without the bytes that have a meaning on the line.
fn check(bytes: &[u8]) -> [u8; 2] {
    let bit = |crc: u16| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
    let crc = bytes.iter().fold(0u16, |crc, byte| (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| bit(crc)));
    crc.to_be_bytes().map(|byte| if matches!(byte, b'(' | b'\r' | b'\n') { byte.wrapping_add(1) } else { byte })
}
