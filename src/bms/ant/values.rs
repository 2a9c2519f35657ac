//! Fields of a status and of the registers.

use super::alarms::{CHARGE_OFF, DISCHARGE_OFF, PROTECTIONS, WARNINGS, why_off};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use crate::bms::DecodeError;
use crate::bms::bits::apply;
use crate::bms::bytes::{Reader, set_bits, show_cells, unless};
use crate::model::{Chemistry, Reading};

pub(super) fn status(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    r.skip(1, "permission level")?;
    let state = r.u8("state")?;
    let sensors = r.u8("sensor count")?;
    let cells = r.u8("cell count")?;
    if !matches!(cells, 1..=32) {
        return Err(DecodeError::Foreign { what: "a number of cells that no board has" });
    }
    into.cell_count = Some(cells);
    let (protections, warnings) = (r.bytes(8, "protections")?, r.bytes(8, "warnings")?);
    into.alarms = Some(Vec::new());
    apply(protections, &PROTECTIONS, into);
    apply(warnings, &WARNINGS, into);
    r.skip(8, "reserved")?;
    let cells = (0..cells).map(|_| r.u16_le("cell voltages")).collect::<Result<Vec<_>, _>>()?;
    show_cells(cells.into_iter().map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
    let temperatures = (0..sensors).map(|_| temperature(r, "temperatures")).collect::<Result<Vec<_>, _>>()?;
    into.temperatures.sensors = Some(temperatures.into_iter().flatten().collect());
    into.temperatures.mos = temperature(r, "MOS temperature")?;
    into.temperatures.board = temperature(r, "balancer temperature")?;
    into.voltage = unless(&[0xFFFF], r.u16_le("pack voltage")?).map(Volts::centi);
    let current = unless(&[i16::MIN, i16::MAX], r.i16_le("current")?);
    into.current = current.map(|raw| Amps::deci(towards(state, f64::from(raw))));
    into.soc = unless(&[0xFFFF], r.u16_le("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    into.soh = unless(&[0, 0xFFFF], r.u16_le("SoH")?).map(|raw| Percent::new(f64::from(raw)));
    let (discharge_code, charge_code) = (r.u8("discharge FET")?, r.u8("charge FET")?);
    let (discharge, charge) = (discharge_code == 1, charge_code == 1);
    let [_, _, charge_again, discharge_again, ..] = warnings else { return Err(DecodeError::Short { field: "warnings" }) };
    into.fets.charge = Some(charge).filter(|on| *on == (charge_again & 0x80 != 0));
    into.fets.discharge = Some(discharge).filter(|on| *on == (discharge_again & 0x01 != 0));
    if into.fets.charge == Some(false) {
        why_off("charge", &CHARGE_OFF, charge_code, into);
    }
    if into.fets.discharge == Some(false) {
        why_off("discharge", &DISCHARGE_OFF, discharge_code, into);
    }
    let balancer = r.u8("balancer")?;
    r.skip(1, "board type")?;
    into.capacity = unless(&[0, u32::MAX], r.u32_le("capacity")?).map(micro);
    into.remaining = unless(&[u32::MAX], r.u32_le("remaining capacity")?).map(micro);
    into.throughput = unless(&[u32::MAX], r.u32_le("throughput")?).map(AmpHours::milli);
    let power = unless(&[i32::MIN, i32::MAX], r.i32_le("power")?);
    into.power = power.map(|raw| Watts::new(towards(state, f64::from(raw))));
    r.skip(4, "run time")?;
    let balancing = set_bits(r.u32_le("balanced cells")?);
    into.balancing.active = Some(!balancing.is_empty() || matches!(balancer, 1 | 2 | 4 | 5));
    into.balancing.cells = Some(balancing);
    r.skip(20, "extremes and drive voltages")?;
    into.settings.chemistry = chemistry(r.u16_le("chemistry")?);
    Ok(())
}

/// Positive charges. The board counts the other way round; its operating state, if reported, decides.
fn towards(state: u8, raw: f64) -> f64 {
    match state {
        2 => raw.abs(),
        4 => 0.0 - raw.abs(),
        _ => 0.0 - raw,
    }
}

/// Whole degrees; -40 and below is a sensor that is not fitted.
fn temperature(r: &mut Reader<'_>, field: &'static str) -> Result<Option<Celsius>, DecodeError> {
    let raw = unless(&[i16::MAX], r.i16_le(field)?);
    Ok(raw.filter(|raw| *raw > -40).map(|raw| Celsius::new(f64::from(raw))))
}

fn micro(raw: u32) -> AmpHours {
    AmpHours::new(f64::from(raw) / 1_000_000.0)
}

fn chemistry(code: u16) -> Option<Chemistry> {
    match code {
        0xFAF1 => Some(Chemistry::Nmc),
        0xFAF2 => Some(Chemistry::Lfp),
        0xFAF3 => Some(Chemistry::Lto),
        _ => None, // FAF4 is "custom"
    }
}

/// A setting that the board does not report (FFFF: without its password it fills whole blocks with that), or that is switched off
/// (0).
const NO_SETTING: [u16; 2] = [0, 0xFFFF];

/// Voltage protections, first level.
pub(super) fn voltages(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let mut next = |before: usize, field: &'static str| {
        r.skip(before, field)?;
        Ok(unless(&NO_SETTING, r.u16_le(field)?))
    };
    let settings = &mut into.settings;
    settings.cell_ovp = next(0, "cell over-voltage protection")?.map(Volts::milli);
    settings.pack_ovp = next(6, "pack over-voltage protection")?.map(Volts::deci);
    settings.cell_uvp = next(2, "cell under-voltage protection")?.map(Volts::milli);
    settings.pack_uvp = next(6, "pack under-voltage protection")?.map(Volts::deci);
    Ok(())
}

pub(super) fn currents(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let charge = r.u16_le("charge over-current protection")?;
    r.skip(2, "delay")?;
    let discharge = r.u16_le("discharge over-current protection")?;
    let amps = |raw: u16| unless(&NO_SETTING, raw).map(Amps::deci);
    (into.settings.charge_ocp, into.settings.discharge_ocp) = (amps(charge), amps(discharge));
    Ok(())
}
