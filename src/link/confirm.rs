//! Confirmation of answers whose frame check is a plain sum, which one in a few hundred corrupted frames passes.
//!
//! While a line is disturbed, an answer counts if it nearly equals the previous reading; one that differs must be received twice.
//! A change that would stay wrong for long (capacity, name, protection setting) must be received twice on any line. Some families
//! have a check that misses far more: their answers are treated like this on any line, and where the measured values keep changing
//! while the states agree, the medians of several answers count.

use crate::model::{Assumption, Balancing, BmsSettings, Reading, Temperatures};
use std::cmp::Ordering;

/// Maximum difference of two answers that agree: about the noise of a board's converters. V per cell, fraction of the pack
/// voltage, A and fraction of the current, %, Ah and fraction of the remaining charge, °C.
const CELL: f64 = 0.005;
const PACK: f64 = 0.003;
const CURRENT: (f64, f64) = (1.0, 0.05);
const SOC: f64 = 0.2;
const CHARGE: (f64, f64) = (0.1, 0.002);
const TEMPERATURE: f64 = 0.5;
/// Fewest answers with a median that one damaged value cannot be.
const LEAST_FOR_A_MEDIAN: usize = 3;

/// The confirmed one of several answers to a request: the last, if it agrees with an earlier one. Two must be equal; from the third
/// on they only have to be close.
pub(super) fn agreed(answers: &[Reading]) -> Option<&Reading> {
    let (last, earlier) = answers.split_last()?;
    let agrees = |other: &Reading| other == last || (earlier.len() > 1 && is_near(last, other));
    earlier.iter().any(agrees).then_some(last)
}

/// For several answers in which only the values differ that a load changes within a second: one of them, with the median of each of
/// these. At least three must be like that, so that a damaged value among them is never taken.
pub(super) fn median(answers: &[Reading]) -> Option<Reading> {
    answers.iter().rev().find_map(|base| median_like(base, answers))
}

fn median_like(base: &Reading, answers: &[Reading]) -> Option<Reading> {
    let is_alike = |answer: &&Reading| {
        let Reading { voltage, current, soc, remaining, cells, .. } = base.clone();
        let levelled = Reading { voltage, current, soc, remaining, cells, ..(*answer).clone() };
        // Both ways: one that lacks a state confirms none.
        answer.cells.len() == base.cells.len() && is_near(&levelled, base) && is_near(base, &levelled)
    };
    let alike: Vec<&Reading> = answers.iter().filter(is_alike).collect();
    if alike.len() < LEAST_FOR_A_MEDIAN {
        return None;
    }
    let cell = |number: usize| middle(alike.iter().filter_map(|answer| answer.cells.get(number).copied()));
    Some(Reading {
        voltage: middle(alike.iter().filter_map(|answer| answer.voltage)),
        current: middle(alike.iter().filter_map(|answer| answer.current)),
        soc: middle(alike.iter().filter_map(|answer| answer.soc)),
        remaining: middle(alike.iter().filter_map(|answer| answer.remaining)),
        cells: (0..base.cells.len()).filter_map(cell).collect(),
        ..base.clone()
    })
}

/// Of an even number of values the lower one of both in the middle.
fn middle<T: PartialOrd>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(Ordering::Equal));
    let at = values.len().saturating_sub(1) / 2;
    values.into_iter().nth(at)
}

/// Whether `answer` has a capacity, name or setting that `before` has not: what would stay wrong for long.
pub(super) fn brings_static_data(answer: &Reading, before: &Reading) -> bool {
    answer.next() != before.next()
}

