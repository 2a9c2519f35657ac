//! Reply 42: the measured values.

use super::head;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::ascii_pack::{NO_SENSOR, UNFIT, cells, sensors};
use crate::bms::bytes::{Reader, unless};
use crate::model::Reading;

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
