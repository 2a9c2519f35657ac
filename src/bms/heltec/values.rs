//! Meaning of the registers.

use super::{FITTED, Heltec, PACK, alarms};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{show_balancing, show_cells, unless};
use crate::bms::modbus::{Read, Registers};
use crate::model::{Chemistry, Reading};
use std::ops::RangeInclusive;

const OTHER_BOARD: DecodeError =
    DecodeError::Layout { what: "registers of another device, or of another generation of these boards" };
/// "SBDM", in register 63.
const SIGNATURE: u32 = 0x4D44_4253;
const CELLS: RangeInclusive<u8> = 1..=25;
const MAX_CELL_MV: u16 = 5000;
const MAX_SENSORS: u8 = 8;
/// Of the pack voltage; both are measured separately.
const MOST_APART: f64 = 0.03;
/// Currents below this say nothing about their direction.
const NOTHING_FLOWS: f64 = 1.0;
/// Contradictions in a row that are not the moment in which the current turns.
const LASTING: u8 = 3;
/// First bytes of the serial numbers of boards whose temperatures have another scale, which is not known.
const OTHER_TEMPERATURES: [u16; 6] = [0x0001, 0x5948, 0x0008, 0x0009, 0x000A, 0x010A];

/// Unsigned, one register.
fn word(registers: &Registers<'_>, register: u16) -> Option<u16> {
    registers.u16(register).map(u16::swap_bytes)
}

/// Unsigned, two registers.
fn long(registers: &Registers<'_>, register: u16) -> Option<u32> {
    registers.u32_high_first(register).map(u32::swap_bytes)
}

/// The two bytes of a register, in their order on the line.
fn bytes(registers: &Registers<'_>, register: u16) -> Option<[u8; 2]> {
    registers.u16(register).map(u16::to_be_bytes)
}

/// The reply to the pack's registers, which its signature shows.
pub(super) fn signed(frame: &[u8]) -> Option<Read> {
    let registers = PACK.registers(frame).ok()?;
    (long(&registers, 63) == Some(SIGNATURE)).then_some(PACK)
}

/// 2 to 19.
pub(super) fn name(board: &mut Heltec, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let serial: Option<Vec<u16>> = (2..6).map(|register| registers.u16(register)).collect();
    let serial = serial.ok_or(OTHER_BOARD)?;
    board.has_scale = serial.first().map(|first| !OTHER_TEMPERATURES.contains(first));
    let is_told = serial.iter().any(|word| !matches!(word, 0 | 0xFFFF));
    into.device.serial_number = is_told.then(|| serial.iter().map(|word| format!("{word:04X}")).collect());
    into.device.model = registers.text(7, 13);
    Ok(())
}

/// 52 and 53.
pub(super) fn fitted(board: &mut Heltec, registers: &Registers<'_>, _: &mut Reading) -> Result<(), DecodeError> {
    let (Some([_, battery]), Some([mosfets, balancer])) = (bytes(registers, FITTED.first), bytes(registers, 53)) else {
        return Err(OTHER_BOARD);
    };
    if battery > MAX_SENSORS || mosfets > 1 || balancer > 1 {
        return Err(OTHER_BOARD);
    }
    board.sensors = Some([battery, mosfets, balancer]);
    Ok(())
}

/// 112 to 116.
fn temperatures(board: &Heltec, registers: &Registers<'_>, into: &mut Reading) {
    let (Some(true), Some(count)) = (board.has_scale, board.sensors) else { return };
    let [battery, mosfets, balancer] = count.map(usize::from);
    let raws: Vec<u8> = (112..117).filter_map(|register| bytes(registers, register)).flatten().collect();
    let celsius = |raw: &u8| unless(&[0, 166], *raw).map(|raw| Celsius::new(f64::from(raw) - 40.0));
    let sensors: Vec<Celsius> = raws.iter().skip(2).take(battery).filter_map(celsius).collect();
    // If all that are fitted are broken, the temperature is unknown.
    into.temperatures.sensors = (battery == 0 || !sensors.is_empty()).then_some(sensors);
    // Sources disagree which of both is the MOSFETs': the warmer one counts.
    let board = raws.iter().take(mosfets.saturating_add(balancer)).filter_map(celsius);
    into.temperatures.mos = board.fold(None, |warmest, next| Some(warmest.map_or(next, |warmest: Celsius| warmest.max(next))));
}

