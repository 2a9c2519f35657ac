//! Reply 42: measured values, alarms, FETs and balancing.

use super::alarms::status;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::ascii_pack::{MAX_FLAG, UNFIT, cells, sensors};
use crate::bms::bytes::{Reader, show_balancing, unless};
use crate::model::Reading;

/// Bytes behind the balancing word: 13 were seen.
const MAX_REST: usize = 16;

pub(super) fn values(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    if r.u8("flag")? > MAX_FLAG {
        return Err(UNFIT);
    }
    into.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(Percent::centi);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::centi);
    cells(r, into)?;
    let celsius = |raw: i16| unless(&[i16::MIN, i16::MAX], raw).map(Celsius::deci);
    into.temperatures.environment = celsius(r.i16_be("environment temperature")?);
    r.skip(2, "average temperature")?;
    into.temperatures.mos = celsius(r.i16_be("MOSFET temperature")?);
    let raw = sensors(r)?;
    into.temperatures.sensors = Some(raw.into_iter().filter_map(|raw| celsius(raw.cast_signed())).collect());
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    r.skip(2, "resistance")?;
    into.soh = unless(&[0, 0xFFFF], r.u16_be("SoH")?).map(|raw| Percent::new(f64::from(raw)));
    r.skip(1, "number")?;
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("full capacity")?).map(AmpHours::centi);
    into.full_charge = into.capacity;
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    status(r, into)?;
    r.skip(8, "cells with alarms")?;
    let balancing = u32::from(r.u16_be("balancing")?);
    show_balancing(balancing, into);
    if r.left() > MAX_REST { Err(UNFIT) } else { Ok(()) }
}