/// Whether every value of `answer` nearly equals that of `before`. Every field is named, so that a new one is not accepted without
/// confirmation.
#[rustfmt::skip]
pub(super) fn is_near(answer: &Reading, before: &Reading) -> bool {
    let Reading {
        voltage, current, soc, soh, remaining, full_charge, cycles, cells, cells_complete, alarms, notes, highest_cell,
        lowest_cell, heating, heating_current, throughput, humidity, settings, fets,
        balancing: Balancing { active, cells: balancing_cells, allowed, current: balance_current },
        temperatures: Temperatures { sensors, mos, board, environment },
        // The frame itself identifies the battery.
        bms: _, address: _,
        // Static data, compared as a whole.
        capacity: _, design: _, cell_count: _, device: _,
        // Computed by the guard; not shown; set by the decoder and not by the BMS.
        power: _, label: _, awaited: _, without_cells: _,
        open,
    } = answer;
    if !open.is_empty() {
        return [false, true].into_iter().all(|is_second| {
            let answers: Vec<Assumption> = Assumption::all().filter(|answer| answer.is_second == is_second).collect();
            is_near(&answer.clone().assuming(&answers), &before.clone().assuming(&answers))
        });
    }
    let BmsSettings {
        charge_limit, discharge_limit, voltage_limit,
        // Static data again.
        chemistry: _, cell_ovp: _, cell_uvp: _, pack_ovp: _, pack_uvp: _, charge_ocp: _, discharge_ocp: _,
    } = settings;
    let measured = [
        near(*voltage, before.voltage, 0.0, PACK),
        near(*current, before.current, CURRENT.0, CURRENT.1),
        near(*soc, before.soc, SOC, 0.0),
        near(*soh, before.soh, SOC, 0.0),
        near(*remaining, before.remaining, CHARGE.0, CHARGE.1),
        near(*full_charge, before.full_charge, CHARGE.0, CHARGE.1),
        near(*mos, before.temperatures.mos, TEMPERATURE, 0.0),
        near(*board, before.temperatures.board, TEMPERATURE, 0.0),
        near(*environment, before.temperatures.environment, TEMPERATURE, 0.0),
        near(*balance_current, before.balancing.current, CURRENT.0, 0.0),
        near(*heating_current, before.heating_current, CURRENT.0, 0.0),
        near(*throughput, before.throughput, CHARGE.0, 0.0),
        near(*charge_limit, before.settings.charge_limit, 0.0, 0.0),
        near(*discharge_limit, before.settings.discharge_limit, 0.0, 0.0),
        near(*voltage_limit, before.settings.voltage_limit, 0.0, 0.0),
        near(*highest_cell, before.highest_cell, CELL, 0.0),
        near(*lowest_cell, before.lowest_cell, CELL, 0.0),
        cells.is_empty() || each_near(cells, &before.cells, CELL),
        sensors.as_ref().is_none_or(|now| each_near(now, before.temperatures.sensors.as_deref().unwrap_or(&[]), TEMPERATURE)),
    ];
    let states = [
        same(cycles, &before.cycles),
        same(&fets.charge, &before.fets.charge),
        same(&fets.discharge, &before.fets.discharge),
        same(&fets.charge_switch, &before.fets.charge_switch),
        same(&fets.discharge_switch, &before.fets.discharge_switch),
        same(active, &before.balancing.active),
        same(balancing_cells, &before.balancing.cells),
        same(allowed, &before.balancing.allowed),
        same(heating, &before.heating),
        same(alarms, &before.alarms),
        same(cells_complete, &before.cells_complete),
        same(humidity, &before.humidity),
        notes.iter().all(|note| before.notes.contains(note)),
    ];
    measured.into_iter().chain(states).all(|holds| holds) && !answer.is_static_data_changed(before)
}

/// An unknown value does not differ.
fn same<T: PartialEq>(answer: &Option<T>, before: &Option<T>) -> bool {
    answer.is_none() || answer == before
}

fn near<T: Into<f64>>(answer: Option<T>, before: Option<T>, absolute: f64, share: f64) -> bool {
    match (answer.map(Into::into), before.map(Into::into)) {
        (Some(answer), Some(before)) => (answer - before).abs() <= absolute.max(share * before.abs()) + 1e-9,
        (answer, _) => answer.is_none(),
    }
}

