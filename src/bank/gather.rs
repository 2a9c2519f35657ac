//! The measured values of a bank: sums, means and extremes over the members whose data is fresh.

use super::roster::{Roster, Seat};
use super::{Config, Layout};
use crate::model::{Alarm, AlarmName, Derived, Level, Modules, Reading};
use crate::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};

/// What there is to see of the bank.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) reading: Reading,
    pub(super) derived: Derived,
    pub(super) alarms: Vec<Alarm>,
    pub(super) modules: Modules,
    pub(super) cell_count: Option<u8>,
    pub(super) low_voltage: Volts,
}

pub(super) fn gather(config: &Config, roster: &Roster) -> Gathered {
    let seats: Vec<&Seat> = roster.online().collect();
    // In a chain the sum of some is not the voltage of all.
    let whole = config.layout == Layout::Parallel || roster.offline() == 0;
    let mut reading = Reading { soc: soc(config, &seats), ..reading(config, &seats, whole) };
    reading.derive_power();
    if config.layout == Layout::Series {
        note_imbalance(&seats, &mut reading);
    }
    let derived = derived(&seats, &reading);
    let alarms = alarms(&seats, &mut reading);
    Gathered {
        derived: derived.0,
        alarms,
        modules: modules(roster, derived.1),
        cell_count: cell_count(config, &seats),
        low_voltage: low_voltage(config, roster),
        reading,
    }
}

fn reading(config: &Config, seats: &[&Seat], whole: bool) -> Reading {
    let voltages = values(seats, |reading| reading.voltage.map(Volts::get));
    let currents = values(seats, |reading| reading.current.map(Amps::get));
    let remaining = values(seats, left);
    let capacities = values(seats, |reading| reading.capacity.map(AmpHours::get));
    // Of nobody nothing is known, not even a sum.
    let complete = |values: &[f64]| !values.is_empty() && values.len() == seats.len() && whole;
    let parallel = config.layout == Layout::Parallel;
    // The same charge goes through a chain: the smallest ends it.
    let charge = |values: &[f64]| {
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        complete(values).then(|| if parallel { values.iter().sum() } else { lowest }).filter(|ah| ah.is_finite())
    };
    let flag = |pick: fn(&Reading) -> Option<bool>| {
        let flags: Vec<bool> = seats.iter().filter_map(|seat| pick(&seat.last.reading)).collect();
        // Side by side one closed switch is enough, in a chain it takes all.
        (!flags.is_empty()).then(|| if parallel { flags.contains(&true) } else { !flags.contains(&false) })
    };
    let watts = values(seats, |reading| reading.power.map(Watts::get));
    let temperatures: Vec<Celsius> = seats.iter().filter_map(|seat| seat.last.derived.temperature).collect();
    Reading {
        voltage: if parallel { mean(&voltages) } else { complete(&voltages).then(|| voltages.iter().sum()) }
            .map(|volts| Volts::new(volts).rounded(3)),
        current: if parallel { complete(&currents).then(|| currents.iter().sum()) } else { mean(&currents) }
            .map(|amps| Amps::new(amps).rounded(3)),
        power: complete(&watts).then(|| Watts::new(watts.iter().sum()).rounded(1)),
        remaining: charge(&remaining).map(|ah| AmpHours::new(ah).rounded(3)),
        capacity: charge(&capacities).map(|ah| AmpHours::new(ah).rounded(3)),
        soh: values(seats, |reading| reading.soh.map(Percent::get)).into_iter().reduce(f64::min).map(Percent::new),
        cycles: seats.iter().filter_map(|seat| seat.last.reading.cycles).max(),
        temperatures: (!temperatures.is_empty()).then_some(temperatures),
        mos_temperature: seats.iter().filter_map(|seat| seat.last.reading.mos_temperature).reduce(Celsius::max),
        charge_fet: flag(|reading| reading.charge_fet),
        discharge_fet: flag(|reading| reading.discharge_fet),
        balancing: any(seats, |reading| reading.balancing),
        balance_allowed: any(seats, |reading| reading.balance_allowed),
        sw_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        ..Reading::new("bank", None)
    }
}

/// Charge left of one battery, Ah: what it says, else what its state of charge makes of its capacity.
fn left(reading: &Reading) -> Option<f64> {
    reading.remaining.map(AmpHours::get).or_else(|| Some(reading.capacity?.get() * reading.soc?.get() / 100.0))
}

fn any(seats: &[&Seat], pick: fn(&Reading) -> Option<bool>) -> Option<bool> {
    seats.iter().filter_map(|seat| pick(&seat.last.reading)).reduce(|a, b| a || b)
}

