//! Meaning of the registers.

use super::{Eg4Ll, alarms};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{show_balancing, show_cells, unless};
use crate::bms::modbus::Registers;
use crate::model::{EG4_LL_CURRENT, OpenValue, ProductionDate, Reading};

const MAX_CELLS: u16 = 16;
/// Largest difference between the sum of the cells and the pack voltage, as a fraction of it.
const MOST_APART: f64 = 0.03;
const OTHER_BOARD: DecodeError = DecodeError::Layout { what: "values of another board (a meter, or PACE: try --bms pace-modbus)" };

/// 0000: everything measured.
pub(super) fn values(board: &mut Eg4Ll, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let get = |register| unless(&[0xFFFF], registers.u16(register)?);
    let whole = |register| get(register).map(f64::from);
    let count = registers.u16(36).filter(|count| (1..=MAX_CELLS).contains(count)).ok_or(OTHER_BOARD)?;
    let cells: Vec<Option<u16>> = (2..2u16.saturating_add(count)).map(get).collect();
    into.voltage = get(0).map(Volts::centi);
    into.soc = whole(24).map(Percent::new);
    let sum: f64 = cells.iter().flatten().map(|cell| f64::from(*cell) / 1000.0).sum();
    let fits = |volts: Volts| cells.contains(&None) || (sum - volts.get()).abs() <= MOST_APART * volts.get();
    if !into.voltage.is_none_or(fits) || into.soc.is_some_and(|soc| soc.get() > 100.0) {
        return Err(OTHER_BOARD);
    }
    into.cell_count = u8::try_from(count).ok();
    show_cells(cells.into_iter().map(|cell| cell.map(Volts::milli)), into);
    into.capacity = unless(&[0, 0xFFFF], registers.u16(37).unwrap_or(0)).map(AmpHours::deci);
    into.design = into.capacity;
    into.full_charge = registers.u32_high_first(31).and_then(|raw| unless(&[0, u32::MAX], raw)).map(ampere_hours);
    // 12 V boards with Bluetooth count in 0.1 A. They have neither of both capacities.
    let is_known = into.capacity.is_some() || into.full_charge.is_some();
    let current = registers.i16(1).and_then(|raw| unless(&[i16::MIN, i16::MAX], raw));
    into.current = current.filter(|raw| is_known || *raw == 0).map(Amps::centi);
    if let (None, Some(raw)) = (into.current, current) {
        into.leave_open(&EG4_LL_CURRENT, [OpenValue::Current(Amps::centi(raw)), OpenValue::Current(Amps::deci(raw))]);
    }
    into.settings.charge_limit = get(22).filter(|_| is_known).map(|amps| Amps::new(f64::from(amps)));
    into.temperatures.mos = registers.i16(18).and_then(|raw| unless(&[-1], raw)).map(|raw| Celsius::new(f64::from(raw)));
    into.remaining = whole(21).map(AmpHours::new);
    into.soh = whole(23).filter(|soh| *soh > 0.0).map(Percent::new);
    into.cycles = registers.u32_high_first(29).and_then(|raw| unless(&[u32::MAX], raw));
    temperatures(registers, &mut board.fitted, into);
    if let Some(balancing) = registers.u16(38) {
        show_balancing(u32::from(balancing), into);
    }
    alarms::alarms(registers, into);
    Ok(())
}

fn ampere_hours(ampere_milliseconds: u32) -> AmpHours {
    AmpHours::new(f64::from(ampere_milliseconds) / 3_600_000.0).rounded(3)
}

/// Six signed bytes; 0 and -56 are no sensor.
fn temperatures(registers: &Registers<'_>, fitted: &mut [bool; 6], into: &mut Reading) {
    let bytes = (33..36).filter_map(|register| registers.u16(register)).flat_map(u16::to_be_bytes).map(u8::cast_signed);
    let mut shown = Vec::new();
    for (byte, fitted) in bytes.zip(fitted) {
        *fitted |= !matches!(byte, 0 | -56);
        if *fitted && byte != -56 {
            shown.push(Celsius::new(f64::from(byte)));
        }
    }
    into.temperatures.sensors = Some(shown).filter(|shown| !shown.is_empty());
}

/// 0069. The last text is a date, or filled with FF, on recorded boards: no serial number to rely on.
pub(super) fn texts(_: &mut Eg4Ll, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.device.model = registers.text(0x69, 12);
    into.device.sw_version = registers.text(0x75, 3);
    let is_date = |text: &String| matches!(text.as_bytes(), [_, _, _, _, b'-', _, _, b'-', _, _]);
    into.device.production_date = registers.text(0x78, 8).filter(is_date).map(ProductionDate::Day);
    Ok(())
}