/// 62 to 79.
pub(super) fn pack(_: &mut Heltec, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let [cells, chemistry] = bytes(registers, 75).ok_or(OTHER_BOARD)?;
    if long(registers, 63) != Some(SIGNATURE) || !CELLS.contains(&cells) {
        return Err(OTHER_BOARD);
    }
    into.cell_count = Some(cells);
    into.settings.chemistry = match chemistry {
        0 => Some(Chemistry::Nmc),
        1 => Some(Chemistry::Lfp),
        2 => Some(Chemistry::Lto),
        _ => None,
    };
    into.device.sw_version = bytes(registers, 62).map(|[_, firmware]| format!("{}.{:02}", firmware / 100, firmware % 100));
    into.voltage = long(registers, 76).and_then(|raw| unless(&[u32::MAX], raw)).map(|raw| Volts::new(f64::from(raw) / 1000.0));
    let current = long(registers, 78).and_then(|raw| unless(&[i32::MIN, i32::MAX], raw.cast_signed()));
    into.current = current.map(|raw| Amps::new(0.0 - f64::from(raw) / 100.0));
    Ok(())
}

/// 80 to 159, after [`pack`].
pub(super) fn status(board: &mut Heltec, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    // Only the pack's registers tell that it is such a board.
    let count = into.cell_count.map(u16::from).ok_or(OTHER_BOARD)?;
    let cells: Vec<Option<u16>> = (81..81u16.saturating_add(count))
        .map(|register| word(registers, register).and_then(|raw| unless(&[0xFFFF], raw)))
        .collect();
    let sum: f64 = cells.iter().flatten().map(|raw| f64::from(*raw) / 1000.0).sum();
    let is_whole = cells.iter().all(|cell| cell.is_some_and(|raw| raw >= 1000));
    let fits = |volts: Volts| !is_whole || (sum - volts.get()).abs() <= MOST_APART * volts.get();
    if !into.voltage.is_none_or(fits) || cells.iter().flatten().any(|raw| *raw > MAX_CELL_MV) {
        return Err(OTHER_BOARD);
    }
    let [soc, soh] = bytes(registers, 120).ok_or(OTHER_BOARD)?;
    if soc > 100 && soc != u8::MAX {
        return Err(OTHER_BOARD);
    }
    show_cells(cells.into_iter().map(|cell| cell.map(Volts::milli)), into);
    into.soc = unless(&[u8::MAX], soc).map(|raw| Percent::new(f64::from(raw)));
    into.soh = unless(&[0, u8::MAX], soh).map(|raw| Percent::new(f64::from(raw)));
    into.capacity = word(registers, 118).and_then(|raw| unless(&[0, 0xFFFF], raw)).map(AmpHours::deci);
    into.cycles = bytes(registers, 127).and_then(|[_, cycles]| unless(&[u8::MAX], cycles)).map(u32::from);
    temperatures(board, registers, into);
    if let Some(balanced) = long(registers, 139) {
        show_balancing(balanced, into);
    }
    if let (Some(state), Some(alarms)) = (long(registers, 152), long(registers, 156)) {
        alarms::alarms(state, alarms, into);
        compare(alarms::direction(state), &mut board.contradictions, into);
    }
    Ok(())
}

/// A current that flows against the state is none: one of both is read wrongly, or it has just turned. Only the former lasts, and is
/// worth a note.
fn compare(charges: Option<bool>, contradictions: &mut u8, into: &mut Reading) {
    let against = |amps: &Amps| charges.is_some_and(|charges| amps.get().abs() >= NOTHING_FLOWS && charges != (amps.get() > 0.0));
    if into.current.as_ref().is_some_and(against) {
        into.current = None;
        *contradictions = contradictions.saturating_add(1);
        if *contradictions >= LASTING {
            into.note("the current flows against the state of the BMS: it is not used");
        }
    } else {
        *contradictions = 0;
    }
}

/// 169 to 194.
pub(super) fn settings(_: &mut Heltec, registers: &Registers<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let known = |register| word(registers, register).and_then(|raw| unless(&[0, 0xFFFF], raw));
    into.settings.cell_ovp = known(169).map(Volts::milli);
    into.settings.cell_uvp = known(172).map(Volts::milli);
    into.settings.charge_ocp = known(191).map(Amps::centi);
    into.settings.discharge_ocp = known(194).map(Amps::centi);
    Ok(())
}
