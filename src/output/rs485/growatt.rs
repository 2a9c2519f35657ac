//! Growatt "1xSxxP ESS" V2.0x over RS485: Modbus RTU, function 03, the battery is slave 1. SPF inverters without CAN, and EG4's
//! Chargeverter, ask in it.
//!
//! ```text
//! 13 status (as CAN 311) | 14 error | 15 SoC % | 16 voltage 10 mV | 17 i16 current 10 mA | 18 temperature °C
//! 19 CCL 10 mA | 1A remaining charge, 1B capacity 10 mAh | 1D highest minus lowest cell mV | 1E cycles | 20 SoH % | 21 CVL 10 mV
//! 23 DCL 10 mA | 25, 26 highest, lowest cell mV | 27, 28 their numbers | 29 cells in series | from 70 cells mV
//! ```
//! Other registers are 0. Polls cover 16 to 18, for which there is no mark "not measured": without fresh data there is no reply.
//! Source: Growatt's paper, and a JK board in this mode (tests/rs485/vectors), whose cells begin at 70, where the paper has 71.

use super::Protocol;
use super::registers::{asks, framing, reply};
use super::words::{at_most, bits, percent, signed, unsigned};
use crate::output::can::growatt::status;
use crate::output::can::{CellNumber, InverterData, Item};

/// The protocol.
pub(super) static PROTOCOL: Protocol =
    Protocol { name: "growatt", label: "Growatt 1xSxxP ESS over RS485", baud: 9600, address: 1, framing, answer, asks, says: None };

/// Registers that are measured and have no mark for "unknown".
const MEASURED: std::ops::RangeInclusive<u16> = 0x15..=0x18;
/// The first register of the cells, and the last that this program fills.
const CELLS: std::ops::RangeInclusive<u16> = 0x70..=0x8F;

/// Bits of register 14.
const ERRORS: &[(Item, u16)] = &[
    (Item::HighDischargeCurrent, 1 << 0),
    (Item::ShortCircuit, 1 << 1),
    (Item::HighVoltage, 1 << 2),
    (Item::LowVoltage, 1 << 3),
    (Item::HighTemperature, 1 << 4),
    (Item::HighChargeTemperature, 1 << 5),
    (Item::LowTemperature, 1 << 6),
    (Item::LowChargeTemperature, 1 << 7),
    (Item::BmsInternal, 1 << 9),
    (Item::Contactor, 1 << 9),
    (Item::General, 1 << 9),
    (Item::HighChargeCurrent, 1 << 11),
];

fn answer(request: &[u8], address: u8, data: &InverterData) -> Option<Vec<u8>> {
    reply(request, address, data, MEASURED, value)
}

fn value(register: u16, data: &InverterData) -> u16 {
    let (state, charge, extremes, details) = (&data.state, &data.charge, &data.extremes, &data.details);
    let number = |number: Option<CellNumber>| number.map_or(0, |number| u16::from(number.in_module().1));
    match register {
        0x13 => status(data),
        0x14 => bits(ERRORS, |item| data.alarm(item)),
        0x15 => state.soc.map_or(0, |soc| percent(soc.get())),
        0x16 => state.voltage.map_or(0, |volts| unsigned(volts.get(), 100.0)),
        0x17 => state.current.map_or(0, |amps| signed(amps.get(), 100.0)),
        0x18 => state.temperature.map_or(0, |celsius| signed(celsius.get(), 1.0)),
        0x19 => at_most(data.charge_amps(), 100.0),
        0x1A => charge.remaining.map_or(0, |left| at_most(left.get(), 100.0)),
        0x1B => charge.installed_capacity.or(charge.capacity).map_or(0, |capacity| at_most(capacity.get(), 100.0)),
        0x1D => extremes.max_cell_mv.zip(extremes.min_cell_mv).map_or(0, |(high, low)| high.saturating_sub(low)),
        0x1E => details.cycles.map_or(0, |cycles| unsigned(cycles.into(), 1.0)),
        0x20 => state.soh.map_or(100, |soh| percent(soh.get())),
        0x21 => data.limits.charge_voltage.map_or(0, |volts| at_most(volts.get(), 100.0)),
        0x23 => at_most(data.discharge_amps(), 100.0),
        0x25 => extremes.max_cell_mv.unwrap_or(0),
        0x26 => extremes.min_cell_mv.unwrap_or(0),
        0x27 => number(details.max_cell_v_number),
        0x28 => number(details.min_cell_v_number),
        0x29 => details.cell_count.map_or(0, u16::from),
        register if CELLS.contains(&register) => {
            let place = usize::from(register.saturating_sub(*CELLS.start()));
            details.cells_mv.as_ref().and_then(|cells| cells.get(place)).copied().unwrap_or(0)
        }
        _ => 0,
    }
}
