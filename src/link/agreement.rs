//! Which answers to believe where the check of a frame is a mere sum, which one damaged frame in some hundred passes.
//!
//! While a line is disturbed an answer counts when it says nearly what the reading before said; one that differs has to be given
//! twice. What would stay wrong for long (a capacity, name or protection setting that is not what it was) has to be given
//! twice on any line.

use crate::model::{BmsSettings, Reading};

/// How far two answers may be apart to say the same: about the noise of a board's converters. V per cell, parts of the pack
/// voltage, A and parts of the current, %, Ah and parts of the charge left, °C.
const CELL: f64 = 0.005;
const PACK: f64 = 0.003;
const CURRENT: (f64, f64) = (1.0, 0.05);
const SOC: f64 = 0.2;
const CHARGE: (f64, f64) = (0.1, 0.002);
const TEMPERATURE: f64 = 0.5;

/// What is believed of several answers to one request: the last, if it says what an earlier one said. Two must be equal; from
/// the third on it is enough that they are near.
pub(super) fn agreed(answers: &[Reading]) -> Option<&Reading> {
    let (last, earlier) = answers.split_last()?;
    let agrees = |other: &Reading| other == last || (earlier.len() > 1 && is_near(last, other));
    earlier.iter().any(agrees).then_some(last)
}

/// Something that lasts is said differently than `before`.
pub(crate) fn changes_what_lasts(before: &Reading, answer: &Reading) -> bool {
    fn changed<T: PartialEq>(before: &Option<T>, now: &Option<T>) -> bool {
        before.is_some() && before != now
    }
    let texts = |reading: &Reading| {
        [&reading.model, &reading.serial_number, &reading.hw_version, &reading.sw_version, &reading.production_date]
            .map(Clone::clone)
    };
    changed(&before.capacity, &answer.capacity)
        || changed(&before.cell_count, &answer.cell_count)
        || texts(before).iter().zip(&texts(answer)).any(|(before, now)| changed(before, now))
        || settings_changed(&before.settings, &answer.settings)
}

/// Protections and chemistry. The limits that a BMS asks for come and go by the second, and are not among them.
fn settings_changed(before: &BmsSettings, now: &BmsSettings) -> bool {
    let volts = |s: &BmsSettings| [s.cell_ovp, s.cell_uvp, s.pack_ovp, s.pack_uvp];
    let amps = |s: &BmsSettings| [s.charge_ocp, s.discharge_ocp];
    let known = |before: bool, same: bool| before && !same;
    volts(before).iter().zip(volts(now)).any(|(before, now)| known(before.is_some(), *before == now))
        || amps(before).iter().zip(amps(now)).any(|(before, now)| known(before.is_some(), *before == now))
        || known(before.chemistry.is_some(), before.chemistry == now.chemistry)
}

/// All that `answer` says is nearly what `before` says.
pub(super) fn is_near(answer: &Reading, before: &Reading) -> bool {
    let measured = [
        near(answer.voltage, before.voltage, 0.0, PACK),
        near(answer.current, before.current, CURRENT.0, CURRENT.1),
        near(answer.soc, before.soc, SOC, 0.0),
        near(answer.soh, before.soh, SOC, 0.0),
        near(answer.remaining, before.remaining, CHARGE.0, CHARGE.1),
        near(answer.full_charge, before.full_charge, CHARGE.0, CHARGE.1),
        near(answer.mos_temperature, before.mos_temperature, TEMPERATURE, 0.0),
        near(answer.balance_current, before.balance_current, CURRENT.0, 0.0),
        near(answer.settings.charge_limit, before.settings.charge_limit, 0.0, 0.0),
        near(answer.settings.discharge_limit, before.settings.discharge_limit, 0.0, 0.0),
        answer.cells.is_empty() || each_near(&answer.cells, &before.cells, CELL),
        answer.temperatures.as_ref().is_none_or(|now| each_near(now, before.temperatures.as_deref().unwrap_or(&[]), TEMPERATURE)),
    ];
    let states = [
        same(&answer.cycles, &before.cycles),
        same(&answer.charge_fet, &before.charge_fet),
        same(&answer.discharge_fet, &before.discharge_fet),
        same(&answer.charge_switch, &before.charge_switch),
        same(&answer.discharge_switch, &before.discharge_switch),
        same(&answer.balancing, &before.balancing),
        same(&answer.balancing_cells, &before.balancing_cells),
        same(&answer.balance_allowed, &before.balance_allowed),
        same(&answer.alarms, &before.alarms),
        same(&answer.cells_complete, &before.cells_complete),
        same(&answer.humidity, &before.humidity),
        answer.notes.iter().all(|note| before.notes.contains(note)),
    ];
    measured.into_iter().chain(states).all(|holds| holds) && !changes_what_lasts(answer, before)
}

/// What is not said does not differ.
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
    use crate::model::{AlarmName, Level};
    use crate::units::{AmpHours, Amps, Volts};

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
        off.charge_fet = Some(false);
        for other in [alarmed, off] {
            assert_eq!(agreed(&[reading(3.4, 10.0), calm.clone(), other]), None);
        }
    }

    #[test]
    fn what_lasts_is_told_from_what_moves() {
        let before = reading(3.3, 10.0);
        assert!(!changes_what_lasts(&before, &reading(3.4, -50.0)));
        assert!(changes_what_lasts(&before, &Reading { capacity: Some(AmpHours::new(536.0)), ..before.clone() }));
        let mut first = before.clone();
        first.capacity = None;
        assert!(!changes_what_lasts(&first, &before), "what comes for the first time has nothing to differ from");
        let mut protected = before.clone();
        protected.settings.cell_ovp = Some(Volts::new(3.65));
        assert!(!changes_what_lasts(&before, &protected));
        let mut other = protected.clone();
        other.settings.cell_ovp = Some(Volts::new(3.75));
        assert!(changes_what_lasts(&protected, &other));
        other.settings = protected.settings.clone();
        other.settings.charge_limit = Some(Amps::new(10.0));
        assert!(!changes_what_lasts(&protected, &other));
    }
}
