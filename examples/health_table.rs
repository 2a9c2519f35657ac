//! How good the estimates of the cells' health are, and what is found, on simulated months:
//!
//! ```sh
//! cargo run --release --example health_table            # 20 batteries of each kind over 90 days; some minutes
//! cargo run --release --example health_table -- 5 usual # 5 of each kind whose name has this in it
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a tool ends by panicking")]

use dbus_bms::health::Health;
use dbus_bms::model::{Cause, CellEstimates, Estimate};
use dbus_bms::sim::months::{Fault, FaultKind, Found, Installation, Months, Outcome, Truth, follow};
use dbus_bms::sim::random::Random;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const DAYS: u32 = 90;
const MARKS: [u32; 4] = [1, 7, 30, 90];
/// Seeds of the table; those of the tests are others.
const FIRST_SEED: u64 = 40_000;

type Change = fn(&mut Installation, &mut Random);

/// Healthy batteries under conditions that differ from the usual ones.
const HEALTHY: [(&str, Change); 10] = [
    ("usual", |_, _| {}),
    ("reading every 16 s", |it, _| it.period_s = 16.0),
    ("gaps", |it, _| (it.sensors.lost, it.sensors.gaps_per_day) = (0.05, 2.0)),
    ("current 0.2 to 0.3 A off", |it, random| {
        let sign = if random.chance(50.0) { 1.0 } else { -1.0 };
        it.sensors.current_offset_a = sign * random.between(0.2, 0.3);
        (it.sensors.current_step_a, it.sensors.dead_band_a) = (0.1, 0.4);
    }),
    ("cells measured late, noisy", |it, _| (it.sensors.late, it.sensors.noise_v) = (0.3, 0.002)),
    ("imbalanced", |it, _| it.offset_spread = 0.035),
    ("balancer unknown", |it, _| it.tells_balancing = false),
    ("never below 45 %", |it, _| (it.least_soc, it.deep_days) = (0.45, 0.0)),
    ("never above 3.36 V", |it, _| it.cvl_v = 3.36),
    ("aged cells, other curve", |it, random| {
        it.curve_shift_v = if random.chance(50.0) { 0.007 } else { -0.007 };
        it.real_capacity_ah *= 0.85;
        (it.resistance, it.hysteresis) = (it.resistance * 1.6, 1.75);
    }),
];

/// What is estimated: name, unit of the error, the estimate, and its error against the truth.
type Measured = (&'static str, &'static str, fn(&CellEstimates) -> Option<Estimate>, fn(&Truth, usize, f64) -> f64);

const ESTIMATES: [Measured; 6] = [
    ("relative resistance", "%", |cell| cell.relative_resistance, |truth, k, x| 100.0 * (x / truth.relative_resistance[k] - 1.0)),
    ("resistance", "%", |cell| cell.resistance, |truth, k, x| 100.0 * (x / truth.resistance[k] - 1.0)),
    ("charge offset", "Ah", |cell| cell.offset.filter(|_| !cell.is_late), |truth, k, x| x - truth.offset_ah[k]),
    (
        "self-discharge",
        "mAh/day",
        |cell| cell.self_discharge.filter(|_| !cell.is_late),
        |truth, k, x| 1000.0 * (x - truth.self_discharge_ah[k]),
    ),
    ("capacity", "%", |cell| cell.capacity, |truth, k, x| 100.0 * (x / truth.capacity_ah[k] - 1.0)),
    ("relative capacity", "%", |cell| cell.relative_capacity, |truth, k, x| 100.0 * (x / truth.relative_capacity[k] - 1.0)),
];

/// Errors of the cells whose value is known: of each estimate at each mark.
type Errors = [[Vec<f64>; 4]; 6];

/// A fault of random size on a random cell.
fn fault(kind: FaultKind, early: bool, seed: u64) -> Fault {
    let mut random = Random::new(seed ^ 0xFA_017);
    let cell = random.below(16);
    let mut size = |low, high| random.between(low, high);
    let (size, from_day, days) = match kind {
        FaultKind::Connection if early => (size(0.30e-3, 0.55e-3), 0.0, 0.0),
        FaultKind::Connection => (size(0.15e-3, 0.50e-3), 25.0, 30.0),
        FaultKind::Resistance => (size(0.35, 1.0), 25.0, 40.0),
        FaultKind::Loose => (size(0.2e-3, 0.6e-3), 25.0, 1.0),
        FaultKind::SelfDischarge => (size(0.012, 0.060), 25.0, 1.0),
        FaultKind::Capacity => (size(0.08, 0.25), 0.0, 0.0),
        FaultKind::Battery => (size(0.18, 0.30), 0.0, 0.0),
    };
    Fault { kind, cell, size, from_day, days }
}

const FAULTS: [(&str, FaultKind, bool); 7] = [
    ("connection: +0.15 to 0.5 mΩ in 30 days", FaultKind::Connection, false),
    ("cell: +35 to 100 % resistance in 40 days", FaultKind::Resistance, false),
    ("connection bad from the start, 0.3 to 0.55 mΩ", FaultKind::Connection, true),
    ("loose connection, up to 0.2 to 0.6 mΩ", FaultKind::Loose, false),
    ("self-discharge of 12 to 60 mA", FaultKind::SelfDischarge, false),
    ("weak cell, 8 to 25 %", FaultKind::Capacity, false),
    ("battery 18 to 30 % short", FaultKind::Battery, false),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = arguments.first().map_or(20, |count| count.parse().expect("a number of batteries"));
    let wanted = |name: &str| arguments.get(1).is_none_or(|part| name.contains(part.as_str()));
    println!("Median error / 90 % of the errors / root mean square (cells for which it is known)\n");
    for (name, change) in HEALTHY.into_iter().filter(|(name, _)| wanted(name)) {
        healthy(name, change, count);
    }
    println!("| fault | found | days, median (longest) | cause told | false findings |\n|---|---|---|---|---|");
    for (name, kind, early) in FAULTS.into_iter().filter(|(name, ..)| wanted(name)) {
        faulty(name, kind, early, count);
    }
}