fn each_near<T: Into<f64> + Copy>(answer: &[T], before: &[T], step: f64) -> bool {
    answer.len() == before.len() && answer.iter().zip(before).all(|(a, b)| near(Some(*a), Some(*b), step, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::{AmpHours, Amps, Volts};
    use crate::model::{AlarmName, Fets, Level};

    fn reading(cell: f64, current: f64) -> Reading {
        let mut reading = Reading::new("jk", None);
        reading.cells = vec![Volts::new(cell); 4];
        reading.voltage = Some(Volts::new(4.0 * cell));
        reading.current = Some(Amps::new(current));
        reading.capacity = Some(AmpHours::new(280.0));
        reading
    }

    #[test]
    fn two_must_be_equal_and_of_three_two_near() {
        let (one, near, far) = (reading(3.300, 10.0), reading(3.303, 10.5), reading(3.320, 10.0));
        assert_eq!(agreed(&[]), None);
        assert_eq!(agreed(std::slice::from_ref(&one)), None);
        assert_eq!(agreed(&[one.clone(), one.clone()]), Some(&one));
        assert_eq!(agreed(&[one.clone(), near.clone()]), None);
        assert_eq!(agreed(&[far.clone(), one.clone(), near.clone()]), Some(&near));
        assert_eq!(agreed(&[one.clone(), far.clone(), one.clone()]), Some(&one));
        assert_eq!(agreed(&[one, near, far]), None);
    }

    #[test]
    fn an_answer_is_near_a_reading_that_says_more() {
        let before = reading(3.3, 10.0);
        let mut part = Reading::new("jk", None);
        assert!(is_near(&part, &before));
        part.current = Some(Amps::new(10.2));
        assert!(is_near(&part, &before));
        part.current = Some(Amps::new(20.2));
        assert!(!is_near(&part, &before));
        assert!(!is_near(&before, &Reading::new("jk", None)), "what is said for the first time has nothing to agree with");
    }

    #[test]
    fn states_are_never_near() {
        let calm = reading(3.3, 10.0);
        let mut alarmed = calm.clone();
        alarmed.raise(AlarmName::ShortCircuit, Level::Alarm);
        let mut off = calm.clone();
        off.fets.charge = Some(false);
        for other in [alarmed, off] {
            assert_eq!(agreed(&[reading(3.4, 10.0), calm.clone(), other]), None);
        }
    }

    #[test]
    fn changing_values_count_with_their_median_while_the_states_agree() {
        let swings: Vec<Reading> = [(3.30, -10.0), (3.27, -60.0), (3.32, 20.0)].map(|(cell, amps)| reading(cell, amps)).to_vec();
        assert_eq!((agreed(&swings), median(&swings[..2])), (None, None), "two are too few");
        let settled = median(&swings).unwrap();
        assert_eq!((settled.current, settled.cells[0]), (Some(Amps::new(-10.0)), Volts::new(3.30)));
        // A damaged value is never the median, whichever answer it is in.
        for at in 0..3 {
            let mut damaged = swings.clone();
            damaged[at].cells[1] = Volts::new(3.428);
            damaged[at].current = Some(Amps::new(327.0));
            let settled = median(&damaged).unwrap();
            assert!(settled.current.unwrap() <= Amps::new(20.0) && settled.cells[1] <= Volts::new(3.32), "{settled:?}");
        }
        for other in [
            Reading { fets: Fets { charge: Some(false), ..swings[1].clone().fets }, ..swings[1].clone() },
            Reading { cells: Vec::new(), ..swings[1].clone() },
        ] {
            let mut fewer = swings.clone();
            fewer[1] = other;
            assert_eq!(median(&fewer), None);
        }
    }

    #[test]
    fn static_data_is_told_from_measured_values() {
        let before = reading(3.3, 10.0);
        assert!(!before.is_static_data_changed(&reading(3.4, -50.0)));
        assert!(before.is_static_data_changed(&Reading { capacity: Some(AmpHours::new(536.0)), ..before.clone() }));
        let mut first = before.clone();
        first.capacity = None;
        assert!(!first.is_static_data_changed(&before), "what comes for the first time has nothing to differ from");
        let mut protected = before.clone();
        protected.settings.cell_ovp = Some(Volts::new(3.65));
        assert!(!before.is_static_data_changed(&protected));
        let mut other = protected.clone();
        other.settings.cell_ovp = Some(Volts::new(3.75));
        assert!(protected.is_static_data_changed(&other));
        other.settings = protected.settings.clone();
        other.settings.charge_limit = Some(Amps::new(10.0));
        assert!(!protected.is_static_data_changed(&other));
    }
}
