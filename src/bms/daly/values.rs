//! Fields of the replies.

use super::Daly;
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::bytes::{Reader, set_bits, show_cells, text, unless};
use crate::bms::{DecodeError, Progress};
use crate::model::{ProductionDate, Reading};

/// A sensor that is not fitted: some boards send the lowest value (-40 °C), others the highest.
const NO_SENSOR: [u8; 2] = [0x00, 0xFF];
/// Maximum number of sensors of a board; a larger count is invalid.
const MAX_SENSORS: u8 = 16;

impl Daly {
    pub(super) fn pack(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
        into.voltage = unless(&[0xFFFF], r.u16_be("pack voltage")?).map(Volts::deci);
        r.skip(2, "gathered voltage")?;
        // 0 would be -3000 A: a board that has measured nothing.
        self.current = unless(&[0, 0xFFFF], r.u16_be("current")?).map(|raw| Amps::deci(30000.0 - f64::from(raw)));
        into.soc = unless(&[0xFFFF], r.u16_be("SoC")?).map(Percent::deci);
        into.current = self.directed();
        self.capacity.heard();
        self.all_temperatures.heard();
        into.awaited.capacity = into.capacity.is_none() && self.capacity.is_awaited();
        Ok(())
    }

    pub(super) fn fets(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
        self.state = Some(r.u8("state")?);
        into.fets.charge = unless(&[0xFF], r.u8("charge FET")?).map(|on| on != 0);
        into.fets.discharge = unless(&[0xFF], r.u8("discharge FET")?).map(|on| on != 0);
        r.skip(1, "life counter")?;
        into.remaining = unless(&[u32::MAX], r.u32_be("remaining capacity")?).map(AmpHours::milli);
        if self.current.is_some() {
            into.current = self.directed();
        }
        Ok(())
    }

    /// The current, once its direction is known; each 90 is matched with one 93, never with an old one.
    fn directed(&mut self) -> Option<Amps> {
        let current = self.current?;
        let Some(state) = self.state.take() else { return Some(current).filter(|current| *current == Amps::ZERO) };
        self.current = None;
        match state {
            _ if current == Amps::ZERO => Some(current),
            // Too small for the board to report a direction: most firmware counts like the older one.
            0 => Some(current),
            1 => Some(current.abs()),
            2 => Some(Amps::new(-current.abs().get())),
            _ => None,
        }
    }

    pub(super) fn counts(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
        into.cell_count = Some(r.u8("cell count")?).filter(|count| (1..=48).contains(count));
        self.sensors = Some(r.u8("sensor count")?).filter(|count| *count <= MAX_SENSORS);
        r.skip(3, "charger, load, inputs")?;
        into.cycles = unless(&[0xFFFF], r.u16_be("cycles")?).map(u32::from);
        into.awaited.temperatures = self.sensors.is_some_and(|count| count > 0) && !self.temperatures_known;
        self.show_cells(into);
        self.show_extremes(into);
        self.show_temperatures(into);
        Ok(())
    }

    /// Stores the cells up to the first gap.
    pub(super) fn show_cells(&self, into: &mut Reading) -> Progress {
        let frames = self.cells.in_order();
        let cells = frames.flat_map(|&[a, b, c, d, e, f, _]| [[a, b], [c, d], [e, f]]).map(u16::from_be_bytes);
        let count = into.cell_count.map(usize::from);
        let cells: Vec<u16> = cells.take(count.unwrap_or(usize::MAX)).collect();
        if cells.is_empty() {
            return Progress::More;
        }
        show_cells(cells.iter().map(|raw| unless(&[0xFFFF], *raw).map(Volts::milli)), into);
        if count == Some(cells.len()) {
            (into.highest_cell, into.lowest_cell) = (None, None);
            return Progress::Done;
        }
        into.cells_complete = Some(false);
        Progress::More
    }

