//! What following the health of the cells costs, for 16 batteries of 16 cells: `cargo run --release --example health_cost`.
//!
//! It counts the CPU time of this thread and alternates what it compares, so that other work on the machine matters little.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::{Battery, PersistedState, charge};
use dbus_bms::health::Health;
use dbus_bms::model::{LinkStats, Reading, Snapshot};
use dbus_bms::output::api::{BatteryInfo, InverterOutputs, ShownHealth, View};
use dbus_bms::sim::months::{Installation, Months};
use std::error::Error;
use std::hint::black_box;

const BATTERIES: u64 = 16;
/// Readings of each battery; the first half makes the health known and is not measured.
const READINGS: usize = 60_000;
/// How often each kind of view is measured.
const ROUNDS: usize = 15;
/// 2026-03-01 00:00 UTC.
const START: u64 = 1_772_323_200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut months = Months::new(&Installation::random(1));
    let memory = resident()?;
    let all: Vec<Health> = (0..1000).map(|_| estimators(&mut months)).collect();
    println!("estimators of a battery with 16 cells: {} bytes", (resident()? - memory) / all.len() as u64);
    drop(all);

    let (mut without, mut with, mut snapshots) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..BATTERIES {
        let readings = readings(seed);
        without.push(read(&readings, false)?.0);
        let (time, snapshot) = read(&readings, true)?;
        with.push(time);
        snapshots.push(snapshot);
    }
    let (without, with) = (median(without), median(with));
    let (info, outputs) = (BatteryInfo::default(), InverterOutputs::default());
    let mut shown: Vec<ShownHealth> = snapshots.iter().map(|_| ShownHealth::default()).collect();
    let (mut anew, mut again) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        anew.push(per_view(&snapshots, |_, snapshot| View::new(&info, snapshot, None, outputs.clone()))?);
        again.push(per_view(&snapshots, |k, snapshot| {
            shown.get_mut(k).map_or_else(
                || View::new(&info, snapshot, None, outputs.clone()),
                |shown| View::again(&info, snapshot, None, outputs.clone(), shown),
            )
        })?);
    }
    let (anew, again) = (median(anew), median(again));
    println!("a reading through guard, SoC, charge control: {without:.2} µs without health, {with:.2} µs with it");
    println!("a view of it: {anew:.2} µs with the health made anew, {again:.2} µs with that of before");
    println!(
        "reading and view: health made anew takes {:.0} %, else {:.0} % of {:.2} µs",
        100.0 * (with - without + anew - again) / (with + anew),
        100.0 * (with - without) / (with + again),
        with + again
    );
    Ok(())
}

/// Estimators that have taken some readings.
fn estimators(months: &mut Months) -> Health {
    let mut health = Health::new(16, AmpHours::new(280.0));
    for _ in 0..20 {
        if let Some(observation) = months.step() {
            health.update(&observation);
        }
    }
    health
}

/// Readings of an installation, each with its time, s.
fn readings(seed: u64) -> Vec<(f64, Reading)> {
    let mut months = Months::new(&Installation { period_s: 1.0, ..Installation::random(seed) });
    let mut readings = Vec::with_capacity(READINGS);
    while readings.len() < READINGS {
        let Some(seen) = months.step() else { continue };
        let mut reading = Reading::new("jk", None);
        reading.cells = seen.cells.to_vec();
        reading.cell_count = Some(16);
        reading.voltage = Some(Volts::new(seen.cells.iter().map(|cell| cell.get()).sum()));
        reading.current = seen.current;
        reading.soc = seen.soc.map(|soc| Percent::new(soc.get()));
        (reading.remaining, reading.capacity) = (seen.remaining, Some(AmpHours::new(280.0)));
        reading.temperatures.sensors = Some(seen.temperatures.iter().map(|sensor| Celsius::new(sensor.get())).collect());
        (reading.fets.charge, reading.fets.discharge, reading.alarms) = (Some(true), Some(true), Some(Vec::new()));
        readings.push((seen.t, reading));
    }
    readings
}

/// µs per reading, and the last snapshot. Without the date nothing is learned of the health.
fn read(readings: &[(f64, Reading)], follow: bool) -> Result<(f64, Snapshot), Box<dyn Error>> {
    let mut battery = Battery::new(charge::Config::default(), PersistedState::default());
    let mut last = Snapshot::default();
    let mut readings = readings
        .iter()
        .cloned()
        .map(|(t, reading)| (reading, Now { at: Moment::from_secs(t), unix: follow.then_some(START + t as u64) }));
    for (reading, now) in readings.by_ref().take(READINGS / 2) {
        last = battery.read(reading, LinkStats::default(), now);
    }
    let rest: Vec<(Reading, Now)> = readings.collect();
    let (count, begin) = (rest.len() as f64, used()?);
    for (reading, now) in rest {
        last = battery.read(reading, LinkStats::default(), now);
    }
    Ok(((used()? - begin) / count, last))
}

/// µs per view.
fn per_view(snapshots: &[Snapshot], mut view: impl FnMut(usize, &Snapshot) -> View) -> Result<f64, Box<dyn Error>> {
    let rounds = 200;
    let begin = used()?;
    for _ in 0..rounds {
        for (k, snapshot) in snapshots.iter().enumerate() {
            black_box(view(k, snapshot));
        }
    }
    Ok((used()? - begin) / (f64::from(rounds) * snapshots.len() as f64))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of this thread, µs.
fn used() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().ok_or("no number")?.parse::<f64>()? / 1000.0)
}

/// Resident memory of this process, bytes.
fn resident() -> Result<u64, Box<dyn Error>> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    Ok(4096 * pages.split(' ').nth(1).ok_or("no number")?.parse::<u64>()?)
}