fn healthy(name: &str, change: Change, count: u64) {
    let errors: Mutex<Errors> = Mutex::default();
    let outcomes = each_seed(count, |seed| {
        let mut installation = Installation::random(seed);
        change(&mut installation, &mut Random::new(seed));
        follow(&installation, DAYS, |day, months, health| {
            if let Some(mark) = MARKS.iter().position(|mark| *mark == day) {
                compare(&mut errors.lock().unwrap(), mark, months, health);
            }
        })
    });
    println!("**{name}**, {count} batteries\n\n| estimate | day 1 | day 7 | day 30 | day 90 |\n|---|---|---|---|---|");
    for ((what, unit, ..), marks) in ESTIMATES.iter().zip(errors.into_inner().unwrap()) {
        let cells = marks.map(|errors| summary(errors, unit, count as usize * 16));
        println!("| {what} | {} |", cells.join(" | "));
    }
    let list = |found: fn(&Outcome) -> &Vec<Found>| {
        outcomes
            .iter()
            .flat_map(|(seed, outcome)| found(outcome).iter().map(move |found| (seed, found)))
            .map(|(seed, found)| {
                format!("{}:{} (day {}, seed {seed})", found.kind.name(), found.cell.map_or(0, |cell| cell + 1), found.day)
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    println!("\nfalse findings: [{}]; true ones: [{}]\n", list(|outcome| &outcome.not_true), list(|outcome| &outcome.also_true));
}

fn compare(errors: &mut Errors, mark: usize, months: &Months, health: &Health) {
    let (truth, estimates) = (months.truth(), health.estimates());
    for ((_, _, get, error), marks) in ESTIMATES.iter().zip(errors) {
        let known = estimates.cells.iter().enumerate().filter_map(|(k, cell)| get(cell).map(|estimate| (k, estimate.value)));
        marks[mark].extend(known.map(|(k, value)| error(&truth, k, value)));
    }
}

fn summary(mut errors: Vec<f64>, unit: &str, all: usize) -> String {
    if errors.is_empty() {
        return "–".to_owned();
    }
    let count = errors.len();
    let rms = (errors.iter().map(|error| error * error).sum::<f64>() / count as f64).sqrt();
    errors.iter_mut().for_each(|error| *error = error.abs());
    errors.sort_by(f64::total_cmp);
    let digits = usize::from(unit != "mAh/day") + usize::from(unit == "Ah");
    let at = |share: f64| errors[((count as f64 * share) as usize).min(count - 1)];
    format!("{:.digits$} / {:.digits$} / {rms:.digits$} {unit} ({} %)", at(0.5), at(0.9), 100 * count / all)
}

fn faulty(name: &str, kind: FaultKind, early: bool, count: u64) {
    let outcomes = each_seed(count, |seed| follow(&Installation::random(seed).with(fault(kind, early, seed)), DAYS, |_, _, _| {}));
    let begins = fault(kind, early, 0).from_day;
    let mut days: Vec<f64> = outcomes.iter().filter_map(|(_, outcome)| outcome.told).map(|told| told.day - begins).collect();
    days.sort_by(f64::total_cmp);
    let causes = |cause| outcomes.iter().filter(|(_, outcome)| outcome.cause == Some(cause)).count();
    let causes = match (causes(Cause::Connection), causes(Cause::Cell)) {
        (0, 0) => "–".to_owned(),
        (connection, cell) => format!("{connection} connection, {cell} cell"),
    };
    let wrong: Vec<String> = outcomes
        .iter()
        .flat_map(|(seed, outcome)| outcome.not_true.iter().map(move |found| (seed, found)))
        .map(|(seed, found)| {
            format!("{}:{} (day {}, seed {seed})", found.kind.name(), found.cell.map_or(0, |cell| cell + 1), found.day)
        })
        .collect();
    let missed: Vec<String> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.told.is_none())
        .map(|(seed, _)| format!("{:.5} (seed {seed})", fault(kind, early, *seed).size))
        .collect();
    let (median, longest) = (days.get(days.len() / 2).copied().unwrap_or(f64::NAN), days.last().copied().unwrap_or(f64::NAN));
    println!(
        "| {name} | {} of {count} | {median} ({longest}) | {causes} | {} |",
        days.len(),
        if wrong.is_empty() { "none".to_owned() } else { wrong.join(", ") }
    );
    if !missed.is_empty() {
        eprintln!("missed: {}", missed.join(", "));
    }
}

/// Runs something for each seed, on all processors.
fn each_seed(count: u64, run: impl Fn(u64) -> Outcome + Sync) -> Vec<(u64, Outcome)> {
    let (next, outcomes) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let outcome = run(FIRST_SEED + number);
                    outcomes.lock().unwrap().push((FIRST_SEED + number, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|(seed, _)| *seed);
    outcomes
}
