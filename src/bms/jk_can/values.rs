//! Meaning of the frames.

use super::{CELLS, CHARGE, CHARGER, EXTREMES, HEAT, LAST_CELLS, PACK, SENSORS, STATES};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts};
use crate::bms::bytes::{show_cells, unless};
use crate::bms::can::{Record, word};
use crate::model::{JK_CAN_DIRECTION, OpenValue, Reading};
use std::ops::RangeInclusive;

/// What a word of 65535 and a byte of 255 mean.
const NONE: u16 = u16::MAX;
const NO_BYTE: u8 = u8::MAX;
/// No current.
const NO_AMPS: f64 = 400.0;
/// Highest difference between the state of charge and the remaining charge as a part of the installed one, %.
const CHARGE_WITHIN: f64 = 10.0;
/// Places for cells in all frames.
const MOST_CELLS: usize = 32;
/// A voltage that may be asked of a charger, as a multiple of the pack voltage.
const CHARGER_VOLTAGE: RangeInclusive<f64> = 0.8..=2.0;
/// Charge voltages of the packs that these boards are made for, V: 3 to 32 cells.
const ANY_PACK: RangeInclusive<f64> = 6.0..=150.0;

/// Shows the values of the last frames; `frame` returns that of a kind.
pub(super) fn show(frame: &impl Fn(u32) -> Option<Record>, into: &mut Reading) {
    if let Some(record) = frame(PACK) {
        pack(record.data(), into);
    }
    let numbers = frame(EXTREMES).map_or(0, |record| extremes(record.data(), into));
    cells(frame, numbers, into);
    let extremes = frame(HEAT).and_then(|record| heat(record.data()));
    temperatures(extremes, frame(SENSORS), into);
    if let Some(record) = frame(CHARGE) {
        charge(record.data(), into);
    }
    let states = frame(STATES).and_then(|record| record.data().first().copied()).filter(|states| *states < 8);
    into.fets.charge = states.map(|states| states & 1 != 0);
    into.fets.discharge = states.map(|states| states & 2 != 0);
    into.balancing.active = states.map(|states| states & 4 != 0);
    (into.settings.voltage_limit, into.settings.charge_limit) = (None, None);
    if let Some(record) = frame(CHARGER) {
        charger(record.data(), into);
    }
}

fn pack(bytes: &[u8], into: &mut Reading) {
    let known = |index| word(bytes, index).filter(|raw| *raw != NONE);
    into.voltage = known(0).filter(|raw| *raw != 0).map(Volts::deci);
    into.soc = bytes.get(4).filter(|raw| **raw <= 100).map(|raw| Percent::new(f64::from(*raw)));
    if let Some(amps) = known(1).map(|raw| Amps::new(Amps::deci(raw).get() - NO_AMPS).rounded(1)) {
        into.leave_open(&JK_CAN_DIRECTION, [OpenValue::Current(amps), OpenValue::Current(Amps::new(-amps.get()))]);
    }
}

/// Returns the higher of the numbers of both cells, if they are some.
fn extremes(bytes: &[u8], into: &mut Reading) -> usize {
    let [a, b, highest, c, d, lowest, ..] = *bytes else { return 0 };
    let cell = |raw: [u8; 2]| unless(&[0, NONE], u16::from_le_bytes(raw)).map(Volts::milli);
    let (high, low) = (cell([a, b]), cell([c, d]));
    if low.zip(high).is_none_or(|(low, high)| low <= high) {
        (into.lowest_cell, into.highest_cell) = (low, high);
    }
    [highest, lowest].into_iter().map(usize::from).filter(|number| *number <= MOST_CELLS).max().unwrap_or(0)
}

/// The cells end with the zeros behind the last one; one of 0 V has a broken wire if a later one, or the number of an extreme, follows.
/// Without a frame in which there were some before, not all are known.
fn cells(frame: &impl Fn(u32) -> Option<Record>, least: usize, into: &mut Reading) {
    let ids = (CELLS..=LAST_CELLS).step_by(0x100).map(frame);
    let words = ids.flat_map(|record| [0, 1, 2, 3].map(|index| record.and_then(|record| word(record.data(), index))));
    let words: Vec<Option<u16>> = words.collect();
    let is_cell = |word: &Option<u16>| word.is_some_and(|raw| raw != 0);
    let Some(last) = words.iter().rposition(is_cell) else { return };
    let count = last.saturating_add(1).max(least);
    let known = into.cell_count.map_or(0, usize::from);
    let is_frame_missing = words.iter().take(known).skip(count).any(Option::is_none);
    let count = if is_frame_missing { known } else { count };
    show_cells(words.iter().take(count).map(|word| word.and_then(|raw| unless(&[NONE], raw)).map(Volts::milli)), into);
    if into.cells_complete.is_none() {
        into.cell_count = u8::try_from(count).ok();
    }
}

fn celsius(raw: u8) -> Option<Celsius> {
    unless(&[NO_BYTE], raw).map(|raw| Celsius::new(f64::from(raw) - 50.0))
}

/// The coldest and the hottest sensor.
fn heat(bytes: &[u8]) -> Option<[Celsius; 2]> {
    let [hottest, _, coldest, ..] = *bytes else { return None };
    Some([celsius(coldest)?, celsius(hottest)?]).filter(|[coldest, hottest]| coldest <= hottest)
}

