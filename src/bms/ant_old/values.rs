//! Meaning of the fields.

use super::alarms;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{Reader, show_balancing, show_cells, u16s_be, unless};
use crate::model::Reading;

const CELLS: usize = 32;
/// Sensors on cables; the two behind them repeat others or are 0.
const SENSORS: usize = 4;
/// A sensor that is not fitted shows this or less.
const NO_SENSOR: i16 = -40;

/// The reply, behind its header.
pub(super) fn status(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    into.voltage = unless(&[0xFFFF], r.u16_be("voltage")?).map(Volts::deci);
    let cells = r.bytes(2 * CELLS, "cells")?;
    let current = unless(&[i32::MIN, i32::MAX], r.u32_be("current")?.cast_signed());
    into.current = current.map(|raw| Amps::deci(raw.saturating_neg()));
    into.soc = unless(&[0xFF], r.u8("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    into.capacity = unless(&[0, u32::MAX], r.u32_be("capacity")?).map(micro);
    into.remaining = unless(&[u32::MAX], r.u32_be("remaining")?).map(micro);
    into.throughput = unless(&[u32::MAX], r.u32_be("throughput")?).map(AmpHours::milli);
    r.skip(4, "run time")?;
    let sensors = u16s_be(r.bytes(12, "temperatures")?).map(u16::cast_signed).take(SENSORS);
    let fitted = sensors.filter(|raw| *raw > NO_SENSOR && *raw != i16::MAX);
    into.temperatures.sensors = Some(fitted.map(|raw| Celsius::new(f64::from(raw))).collect());
    alarms::fets(r.u8("charge FET")?, r.u8("discharge FET")?, into);
    r.skip(18, "balancer, power, extremes")?;
    let count = usize::from(r.u8("number of cells")?);
    if count == 0 || count > CELLS {
        return Err(DecodeError::Layout { what: "an impossible number of cells" });
    }
    into.cell_count = u8::try_from(count).ok();
    show_cells(u16s_be(cells).take(count).map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
    r.skip(8, "drive voltages")?;
    let balancing = r.u32_be("cells being balanced")?;
    show_balancing(balancing, into);
    Ok(())
}

fn micro(raw: u32) -> AmpHours {
    AmpHours::new(f64::from(raw) / 1_000_000.0)
}