fn values(seats: &[&Seat], pick: fn(&Reading) -> Option<f64>) -> Vec<f64> {
    seats.iter().filter_map(|seat| pick(&seat.last.reading)).filter(|value| value.is_finite()).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// State of charge by capacity: of packs side by side the mean, of a chain the lowest. Where a capacity is unknown all count alike.
fn soc(config: &Config, seats: &[&Seat]) -> Option<Percent> {
    let known: Vec<(f64, Option<f64>)> =
        seats.iter().filter_map(|seat| Some((seat.last.reading.soc?.get(), seat.capacity()))).collect();
    if config.layout == Layout::Series {
        return known.iter().map(|(soc, _)| *soc).reduce(f64::min).map(Percent::new);
    }
    let all_known = known.iter().all(|(_, capacity)| capacity.is_some());
    let weight = |capacity: Option<f64>| if all_known { capacity.unwrap_or(0.0) } else { 1.0 };
    let weights: f64 = known.iter().map(|(_, capacity)| weight(*capacity)).sum();
    let sum: f64 = known.iter().map(|(soc, capacity)| soc * weight(*capacity)).sum();
    (weights > 0.0).then(|| Percent::new(sum / weights).rounded(2))
}

/// Where the extremes are: lowest and highest cell, coldest and hottest sensor.
type Places = [Option<String>; 4];

fn derived(seats: &[&Seat], reading: &Reading) -> (Derived, Places) {
    let cells = |pick: fn(&Derived) -> Option<(Volts, usize)>| {
        move |seat: &&Seat| pick(&seat.last.derived).map(|(volts, number)| (volts.get(), number, seat.label.clone()))
    };
    let sensors = |pick: fn(&Derived) -> Option<(Celsius, usize)>| {
        move |seat: &&Seat| pick(&seat.last.derived).map(|(heat, number)| (heat.get(), number, seat.label.clone()))
    };
    let lowest = |a: (f64, usize, String), b: (f64, usize, String)| if b.0 < a.0 { b } else { a };
    let highest = |a: (f64, usize, String), b: (f64, usize, String)| if b.0 > a.0 { b } else { a };
    let min_cell = seats.iter().filter_map(cells(|derived| derived.min_cell)).reduce(lowest);
    let max_cell = seats.iter().filter_map(cells(|derived| derived.max_cell)).reduce(highest);
    let coldest = seats.iter().filter_map(sensors(|derived| derived.min_temperature)).reduce(lowest);
    let hottest = seats.iter().filter_map(sensors(|derived| derived.max_temperature)).reduce(highest);
    let temperatures: Vec<f64> = seats.iter().filter_map(|seat| seat.last.derived.temperature).map(Celsius::get).collect();
    let consumed = reading.capacity.zip(reading.remaining).map(|(capacity, left)| (left - capacity).min(AmpHours::ZERO).rounded(2));
    let volts = |found: &Option<(f64, usize, String)>| found.as_ref().map(|(volts, number, _)| (Volts::new(*volts), *number));
    let heat = |found: &Option<(f64, usize, String)>| found.as_ref().map(|(heat, number, _)| (Celsius::new(*heat), *number));
    let derived = Derived {
        min_cell: volts(&min_cell),
        max_cell: volts(&max_cell),
        temperature: mean(&temperatures).map(|heat| Celsius::new(heat).rounded(1)),
        min_temperature: heat(&coldest),
        max_temperature: heat(&hottest),
        consumed,
        ..Derived::default()
    };
    let place = |kind: &str, found: Option<(f64, usize, String)>| found.map(|(_, number, label)| format!("{label} {kind}{number}"));
    (derived, [place("C", min_cell), place("C", max_cell), place("T", coldest), place("T", hottest)])
}

/// Batteries of a chain that drift apart are charged and drawn unequally; a little is noted, much is a warning.
fn note_imbalance(seats: &[&Seat], reading: &mut Reading) {
    let voltages = values(seats, |reading| reading.voltage.map(Volts::get));
    let Some(mean) = mean(&voltages) else { return };
    let worst = voltages.iter().map(|volts| (volts - mean).abs()).fold(0.0, f64::max) / mean.max(f64::MIN_POSITIVE);
    if worst > NOTED {
        reading.note("the batteries of the chain differ in voltage");
    }
    if worst > WARNED {
        reading.raise(AlarmName::CellImbalance, Level::Warning);
    }
}

/// Distance of a battery from the mean of its chain that is noted, and that is a warning.
const NOTED: f64 = 0.02;
const WARNED: f64 = 0.05;

/// The alarms of all members, the highest level of each name.
fn alarms(seats: &[&Seat], reading: &mut Reading) -> Vec<Alarm> {
    for seat in seats {
        if seat.last.reading.alarms.is_some() {
            reading.alarms.get_or_insert_default();
        }
        for alarm in &seat.last.alarms {
            reading.raise(alarm.name, alarm.level);
        }
    }
    reading.alarms.clone().unwrap_or_default()
}

fn modules(roster: &Roster, places: Places) -> Modules {
    let count = |blocks: fn(&Seat) -> bool| count(roster.online().filter(|seat| blocks(seat)).count());
    let [min_cell, max_cell, min_temperature, max_temperature] = places;
    Modules {
        online: count(|_| true),
        offline: self::count(roster.offline()),
        blocking_charge: count(|seat| seat.last.reading.charge_fet == Some(false) || seat.last.limits.ccl.value <= Amps::ZERO),
        blocking_discharge: count(|seat| {
            seat.last.reading.discharge_fet == Some(false) || seat.last.limits.dcl.value <= Amps::ZERO
        }),
        min_cell,
        max_cell,
        min_temperature,
        max_temperature,
        ..Modules::default()
    }
}

fn count(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Cells in series: those of a member where all have as many; in a chain all of them.
fn cell_count(config: &Config, seats: &[&Seat]) -> Option<u8> {
    let counts: Vec<u8> = seats.iter().filter_map(|seat| seat.last.cell_count).collect();
    let first = *counts.first()?;
    if counts.len() != seats.len() {
        return None;
    }
    match config.layout {
        Layout::Parallel => counts.iter().all(|count| *count == first).then_some(first),
        Layout::Series => counts.iter().try_fold(0u8, |sum, count| sum.checked_add(*count)),
    }
}

/// Where discharging should end: of packs side by side the highest, of a chain the sum.
fn low_voltage(config: &Config, roster: &Roster) -> Volts {
    let voltages = roster.all().map(|(_, seat)| seat.last.limits.low_voltage.get()).filter(|volts| volts.is_finite());
    Volts::new(match config.layout {
        Layout::Parallel => voltages.fold(0.0, f64::max),
        Layout::Series => voltages.sum(),
    })
    .rounded(2)
}
