//! The measured values of a bank: sums, means and extremes over the members whose data is fresh.

use super::members::{MemberState, Members};
use super::spread::{Charge, spread};
use super::{Config, Layout};
use crate::base::units::{AmpHours, Amps, Celsius, Percent, Volts, Watts};
use crate::model::{
    Alarm, AlarmName, Balancing, BankSummary, ChargeSpread, Derived, Device, Fets, Level, Reading, Snapshot, Temperatures,
};

/// The members as input of the sums.
#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) reading: Reading,
    pub(super) derived: Derived,
    pub(super) alarms: Vec<Alarm>,
    pub(super) modules: BankSummary,
    pub(super) cell_count: Option<u8>,
    pub(super) low_voltage: Volts,
}

pub(super) fn aggregate(config: &Config, all: &Members) -> Aggregate {
    let members: Vec<&MemberState> = all.online().collect();
    // In series, the sum of some members is not the voltage of the bank.
    let whole = config.layout == Layout::Parallel || all.offline() == 0;
    let mut reading = reading(config, &members, whole);
    if !members.is_empty() {
        charge(config, all, &mut reading);
    }
    reading.derive_power();
    if config.layout == Layout::Series {
        note_imbalance(&members, &mut reading);
    }
    let derived = derived(&members, &reading);
    let own_alarms = reading.alarms.clone().unwrap_or_default();
    let alarms = alarms(&members, &mut reading);
    Aggregate {
        derived: derived.0,
        alarms,
        modules: BankSummary {
            in_series: config.layout == Layout::Series,
            own_alarms,
            charge_spread: charge_spread(config, &members),
            ..modules(all, derived.1)
        },
        cell_count: cell_count(config, &members),
        low_voltage: low_voltage(config, all),
        reading,
    }
}

fn reading(config: &Config, members: &[&MemberState], whole: bool) -> Reading {
    let voltages = values(members, |reading| reading.voltage.map(Volts::get));
    let currents = values(members, |reading| reading.current.map(Amps::get));
    // Without members nothing is known, not even a sum.
    let complete = |values: &[f64]| !values.is_empty() && values.len() == members.len() && whole;
    let parallel = config.layout == Layout::Parallel;
    let flag = |pick: fn(&Reading) -> Option<bool>| {
        let flags: Vec<bool> = members.iter().filter_map(|member| pick(&member.last.reading)).collect();
        // In parallel one closed switch is enough, in series all have to be closed.
        (!flags.is_empty()).then(|| if parallel { flags.contains(&true) } else { !flags.contains(&false) })
    };
    let watts = values(members, |reading| reading.power.map(Watts::get));
    let temperatures: Vec<Celsius> = members.iter().filter_map(|member| member.last.derived.temperature).collect();
    Reading {
        voltage: if parallel { mean(&voltages) } else { complete(&voltages).then(|| voltages.iter().sum()) }
            .map(|volts| Volts::new(volts).rounded(3)),
        current: if parallel { complete(&currents).then(|| currents.iter().sum()) } else { mean(&currents) }
            .map(|amps| Amps::new(amps).rounded(3)),
        power: complete(&watts).then(|| Watts::new(watts.iter().sum()).rounded(1)),
        soh: values(members, |reading| reading.soh.map(Percent::get)).into_iter().reduce(f64::min).map(Percent::new),
        cycles: members.iter().filter_map(|member| member.last.reading.cycles).max(),
        temperatures: Temperatures {
            sensors: (!temperatures.is_empty()).then_some(temperatures),
            mos: members.iter().filter_map(|member| member.last.reading.temperatures.mos).reduce(Celsius::max),
            ..Temperatures::default()
        },
        fets: Fets {
            charge: flag(|reading| reading.fets.charge),
            discharge: flag(|reading| reading.fets.discharge),
            ..Fets::default()
        },
        balancing: Balancing {
            active: any(members, |reading| reading.balancing.active),
            allowed: any(members, |reading| reading.balancing.allowed),
            ..Balancing::default()
        },
        heating: any(members, |reading| reading.heating),
        device: Device { sw_version: Some(env!("CARGO_PKG_VERSION").to_owned()), ..Device::default() },
        ..Reading::new("bank", None)
    }
}

