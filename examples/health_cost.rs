//! What following the health of the cells costs, for 16 batteries of 16 cells: `cargo run --release --example health_cost`.
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::{Battery, PersistedState, charge};
use dbus_bms::health::Health;
use dbus_bms::model::{LinkStats, Reading, Snapshot};
use dbus_bms::output::api::{BatteryInfo, InverterOutputs, ShownHealth, View};
use dbus_bms::sim::months::{Installation, Months};
use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

const BATTERIES: u64 = 16;
/// Readings of each battery; the first half makes the health known and is not measured.
const READINGS: usize = 60_000;
/// 2026-03-01 00:00 UTC.
const START: u64 = 1_772_323_200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut months = Months::new(&Installation::random(1));
    let memory = resident()?;
    let all: Vec<Health> = (0..1000).map(|_| estimators(&mut months)).collect();
    println!("estimators of a battery with 16 cells: {} bytes", (resident()? - memory) / all.len() as u64);
    drop(all);

    let readings: Vec<Vec<(f64, Reading)>> = (0..BATTERIES).map(readings).collect();
    let [(without, _), (with, snapshots)] = [false, true].map(|follow| read(&readings, follow));
    let (info, outputs) = (BatteryInfo::default(), InverterOutputs::default());
    let mut shown: Vec<ShownHealth> = snapshots.iter().map(|_| ShownHealth::default()).collect();
    let anew = per_view(&snapshots, |_, snapshot| View::new(&info, snapshot, None, outputs.clone()));
    let again = per_view(&snapshots, |k, snapshot| {
        shown.get_mut(k).map_or_else(
            || View::new(&info, snapshot, None, outputs.clone()),
            |shown| View::again(&info, snapshot, None, outputs.clone(), shown),
        )
    });
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

/// µs per reading, and the last snapshots. Without the date nothing is learned of the health.
fn read(readings: &[Vec<(f64, Reading)>], follow: bool) -> (f64, Vec<Snapshot>) {
    let mut time = Duration::ZERO;
    let mut snapshots = Vec::new();
    for readings in readings {
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
        let begin = Instant::now();
        for (reading, now) in rest {
            last = battery.read(reading, LinkStats::default(), now);
        }
        time += begin.elapsed();
        snapshots.push(last);
    }
    (time.as_secs_f64() * 1e6 / (BATTERIES as f64 * READINGS as f64 / 2.0), snapshots)
}

/// µs per view.
fn per_view(snapshots: &[Snapshot], mut view: impl FnMut(usize, &Snapshot) -> View) -> f64 {
    let rounds = 2000;
    let begin = Instant::now();
    for _ in 0..rounds {
        for (k, snapshot) in snapshots.iter().enumerate() {
            black_box(view(k, snapshot));
        }
    }
    begin.elapsed().as_secs_f64() * 1e6 / (f64::from(rounds) * snapshots.len() as f64)
}

/// Resident memory of this process, bytes.
fn resident() -> Result<u64, Box<dyn Error>> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    Ok(4096 * pages.split(' ').nth(1).ok_or("no number")?.parse::<u64>()?)
}
