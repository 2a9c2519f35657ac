//! Reply 42: the measured values.

use super::{MAX_CELLS, MAX_SENSORS, UNFIT, count};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::bytes::{Reader, show_balancing, show_cells, u16s_be, unless};
use crate::model::Reading;

/// Decodes the fields after the pack number.
pub(super) fn values(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let cells = count(r, MAX_CELLS, "cell count")?;
    into.cell_count = u8::try_from(cells).ok().filter(|count| *count > 0);
    let cells = u16s_be(r.bytes(cells.saturating_mul(2), "cell voltages")?);
    show_cells(cells.map(|raw| unless(&[0xFFFF], raw).map(Volts::milli)), into);
    let sensors = count(r, MAX_SENSORS, "sensor count")?;
    let temperatures: Vec<u16> = u16s_be(r.bytes(sensors.saturating_mul(2), "temperatures")?).collect();
    if temperatures.iter().any(|raw| *raw > 0xFF && *raw != 0xFFFF) {
        return Err(DecodeError::Foreign { what: "temperatures in 0.1 K: a TopBAND or Pylontech battery" });
    }
    let fitted = temperatures.into_iter().filter_map(|raw| unless(&NO_SENSOR, raw));
    into.temperatures.sensors = Some(fitted.map(Celsius::offset_40).collect());
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::centi);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    let words = usize::from(r.u8("word count")?);
    if !matches!(words, 5 | 6) || r.left() != words.saturating_mul(2) {
        return Err(UNFIT);
    }
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("full capacity")?).map(AmpHours::centi);
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    into.soc = unless(&[0xFF], r.u8("SoC")?).map(|raw| Percent::new(f64::from(raw)));
    into.soh = unless(&[0, 0xFF], r.u8("SoH")?).map(|raw| Percent::new(f64::from(raw)));
    let balancing = u32::from(r.u16_be("balancing")?);
    show_balancing(balancing, into);
    Ok(())
}

/// A sensor that is not fitted: undocumented, but these are -40 °C, 215 °C and a value beyond one byte.
const NO_SENSOR: [u16; 3] = [0x0000, 0x00FF, 0xFFFF];
