//! Voltronic "LIb": "Inverter and BMS 485 communication protocol" (2020), for Axpert, InfiniSolar, MPP Solar and EASUN inverters.
//!
//! ```text
//! request  id 03 first.. count.. crc crc        as Modbus
//! reply    id 03 count.. data… crc crc          a count of two bytes, in words
//! error    id 83 code crc crc                   1 id, 2 command, 3 CRC
//! ```
//! ```text
//! 10 cells | from 11 cells 0.1 V | 25 sensors | from 26 sensors 0.1 K
//! 30 charge, 31 discharge current 0.1 A | 32 voltage 0.1 V | 33 SoC % | 34, 35 capacity mAh | 36 packs | 37, 38 warnings | 39 … 3C
//! protections | 3E, 3F capacity mAh
//! 70 CVL 0.1 V | 71 lowest voltage 0.1 V | 72 CCL, 73 DCL 0.1 A | 74 bit 7 may charge, 6 may discharge, 5 and 4 force charge, 3 full
//! charge | 75 minutes until empty | 76, 77 remaining mAh
//! ```
//! Other registers are 0. Source: Voltronic's paper (ardupic/voltronic-inverter-communication-protocols), and one register of a JK
//! board in this mode (tests/rs485/vectors).

use super::Protocol;
use super::registers::{asked, asks, framing, words};
use super::words::{at_least, at_most, at_most_current, bits, deci_kelvin, percent, unsigned};
use crate::bms::modbus::with_crc;
use crate::output::can::pylontech::requests;
use crate::output::can::{InverterData, Item};

/// The protocol.
pub(super) static PROTOCOL: Protocol =
    Protocol { name: "voltronic", label: "Voltronic LIb", baud: 9600, address: 1, framing, answer, asks, says: None };

/// Registers that are measured and have no mark for "unknown".
const MEASURED: std::ops::RangeInclusive<u16> = 0x30..=0x33;
/// The time until empty if the battery is not being discharged.
const NO_TIME: u16 = u16::MAX;

const CHARGE_WARNINGS: &[(Item, u16)] = &[
    (Item::HighTemperature, 1),
    (Item::HighChargeTemperature, 1),
    (Item::HighVoltage, 1 << 1),
    (Item::LowTemperature, 1 << 2),
    (Item::LowChargeTemperature, 1 << 2),
    (Item::HighChargeCurrent, 1 << 3),
];
const DISCHARGE_WARNINGS: &[(Item, u16)] =
    &[(Item::HighTemperature, 1), (Item::LowTemperature, 1 << 1), (Item::BmsInternal, 1 << 2), (Item::LowVoltage, 1 << 3)];
const CHARGE_PROTECTIONS: &[(Item, u16)] = &[
    (Item::ShortCircuit, 1 << 5),
    (Item::BmsInternal, 1 << 6),
    (Item::Contactor, 1 << 6),
    (Item::General, 1 << 6),
    (Item::HighTemperature, 1 << 8),
    (Item::HighChargeTemperature, 1 << 8),
    (Item::LowTemperature, 1 << 9),
    (Item::LowChargeTemperature, 1 << 9),
    (Item::HighVoltage, 1 << 10),
    (Item::HighChargeCurrent, 1 << 11),
];
const DISCHARGE_PROTECTIONS: &[(Item, u16)] = &[
    (Item::ShortCircuit, 1 << 4),
    (Item::BmsInternal, 1 << 10),
    (Item::Contactor, 1 << 10),
    (Item::General, 1 << 10),
    (Item::LowVoltage, 1 << 11),
    (Item::HighDischargeCurrent, 1 << 12),
    (Item::LowTemperature, 1 << 13),
    (Item::HighTemperature, 1 << 14),
];

fn answer(request: &[u8], address: u8, data: &InverterData) -> Option<Vec<u8>> {
    if *request.first()? != address {
        return None;
    }
    let Ok(read) = asked(request) else { return Some(with_crc(vec![address, 0x83, 2])) };
    let words = words(&read, data, MEASURED, value)?;
    let [high, low] = read.count.to_be_bytes();
    Some(with_crc([&[address, 3, high, low], words.as_flattened()].concat()))
}

fn value(register: u16, data: &InverterData) -> u16 {
    let (limits, state, charge, details) = (&data.limits, &data.state, &data.charge, &data.details);
    let amps = state.current.map_or(0.0, |amps| amps.get());
    let capacity = long(charge.installed_capacity.or(charge.capacity).map_or(0.0, |capacity| capacity.get()));
    let remaining = long(charge.remaining.map_or(0.0, |left| left.get()));
    let sensors = details.temperatures.as_deref().unwrap_or_default();
    match register {
        0x10 => details.cell_count.map_or(0, u16::from),
        0x11..=0x24 => {
            let place = usize::from(register.saturating_sub(0x11));
            details.cells_mv.as_ref().and_then(|cells| cells.get(place)).map_or(0, |cell| unsigned(f64::from(*cell), 0.01))
        }
        0x25 => u16::try_from(sensors.len()).unwrap_or(u16::MAX).min(10),
        0x26..=0x2F => sensors.get(usize::from(register.saturating_sub(0x26))).map_or(0, |celsius| deci_kelvin(Some(*celsius))),
        0x30 => unsigned(amps, 10.0),
        0x31 => unsigned(-amps, 10.0),
        0x32 => state.voltage.map_or(0, |volts| unsigned(volts.get(), 10.0)),
        0x33 => state.soc.map_or(0, |soc| percent(soc.get())),
        0x34 | 0x3E => capacity.0,
        0x35 | 0x3F => capacity.1,
        0x36 => data.modules.module_count.map_or(1, u16::from),
        0x37 => bits(CHARGE_WARNINGS, |item| data.warning(item)),
        0x38 => bits(DISCHARGE_WARNINGS, |item| data.warning(item)),
        0x39 => bits(CHARGE_PROTECTIONS, |item| data.alarm(item)),
        0x3B => bits(DISCHARGE_PROTECTIONS, |item| data.alarm(item)),
        0x70 => limits.charge_voltage.map_or(0, |volts| at_most(volts.get(), 10.0)),
        0x71 => limits.discharge_voltage.map_or(0, |volts| at_least(volts.get(), 10.0)),
        0x72 => at_most_current(data.charge_amps(), 10.0),
        0x73 => at_most_current(data.discharge_amps(), 10.0),
        0x74 => requests(data).into(),
        0x75 => match charge.remaining {
            Some(left) if amps < 0.0 => at_most(left.get() / -amps, 60.0),
            _ => NO_TIME,
        },
        0x76 => remaining.0,
        0x77 => remaining.1,
        _ => 0,
    }
}

/// A charge in mAh, in two words, the high one first.
fn long(amp_hours: f64) -> (u16, u16) {
    let [a, b, c, d] = ((amp_hours * 1000.0).round() as u32).to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}