    pub(super) fn show_temperatures(&self, into: &mut Reading) -> Progress {
        let Some(sensors) = self.sensors.map(usize::from) else { return Progress::Done };
        let frames = self.temperatures.in_order().flatten().copied();
        let announced: Vec<u8> = frames.take(sensors).collect();
        if announced.len() < sensors {
            return Progress::More;
        }
        let fitted = announced.into_iter().filter_map(|raw| unless(&NO_SENSOR, raw));
        into.temperatures.sensors = Some(fitted.map(Celsius::offset_40).collect());
        into.awaited.temperatures = false;
        Progress::Done
    }

    pub(super) fn extremes(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
        let (hottest, _, coldest) = (r.u8("hottest sensor")?, r.u8("its number")?, r.u8("coldest sensor")?);
        self.extremes = Some([coldest, hottest]);
        self.show_extremes(into);
        Ok(())
    }

    /// The coldest and the hottest sensor in this order, whatever their numbers, as each is compared with itself over time. One
    /// sensor is both. Never of a board that has replied with all temperatures.
    fn show_extremes(&self, into: &mut Reading) {
        let (Some(extremes), Some(sensors), false) = (&self.extremes, self.sensors, self.all_temperatures.is_answered()) else {
            return;
        };
        let known = extremes.iter().rev().take(usize::from(sensors)).rev();
        let fitted = known.filter_map(|raw| unless(&NO_SENSOR, *raw));
        into.temperatures.sensors = Some(fitted.map(Celsius::offset_40).collect());
        into.awaited.temperatures = false;
        if sensors > 2 {
            into.note("only the coldest and the hottest sensor are known");
        }
    }

    /// The code that users give a battery in the manufacturer's tool; spaces and zeros mean none.
    pub(super) fn battery_code(&mut self, r: &mut Reader<'_>, into: &mut Reading) -> Result<Progress, DecodeError> {
        self.code.add(r)?;
        let code: Vec<u8> = self.code.in_order().flatten().copied().collect();
        if code.len() < 35 && !code.contains(&0) {
            return Ok(Progress::More);
        }
        into.device.serial_number = text(&code).filter(|code| code.chars().any(|c| c.is_ascii_alphanumeric() && c != '0'));
        Ok(Progress::Done)
    }
}

/// Beside all cells they tell nothing new. Every recorded board has replied to the request for all cells, so this driver never asks
/// for the extremes: other programs do.
pub(super) fn cell_extremes(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let (highest, _, lowest) = (r.u16_be("highest cell")?, r.u8("its number")?, r.u16_be("lowest cell")?);
    if into.cells.is_empty() || into.cells_complete == Some(false) {
        let volts = |raw| unless(&[0xFFFF], raw).map(Volts::milli);
        (into.highest_cell, into.lowest_cell) = (volts(highest), volts(lowest));
    }
    Ok(())
}

pub(super) fn balancing(r: &mut Reader<'_>, into: &mut Reading) -> Result<(), DecodeError> {
    let low = r.u32_le("balancing 1-32")?;
    let high = u32::from(r.u16_le("balancing 33-48")?);
    into.balancing.active = Some(low != 0 || high != 0);
    let cells: Vec<u8> = set_bits(low).into_iter().chain(set_bits(high).into_iter().map(|bit| bit.saturating_add(32))).collect();
    // Another bit order (some drivers read the bytes in reverse) would show non-existent cells.
    let real = cells.iter().all(|cell| into.cell_count.is_none_or(|count| *cell <= count));
    into.balancing.cells = real.then_some(cells);
    Ok(())
}

pub(super) fn date(data: &[u8]) -> Option<ProductionDate> {
    let &[_, _, year, month, day] = data.first_chunk::<5>()?;
    let is_date = year < 100 && matches!(month, 1..=12) && matches!(day, 1..=31);
    is_date.then(|| ProductionDate::Day(format!("20{year:02}-{month:02}-{day:02}")))
}
