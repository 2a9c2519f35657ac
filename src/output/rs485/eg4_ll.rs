//! EG4 LL "MODBUS between UPS (SMPS) and BMS" V01.06: Modbus RTU, function 03, the battery is slave 1 to 16. LuxPower and EG4 inverters
//! ask in it over RS485. The registers are those that the family `eg4-ll` reads (`bms/eg4_ll`).
//!
//! ```text
//! 0 voltage 10 mV | 1 i16 current 10 mA | 2 to 17 cells mV | 18 board, 19 mean, 20 hottest °C | 21 remaining Ah | 22 CCL 1 A
//! 23 SoH % | 24 SoC % | 25 state: 8000 active | 1 charges, 2 discharges, 4 protects | 26 warnings | 27 protections | 28 errors
//! 29, 30 cycles | 31, 32 capacity mAs | 33 to 35 six bytes °C | 36 cells | 37 capacity 0.1 Ah
//! 105 to 116 model | 120 to 127 serial number, characters
//! ```
//! Other registers are 0. **There is no charge voltage and no discharge current limit.** A discharge that is forbidden is therefore told
//! as the protection against a pack voltage that is too low, if no other protection says it. An imbalance stops nothing and is not
//! told: its only bit is among the errors. Sources: EG4's paper; the capacity is in mAs as in recordings (tests/vectors/eg4-ll), where
//! the paper's number fits As.

use super::Protocol;
use super::registers::{asks, framing, reply};
use super::words::{at_most, at_most_current, bits, percent, signed, unsigned};
use crate::base::units::Celsius;
use crate::output::can::{InverterData, Item};
use std::ops::RangeInclusive;

/// The protocol.
pub(super) static PROTOCOL: Protocol =
    Protocol { name: "eg4-ll", label: "EG4 LL over RS485", baud: 9600, address: 1, framing, answer, asks, says: None };

/// Registers that are measured and have no mark for "unknown".
const MEASURED: RangeInclusive<u16> = 0..=21;
const CELLS: RangeInclusive<u16> = 2..=17;
const MODEL: RangeInclusive<u16> = 105..=116;
const SERIAL_NUMBER: RangeInclusive<u16> = 120..=127;

/// State of register 25: the battery takes part, and what it does.
const ACTIVE: u16 = 0x8000;
const CHARGES: u16 = 1;
const DISCHARGES: u16 = 2;
const PROTECTS: u16 = 4;

/// Bits of registers 26 and 27. Items that do not tell a cell from the pack set both.
const ALARMS: &[(Item, u16)] = &[
    (Item::HighVoltage, 0b0011),
    (Item::LowVoltage, 0b1100),
    (Item::HighChargeCurrent, 1 << 4),
    (Item::HighDischargeCurrent, 1 << 5),
    (Item::HighChargeTemperature, 1 << 8),
    (Item::HighTemperature, 1 << 9),
    (Item::LowChargeTemperature, 1 << 10),
    (Item::LowTemperature, 1 << 11),
    (Item::ShortCircuit, 1 << 13),
];
const PACK_TOO_LOW: u16 = 1 << 2;
/// Protections that end a discharge.
const ENDS_DISCHARGE: u16 = 0b1100 | 1 << 5 | 1 << 9 | 1 << 11 | 1 << 13;
/// Bits of register 28: the first fault of the BMS that it has.
const ERRORS: &[(Item, u16)] = &[(Item::BmsInternal, 1), (Item::Contactor, 1), (Item::General, 1)];

fn answer(request: &[u8], address: u8, data: &InverterData) -> Option<Vec<u8>> {
    reply(request, address, data, MEASURED, value)
}