/// All sensors, if the extremes are among them; else the extremes.
fn temperatures(extremes: Option<[Celsius; 2]>, all: Option<Record>, into: &mut Reading) {
    let sensors = all.map(|record| sensors(record.data())).unwrap_or_default();
    let among = |wanted: Celsius| sensors.iter().any(|(_, sensor)| (sensor.get() - wanted.get()).abs() <= 1.0);
    into.temperatures.mos = None;
    into.temperatures.sensors = match extremes {
        Some(extremes) if extremes.into_iter().all(among) => {
            into.temperatures.mos = sensors.iter().find(|(place, _)| *place == MOS).map(|(_, sensor)| *sensor);
            Some(sensors.iter().filter(|(place, _)| *place != MOS).map(|(_, sensor)| *sensor).collect())
        }
        Some(extremes) => Some(extremes.to_vec()),
        None => None,
    };
}

/// Place of the MOSFETs' sensor.
const MOS: u32 = 2;

/// The sensors of the mask with their places.
fn sensors(bytes: &[u8]) -> Vec<(u32, Celsius)> {
    let Some((mask, values)) = bytes.split_first() else { return Vec::new() };
    let fitted = (0..5u32).zip(values).filter(|(place, _)| mask >> place & 1 == 1);
    fitted.filter_map(|(place, raw)| Some((place, celsius(*raw)?))).collect()
}

/// Both are dropped if they contradict the state of charge.
fn charge(bytes: &[u8], into: &mut Reading) {
    let value = |index| unless(&[NONE], word(bytes, index).unwrap_or(NONE));
    let (remaining, capacity) = (value(0).map(AmpHours::deci), value(1).filter(|raw| *raw != 0).map(AmpHours::deci));
    let (Some(remaining), Some(capacity), Some(soc)) = (remaining, capacity, into.soc) else { return };
    if (remaining.get() / capacity.get() * 100.0 - soc.get()).abs() > CHARGE_WITHIN {
        return;
    }
    (into.remaining, into.capacity) = (Some(remaining), Some(capacity));
    into.cycles = value(3).map(u32::from);
}

/// What is asked of a charger. One source writes it low byte first: the order in which the voltage is possible counts; without a pack
/// voltage only if the other is impossible. That it may not charge at all counts in any order.
fn charger(bytes: &[u8], into: &mut Reading) {
    let &[a, b, c, d, stop, ..] = bytes else { return };
    if stop != 0 || (c, d) == (0, 0) {
        into.settings.charge_limit = Some(Amps::ZERO);
    }
    let orders: [fn([u8; 2]) -> u16; 2] = [u16::from_be_bytes, u16::from_le_bytes];
    let possible = |volts: Volts| match into.voltage {
        Some(pack) => CHARGER_VOLTAGE.contains(&(volts.get() / pack.get())),
        None => ANY_PACK.contains(&volts.get()),
    };
    let asked = orders.map(|order| (Volts::deci(order([a, b])), Amps::deci(order([c, d]))));
    let mut found = asked.into_iter().filter(|(volts, _)| possible(*volts));
    let Some((volts, amps)) = found.next() else { return };
    if into.voltage.is_none() && found.next().is_some_and(|other| other != (volts, amps)) {
        return;
    }
    into.settings.voltage_limit = Some(volts);
    into.settings.charge_limit = into.settings.charge_limit.or(Some(amps));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charger_is_stopped_in_any_order_of_the_bytes_and_asked_for_a_voltage_in_one_that_is_possible() {
        let asked = |volts: Option<f64>, bytes: [u8; 5]| {
            let mut reading = Reading { voltage: volts.map(Volts::new), ..Reading::default() };
            charger(&bytes, &mut reading);
            let (volts, amps) = (reading.settings.voltage_limit, reading.settings.charge_limit);
            (volts.map(Volts::get), amps.map(Amps::get))
        };
        let of_pack = Some(53.2);
        assert_eq!(asked(of_pack, [0x02, 0x40, 0x03, 0xB6, 0]), (Some(57.6), Some(95.0)));
        assert_eq!(asked(of_pack, [0x40, 0x02, 0xB6, 0x03, 0]), (Some(57.6), Some(95.0)), "low byte first");
        assert_eq!(asked(of_pack, [0x02, 0x40, 0x03, 0xB6, 1]), (Some(57.6), Some(0.0)), "stop");
        assert_eq!(asked(of_pack, [0, 0, 0x03, 0xB6, 1]), (None, Some(0.0)), "stop, without a voltage");
        assert_eq!(asked(of_pack, [0, 0, 0, 0, 0]), (None, Some(0.0)), "no current");
        assert_eq!(asked(of_pack, [0, 0, 0x03, 0xB6, 0]), (None, None), "no order is possible");
        assert_eq!(asked(None, [0x02, 0x40, 0x03, 0xB6, 0]), (Some(57.6), Some(95.0)), "only one order is possible");
        assert_eq!(asked(None, [0x01, 0x02, 0x03, 0xB6, 0]), (None, None), "25.8 V or 51.3 V");
        assert_eq!(asked(None, [0x01, 0x02, 0x03, 0xB6, 1]), (None, Some(0.0)), "stop");
    }
}
