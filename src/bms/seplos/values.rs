//! Reply 42: the measured values; reply 47: the protection settings.

use super::head;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::ascii_pack::{NO_SENSOR, UNFIT, cells, sensors};
use crate::bms::bytes::{Reader, u16s_be, unless};
use crate::model::Reading;
use std::ops::RangeInclusive;

/// Words behind the remaining capacity.
const WORDS: u8 = 10;

pub(super) fn values(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    cells(r, into)?;
    temperatures(&sensors(r)?, into);
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::centi);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    if r.u8("word count")? != WORDS || r.left() != usize::from(WORDS).saturating_mul(2) {
        return Err(UNFIT);
    }
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("full capacity")?).map(AmpHours::centi);
    into.full_charge = into.capacity;
    into.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(Percent::deci);
    into.design = unless(&[0, 0xFFFF], r.u16_be("rated capacity")?).map(AmpHours::centi);
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    into.soh = unless(&[0, 0xFFFF], r.u16_be("SoH")?).map(Percent::deci);
    Ok(())
}

/// Four sensors at the cells, then environment and MOSFETs.
fn temperatures(raw: &[u16], into: &mut Reading) {
    let celsius = |raw: u16| unless(&NO_SENSOR, raw).map(Celsius::deci_kelvin);
    let (cells, others) = raw.split_at_checked(4).filter(|_| raw.len() == 6).unwrap_or((raw, &[]));
    into.temperatures.sensors = Some(cells.iter().filter_map(|raw| celsius(*raw)).collect());
    into.temperatures.environment = others.first().and_then(|raw| celsius(*raw));
    into.temperatures.mos = others.get(1).and_then(|raw| celsius(*raw));
}

/// Words of the settings: 60 were seen; from 56 on all of those used here are among them, and no other reply has so many.
const SETTINGS: RangeInclusive<u8> = 56..=80;

/// The protections; their warnings and releases are between them.
pub(super) fn settings(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    let flag = r.u8("flag")?;
    let count = r.u8("word count")?;
    if flag != 0 || !SETTINGS.contains(&count) {
        return Err(UNFIT);
    }
    let words: Vec<u16> = u16s_be(r.bytes(usize::from(count).saturating_mul(2), "settings")?).collect();
    let bytes = r.u8("byte count")?;
    r.skip(usize::from(bytes), "delays")?;
    let word = |at: usize| words.get(at).copied().and_then(|raw| unless(&[0, 0xFFFF], raw));
    into.settings.cell_ovp = word(4).map(Volts::milli);
    into.settings.cell_uvp = word(6).map(Volts::milli);
    into.settings.pack_ovp = word(14).map(Volts::centi);
    into.settings.pack_uvp = word(16).map(Volts::centi);
    into.settings.charge_ocp = word(54).map(Amps::centi);
    let discharge = word(55).map(u16::cast_signed).and_then(|raw| unless(&[i16::MIN, i16::MAX], raw));
    into.settings.discharge_ocp = discharge.map(|raw| Amps::centi(raw).abs());
    Ok(())
}