fn value(register: u16, data: &InverterData) -> u16 {
    let (state, charge, details, identity) = (&data.state, &data.charge, &data.details, &data.identity);
    let celsius = |value: Option<Celsius>| value.map_or(0, |celsius| signed(celsius.get(), 1.0));
    let capacity = charge.installed_capacity.or(charge.capacity).map(|capacity| capacity.get());
    match register {
        0 => state.voltage.map_or(0, |volts| unsigned(volts.get(), 100.0)),
        1 => state.current.map_or(0, |amps| signed(amps.get(), 100.0)),
        18 => celsius(details.board_temperature.or(details.mos_temperature).or(state.temperature)),
        19 => celsius(state.temperature),
        20 => celsius(details.max_cell_temperature.or(state.temperature)),
        21 => {
            let by_soc = || Some(capacity? * state.soc?.get() / 100.0);
            charge.remaining.map(|left| left.get()).or_else(by_soc).map_or(0, |left| at_most(left, 1.0))
        }
        22 => at_most_current(data.charge_amps(), 1.0),
        23 => state.soh.map_or(100, |soh| percent(soh.get())),
        24 => state.soc.map_or(0, |soc| percent(soc.get())),
        25 => activity(data),
        26 => bits(ALARMS, |item| data.warning(item)),
        27 => protections(data),
        28 => bits(ERRORS, |item| data.alarm(item)),
        29 | 30 => half(register == 29, details.cycles.unwrap_or(0)),
        31 | 32 => half(register == 31, (capacity.unwrap_or(0.0) * 3_600_000.0).round() as u32),
        33..=35 => {
            let place = usize::from(register.saturating_sub(33)).saturating_mul(2);
            let byte = |place: usize| {
                let sensor = details.temperatures.as_ref().and_then(|sensors| sensors.get(place));
                sensor.map_or(0, |celsius| (celsius.get().round() as i8).cast_unsigned())
            };
            u16::from_be_bytes([byte(place), byte(place.saturating_add(1))])
        }
        36 => u16::try_from(cells(data).len()).unwrap_or(u16::MAX),
        37 => capacity.map_or(0, |capacity| at_most(capacity, 10.0)),
        register if CELLS.contains(&register) => {
            let place = usize::from(register.saturating_sub(*CELLS.start()));
            cells(data).get(place).copied().unwrap_or(0)
        }
        register if MODEL.contains(&register) => {
            let name = identity.product_name.as_deref().or(identity.bms_name_1.as_deref()).unwrap_or("battery");
            characters(name, register.saturating_sub(*MODEL.start()))
        }
        register if SERIAL_NUMBER.contains(&register) => {
            characters(identity.serial_number.as_deref().unwrap_or_default(), register.saturating_sub(*SERIAL_NUMBER.start()))
        }
        _ => 0,
    }
}

/// All cells, or of a bank the lowest and the highest one; at most as many as there are registers.
fn cells(data: &InverterData) -> Vec<u16> {
    let extremes = || [data.extremes.min_cell_mv, data.extremes.max_cell_mv].into_iter().flatten().collect();
    let mut cells = data.details.cells_mv.clone().unwrap_or_else(extremes);
    cells.truncate(CELLS.count());
    cells
}

fn protections(data: &InverterData) -> u16 {
    let active = bits(ALARMS, |item| data.alarm(item));
    let is_said = active & ENDS_DISCHARGE != 0;
    // A limit of 0 does not always have its permission taken away.
    if data.discharge_amps() > 0.0 || is_said { active } else { active | PACK_TOO_LOW }
}

fn activity(data: &InverterData) -> u16 {
    let (charge, discharge) = (data.charge_amps() > 0.0, data.discharge_amps() > 0.0);
    let amps = data.state.current.map_or(0.0, |amps| amps.get());
    let does = match () {
        () if protections(data) != 0 => PROTECTS,
        () if amps > 0.0 => CHARGES,
        () if amps < 0.0 => DISCHARGES,
        () => 0,
    };
    if charge || discharge { ACTIVE | does } else { does }
}

/// One word of a long number, whose high one is the first.
fn half(first: bool, number: u32) -> u16 {
    let [a, b, c, d] = number.to_be_bytes();
    u16::from_be_bytes(if first { [a, b] } else { [c, d] })
}

/// Two characters of a text that is filled up with zeros.
fn characters(text: &str, register: u16) -> u16 {
    let mut pair = text.bytes().skip(usize::from(register).saturating_mul(2));
    let mut next = || pair.next().map_or(0, |byte| if (0x20..0x7F).contains(&byte) { byte } else { b'?' });
    u16::from_be_bytes([next(), next()])
}