/// State of charge, charge left and capacity. A member that was stopped a moment ago counts with what it said last as long as its
/// limits fade: a restart draws no charge.
fn charge(config: &Config, all: &Members, reading: &mut Reading) {
    let members: Vec<&MemberState> = all.counted().map(|(_, member)| member).collect();
    let parallel = config.layout == Layout::Parallel;
    let whole = parallel || all.unseen().next().is_none() && members.len() == all.all().count();
    let of = |pick: fn(&Reading) -> Option<f64>| {
        let values = values(&members, pick);
        // In series the same charge flows through all: the smallest capacity limits it.
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let complete = whole && values.len() == members.len();
        let ah = complete.then(|| if parallel { values.iter().sum() } else { lowest });
        ah.filter(|ah| ah.is_finite()).map(|ah| AmpHours::new(ah).rounded(3))
    };
    reading.remaining = of(|reading| reading.charge_left(reading.capacity).map(AmpHours::get));
    reading.capacity = of(|reading| reading.capacity.map(AmpHours::get));
    reading.soc = soc(config, &members);
}

fn any(members: &[&MemberState], pick: fn(&Reading) -> Option<bool>) -> Option<bool> {
    members.iter().filter_map(|member| pick(&member.last.reading)).reduce(|a, b| a || b)
}

