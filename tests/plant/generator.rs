//! A generator in the closed loop: a house without a grid in winter, its battery under charge control, and the rule that asks for the
//! generator. The generator's charger obeys the limits like any other.

use dbus_bms::base::time::Now;
use dbus_bms::base::units::{AmpHours, Amps, Celsius, Moment, Percent, Volts};
use dbus_bms::battery::charge;
use dbus_bms::battery::{Battery, PersistedState};
use dbus_bms::generator::{Config, Inputs, Reason, Rule};
use dbus_bms::model::{Fets, Freshness, LinkStats, Reading, Temperatures};
use dbus_bms::sim::pack::{Demand, Pack, PackConfig};
use dbus_bms::sim::plant::profile::Course;
use std::time::Duration;

/// 2026-11-26, 00:00 UTC.
const MIDNIGHT: u64 = 1_795_651_200;
/// Time from the command to the power, and the greatest power at the battery, W.
const START_S: u32 = 30;
const GENERATOR_W: f64 = 4000.0;

/// What was seen of one simulated stay.
#[derive(Debug, Default)]
struct Figures {
    runs: Vec<(u32, u32, &'static str)>,
    /// What the rule was told of the state of charge at the start of each run, %.
    starts: Vec<f64>,
    lowest_soc: f64,
    highest_soc: f64,
    generated_kwh: f64,
    /// The greatest charge current above the limit, A, after three seconds of delay.
    above_limit_a: f64,
    highest_cell: f64,
}

impl Figures {
    fn hours(&self) -> f64 {
        self.runs.iter().map(|(from, to, _)| f64::from(to - from) / 3600.0).sum()
    }
}

/// Runs the house for this many hours from noon; the BMS does not reply in `silent`, hours after the start.
fn stay(config: &Config, hours: u32, silent: Option<(f64, f64)>) -> Figures {
    let mut pack = Pack::new(&PackConfig { soc_pct: 45.0, temperature_c: 18.0, ..PackConfig::default() });
    let limits = charge::Config { max_charge_current: Some(Amps::new(100.0)), ..charge::Config::default() };
    let mut battery = Battery::new(limits, PersistedState::default());
    let mut rule = Rule::new(config.clone(), Moment::default());
    // A winter day: little sun, and more load in the evening.
    let sun = Course::through(&[(0.0, 0.0), (9.0, 0.0), (12.0, 1500.0), (15.0, 0.0), (24.0, 0.0)]);
    let load = Course::through(&[(0.0, 500.0), (6.0, 700.0), (17.0, 1200.0), (21.0, 1800.0), (24.0, 500.0)]);
    let mut figures = Figures { lowest_soc: 100.0, ..Figures::default() };
    let (mut begun, mut ccl_before, mut why) = (None, [100.0; 3], "");
    for second in 0..hours * 3600 {
        let elapsed = f64::from(second);
        let now = Now { at: Moment::from_secs(elapsed), unix: Some(MIDNIGHT + 12 * 3600 + u64::from(second)) };
        let is_silent = silent.is_some_and(|(from, to)| (from * 3600.0..to * 3600.0).contains(&elapsed));
        let shown = match is_silent {
            true => battery.tick(LinkStats::default(), now),
            false => battery.read(reading(&pack), LinkStats::default(), now),
        };
        let fresh = shown.freshness == Freshness::Fresh;
        let seen = Inputs {
            fresh,
            soc: shown.reading.soc.filter(|_| fresh),
            lowest_cell: shown.derived.min_cell.map(|(cell, _)| cell).filter(|_| fresh),
            voltage: shown.reading.voltage.filter(|_| fresh),
        };
        let decision = rule.step(&seen, now);
        match (decision.run, begun) {
            (true, None) => {
                (begun, why) = (Some(second), decision.reason.key());
                figures.starts.push(seen.soc.expect("a run begins with data only").get());
            }
            (false, Some(from)) => {
                figures.runs.push((from, second, why));
                begun = None;
                assert_ne!(decision.reason, Reason::NotNeeded, "the end of a run has a reason");
            }
            _ => {}
        }
        let (cvl, ccl) = (shown.limits.cvl.value.get(), shown.limits.ccl.value.get());
        let hour = (12.0 + elapsed / 3600.0) % 24.0;
        let running = begun.is_some_and(|from| second - from >= START_S);
        let voltage = pack.actual_cells_v().iter().sum::<f64>();
        let net = sun.at(hour) - load.at(hour) + if running { GENERATOR_W } else { 0.0 };
        // The charger follows the voltage limit by its own resistance and the current limit with a delay of three seconds.
        let held = ((cvl - voltage) / 0.02).max(0.0);
        let current = (net / voltage).min(ccl_before[0]).min(held);
        ccl_before = [ccl_before[1], ccl_before[2], ccl];
        pack.demand = Demand::Constant(if net > 0.0 { current } else { net / voltage });
        for _ in 0..4 {
            pack.tick();
        }
        figures.above_limit_a =
            figures.above_limit_a.max(pack.reported().current_a - ccl_before.iter().copied().fold(0.0, f64::max));
        figures.generated_kwh += if running { GENERATOR_W.min((current * voltage).max(0.0) + load.at(hour)) / 3.6e6 } else { 0.0 };
        figures.lowest_soc = figures.lowest_soc.min(pack.actual_soc_pct());
        figures.highest_soc = figures.highest_soc.max(pack.actual_soc_pct());
        figures.highest_cell = pack.actual_cells_v().iter().copied().fold(figures.highest_cell, f64::max);
    }
    figures.runs.extend(begun.map(|from| (from, hours * 3600, why)));
    figures
}

fn reading(pack: &Pack) -> Reading {
    let shown = pack.reported();
    Reading {
        voltage: Some(Volts::new(shown.voltage_v).rounded(2)),
        current: Some(Amps::new(shown.current_a).rounded(2)),
        soc: Some(Percent::new(shown.soc_pct).rounded(0)),
        capacity: Some(AmpHours::new(shown.capacity_ah)),
        cell_count: u8::try_from(shown.cells_v.len()).ok(),
        cells: shown.cells_v.iter().map(|volts| Volts::new(*volts).rounded(3)).collect(),
        temperatures: Temperatures {
            sensors: Some(shown.temperatures_c.iter().map(|celsius| Celsius::new(*celsius).rounded(1)).collect()),
            ..Temperatures::default()
        },
        fets: Fets { charge: Some(shown.charge_fet), discharge: Some(shown.discharge_fet), ..Fets::default() },
        alarms: Some(Vec::new()),
        ..Reading::new("simulated", None)
    }
}

fn config() -> Config {
    Config { start_soc: Some(Percent::new(25.0)), stop_soc: Percent::new(80.0), ..Config::default() }
}

#[test]
fn three_winter_days_are_bridged_with_few_long_runs() {
    let figures = stay(&config(), 72, None);
    println!("{figures:?}: {:.1} h in {} runs", figures.hours(), figures.runs.len());
    assert!(figures.lowest_soc > 23.0, "the battery never gets emptier than the start: {:.1} %", figures.lowest_soc);
    assert!((2..=4).contains(&figures.runs.len()), "{:?}", figures.runs);
    assert!(figures.runs.iter().all(|(from, to, _)| to - from >= 900), "{:?}", figures.runs);
    assert!(figures.above_limit_a < 1.0 && figures.highest_cell < 3.60, "the limits hold for the generator, too: {figures:?}");
}

#[test]
fn quiet_hours_hold_it_until_it_is_urgent() {
    let quiet = Some("21:00-07:00".parse().unwrap());
    let figures = stay(&Config { quiet, quiet_start_soc: Some(Percent::new(10.0)), ..config() }, 72, None);
    println!("{figures:?}: {:.1} h in {} runs", figures.hours(), figures.runs.len());
    for ((from, to, why), start) in figures.runs.iter().zip(&figures.starts) {
        for second in *from..*to {
            let hour = (12.0 + f64::from(second) / 3600.0) % 24.0;
            let quiet = !(7.0..21.0).contains(&hour);
            assert!(!quiet || *start <= 10.0, "a run at {hour:.2} h that began at {start} %: {why}");
        }
    }
    assert!(figures.lowest_soc > 9.0, "{:.1} %", figures.lowest_soc);
}

#[test]
fn a_silent_battery_ends_the_run_within_its_time() {
    let runs = stay(&config(), 24, None).runs;
    let begin = f64::from(runs[0].0) / 3600.0;
    let silent = (begin + 1.0, begin + 1.5);
    let figures = stay(&config(), 24, Some(silent));
    println!("{figures:?}");
    let end = figures.runs[0].1;
    let silence = (silent.0 * 3600.0) as u32;
    let limit = u32::try_from(Duration::from_secs(300 + 11).as_secs()).unwrap();
    assert!((silence..=silence + limit).contains(&end), "silent from {silence} s, stopped at {end} s");
    assert!(figures.runs[1].0 >= (silent.1 * 3600.0) as u32, "and starts again only with data: {:?}", figures.runs);
}
