//! Reply 42: the measured values.

use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::DecodeError;
use crate::bms::ascii_pack::{NO_SENSOR, UNFIT, cells, head, sensors, soc_of};
use crate::bms::bytes::{Reader, unless};
use crate::model::Reading;

/// Sensors of a 16S board: four at the cells, then MOSFETs and environment. Boards with fewer have sensors at the cells only.
const CELL_SENSORS: usize = 4;
const ALL_SENSORS: usize = 6;

/// Bytes behind the design capacity: at most 14 were seen.
const MAX_REST: usize = 20;
/// Lengths whose first byte certainly is the SoC, and the place of the SoH in the longer ones.
const RESTS_WITH_SOC: [usize; 3] = [1, 10, 14];
const SOH: usize = 9;
/// In a rest of another length, the first byte is the SoC if it is this near to the charge, %.
const NEAR: f64 = 5.0;

pub(super) fn values(info: &[u8], into: &mut Reading) -> Result<(), DecodeError> {
    let r = &mut Reader::new(info);
    head(r)?;
    cells(r, into)?;
    temperatures(&sensors(r)?, into);
    into.current = unless(&[i16::MIN, i16::MAX], r.i16_be("current")?).map(Amps::centi);
    into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::milli);
    into.remaining = unless(&[0xFFFF], r.u16_be("remaining capacity")?).map(AmpHours::centi);
    r.skip(1, "user number")?;
    into.capacity = unless(&[0, 0xFFFF], r.u16_be("full capacity")?).map(AmpHours::centi);
    into.full_charge = into.capacity;
    into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
    into.design = unless(&[0, 0xFFFF], r.u16_be("design capacity")?).map(AmpHours::centi);
    let rest = r.bytes(r.left(), "state of charge")?;
    if rest.len() > MAX_REST {
        return Err(UNFIT);
    }
    let computed = soc_of(into.remaining, into.capacity);
    let is_soc = |soc: &u8| {
        let near = computed.is_some_and(|computed| (computed.get() - f64::from(*soc)).abs() <= NEAR);
        *soc <= 100 && (near || RESTS_WITH_SOC.contains(&rest.len()))
    };
    into.soc = rest.first().copied().filter(is_soc).map(|soc| Percent::new(f64::from(soc))).or(computed);
    let soh = rest.get(SOH).copied().filter(|soh| (1..=100).contains(soh));
    into.soh = soh.map(|soh| Percent::new(f64::from(soh)));
    Ok(())
}

fn temperatures(raw: &[u16], into: &mut Reading) {
    let celsius = |raw: u16| unless(&NO_SENSOR, raw).map(|raw| Celsius::deci(f64::from(raw) - 2730.0));
    let cells = if raw.len() == ALL_SENSORS { CELL_SENSORS } else { raw.len() };
    into.temperatures.sensors = Some(raw.iter().take(cells).filter_map(|raw| celsius(*raw)).collect());
    into.temperatures.mos = raw.get(cells).and_then(|raw| celsius(*raw));
    into.temperatures.environment = raw.get(cells.saturating_add(1)).and_then(|raw| celsius(*raw));
}