fn values(members: &[&MemberState], pick: fn(&Reading) -> Option<f64>) -> Vec<f64> {
    members.iter().filter_map(|member| pick(&member.last.reading)).filter(|value| value.is_finite()).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// State of charge: in parallel the mean weighted by capacity, in series the lowest. Equal weights if a capacity is unknown.
fn soc(config: &Config, members: &[&MemberState]) -> Option<Percent> {
    let known: Vec<(f64, Option<f64>)> =
        members.iter().filter_map(|member| Some((member.last.reading.soc?.get(), member.capacity()))).collect();
    if config.layout == Layout::Series {
        return known.iter().map(|(soc, _)| *soc).reduce(f64::min).map(Percent::new);
    }
    let all_known = known.iter().all(|(_, capacity)| capacity.is_some());
    let weight = |capacity: Option<f64>| if all_known { capacity.unwrap_or(0.0) } else { 1.0 };
    let weights: f64 = known.iter().map(|(_, capacity)| weight(*capacity)).sum();
    let sum: f64 = known.iter().map(|(soc, capacity)| soc * weight(*capacity)).sum();
    (weights > 0.0).then(|| Percent::new(sum / weights).rounded(2))
}

/// Location of the extremes: lowest and highest cell, coldest and hottest sensor.
type ExtremeLabels = [Option<String>; 4];

fn derived(members: &[&MemberState], reading: &Reading) -> (Derived, ExtremeLabels) {
    let cells = |pick: fn(&Derived) -> Option<(Volts, usize)>| {
        move |member: &&MemberState| pick(&member.last.derived).map(|(volts, number)| (volts.get(), number, member.label.clone()))
    };
    let sensors = |pick: fn(&Derived) -> Option<(Celsius, usize)>| {
        move |member: &&MemberState| pick(&member.last.derived).map(|(heat, number)| (heat.get(), number, member.label.clone()))
    };
    let lowest = |a: (f64, usize, String), b: (f64, usize, String)| if b.0 < a.0 { b } else { a };
    let highest = |a: (f64, usize, String), b: (f64, usize, String)| if b.0 > a.0 { b } else { a };
    let min_cell = members.iter().filter_map(cells(|derived| derived.min_cell)).reduce(lowest);
    let max_cell = members.iter().filter_map(cells(|derived| derived.max_cell)).reduce(highest);
    let coldest = members.iter().filter_map(sensors(|derived| derived.min_temperature)).reduce(lowest);
    let hottest = members.iter().filter_map(sensors(|derived| derived.max_temperature)).reduce(highest);
    let temperatures: Vec<f64> = members.iter().filter_map(|member| member.last.derived.temperature).map(Celsius::get).collect();
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
    let place = |kind: &str, found: Option<(f64, usize, String)>| {
        // Of a battery without single cells only its name is known.
        found.map(|(_, number, label)| if number > 0 { format!("{label} {kind}{number}") } else { label })
    };
    (derived, [place("C", min_cell), place("C", max_cell), place("T", coldest), place("T", hottest)])
}

/// Batteries in series that drift apart are unequally charged; a little is a note, much is a warning.
fn note_imbalance(members: &[&MemberState], reading: &mut Reading) {
    let voltages = values(members, |reading| reading.voltage.map(Volts::get));
    let Some(mean) = mean(&voltages) else { return };
    let worst = voltages.iter().map(|volts| (volts - mean).abs()).fold(0.0, f64::max) / mean.max(f64::MIN_POSITIVE);
    if worst > IMBALANCE_NOTE {
        reading.note("the batteries of the chain differ in voltage");
    }
    if worst > IMBALANCE_WARNING {
        reading.raise(AlarmName::CellImbalance, Level::Warning);
    }
}

/// Difference of a battery from the mean of the series for a note, and for a warning.
const IMBALANCE_NOTE: f64 = 0.02;
const IMBALANCE_WARNING: f64 = 0.05;

/// The alarms of all members, the highest level of each name.
fn alarms(members: &[&MemberState], reading: &mut Reading) -> Vec<Alarm> {
    for member in members {
        if member.last.reading.alarms.is_some() {
            reading.alarms.get_or_insert_default();
        }
        for alarm in &member.last.alarms {
            reading.raise(alarm.name, alarm.level);
        }
    }
    reading.alarms.clone().unwrap_or_default()
}

/// Only if all batteries tell their charge.
fn charge_spread(config: &Config, members: &[&MemberState]) -> Option<ChargeSpread> {
    let charge = |member: &&MemberState| {
        let Snapshot { reading, derived, cell_count, since_full, .. } = &*member.last;
        let mean = derived.cell_sum.zip(*cell_count).map(|(sum, count)| sum.get() / f64::from(count.max(1)));
        Some(Charge {
            label: "",
            soc_pct: reading.soc?.get(),
            capacity_ah: member.capacity()?,
            since_full: *since_full,
            mean_cell_v: mean,
            current_a: reading.current.map(Amps::get),
        })
    };
    let charges: Option<Vec<Charge<'_>>> = members.iter().map(charge).collect();
    let mut charges = charges?;
    charges.iter_mut().zip(members).for_each(|(charge, member)| charge.label = &member.label);
    if config.layout == Layout::Parallel { spread(&charges) } else { None }
}

fn modules(members: &Members, places: ExtremeLabels) -> BankSummary {
    let count = |blocks: fn(&MemberState) -> bool| count(members.online().filter(|member| blocks(member)).count());
    let [min_cell, max_cell, min_temperature, max_temperature] = places;
    BankSummary {
        online: count(|_| true),
        offline: self::count(members.offline()),
        blocking_charge: count(|member| {
            member.last.reading.fets.charge == Some(false) || member.last.limits.ccl.value <= Amps::ZERO
        }),
        blocking_discharge: count(|member| {
            member.last.reading.fets.discharge == Some(false) || member.last.limits.dcl.value <= Amps::ZERO
        }),
        min_cell,
        max_cell,
        min_temperature,
        max_temperature,
        ..BankSummary::default()
    }
}

fn count(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Cells in series: in parallel those of a member, if all have the same number; in series the sum.
fn cell_count(config: &Config, members: &[&MemberState]) -> Option<u8> {
    let counts: Vec<u8> = members.iter().filter_map(|member| member.last.cell_count).collect();
    let first = *counts.first()?;
    if counts.len() != members.len() {
        return None;
    }
    match config.layout {
        Layout::Parallel => counts.iter().all(|count| *count == first).then_some(first),
        Layout::Series => counts.iter().try_fold(0u8, |sum, count| sum.checked_add(*count)),
    }
}

/// End-of-discharge voltage: in parallel the highest, in series the sum.
fn low_voltage(config: &Config, members: &Members) -> Volts {
    let voltages = members.all().map(|(_, member)| member.last.limits.low_voltage.get()).filter(|volts| volts.is_finite());
    Volts::new(match config.layout {
        Layout::Parallel => voltages.fold(0.0, f64::max),
        Layout::Series => voltages.sum(),
    })
    .rounded(2)
}
